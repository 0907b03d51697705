//! Writes vectors to slots that were never given out, before any batch knows of them: a bulk batch is written once,
//! and its record only names what is there.

use std::ops::Range;

use base::Slot;

use crate::primitives::lock;
use crate::{Result, VectorSet};

impl VectorSet {
    /// Takes slots that were never given out, to be written and synced before any batch knows of them.
    ///
    /// # Errors
    /// [`Error::NoRoom`](crate::Error::NoRoom), [`Error::NoSlotsLeft`](crate::Error::NoSlotsLeft).
    pub fn take_fresh(&self, count: u32) -> Result<Fresh<'_>> {
        let slots = lock(&self.table).take_fresh(count)?;
        let fresh = Fresh { set: self, slots };
        for slot in fresh.slots() {
            self.file.close(slot);
        }
        Ok(fresh)
    }
}

/// Slots that were never given out. Those that no batch places are given back when this is dropped.
#[derive(Debug)]
pub struct Fresh<'s> {
    set: &'s VectorSet,
    slots: Range<u64>,
}

impl Fresh<'_> {
    /// The slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        self.slots.clone().map_while(|slot| u32::try_from(slot).ok()).map(Slot)
    }

    /// Writes vectors into the slots, from the one with this number on.
    ///
    /// # Errors
    /// [`Error::Dimension`](crate::Error::Dimension), [`Error::NotFinite`](crate::Error::NotFinite); those of a segment that cannot be written.
    ///
    /// # Panics
    /// If there are fewer slots.
    pub fn write<'v>(
        &self,
        first: u32,
        vectors: impl IntoIterator<Item = &'v [f32]>,
    ) -> Result<()> {
        let mut failed = None;
        let mut index = first;
        let vectors = vectors.into_iter().map_while(|vector| {
            failed = self.set.check(vector).err();
            let slot = self.slot(index);
            index += 1;
            failed.is_none().then_some((slot, vector))
        });
        self.set.file.write(vectors)?;
        failed.map_or(Ok(()), Err)
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped).
    pub fn sync(&self) -> Result<()> {
        self.set.file.sync(Some(self.slots.clone()))
    }

    pub(crate) fn slot(&self, index: u32) -> Slot {
        let slot = self.slots().nth(index as usize);
        assert!(slot.is_some(), "fresh slot {index} of {:?}", self.slots);
        slot.unwrap_or(Slot(u32::MAX))
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.set.table);
        for slot in self.slots() {
            table.give_back(slot);
        }
    }
}
