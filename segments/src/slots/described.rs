//! Describes the slots as they were at one moment: what an image holds of them, and what everything since is a
//! difference to.
//!
//! Owns: [`SlotBase`], the questions that are asked of such a description, and [`SlotList`], one in memory.
//! The tables of an image, mapped and verified as they are touched, are another; they come with the store.
//!
//! Never: trusts the answers. Whatever a description says, an inconsistent one leads to an error and not to
//! a wrong slot.

use std::fmt;

use base::{Sequence, Slot};

use super::Life;
use crate::{Result, VectorHash};

/// What is known of a slot that holds or held a vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The sum of the vector's bytes.
    pub hash: VectorHash,
    /// How much refers to it; 0 if it is at rest.
    pub references: u32,
    /// When it was born, and when it was freed if it is at rest.
    pub life: Life,
}

impl Known {
    /// Whether something refers to it.
    pub fn is_alive(&self) -> bool {
        self.life.end().is_none()
    }
}

/// The slots of a collection at one moment. It never changes.
///
/// Lists are asked for one by one, so that a description that lies in a mapped file is read only where it is
/// needed. An answer behind the end of a list may be anything: nobody asks.
pub trait SlotBase: Send + Sync + fmt::Debug {
    /// How many slots were ever given out.
    fn slots(&self) -> u64;

    /// How many of them are alive.
    fn alive(&self) -> u64;

    /// How much refers to them, all in all.
    fn references(&self) -> u64;

    /// What a slot holds; `None` if it is free.
    ///
    /// # Errors
    /// If it cannot be read.
    fn known(&self, slot: Slot) -> Result<Option<Known>>;

    /// Asks about each slot that is alive under this key, until the answer is yes.
    ///
    /// # Errors
    /// If it cannot be read, or what the question returns.
    fn find(&self, key: u64, is_it: &mut dyn FnMut(Slot) -> Result<bool>) -> Result<Option<Slot>>;

    /// How many slots have a key: all that are alive, or none.
    fn keys(&self) -> u64;

    /// A key and a slot that is alive under it, in the order of keys and then slots.
    ///
    /// # Errors
    /// If it cannot be read.
    fn key_at(&self, at: u64) -> Result<(u64, Slot)>;

    /// How many slots are free.
    fn free(&self) -> u64;

    /// One of the free slots.
    ///
    /// # Errors
    /// If it cannot be read.
    fn free_at(&self, at: u64) -> Result<Slot>;

    /// How many slots are at rest.
    fn resting(&self) -> u64;

    /// One of the slots at rest, in the order in which they were freed.
    ///
    /// # Errors
    /// If it cannot be read.
    fn resting_at(&self, at: u64) -> Result<Slot>;
}

/// A description in memory.
///
/// ```
/// use base::{Sequence, Slot};
/// use segments::{Known, Life, SlotBase, SlotList, VectorHash};
///
/// let hash = VectorHash::of(&[1.0, 2.0]);
/// let alive = Known { hash, references: 3, life: Life::born(Sequence::FIRST) };
/// // Slot 0 is free; slot 1 holds a vector that is looked up by its hash.
/// let slots = SlotList::new([(None, None), (Some(alive), Some(hash.get()))]);
/// assert_eq!((slots.slots(), slots.alive(), slots.references(), slots.free()), (2, 1, 3, 1));
/// assert_eq!(slots.find(hash.get(), &mut |_| Ok(true))?, Some(Slot(1)));
/// # Ok::<(), segments::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SlotList {
    known: Vec<Option<Known>>,
    /// Sorted.
    keys: Vec<(u64, Slot)>,
    free: Vec<Slot>,
    /// In the order in which they were freed.
    resting: Vec<Slot>,
    alive: u64,
    references: u64,
}

impl SlotList {
    /// What is known of each slot, from the first on, and the key it is found under if it is alive.
    pub fn new(slots: impl IntoIterator<Item = (Option<Known>, Option<u64>)>) -> Self {
        let mut list = SlotList::default();
        let mut resting: Vec<(Option<Sequence>, Slot)> = Vec::new();
        for (number, (known, key)) in (0..=u32::MAX).zip(slots) {
            let slot = Slot(number);
            match known {
                None => list.free.push(slot),
                Some(known) if known.is_alive() => {
                    list.alive += 1;
                    list.references += u64::from(known.references);
                    list.keys.extend(key.map(|key| (key, slot)));
                }
                Some(known) => resting.push((known.life.end(), slot)),
            }
            list.known.push(known);
        }
        list.keys.sort_unstable();
        resting.sort_unstable();
        list.resting = resting.into_iter().map(|(_, slot)| slot).collect();
        list
    }
}

/// What a list answers behind its end.
const NOBODY_ASKS: Slot = Slot(u32::MAX);

fn at<T: Copy>(list: &[T], at: u64) -> Option<T> {
    usize::try_from(at).ok().and_then(|at| list.get(at)).copied()
}

impl SlotBase for SlotList {
    fn slots(&self) -> u64 {
        self.known.len() as u64
    }

    fn alive(&self) -> u64 {
        self.alive
    }

    fn references(&self) -> u64 {
        self.references
    }

    fn known(&self, slot: Slot) -> Result<Option<Known>> {
        Ok(at(&self.known, u64::from(slot.0)).flatten())
    }

    fn find(&self, key: u64, is_it: &mut dyn FnMut(Slot) -> Result<bool>) -> Result<Option<Slot>> {
        let first = self.keys.partition_point(|(other, _)| *other < key);
        let behind = self.keys.get(first..).unwrap_or_default();
        for (_, slot) in behind.iter().take_while(|(other, _)| *other == key) {
            if is_it(*slot)? {
                return Ok(Some(*slot));
            }
        }
        Ok(None)
    }

    fn keys(&self) -> u64 {
        self.keys.len() as u64
    }

    fn key_at(&self, number: u64) -> Result<(u64, Slot)> {
        Ok(at(&self.keys, number).unwrap_or((u64::MAX, NOBODY_ASKS)))
    }

    fn free(&self) -> u64 {
        self.free.len() as u64
    }

    fn free_at(&self, number: u64) -> Result<Slot> {
        Ok(at(&self.free, number).unwrap_or(NOBODY_ASKS))
    }

    fn resting(&self) -> u64 {
        self.resting.len() as u64
    }

    fn resting_at(&self, number: u64) -> Result<Slot> {
        Ok(at(&self.resting, number).unwrap_or(NOBODY_ASKS))
    }
}

#[cfg(test)]
mod tests;
