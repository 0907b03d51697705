//! Damages and forges the bytes of payloads, and holds the example of FORMAT.md.

use proptest::prelude::*;

use super::*;
use crate::payload;
use crate::payload::tests::{any_entries, encoded, of_all_types, stored};
use crate::payload::{PAYLOAD_DEPTH_MAX, Payload};

/// Bytes are a payload only if it would be written as just these.
fn assert_one_form(bytes: &[u8]) -> bool {
    let Ok(payload) = stored(bytes, 1) else { return false };
    assert!(encoded(&Payload::from(payload.value())) == bytes, "{payload}");
    assert!(payload.to_string().starts_with('{'));
    true
}

fn node(key: (u32, u8), kind: u8, value: u64) -> Node {
    Node { key: key.0, key_bytes: key.1, kind, reserved: 0, value }
}

fn run(key: (u32, u8), kind: u8, at: u64, length: u64) -> Node {
    node(key, kind, at | length << 32)
}

fn forged(nodes: Vec<Node>, texts: &[u8]) -> Vec<u8> {
    frame(&Body { nodes, texts: texts.to_vec() })
}

#[test]
fn every_cut_is_refused_and_a_flipped_bit_makes_another_payload_or_none() {
    for payload in [Payload::new(), of_all_types()] {
        let bytes = encoded(&payload);
        for length in 0..bytes.len() {
            decode(&bytes[..length]).unwrap_err();
        }
        decode(&[&bytes[..], &[0]].concat()).unwrap_err();
        let mut others = 0;
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if assert_one_form(&flipped) {
                assert_ne!(stored(&flipped, 0).unwrap(), payload);
                others += 1;
            }
        }
        assert_eq!(others == 0, payload.is_empty(), "{others}");
    }
}

#[test]
fn the_envelope_is_what_it_has_to_be() {
    let bytes = encoded(&payload! { "a" => 1 });
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        stored(&bytes, 0).map(drop)
    };
    assert_eq!(changed(0, 0), Err(Invalid::Value("magic")));
    assert_eq!(changed(8, 1), Err(Invalid::Newer { found: 1 }));
    assert_eq!(changed(10, 1), Err(Invalid::Value("reserved")));
    assert_eq!(changed(12, 81), Err(Invalid::Value("length")));
    assert!(matches!(stored(b"arrwPAY\n\0", 0).map(drop), Err(Invalid::Malformed(_))));
    let huge = forged(vec![node((0, 0), MAP, 1)], &vec![0; PAYLOAD_BYTES_MAX]);
    assert_eq!(decode(&huge).map(drop), Err(Invalid::Value("length")));
}

/// What rkyv lets pass, each alone in what is otherwise a payload.
#[test]
fn a_forged_archive_is_refused() {
    let root = |count| run((0, 0), MAP, 1, count);
    let number = |key| node(key, INTEGER, 7);
    let a = (0, 1);
    for (what, nodes, texts) in [
        ("root", vec![], ""),
        ("root", vec![number((0, 0))], ""),
        ("root", vec![run((0, 0), LIST, 1, 0)], ""),
        ("root", vec![run((0, 1), MAP, 1, 0)], "a"),
        ("value", vec![root(2), number(a)], "a"),
        ("value", vec![run((0, 0), MAP, u64::from(u32::MAX), u64::from(u32::MAX))], ""),
        ("nodes", vec![run((0, 0), MAP, 0, 1)], ""),
        ("nodes", vec![root(0), number((0, 0))], ""),
        ("nodes", vec![root(1), run(a, LIST, 1, 1)], "a"),
        ("nodes", vec![root(1), run(a, LIST, 0, 2)], "a"),
        ("nodes", vec![root(2), run(a, LIST, 3, 1), run((1, 1), LIST, 3, 1), number((2, 0))], "ab"),
        ("texts", vec![root(1), number(a)], "ab"),
        ("texts", vec![root(2), run(a, TEXT, 1, 1), run((2, 1), BYTES, 1, 1)], "axb"),
        ("key", vec![root(1), number((1, 1))], "aa"),
        ("key", vec![root(1), number((0, 2))], "a"),
        ("key", vec![root(1), number((u32::MAX, 255))], "a"),
        ("order of keys", vec![root(1), number((0, 0))], ""),
        ("order of keys", vec![root(2), number(a), number((1, 1))], "aa"),
        ("order of keys", vec![root(2), number(a), number((1, 1))], "ba"),
        ("order of keys", vec![root(1), run(a, LIST, 2, 1), number((1, 1))], "ab"),
        ("value", vec![root(1), node(a, NULL, 1)], "a"),
        ("value", vec![root(1), node(a, BOOL, 2)], "a"),
        ("value", vec![root(1), node(a, 9, 0)], "a"),
        ("value", vec![root(1), run(a, TEXT, 1, 2)], "ab"),
        ("value", vec![root(1), run(a, BYTES, u64::from(u32::MAX), 1)], "ab"),
        ("reserved", vec![root(1), Node { reserved: 1, ..number(a) }], "a"),
    ] {
        let bytes = forged(nodes, texts.as_bytes());
        assert_eq!(decode(&bytes).map(drop), Err(Invalid::Value(what)), "{texts} {bytes:?}");
    }
    let text = |bytes: &[u8]| forged(vec![root(1), run(a, TEXT, 1, 1)], bytes);
    stored(&text(b"ab"), 0).unwrap();
    assert_eq!(decode(&text(b"a\xff")).map(drop), Err(Invalid::Value("value")));
    let key = |bytes: &[u8]| forged(vec![root(1), number(a)], bytes);
    stored(&key(b"a"), 0).unwrap();
    assert_eq!(decode(&key(b"\xff")).map(drop), Err(Invalid::Value("key")));
}

