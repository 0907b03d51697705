//! Makes payloads that are good and bad, and reads them again in the making and from bytes.

use proptest::prelude::*;

use super::*;
use crate::payload;

/// Bytes that begin at any place, as those of a mapped file do.
struct Owner {
    bytes: Vec<u8>,
    at: usize,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

/// A payload that lies in these bytes, moved from alignment by so many.
pub(super) fn stored(bytes: &[u8], at: usize) -> std::result::Result<Payload, Invalid> {
    let bytes = [&vec![0xff; at], bytes].concat();
    Payload::from_bytes(Arc::new(Owner { bytes, at }))
}

pub(super) fn encoded(payload: &Payload) -> Vec<u8> {
    payload.encoded().unwrap().into_owned()
}

fn refused(payload: &Payload) -> (String, &'static str) {
    let Refused { path, what } = payload.encoded().unwrap_err();
    (path, what)
}

/// A value of each type, and maps and lists in each other.
pub(super) fn of_all_types() -> Payload {
    payload! {
        "text" => "gr\u{fc}n\u{202e}",
        "none" => null,
        "yes" => true,
        "no" => false,
        "least" => i64::MIN,
        "float" => -0.0,
        "nan" => f64::from_bits(0x7ff0_0000_0000_0001),
        "at" => Value::Timestamp(-1),
        "bytes" => b"\x00\xff\x07",
        "empty" => ["", [], {}, b""],
        "list" => [1, "two", [3.0, { "four" => [null] }]],
        "map" => { "b" => { "c" => 1 }, "a" => 2 },
    }
}

pub(super) fn any_value() -> impl Strategy<Value = Payload> {
    let leaf = prop_oneof![
        Just(Payload::from(super::Value::Null)),
        any::<bool>().prop_map(Payload::from),
        any::<i64>().prop_map(Payload::from),
        any::<u64>().prop_map(|bits| Payload::from(f64::from_bits(bits))),
        any::<i64>().prop_map(|micros| Payload::from(super::Value::Timestamp(micros))),
        ".{0,9}".prop_map(Payload::from),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Payload::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inside| {
        let list = prop::collection::vec(inside.clone(), 0..6).prop_map(Payload::from);
        let map = prop::collection::btree_map(any_key(), inside, 0..6);
        prop_oneof![list, map.prop_map(Payload::from_iter)]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,3}", ".{1,9}"]
}

pub(super) fn any_entries() -> impl Strategy<Value = Vec<(String, Payload)>> {
    let map = prop::collection::btree_map(any_key(), any_value(), 0..8);
    map.prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle()
}

#[test]
fn each_value_has_its_type() {
    let made = of_all_types();
    for payload in [&made, &stored(&encoded(&made), 3).unwrap()] {
        let get = |key| payload.get(key).unwrap();
        assert_eq!((payload.len(), payload.is_empty()), (12, false));
        assert_eq!(get("text").as_str(), Some("gr\u{fc}n\u{202e}"));
        assert_eq!((get("yes").as_bool(), get("no").as_bool()), (Some(true), Some(false)));
        assert_eq!(get("least").as_i64(), Some(i64::MIN));
        assert_eq!(get("at").as_timestamp(), Some(-1));
        assert_eq!(get("bytes").as_bytes(), Some(&[0, 255, 7][..]));
        assert_eq!(get("nan").as_f64().map(f64::to_bits), Some(0x7ff0_0000_0000_0001));
        assert_eq!(get("float").as_f64().map(f64::to_bits), Some(1 << 63));
        let inner = get("map").as_map().unwrap();
        assert_eq!(
            inner.get("b").and_then(Value::as_map).unwrap().get("c"),
            Some(Value::Integer(1))
        );
        assert_eq!(inner.at(0), Some(Value::Integer(2)), "in the order of the keys");
        let list = get("list").as_list().unwrap();
        assert_eq!((list.len(), list.at(3), list.get("")), (3, None, None));
        assert_eq!(list.at(1), Some(Value::Text("two")));
        assert!(get("none").is_null() && !get("no").is_null());
        assert_eq!((payload.get("nobody"), payload.get("")), (None, None));
        // Nothing is taken for something else.
        assert_eq!((get("least").as_f64(), get("float").as_i64()), (None, None));
        assert_eq!((get("at").as_i64(), get("least").as_timestamp()), (None, None));
        assert_eq!((get("text").as_bytes(), get("bytes").as_str()), (None, None));
        assert!(get("map").as_list().is_none() && get("list").as_map().is_none());
    }
}

#[test]
fn keys_are_in_the_order_of_their_bytes_however_they_came() {
    let keys = ["z", "a", "ab", "\u{e4}", "Z", "aa"];
    let sorted = ["Z", "a", "aa", "ab", "z", "\u{e4}"];
    let one_by_one = keys.iter().fold(Payload::new(), |map, key| map.with(key, *key));
    let at_once: Payload = keys.iter().map(|key| (*key, *key)).collect();
    assert_eq!(one_by_one.iter().map(|(key, _)| key).collect::<Vec<_>>(), sorted);
    assert!(keys.iter().all(|key| one_by_one.get(key) == Some(Value::Text(key))));
    assert_eq!(one_by_one, at_once);
    assert_eq!(encoded(&one_by_one), encoded(&at_once));
}

#[test]
fn floats_are_equal_by_their_bits_and_numbers_by_their_type() {
    let (nan, other) = (f64::NAN, f64::from_bits(f64::NAN.to_bits() ^ 1));
    assert_eq!(Value::Float(nan), Value::Float(nan));
    assert_ne!(Value::Float(nan), Value::Float(other));
    assert_ne!(Value::Float(0.0), Value::Float(-0.0));
    assert_ne!(Value::Float(1.0), Value::Integer(1));
    assert_ne!(Value::Timestamp(1), Value::Integer(1));
    assert_ne!(Value::Text("a"), Value::Bytes(b"a"));
    let (list, map) = (payload! { "x" => [] }, payload! { "x" => {} });
    assert_ne!(list, map);
    assert_ne!(encoded(&list), encoded(&map));
    assert_ne!(payload! { "x" => [1] }, payload! { "x" => [1, 1] });
    assert_ne!(payload! { "x" => 1 }, payload! { "y" => 1 });
}

/// The first one that is wrong is named, by the keys that lead there.
#[test]
fn what_cannot_be_stored_says_where() {
    const KEY: &str = "a key has 1 to 255 bytes";
    const TWICE: &str = "the key is there twice";
    let (longest, long) = ("k".repeat(255), "k".repeat(256));
    encoded(&Payload::new().with(&longest, 1));
    for (payload, path, what) in [
        (payload! { "" => 1 }, "\"\"", KEY),
        (Payload::new().with(&long, 1), &long[..64], KEY),
        ([(&long, 1)].into_iter().collect(), &long[..64], KEY),
        (payload! { "a" => 1, "b" => 2, "a" => 1 }, "a", TWICE),
        (["x", "y", "x"].into_iter().zip(1..).collect(), "x", TWICE),
        (
            payload! { "a" => { "b" => [0, 1, 2, { "c\n" => 1, "c\n" => 2 }] } },
            "a.b[3].\"c\\n\"",
            TWICE,
        ),
        (
            payload! { "a" => [[{ "b" => { "" => 1 } }]] , "z" => { "" => 2 } },
            "a[0][0].b.\"\"",
            KEY,
        ),
        (Payload::from(3).with("a", 1), "", "only a map has keys"),
        (Payload::from(vec![1]), "", "only a map has keys"),
        (payload! { "a" => Payload::from(3).with("b", 1) }, "a", "only a map has keys"),
    ] {
        assert_eq!(refused(&payload), (path.to_owned(), what));
        assert_eq!(refused(&payload.clone().with("more", 1)).1, what, "it stays so");
    }
    let bad = payload! { "a" => { "b" => 1, "b" => 2 }, "c" => 3 };
    assert_eq!(bad.to_string(), "(not a payload, because of a.b: the key is there twice)");
    assert_eq!((bad.len(), bad.get("c")), (0, None));
    assert_ne!(bad, Payload::new());
    assert_eq!(bad, bad.clone());
}

#[test]
fn sixteen_deep_is_deep_enough() {
    const DEEP: &str = "maps and lists lie at most 16 deep in each other";
    let nested =
        |count: usize| (0..count).fold(Payload::from(1), |inner, _| Payload::from(vec![inner]));
    let deepest = payload! { "a" => nested(15) };
    let read = stored(&encoded(&deepest), 0).unwrap();
    assert_eq!(read, deepest);
    assert_eq!(refused(&payload! { "a" => nested(16) }), ("a".into(), DEEP));
    assert_eq!(refused(&payload! { "a" => 1, "b" => read }), ("b".into(), DEEP));
    let empty = payload! { "a" => (0..15).fold(payload! {}, |map, _| payload! { "m" => map }) };
    assert_eq!(refused(&empty).1, DEEP, "the empty one counts");
    // As deep as anybody likes: nothing is kept, and no stack goes by it.
    let (path, what) = refused(&payload! { "a" => nested(100_000) });
    assert!(what == DEEP && path.starts_with("a[0][0]"), "{what}");
}

#[test]
fn sixteen_mebibytes_are_the_most() {
    const LARGE: &str = "a payload takes at most 16 MiB";
    let rest = PAYLOAD_BYTES_MAX - encoded(&payload! { "text" => "" }).len();
    let text = "x".repeat(rest + 1);
    let fits = payload! { "text" => &text[1..] };
    let bytes = encoded(&fits);
    assert_eq!(bytes.len(), PAYLOAD_BYTES_MAX);
    assert_eq!(stored(&bytes, 1).unwrap(), fits);
    assert_eq!(refused(&payload! { "text" => &text }), (String::new(), LARGE));
    assert_eq!(refused(&fits.clone().with("more", 1)), (String::new(), LARGE));
    assert_eq!(refused(&payload! { "a" => 1, "b" => [2, fits] }), ("b".into(), LARGE));
    let huge = vec![0_u8; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(refused(&payload! { "a" => [huge] }), ("a[0]".into(), LARGE));
    let many = (0..1 << 20).map(|number| (format!("{number:07}"), number));
    assert_eq!(refused(&Payload::from_iter(many)), (String::new(), LARGE));
}

#[test]
fn a_payload_that_was_read_can_be_gone_on_with() {
    let read = stored(&encoded(&of_all_types()), 5).unwrap();
    let more = read.clone().with("more", payload! { "all" => read.clone() });
    let again = stored(&encoded(&more), 0).unwrap();
    let all = again.get("more").and_then(Value::as_map).unwrap().get("all").unwrap();
    assert_eq!(all, read.value());
    assert_eq!(Payload::from(all), read);
    assert_eq!(encoded(&Payload::from(all)), encoded(&read));
    assert_eq!(again, more);
}

#[test]
fn it_is_printed_on_one_line_and_no_terminal_minds() {
    let expected = "{\"at\": 1969-12-31T23:59:59.999999Z, \"bytes\": x'00ff07', \"empty\": [\"\", [], {}, x''], \
                    \"float\": -0.0, \"least\": -9223372036854775808, \"list\": [1, \"two\", [3.0, {\"four\": [null]}]], \
                    \"map\": {\"a\": 2, \"b\": {\"c\": 1}}, \"nan\": NaN, \"no\": false, \"none\": null, \
                    \"text\": \"gr\u{fc}n\\u{202e}\", \"yes\": true}";
    let made = of_all_types();
    for payload in [&made, &stored(&encoded(&made), 1).unwrap()] {
        assert_eq!(payload.to_string(), expected);
        assert_eq!(format!("{payload:?} {:?}", payload.value()), format!("{expected} {expected}"));
    }
    let odd = payload! { "\x1b[2J" => "a\u{85}b\r\n\u{7}\"", "long" => vec![0xab_u8; 65] };
    let shown = odd.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(
        shown.ends_with(&format!("\"long\": x'{}...' (65 bytes)}}", "ab".repeat(64))),
        "{shown}"
    );
    let list = payload! { "x" => [1, 2], "y" => { "z" => 1 } };
    let inside = list.iter().filter_map(|(_, value)| value.inside());
    assert_eq!(inside.map(|it| format!("{it:?}")).collect::<Vec<_>>(), ["[1, 2]", "{\"z\": 1}"]);
}

#[test]
fn moments_are_printed_as_dates() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_799, "2000-02-29T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (-2_203_891_200, "1900-03-01T00:00:00Z"),
        (-62_167_219_200, "0000-01-01T00:00:00Z"),
        (-62_167_219_201, "-1-12-31T23:59:59Z"),
        (253_402_300_800, "+10000-01-01T00:00:00Z"),
    ] {
        assert_eq!(Value::Timestamp(seconds * 1_000_000).to_string(), expected);
    }
    assert_eq!(Value::Timestamp(i64::MAX).to_string(), "+294247-01-10T04:00:54.775807Z");
    assert_eq!(Value::Timestamp(i64::MIN).to_string(), "-290308-12-21T19:59:05.224192Z");
}

#[test]
fn values_are_made_of_what_rust_has() {
    let shown = |payload: Payload| payload.to_string();
    assert_eq!(shown(Payload::from(vec!["a".to_owned()])), "[\"a\"]");
    assert_eq!(shown(Payload::from(vec![vec![1_u8], vec![2]])), "[x'01', x'02']");
    assert_eq!(shown(Payload::from([[1, 2], [3, 4]])), "[[1, 2], [3, 4]]");
    assert_eq!(shown(Payload::from(&["a", "b"][..])), "[\"a\", \"b\"]");
    assert_eq!(shown(Payload::from(&vec!["a", "b"])), "[\"a\", \"b\"]");
    assert_eq!(shown(Payload::from([0_u8, 1])), "x'0001'");
    assert_eq!(shown(Payload::from(Some(Some(1.5_f32)))), "1.5");
    assert_eq!(shown(Payload::from(None::<&str>)), "null");
    assert_eq!(shown(Payload::from(&Payload::from(u32::MAX))), "4294967295");
    assert_eq!(shown(Payload::from(&String::from("s"))), "\"s\"");
    let (key, values) = (String::from("k"), vec![i16::MIN]);
    let made = payload! { key.clone() => values, &key[..0] => -1_i8 };
    assert_eq!(refused(&made).0, "\"\"");
    assert_eq!(shown(payload! {}), "{}");
    assert_eq!(
        shown(payload! { "a" => [1, 2].iter().sum::<i32>(), }.with("b", 1)),
        "{\"a\": 3, \"b\": 1}"
    );
}

proptest! {
    #[test]
    fn any_payload_is_read_as_it_was_made(entries in any_entries(), at in 0_usize..17) {
        let made = Payload::from_iter(entries.clone());
        let bytes = encoded(&made);
        let read = stored(&bytes, at).unwrap();
        prop_assert_eq!(&read, &made);
        prop_assert_eq!(read.to_string(), made.to_string());
        prop_assert_eq!(read.len(), entries.len());
        for (key, value) in &entries {
            prop_assert_eq!(read.get(key), Some(value.value()));
            prop_assert_eq!(made.get(key), Some(value.value()));
        }
        let one_by_one = entries.iter().fold(Payload::new(), |map, (key, value)| map.with(key, value));
        prop_assert_eq!(encoded(&one_by_one), &bytes[..]);
        prop_assert_eq!(encoded(&Payload::from(read.value())), bytes);
    }
}
