//! Holds the vectors that an index does not have yet, and finds the nearest of them exactly.
//!
//! Nearly all of them have codes, in parts of some thousand: a part is let go of as a whole once the index has the last
//! of its vectors, so that what passed through takes no memory. Vectors that were found when the store was opened have no
//! codes at first: to make them is to read them, and opening reads none.
//!
//! Promises
//!  1. What was added is found by every search that takes its snapshot afterwards, until it is taken out.
//!
//! Never: knows what a view sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use base::{Sequence, Slot};
use indexes::{Flat, Index, Lent, Measure, Nearest, Query, SlotSet, Unreadable, Vectors};
use parking_lot::RwLock;

use super::lend::One;
use crate::named::About;

/// How many vectors a part takes in.
const PART: u32 = 16_384;

/// What an index does not have yet.
#[derive(Debug)]
pub(crate) struct Tail {
    dim: usize,
    measure: Measure,
    state: RwLock<State>,
    /// How many there are that an index could take up.
    behind: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    there: BTreeMap<Slot, Entry>,
    /// The oldest first; only the last one takes in more.
    parts: Vec<Filled>,
    /// How many parts were begun.
    begun: u64,
    /// Those that have no codes.
    plain: BTreeSet<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    born: Sequence,
    /// The part it has its code in, and where; none if it has no code.
    place: Option<(u64, u32)>,
    /// No index can take it up.
    is_bad: bool,
}

/// A part, and how much is in it.
#[derive(Debug)]
struct Filled {
    number: u64,
    part: Arc<Part>,
    given: u32,
    left: u32,
}

/// Some vectors by their codes.
#[derive(Debug)]
pub(crate) struct Part {
    codes: Flat,
    /// Which slot each is of that the codes know by a number of their own: so the codes of some slots take no more
    /// room the higher those are.
    slots: Box<[AtomicU32]>,
}

/// What a search looks at.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Slots whose vectors have no codes. Copied, since each of them is looked at in full anyway.
    pub(crate) plain: Vec<Slot>,
    pub(crate) parts: Vec<Arc<Part>>,
}

impl Tail {
    /// That of a collection, with nothing in it.
    pub(crate) fn of(about: &About) -> Self {
        let (dim, measure) = (about.config.dim() as usize, about.measure.clone());
        let (state, behind) = (RwLock::default(), AtomicUsize::new(0));
        Tail { dim, measure, state, behind }
    }

