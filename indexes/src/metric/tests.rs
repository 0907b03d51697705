//! Distances against sums of twice the digits, on every instruction set this processor has.

use proptest::prelude::*;

use super::*;
use crate::given::{KINDS, Random};

const DIMS: [usize; 13] = [1, 2, 3, 7, 16, 31, 100, 383, 384, 385, 768, 1_536, 4_096];

/// The same, slowly and with twice the digits; and what rounding is measured by: itself, or the norms.
fn oracle(metric: Metric, one: &[f32], other: &[f32]) -> (f64, f64) {
    let pairs = || one.iter().zip(other).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let norm = |of: fn((f64, f64)) -> f64| pairs().map(|pair| of(pair).powi(2)).sum::<f64>().sqrt();
    let (norms, product) =
        (norm(|it| it.0) * norm(|it| it.1), pairs().map(|(a, b)| a * b).sum::<f64>());
    let distance = match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::Dot => -product,
        Metric::Cosine if norms == 0.0 => 1.0,
        Metric::Cosine => (1.0 - product / norms).max(0.0),
    };
    match metric.error(one.len()) {
        Off::Part(part) => (distance, part * distance),
        Off::By(by) => (distance, by),
        Off::OfNorms(by) => (distance, by * norms),
    }
}

/// The distance on every instruction set: it must be the same, to the bit.
fn on_all(metric: Metric, one: &[f32], other: &[f32]) -> f32 {
    let plain = metric.distance(one, other);
    for instructions in Instructions::all() {
        let found = instructions.run(Pair { metric, one, other });
        assert_eq!(found.to_bits(), plain.to_bits(), "{}, {metric}: {found}", instructions.name());
    }
    plain
}

