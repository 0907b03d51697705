//! Shows that no damaged byte of a manifest gets past, and no header that nobody writes.

use proptest::prelude::*;

use super::*;

fn example() -> (Header, Vec<u8>) {
    let header =
        Header { store: StoreId([7; 16]), number: 3, previous: 2, previous_hash: 1 << 100 };
    (header, encode(&header, b"the body"))
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let (header, good) = example();
    assert_eq!(decode(&good), Ok((header, b"the body".as_slice())));
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..8 => Invalid::Magic,
            8..HEADER_BYTES => Invalid::Sum("header"),
            _ => Invalid::Sum("body"),
        };
        assert_eq!(decode(&bytes), Err(expected), "bit {bit}");
    }
    for end in 0..good.len() {
        assert_eq!(decode(&good[..end]), Err(Invalid::Length), "cut at {end}");
    }
    let longer = [good, vec![0]].concat();
    assert_eq!(decode(&longer), Err(Invalid::Length));
}

#[test]
fn impossible_values_under_a_right_sum_are_refused() {
    let changed = |at: usize, bytes: &[u8]| {
        let (_, mut manifest) = example();
        manifest[at..at + bytes.len()].copy_from_slice(bytes);
        put_sum(&mut manifest[..HEADER_BYTES]);
        decode(&manifest).map(|_| ()).unwrap_err()
    };
    assert_eq!(changed(8, &[1]), Invalid::Newer { found: 1 });
    for reserved in [10, 11, 88, 127] {
        assert_eq!(changed(reserved, &[1]), Invalid::Value("reserved"), "byte {reserved}");
    }
    assert_eq!(changed(32, &[0]), Invalid::Value("number"));
    assert_eq!(changed(40, &[3]), Invalid::Value("previous"));
    assert_eq!(changed(40, &[0]), Invalid::Value("previous_hash"), "that of no manifest");
    assert_eq!(changed(64, &[7]), Invalid::Length);
    assert_eq!(changed(64, &[0xff; 8]), Invalid::Length);
    assert_eq!(changed(72, &[0]), Invalid::Sum("body"));
}

#[test]
#[should_panic(expected = "could not be read again")]
fn a_manifest_that_is_its_own_predecessor_is_never_written() {
    let (header, _) = example();
    encode(&Header { previous: 3, ..header }, b"");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
