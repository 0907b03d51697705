//! Shows that decoding undoes encoding, and that no input makes it panic or reach too far.

use super::*;
use proptest::prelude::*;

/// One field of any kind, so that random sequences of fields can be written and read back.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32Bits(u32),
    Array([u8; 16]),
    Prefixed(Vec<u8>),
    Text(String),
    Zeros(usize),
    Align(usize),
}

const LIMIT: usize = 64;

fn any_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        any::<u8>().prop_map(Field::U8),
        any::<u16>().prop_map(Field::U16),
        any::<u32>().prop_map(Field::U32),
        any::<u64>().prop_map(Field::U64),
        any::<u128>().prop_map(Field::U128),
        any::<u32>().prop_map(Field::F32Bits),
        any::<[u8; 16]>().prop_map(Field::Array),
        prop::collection::vec(any::<u8>(), 0..LIMIT).prop_map(Field::Prefixed),
        prop::collection::vec(any::<char>(), 0..LIMIT / 4)
            .prop_map(|chars| Field::Text(chars.into_iter().collect())),
        (0..9_usize).prop_map(Field::Zeros),
        (1..17_usize).prop_map(Field::Align),
    ]
}

fn encode(field: &Field, into: &mut Encoder<'_>) {
    match field {
        Field::U8(number) => into.u8(*number),
        Field::U16(number) => into.u16(*number),
        Field::U32(number) => into.u32(*number),
        Field::U64(number) => into.u64(*number),
        Field::U128(number) => into.u128(*number),
        Field::F32Bits(bits) => into.f32(f32::from_bits(*bits)),
        Field::Array(bytes) => into.bytes(bytes),
        Field::Prefixed(bytes) => into.prefixed(bytes),
        Field::Text(text) => into.text(text),
        Field::Zeros(count) => into.zeros(*count),
        Field::Align(alignment) => into.align(*alignment),
    };
}

/// Reads a field of the same kind as `like`.
fn decode(like: &Field, from: &mut Decoder<'_>) -> Result<Field, Malformed> {
    Ok(match like {
        Field::U8(_) => Field::U8(from.u8("u8")?),
        Field::U16(_) => Field::U16(from.u16("u16")?),
        Field::U32(_) => Field::U32(from.u32("u32")?),
        Field::U64(_) => Field::U64(from.u64("u64")?),
        Field::U128(_) => Field::U128(from.u128("u128")?),
        Field::F32Bits(_) => Field::F32Bits(from.f32("f32")?.to_bits()),
        Field::Array(_) => Field::Array(from.array("array")?),
        Field::Prefixed(_) => Field::Prefixed(from.prefixed(LIMIT, "prefixed")?.to_vec()),
        Field::Text(_) => Field::Text(from.text(LIMIT, "text")?.to_owned()),
        Field::Zeros(count) => from.zeros(*count, "zeros").map(|()| Field::Zeros(*count))?,
        Field::Align(by) => from.align(*by, "align").map(|()| Field::Align(*by))?,
    })
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(fields in prop::collection::vec(any_field(), 0..20)) {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        fields.iter().for_each(|field| encode(field, &mut encoder));
        let length = encoder.offset();

        let mut decoder = Decoder::new(&bytes);
        for field in &fields {
            prop_assert_eq!(&decode(field, &mut decoder).unwrap(), field);
        }
        prop_assert_eq!(decoder.offset(), length);
        prop_assert_eq!(decoder.finish("the last field"), Ok(()));
    }

    #[test]
    fn any_bytes_decode_or_are_refused_without_moving_past_the_end(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        fields in prop::collection::vec(any_field(), 0..20),
    ) {
        let mut decoder = Decoder::new(&bytes);
        for field in &fields {
            let before = decoder.offset();
            if let Err(malformed) = decode(field, &mut decoder) {
                prop_assert_eq!(malformed.offset, before);
                prop_assert_eq!(decoder.offset(), before, "a refused field moves nothing");
            }
            prop_assert!(decoder.offset() >= before && decoder.offset() <= bytes.len());
        }
    }

    #[test]
    fn every_cut_of_an_encoding_is_refused(
        fields in prop::collection::vec(any_field(), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        fields.iter().for_each(|field| encode(field, &mut encoder));
        prop_assume!(!bytes.is_empty());
        let mut decoder = Decoder::new(&bytes[..cut.index(bytes.len())]);
        prop_assert!(fields.iter().any(|field| decode(field, &mut decoder).is_err()));
    }
}

#[test]
fn numbers_are_little_endian() {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).u16(0x0102).u32(0x0304_0506).f32(1.0);
    assert_eq!(bytes, [2, 1, 6, 5, 4, 3, 0, 0, 0x80, 0x3f]);
}

#[test]
fn a_refusal_names_the_field_its_offset_and_what_was_missing() {
    let mut decoder = Decoder::new(&[1, 2, 3]);
    assert_eq!(decoder.u8("kind"), Ok(1));
    let refused = decoder.u32("length").unwrap_err();
    assert_eq!(refused.to_string(), "length at byte 1 takes 4 bytes, 2 are left");
}

#[test]
fn a_length_above_its_limit_is_refused_before_anything_is_read() {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).u32(u32::MAX).bytes(b"short");
    let refused = Decoder::new(&bytes).prefixed(16, "name").unwrap_err();
    assert_eq!(refused.problem, Problem::TooLong { limit: 16, found: u32::MAX as usize });
}

#[test]
fn reserved_bytes_and_leftovers_are_refused() {
    let mut decoder = Decoder::new(&[0, 0, 7, 9]);
    let refused = decoder.zeros(3, "reserved").unwrap_err();
    assert_eq!(refused.to_string(), "reserved at byte 0 must be zero and is not");
    decoder.bytes(3, "reserved").unwrap();
    let refused = decoder.finish("reserved").unwrap_err();
    assert_eq!(refused.to_string(), "bytes are left over behind reserved, from byte 3");
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).prefixed(&[0xff, 0xfe]);
    let refused = Decoder::new(&bytes).text(16, "name").unwrap_err();
    assert_eq!(refused.to_string(), "name at byte 0 is not UTF-8");
}

#[test]
fn alignment_counts_from_where_the_encoding_began() {
    let mut bytes = vec![0xee; 3];
    Encoder::new(&mut bytes).u8(1).align(8).u8(2);
    assert_eq!(bytes, [0xee, 0xee, 0xee, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
}

#[test]
fn the_worked_example_of_the_format_document_holds() {
    let document = include_str!("../../../FORMAT.md");
    let (_, example) = document.split_once("Worked example: the fields u16").unwrap();
    let (_, line) = example.split_once("bytes ").unwrap();
    let expected: Vec<u8> = line
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();

    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).u16(0x0102).text("idx").align(8).u32(7);
    assert_eq!(bytes, expected);

    let mut decoder = Decoder::new(&expected);
    assert_eq!(decoder.u16("first"), Ok(0x0102));
    assert_eq!(decoder.text(3, "second"), Ok("idx"));
    assert_eq!(decoder.align(8, "padding"), Ok(()));
    assert_eq!(decoder.u32("third"), Ok(7));
    assert_eq!(decoder.finish("third"), Ok(()));
}
