//! Shows that no damaged byte of a block or a table gets past, and nothing that nobody writes.

use proptest::prelude::*;

use super::*;

/// Rows of sections of these lengths, as a writer lays them out, and the block.
fn laid_out(lengths: &[u64]) -> (Block, Vec<u8>) {
    let (places, table) = places(lengths).unwrap();
    let row = |(number, (length, (offset, sums))): (usize, (&u64, (u64, u64)))| Row {
        name: format!("section {number}").replace(' ', "-"),
        offset,
        length: *length,
        sums,
        root: if *length == 0 { 0 } else { 0x1122_3344_5566_7788 },
    };
    let rows: Vec<Row> = lengths.iter().zip(places).enumerate().map(row).collect();
    let bytes = encode_table(&rows);
    let block = Block {
        store: StoreId(*b"0123456789abcdef"),
        file: FileId(7),
        bytes: table + (bytes.len() + BLOCK_BYTES) as u64,
        table,
        table_sum: Xxh3::of(&bytes),
        sections: rows.len() as u32,
    };
    (block, bytes)
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_block_is_found() {
    let (block, _) = laid_out(&[5, 0, 70_000]);
    let good = block.encode();
    assert_eq!(Block::decode(&good), Ok(block));
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 64 { Invalid::Magic } else { Invalid::Sum("block") };
        assert_eq!(Block::decode(&bytes), Err(expected), "bit {bit}");
    }
    for end in 0..good.len() {
        assert_eq!(Block::decode(&good[..end]), Err(Invalid::Length));
    }
}

#[test]
fn impossible_values_of_a_block_under_a_right_sum_are_refused() {
    let changed = |at: usize, bytes: &[u8]| {
        let mut block = laid_out(&[5]).0.encode();
        block[at..at + bytes.len()].copy_from_slice(bytes);
        put_sum(&mut block);
        Block::decode(&block).unwrap_err()
    };
    assert_eq!(changed(8, &[1]), Invalid::Newer { found: 1 });
    for reserved in [10, 11, 68, 511] {
        assert_eq!(changed(reserved, &[1]), Invalid::Value("reserved"), "byte {reserved}");
    }
    assert_eq!(changed(32, &[0; 8]), Invalid::Value("file"));
    assert_eq!(changed(40, &[0xff; 8]), Invalid::Value("table"), "longer than it says");
    assert_eq!(changed(48, &[0xff; 8]), Invalid::Value("table"), "behind every file");
    assert_eq!(changed(64, &[2]), Invalid::Value("table"), "of another length");
    assert_eq!(changed(64, &[1, 0, 1]), Invalid::Value("sections"), "65537");
    // A table in the first block.
    let mut early = laid_out(&[]).0;
    early.table = 4_095;
    early.bytes = early.table + BLOCK_BYTES as u64;
    assert_eq!(Block::decode(&early.encode()), Err(Invalid::Value("table")));
}

#[test]
fn every_flipped_bit_of_a_table_is_found() {
    let (block, good) = laid_out(&[5, 0, 70_000]);
    assert_eq!(decode_table(&block, &good).unwrap().len(), 3);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode_table(&block, &bytes), Err(Invalid::Sum("table")), "bit {bit}");
    }
    assert_eq!(decode_table(&block, &good[1..]), Err(Invalid::Length));
}

#[test]
fn impossible_values_of_a_table_under_a_right_sum_are_refused() {
    let changed = |at: usize, with: &[u8]| {
        let (block, mut bytes) = laid_out(&[5, 0, 70_000]);
        bytes[at..at + with.len()].copy_from_slice(with);
        let block = Block { table_sum: Xxh3::of(&bytes), ..block };
        decode_table(&block, &bytes).unwrap_err()
    };
    assert_eq!(changed(0, &[0]), Invalid::Value("name"), "none");
    assert_eq!(changed(0, b" "), Invalid::Value("name"), "a space");
    assert_eq!(changed(3, &[0xff]), Invalid::Value("name"), "not ASCII");
    assert_eq!(changed(3, &[0]), Invalid::Value("name"), "zeros within");
    assert_eq!(changed(64, b"section-0"), Invalid::Value("name"), "twice");
    assert_eq!(changed(33, &[0x11]), Invalid::Value("offset"));
    assert_eq!(changed(48, &[1]), Invalid::Value("sums"));
    assert_eq!(changed(40, &[0xff; 8]), Invalid::Value("length"), "longer than any file");
    assert_eq!(changed(41, &[0x10]), Invalid::Value("sums"), "a chunk longer than it is");
    assert_eq!(changed(64 + 56, &[1]), Invalid::Value("root"), "of no bytes");
    let (block, bytes) = laid_out(&[5]);
    let elsewhere = Block { table: block.table + 4_096, bytes: block.bytes + 4_096, ..block };
    assert_eq!(decode_table(&elsewhere, &bytes), Err(Invalid::Value("table")));
}

#[test]
fn names_are_short_and_can_be_seen() {
    for name in ["a", "rows.17/slots", "~!", &"x".repeat(32)] {
        assert!(is_name(name.as_bytes()), "{name}");
    }
    for name in ["", "two words", "\u{fc}", "a\0", &"x".repeat(33)] {
        assert!(!is_name(name.as_bytes()), "{name}");
    }
}

proptest! {
    #[test]
    fn tables_come_back_as_they_were_written(
        lengths in prop::collection::vec(0..1_u64 << 48, 0..20),
    ) {
        let (block, bytes) = laid_out(&lengths);
        prop_assert_eq!(Block::decode(&block.encode()), Ok(block));
        let rows = decode_table(&block, &bytes).unwrap();
        prop_assert_eq!(encode_table(&rows), bytes);
        let mut at = SECTION_ALIGNMENT;
        for (row, length) in rows.iter().zip(lengths) {
            prop_assert_eq!(row.length, length);
            prop_assert!(row.offset >= at && row.offset % SECTION_ALIGNMENT == 0);
            at = row.offset + length;
            prop_assert!(row.sums + sums_bytes(length) <= block.table);
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..700),
        lengths in prop::collection::vec(any::<u64>(), 0..20),
    ) {
        prop_assert!(Block::decode(&bytes).is_err());
        let _any = places(&lengths);
    }
}
