//! Target: files of payloads: their header, a record, and the list that a catalogue has of a heap.
//!
//! Input: a byte that says which, then its bytes or its fields, and bytes that are put over them.
//!
//! Promises
//!  1. Bytes that decode are what encoding gives for what was decoded.
//!  2. What is encoded decodes to the same; of a record any one bit that counts makes a refusal.
//!  3. What a list says of files and of emptied ranges can be recovered from without a panic.

use std::sync::Arc;

use base::checksum::Crc32;
use base::{CollectionId, FileId, StoreId};
use disk::SimDisk;
use segments::format::HeaderState;
use segments::heap::format::{PayloadHeader, decode_record, encode_record};
use segments::{HEADER_BYTES, HeapList, HeapOwner, HeapRecovery, PayloadPlace};

use super::bytes::Bytes;

const BLOCK: usize = 512;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    match bytes.u8() % 3 {
        0 => header(&mut bytes),
        1 => record(&mut bytes),
        _ => list(bytes),
    }
}

/// Puts these bytes over others; what reaches beyond the end is left out.
fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let place = into.iter_mut().skip(at);
    place.zip(bytes).for_each(|(into, from)| *into = *from);
}

fn header(bytes: &mut Bytes<'_>) {
    let (store, file) = (StoreId(bytes.array()), FileId(bytes.u64().max(1)));
    let collection = CollectionId(bytes.u32());
    let (base, capacity) = (bytes.u64() >> 7 << 4, (bytes.u64() >> 7 << 4).max(16));
    let header = PayloadHeader { store, file, collection, base, capacity };
    let encoded = header.encode();
    assert_eq!(PayloadHeader::decode(&encoded), Ok((header, HeaderState::Whole)));
    // Other fields, with a sum that fits.
    let mut block = encoded.get(..BLOCK).unwrap_or_default().to_vec();
    while bytes.flag() {
        let (at, length) = (bytes.below(72), usize::from(bytes.u8() % 9));
        put(&mut block, at, bytes.take(length));
    }
    let mut sum = Crc32::new();
    sum.update(block.get(..12).unwrap_or_default());
    sum.update(block.get(16..).unwrap_or_default());
    put(&mut block, 12, &sum.sum().to_le_bytes());
    let mut other = block.clone();
    other.resize(HEADER_BYTES - BLOCK, 0);
    other.extend_from_slice(&block);
    match PayloadHeader::decode(&other) {
        Ok((found, state)) => assert_eq!((found.encode(), state), (other, HeaderState::Whole)),
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
}

fn record(bytes: &mut Bytes<'_>) {
    let (collection, address) = (CollectionId(bytes.u32()), bytes.u64());
    let (bit, length) = (bytes.u16(), bytes.u16());
    let payload = bytes.take(length.into());
    let length = u32::try_from(payload.len()).unwrap_or(0);
    let place = PayloadPlace { address, length };
    let mut encoded = Vec::new();
    encode_record(collection, place, payload, &mut encoded);
    assert_eq!(encoded.len() as u64, place.record_bytes());
    assert_eq!(decode_record(collection, place, &encoded), Ok(payload));
    let bit = usize::from(bit) % (8 * (16 + payload.len()));
    if let Some(byte) = encoded.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    assert!(decode_record(collection, place, &encoded).is_err(), "bit {bit}");
    // Whatever is taken for a record.
    let other = PayloadPlace { address, length: bytes.u32() };
    let _no_panic = decode_record(collection, other, bytes.rest());
}

fn list(mut bytes: Bytes<'_>) {
    let entries: Vec<_> = (0..bytes.u8() % 8).map(|_| (bytes.u8(), bytes.u64())).collect();
    let Ok(list) = HeapList::decode(bytes.rest()) else { return };
    let mut again = Vec::new();
    list.encode(&mut again);
    assert_eq!(again, bytes.rest());
    let mut end = 0;
    for it in list.files() {
        assert!(it.base >= end && it.live <= it.used && it.used <= it.capacity, "{it:?}");
        end = it.end();
    }
    assert!(end <= list.top());
    let owner = HeapOwner { store: StoreId([7; 16]), collection: CollectionId(1) };
    let begun = HeapRecovery::begin(Arc::new(SimDisk::new(1)), owner, &list);
    let mut recovery = begun.expect("files that are not there are no error");
    for (kind, number) in entries {
        let place = PayloadPlace { address: number >> 8, length: u32::from(kind >> 2) };
        // Whatever a log of elsewhere may say.
        let _refused = match kind % 3 {
            0 => recovery.grew(FileId(number & 0xff), number >> 8, u64::from(kind) << 2).is_ok(),
            1 => recovery.wrote(place, &vec![kind; usize::from(kind >> 2)]).is_ok(),
            _ => {
                recovery.released(place);
                true
            }
        };
    }
    let heap = recovery.finish();
    let mut after = Vec::new();
    heap.list().encode(&mut after);
    assert_eq!(HeapList::decode(&after), Ok(heap.list()), "the books can be written down");
    let cut = heap.cut();
    let moved = heap.begin_move(&cut, &[], FileId(1)).and_then(|moving| moving.finish());
    assert!(moved.is_ok_and(|moved| moved.list() == cut.list()));
}
