//! Sums over pairs of numbers: the one order in which they are made is what makes a distance the same everywhere.
//!
//! Promises
//!  1. Number `i` of both goes into lane `i % 32` by a fused multiplication; the lanes are then added by halves.
//!     So every instruction set gives the same bits, wherever the numbers lie.
//!  2. A sum of squares is off by at most [`sum_error`] of itself, one of products by as much of the sum of their
//!     absolute values, as long as nothing overflows or sinks below the smallest number.
//!
//! Never: looks at more than the shorter of the two has.

use crate::lanes::{Isa, LANES};

/// What is added for each pair.
pub(crate) trait Term {
    fn add<I: Isa>(isa: I, to: I::Floats, one: I::Floats, other: I::Floats) -> I::Floats;
}

/// Their product.
pub(crate) struct Products;

/// The square of their difference.
pub(crate) struct Squares;

impl Term for Products {
    #[inline(always)]
    fn add<I: Isa>(isa: I, to: I::Floats, one: I::Floats, other: I::Floats) -> I::Floats {
        isa.mul_add(one, other, to)
    }
}

impl Term for Squares {
    #[inline(always)]
    fn add<I: Isa>(isa: I, to: I::Floats, one: I::Floats, other: I::Floats) -> I::Floats {
        let apart = isa.sub(one, other);
        isa.mul_add(apart, apart, to)
    }
}

/// Adds up a term for each pair of numbers.
#[inline(always)]
pub(crate) fn sum<I: Isa, T: Term>(isa: I, one: &[f32], other: &[f32]) -> f32 {
    let shorter = one.len().min(other.len());
    let (one, other) = (one.split_at(shorter).0, other.split_at(shorter).0);
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    let (one_pairs, one_last) = ones.as_chunks::<2>();
    let (other_pairs, other_last) = others.as_chunks::<2>();
    let (mut even, mut odd) = (isa.splat(0.0), isa.splat(0.0));
    for ([a, b], [c, d]) in one_pairs.iter().zip(other_pairs) {
        even = T::add(isa, even, isa.load(a), isa.load(c));
        odd = T::add(isa, odd, isa.load(b), isa.load(d));
    }
    let mut rest = &mut even;
    if let ([a], [c]) = (one_last, other_last) {
        *rest = T::add(isa, *rest, isa.load(a), isa.load(c));
        rest = &mut odd;
    }
    if !one_rest.is_empty() {
        let (a, c) = (padded(one_rest), padded(other_rest));
        *rest = T::add(isa, *rest, isa.load(&a), isa.load(&c));
    }
    isa.sum(isa.add(even, odd))
}

/// The numbers, and zeros behind them.
#[inline(always)]
pub(crate) fn padded(numbers: &[f32]) -> [f32; LANES] {
    let mut block = [0.0; LANES];
    for (to, number) in block.iter_mut().zip(numbers) {
        *to = *number;
    }
    block
}

/// By how much a sum over so many pairs is off, at most, as a part of what promise 2 says.
///
/// Each difference is rounded once and so its square twice as much; a lane rounds once for each of its pairs, and
/// adding up the lanes rounds six times. One more covers that errors multiply.
pub(crate) fn sum_error(dim: usize) -> f64 {
    (dim.div_ceil(2 * LANES) + 9) as f64 * f64::from(f32::EPSILON) / 2.0
}
