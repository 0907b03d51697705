//! The store in memory as its users see it, alone and with many threads.

use std::collections::BTreeMap;
use std::thread;

use base::{Dim, Slot};
use segments::{Decimals, Dedup, Ended, Error, NotFinite, VectorHash, VectorStore};

const DIM: u32 = 20;

fn store(dedup: Dedup) -> VectorStore {
    VectorStore::new(Dim::new(DIM).unwrap(), dedup).unwrap()
}

/// A vector of which every number says which one it is.
fn vector(number: u32) -> Vec<f32> {
    (0..DIM).map(|at| (number * 32 + at) as f32).collect()
}

#[test]
fn a_vector_is_kept_once_and_counted() {
    let store = store(Dedup::Exact);
    let (one, other) = (store.add(&vector(1)).unwrap(), store.add(&vector(2)).unwrap());
    assert_eq!(store.add(&vector(1)).unwrap(), one);
    assert_ne!(one, other);
    let statistics = store.statistics();
    assert_eq!((statistics.unique_vectors, statistics.total_references), (2, 3));
    assert_eq!(statistics.vector_bytes, 2 * 4 * u64::from(DIM));
    assert!(statistics.segment_bytes > statistics.vector_bytes);
    assert!((statistics.dedup_ratio() - 1.5).abs() < f64::EPSILON);
    assert!(statistics.to_string().starts_with("2 vectors, referred to 3 times"));
    assert_eq!(store.remove(one).unwrap(), Ended::No);
    assert_eq!(&store.get(one).unwrap().unwrap()[..], vector(1));
    assert_eq!(store.remove(one).unwrap(), Ended::Yes);
    assert!(store.get(one).unwrap().is_none());
    assert!(matches!(store.remove(one), Err(Error::NotAlive { slot }) if slot == one));
    assert!(store.get(Slot(9_999)).unwrap().is_none());
}

#[test]
fn many_are_got_at_once_and_all_are_listed() {
    let store = store(Dedup::Exact);
    let slots: Vec<_> = (0..100).map(|number| store.add(&vector(number)).unwrap()).collect();
    for slot in slots.iter().step_by(3) {
        store.remove(*slot).unwrap();
    }
    let wanted = [slots[1], slots[0], slots[2], Slot(5_000), slots[1]];
    let got = store.get_many(&wanted).unwrap();
    let numbers: Vec<_> = got.iter().map(|it| it.as_ref().map(|it| it[0] as u32 / 32)).collect();
    assert_eq!(numbers, [Some(1), None, Some(2), None, Some(1)]);
    let all = store.all().unwrap();
    assert_eq!(all.len(), 66);
    let left = (0..100).filter(|number| number % 3 != 0);
    let expected: BTreeMap<_, _> =
        left.map(|number| (slots[number], vector(number as u32))).collect();
    let found = all.iter().map(|it| it.map(|(slot, vector)| (slot, vector.to_vec())));
    assert_eq!(found.collect::<segments::Result<BTreeMap<_, _>>>().unwrap(), expected);
}

#[test]
fn views_keep_what_they_see_when_all_is_cleared() {
    let mut store = store(Dedup::Exact);
    let slot = store.add(&vector(7)).unwrap();
    let (view, pinned) = (store.view(), store.get(slot).unwrap().unwrap());
    store.clear().unwrap();
    assert!(store.get(slot).unwrap().is_none() && store.all().unwrap().is_empty());
    assert_eq!(store.statistics().dedup_ratio(), 1.0);
    store.add(&vector(8)).unwrap();
    assert_eq!((&view.vector(slot).unwrap()[..], &pinned[..]), (&vector(7)[..], &vector(7)[..]));
    drop(store);
    assert_eq!(pinned.view().vector(slot).unwrap()[0], pinned[0]);
}

#[test]
fn what_cannot_be_a_vector_is_refused_with_its_position() {
    let store = store(Dedup::Exact);
    let refused = store.add(&[1.0; 19]).unwrap_err();
    assert!(matches!(refused, Error::Dimension { found: 19, expected: 20 }), "{refused}");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut vector = vector(1);
        vector[17] = value;
        for refused in [store.add(&vector), store.add_hashed(&vector, VectorHash::of(&vector))] {
            let refused = refused.unwrap_err();
            assert!(
                matches!(refused, Error::NotFinite(NotFinite { position: 17, .. })),
                "{refused}"
            );
        }
    }
    assert_eq!(store.statistics().unique_vectors, 0);
}

