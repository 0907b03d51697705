//! Images: what was encoded is what is opened, and damage is told.

use std::io::{self, Write};

use base::checksum::Xxh3;
use indexes::{Error, Flat, Index, Measure, Memory, Metric, Nearest, Pool, Query, Slot, SlotSet};

use crate::given::Kind;
use crate::graph::{give_back, graph_of, pool};

fn image_of(index: &dyn Index) -> Vec<u8> {
    let mut image = Vec::new();
    index.encode(&mut image);
    image
}

/// An index with gaps, and what it is over.
fn some(dim: usize, metric: Metric) -> (Flat, Memory, Vec<Vec<f32>>) {
    let (memory, vectors) = Kind::Clustered.set(dim, 150, 10, 11);
    let flat = Flat::new(dim, metric);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    assert!((0..150).step_by(4).all(|slot| flat.remove(Slot(slot)).expect("whole")));
    (flat, memory, vectors)
}

#[test]
fn an_image_is_the_index_again() {
    for dim in [3, 64, 200] {
        for metric in Metric::ALL {
            let (flat, memory, vectors) = some(dim, metric);
            let mut image = vec![7; 5];
            flat.encode(&mut image);
            assert_eq!(image.get(..5), Some(&[7; 5][..]), "what was there stays");
            let opened = indexes::open(image.get(5..).unwrap_or_default().to_vec(), &metric.into())
                .expect("its own image");
            assert_eq!(
                (image_of(opened.as_ref()), opened.statistics().slots),
                (image[5..].to_vec(), flat.len())
            );
            for vector in &vectors {
                let query = Query::new(vector).k(40);
                let found = opened.search(&query, &memory).expect("found");
                assert_eq!(found, flat.search(&query, &memory).expect("found"));
            }
            // What was opened is changed as what it was made of.
            for index in [opened.as_ref(), &flat] {
                let gone = || (0..150).step_by(4).map(Slot);
                assert!(index.removed().expect("whole").iter().eq(gone()));
                let again = index.insert(Slot(0), &memory);
                assert!(matches!(again, Err(Error::NotGivenBack { slot: Slot(0) })));
                assert!(give_back(index, &memory).into_iter().eq(gone()));
                index.insert(Slot(0), &memory).expect("it was given back");
                assert!(index.remove(Slot(1)).expect("whole") && !index.is_lent());
            }
            assert!(image_of(opened.as_ref()) == image_of(&flat));
        }
    }
}

#[test]
fn an_image_depends_on_what_is_in_the_index_alone() {
    let (flat, memory, _) = some(64, Metric::L2);
    let other = Flat::new(64, Metric::L2);
    for slot in (0..150).rev().filter(|slot| slot % 4 != 0) {
        other.insert(Slot(slot), &memory).expect("it is new");
    }
    assert!(image_of(&other) != image_of(&flat), "what was removed is not given back");
    give_back(&flat, &memory);
    assert!(image_of(&other) == image_of(&flat));
    let mut memory = memory;
    memory.set(Slot(9_000), &[1.0; 64]).expect("it fits");
    other.insert(Slot(9_000), &memory).expect("it is new");
    assert!(image_of(&other) != image_of(&flat));
    assert!(other.remove(Slot(9_000)).expect("whole"));
    give_back(&other, &memory);
    assert!(image_of(&other) == image_of(&flat), "a slot that is gone left a trace");
}

