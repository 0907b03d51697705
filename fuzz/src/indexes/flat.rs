//! Target: the image of a flat index, damaged or made up.
//!
//! Input: a byte that says by which distance it is opened and whether its sum is made to fit, then the image.
//!
//! Promises
//!  1. Whatever the bytes, opening answers with an index or a typed error.
//!  2. An index of whatever bytes finds only slots that it has, at distances that are true, and nothing twice.
//!  3. Its image opens again, to an index with the same image.

use base::checksum::Xxh3;
use indexes::{Flat, Index, Measure, Memory, Metric, Pool, Query, Slot};

/// Where the sum of an image stands.
const SUM_AT: usize = 56;

/// Larger indexes are opened, and not searched.
const DIM_MAX: usize = 512;
const SLOTS_MAX: usize = 512;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let Some((what, image)) = data.split_first() else { return };
    let mut image = image.to_vec();
    if what & 4 != 0 {
        make_the_sum_fit(&mut image);
    }
    let [l2, cosine, dot] = Metric::ALL;
    let metric = match what & 3 {
        1 => cosine,
        2 => dot,
        _ => l2,
    };
    let measure = Measure::from(metric);
    let generic = indexes::open(image.clone(), &measure);
    let Ok(flat) = Flat::decode(&image, &measure) else {
        assert!(generic.is_err());
        return;
    };
    assert!(generic.is_ok());
    let again = Flat::decode(&image_of(&flat), &measure).expect("its own image");
    assert_eq!(image_of(&again), image_of(&flat));
    if flat.dim() <= DIM_MAX && flat.len() <= SLOTS_MAX {
        search(&flat, metric);
    }
}

fn make_the_sum_fit(image: &mut [u8]) {
    let Some((before, rest)) = image.split_at_mut_checked(SUM_AT) else { return };
    let Some((place, behind)) = rest.split_first_chunk_mut::<8>() else { return };
    let mut sum = Xxh3::new();
    sum.update(before).update(behind);
    *place = sum.sum().to_le_bytes();
}

fn image_of(flat: &Flat) -> Vec<u8> {
    let mut image = Vec::new();
    flat.encode(&mut image);
    image
}

fn has(flat: &Flat, slot: Slot) -> bool {
    flat.contains(slot).expect("it lies in no image")
}

/// Searches an index whose codes nobody vouches for, one by one and together, and changes it.
fn search(flat: &Flat, metric: Metric) {
    let number = |slot: usize, at: usize| ((slot * 31 + at * 17) % 64) as f32 - 31.5;
    let vector = |slot: usize| (0..flat.dim()).map(|at| number(slot, at)).collect::<Vec<_>>();
    let mut vectors = Memory::new(flat.dim());
    for slot in (0..).map(Slot).take(SLOTS_MAX).filter(|slot| has(flat, *slot)) {
        vectors.set(slot, &vector(slot.0 as usize)).expect("it fits");
    }
    if vectors.len() < flat.len() {
        // Some of its slots are far out.
        return;
    }
    let queried = vector(5);
    let query = Query::new(&queried).k(20);
    let alone = flat.search(&query, &vectors).expect("all vectors are there");
    let together = flat.search_many(&[query; 9], &vectors, &Pool::here()).expect("all are there");
    for found in together.iter().chain([&alone]) {
        let slots = found.neighbours.iter().map(|it| it.slot);
        assert!(slots.clone().all(|slot| has(flat, slot)));
        let mut sorted: Vec<_> = slots.collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), found.neighbours.len());
        for it in &found.neighbours {
            let expected = metric.distance(&queried, &vector(it.slot.0 as usize));
            assert_eq!(it.distance.to_bits(), expected.to_bits());
        }
    }
    let before = flat.len();
    for slot in vectors.slots().iter().step_by(2) {
        assert!(flat.remove(slot).expect("it lies in no image"));
        let step = flat.step(&vectors, 1).expect("nothing is read");
        assert!(step.given_back == [slot] && !step.more);
        flat.insert(slot, &vectors).expect("it was given back");
    }
    assert_eq!(flat.len(), before);
}
