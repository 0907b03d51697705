//! Gives slots out: free ones, those that come next, and some to be written before a batch knows of them.
//!
//! Never: gives out a slot that the description says is alive, that changed since, or whose file is damaged.

use std::ops::Range;

use base::Slot;

use super::delta::{Entry, number};
use super::table::{SLOTS_MAX, SlotTable};
use crate::{Error, Result};

impl SlotTable {
    /// Says how many slots there is room for; never less than before.
    pub fn set_room(&mut self, slots: u64) {
        self.room = self.room.max(slots.min(SLOTS_MAX));
    }

    /// How many slots there is room for.
    pub fn room(&self) -> u64 {
        self.room
    }

    /// Gives out none of these slots from now on: their file is damaged.
    pub fn avoid(&mut self, slots: Range<u64>) {
        self.avoided.push(slots);
        let mut free = std::mem::take(&mut self.delta.free);
        free.retain(|slot| !self.is_avoided(*slot));
        self.delta.free = free;
    }

    /// Takes slots that were never given out, one behind the other, to be written before any batch knows of
    /// them. They are alive once they are placed, and free again once they are
    /// [given back](SlotTable::give_back).
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::NoSlotsLeft`]; nothing has changed then.
    pub fn take_fresh(&mut self, count: u32) -> Result<Range<u64>> {
        let first = self.behind_avoided(self.len(), u64::from(count));
        let end = first + u64::from(count);
        self.check_room(end)?;
        self.skip_to(first);
        for slot in first..end {
            self.delta.set(number(slot), Entry::FREE);
            self.taken.insert(number(slot).0);
        }
        Ok(first..end)
    }

    /// Gives back a slot that was taken, if it was not placed meanwhile.
    pub fn give_back(&mut self, slot: Slot) {
        if self.taken.remove(&slot.0) {
            self.delta.set(slot, Entry::FREE);
            self.delta.free.push(slot);
        }
    }

    /// A slot that nothing refers to: a free one, or the next that there is room for.
    pub(super) fn take(&mut self) -> Result<Slot> {
        while let Some(slot) = self.delta.free.pop() {
            // One that was given back may lie where there is no room any more.
            if !self.is_avoided(slot) {
                return Ok(slot);
            }
        }
        if let Some(frozen) = self.frozen.clone() {
            while let Some(left) = self.left.frozen_free.checked_sub(1) {
                self.left.frozen_free = left;
                let free = frozen.free.get(left).filter(|slot| self.delta.leaves(**slot));
                if let Some(slot) = free.filter(|slot| !self.is_avoided(**slot)) {
                    return Ok(*slot);
                }
            }
        }
        while let Some(left) = self.left.base_free.checked_sub(1) {
            self.left.base_free = left;
            if let Some(slot) = self.free_of_base(left) {
                return Ok(slot);
            }
        }
        let next = self.behind_avoided(self.len(), 1);
        self.check_room(next + 1)?;
        self.skip_to(next);
        Ok(number(next))
    }

    /// A slot that the description lists as free, if it can be given out. What contradicts itself is passed over.
    fn free_of_base(&mut self, at: u64) -> Option<Slot> {
        let inconsistent = |slot, what| Error::Inconsistent { slot, what };
        let found = self.base.free_at(at).and_then(|slot| {
            if u64::from(slot.0) >= self.base.slots() {
                return Err(inconsistent(slot, "free, and was never given out"));
            }
            if !self.is_as_described(slot) || self.is_avoided(slot) {
                return Ok(None);
            }
            match self.base.known(slot)? {
                None => Ok(Some(slot)),
                Some(_) => Err(inconsistent(slot, "free, and holds a vector")),
            }
        });
        found.unwrap_or_else(|error| {
            self.note(error);
            None
        })
    }

    /// Whether so many vectors find a place, if each needs one of its own, as far as that can be told. Free slots
    /// that are only described do not count: finding out which of them can be given out takes reading.
    pub fn has_room_for(&self, count: u32) -> bool {
        let usable = self.delta.free.len() as u64;
        let Some(more) = u64::from(count).checked_sub(usable).filter(|more| *more > 0) else {
            return true;
        };
        let mut end = self.len();
        for _ in 0..more {
            end = self.behind_avoided(end, 1) + 1;
            if end > self.room {
                return false;
            }
        }
        true
    }

    /// Lets the slots up to this one be known as free: they come later, unless they are avoided.
    fn skip_to(&mut self, end: u64) {
        let start = self.len();
        self.fill_to(end);
        let skipped = (start..end).map(number).filter(|slot| !self.is_avoided(*slot));
        let skipped: Vec<Slot> = skipped.collect();
        self.delta.free.extend(skipped);
    }

    /// Whether nothing happened to a slot since it was described, or is about to.
    pub(super) fn is_as_described(&self, slot: Slot) -> bool {
        let frozen = self.frozen.as_deref();
        self.delta.leaves(slot) && frozen.is_none_or(|frozen| frozen.leaves(slot))
    }

    pub(super) fn is_avoided(&self, slot: Slot) -> bool {
        let is_in = |range: &Range<u64>| range.contains(&u64::from(slot.0));
        self.taken.contains(&slot.0) || self.avoided.iter().any(is_in)
    }

    /// The first slot from this one on behind which there are so many that are not avoided.
    fn behind_avoided(&self, mut first: u64, count: u64) -> u64 {
        let meets =
            |first: u64, range: &&Range<u64>| range.start < first + count && first < range.end;
        while let Some(range) = self.avoided.iter().find(|range| meets(first, range)) {
            first = range.end;
        }
        first
    }

    fn check_room(&self, end: u64) -> Result<()> {
        match end {
            _ if end > SLOTS_MAX => Err(Error::NoSlotsLeft),
            _ if end > self.room => Err(Error::NoRoom { slots: self.room, wanted: end }),
            _ => Ok(()),
        }
    }

    /// Lets the slots up to this one be known as free, without giving them out.
    pub(super) fn fill_to(&mut self, end: u64) {
        for slot in self.len()..end {
            self.delta.set(number(slot), Entry::FREE);
        }
    }
}
