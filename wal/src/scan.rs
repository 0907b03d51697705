//! Finds every record of a log file that is valid where it stands, whatever lies between: for salvage and
//! for people who look.
//!
//! Promises
//!  1. Whatever the bytes, it comes to an end, and answers with records or with what is odd.
//!
//! Never: decides anything; checks whether one record follows from another.

use std::ops::Range;
use std::sync::Arc;

use base::FileId;
use disk::File;

use crate::Result;
use crate::format::{ALIGNMENT, HEADER_BYTES, Place, RECORD_HEADER_BYTES, RecordHeader, Verified};

/// What is read at a time: what a device loses at a time is a part of this.
const PAGE: usize = 4_096;

/// All bytes of a file, as far as they can be read.
pub(crate) struct Pages {
    pub(crate) bytes: Vec<u8>,
    /// Parts that cannot be read; zeros stand for them.
    pub(crate) unreadable: Vec<Range<u64>>,
}

/// Something found in a file, front to back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    /// A record, valid where it stands.
    Record {
        offset: u64,
        verified: Verified,
        /// Where its table and its body stand.
        table: Range<usize>,
        body: Range<usize>,
    },
    /// Bytes that no record explains.
    Odd(Range<u64>),
    /// Zeros up to the end.
    Zeros(Range<u64>),
}

/// Reads a file page by page, going on behind what cannot be read.
pub(crate) fn read(file: &Arc<dyn File>) -> Result<Pages> {
    let size = file.size()?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let mut unreadable = Vec::new();
    let mut offset = 0;
    for page in bytes.chunks_mut(PAGE) {
        if file.read_at(offset, page).is_err() {
            page.fill(0);
            unreadable.push(offset..offset + page.len() as u64);
        }
        offset += page.len() as u64;
    }
    Ok(Pages { bytes, unreadable })
}

/// Goes through the bytes of a file up to `limit`.
pub(crate) fn scan(bytes: &[u8], file: FileId, salt: u64, limit: u64) -> Vec<Item> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(bytes.len());
    let bytes = bytes.get(..limit).unwrap_or_default();
    let mut items = Vec::new();
    let (mut offset, mut odd_from) = (HEADER_BYTES, None);
    while offset < bytes.len() {
        let place = Place { file, salt, offset: offset as u64 };
        let Some(record) = record_at(bytes, &place, offset) else {
            odd_from.get_or_insert(offset);
            offset += ALIGNMENT;
            continue;
        };
        if let Some(from) = odd_from.take() {
            items.push(Item::Odd(from as u64..offset as u64));
        }
        if let Item::Record { verified, .. } = &record {
            offset += verified.header.record_bytes() as usize;
        }
        items.push(record);
    }
    if let Some(from) = odd_from {
        let rest = bytes.get(from..).unwrap_or_default();
        let range = from as u64..bytes.len() as u64;
        let is_zeros = rest.iter().all(|byte| *byte == 0);
        items.push(if is_zeros { Item::Zeros(range) } else { Item::Odd(range) });
    }
    items
}

/// The record that begins here, if its header, table and body are valid.
fn record_at(bytes: &[u8], place: &Place, offset: usize) -> Option<Item> {
    let header = bytes.get(offset..offset + RECORD_HEADER_BYTES)?;
    let verified = RecordHeader::decode(header, place).ok()?;
    let table = offset + RECORD_HEADER_BYTES;
    let (held_table, held_body) = verified.payload(bytes.get(table..)?).ok()?;
    let body = table + held_table.len().next_multiple_of(ALIGNMENT);
    Some(Item::Record {
        offset: offset as u64,
        verified,
        table: table..table + held_table.len(),
        body: body..body + held_body.len(),
    })
}
