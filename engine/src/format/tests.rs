//! Takes batches apart and puts them together, damages them bit by bit, and holds the example of FORMAT.md.

use proptest::prelude::*;

use super::*;
use crate::Metric;

fn examples() -> (Vec<Op>, Vec<Outcome>) {
    let (one, two) = (CollectionId(1), CollectionId(2));
    let config = CollectionConfig::new(2, Metric::Cosine);
    let payload = Some(PayloadPlace { address: 48, length: 3 });
    let ended = EndedRow { row: Row(7), slot: Slot(3), slot_ended: segments::Ended::Yes, payload };
    let kept = EndedRow { slot_ended: segments::Ended::No, payload: None, ..ended };
    let bytes: Option<Arc<[u8]>> = Some(Arc::from(*b"12345"));
    let place = Some(PayloadPlace { address: 0, length: 5 });
    let pairs = [
        (
            Op::CreateCollection { collection: one, name: "docs".into(), config },
            Outcome::Done(CREATE_COLLECTION),
        ),
        (
            Op::CreateCollection {
                collection: two,
                name: "more".into(),
                config: CollectionConfig::with_distance(3, "m\u{e4}r"),
            },
            Outcome::Done(CREATE_COLLECTION),
        ),
        (Op::Segment { collection: one, file: FileId(5) }, Outcome::Done(SEGMENT)),
        (
            Op::Payloads { collection: one, file: FileId(6), base: 64, capacity: 32 },
            Outcome::Done(PAYLOADS),
        ),
        (
            Op::Upsert {
                collection: one,
                id: Id::from(9),
                vector: Arc::new([1.0, -0.0]),
                payload: None,
            },
            Outcome::Upserted {
                row: Row(8),
                placed: segments::Placed::Own(Slot(0)),
                payload: None,
                ended: None,
            },
        ),
        (
            Op::Upsert {
                collection: two,
                id: Id::from("chunk-1"),
                vector: Arc::new([1.0, 2.0, 3.0]),
                payload: bytes.clone(),
            },
            Outcome::Upserted {
                row: Row(9),
                placed: segments::Placed::Shared(Slot(4)),
                payload: place,
                ended: Some(ended),
            },
        ),
        (
            Op::Update { collection: one, id: Id::from(9), payload: bytes },
            Outcome::Updated { row: Row(10), payload: place, ended: kept },
        ),
        (
            Op::Update { collection: one, id: Id::from(9), payload: None },
            Outcome::Updated { row: Row(11), payload: None, ended: kept },
        ),
        (Op::Remove { collection: two, id: Id::from("nobody") }, Outcome::Removed { ended: None }),
        (Op::Remove { collection: two, id: Id::from(3) }, Outcome::Removed { ended: Some(kept) }),
        (Op::Cut, Outcome::Done(CUT)),
        (Op::Note(Note { name: "import".into(), value: [1, 2, 3].into() }), Outcome::Done(NOTE)),
    ];
    pairs.into_iter().unzip()
}

fn encoded(ops: &[Op], outcomes: &[Outcome]) -> (Vec<u8>, Vec<u8>) {
    let mut table = Vec::new();
    encode_outcomes(outcomes, &mut table);
    (encode_ops(ops), table)
}

#[test]
fn a_batch_comes_back_as_it_was() {
    let (ops, outcomes) = examples();
    let (body, table) = encoded(&ops, &outcomes);
    assert_eq!(table.len(), table_bytes(ops.len()));
    assert_eq!(decode_ops(&body).unwrap(), ops);
    assert_eq!(decode_outcomes(&table, &ops).unwrap(), outcomes);
}

/// Sums in the log find damage; what passes them all the same is refused or means something, and nothing panics.
#[test]
fn every_cut_is_refused_and_no_flipped_bit_panics() {
    let (ops, outcomes) = examples();
    let (body, table) = encoded(&ops, &outcomes);
    for length in 0..body.len() {
        decode_ops(&body[..length]).unwrap_err();
    }
    for length in 0..table.len() {
        decode_outcomes(&table[..length], &ops).unwrap_err();
    }
    for bit in 0..body.len() * 8 {
        let mut body = body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        if let Ok(found) = decode_ops(&body) {
            assert_ne!(encode_ops(&found), encode_ops(&ops));
        }
    }
    for bit in 0..table.len() * 8 {
        let mut table = table.clone();
        table[bit / 8] ^= 1 << (bit % 8);
        if let Ok(found) = decode_outcomes(&table, &ops) {
            assert_ne!(found, outcomes);
        }
    }
}

#[test]
fn a_newer_format_is_refused_as_such() {
    let mut body = encode_ops(&[Op::Cut]);
    body[0] = 1;
    assert_eq!(decode_ops(&body), Err(Invalid::Newer { found: 1 }));
}

/// An outcome of another kind than its operation would be applied to something else.
#[test]
fn outcomes_belong_to_their_operations() {
    let (ops, outcomes) = examples();
    let (_, table) = encoded(&ops, &outcomes);
    for (one, other) in [(0, 2), (4, 6), (5, 8), (10, 11)] {
        let mut swapped = ops.clone();
        swapped.swap(one, other);
        assert_eq!(decode_outcomes(&table, &swapped), Err(Invalid::Value("outcome")));
    }
}

