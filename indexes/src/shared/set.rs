//! A set of slots that many threads read and change.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use base::Slot;

use super::{Apart, Pieces};
use crate::SlotSet;
use crate::slots::{WORD, place, slots_of};

/// A set of slots, a bit for each.
///
/// Promise: whoever sees that a slot is in it, or not, sees what whoever put it in, or took it out, did before.
#[derive(Debug)]
pub(crate) struct SharedSet {
    words: Pieces<AtomicU64>,
    /// Above every word that was ever written to.
    end: Apart<AtomicUsize>,
    len: Apart<AtomicUsize>,
}

impl SharedSet {
    pub(crate) fn new() -> Self {
        let [end, len] = std::array::from_fn(|_| Apart(AtomicUsize::new(0)));
        SharedSet { words: Pieces::new(1, WORD), end, len }
    }

    /// How many there are. Whoever sees that one is gone sees what whoever took it out did before.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// How many words it has: slots beyond them are not in it.
    pub(crate) fn words(&self) -> usize {
        self.end.load(Ordering::Acquire)
    }

    /// A word of 64 slots.
    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u64 {
        self.words.row(at).first().map_or(0, |word| word.load(Ordering::Acquire))
    }

    #[inline(always)]
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        let (at, bit) = place(slot);
        self.word(at) & bit != 0
    }

    /// Adds one; says whether it is new.
    pub(crate) fn insert(&self, slot: Slot) -> bool {
        let (at, bit) = place(slot);
        let word = match self.words.row(at) {
            [] => self.words.make(at),
            word => word,
        };
        let Some(word) = word.first() else { return false };
        // Before others see it, and may take it out again: there are never more than are counted.
        self.len.fetch_add(1, Ordering::Relaxed);
        let new = word.fetch_or(bit, Ordering::AcqRel) & bit == 0;
        self.len.fetch_sub(usize::from(!new), Ordering::Relaxed);
        // Who reads it goes on reading it from its own memory, as long as it stays the same.
        if self.end.load(Ordering::Acquire) <= at {
            self.end.fetch_max(at + 1, Ordering::AcqRel);
        }
        new
    }

    /// Takes one out; says whether it was there.
    pub(crate) fn remove(&self, slot: Slot) -> bool {
        let (at, bit) = place(slot);
        let Some(word) = self.words.row(at).first() else { return false };
        let there = word.fetch_and(!bit, Ordering::AcqRel) & bit != 0;
        self.len.fetch_sub(usize::from(there), Ordering::Release);
        there
    }

    /// What is in it.
    pub(crate) fn now(&self) -> SlotSet {
        SlotSet::of_words((0..self.words()).map(|at| self.word(at)).collect())
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.words()).flat_map(|at| slots_of(at, self.word(at)))
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.words.bytes()
    }
}

impl From<&SlotSet> for SharedSet {
    fn from(set: &SlotSet) -> Self {
        let shared = SharedSet::new();
        for slot in set.iter() {
            shared.insert(slot);
        }
        shared
    }
}
