//! Images whose sums vouch for what nothing writes.

use base::Slot;
use base::checksum::Xxh3;

use super::{Hnsw, HnswConfig};
use crate::image::write;
use crate::{Error, Index, Memory, Metric, Pool, SlotSet};

const HEADER: usize = 4_096;
const DATA: usize = 2 * 64 + 64 * 64;

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image.iter_mut().skip(at).zip(bytes).for_each(|(into, from)| *into = *from);
}

/// The image of a graph with data of so many bytes, these bytes put over others, and all sums made to fit.
fn forged(graph: &Hnsw, data: usize, edits: &[(usize, &[u8])]) -> Vec<u8> {
    let mut image = Vec::new();
    graph.encode(&mut image);
    image.truncate(HEADER + data);
    edits.iter().for_each(|(at, bytes)| put(&mut image, *at, bytes));
    let (header, data) = image.split_at(HEADER);
    let seal = |root: u64| {
        let mut header = header.to_vec();
        put(&mut header, 80, &root.to_le_bytes());
        let sum = header.get(..HEADER - 8).map_or(0, Xxh3::of);
        put(&mut header, HEADER - 8, &sum.to_le_bytes());
        header
    };
    let mut forged = Vec::new();
    write(&mut forged, seal, |out| out.bytes(data)).expect("memory takes all");
    forged
}

/// A graph of two slots, without codes and levels.
fn small() -> (Hnsw, Memory) {
    let mut memory = Memory::new(3);
    (0..70).for_each(|slot| memory.set(Slot(slot), &[1.0, slot as f32, 0.0]).expect("it fits"));
    let graph = Hnsw::new(3, Metric::L2, HnswConfig::default().m(2).max_level(0));
    let slots: SlotSet = [Slot(0), Slot(5)].into_iter().collect();
    graph.insert_all(&slots, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    (graph, memory)
}

#[test]
fn what_pads_the_words_is_no_slot() {
    let (graph, memory) = small();
    let image = forged(&graph, DATA, &[(HEADER + 8, &[1])]);
    let opened = Hnsw::open(image, &Metric::L2.into()).expect("the sums fit");
    assert!(opened.contains(Slot(5)).expect("whole"));
    assert!(!opened.contains(Slot(64)).expect("whole"));
    opened.insert(Slot(64), &memory).expect("it is not there");
    assert!(opened.contains(Slot(64)).expect("whole"));
}

#[test]
fn what_an_image_says_is_live_is_not_removed() {
    let (graph, memory) = small();
    // Of 0 and 5, which are live, and of 9.
    let removed = [0x21, 0x02];
    let edits: [(usize, &[u8]); 2] = [(88, &[3]), (HEADER + 64, &removed)];
    let opened = Hnsw::open(forged(&graph, DATA, &edits), &Metric::L2.into()).expect("they fit");
    assert!(opened.removed().expect("whole").iter().eq([Slot(9)]));
    opened.take_over().expect("whole");
    assert!(opened.removed().expect("whole").iter().eq([Slot(9)]) && opened.len() == 2);
    assert!(matches!(opened.insert(Slot(9), &memory), Err(Error::NotGivenBack { .. })));
    assert!(matches!(opened.insert(Slot(5), &memory), Err(Error::There { .. })));
}

#[test]
fn there_are_no_codes_of_no_numbers() {
    let image = forged(&Hnsw::new(0, Metric::L2, HnswConfig::default()), 0, &[(16, &[1])]);
    let opened = Hnsw::open(image, &Metric::L2.into());
    assert!(matches!(opened, Err(Error::BadImage { what: "codes", .. })));
}

#[test]
fn damage_that_was_seen_is_said_whatever_is_asked() {
    let (graph, memory) = small();
    let mut image = forged(&graph, DATA, &[]);
    put(&mut image, HEADER + 1, &[1]);
    let opened = Hnsw::open(image, &Metric::L2.into()).expect("the header is whole");
    let query = crate::Query::new(&[0.0; 3]);
    let asked = query.recall(0.5);
    assert!(matches!(opened.search(&asked, &memory), Err(Error::NotCalibrated { .. })));
    assert!(matches!(opened.search(&query, &memory), Err(Error::BadImage { .. })));
    assert!(matches!(opened.search(&asked, &memory), Err(Error::BadImage { .. })));
}
