//! Shows that bodies come back as they were written, that FORMAT.md says where their bytes are, and that no
//! bytes at all lead further than to an error.

use base::StoreId;
use proptest::prelude::*;

use super::*;
use crate::document::{as_example, example_bytes};
use crate::format::manifest::{self, HEADER_BYTES, Header};

/// A u128 of bytes that count up from this one, the first the highest.
fn counting(from: u8) -> u128 {
    (0..16).fold(0, |sum, at| sum << 8 | u128::from(from + at))
}

fn place(offset: u64, sum: u32, sequence: u64) -> LogPlace {
    LogPlace { file: FileId(5), offset, sum, sequence: Sequence::new(sequence) }
}

/// The manifest of the worked example in FORMAT.md.
pub(crate) fn example() -> Manifest {
    let timeline = Timeline::new(0xabcd).unwrap();
    let image = ImageRef { file: FileId(8), bytes: 20_480, sum: counting(0x11) };
    let newest = Point {
        name: None,
        sequence: Sequence::new(1_000),
        timeline,
        image,
        log: place(4_096, 0x0a0b_0c0d, 1_000),
        log_end: None,
    };
    let before = Point {
        name: Some("before".into()),
        sequence: Sequence::new(1_007),
        log_end: Some(place(8_192, 0x0102_0304, 1_007)),
        ..newest.clone()
    };
    let index = ImageRef { file: FileId(7), bytes: 12_288, sum: counting(0x21) };
    Manifest {
        next_file: FileId(9),
        points: vec![newest, before],
        timelines: vec![Branch { timeline, first: Sequence::FIRST, parent: None }],
        indexes: vec![IndexImage { collection: CollectionId(3), image: index }],
    }
}

fn example_header() -> Header {
    let store = StoreId(*b"0123456789abcdef");
    Header { store, number: 3, previous: 2, previous_hash: counting(0x01) }
}

/// The golden file of the schema: were a byte of it to come to lie elsewhere, in another version of rkyv or of
/// ours, no manifest would be read any more.
#[test]
fn the_worked_example_of_the_format_document_holds() {
    let encoded = manifest::encode(&example_header(), &encode(&example()).unwrap());
    let (start, golden) = example_bytes("Worked example of a manifest");
    assert_eq!((start, as_example(0, &golden)), (0, as_example(0, &encoded)));
    let (header, body) = manifest::decode(&golden).unwrap();
    assert_eq!(header, example_header());
    assert_eq!(decode(body), Ok(example()));
}

/// Reads the same bytes by the words of the document alone.
#[test]
fn the_document_says_where_the_bytes_are() {
    let (_, golden) = example_bytes("Worked example of a manifest");
    let body = &golden[HEADER_BYTES..];
    let u32_at = |at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap());
    let list_at = |at: usize| {
        let first = at as i64 + i64::from(u32_at(at) as i32);
        (usize::try_from(first).unwrap(), u32_at(at + 4))
    };
    let root = body.len() - 32;
    assert_eq!(u64_at(root), 9);
    let (points, count) = list_at(root + 8);
    assert_eq!(count, 2);
    assert_eq!(list_at(points).1, 0, "the newest has no name");
    assert_eq!((u64_at(points + 8), u64_at(points + 16)), (1_000, 0xabcd));
    assert_eq!((u64_at(points + 24), u64_at(points + 32)), (8, 20_480));
    assert_eq!(body[points + 40..points + 56], counting(0x11).to_le_bytes());
    assert_eq!(
        (u64_at(points + 56), u64_at(points + 64), u32_at(points + 72)),
        (5, 4_096, 0x0a0b_0c0d)
    );
    assert_eq!(body[points + 84..points + 112], [0; 28], "no end");
    let (name, length) = list_at(points + 112);
    assert_eq!(&body[name..name + length as usize], b"before");
    assert_eq!(u64_at(points + 112 + 84 + 8), 8_192);
    let (timelines, count) = list_at(root + 16);
    assert_eq!(
        (count, u64_at(timelines), u64_at(timelines + 8), u64_at(timelines + 16)),
        (1, 0xabcd, 1, 0)
    );
    let (indexes, count) = list_at(root + 24);
    assert_eq!((count, u32_at(indexes), u64_at(indexes + 4)), (1, 3, 7));
}