/// Takes so many bytes at a time, and so many in all.
struct Slow {
    taken: Vec<u8>,
    at_a_time: usize,
    most: usize,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = bytes.len().min(self.at_a_time).min(self.most - self.taken.len());
        self.taken.extend(bytes.iter().take(some));
        if some == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(some) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_written_is_what_is_encoded_however_little_is_taken_at_a_time() {
    let (flat, memory, _) = some(64, Metric::L2);
    let graph = graph_of(&memory, Metric::L2);
    (0..150).step_by(7).for_each(|slot| assert!(graph.remove(Slot(slot)).expect("whole")));
    let opened = indexes::open(image_of(&graph), &Metric::L2.into()).expect("its own image");
    for index in [&flat as &dyn Index, &graph, opened.as_ref(), &Flat::plain(3, Metric::Dot)] {
        let image = image_of(index);
        let slow = |at_a_time, most| {
            let mut slow = Slow { taken: Vec::new(), at_a_time, most };
            (index.write(&mut slow).map_err(|error| error.kind()), slow.taken)
        };
        for at_a_time in (1..100).chain([4_095, 4_096, 4_097, 65_537, usize::MAX]) {
            assert!(slow(at_a_time, usize::MAX) == (Ok(()), image.clone()), "{at_a_time}");
        }
        for most in (0..image.len()).step_by(997).chain([image.len() - 1]) {
            let full = Err(io::ErrorKind::StorageFull);
            assert!(slow(usize::MAX, most) == (full, image[..most].to_vec()), "{most}");
        }
        // What could not be written is there all the same.
        assert!(image_of(index) == image);
    }
}

#[test]
fn an_empty_index_has_an_image_too() {
    for flat in
        [Flat::new(64, Metric::Dot), Flat::new(0, Metric::Dot), Flat::plain(64, Metric::Dot)]
    {
        let image = image_of(&flat);
        assert_eq!(image.len(), 4_096);
        let opened = indexes::open(image.clone(), &Metric::Dot.into()).expect("its own image");
        assert_eq!(opened.statistics().slots, 0);
    }
}

/// All slots, some of them, and many queries together.
fn search(flat: &Flat, vectors: &[Vec<f32>], memory: &Memory) -> Result<Vec<Nearest>, Error> {
    let some: SlotSet = (0..50).step_by(3).map(Slot).collect();
    let query = Query::new(vectors.first().map_or(&[][..], Vec::as_slice)).k(3);
    let mut found = vec![flat.search(&query, memory)?];
    found.push(flat.search(&query.filter(&some), memory)?);
    found.extend(flat.search_many(&[query; 9], memory, &Pool::here())?);
    Ok(found)
}

/// A bit of each byte of a small image is flipped: opening or searching says so, or the answers are those of the image that
/// is whole, as nothing they need was touched. When all is verified, it is always said.
#[test]
fn every_bit_that_is_flipped_is_told_before_it_matters() {
    for (dim, count) in [(3, 70_000), (48, 70), (200, 100)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, count, 1, 1);
        let flat = Flat::new(dim, Metric::L2);
        flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
        assert!(flat.remove(Slot(7)).expect("whole"));
        let (image, measure) = (image_of(&flat), Measure::from(Metric::L2));
        let expected = search(&flat, &vectors, &memory).expect("found");
        let (mut refused, mut told, mut same) = (0, 0, 0);
        // Where there are many slots, what is looked at takes a while.
        let places =
            (0..4_096).chain((4_096..image.len()).step_by(if count > 100 { 97 } else { 1 }));
        for byte in places {
            // All bits of what the header says, one of each other byte.
            for bit in if byte < 192 { 0..8 } else { byte % 8..byte % 8 + 1 } {
                let mut damaged = image.clone();
                if let Some(byte) = damaged.get_mut(byte) {
                    *byte ^= 1 << bit;
                }
                let Ok(opened) = Flat::open(damaged, &measure) else {
                    refused += 1;
                    continue;
                };
                match search(&opened, &vectors, &memory) {
                    Ok(found) => {
                        assert_eq!(found, expected, "bit {bit} of byte {byte}");
                        same += 1;
                    }
                    Err(Error::BadImage { .. }) => told += 1,
                    Err(other) => panic!("bit {bit} of byte {byte}: {other}"),
                }
                let verified = opened.verify(&mut |_| true);
                assert!(matches!(verified, Err(Error::BadImage { .. })), "{bit} of byte {byte}");
                let found = search(&opened, &vectors, &memory);
                assert!(matches!(found, Err(Error::BadImage { .. })), "{bit} of byte {byte}");
                assert!(matches!(opened.take_over(), Err(Error::BadImage { .. })));
                assert!(matches!(opened.remove(Slot(1)), Err(Error::BadImage { .. })));
                assert!(opened.is_lent());
            }
        }
        // All of the header, and most of the rest: few lower planes are touched, and no words of what was removed.
        assert_eq!(refused, 8 * 192 + 4_096 - 192);
        assert!(same < 2 * told, "{told} told, {same} the same");
    }
}

