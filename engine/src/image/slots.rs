//! The slots of a collection, read from an image.

use std::sync::Arc;

use base::{CollectionId, Slot};
use segments::{Known, SlotBase};
use snapshot::Image;

use super::Table;
use super::format::{KEY_BYTES, NUMBER_BYTES, SLOT_BYTES, decode_key, decode_slot};
use crate::{Error, Result};

/// A collection's slots in an image.
#[derive(Debug)]
pub(crate) struct ImageSlots {
    slots: Table,
    keys: Table,
    free: Table,
    resting: Table,
    alive: u64,
    references: u64,
}

impl ImageSlots {
    /// Opens the tables; reads nothing of them. So many slots are alive, and so much refers to them.
    pub(crate) fn open(
        image: &Image,
        collection: CollectionId,
        (alive, references): (u64, u64),
    ) -> Result<Self> {
        let open = |what, entry: usize| Table::open(image, collection, what, entry as u64);
        Ok(ImageSlots {
            slots: open("slots", SLOT_BYTES)?,
            keys: open("keys", KEY_BYTES)?,
            free: open("free", NUMBER_BYTES)?,
            resting: open("resting", NUMBER_BYTES)?,
            alive,
            references,
        })
    }

    fn key(&self, at: u64) -> Result<(u64, Slot)> {
        let bytes = self.keys.get::<KEY_BYTES>(at)?;
        decode_key(&bytes).ok_or_else(|| self.keys.bad("a key has an impossible value"))
    }
}

/// An error of an image, as the vectors pass it on.
fn told(error: Error) -> segments::Error {
    match error {
        Error::Vectors(error) => error,
        error => segments::Error::Description { source: Arc::new(error) },
    }
}

fn number(table: &Table, at: u64) -> segments::Result<Slot> {
    table.get(at).map(|bytes| Slot(u32::from_le_bytes(bytes))).map_err(told)
}

impl SlotBase for ImageSlots {
    fn slots(&self) -> u64 {
        self.slots.len()
    }

    fn alive(&self) -> u64 {
        self.alive
    }

    fn references(&self) -> u64 {
        self.references
    }

    fn known(&self, slot: Slot) -> segments::Result<Option<Known>> {
        let bytes = self.slots.get::<SLOT_BYTES>(u64::from(slot.0)).map_err(told)?;
        let known = decode_slot(&bytes).map_err(|what| told(self.slots.bad(what)))?;
        Ok(known.map(|(known, _)| known))
    }

    fn find(
        &self,
        key: u64,
        is_it: &mut dyn FnMut(Slot) -> segments::Result<bool>,
    ) -> segments::Result<Option<Slot>> {
        let (mut first, mut end) = (0, self.keys.len());
        while first < end {
            let middle = first + (end - first) / 2;
            if self.key(middle).map_err(told)?.0 < key {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        for at in first..self.keys.len() {
            let (found, slot) = self.key(at).map_err(told)?;
            if found != key {
                break;
            }
            if is_it(slot)? {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    fn keys(&self) -> u64 {
        self.keys.len()
    }

    fn key_at(&self, at: u64) -> segments::Result<(u64, Slot)> {
        self.key(at).map_err(told)
    }

    fn free(&self) -> u64 {
        self.free.len()
    }

    fn free_at(&self, at: u64) -> segments::Result<Slot> {
        number(&self.free, at)
    }

    fn resting(&self) -> u64 {
        self.resting.len()
    }

    fn resting_at(&self, at: u64) -> segments::Result<Slot> {
        number(&self.resting, at)
    }
}
