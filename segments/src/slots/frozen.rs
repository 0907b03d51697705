//! Cuts the table of slots in two: what was decided up to now, from which a new description is made while others
//! go on, and what comes after.
//!
//! State: whole -> cut ([`SlotTable::cut`]) -> whole again, on top of the new description
//! ([`SlotTable::rebase`]). A second cut before that takes up the first one: its description could not be
//! made.
//!
//! Promises
//!  1. A cut takes no longer the more slots there are; only the second of two looks at what changed.
//!  2. What is known of a slot is the same right before and after a cut, and before and after a rebase onto the
//!     description of that cut.

use std::sync::Arc;

use base::Slot;

use super::delta::{Delta, number};
use super::table::{Left, SlotTable, known_through};
use super::{Known, SlotBase, SlotList};
use crate::{Error, Result};

/// The slots as they were when the table was cut.
#[derive(Clone, Debug)]
pub struct Cut {
    base: Arc<dyn SlotBase>,
    delta: Arc<Delta>,
}

impl SlotTable {
    /// Cuts the table: the answer never changes, and what happens from now on is kept apart from it.
    ///
    /// # Panics
    /// In the midst of a batch.
    pub fn cut(&mut self) -> Cut {
        self.assert_no_batch();
        let Delta { alive, references, .. } = self.delta;
        let next = Delta::new(self.len(), alive, references);
        self.delta.resting = self.resting_since_cut();
        let mut newest = std::mem::replace(&mut self.delta, next);
        if let Some(before) = self.frozen.take() {
            newest = Delta::clone(&before).with(newest);
        }
        let delta = Arc::new(newest);
        self.left = Left { base_free: self.left.base_free, ..Left::of(&*self.base, Some(&delta)) };
        self.frozen = Some(Arc::clone(&delta));
        Cut { base: Arc::clone(&self.base), delta }
    }

    /// Puts a description of the last cut in the place of what it describes.
    ///
    /// # Panics
    /// In the midst of a batch, or if it is another cut, or the description is of another number of slots.
    pub fn rebase(&mut self, cut: &Cut, base: Arc<dyn SlotBase>) {
        self.assert_no_batch();
        let is_last = self.frozen.as_ref().is_some_and(|frozen| Arc::ptr_eq(frozen, &cut.delta));
        assert!(is_last, "a table is rebased onto a description of its last cut");
        assert_eq!(cut.len(), base.slots(), "a description is of all slots that were cut off");
        self.frozen = None;
        self.left = Left::of(&*base, None);
        self.base = base;
    }
}

impl Cut {
    /// How many slots were ever given out.
    pub fn len(&self) -> u64 {
        self.delta.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them were alive, and how much referred to them.
    pub fn totals(&self) -> (u64, u64) {
        (self.delta.alive, self.delta.references)
    }

    /// What was known of a slot; `None` if it was free.
    ///
    /// # Errors
    /// Where the description before cannot be read, or contradicts what changed since.
    pub fn known(&self, slot: Slot) -> Result<Option<Known>> {
        known_through(slot, [&*self.delta].into_iter(), &*self.base)
    }

    /// The keys and the slots that were alive under them, in the order of keys and then slots.
    ///
    /// # Errors
    /// Each where the description before cannot be read.
    pub fn keys(&self) -> impl Iterator<Item = Result<(u64, Slot)>> + '_ {
        let mut since: Vec<(u64, Slot)> = self.delta.by_key.iter().collect();
        since.sort_unstable();
        let mut since = since.into_iter().peekable();
        let mut last = None;
        let in_order = move |key: Result<(u64, Slot)>| {
            let (key, slot) = key?;
            if last.replace((key, slot)) >= Some((key, slot)) {
                return Err(Error::Inconsistent {
                    slot,
                    what: "found under keys that are not in order",
                });
            }
            Ok((key, slot))
        };
        let mut before = (0..self.base.keys())
            .map(|at| self.base.key_at(at))
            .map(in_order)
            .filter(|key| !matches!(key, Ok((_, slot)) if !self.delta.keeps_alive(*slot)))
            .peekable();
        std::iter::from_fn(move || match (before.peek(), since.peek()) {
            (Some(Ok(old)), Some(new)) if new < old => since.next().map(Ok),
            (Some(_), _) => before.next(),
            (None, _) => since.next().map(Ok),
        })
    }

    /// The same as a description in memory.
    ///
    /// # Errors
    /// Where the description before cannot be read, or contradicts what changed since.
    pub fn describe(&self) -> Result<SlotList> {
        let keys: Result<Vec<(u64, Slot)>> = self.keys().collect();
        let mut by_slot: Vec<(Slot, u64)> =
            keys?.into_iter().map(|(key, slot)| (slot, key)).collect();
        by_slot.sort_unstable();
        let mut by_slot = by_slot.into_iter().peekable();
        let slots: Result<Vec<_>> = (0..self.len())
            .map(|slot| {
                let slot = number(slot);
                let key = by_slot.next_if(|(other, _)| *other == slot).map(|(_, key)| key);
                let known = self.known(slot)?;
                match key {
                    Some(_) if !known.as_ref().is_some_and(Known::is_alive) => Err(astray(slot)),
                    key => Ok((known, key)),
                }
            })
            .collect();
        let list = SlotList::new(slots?);
        // One that is left is a second one of its slot, or of a slot that is not there.
        by_slot.next().map_or(Ok(list), |(slot, _)| Err(astray(slot)))
    }
}

fn astray(slot: Slot) -> Error {
    Error::Inconsistent { slot, what: "under a key that is not its own" }
}
