//! Holds what happened to slots since a description of them was made.
//!
//! A slot that the description knows may only be counted differently since; one that was born since is known
//! here alone. So most changes, and all that a replay makes, need not read the description.
//!
//! Never: decides anything. [`SlotTable`](super::SlotTable) does.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use base::{Sequence, Slot};

use super::{Known, Life};
use crate::dedup::AsIs;
use crate::{DedupTable, VectorHash};

/// The changes to slots since some moment.
#[derive(Clone, Default, Debug)]
pub(super) struct Delta {
    /// How many slots there were then. All behind are in `tail`.
    start: u64,
    tail: Vec<Entry>,
    changed: HashMap<u32, Change, BuildHasherDefault<AsIs>>,
    /// Those that were born since and are alive.
    pub(super) by_key: DedupTable,
    /// Slots that became free since.
    pub(super) free: Vec<Slot>,
    /// Slots that were freed since, in that order.
    pub(super) resting: VecDeque<Slot>,
    pub(super) alive: u64,
    pub(super) references: u64,
}

/// A slot that was born since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) hash: VectorHash,
    pub(super) key: Option<u64>,
    pub(super) references: u32,
    /// None while it is free.
    pub(super) life: Option<Life>,
}

impl Entry {
    /// Never given out, or free again.
    pub(super) const FREE: Entry =
        Entry { hash: VectorHash::from_raw(0), key: None, references: 0, life: None };

    /// What is known of it.
    pub(super) fn known(&self) -> Option<Known> {
        let Entry { hash, references, .. } = *self;
        self.life.map(|life| Known { hash, references, life })
    }
}

/// What became of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// It was born since, and is free again if it has no life.
    Whole(Entry),
    /// More or less refers to what it held already, and perhaps nothing any more.
    Counted { more: i64, freed: Option<Sequence> },
}

impl Delta {
    /// No change to so many slots, of which so many are alive.
    pub(super) fn new(start: u64, alive: u64, references: u64) -> Self {
        Delta { start, alive, references, ..Delta::default() }
    }

    /// How many slots there are now.
    pub(super) fn len(&self) -> u64 {
        self.start + self.tail.len() as u64
    }

    /// What became of a slot; `None` if nothing did.
    pub(super) fn change(&self, slot: Slot) -> Option<Change> {
        match self.at(slot) {
            Some(at) => self.tail.get(at).map(|entry| Change::Whole(*entry)),
            None => self.changed.get(&slot.0).copied(),
        }
    }

    /// Whether the slot was not touched since.
    pub(super) fn leaves(&self, slot: Slot) -> bool {
        self.at(slot).is_none() && !self.changed.contains_key(&slot.0)
    }

    /// Whether what the slot held at first is still alive.
    pub(super) fn keeps_alive(&self, slot: Slot) -> bool {
        match self.change(slot) {
            None | Some(Change::Counted { freed: None, .. }) => true,
            Some(_) => false,
        }
    }

    /// Notes what became of a slot: one that was there, or the next one.
    pub(super) fn set(&mut self, slot: Slot, entry: Entry) {
        match self.at(slot) {
            None => drop(self.changed.insert(slot.0, Change::Whole(entry))),
            Some(at) => match self.tail.get_mut(at) {
                Some(place) => *place = entry,
                None => self.tail.push(entry),
            },
        }
    }

    /// Takes this slot and all behind it back: they were never given out.
    pub(super) fn cut_from(&mut self, slot: Slot) {
        if let Some(at) = self.at(slot) {
            self.tail.truncate(at);
        }
    }

    /// The entry of a slot that was born since.
    pub(super) fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        match self.at(slot) {
            Some(at) => self.tail.get_mut(at),
            None => match self.changed.get_mut(&slot.0) {
                Some(Change::Whole(entry)) => Some(entry),
                _ => None,
            },
        }
    }

    /// How a slot that was there before is counted now.
    pub(super) fn counted(&mut self, slot: Slot) -> Option<(&mut i64, &mut Option<Sequence>)> {
        let untouched = Change::Counted { more: 0, freed: None };
        match self.changed.entry(slot.0).or_insert(untouched) {
            Change::Counted { more, freed } => Some((more, freed)),
            Change::Whole(_) => None,
        }
    }

    /// The slots that were born since and behind all others.
    pub(super) fn tail(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        (self.start..).zip(&self.tail).map(|(slot, entry)| (number(slot), entry))
    }

    /// The same with what changed after it, which began where this one ends.
    pub(super) fn with(mut self, newer: Delta) -> Delta {
        let (start, end) = (newer.start, self.len());
        assert_eq!(start, end, "changes are added to those right before them");
        // What is alive under a key in both is the same in both.
        let gone = self.by_key.iter().filter(|(_, slot)| !newer.keeps_alive(*slot));
        for (key, slot) in gone.collect::<Vec<_>>() {
            self.by_key.remove(key, slot);
        }
        for (key, slot) in newer.by_key.iter() {
            self.by_key.insert(key, slot);
        }
        let is_left = |slot: &Slot| newer.leaves(*slot);
        self.free.retain(is_left);
        self.free.extend(&newer.free);
        self.resting.retain(is_left);
        self.resting.extend(&newer.resting);
        for (slot, change) in &newer.changed {
            self.add(Slot(*slot), *change);
        }
        self.tail.extend_from_slice(&newer.tail);
        Delta { alive: newer.alive, references: newer.references, ..self }
    }

    fn add(&mut self, slot: Slot, change: Change) {
        match change {
            Change::Whole(entry) => self.set(slot, entry),
            Change::Counted { more, freed } => match self.entry(slot) {
                Some(entry) => {
                    let references = i64::from(entry.references) + more;
                    entry.references = u32::try_from(references).unwrap_or(entry.references);
                    if let Some(freed) = freed {
                        entry.life = entry.life.map(|life| life.freed(freed));
                    }
                }
                None => {
                    if let Some((counted, end)) = self.counted(slot) {
                        *counted += more;
                        *end = end.or(freed);
                    }
                }
            },
        }
    }

    fn at(&self, slot: Slot) -> Option<usize> {
        u64::from(slot.0).checked_sub(self.start).and_then(|at| usize::try_from(at).ok())
    }
}

/// A slot of this number; there are 2^32 at most.
pub(super) fn number(slot: u64) -> Slot {
    Slot(u32::try_from(slot).unwrap_or(u32::MAX))
}
