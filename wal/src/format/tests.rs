//! Shows that encoding and decoding agree with each other and with FORMAT.md, and that no damaged byte
//! gets past.

use base::checksum::Crc32;
use base::{FileId, Sequence, StoreId, Timeline};
use proptest::prelude::*;

use super::*;

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// The header of the worked example in FORMAT.md.
fn example_file() -> FileHeader {
    FileHeader {
        store: StoreId(*b"0123456789abcdef"),
        file: FileId(7),
        salt: 0x1122_3344_5566_7788,
        timeline: Timeline::new(0xabcd).unwrap(),
        timeline_first: sequence(1),
        parent: None,
        first: sequence(1_000),
        previous: Some(Predecessor { file: FileId(6), end: 8_192, sum: 0x0102_0304 }),
        holds: Holds::Records,
        bytes: 1_048_576,
    }
}

const TABLE: &[u8] = b"table";
const BODY: &[u8] = b"the body";

fn example_place() -> Place {
    Place { file: FileId(7), salt: 0x1122_3344_5566_7788, offset: 4_096 }
}

/// The record of the worked example in FORMAT.md.
fn example_record() -> RecordHeader {
    RecordHeader {
        previous_sum: 0x0a0b_0c0d,
        sequence: Some(sequence(1_000)),
        synced_to: 0,
        table_bytes: 5,
        table_sum: Crc32::of(TABLE),
        body_bytes: 8,
        body_sum: Crc32::of(BODY),
        kind: Kind::Batch,
        part: Part::Whole,
    }
}

