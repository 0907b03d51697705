//! Holds payloads to the bytes that are kept in `engine/tests/golden`: stores have such.

use std::sync::Arc;

use arrwdb::{Payload, Value, payload};

/// What was once written has to be read for ever, and the same payload is never written otherwise.
#[track_caller]
fn check(golden: &'static [u8], payload: &Payload) {
    assert!(payload.encoded().unwrap() == golden, "{payload} has other bytes now");
    let read = Payload::from_bytes(Arc::new(golden)).unwrap();
    assert_eq!(read, *payload);
    assert_eq!(read.to_string(), payload.to_string());
}

#[test]
fn an_empty_payload_has_its_bytes() {
    check(include_bytes!("../golden/payload-empty.bin"), &Payload::new());
}

#[test]
fn a_value_of_each_type_has_its_bytes() {
    let payload = payload! {
        "null" => null,
        "false" => false,
        "true" => true,
        "least" => i64::MIN,
        "most" => i64::MAX,
        "float" => -1.5,
        "no number" => f64::from_bits(0x7ff0_0000_0000_0001),
        "text" => "gr\u{fc}n",
        "moment" => Value::Timestamp(1_700_000_000_000_001),
        "bytes" => b"\x00\xff",
        "list" => [1, 2],
        "map" => { "a" => 1 },
    };
    check(include_bytes!("../golden/payload-types.bin"), &payload);
}

#[test]
fn what_is_nested_has_its_bytes() {
    let payload = payload! {
        "b" => [[], {}, "", [1, [2, [3, { "x" => { "y" => [null, "deep"] } }]]]],
        "a" => { "d" => { "e" => "f" }, "c" => ["g", { "h" => "i" }] },
        "\u{e4}" => { "k".repeat(255) => b"" },
    };
    check(include_bytes!("../golden/payload-nested.bin"), &payload);
}

/// As deep as a payload may be.
#[test]
fn the_deepest_payload_has_its_bytes() {
    let deep = (0..14).fold(Payload::from(vec![0.5]), |inner, _| payload! { "in" => inner });
    check(include_bytes!("../golden/payload-deepest.bin"), &payload! { "out" => deep });
}

/// From without, where the macro has to find all it needs by itself.
#[test]
fn what_is_wrong_is_said_when_it_is_used() {
    let twice = payload! { "a" => { "b" => [0, { "c" => 1, "c" => 2 }] } };
    let refused = twice.encoded().unwrap_err();
    assert_eq!(refused.to_string(), "not a payload, because of a.b[1].c: the key is there twice");
}
