//! The rows of a collection, read from an image.

use std::cmp::Ordering;

use base::CollectionId;
use snapshot::{Image, Section};

use super::format::{IdPlace, NUMBER_BYTES, ROW_BYTES, decode_row};
use super::{Table, name};
use crate::rows::{BaseRow, RowBase};
use crate::{ID_BYTES_MAX, Id, Result};

/// A collection's rows in an image.
#[derive(Debug)]
pub(crate) struct ImageRows {
    rows: Table,
    order: Table,
    text: Section,
}

impl ImageRows {
    /// Opens the tables; reads nothing of them.
    pub(crate) fn open(image: &Image, collection: CollectionId) -> Result<Self> {
        let rows = Table::open(image, collection, "rows", ROW_BYTES as u64)?;
        let order = Table::open(image, collection, "order", NUMBER_BYTES as u64)?;
        if rows.len() != order.len() {
            return Err(order.bad("it has another number of rows than there are"));
        }
        Ok(ImageRows { rows, order, text: image.section(&name(collection, "text"))? })
    }

    fn get(&self, at: u64) -> Result<(BaseRow, IdPlace)> {
        let bytes = self.rows.get::<ROW_BYTES>(at)?;
        decode_row(&bytes).ok_or_else(|| self.rows.bad("a row has an impossible value"))
    }

    /// How an id stands to that of a row.
    fn compare(&self, at: u64, id: &Id) -> Result<Ordering> {
        let (_, place) = self.get(at)?;
        match (place, id) {
            (IdPlace::Number(number), Id::Number(other)) => Ok(number.cmp(other)),
            (IdPlace::Number(_), Id::Text(_)) => Ok(Ordering::Less),
            (IdPlace::Text { .. }, Id::Number(_)) => Ok(Ordering::Greater),
            (IdPlace::Text { offset, length }, Id::Text(other)) => {
                let end = offset.saturating_add(u64::from(length));
                Ok((*self.text.bytes(offset..end)?).cmp(other.as_bytes()))
            }
        }
    }
}

impl RowBase for ImageRows {
    fn rows(&self) -> u64 {
        self.rows.len()
    }

    fn row_at(&self, at: u64) -> Result<BaseRow> {
        self.get(at).map(|(row, _)| row)
    }

    fn id_at(&self, at: u64) -> Result<Id> {
        let (offset, length) = match self.get(at)? {
            (_, IdPlace::Number(number)) => return Ok(Id::Number(number)),
            (_, IdPlace::Text { offset, length }) => (offset, length),
        };
        if length as usize > ID_BYTES_MAX {
            return Err(self.rows.bad("an id is too long"));
        }
        let bytes = self.text.bytes(offset..offset.saturating_add(u64::from(length)))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.rows.bad("an id is no text"))?;
        Ok(Id::from(text))
    }

    fn find(&self, id: &Id) -> Result<Option<u64>> {
        let (mut first, mut end) = (0, self.order.len());
        while first < end {
            let middle = first + (end - first) / 2;
            let at = u64::from(u32::from_le_bytes(self.order.get(middle)?));
            if at >= self.rows.len() {
                return Err(self.order.bad("it names a row that there is not"));
            }
            match self.compare(at, id)? {
                Ordering::Equal => return Ok(Some(at)),
                Ordering::Less => first = middle + 1,
                Ordering::Greater => end = middle,
            }
        }
        Ok(None)
    }
}
