//! Images: what was encoded is what is opened, and damage is told.

use std::io::{self, Write};

use base::checksum::Xxh3;
use indexes::{Error, Flat, Index, Measure, Memory, Metric, Pool, Query, Slot};

use crate::given::Kind;
use crate::graph::graph_of;

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
            opened.insert(Slot(0), &memory).expect("it was removed");
            assert!(opened.remove(Slot(1)).expect("whole"));
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
    assert_eq!(image_of(&other), image_of(&flat));
    let mut memory = memory;
    memory.set(Slot(9_000), &[1.0; 64]).expect("it fits");
    other.insert(Slot(9_000), &memory).expect("it is new");
    assert!(image_of(&other) != image_of(&flat));
    assert!(other.remove(Slot(9_000)).expect("whole"));
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
        assert_eq!(image.len(), 128);
        let opened = indexes::open(image.clone(), &Metric::Dot.into()).expect("its own image");
        assert_eq!(opened.statistics().slots, 0);
    }
}

#[test]
fn every_bit_that_is_flipped_is_told() {
    let (memory, _) = Kind::Gaussian.set(48, 70, 0, 1);
    let flat = Flat::new(48, Metric::Cosine);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    let image = image_of(&flat);
    let measure = Measure::from(Metric::Cosine);
    for byte in 0..image.len() {
        // All bits of the header and the name, one of each other byte.
        for bit in if byte < 128 { 0..8 } else { byte % 8..byte % 8 + 1 } {
            let mut damaged = image.clone();
            if let Some(byte) = damaged.get_mut(byte) {
                *byte ^= 1 << bit;
            }
            let refused = Flat::decode(&damaged, &measure).expect_err("damaged");
            let told = matches!(refused, Error::BadImage { .. } | Error::NewerImage { .. });
            assert!(told, "bit {bit} of byte {byte}: {refused:?}");
        }
    }
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
        let mut sum = Xxh3::new();
        sum.update(&image[..56]).update(&image[64..]);
        image[56..64].copy_from_slice(&sum.sum().to_le_bytes());
        Flat::decode(&image, &Measure::from(Metric::L2)).map(|flat| flat.dim())
    };
    assert_eq!(opened(&empty, 12, 65_536).expect("as many as codes can be of"), 65_536);
    // Where a number stands, one that it cannot be, and what is said of it.
    let cases = [
        (&empty, 12, 65_537, "codes"),
        (&whole, 12, 200, "codes"),
        (&whole, 16, 2, "a length"),
        (&empty, 16, 2, "a length"),
        (&whole, 10, 65, "a length"),
        (&empty, 20, u32::MAX, "a length"),
        (&whole, 20, 1 << 26, "slot set"),
        (&whole, 20, 1, "behind the slot set"),
        (&whole, 24, 111, "slots"),
        (&whole, 52, 1, "reserved"),
    ];
    for (image, at, number, expected) in cases {
        match opened(image, at, number) {
            Err(Error::BadImage { what, .. }) => assert_eq!(what, expected, "{number} at {at}"),
            other => panic!("{number} at {at}: {other:?}"),
        }
    }
}