#[test]
fn a_wrong_hash_from_outside_merges_nothing() {
    for dedup in [Dedup::Exact, Dedup::Decimals(Decimals::new(6).unwrap()), Dedup::Off] {
        let store = store(dedup);
        let one = store.add(&vector(1)).unwrap();
        let hash = VectorHash::of(&vector(1));
        let other = store.add_hashed(&vector(2), hash).unwrap();
        assert_ne!(one, other, "{dedup:?}");
        assert_eq!(&store.get(other).unwrap().unwrap()[..], vector(2));
        let again = store.add_hashed(&vector(2), hash).unwrap();
        assert_eq!(again == other, dedup != Dedup::Off, "{dedup:?}: no duplicate is missed either");
        assert_eq!(store.add_hashed(&vector(1), hash).unwrap() == one, dedup != Dedup::Off);
    }
}

#[test]
fn zeros_of_both_signs_are_told_apart_unless_decimals_count() {
    let (zero, minus) = (vec![0.0; DIM as usize], vec![-0.0; DIM as usize]);
    for (dedup, unique) in [(Dedup::Exact, 2), (Dedup::Decimals(Decimals::new(6).unwrap()), 1)] {
        let store = store(dedup);
        let first = store.add(&zero).unwrap();
        store.add(&minus).unwrap();
        assert_eq!(store.statistics().unique_vectors, unique);
        assert!(store.get(first).unwrap().unwrap()[0].is_sign_positive(), "the first one is kept");
    }
}

/// Slots are used again only when nobody holds what was in them.
#[test]
fn a_pinned_vector_outlives_every_removal() {
    let store = store(Dedup::Exact);
    let slot = store.add(&vector(1)).unwrap();
    let pinned = store.get(slot).unwrap().unwrap();
    store.remove(slot).unwrap();
    let full = 4 * store.statistics().segment_bytes / 80;
    for number in 2..full as u32 {
        let slot = store.add(&vector(number)).unwrap();
        store.remove(slot).unwrap();
    }
    assert_eq!(&pinned[..], vector(1));
    let grown = store.statistics().segment_bytes;
    drop(pinned);
    for number in 2..10 * full as u32 {
        let slot = store.add(&vector(number)).unwrap();
        store.remove(slot).unwrap();
    }
    assert_eq!(store.statistics().segment_bytes, grown, "removed slots are used again");
}

/// Eight threads add and remove vectors of their own and shared ones, and read what they hold references to.
#[test]
fn eight_threads_lose_and_mix_up_nothing() {
    const THREADS: u32 = 8;
    let store = &store(Dedup::Exact);
    let work = |thread: u32| {
        let mut held: Vec<(Slot, u32)> = Vec::new();
        for round in 0..4_000_u32 {
            let shared = round % 3 == 0;
            let number = if shared { round % 50 } else { 1_000 + thread * 100_000 + round % 700 };
            let slot = match round % 2 {
                0 => store.add(&vector(number)).unwrap(),
                _ => store.add_hashed(&vector(number), VectorHash::of(&vector(number))).unwrap(),
            };
            held.push((slot, number));
            if held.len() > 60 {
                let (slot, number) = held.swap_remove((round as usize * 7) % 60);
                let pinned = store.get(slot).unwrap().unwrap();
                store.remove(slot).unwrap();
                assert_eq!(&pinned[..], vector(number), "pinned while it was removed");
            }
            let (slot, number) = held[(round as usize * 13) % held.len()];
            assert_eq!(&store.view().vector(slot).unwrap()[..], vector(number), "slot {slot}");
        }
        held
    };
    let held: Vec<(Slot, u32)> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut expected: BTreeMap<Slot, (u32, u64)> = BTreeMap::new();
    for (slot, number) in &held {
        let entry = expected.entry(*slot).or_insert((*number, 0));
        assert_eq!(entry.0, *number, "slot {slot} holds two vectors");
        entry.1 += 1;
    }
    let statistics = store.statistics();
    assert_eq!(statistics.unique_vectors, expected.len() as u64);
    assert_eq!(statistics.total_references, held.len() as u64);
    for (slot, found) in store.all().unwrap().iter().map(Result::unwrap) {
        assert_eq!(&found[..], vector(expected[&slot].0));
    }
}