/// A record with its table, its body and their padding.
fn bytes_of(header: &RecordHeader, place: &Place, table: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = header.encode(place).0.to_vec();
    for payload in [table, body] {
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
    assert_eq!(bytes.len() as u64, header.record_bytes());
    bytes
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
fn the_worked_examples_of_the_format_document_hold() {
    let mut header = example_bytes("Worked example of a log file's header");
    header.resize(512, 0);
    let block = header.clone();
    header.resize(3584, 0);
    header.extend_from_slice(&block);
    assert_eq!(example_file().encode(), header);
    let found = FileHeader::decode(&header).unwrap();
    assert_eq!((found.header, found.state), (example_file(), HeaderState::Whole));

    let record = example_bytes("Worked example of a record");
    assert_eq!(bytes_of(&example_record(), &example_place(), TABLE, BODY), record);
    let verified = RecordHeader::decode(&record, &example_place()).unwrap();
    assert_eq!(verified.header, example_record());
    let payload = verified.payload(&record[RECORD_HEADER_BYTES..]);
    assert_eq!(payload.unwrap(), (TABLE, BODY));
}

/// Were the header lost, all records of the file would be lost with it, and the file be taken for one
/// that was never used.
#[test]
fn every_flipped_bit_of_a_file_header_is_found_and_harms_nothing() {
    let good = example_file().encode();
    let whole = FileHeader::decode(&good).unwrap();
    let damaged = Found { state: HeaderState::Damaged, ..whole };
    for at in 0..HEADER_BYTES {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert_eq!(FileHeader::decode(&bytes), Ok(damaged), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_torn_header_is_read_from_the_block_that_is_there_and_from_no_other() {
    let good = example_file().encode();
    for lost in 0_u32..1 << 8 {
        let mut bytes = good.clone();
        for sector in (0..8).filter(|sector| lost >> sector & 1 == 1) {
            bytes[sector * 512..(sector + 1) * 512].fill(0);
        }
        let is_there = lost & 1 == 0 || lost >> 7 & 1 == 0;
        let found = FileHeader::decode(&bytes);
        assert_eq!(found.map(|found| found.header).ok(), is_there.then(example_file), "{lost:b}");
    }
}

#[test]
fn a_header_with_a_flipped_bit_in_both_blocks_is_refused() {
    let good = example_file().encode();
    for at in 0..512 {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes[3584 + at] ^= 1;
        assert!(FileHeader::decode(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn every_flipped_bit_of_a_record_is_found() {
    let place = example_place();
    let good = bytes_of(&example_record(), &place, TABLE, BODY);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let (header, behind) = bytes.split_at(RECORD_HEADER_BYTES);
            let decoded = RecordHeader::decode(header, &place);
            let payload = decoded.and_then(|verified| verified.payload(behind).map(|_| ()));
            assert!(payload.is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_cut_is_found() {
    let header = example_file().encode();
    let place = example_place();
    let record = bytes_of(&example_record(), &place, TABLE, BODY);
    for end in 0..HEADER_BYTES {
        assert_eq!(FileHeader::decode(&header[..end]), Err(Invalid::Short));
    }
    for end in 0..RECORD_HEADER_BYTES {
        assert_eq!(RecordHeader::decode(&record[..end], &place), Err(Invalid::Short));
    }
    let verified = RecordHeader::decode(&record, &place).unwrap();
    for end in RECORD_HEADER_BYTES..record.len() {
        assert_eq!(verified.payload(&record[RECORD_HEADER_BYTES..end]), Err(Invalid::Short));
    }
}

#[test]
fn zeros_are_neither_a_header_nor_a_record() {
    let zeros = [0; HEADER_BYTES];
    assert_eq!(FileHeader::decode(&zeros), Err(Invalid::Magic));
    for offset in (4_096..100_000).step_by(8) {
        let place = Place { offset, ..example_place() };
        assert!(RecordHeader::decode(&zeros, &place).is_err(), "at {offset}");
    }
}

#[test]
fn a_record_is_valid_at_its_own_place_only() {
    let record = bytes_of(&example_record(), &example_place(), TABLE, BODY);
    let elsewhere = [
        Place { file: FileId(8), ..example_place() },
        Place { salt: 0, ..example_place() },
        Place { salt: example_place().salt ^ (1 << 63), ..example_place() },
        Place { offset: 4_104, ..example_place() },
    ];
    for place in elsewhere {
        let decoded = RecordHeader::decode(&record, &place);
        assert_eq!(decoded, Err(Invalid::Sum("record header")), "{place:?}");
    }
}

#[test]
fn a_file_is_valid_in_its_own_store_and_under_its_own_name_only() {
    let header = example_file();
    assert_eq!(header.check_place(header.store, header.file), Ok(()));
    let foreign = header.check_place(StoreId([0; 16]), header.file);
    assert_eq!(foreign, Err(Invalid::Foreign("store")));
    let swapped = header.check_place(header.store, FileId(6));
    assert_eq!(swapped, Err(Invalid::Foreign("file")));
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
        let mut header = example_file().encode();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        FileHeader::decode(&resummed(header)).map(|_| ())
    };
    assert_eq!(changed(0, b"arrwLOG\n"), Ok(()), "the sum is put right");
    assert_eq!(changed(8, &[1]), Err(Invalid::Newer { found: 1 }));
    assert_eq!(changed(10, &[1]), Err(Invalid::Value("reserved")));
    assert_eq!(changed(511, &[1]), Err(Invalid::Value("reserved")));
    assert_eq!(changed(32, &[0]), Err(Invalid::Value("file")));
    assert_eq!(changed(48, &[0; 8]), Err(Invalid::Value("timeline")));
    assert_eq!(changed(56, &[0; 8]), Err(Invalid::Value("timeline_first")));
    assert_eq!(changed(64, &[0xcd, 0xab]), Err(Invalid::Value("parent")));
    assert_eq!(changed(72, &[0; 8]), Err(Invalid::Value("first")));
    assert_eq!(changed(80, &[7]), Err(Invalid::Value("previous")));
    assert_eq!(changed(80, &[0]), Err(Invalid::Value("previous")));
    assert_eq!(changed(88, &[1]), Err(Invalid::Value("previous_end")));
    assert_eq!(changed(88, &[0, 0]), Err(Invalid::Value("previous_end")));
    assert_eq!(changed(100, &[2]), Err(Invalid::Value("holds")));
    assert_eq!(changed(100, &[1]), Err(Invalid::Value("bytes")), "it holds nothing, and is longer");
    assert_eq!(changed(104, &[1]), Err(Invalid::Value("bytes")));
    assert_eq!(changed(104, &[0, 8, 0]), Err(Invalid::Value("bytes")), "shorter than the header");
}

#[test]
fn impossible_values_of_a_record_are_refused() {
    let place = example_place();
    let refused = |change: fn(&mut [u8])| {
        let mut bytes = example_record().encode(&place).0;
        change(&mut bytes);
        let mut sum = Crc32::new();
        sum.update(&bytes[4..]);
        sum.update_u64(place.salt).update_u64(place.file.0).update_u64(place.offset);
        let sum = sum.sum().to_le_bytes();
        bytes[..4].copy_from_slice(&sum);
        RecordHeader::decode(&bytes, &place).map(|_| ())
    };
    assert_eq!(refused(|_| {}), Ok(()), "the sum is put right");
    assert_eq!(refused(|bytes| bytes[8..16].fill(0)), Err(Invalid::Value("sequence")));
    assert_eq!(refused(|bytes| bytes[16] = 8), Err(Invalid::Value("synced_to")));
    assert_eq!(refused(|bytes| bytes[18] = 1), Err(Invalid::Value("synced_to")));
    assert_eq!(refused(|bytes| bytes[26] = 4), Err(Invalid::Value("body_bytes")));
    assert_eq!(refused(|bytes| bytes[32..36].fill(0xff)), Err(Invalid::Value("body_bytes")));
    assert_eq!(refused(|bytes| bytes[40] = 0), Err(Invalid::Value("kind")));
    assert_eq!(refused(|bytes| bytes[40] = 2), Err(Invalid::Value("body_bytes")));
    assert_eq!(refused(|bytes| bytes[41] = 4), Err(Invalid::Value("part")));
    assert_eq!(refused(|bytes| bytes[42] = 1), Err(Invalid::Value("reserved")));
    assert_eq!(refused(|bytes| bytes[44] = 0), Err(Invalid::Foreign("salt_low")));
    assert_eq!(refused(|bytes| bytes[48] = 1), Err(Invalid::Value("whole_sum")));
}

#[test]
#[should_panic(expected = "could not be read again")]
fn a_record_too_long_to_be_read_again_is_never_written() {
    let header = RecordHeader { body_bytes: PAYLOAD_BYTES_MAX as u32, ..example_record() };
    header.encode(&example_place());
}

fn any_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Whole),
        Just(Part::First),
        Just(Part::Middle),
        any::<u64>().prop_map(|whole_sum| Part::Last { whole_sum }),
    ]
}

proptest! {
    #[test]
    fn records_come_back_as_they_were_written(
        (table, body) in (
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(any::<u8>(), 0..3_000),
        ),
        (file, salt, slot) in (any::<u64>(), any::<u64>(), 512..1_000_000_u64),
        (previous_sum, number, synced) in (any::<u32>(), 1..u64::MAX, 511..1_000_000_u64),
        part in any_part(),
    ) {
        let place = Place { file: FileId(file), salt, offset: slot * 8 };
        let header = RecordHeader {
            previous_sum,
            sequence: Sequence::new(number),
            synced_to: if synced < 512 { 0 } else { synced.min(slot) * 8 },
            table_bytes: table.len() as u32,
            table_sum: Crc32::of(&table),
            body_bytes: body.len() as u32,
            body_sum: Crc32::of(&body),
            kind: Kind::Batch,
            part,
        };
        let bytes = bytes_of(&header, &place, &table, &body);
        let verified = RecordHeader::decode(&bytes, &place).unwrap();
        prop_assert_eq!(verified.header, header);
        prop_assert_eq!(&verified.sum.to_le_bytes()[..], &bytes[..4]);
        let payload = verified.payload(&bytes[RECORD_HEADER_BYTES..]);
        prop_assert_eq!(payload.unwrap(), (table.as_slice(), body.as_slice()));
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..5_000),
        offset in any::<u64>(),
    ) {
        let place = Place { offset, ..example_place() };
        prop_assert!(FileHeader::decode(&bytes).is_err());
        prop_assert!(RecordHeader::decode(&bytes, &place).is_err());
        let any = Verified { header: example_record(), sum: 0 };
        prop_assert!(any.payload(&bytes).is_err());
    }
}