/// Whatever mapped it keeps it: nothing of it is copied, and nothing but the header is looked at.
#[test]
fn opening_looks_at_nothing_but_the_header_and_a_search_at_what_it_needs() {
    let (memory, vectors) = Kind::Clustered.set(64, 5_000, 3, 42);
    let flat = Flat::new(64, Metric::Cosine);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    assert!((0..5_000).step_by(3).all(|slot| flat.remove(Slot(slot)).expect("whole")));
    let (mut image, measure) = (image_of(&flat), Measure::from(Metric::Cosine));
    let opened = Flat::open(image.clone(), &measure).expect("its own image");
    let figures = (opened.len(), opened.dim(), opened.statistics().removed);
    assert_eq!(figures, (3_333, 64, 1_667));
    let promised = opened.bytes_to_own();
    assert!(opened.statistics().bytes < image.len() / 1_000 && promised > image.len() / 2);
    for slot in (0..6_000).map(Slot) {
        assert_eq!(opened.contains(slot).expect("whole"), flat.contains(slot).expect("whole"));
    }
    for wholly in [false, true] {
        assert_eq!(opened.verify(&mut |_| wholly).expect("whole"), wholly);
        let queries: Vec<_> = vectors.iter().cycle().take(20).map(|it| Query::new(it)).collect();
        let [found, expected] = [&opened, &flat].map(|index| {
            let one = |query| index.search(query, &memory).expect("found");
            let many = index.search_many(&queries, &memory, &pool(2)).expect("found");
            (queries.iter().map(one).collect::<Vec<_>>(), many)
        });
        assert!(found == expected);
    }
    assert!(opened.is_lent() && opened.statistics().bytes < image.len() / 1_000);
    opened.take_over().expect("whole");
    let taken = opened.statistics().bytes;
    assert!(!opened.is_lent() && (promised / 2..promised * 5 / 2).contains(&taken), "{taken}");
    assert!(image_of(&opened) == image);
    // All but the words, the rows of the first slots, and the sums.
    let some = image.iter_mut().skip(4_096 + 64 * 1_024).take(800_000);
    some.for_each(|byte| *byte = !*byte);
    let opened = Flat::open(image, &measure).expect("the header is whole");
    let first: SlotSet = (0..100).map(Slot).collect();
    let query = Query::new(vectors.first().map_or(&[][..], Vec::as_slice)).k(1_000);
    let found = opened.search(&query.filter(&first), &memory).expect("what it needs is whole");
    assert_eq!(found, flat.search(&query.filter(&first), &memory).expect("found"));
    assert!(matches!(opened.search(&query, &memory), Err(Error::BadImage { .. })));
    assert!(matches!(
        opened.search_many(&[query; 20], &memory, &pool(2)),
        Err(Error::BadImage { .. })
    ));
    assert!(matches!(opened.insert(Slot(9_000), &memory), Err(Error::BadImage { .. })));
    assert!(matches!(opened.contains(Slot(3)), Err(Error::BadImage { .. })));
    assert!(matches!(opened.removed(), Err(Error::BadImage { .. })));
}

#[test]
fn an_image_that_is_too_short_or_too_long_is_told() {
    let (flat, ..) = some(64, Metric::L2);
    let image = image_of(&flat);
    let measure = Measure::from(Metric::L2);
    for len in (0..image.len()).step_by(61).chain([1, 8, 63, 64, image.len() - 1]) {
        let cut = image.get(..len).expect("shorter");
        assert!(matches!(
            indexes::open(cut.to_vec(), &measure).map(drop),
            Err(Error::BadImage { .. })
        ));
    }
    let longer = [&image[..], &[0]].concat();
    assert!(matches!(indexes::open(longer, &measure).map(drop), Err(Error::BadImage { .. })));
    let foreign = b"something else that is long enough to have a header, but is none at all";
    let refused = indexes::open(foreign.to_vec(), &measure).map(drop).expect_err("no image");
    assert_eq!(refused.to_string(), "the image of the index is damaged at byte 0: magic");
}

#[test]
fn a_header_that_cannot_be_is_told_even_if_its_sum_fits() {
    let (flat, ..) = some(64, Metric::L2);
    let whole = image_of(&flat);
    let empty = image_of(&Flat::new(64, Metric::L2));
    let opened = |image: &[u8], at: usize, number: u32| {
        let mut image = image.to_vec();
        image[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let sum = Xxh3::of(&image[..4_088]);
        image[4_088..4_096].copy_from_slice(&sum.to_le_bytes());
        Flat::open(image, &Measure::from(Metric::L2)).map(|flat| flat.dim())
    };
    assert_eq!(opened(&empty, 12, 65_536).expect("as many as codes can be of"), 65_536);
    // Where a number stands, one that it cannot be, and what is said of it.
    let cases = [
        (&empty, 12, 65_537, "codes"),
        (&whole, 12, 200, "length"),
        (&whole, 16, 2, "a length"),
        (&empty, 16, 2, "a length"),
        (&whole, 10, 65, "a length"),
        (&empty, 20, u32::MAX, "a length"),
        (&whole, 20, 1 << 26, "length"),
        (&whole, 20, 1, "slots"),
        (&whole, 20, 2, "length"),
        (&whole, 24, 193, "slots"),
        (&whole, 52, 1, "reserved"),
        (&whole, 88, 193, "removed"),
        (&whole, 132, 1, "behind the name"),
        (&whole, 4_000, 1, "reserved"),
    ];
    for (image, at, number, expected) in cases {
        match opened(image, at, number) {
            Err(Error::BadImage { what, .. }) => assert_eq!(what, expected, "{number} at {at}"),
            other => panic!("{number} at {at}: {other:?}"),
        }
    }
}
