//! The rows of a collection, read from an image.
//!
//! Promises
//!  1. The rows of a slot are a chain that goes down strictly, from row to row of that slot: one that does not is an error,
//!     and whoever follows it comes to its end.

use std::cmp::Ordering;

use base::{CollectionId, Slot};
use snapshot::{Image, Section};

use super::format::{
    IdPlace, Link, NUMBER_BYTES, ROW_BYTES, SLOT_BYTES, Stored, decode_row, decode_slot,
};
use super::{Table, name};
use crate::rows::{Current, RowBase};
use crate::{ID_BYTES_MAX, Id, Result};

/// Bytes of an id that is a UUID.
const UUID_BYTES: u32 = 16;

/// A collection's rows in an image.
#[derive(Debug)]
pub(crate) struct ImageRows {
    rows: Table,
    order: Table,
    text: Section,
    /// Says which row of each slot is the last.
    slots: Table,
}

impl ImageRows {
    /// Opens the tables; reads nothing of them.
    pub(crate) fn open(image: &Image, collection: CollectionId) -> Result<Self> {
        let rows = Table::open(image, collection, "rows", ROW_BYTES as u64)?;
        let order = Table::open(image, collection, "order", NUMBER_BYTES as u64)?;
        if rows.len() != order.len() {
            return Err(order.bad("it has another number of rows than there are"));
        }
        let text = image.section(&name(collection, "text"))?;
        let slots = Table::open(image, collection, "slots", SLOT_BYTES as u64)?;
        Ok(ImageRows { rows, order, text, slots })
    }

    fn get(&self, at: u64) -> Result<Stored> {
        let bytes = self.rows.get::<ROW_BYTES>(at)?;
        decode_row(&bytes).ok_or_else(|| self.rows.bad("a row has an impossible value"))
    }

    /// How an id stands to that of a row.
    fn compare(&self, at: u64, id: &Id) -> Result<Ordering> {
        let place = self.get(at)?.id;
        let text_is = |offset: u64, length: u32, other: &[u8]| {
            let end = offset.saturating_add(u64::from(length));
            Ok((*self.text.bytes(offset..end)?).cmp(other))
        };
        match (place, id) {
            (IdPlace::Number(number), Id::Number(other)) => Ok(number.cmp(other)),
            (IdPlace::Uuid { offset }, Id::Uuid(other)) => text_is(offset, UUID_BYTES, other),
            (IdPlace::Text { offset, length }, Id::Text(other)) => {
                text_is(offset, length, other.as_bytes())
            }
            (IdPlace::Number(_), _) | (_, Id::Text(_)) => Ok(Ordering::Less),
            (IdPlace::Text { .. }, _) | (_, Id::Number(_)) => Ok(Ordering::Greater),
        }
    }
}

impl RowBase for ImageRows {
    fn rows(&self) -> u64 {
        self.rows.len()
    }

    fn row_at(&self, at: u64) -> Result<Current> {
        self.get(at).map(|stored| stored.has)
    }

    fn id_at(&self, at: u64) -> Result<Id> {
        let (offset, length) = match self.get(at)?.id {
            IdPlace::Number(number) => return Ok(Id::Number(number)),
            IdPlace::Uuid { offset } => {
                let bytes = self.text.bytes(offset..offset.saturating_add(UUID_BYTES.into()))?;
                let uuid = bytes.first_chunk().copied();
                return uuid.map(Id::Uuid).ok_or_else(|| self.rows.bad("a UUID is too short"));
            }
            IdPlace::Text { offset, length } => (offset, length),
        };
        if length as usize > ID_BYTES_MAX {
            return Err(self.rows.bad("an id is too long"));
        }
        let bytes = self.text.bytes(offset..offset.saturating_add(u64::from(length)))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.rows.bad("an id is no text"))?;
        Ok(Id::from(text))
    }

    fn last_of(&self, slot: Slot) -> Result<Option<u64>> {
        let slot = u64::from(slot.0);
        if slot >= self.slots.len() {
            return Ok(None);
        }
        let bytes = self.slots.get::<SLOT_BYTES>(slot)?;
        let known = decode_slot(&bytes).map_err(|what| self.slots.bad(what))?;
        let last = known.and_then(|(_, last)| last).map(Link::place);
        match last.is_some_and(|last| last >= self.rows.len()) {
            true => Err(self.slots.bad("the last row of a slot is one that there is not")),
            false => Ok(last),
        }
    }

    fn of_slot(&self, slot: Slot, at: u64) -> Result<(Current, Option<u64>)> {
        let Stored { has, before, .. } = self.get(at)?;
        let before = before.map(Link::place);
        if has.slot != slot {
            return Err(self.rows.bad("the chain of a slot leads to a row of another one"));
        }
        if before.is_some_and(|before| before >= at) {
            return Err(self.rows.bad("the chain of a slot does not go down"));
        }
        Ok((has, before))
    }

    fn in_order(&self, nth: u64) -> Result<u64> {
        let at = u64::from(u32::from_le_bytes(self.order.get(nth)?));
        if at >= self.rows.len() {
            return Err(self.order.bad("it names a row that there is not"));
        }
        Ok(at)
    }

    fn up_to(&self, id: &Id) -> Result<u64> {
        let (mut first, mut end) = (0, self.order.len());
        while first < end {
            let middle = first + (end - first) / 2;
            match self.compare(self.in_order(middle)?, id)? {
                Ordering::Less | Ordering::Equal => first = middle + 1,
                Ordering::Greater => end = middle,
            }
        }
        Ok(first)
    }

    fn find(&self, id: &Id) -> Result<Option<u64>> {
        // Not by the id of what is found: a text would be copied.
        let Some(nth) = self.up_to(id)?.checked_sub(1) else { return Ok(None) };
        let at = self.in_order(nth)?;
        Ok((self.compare(at, id)? == Ordering::Equal).then_some(at))
    }
}