    /// Adds a slot whose vector is not at hand, unless it is there.
    pub(crate) fn add(&self, slot: Slot, born: Sequence) {
        let mut state = self.state.write();
        if state.there.contains_key(&slot) {
            return;
        }
        state.there.insert(slot, Entry { born, place: None, is_bad: false });
        state.plain.insert(slot);
        self.behind.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a slot with its vector, or makes the code of one that is there.
    pub(crate) fn add_with(&self, slot: Slot, born: Sequence, vector: &[f32]) {
        let mut state = self.state.write();
        let before = state.there.get(&slot).copied();
        if before.is_some_and(|entry| entry.place.is_some()) {
            return;
        }
        let place = self.code(&mut state, slot, vector);
        let is_bad = before.is_some_and(|entry| entry.is_bad);
        state.there.insert(slot, Entry { born, place, is_bad });
        match (before, place) {
            (None, None) => _ = state.plain.insert(slot),
            (Some(_), Some(_)) => _ = state.plain.remove(&slot),
            _ => {}
        }
        if before.is_none() {
            self.behind.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes a code; none, if that cannot be.
    fn code(&self, state: &mut State, slot: Slot, vector: &[f32]) -> Option<(u64, u32)> {
        if state.parts.last().is_none_or(|last| last.given == PART) {
            let codes = Flat::new(self.dim, self.measure.clone());
            let slots = (0..PART).map(|_| AtomicU32::new(0)).collect();
            let (number, part) = (state.begun, Arc::new(Part { codes, slots }));
            state.begun += 1;
            state.parts.push(Filled { number, part, given: 0, left: 0 });
        }
        let filled = state.parts.last_mut()?;
        let at = filled.given;
        // It is there before the code is, by which it is found.
        filled.part.slots.get(at as usize)?.store(slot.0, Ordering::Release);
        filled.given += 1;
        filled.part.codes.insert(Slot(at), &One(vector)).ok()?;
        filled.left += 1;
        Some((filled.number, at))
    }

    /// Takes a slot out; says whether it was there.
    pub(crate) fn take(&self, slot: Slot) -> bool {
        let mut state = self.state.write();
        let Some(Entry { place, is_bad, .. }) = state.there.remove(&slot) else { return false };
        if !is_bad {
            self.behind.fetch_sub(1, Ordering::Relaxed);
        }
        let Some((number, at)) = place else {
            state.plain.remove(&slot);
            return true;
        };
        let place = state.parts.iter().position(|it| it.number == number);
        if let Some(filled) = place.and_then(|place| state.parts.get_mut(place)) {
            // It is our own, which is never in an image.
            _ = filled.part.codes.remove(Slot(at)).is_ok();
            filled.left -= 1;
            // One that has room for few more is not worth keeping either.
            if filled.left == 0 && filled.given > PART / 2 {
                state.parts.retain(|it| it.number != number);
            }
        }
        true
    }

    /// No index can take this one up: it stays here.
    pub(crate) fn is_bad(&self, slot: Slot) {
        if let Some(entry) = self.state.write().there.get_mut(&slot)
            && !std::mem::replace(&mut entry.is_bad, true)
        {
            self.behind.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many there are that an index could take up.
    pub(crate) fn behind(&self) -> usize {
        self.behind.load(Ordering::Relaxed)
    }

    /// Whether there is any that an index could take up, which was born up to a batch.
    pub(crate) fn has_any_of(&self, at: Option<Sequence>) -> bool {
        let is_of_that = |it: &Entry| !it.is_bad && Some(it.born) <= at;
        self.behind() > 0 && self.state.read().there.values().any(is_of_that)
    }

    /// All there are that were born up to a batch, in order.
    pub(crate) fn born_by(&self, at: Option<Sequence>) -> Vec<(Slot, Sequence)> {
        let state = self.state.read();
        let born = state.there.iter().map(|(slot, entry)| (*slot, entry.born));
        born.filter(|(_, born)| Some(*born) <= at).collect()
    }

    /// So many at most that an index could take up, which were born up to a batch.
    pub(crate) fn next(
        &self,
        (at_most, at): (usize, Option<Sequence>),
        is_free: impl Fn(Slot) -> bool,
    ) -> SlotSet {
        let state = self.state.read();
        let next = state
            .there
            .iter()
            .filter(|(slot, it)| !it.is_bad && Some(it.born) <= at && is_free(**slot));
        next.take(at_most).map(|(slot, _)| *slot).collect()
    }

    /// So many at most that have no code, which were born up to a batch.
    pub(crate) fn uncoded(&self, at_most: usize, at: Option<Sequence>) -> Vec<(Slot, Sequence)> {
        let state = self.state.read();
        let of = |slot: &Slot| state.there.get(slot).map(|entry| (*slot, *entry));
        let next = state.plain.iter().filter_map(of);
        let next = next.filter(|(_, it)| !it.is_bad && Some(it.born) <= at);
        next.map(|(slot, entry)| (slot, entry.born)).take(at_most).collect()
    }

    /// What there is to be searched.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state.read();
        let parts = state.parts.iter().map(|filled| Arc::clone(&filled.part)).collect();
        Snapshot { plain: state.plain.iter().copied().collect(), parts }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let state = self.state.read();
        let of = |it: &Filled| it.part.codes.statistics().bytes + PART as usize * size_of::<u32>();
        let entry = size_of::<(Slot, Entry)>();
        state.parts.iter().map(of).sum::<usize>() + state.there.len() * entry
    }
}

impl Part {
    /// Finds the nearest of its vectors, of those that may be seen.
    pub(crate) fn search(
        &self,
        query: Query<'_>,
        sees: Option<&(dyn Fn(Slot) -> bool + Sync)>,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, indexes::Error> {
        let own = |at: Slot| sees.is_none_or(|sees| sees(self.slot(at)));
        let query = if sees.is_some() { query.visible(&own) } else { query };
        let mut found = self.codes.search(&query, &Translated { part: self, vectors })?;
        found.neighbours.iter_mut().for_each(|it| it.slot = self.slot(it.slot));
        Ok(found)
    }

    /// The slot that the codes know by this number.
    fn slot(&self, at: Slot) -> Slot {
        let slot = self.slots.get(at.0 as usize).map(|slot| slot.load(Ordering::Acquire));
        Slot(slot.unwrap_or(u32::MAX))
    }
}

/// Vectors by the numbers that a part knows them by.
struct Translated<'v> {
    part: &'v Part,
    vectors: &'v dyn Vectors,
}

impl Vectors for Translated<'_> {
    fn dim(&self) -> usize {
        self.vectors.dim()
    }

    fn vector(&self, at: Slot) -> Result<Lent<'_>, Unreadable> {
        self.vectors.vector(self.part.slot(at))
    }
}
