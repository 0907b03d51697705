//! Repeats what was decided before a crash, from outcomes that the log holds: nothing is looked up, compared or
//! chosen again.
//!
//! Promises
//!  1. The description is not read, except for what contradicts it later.
//!  2. What was born, counted and freed is as it was when it was decided; which slots are free is found out at
//!     the end, by [`SlotTable::end_replay`].

use base::{Sequence, Slot};

use super::Life;
use super::delta::{Change, Entry};
use super::table::{Ended, SlotTable, Slots};
use crate::{Error, Result, VectorHash};

impl SlotTable {
    /// A vector was placed in a slot of its own.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if there is no such slot; [`Error::Inconsistent`] if it held one already, as far as
    /// that is seen.
    pub fn replay_born(
        &mut self,
        slot: Slot,
        key: Option<u64>,
        hash: VectorHash,
        born: Sequence,
    ) -> Result<()> {
        if u64::from(slot.0) >= self.room() {
            return Err(Error::NoRoom { slots: self.room(), wanted: u64::from(slot.0) + 1 });
        }
        self.fill_to(u64::from(slot.0));
        let was_ended = match self.delta.change(slot) {
            // Freed before, or by a batch that was replayed.
            Some(Change::Whole(entry)) => entry.life.is_none_or(|life| life.end().is_some()),
            Some(Change::Counted { freed, .. }) => freed.is_some(),
            None => true,
        };
        if !was_ended {
            return Err(Error::Inconsistent { slot, what: "born, and was alive" });
        }
        self.bear(slot, Entry { hash, key, references: 1, life: Some(Life::born(born)) });
        Ok(())
    }

    /// A vector that was in a slot already was placed there.
    ///
    /// # Errors
    /// As [`replay_born`](SlotTable::replay_born); and if the slot held something since the description was made,
    /// which may have been written over what is named.
    pub fn replay_born_there(
        &mut self,
        slot: Slot,
        key: Option<u64>,
        hash: VectorHash,
        born: Sequence,
    ) -> Result<()> {
        if self.delta.change(slot).is_some_and(|change| change != Change::Whole(Entry::FREE)) {
            return Err(Error::Inconsistent { slot, what: "named, and was given out before" });
        }
        self.replay_born(slot, key, hash, born)
    }

    /// One more thing referred to a slot.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] if it was not alive, as far as that is seen.
    pub fn replay_referred(&mut self, slot: Slot) -> Result<()> {
        self.check_alive(slot)?;
        self.count(slot, 1);
        Ok(())
    }

    /// A reference to a slot was released, and it was the last one or not.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] if the slot was not alive, or was referred to otherwise, as far as that is seen.
    pub fn replay_released(&mut self, slot: Slot, ended: Ended, freed: Sequence) -> Result<()> {
        self.check_alive(slot)?;
        if let Some(Change::Whole(entry)) = self.delta.change(slot) {
            let is_last = if entry.references == 1 { Ended::Yes } else { Ended::No };
            if is_last != ended || entry.life.is_some_and(|life| freed < life.birth()) {
                return Err(Error::Inconsistent { slot, what: "released otherwise than counted" });
            }
        }
        self.count(slot, -1);
        if ended == Ended::Yes {
            self.end(slot, freed);
        }
        Ok(())
    }

    /// Finds the slots that are free: those that were passed over, and those that came to rest and were born
    /// again elsewhere in between. No slot is given out before.
    pub fn end_replay(&mut self) {
        let free: Vec<Slot> = self
            .delta
            .tail()
            .filter(|(_, entry)| entry.life.is_none())
            .map(|(slot, _)| slot)
            .collect();
        self.delta.free = free;
        // A slot that was freed and born again stands in the list of those at rest for each time it was freed.
        let mut seen = Slots::default();
        let mut resting = std::mem::take(&mut self.delta.resting);
        resting.make_contiguous().reverse();
        resting.retain(|slot| {
            let rests = match self.delta.change(*slot) {
                Some(Change::Whole(entry)) => entry.life.is_some_and(|life| life.end().is_some()),
                Some(Change::Counted { freed, .. }) => freed.is_some(),
                None => false,
            };
            rests && seen.insert(slot.0)
        });
        resting.make_contiguous().reverse();
        self.delta.resting = resting;
    }

    fn check_alive(&self, slot: Slot) -> Result<()> {
        let is_alive = u64::from(slot.0) < self.len()
            && match self.delta.change(slot) {
                Some(Change::Whole(entry)) => entry.life.is_some_and(|life| life.end().is_none()),
                Some(Change::Counted { freed, .. }) => freed.is_none(),
                None => true,
            };
        if is_alive {
            Ok(())
        } else {
            Err(Error::Inconsistent { slot, what: "counted, and not alive" })
        }
    }
}