#[test]
fn what_means_nothing_is_refused() {
    let refused = |change: fn(&mut Manifest)| {
        let mut manifest = example();
        change(&mut manifest);
        let by_check = manifest.check().unwrap_err();
        let by_decode = decode(&encode(&manifest).unwrap()).unwrap_err();
        assert_eq!(by_check, by_decode);
        match by_check {
            Invalid::Value(field) => field,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refused(|it| it.next_file = FileId(0)), "file");
    assert_eq!(refused(|it| it.next_file = FileId(8)), "file", "that of an image");
    assert_eq!(refused(|it| it.points[1].image.file = FileId(0)), "file");
    assert_eq!(refused(|it| it.indexes[0].image.file = FileId(9)), "file");
    assert_eq!(refused(|it| it.points[1].name = None), "name", "two without");
    assert_eq!(refused(|it| it.points[1].name = Some("x".repeat(256))), "name");
    assert_eq!(refused(|it| it.points.push(it.points[1].clone())), "name", "twice");
    assert_eq!(refused(|it| drop(it.points.remove(0))), "points", "no newest");
    assert_eq!(refused(|it| it.timelines.clear()), "timeline");
    assert_eq!(refused(|it| it.timelines.push(it.timelines[0])), "timeline", "twice");
    assert_eq!(refused(|it| it.timelines[0].parent = Timeline::new(0xabcd)), "parent");
    assert_eq!(refused(|it| it.points[1].log.offset = 8_193), "log", "behind its end");
    assert_eq!(refused(|it| it.indexes.push(it.indexes[0])), "indexes");
    let mut unnamed = example();
    unnamed.points[1].name = Some(String::new());
    assert_eq!(unnamed.check(), Err(Invalid::Value("name")));
}

/// The fields whose types leave no room for a wrong value; in the bytes there is.
#[test]
fn impossible_numbers_are_refused() {
    let bytes = encode(&example()).unwrap();
    let points = (0..bytes.len()).find(|at| bytes[*at..].starts_with(&[0xe8, 3, 0, 0, 0, 0, 0, 0]));
    let sequence = points.unwrap();
    let zeroed = |at: usize, count: usize| {
        let mut bytes = bytes.clone();
        bytes[at..at + count].fill(0);
        decode(&bytes)
    };
    assert_eq!(zeroed(sequence + 8, 8), Err(Invalid::Value("timeline")));
    assert_eq!(zeroed(sequence + 48, 28), Err(Invalid::Value("log")), "no place");
    assert_eq!(zeroed(sequence + 48, 8), Err(Invalid::Value("log")), "no file, but an offset");
    assert!(zeroed(sequence, 8).unwrap().points[0].sequence.is_none());
}

#[test]
fn every_flipped_bit_and_every_cut_leads_to_a_manifest_or_an_error() {
    let good = encode(&example()).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(manifest) = decode(&bytes) {
            assert_eq!(manifest.check(), Ok(()));
        }
    }
    for end in 0..good.len() {
        let _any = decode(&good[..end]).is_ok();
    }
    assert!(decode(&[]).is_err());
}

fn images() -> impl Strategy<Value = ImageRef> {
    (1..1_000_u64, any::<u64>(), any::<u128>()).prop_map(|(file, bytes, sum)| ImageRef {
        file: FileId(file),
        bytes,
        sum,
    })
}

fn log_places() -> impl Strategy<Value = LogPlace> {
    (1..100_u64, any::<u64>(), any::<u32>(), any::<u64>()).prop_map(
        |(file, offset, sum, sequence)| LogPlace {
            file: FileId(file),
            offset,
            sum,
            sequence: Sequence::new(sequence),
        },
    )
}

fn points() -> impl Strategy<Value = Point> {
    (any::<u64>(), 1..5_u64, images(), log_places(), prop::option::of(log_places())).prop_map(
        |(sequence, timeline, image, log, end)| {
            let log_end = end.filter(|end| !log.is_behind(end));
            let timeline = Timeline::new(timeline).unwrap();
            let sequence = Sequence::new(sequence);
            Point { name: None, sequence, timeline, image, log, log_end }
        },
    )
}

/// Any manifest that can be published.
pub(crate) fn manifests() -> impl Strategy<Value = Manifest> {
    let points = prop::collection::vec(points(), 0..6);
    let indexes = prop::collection::btree_map(1..1_000_u64, any::<u32>(), 0..4);
    (1_000..u64::MAX, points, indexes, "[a-z]{0,12}").prop_map(
        |(next_file, mut points, indexes, stem)| {
            for (number, point) in points.iter_mut().enumerate().skip(1) {
                point.name = Some(format!("{stem}{number}"));
            }
            let branch = |name| Branch {
                timeline: Timeline::new(name).unwrap(),
                first: Sequence::new(name * 7).unwrap(),
                parent: Timeline::new(name - 1),
            };
            let index = |(file, collection)| IndexImage {
                collection: CollectionId(collection),
                image: ImageRef { file: FileId(file), bytes: 7, sum: 9 },
            };
            Manifest {
                next_file: FileId(next_file),
                points,
                timelines: (1..5).map(branch).collect(),
                indexes: indexes.into_iter().map(index).collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn manifests_come_back_as_they_were_written(manifest in manifests()) {
        prop_assert_eq!(manifest.check(), Ok(()));
        prop_assert_eq!(decode(&encode(&manifest).unwrap()), Ok(manifest));
    }

    #[test]
    fn hostile_bytes_lead_to_a_manifest_or_an_error(
        manifest in manifests(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..6),
    ) {
        let mut bytes = encode(&manifest).unwrap();
        for (at, word) in edits {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + 4);
            bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
        }
        if let Ok(manifest) = decode(&bytes) {
            prop_assert_eq!(manifest.check(), Ok(()));
            prop_assert!(encode(&manifest).unwrap().len() <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_lead_to_a_manifest_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _any = decode(&bytes).is_ok();
    }
}
