//! Counts what refers to each slot, and knows which are free, which are resting, and which hold what.
//!
//! State of a slot: free -> alive (it is placed) -> resting (its last reference is released) -> free (it is
//! reclaimed).
//!
//! Promises
//!  1. Every slot ever given out is in exactly one of these states.
//!  2. A vector is never found in a slot that rests: it may be rewritten before the batch that would share it
//!     is durable.
//!  3. A slot that rests is given out again only when whoever reclaims says that nobody can see it.
//!
//! Never: touches a vector; looks at a file. Whose the slots are, and that only one at a time changes them, is
//! the sequencer's affair.

use base::{Sequence, Slot};

use super::Life;
use crate::{DedupTable, VectorHash};

/// The slots of a collection, and what is known of each.
#[derive(Clone, Default, Debug)]
pub struct SlotTable {
    entries: Vec<Entry>,
    by_key: DedupTable,
    free: Vec<Slot>,
    resting: Vec<Slot>,
    references: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: VectorHash,
    key: Option<u64>,
    references: u32,
    /// None while it is free.
    life: Option<Life>,
}

/// Where a vector is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// In a slot that holds it already.
    Shared(Slot),
    /// In a slot of its own, where it has to be written.
    Own(Slot),
}

impl Placed {
    /// The slot.
    pub fn slot(self) -> Slot {
        match self {
            Placed::Shared(slot) | Placed::Own(slot) => slot,
        }
    }
}

/// Why a vector found no place, or a slot is not what it was taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SlotError {
    /// There are no more slots: 2^32 are in use or resting.
    NoneLeft,
    /// A slot has as many references as can be counted.
    TooManyReferences {
        /// The slot.
        slot: Slot,
    },
    /// The slot holds nothing.
    NotAlive {
        /// The slot.
        slot: Slot,
    },
}

impl std::fmt::Display for SlotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SlotError::NoneLeft => write!(f, "all slots of the collection are taken"),
            SlotError::TooManyReferences { slot } => {
                write!(f, "too many rows have the vector in slot {slot}")
            }
            SlotError::NotAlive { slot } => write!(f, "slot {slot} holds no vector"),
        }
    }
}

impl std::error::Error for SlotError {}

/// How many slots there are of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SlotCounts {
    /// Slots that hold a vector: unique vectors.
    pub alive: u64,
    /// What refers to them.
    pub references: u64,
    /// Slots whose vector nothing refers to, and that may still be seen.
    pub resting: u64,
    /// Slots that can be given out again.
    pub free: u64,
}

impl SlotTable {
    /// No slot was ever given out.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds a place for a vector, and counts a reference to it. `is_it` compares with the vector in a slot:
    /// the same key says nothing yet. Without a key it always gets a slot of its own.
    ///
    /// # Errors
    /// [`SlotError::NoneLeft`], [`SlotError::TooManyReferences`]; nothing has changed then.
    pub fn place(
        &mut self,
        key: Option<u64>,
        hash: VectorHash,
        born: Sequence,
        is_it: impl FnMut(Slot) -> bool,
    ) -> Result<Placed, SlotError> {
        if let Some(slot) = key.and_then(|key| self.by_key.find(key, is_it)) {
            return self.refer(slot).map(|()| Placed::Shared(slot));
        }
        let entry = Entry { hash, key, references: 1, life: Some(Life::born(born)) };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => u32::try_from(self.entries.len()).map(Slot).map_err(|_| SlotError::NoneLeft)?,
        };
        match self.entries.get_mut(slot.0 as usize) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        if let Some(key) = key {
            self.by_key.insert(key, slot);
        }
        self.references += 1;
        Ok(Placed::Own(slot))
    }

    /// Counts one more reference to a slot that is alive.
    ///
    /// # Errors
    /// [`SlotError::NotAlive`], [`SlotError::TooManyReferences`]; nothing has changed then.
    pub fn refer(&mut self, slot: Slot) -> Result<(), SlotError> {
        let entry = self.alive(slot)?;
        let references = entry.references.checked_add(1);
        entry.references = references.ok_or(SlotError::TooManyReferences { slot })?;
        self.references += 1;
        Ok(())
    }

    /// Takes a reference away. With the last one the slot comes to rest, and the batch that took it is the end
    /// of its life.
    ///
    /// # Errors
    /// [`SlotError::NotAlive`].
    pub fn release(&mut self, slot: Slot, freed: Sequence) -> Result<(), SlotError> {
        let entry = self.alive(slot)?;
        entry.references -= 1;
        let ended = entry.references == 0;
        if ended {
            entry.life = entry.life.map(|life| life.freed(freed));
            if let Some(key) = entry.key {
                self.by_key.remove(key, slot);
            }
            self.resting.push(slot);
        }
        self.references -= 1;
        Ok(())
    }

    /// Frees the slots at rest of which it says so: nobody sees them any more, nothing that is kept refers to
    /// them, and no index leads there. Returns them.
    pub fn reclaim(&mut self, mut is_unseen: impl FnMut(Slot, Life) -> bool) -> Vec<Slot> {
        let mut freed = Vec::new();
        let entries = &mut self.entries;
        self.resting.retain(|slot| {
            let Some(entry) = entries.get_mut(slot.0 as usize) else { return true };
            let is_free = entry.life.is_some_and(|life| is_unseen(*slot, life));
            if is_free {
                entry.life = None;
                freed.push(*slot);
            }
            !is_free
        });
        self.free.extend(&freed);
        freed
    }

    /// The life of what a slot holds or held; `None` if it is free, or was never given out.
    pub fn life(&self, slot: Slot) -> Option<Life> {
        self.entries.get(slot.0 as usize)?.life
    }

    /// The checksum of what a slot holds or held.
    pub fn hash(&self, slot: Slot) -> Option<VectorHash> {
        let entry = self.entries.get(slot.0 as usize)?;
        entry.life.map(|_| entry.hash)
    }

    /// How many references there are to a slot.
    pub fn references(&self, slot: Slot) -> u32 {
        self.entries.get(slot.0 as usize).map_or(0, |entry| entry.references)
    }

    /// How many slots were ever given out: all numbers are below it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many slots there are of each kind.
    pub fn counts(&self) -> SlotCounts {
        let (resting, free) = (self.resting.len() as u64, self.free.len() as u64);
        let alive = self.entries.len() as u64 - resting - free;
        SlotCounts { alive, references: self.references, resting, free }
    }

    fn alive(&mut self, slot: Slot) -> Result<&mut Entry, SlotError> {
        let entry = self.entries.get_mut(slot.0 as usize).filter(|entry| entry.references > 0);
        entry.ok_or(SlotError::NotAlive { slot })
    }
}

#[cfg(test)]
mod tests;
