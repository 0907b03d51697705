//! Shows that encoding and decoding agree with each other and with FORMAT.md, and that no damaged byte gets past.

use proptest::prelude::*;

use super::*;
use crate::heap::LONGEST;

/// The header of the worked example in FORMAT.md.
fn example() -> PayloadHeader {
    PayloadHeader {
        store: StoreId(*b"0123456789abcdef"),
        file: FileId(8),
        collection: CollectionId(3),
        base: 65_536,
        capacity: 131_072,
    }
}

/// The place of the record in the worked example.
const PLACE: PayloadPlace = PayloadPlace { address: 65_568, length: 13 };

/// The list of the worked example.
fn listed() -> HeapList {
    let files = vec![
        HeapFile { file: FileId(8), base: 65_536, capacity: 131_072, used: 80, live: 32 },
        HeapFile { file: FileId(11), base: 196_608, capacity: 48, used: 48, live: 48 },
    ];
    let emptied =
        vec![Emptied { base: 0, capacity: 65_536, into: Some(FileId(11)), stayed: vec![16] }];
    HeapList { files, next: 65_616, top: 196_656, emptied }
}

/// The bytes of a worked example, as the document gives them: an offset, up to sixteen bytes, and behind
/// a bar the same as text.
fn example_bytes(title: &str) -> Vec<u8> {
    let document = include_str!("../../../../FORMAT.md");
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

/// As they stand in the document, for whoever has to bring it up to date.
fn dump(bytes: &[u8]) -> String {
    let line = |(at, chunk): (usize, &[u8])| {
        let hex: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(shown).collect();
        format!("    {:<5} {:<47}  | {text}\n", at * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

fn record(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_record(CollectionId(3), PLACE, payload, &mut bytes);
    bytes
}

#[test]
fn the_worked_examples_of_the_format_document_hold() {
    let header = example().encode();
    assert_eq!(
        example_bytes("Worked example of a payload file's header"),
        header[..64],
        "{}",
        dump(&header[..64])
    );
    assert!(header[64..512].iter().all(|byte| *byte == 0));
    assert_eq!(PayloadHeader::decode(&header), Ok((example(), HeaderState::Whole)));
    assert_eq!(example().file_bytes(), 135_168);

    let record = record(b"a few bytes, ");
    assert_eq!(example_bytes("Worked example of a payload's record"), record, "{}", dump(&record));
    assert_eq!(decode_record(CollectionId(3), PLACE, &record), Ok(&b"a few bytes, "[..]));

    let mut list = Vec::new();
    listed().encode(&mut list);
    assert_eq!(example_bytes("Worked example of a list"), list, "{}", dump(&list));
    assert_eq!(HeapList::decode(&list), Ok(listed()));
}

/// Were the header lost, none of the payloads behind it could be served.
#[test]
fn every_flipped_bit_of_a_header_is_found_and_harms_nothing() {
    let good = example().encode();
    for at in 0..HEADER_BYTES {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let found = PayloadHeader::decode(&bytes);
            assert_eq!(found, Ok((example(), HeaderState::Damaged)), "bit {bit} of byte {at}");
            let other = if at < 512 { at + 3_584 } else { at };
            if at < 512 {
                bytes[other] ^= 1 << bit;
                let expected = if at < 8 { Invalid::Magic } else { Invalid::Sum };
                assert_eq!(PayloadHeader::decode(&bytes), Err(expected), "both at {at}");
            }
        }
    }
}

#[test]
fn every_cut_is_found() {
    let good = example().encode();
    for end in 0..HEADER_BYTES {
        assert_eq!(PayloadHeader::decode(&good[..end]), Err(Invalid::Short));
    }
    let record = record(b"a few bytes, ");
    for end in 0..29 {
        assert!(decode_record(CollectionId(3), PLACE, &record[..end]).is_err(), "{end}");
    }
    let mut list = Vec::new();
    listed().encode(&mut list);
    for end in 0..list.len() {
        assert!(HeapList::decode(&list[..end]).is_err(), "{end}");
    }
    list.push(0);
    assert_eq!(HeapList::decode(&list), Err(Invalid::Value("length")));
}

/// The payload itself is either as it was, or refused; what stands behind it means nothing.
#[test]
fn every_flipped_bit_of_a_record_is_found() {
    let good = record(b"a few bytes, ");
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let found = decode_record(CollectionId(3), PLACE, &bytes);
            assert_eq!(found.is_err(), at < 29, "bit {bit} of byte {at}: {found:?}");
        }
    }
}

#[test]
fn a_record_is_valid_in_its_own_place_only() {
    let record = record(b"a few bytes, ");
    let refused = |collection, address, length| {
        let place = PayloadPlace { address, length };
        decode_record(CollectionId(collection), place, &record).unwrap_err()
    };
    let PayloadPlace { address, length } = PLACE;
    assert_eq!(refused(4, address, length), Invalid::Sum);
    assert_eq!(refused(3, address + 16, length), Invalid::Sum);
    assert_eq!(refused(3, address, length - 1), Invalid::Foreign("length"));
    // Whole and of no length, but for the sum.
    let zeros = [0; 16];
    let nothing = PayloadPlace { address, length: 0 };
    assert_eq!(decode_record(CollectionId(3), nothing, &zeros), Err(Invalid::Sum));
}

#[test]
fn a_file_is_valid_at_its_own_place_only() {
    let header = example();
    assert_eq!(header.check_place(&example()), Ok(()));
    let others = [
        ("store", PayloadHeader { store: StoreId([0; 16]), ..header }),
        ("file", PayloadHeader { file: FileId(7), ..header }),
        ("collection", PayloadHeader { collection: CollectionId(2), ..header }),
        ("base", PayloadHeader { base: 0, ..header }),
        ("capacity", PayloadHeader { capacity: 16, ..header }),
    ];
    for (field, other) in others {
        assert_eq!(header.check_place(&other), Err(Invalid::Foreign(field)));
    }
    // A segment is none, whatever its fields are.
    let mut segment = header.encode();
    segment[3] = b'w';
    segment[4..7].copy_from_slice(b"SEG");
    segment[3_584 + 4..3_584 + 7].copy_from_slice(b"SEG");
    assert_eq!(PayloadHeader::decode(&segment), Err(Invalid::Magic));
}

/// Puts the right sum to a header whose fields were changed: what someone hostile, or a mistake of
/// ours, could hand in.
fn resummed(mut header: Vec<u8>) -> Vec<u8> {
    let mut sum = base::checksum::Crc32::new();
    sum.update(&header[..12]).update(&header[16..512]);
    let sum = sum.sum().to_le_bytes();
    header[12..16].copy_from_slice(&sum);
    let block = header[..512].to_vec();
    header[3_584..].copy_from_slice(&block);
    header
}

#[test]
fn impossible_values_under_a_right_sum_are_refused() {
    let changed = |at: usize, bytes: &[u8]| {
        let mut header = example().encode();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        PayloadHeader::decode(&resummed(header)).map(|_| ())
    };
    assert_eq!(changed(0, b"arrwPAY\n"), Ok(()), "the sum is put right");
    assert_eq!(changed(8, &[1]), Err(Invalid::Newer { found: 1 }));
    for reserved in [10, 11, 44, 47, 64, 511] {
        assert_eq!(changed(reserved, &[1]), Err(Invalid::Value("reserved")), "byte {reserved}");
    }
    assert_eq!(changed(32, &[0; 8]), Err(Invalid::Value("file")));
    assert_eq!(changed(48, &[8]), Err(Invalid::Value("base")));
    assert_eq!(changed(48, &[0xff; 8]), Err(Invalid::Value("base")));
    assert_eq!(changed(48, &(1_u64 << 62).to_le_bytes()), Err(Invalid::Value("capacity")));
    assert_eq!(changed(56, &[0; 8]), Err(Invalid::Value("capacity")));
    assert_eq!(changed(56, &[1]), Err(Invalid::Value("capacity")));
    assert_eq!(changed(56, &(1_u64 << 62).to_le_bytes()), Err(Invalid::Value("capacity")));
}

#[test]
#[should_panic(expected = "could not be read again")]
fn a_file_of_no_addresses_is_never_written() {
    PayloadHeader { capacity: 0, ..example() }.encode();
}

#[test]
#[should_panic(expected = "of another length")]
fn a_payload_is_written_only_to_a_place_of_its_length() {
    record(b"too short");
}

#[test]
fn lists_that_contradict_themselves_are_refused() {
    let change = |change: &dyn Fn(&mut HeapList)| {
        let mut list = listed();
        change(&mut list);
        let mut bytes = Vec::new();
        list.encode(&mut bytes);
        HeapList::decode(&bytes).map(|_| ())
    };
    assert_eq!(change(&|_| ()), Ok(()));
    let files = Err(Invalid::Value("files"));
    assert_eq!(change(&|list| list.files[0].file = FileId(0)), files);
    assert_eq!(change(&|list| list.files[0].file = FileId(11)), files);
    assert_eq!(change(&|list| list.files.swap(0, 1)), files);
    assert_eq!(change(&|list| list.files[1].base -= 16), files, "they meet");
    assert_eq!(change(&|list| list.files[1].used = 64), files);
    assert_eq!(change(&|list| list.files[0].live = 96), files);
    assert_eq!(change(&|list| list.files[0].live = 8), files);
    assert_eq!(change(&|list| list.files[0].capacity = 0), Err(Invalid::Value("capacity")));
    assert_eq!(change(&|list| list.top = 196_640), Err(Invalid::Value("top")));
    assert_eq!(change(&|list| list.next = 196_672), Err(Invalid::Value("top")));
    assert_eq!(change(&|list| list.next = 8), Err(Invalid::Value("top")));
    let emptied = Err(Invalid::Value("emptied"));
    assert_eq!(change(&|list| list.emptied[0].into = Some(FileId(12))), emptied);
    assert_eq!(change(&|list| list.emptied[0].stayed.push(16)), emptied);
    assert_eq!(change(&|list| list.emptied[0].stayed.push(65_536)), emptied);
    assert_eq!(change(&|list| list.emptied.push(list.emptied[0].clone())), emptied);
    assert_eq!(change(&|list| list.emptied[0].capacity = 1 << 40), emptied);
}

proptest! {
    #[test]
    fn headers_come_back_as_they_were_written(
        store in any::<[u8; 16]>(),
        file in 1..=u64::MAX,
        collection in any::<u32>(),
        (base, capacity) in (0..1_u64 << 57, 1..1_u64 << 57),
    ) {
        let (store, file) = (StoreId(store), FileId(file));
        let collection = CollectionId(collection);
        let (base, capacity) = (base * 16, capacity * 16);
        let header = PayloadHeader { store, file, collection, base, capacity };
        prop_assert_eq!(PayloadHeader::decode(&header.encode()), Ok((header, HeaderState::Whole)));
    }

    #[test]
    fn records_come_back_as_they_were_written(
        payload in prop::collection::vec(any::<u8>(), 0..200),
        address in any::<u64>(),
        collection in any::<u32>(),
    ) {
        let place = PayloadPlace { address, length: payload.len() as u32 };
        let collection = CollectionId(collection);
        let mut bytes = b"others".to_vec();
        encode_record(collection, place, &payload, &mut bytes);
        prop_assert_eq!(bytes.len() as u64, 6 + place.record_bytes());
        prop_assert_eq!(decode_record(collection, place, &bytes[6..]), Ok(&payload[..]));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..5_000),
        address in any::<u64>(),
        length in prop_oneof![0..64_u32, any::<u32>()],
    ) {
        prop_assert!(PayloadHeader::decode(&bytes).is_err());
        let place = PayloadPlace { address, length };
        prop_assert!(decode_record(CollectionId(1), place, &bytes).is_err());
        let _no_panic = HeapList::decode(&bytes);
        prop_assert!(place.end().is_none() || length <= LONGEST);
    }
}
