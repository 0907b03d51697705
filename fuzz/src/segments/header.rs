//! Target: the header of a segment.
//!
//! Input: a byte that says what the rest is, then the bytes of a block or the fields of a header, and bytes that
//! are put over them.
//!
//! Promises
//!  1. Bytes that decode are what encoding gives for what was decoded, in one of the two blocks at least.
//!  2. Stride, slots and number of a decoded header are those of its geometry, and that is sound.
//!  3. What is encoded decodes to the same, whatever bit of it changes.

use base::checksum::Crc32;
use base::{CollectionId, Dim, FileId, Slot, StoreId};
use segments::format::{HeaderState, Invalid};
use segments::{Element, Geometry, HEADER_BYTES, SegmentHeader};

use super::bytes::Bytes;

const BLOCK: usize = 512;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let what = bytes.u8();
    if what & 1 == 0 { of_bytes(what, bytes) } else { of_fields(&mut bytes) }
}

/// Puts these bytes over others; what reaches beyond the end is left out.
fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let place = into.iter_mut().skip(at);
    place.zip(bytes).for_each(|(into, from)| *into = *from);
}

/// Makes the sum of a block fit, as section 4.2 of FORMAT.md has it and not the code.
fn sum_block(block: &mut [u8]) {
    let mut sum = Crc32::new();
    sum.update(block.get(..12).unwrap_or_default());
    sum.update(block.get(16..BLOCK).unwrap_or_default());
    put(block, 12, &sum.sum().to_le_bytes());
}

/// The same block twice, with zeros between.
fn twice(block: &[u8]) -> Vec<u8> {
    let mut header = block.to_vec();
    header.resize(HEADER_BYTES - BLOCK, 0);
    header.extend_from_slice(block);
    header
}

fn of_bytes(what: u8, mut bytes: Bytes<'_>) {
    let (patch_at, patch) = (bytes.below(HEADER_BYTES), bytes.u8().into());
    let patch = bytes.take(patch);
    let mut block = bytes.rest().to_vec();
    block.resize(BLOCK, 0);
    if what & 0x10 != 0 {
        put(&mut block, 0, b"arrwSEG\n\0\0\0\0");
    }
    if what & 0x20 != 0 {
        sum_block(&mut block);
    }
    let mut header = twice(&block);
    check(&header);
    put(&mut header, patch_at, patch);
    check(&header);
}

fn of_fields(bytes: &mut Bytes<'_>) {
    let store = StoreId(bytes.array());
    let (file, collection) = (FileId(bytes.u64().max(1)), CollectionId(bytes.u32()));
    let dim = Dim::new(bytes.u32() % Dim::MAX + 1).expect("a dimension");
    let geometry = Geometry::new(dim, Element::F32);
    let segment = bytes.u32() % geometry.segments_max();
    let header = SegmentHeader { store, file, collection, segment, geometry };
    let encoded = header.encode();
    let found = SegmentHeader::decode(&encoded).expect("just encoded");
    assert_eq!((found.header, found.state), (header, HeaderState::Whole));
    check(&encoded);
    // Any one bit leaves one block as it was.
    let mut damaged = encoded.clone();
    let bit = bytes.below(HEADER_BYTES * 8);
    if let Some(byte) = damaged.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    let found = SegmentHeader::decode(&damaged).expect("one block is as it was");
    assert_eq!((found.header, found.state), (header, HeaderState::Damaged));
    check(&damaged);
    // Other fields, with a sum that fits.
    let mut block = encoded;
    block.truncate(BLOCK);
    while bytes.flag() {
        let (at, length) = (bytes.below(64), usize::from(bytes.u8() % 8));
        put(&mut block, at, bytes.take(length));
    }
    sum_block(&mut block);
    check(&twice(&block));
    let mut second = SegmentHeader { file: FileId(u64::MAX), ..header }.encode();
    put(&mut second, 0, &block);
    check(&second);
}

fn check(bytes: &[u8]) {
    let cut = bytes.get(..HEADER_BYTES - 1).unwrap_or_default();
    assert_eq!(SegmentHeader::decode(cut), Err(Invalid::Short));
    let found = match SegmentHeader::decode(bytes) {
        Ok(found) => found,
        Err(invalid) => return assert!(!invalid.to_string().is_empty()),
    };
    let again = found.header.encode();
    assert_eq!(found.state == HeaderState::Whole, again == bytes);
    let block = again.get(..BLOCK);
    let is_there = bytes.get(..BLOCK) == block || bytes.get(HEADER_BYTES - BLOCK..) == block;
    assert!(is_there, "decoded from neither block: {found:?}");
    assert_eq!(SegmentHeader::decode(&again).map(|found| found.header), Ok(found.header));
    check_geometry(&found.header);
    check_place(&found.header);
}

fn check_geometry(header: &SegmentHeader) {
    let SegmentHeader { segment, geometry, .. } = *header;
    let first = geometry.first_slot(segment).expect("a segment that is there has slots");
    let slots = geometry.slots_of(segment);
    assert!(slots.is_power_of_two() && segment < geometry.segments_max());
    assert!(geometry.stride() >= geometry.vector_bytes());
    let last = Slot(first.0 + (slots - 1));
    assert_eq!(geometry.locate(first), (segment, 0));
    assert_eq!(geometry.locate(last), (segment, slots - 1));
    let behind = geometry.first_slot(segment + 1).map(|slot| u64::from(slot.0));
    assert_eq!(behind.unwrap_or(1 << 32), u64::from(first.0) + u64::from(slots));
    let range = geometry.vector_range(slots - 1).expect("a file that can be mapped");
    assert!(range.start >= HEADER_BYTES && range.end as u64 <= geometry.file_bytes(segment));
    assert!(range.start.is_multiple_of(geometry.stride().min(64)), "{geometry:?}");
}

fn check_place(header: &SegmentHeader) {
    assert_eq!(header.check_place(header), Ok(()));
    let elsewhere = [
        SegmentHeader { store: StoreId(header.store.0.map(|byte| !byte)), ..*header },
        SegmentHeader { file: FileId(header.file.0 ^ 1), ..*header },
        SegmentHeader { collection: CollectionId(!header.collection.0), ..*header },
        SegmentHeader { segment: header.segment ^ 1, ..*header },
    ];
    for other in elsewhere {
        assert!(matches!(header.check_place(&other), Err(Invalid::Foreign(_))));
    }
}