fn check(one: &[f32], other: &[f32]) {
    for metric in Metric::ALL {
        let found = on_all(metric, one, other);
        let (expected, allowed) = oracle(metric, one, other);
        let off = (f64::from(found) - expected).abs();
        // A result that is too small for an `f32` has fewer digits; one that is too large has none.
        let allowed = allowed + expected.abs() * 1e-7 + 1e-40;
        let fits = off <= allowed || found.is_infinite() && expected.abs() > f64::from(f32::MAX);
        assert!(fits, "{metric}, {}: {found} instead of {expected}, {off:e} off", one.len());
        assert_eq!(found.to_bits(), on_all(metric, other, one).to_bits());
        assert_ne!(found.to_bits(), (-0.0_f32).to_bits());
        assert!(metric == Metric::Dot || found >= 0.0, "{metric}, {}: {found}", one.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn distances_are_those_of_plain_sums(seed: u64, kind in prop::sample::select(&KINDS[..])) {
        let (mut random, mut shared) = (Random(seed), Random(seed ^ 1));
        for dim in DIMS {
            let mut vector = || kind.vector(dim, &mut random, &mut shared);
            check(&vector(), &vector());
        }
    }

    #[test]
    fn where_a_vector_lies_does_not_matter(seed: u64, one_at in 0..16_usize, other_at in 0..16_usize) {
        let mut random = Random(seed);
        for dim in DIMS {
            let (one, other) = (random.vector(dim + 16), random.vector(dim + 16));
            let (one, other) = (&one[one_at..][..dim], &other[other_at..][..dim]);
            check(one, other);
            for metric in Metric::ALL {
                let (copy, other_copy) = (one.to_vec(), other.to_vec());
                assert_eq!(on_all(metric, one, other), on_all(metric, &copy, &other_copy));
            }
        }
    }
}

/// What promise 2 of `kernels::sums` comes to, for those who read of ulps.
#[test]
fn distances_are_off_by_few_ulps() {
    let ulps = |dim| match Metric::L2.error(dim) {
        Off::Part(part) => part / f64::from(f32::EPSILON) * 2.0,
        _ => f64::INFINITY,
    };
    assert_eq!([16, 384, 1_536, 4_096].map(|dim| ulps(dim).ceil()), [8.0, 14.0, 32.0, 72.0]);
}

#[test]
fn whole_numbers_are_exact() {
    let mut random = Random(5);
    for dim in DIMS {
        let [one, other] =
            [0; 2].map(|_| (0..dim).map(|_| random.below(17) as f32 - 8.0).collect::<Vec<_>>());
        let squares: f32 = one.iter().zip(&other).map(|(a, b)| (a - b) * (a - b)).sum();
        let product: f32 = one.iter().zip(&other).map(|(a, b)| a * b).sum();
        assert_eq!(on_all(Metric::L2, &one, &other), squares.sqrt());
        assert_eq!(on_all(Metric::Dot, &one, &other), 0.0 - product);
    }
}

#[test]
fn a_vector_without_a_direction_is_at_distance_one() {
    assert_eq!(on_all(Metric::Cosine, &[0.0; 3], &[1.0; 3]), 1.0);
    assert_eq!(on_all(Metric::Cosine, &[0.0; 3], &[0.0; 3]), 1.0);
}

#[test]
fn sums_that_leave_the_range_are_made_anew() {
    for scale in [1e-45, 1e-30, 1e-20, 1e20, 1e38_f32] {
        let (one, other) = ([3.0 * scale, 0.0], [0.0, scale]);
        check(&one, &other);
        let cosine = on_all(Metric::Cosine, &one, &[scale, scale]);
        assert!((cosine - (1.0 - 0.5_f32.sqrt())).abs() < 1e-6, "{scale}: {cosine}");
    }
    assert_eq!(on_all(Metric::L2, &[1e30, 1e30], &[1e30, -1e30]), 2e30);
    // Two products that are too large and cancel each other.
    assert_eq!(on_all(Metric::Dot, &[1e30, 1e30], &[1e30, -1e30]), 0.0);
    // One lane alone is too large, and another one takes from it.
    let (mut one, mut other) = ([0.0; 33], [0.0; 33]);
    (one[0], one[1], one[32]) = (1.5e19, 1.5e19, 1.5e19);
    (other[0], other[1], other[32]) = (1.5e19, -1.5e19, 1.5e19);
    check(&one, &other);
    assert!(on_all(Metric::Dot, &one, &other).is_finite());
}

/// Squares just above the smallest number there is have few digits, and equal ones are rounded to the same side.
#[test]
fn sums_of_squares_that_lack_digits_are_made_anew() {
    for step in 0..40_u8 {
        let small = vec![(1.0 + f32::from(step) / 40.0) * 3e-21; 4_096];
        check(&small, &[0.0; 4_096]);
        check(&small, &[1.0; 4_096]);
    }
}

/// Promise 1 of `kernels::sums`, to the letter: bits would change with the order.
#[test]
fn sums_are_made_in_the_order_that_is_promised() {
    let mut random = Random(8);
    for dim in DIMS.into_iter().chain(1..70) {
        let (one, other) = (random.vector(dim), random.vector(dim));
        let mut lanes = vec![0.0_f32; 32];
        for (at, (a, b)) in one.iter().zip(&other).enumerate() {
            lanes[at % 32] = a.mul_add(*b, lanes[at % 32]);
        }
        for half in [16, 8, 4, 2, 1] {
            lanes = (0..half).map(|at| lanes[at] + lanes[at + half]).collect();
        }
        assert_eq!(on_all(Metric::Dot, &one, &other), 0.0 - lanes[0], "{dim}");
    }
}

#[test]
fn only_what_both_have_is_compared() {
    for metric in Metric::ALL {
        let both = metric.distance(&[1.0, 2.0], &[2.0, 5.0]);
        assert_eq!(metric.distance(&[1.0, 2.0, 9.0], &[2.0, 5.0]), both);
        assert_eq!(metric.distance(&[1.0, 2.0], &[2.0, 5.0, 9.0]), both);
    }
}
