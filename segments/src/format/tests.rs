//! Shows that encoding and decoding agree with each other and with FORMAT.md, and that no damaged byte
//! gets past.

use proptest::prelude::*;

use base::checksum::Crc32;

use super::*;
use crate::HEADER_BYTES;

fn geometry(dim: u32) -> Geometry {
    Geometry::new(Dim::new(dim).unwrap(), Element::F32)
}

/// The header of the worked example in FORMAT.md.
fn example() -> SegmentHeader {
    SegmentHeader {
        store: StoreId(*b"0123456789abcdef"),
        file: FileId(7),
        collection: CollectionId(3),
        segment: 2,
        geometry: geometry(384),
    }
}

/// The bytes of a worked example, as the document gives them: an offset, up to sixteen bytes, and behind
/// a bar the same as text.
fn example_bytes(title: &str) -> Vec<u8> {
    let document = include_str!("../../../FORMAT.md");
    let (_, rest) = document.split_once(title).unwrap();
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    let mut bytes = Vec::new();
    for line in lines.take_while(|line| line.starts_with("    ")) {
        let mut words = line.split('|').next().unwrap().split_whitespace();
        assert_eq!(words.next().unwrap().parse(), Ok(bytes.len()), "the offset in: {line}");
        bytes.extend(words.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

#[test]
fn the_worked_example_of_the_format_document_holds() {
    let mut header = example_bytes("Worked example of a segment's header");
    header.resize(512, 0);
    let block = header.clone();
    header.resize(3584, 0);
    header.extend_from_slice(&block);
    assert_eq!(example().encode(), header);
    let found = SegmentHeader::decode(&header).unwrap();
    assert_eq!(found, Found { header: example(), state: HeaderState::Whole });
    assert_eq!(example().geometry.file_bytes(2), 102_400);
}

/// Were the header lost, none of the vectors behind it could be served.
#[test]
fn every_flipped_bit_is_found_and_harms_nothing() {
    let good = example().encode();
    let damaged = Found { header: example(), state: HeaderState::Damaged };
    for at in 0..HEADER_BYTES {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert_eq!(SegmentHeader::decode(&bytes), Ok(damaged), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_bit_flipped_in_both_blocks_is_refused() {
    let good = example().encode();
    for at in 0..512 {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            bytes[3584 + at] ^= 1 << bit;
            let refused = SegmentHeader::decode(&bytes).unwrap_err();
            let expected = if at < 8 { Invalid::Magic } else { Invalid::Sum };
            assert_eq!(refused, expected, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_header_is_read_from_the_block_that_is_there_and_from_no_other() {
    let good = example().encode();
    for lost in 0_u32..1 << 8 {
        let mut bytes = good.clone();
        for sector in (0..8).filter(|sector| lost >> sector & 1 == 1) {
            bytes[sector * 512..(sector + 1) * 512].fill(0);
        }
        let is_there = lost & 1 == 0 || lost >> 7 & 1 == 0;
        let found = SegmentHeader::decode(&bytes);
        assert_eq!(found.map(|found| found.header).ok(), is_there.then(example), "{lost:b}");
    }
}

#[test]
fn every_cut_is_found() {
    let good = example().encode();
    for end in 0..HEADER_BYTES {
        assert_eq!(SegmentHeader::decode(&good[..end]), Err(Invalid::Short));
    }
    assert_eq!(SegmentHeader::decode(&[0; HEADER_BYTES]), Err(Invalid::Magic));
}

#[test]
fn a_segment_is_valid_at_its_own_place_only() {
    let header = example();
    assert_eq!(header.check_place(&example()), Ok(()));
    let refused = |expected: SegmentHeader| header.check_place(&expected).unwrap_err();
    let store = SegmentHeader { store: StoreId([0; 16]), ..example() };
    assert_eq!(refused(store), Invalid::Foreign("store"));
    let file = SegmentHeader { file: FileId(6), ..example() };
    assert_eq!(refused(file), Invalid::Foreign("file"));
    let collection = SegmentHeader { collection: CollectionId(2), ..example() };
    assert_eq!(refused(collection), Invalid::Foreign("collection"));
    let segment = SegmentHeader { segment: 1, ..example() };
    assert_eq!(refused(segment), Invalid::Foreign("segment"));
    // Of the same stride and the same number of slots.
    let dim = SegmentHeader { geometry: geometry(383), ..example() };
    assert_eq!(refused(dim), Invalid::Foreign("dim"));
}

/// Puts the right sum to a header whose fields were changed: what someone hostile, or a mistake of
/// ours, could hand in.
fn resummed(mut header: Vec<u8>) -> Vec<u8> {
    let mut sum = Crc32::new();
    sum.update(&header[..12]).update(&header[16..512]);
    let sum = sum.sum().to_le_bytes();
    header[12..16].copy_from_slice(&sum);
    let block = header[..512].to_vec();
    header[3584..].copy_from_slice(&block);
    header
}

#[test]
fn impossible_values_under_a_right_sum_are_refused() {
    let changed = |at: usize, bytes: &[u8]| {
        let mut header = example().encode();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        SegmentHeader::decode(&resummed(header)).map(|_| ())
    };
    assert_eq!(changed(0, b"arrwSEG\n"), Ok(()), "the sum is put right");
    assert_eq!(changed(0, b"arrwLOG\n"), Err(Invalid::Magic));
    assert_eq!(changed(8, &[1]), Err(Invalid::Newer { found: 1 }));
    for reserved in [10, 11, 53, 54, 55, 64, 511] {
        assert_eq!(changed(reserved, &[1]), Err(Invalid::Value("reserved")), "byte {reserved}");
    }
    assert_eq!(changed(32, &[0; 8]), Err(Invalid::Value("file")));
    assert_eq!(changed(44, &[0xff; 4]), Err(Invalid::Value("segment")));
    assert_eq!(changed(48, &[0; 4]), Err(Invalid::Value("dim")));
    assert_eq!(changed(48, &[1, 0, 1, 0]), Err(Invalid::Value("dim")), "65537");
    for element in [0, 2, 3, 4, 5, 255] {
        assert_eq!(changed(52, &[element]), Err(Invalid::Value("element")));
    }
    assert_eq!(changed(56, &[64]), Err(Invalid::Value("stride")));
    assert_eq!(changed(56, &[0; 4]), Err(Invalid::Value("stride")));
    assert_eq!(changed(60, &[32]), Err(Invalid::Value("slots")));
    assert_eq!(changed(44, &[1]), Err(Invalid::Value("slots")), "those of segment 2");
    assert_eq!(changed(48, &[0x81]), Err(Invalid::Value("stride")), "that of dimension 384");
}

/// Every value of every byte that has a meaning, under a right sum: a header, or a refusal.
#[test]
fn what_is_let_through_is_what_would_be_written() {
    let good = example().encode();
    for at in 0..512 {
        for value in 0..=255 {
            let mut header = good.clone();
            header[at] = value;
            let header = resummed(header);
            if let Ok(found) = SegmentHeader::decode(&header) {
                assert_eq!(found.header.encode(), header, "byte {at} is {value}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "could not be read again")]
fn a_segment_that_has_no_slots_is_never_written() {
    let segment = example().geometry.segments_max();
    SegmentHeader { segment, ..example() }.encode();
}

proptest! {
    #[test]
    fn headers_come_back_as_they_were_written(
        store in any::<[u8; 16]>(),
        file in 1..=u64::MAX,
        collection in any::<u32>(),
        segment in any::<u32>(),
        dim in 1..=Dim::MAX,
    ) {
        let geometry = geometry(dim);
        let header = SegmentHeader {
            store: StoreId(store),
            file: FileId(file),
            collection: CollectionId(collection),
            segment: segment % geometry.segments_max(),
            geometry,
        };
        let found = SegmentHeader::decode(&header.encode()).unwrap();
        prop_assert_eq!(found, Found { header, state: HeaderState::Whole });
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..5_000),
    ) {
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }
}
