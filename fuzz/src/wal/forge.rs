//! Forges log files: any field may have any value, and the sums fit all the same.
//!
//! The layout is written down once more here, from FORMAT.md section 3 and not from the code: a target that
//! asked the code under test for its sums would share its mistakes.

use base::checksum::{Crc32, Xxh3};

pub(crate) const HEADER: usize = 4_096;
pub(crate) const RECORD: usize = 56;
const BLOCK: usize = 512;

/// Puts these bytes over others; what reaches beyond the end is left out.
pub(crate) fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let place = into.iter_mut().skip(at);
    place.zip(bytes).for_each(|(into, from)| *into = *from);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    found.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    found.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

pub(crate) fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

/// The place a record's sum covers: the file, its salt and the offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) file: u64,
    pub(crate) salt: u64,
    pub(crate) offset: u64,
}

/// Makes the sum of a file header's block fit; returns it.
pub(crate) fn sum_block(block: &mut [u8]) -> u32 {
    let (before, behind) = (block.get(..12), block.get(16..BLOCK));
    let mut sum = Crc32::new();
    sum.update(before.unwrap_or_default()).update(behind.unwrap_or_default());
    put(block, 12, &sum.sum().to_le_bytes());
    sum.sum()
}

/// Makes the sum of a record's header fit its place; returns it.
pub(crate) fn sum_record(header: &mut [u8], spot: &Spot) -> u32 {
    let mut sum = Crc32::new();
    sum.update(header.get(4..RECORD).unwrap_or_default());
    sum.update_u64(spot.salt).update_u64(spot.file).update_u64(spot.offset);
    put(header, 0, &sum.sum().to_le_bytes());
    sum.sum()
}

/// Makes the sums of table and body fit what stands behind the header, as far as that goes.
pub(crate) fn sum_payload(record: &mut [u8]) {
    let (table, body) = (u32_at(record, 24) as usize, u32_at(record, 32) as usize);
    let body_at = RECORD.saturating_add(padded(table));
    for (at, length, sum_at) in [(RECORD, table, 28), (body_at, body, 36)] {
        if let Some(bytes) = record.get(at..at.saturating_add(length)) {
            let sum = Crc32::of(bytes);
            put(record, sum_at, &sum.to_le_bytes());
        }
    }
}

/// Which sums of a file are made to fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sums {
    /// Each on its own: a record still names the one that was before it.
    Fitted,
    /// And each record names the one before it.
    Chained,
}

/// Makes the sums of a whole file fit, as far as its records' lengths lead.
pub(crate) fn sum_file(bytes: &mut [u8], sums: Sums) {
    if bytes.len() < HEADER {
        return;
    }
    let mut previous = bytes.get_mut(..BLOCK).map_or(0, sum_block);
    if let Some(second) = bytes.get_mut(HEADER - BLOCK..HEADER) {
        sum_block(second);
    }
    let (file, salt) = (u64_at(bytes, 32), u64_at(bytes, 40));
    let mut offset = HEADER;
    while let Some(record) = bytes.get_mut(offset..).filter(|record| record.len() >= RECORD) {
        if u64_at(record, 40) as u8 == 0 {
            break;
        }
        if sums == Sums::Chained {
            put(record, 4, &previous.to_le_bytes());
        }
        sum_payload(record);
        previous = sum_record(record, &Spot { file, salt, offset: offset as u64 });
        let payload = [24, 32].map(|at| padded(u32_at(record, at) as usize));
        offset += RECORD + payload.iter().sum::<usize>();
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileFields {
    pub(crate) file: u64,
    pub(crate) timeline: u64,
    pub(crate) timeline_first: u64,
    pub(crate) parent: u64,
    pub(crate) first: u64,
    pub(crate) previous: u64,
    pub(crate) previous_end: u64,
    pub(crate) previous_sum: u32,
    pub(crate) holds: u32,
    pub(crate) bytes: u64,
}

impl FileFields {
    /// That of a log's first file.
    pub(crate) fn first_of_a_log(file: u64) -> Self {
        FileFields {
            file,
            timeline: 0xa,
            timeline_first: 1,
            parent: 0,
            first: 1,
            previous: 0,
            previous_end: 0,
            previous_sum: 0,
            holds: 0,
            bytes: 2 * HEADER as u64,
        }
    }

    pub(crate) fn salt(&self) -> u64 {
        Xxh3::of(&self.file.to_le_bytes())
    }

    /// The header's bytes, and its sum.
    pub(crate) fn encode(&self, store: [u8; 16]) -> (Vec<u8>, u32) {
        let mut block = b"arrwLOG\n\0\0\0\0\0\0\0\0".to_vec();
        block.extend_from_slice(&store);
        let words = [self.file, self.salt(), self.timeline, self.timeline_first, self.parent];
        let behind = [self.first, self.previous, self.previous_end];
        block.extend(words.into_iter().chain(behind).flat_map(u64::to_le_bytes));
        block.extend([self.previous_sum, self.holds].into_iter().flat_map(u32::to_le_bytes));
        block.extend(self.bytes.to_le_bytes());
        block.resize(BLOCK, 0);
        let sum = sum_block(&mut block);
        let mut header = block.clone();
        header.resize(HEADER - BLOCK, 0);
        header.extend(block);
        (header, sum)
    }
}

/// What a record's header says, less what follows from its payload and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFields {
    pub(crate) previous_sum: u32,
    pub(crate) sequence: u64,
    pub(crate) synced_to: u64,
    pub(crate) kind: u8,
    pub(crate) part: u8,
    pub(crate) whole_sum: u64,
}

impl RecordFields {
    /// The record's bytes at its place, and its sum.
    pub(crate) fn encode(&self, spot: &Spot, table: &[u8], body: &[u8]) -> (Vec<u8>, u32) {
        let mut record = [0; 4].to_vec();
        record.extend(self.previous_sum.to_le_bytes());
        record.extend([self.sequence, self.synced_to].into_iter().flat_map(u64::to_le_bytes));
        for payload in [table, body] {
            let fields = [payload.len() as u32, Crc32::of(payload)];
            record.extend(fields.into_iter().flat_map(u32::to_le_bytes));
        }
        record.extend([self.kind, self.part, 0, 0]);
        record.extend((spot.salt as u32).to_le_bytes());
        record.extend(self.whole_sum.to_le_bytes());
        let sum = sum_record(&mut record, spot);
        for payload in [table, body] {
            record.extend_from_slice(payload);
            record.resize(padded(record.len()), 0);
        }
        (record, sum)
    }
}