/// However deep it says it is, no stack goes by it.
#[test]
fn a_forged_depth_is_refused() {
    let nested = |depth: u64| {
        let lists = (2..=depth).map(|at| run((1, 0), LIST, at + 1, u64::from(at < depth)));
        let first = [run((0, 0), MAP, 1, 1), run((0, 1), LIST, 2, u64::from(depth > 1))];
        forged(first.into_iter().chain(lists).collect(), b"a")
    };
    let deepest = PAYLOAD_DEPTH_MAX as u64 - 1;
    stored(&nested(deepest), 0).unwrap();
    for depth in [deepest + 1, 500_000] {
        assert_eq!(decode(&nested(depth)).map(drop), Err(Invalid::Value("depth")));
    }
}

/// The two lists have one place each, although rkyv would find them elsewhere.
#[test]
fn an_archive_with_room_in_it_is_refused() {
    let bytes = encoded(&payload! { "abcdefgh" => "12345678" });
    let (nodes, texts, root) = (16, 16 + 2 * 16, 16 + 2 * 16 + 16);
    assert_eq!(bytes.len(), root + 16);
    for (gap, shifted) in [(nodes, 0), (texts, 1), (root, 2)] {
        let mut roomy = [&bytes[..gap], &[0; 8], &bytes[gap..]].concat();
        roomy[12] += 8;
        // What lies behind the room has moved away from what lies in front of it, towards the end.
        for at in [root + 8, root + 16].into_iter().take(shifted) {
            roomy[at] -= 8;
        }
        let body = rkyv::access::<ArchivedBody, Failure>(&roomy[16..]).unwrap();
        assert_eq!((body.nodes.len(), body.texts.as_slice()), (2, &b"abcdefgh12345678"[..]));
        assert_eq!(decode(&roomy).map(drop), Err(Invalid::Value("archive")));
    }
    let mut outside = bytes.clone();
    outside[root] -= 8;
    assert_eq!(decode(&outside).map(drop), Err(Invalid::Value("archive")));
}

/// Reads the example from the document.
#[test]
fn the_example_of_the_format_document_holds() {
    let document = include_str!("../../../../FORMAT.md");
    let (_, section) = document.split_once("Worked example of a payload:").unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with("    0 "));
    let lines = lines.take_while(|line| line.starts_with("    "));
    let hex = lines.flat_map(|line| {
        let (bytes, _) = line.split_once('|').unwrap();
        bytes.split_whitespace().skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap())
    });
    let bytes: Vec<u8> = hex.collect();
    let payload = payload! { "tags" => ["a", null], "page" => 3, "lang" => "en" };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    assert_eq!(hex(&bytes), hex(&encoded(&payload)));
    assert_eq!(stored(&bytes, 0).unwrap(), payload);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_one_form(&bytes);
        let length = u32::try_from(16 + bytes.len()).unwrap();
        let framed = [&b"arrwPAY\n\0\0\0\0"[..], &length.to_le_bytes()[..], &bytes[..]].concat();
        assert_one_form(&framed);
    }

    #[test]
    fn any_nodes_are_read_or_refused(
        nodes in prop::collection::vec((0_u32..9, 0_u8..3, 0_u8..10, 0_u64..6, 0_u64..4), 0..6),
        texts in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let node = |(key, key_bytes, kind, at, length)| run((key, key_bytes), kind, at, length);
        assert_one_form(&forged(nodes.into_iter().map(node).collect(), &texts));
    }

    /// Payloads of which a few bytes were changed.
    #[test]
    fn damaged_payloads_are_read_or_refused(
        entries in any_entries(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&Payload::from_iter(entries));
        for (at, to) in damages {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        assert_one_form(&bytes);
    }
}
