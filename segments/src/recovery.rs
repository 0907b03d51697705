//! Rebuilds the vectors of a collection after an unknown shutdown: a description of the slots, and what the log
//! says was decided since.
//!
//! Promises
//!  1. Vectors that the log holds are written to their slots again, without asking whether that is needed.
//!  2. Vectors that the log only names are taken as they are, and checked at the first touch.
//!  3. The files are written by position and not read; the description is read only where it contradicts the log.
//!
//! Never: decides anything; makes anything durable, which is the next checkpoint's affair.

use std::ops::Range;
use std::sync::Arc;

use base::{FileId, Sequence, Slot};
use disk::{Access, Disk};

use crate::file::VectorFile;
use crate::hash::Keys;
use crate::sums::{Replayed, Sums};
use crate::{Dedup, Ended, Error, Owner, Pins, Result, SlotBase, SlotTable, VectorHash, VectorSet};

/// A set that is being rebuilt.
#[derive(Debug)]
pub struct Recovery {
    file: VectorFile,
    keys: Keys,
    table: SlotTable,
    base: Arc<dyn SlotBase>,
    replayed: Replayed,
    /// Slots of segments that could not be opened.
    broken: Vec<Range<u64>>,
}

impl Recovery {
    /// Begins with the segments and the slots as they are described. A segment that cannot be opened is no error
    /// here: see [`VectorSet::broken`].
    ///
    /// # Errors
    /// [`Error::Inconsistent`] if more slots are described than the segments have.
    pub fn begin(
        disk: Arc<dyn Disk>,
        owner: Owner,
        files: &[FileId],
        dedup: Dedup,
        base: Arc<dyn SlotBase>,
    ) -> Result<Self> {
        Self::begin_with((disk, Access::ReadWrite), owner, files, dedup, base)
    }

    /// The same, to look only: nothing can be [born](Recovery::born) in it.
    ///
    /// # Errors
    /// As [`begin`](Recovery::begin).
    pub fn to_look(
        disk: Arc<dyn Disk>,
        owner: Owner,
        files: &[FileId],
        dedup: Dedup,
        base: Arc<dyn SlotBase>,
    ) -> Result<Self> {
        Self::begin_with((disk, Access::Read), owner, files, dedup, base)
    }

    fn begin_with(
        (disk, access): (Arc<dyn Disk>, Access),
        owner: Owner,
        files: &[FileId],
        dedup: Dedup,
        base: Arc<dyn SlotBase>,
    ) -> Result<Self> {
        let file = VectorFile::open(disk, owner, files, access);
        let mut table = SlotTable::new(Arc::clone(&base))?;
        if base.slots() > file.room() {
            let what = "described, and no segment has it";
            let last = u32::try_from(base.slots() - 1).unwrap_or(u32::MAX);
            return Err(Error::Inconsistent { slot: Slot(last), what });
        }
        table.set_room(file.room());
        let broken = broken(&file);
        let (keys, replayed) = (Keys::of(dedup), Replayed::default());
        Ok(Recovery { file, keys, table, base, replayed, broken })
    }

    /// Lets only so many bits of each key count.
    #[cfg(test)]
    pub(crate) fn with_key_bits(mut self, key_bits: u32) -> Self {
        self.keys.bits = key_bits;
        self
    }

    /// One more segment was made.
    ///
    /// # Errors
    /// [`Error::NoSlotsLeft`] if there can be none; [`Error::Inconsistent`] if it was there already.
    pub fn grew(&mut self, file: FileId) -> Result<()> {
        self.file.open_next(file, Access::ReadWrite)?;
        self.broken = broken(&self.file);
        self.table.set_room(self.file.room());
        Ok(())
    }

    /// A vector, which the log holds, was placed in a slot of its own. It is written there, also where the description,
    /// which is not read, has something alive: only a log of another store or a damaged image could say so.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if there is no such slot, [`Error::Inconsistent`] if it held one already,
    /// [`Error::Dimension`], [`Error::NotFinite`]; if the segment cannot be written. One that is damaged or lost
    /// is none: what it holds cannot be read.
    pub fn born(&mut self, slot: Slot, vector: &[f32], born: Sequence) -> Result<()> {
        let expected = self.file.owner().geometry.dim().get() as usize;
        if vector.len() != expected {
            return Err(Error::Dimension { found: vector.len(), expected });
        }
        crate::check_finite(vector)?;
        let hash = VectorHash::of(vector);
        self.table.replay_born(slot, self.keys.of_vector(vector, hash), hash, born)?;
        if self.is_broken(slot) {
            return Ok(());
        }
        self.file.close(slot);
        self.file.write_one(slot, vector)?;
        self.file.publish([slot].into_iter());
        Ok(())
    }

    /// A vector that was in a slot already, synced, was placed there: in one that was never given out before. Its key is what it is looked up by
    /// under [`Dedup::Decimals`]; otherwise it says nothing.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::Inconsistent`].
    pub fn born_there(
        &mut self,
        slot: Slot,
        hash: VectorHash,
        key: Option<u64>,
        born: Sequence,
    ) -> Result<()> {
        let key = match self.keys.dedup {
            Dedup::Exact => Some(hash.get()),
            Dedup::Decimals(_) => key,
            Dedup::Off => None,
        };
        let key = key.map(|key| self.keys.cut(key));
        self.table.replay_born_there(slot, key, hash, born)?;
        self.replayed.insert(slot.0, hash);
        Ok(())
    }

    /// One more thing referred to a slot.
    ///
    /// # Errors
    /// [`Error::Inconsistent`].
    pub fn referred(&mut self, slot: Slot) -> Result<()> {
        self.table.replay_referred(slot)
    }

    /// A reference to a slot was released, and it was the last one or not.
    ///
    /// # Errors
    /// [`Error::Inconsistent`].
    pub fn released(&mut self, slot: Slot, ended: Ended, freed: Sequence) -> Result<()> {
        self.table.replay_released(slot, ended, freed)
    }

    /// Ends the recovery. The pins say up to which batch everything is visible.
    pub fn finish(mut self, pins: Arc<Pins>) -> VectorSet {
        self.table.end_replay();
        for slots in self.broken {
            self.table.avoid(slots);
        }
        let sums = Sums::new(self.base, self.replayed);
        VectorSet::of_parts(self.file, self.keys, self.table, sums, pins)
    }

    fn is_broken(&self, slot: Slot) -> bool {
        self.broken.iter().any(|slots| slots.contains(&u64::from(slot.0)))
    }
}

/// The slots of segments that could not be opened.
fn broken(file: &VectorFile) -> Vec<Range<u64>> {
    file.broken().into_iter().map(|(slots, _)| slots).collect()
}
