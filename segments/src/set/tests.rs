//! Holds sets against a plain map, step by step: batches on their way, rolled back, bulk, views, checkpoints,
//! reopened and crashed anywhere.

mod toy;

use std::panic::{AssertUnwindSafe, catch_unwind};

use toy::{Chance, Rule, Toy};

use crate::{Decimals, Dedup};

const STEPS: u64 = 200;

/// Runs a toy store; a panic says which seed it was.
fn run(seed: u64, dedup: Dedup, key_bits: u32, rule: Rule) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut chance = Chance::new(seed);
        let mut toy = Toy::new(dedup, key_bits, rule);
        for _ in 0..STEPS {
            toy.step(&mut chance);
            toy.check();
        }
    }));
    outcome.map_err(|_| format!("seed {seed}, {dedup:?}, keys of {key_bits} bits"))
}

fn run_all(seeds: std::ops::Range<u64>, dedup: Dedup, key_bits: u32) {
    for seed in seeds {
        run(seed, dedup, key_bits, Rule::Kept).unwrap();
    }
}

#[test]
fn a_set_is_a_plain_map() {
    run_all(0..300, Dedup::Exact, 64);
}

/// Nearly all keys collide: nothing is ever merged wrongly.
#[test]
fn a_set_with_keys_of_four_bits_is_a_plain_map() {
    run_all(1_000..1_300, Dedup::Exact, 4);
}

#[test]
fn a_set_that_goes_by_decimals_is_a_plain_map() {
    run_all(2_000..2_250, Dedup::Decimals(Decimals::new(6).unwrap()), 64);
    run_all(2_250..2_300, Dedup::Decimals(Decimals::new(6).unwrap()), 4);
}

#[test]
fn a_set_without_dedup_is_a_plain_map() {
    run_all(3_000..3_200, Dedup::Off, 64);
}

/// Slots given out again although a checkpoint still knows them: some crash must show it.
#[test]
fn slots_given_out_too_early_are_found_out() {
    let is_found = (0..50).any(|seed| run(seed, Dedup::Exact, 64, Rule::Broken).is_err());
    assert!(is_found);
}
