//! Writes vectors to slots that were never given out, before any batch knows of them: a bulk batch is written once,
//! and its record only names what is there.
//!
//! State: taken ([`VectorSet::take_fresh`]) -> written and synced ([`Fresh::sync`]) -> placed, or given back.
//!
//! Promises
//!  1. What a batch places was written and synced, and is the vector that was prepared.
//!  2. A slot that was placed is not written to any more; one that was not is given out to others.

use std::ops::Range;
use std::sync::atomic::Ordering;

use base::Slot;

use crate::primitives::lock;
use crate::{Error, Prepared, Result, VectorSet};

impl VectorSet {
    /// Takes slots that were never given out, to be written and synced before any batch knows of them.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::NoSlotsLeft`].
    pub fn take_fresh(&self, count: u32) -> Result<Fresh<'_>> {
        let slots = self.table().take_fresh(count)?;
        let fresh = Fresh { slots: Taken { set: self, slots }, written: Vec::new() };
        match fresh.slots.iter().find(|slot| !self.file.claim(*slot)) {
            Some(slot) => Err(Error::Inconsistent { slot, what: "fresh, and open to readers" }),
            None => Ok(fresh),
        }
    }
}

/// Slots that were never given out, for writing. Dropped, they are given back.
#[derive(Debug)]
pub struct Fresh<'s> {
    slots: Taken<'s>,
    written: Vec<Prepared>,
}

/// Vectors in such slots, durable. Those that no batch places are given back when this is dropped.
#[derive(Debug)]
pub struct Written<'s> {
    slots: Taken<'s>,
    vectors: Vec<Prepared>,
}

#[derive(Debug)]
struct Taken<'s> {
    set: &'s VectorSet,
    slots: Range<u64>,
}

impl Taken<'_> {
    fn iter(&self) -> impl Iterator<Item = Slot> + use<> {
        self.slots.clone().filter_map(|slot| u32::try_from(slot).ok()).map(Slot)
    }

    fn get(&self, index: usize) -> Option<Slot> {
        let slot = self.slots.start.checked_add(index as u64)?;
        let is_there = self.slots.contains(&slot);
        u32::try_from(slot).ok().filter(|_| is_there).map(Slot)
    }
}

impl<'s> Fresh<'s> {
    /// How many slots are left to be written.
    pub fn left(&self) -> usize {
        self.slots.iter().count() - self.written.len()
    }

    /// Writes vectors into the next of the slots.
    ///
    /// # Errors
    /// [`Error::Dimension`] for what was prepared for another set; those of a segment that cannot be written.
    ///
    /// # Panics
    /// If there are fewer slots left.
    pub fn write(&mut self, vectors: impl IntoIterator<Item = Prepared>) -> Result<()> {
        let first = self.written.len();
        let vectors: Vec<Prepared> = vectors.into_iter().collect();
        assert!(
            vectors.len() <= self.left(),
            "{} vectors for {} slots",
            vectors.len(),
            self.left()
        );
        vectors.iter().try_for_each(|it| self.slots.set.check_length(it.vector()))?;
        let placed = vectors
            .iter()
            .enumerate()
            .filter_map(|(at, prepared)| Some((self.slots.get(first + at)?, &**prepared.vector())));
        self.slots.set.file.write(placed)?;
        self.written.extend(vectors);
        Ok(())
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn sync(self) -> Result<Written<'s>> {
        self.slots.set.file.sync(Some(self.slots.slots.clone()))?;
        Ok(Written { slots: self.slots, vectors: self.written })
    }
}

impl Written<'_> {
    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// A vector and its slot.
    pub(crate) fn of(&self, set: &VectorSet, index: u32) -> (Slot, &Prepared) {
        assert!(
            std::ptr::eq(set, self.slots.set),
            "a vector is placed in the set it was written for"
        );
        let found = self.slots.get(index as usize).zip(self.vectors.get(index as usize));
        let Some(found) = found else {
            panic!("vector {index} of {} that were written", self.vectors.len());
        };
        found
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Not through the table, which a batch may hold.
        lock(&self.set.given_back).extend(self.iter());
        self.set.gives_back.store(true, Ordering::Release);
    }
}