/// Byte for byte: existing stores have these, and those with a name have no others.
#[test]
fn what_a_collection_is_like_has_its_bytes() {
    let encoded = |config: &CollectionConfig| {
        let mut bytes = Vec::new();
        encode_config(config, &mut Encoder::new(&mut bytes));
        bytes
    };
    let off = |config: CollectionConfig| config.dedup(crate::Dedup::Off);
    let (dot, own) = (
        off(CollectionConfig::new(0x102, Metric::Dot)),
        off(CollectionConfig::with_distance(2, "chord")),
    );
    assert_eq!(encoded(&dot), [2, 1, 0, 0, 3, 1, 3, 0]);
    let bytes = encoded(&own);
    assert_eq!(bytes, b"\x02\0\0\0\x04\x01\x03\0\x05\0\0\0chord\0\0\0");
    let decoded = |bytes: &[u8]| decode_config(&mut Decoder::new(bytes));
    assert_eq!((decoded(&bytes), decoded(&encoded(&dot))), (Ok(own), Ok(dot)));
}

#[test]
fn a_name_that_no_distance_can_have_is_refused() {
    let decoded = |name: &[u8]| {
        let mut bytes = vec![2, 0, 0, 0, OWN, 1, 1, 0];
        Encoder::new(&mut bytes).prefixed(name).align(ALIGNMENT).u64(u64::MAX);
        decode_config(&mut Decoder::new(&bytes))
    };
    const OWN: u8 = 4;
    let longest = "x".repeat(indexes::DISTANCE_NAME_BYTES_MAX);
    for name in ["x", "l2 ", "L2", &longest] {
        assert_eq!(decoded(name.as_bytes()), Ok(CollectionConfig::with_distance(2, name)));
    }
    for name in ["", "l2", "cosine", "dot"] {
        assert_eq!(decoded(name.as_bytes()), Err(Invalid::Value("distance")), "{name}");
    }
    let too_long = format!("{longest}x");
    for name in [too_long.as_bytes(), &[b'x', 0xff]] {
        assert!(matches!(decoded(name), Err(Invalid::Malformed(_))), "{name:?}");
    }
    let padded =
        decode_config(&mut Decoder::new(&[2, 0, 0, 0, 4, 1, 1, 0, 1, 0, 0, 0, 120, 0, 1, 0]));
    assert!(matches!(padded, Err(Invalid::Malformed(_))), "{padded:?}");
}

/// Reads the example from the document.
#[test]
fn the_example_of_the_format_document_holds() {
    let document = include_str!("../../../FORMAT.md");
    let (_, section) = document.split_once("Worked example of a batch").unwrap();
    let lines = section.lines().filter(|line| line.starts_with("    ") && line.contains('|'));
    let hex = lines.take(11).flat_map(|line| {
        let (bytes, _) = line.split_once('|').unwrap();
        bytes.split_whitespace().skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap())
    });
    let bytes: Vec<u8> = hex.collect();
    let ops = [
        Op::Upsert {
            collection: CollectionId(1),
            id: Id::from(9),
            vector: Arc::new([1.0, -2.0]),
            payload: Some(Arc::from(*b"12345")),
        },
        Op::Remove { collection: CollectionId(1), id: Id::from("abc") },
    ];
    let ended = EndedRow {
        row: Row(7),
        slot: Slot(3),
        slot_ended: segments::Ended::Yes,
        payload: Some(PayloadPlace { address: 32, length: 3 }),
    };
    let outcomes = [
        Outcome::Upserted {
            row: Row(8),
            placed: segments::Placed::Own(Slot(4)),
            payload: Some(PayloadPlace { address: 64, length: 5 }),
            ended: None,
        },
        Outcome::Removed { ended: Some(ended) },
    ];
    let (body, table) = encoded(&ops, &outcomes);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    assert_eq!(hex(&bytes), hex(&[body, table].concat()));
}

fn any_id() -> impl Strategy<Value = Id> {
    prop_oneof![any::<u64>().prop_map(Id::from), "[a-z\u{e4}]{1,9}".prop_map(Id::from)]
}

proptest! {
    #[test]
    fn any_operations_come_back(
        ids in prop::collection::vec(any_id(), 0..10),
        vector in prop::collection::vec(-1e9_f32..1e9, 1..9),
        payload in prop::option::of(prop::collection::vec(any::<u8>(), 1..9)),
    ) {
        let collection = CollectionId(3);
        let payload: Option<Arc<[u8]>> = payload.map(Arc::from);
        let upsert = |id: &Id| Op::Upsert {
            collection,
            id: id.clone(),
            vector: vector.clone().into(),
            payload: payload.clone(),
        };
        let update =
            |id: &Id| Op::Update { collection, id: id.clone(), payload: payload.clone() };
        let remove = |id: &Id| Op::Remove { collection, id: id.clone() };
        let ops: Vec<Op> = ids.iter().flat_map(|id| [upsert(id), update(id), remove(id)]).collect();
        prop_assert_eq!(decode_ops(&encode_ops(&ops)).unwrap(), ops);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(ops) = decode_ops(&bytes) {
            prop_assert_eq!(encode_ops(&ops), bytes);
        }
    }
}
