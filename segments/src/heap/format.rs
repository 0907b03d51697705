//! Lays out files of payloads: their header, their records, and what an image's catalogue says of a heap. FORMAT.md
//! sections 4.4 to 4.7 are the authority; this is where it becomes code.
//!
//! Promises
//!  1. Whatever the bytes, decoding answers with what was encoded or with what is wrong; it never panics, and takes
//!     no more memory than there are bytes.
//!  2. A header's and a list's ranges of addresses are such that nothing further on has to doubt them.
//!
//! Never: reads or writes files.

use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder};
use base::{CollectionId, FileId, StoreId};

use super::list::{Emptied, HeapFile, HeapList};
use super::place::{ADDRESSES, ALIGNMENT, PayloadPlace, RECORD_HEADER_BYTES};
use crate::format::{HeaderState, Invalid, block};
use crate::geometry::HEADER_BYTES;

const MAGIC: [u8; 8] = *b"arrwPAY\n";

/// What a file of payloads says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadHeader {
    /// The store it belongs to.
    pub store: StoreId,
    /// Its own number among all files of vectors and payloads. Not 0.
    pub file: FileId,
    /// The collection whose payloads it holds.
    pub collection: CollectionId,
    /// Its first address: a multiple of 16.
    pub base: u64,
    /// How many addresses it has: a multiple of 16, not 0.
    pub capacity: u64,
}

impl PayloadHeader {
    /// The header's 4096 bytes.
    ///
    /// # Panics
    /// If a field has a value that section 4.5 does not allow: such a header would be refused when it
    /// is read, and all behind it lost.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.check(), Ok(()), "a header that could not be read again: {self:?}");
        let PayloadHeader { store, file, collection, base, capacity } = self;
        block::encode(MAGIC, |into| {
            into.bytes(&store.0).u64(file.0).u32(collection.0).zeros(4).u64(*base).u64(*capacity);
        })
    }

    /// Reads the header from the first bytes of a file: from either block, if only one is valid.
    ///
    /// # Errors
    /// What is wrong with the first block, if both are wrong.
    pub fn decode(bytes: &[u8]) -> Result<(PayloadHeader, HeaderState), Invalid> {
        block::decode(bytes, MAGIC, Self::decode_fields)
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<PayloadHeader, Invalid> {
        let store = StoreId(from.array("store")?);
        let file = FileId(from.u64("file")?);
        let collection = CollectionId(from.u32("collection")?);
        let reserved = from.u32("reserved")?;
        let (base, capacity) = (from.u64("base")?, from.u64("capacity")?);
        if reserved != 0 {
            return Err(Invalid::Value("reserved"));
        }
        let header = PayloadHeader { store, file, collection, base, capacity };
        header.check()?;
        Ok(header)
    }

    /// Refuses a header that is not the one expected: whoever refers to a file knows all of it.
    ///
    /// # Errors
    /// [`Invalid::Foreign`], with the first field that does not fit.
    pub fn check_place(&self, expected: &PayloadHeader) -> Result<(), Invalid> {
        let fields = [
            ("store", self.store == expected.store),
            ("file", self.file == expected.file),
            ("collection", self.collection == expected.collection),
            ("base", self.base == expected.base),
            ("capacity", self.capacity == expected.capacity),
        ];
        match fields.iter().find(|(_, fits)| !fits) {
            Some((field, _)) => Err(Invalid::Foreign(field)),
            None => Ok(()),
        }
    }

    /// How long the file is.
    pub fn file_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.capacity
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.file.0 == 0 {
            return Err(Invalid::Value("file"));
        }
        check_range(self.base, self.capacity)
    }
}

/// Refuses what is no range of addresses that a file could have.
pub(super) fn check_range(base: u64, capacity: u64) -> Result<(), Invalid> {
    if !base.is_multiple_of(ALIGNMENT) || base > ADDRESSES {
        return Err(Invalid::Value("base"));
    }
    if !capacity.is_multiple_of(ALIGNMENT) || capacity == 0 || capacity > ADDRESSES - base {
        return Err(Invalid::Value("capacity"));
    }
    Ok(())
}

/// Appends the record of a payload: its header, the payload, zeros up to the next record.
///
/// # Panics
/// If the payload has another length than its place says: it could not be read again.
pub fn encode_record(
    collection: CollectionId,
    place: PayloadPlace,
    payload: &[u8],
    into: &mut Vec<u8>,
) {
    let length = place.length;
    assert_eq!(
        u32::try_from(payload.len()),
        Ok(length),
        "a payload of another length than {place}"
    );
    let sum = sum_of(collection, place, payload);
    let alignment = usize::try_from(ALIGNMENT).unwrap_or(1);
    Encoder::new(into).u64(sum).u32(length).zeros(4).bytes(payload).align(alignment);
}

/// Checks the record in this place; answers with the payload. What stands behind that means nothing.
///
/// # Errors
/// What is wrong with it.
pub fn decode_record(
    collection: CollectionId,
    place: PayloadPlace,
    record: &[u8],
) -> Result<&[u8], Invalid> {
    let mut from = Decoder::new(record);
    let sum = from.u64("sum")?;
    let length = from.u32("length")?;
    let reserved = from.u32("reserved")?;
    if length != place.length {
        return Err(Invalid::Foreign("length"));
    }
    if reserved != 0 {
        return Err(Invalid::Value("reserved"));
    }
    let payload = from.bytes(usize::try_from(length).unwrap_or(usize::MAX), "payload")?;
    if sum == sum_of(collection, place, payload) { Ok(payload) } else { Err(Invalid::Sum) }
}

/// The bytes of a place that [`decode_record`] looks at.
pub(super) fn looked_at(place: PayloadPlace) -> u64 {
    RECORD_HEADER_BYTES as u64 + u64::from(place.length)
}

/// The sum of a payload, and of where it belongs.
fn sum_of(collection: CollectionId, place: PayloadPlace, payload: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(&collection.0.to_le_bytes()).update(&place.address.to_le_bytes());
    sum.update(&place.length.to_le_bytes()).update(payload).sum()
}

impl HeapList {
    /// Appends what a catalogue says of the heap.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let HeapList { files, next, top, emptied } = self;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut into = Encoder::new(into);
        into.u32(count(files.len())).u32(count(emptied.len())).u64(*next).u64(*top);
        for HeapFile { file, base, capacity, used, live } in files {
            into.u64(file.0).u64(*base).u64(*capacity).u64(*used).u64(*live);
        }
        for Emptied { base, capacity, into: file, stayed } in emptied {
            let file = file.unwrap_or(FileId(0));
            into.u64(*base).u64(*capacity).u64(file.0).u32(count(stayed.len())).zeros(4);
            for address in stayed {
                into.u64(*address);
            }
        }
    }

    /// Reads what a catalogue says of a heap, which is all of these bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<HeapList, Invalid> {
        let mut from = Decoder::new(bytes);
        let (files, emptied) = (from.u32("files")?, from.u32("emptied")?);
        let (next, top) = (from.u64("next")?, from.u64("top")?);
        let mut list = HeapList { next, top, ..HeapList::default() };
        for _ in 0..files {
            list.files.push(HeapFile {
                file: FileId(from.u64("file")?),
                base: from.u64("base")?,
                capacity: from.u64("capacity")?,
                used: from.u64("used")?,
                live: from.u64("live")?,
            });
        }
        for _ in 0..emptied {
            let (base, capacity) = (from.u64("base")?, from.u64("capacity")?);
            let into = Some(FileId(from.u64("into")?)).filter(|file| file.0 != 0);
            let count = from.u32("stayed")?;
            if from.u32("reserved")? != 0 {
                return Err(Invalid::Value("reserved"));
            }
            let mut stayed = Vec::new();
            for _ in 0..count {
                stayed.push(from.u64("stayed")?);
            }
            list.emptied.push(Emptied { base, capacity, into, stayed });
        }
        from.finish("emptied").map_err(|_| Invalid::Value("length"))?;
        list.check()?;
        Ok(list)
    }
}

#[cfg(test)]
mod tests;
