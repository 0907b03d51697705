//! What codes prove: that a vector is farther than a distance.
//!
//! For a query `q` and a vector `x`, of which whole numbers say `q'` and `x'`, the triangle inequality gives
//!
//! * `|q - x| >= |q' - x'| - |q - q'| - |x - x'|`,
//! * `<q, x> <= <q', x'> + (|q'| + |q - q'|) * |x - x'| + |q - q'| * |x'|`,
//!
//! and with `1 - cos = |u - v|^2 / 2` of vectors of length one the first serves two metrics. `<q', x'>` is a whole
//! number on known scales: with `x'_i = base + step * c_i` and `q'_i = s * z_i` it is
//! `s * (base * sum(z) + step * sum(z * c))`.
//!
//! What is compared with a distance is what the metric *computes*, so a [`Limit`] is first moved by as much as that
//! may be off. Bounds by the upper plane are evaluated in `f32`, sixteen at a time; what rounding can do to them is
//! taken off beforehand, from the sizes and errors of both sides (`encode::ROUNDING`: two millionths of the largest
//! term, for about ten roundings of 2^-24 each). Every comparison passes what is no number.

use super::query::CoarseQuery;
use super::{Coarse, CodedQuery, Fine, Shape};
use crate::lanes::{Isa, LANES};
use crate::metric::Off;

use super::encode::{ROUNDING, WIDE_ROUNDING, up};

/// How far a vector may be that is still of use, as bounds are compared with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    coarse: f32,
    fine: f64,
}

impl Limit {
    /// The limit of this distance, as the metric computes it: what it is of real numbers, at most.
    #[inline(always)]
    pub(crate) fn new(query: &CodedQuery, off: Off, distance: f32) -> Self {
        let distance = f64::from(distance);
        let real = match off {
            Off::Part(part) => distance * (1.0 + part),
            Off::By(by) => (2.0 * (distance + by)).max(0.0).sqrt(),
            // What is off by the norms stands in the errors of the codes.
            Off::OfNorms(_) => distance,
        };
        let slack = real.abs() * ROUNDING + 1e-30;
        let coarse = match query.shape {
            Shape::Apart | Shape::Directions => real + f64::from(query.coarse.apart) + slack,
            Shape::Product => real + slack,
        };
        Limit { coarse: up(coarse), fine: real + real.abs() * WIDE_ROUNDING + 1e-30 }
    }
}

/// A bit for each of 16 slots whose upper planes prove that they are beyond the limit. `sums` are those of
/// [`upper_products`].
#[inline(always)]
pub(crate) fn beyond<I: Isa>(
    isa: I,
    (shape, query): (Shape, &CoarseQuery),
    coarse: &Coarse,
    sums: I::Wholes,
    limit: Limit,
) -> u16 {
    let Coarse { base, step, error, size } = coarse;
    let scaled = isa.mul(isa.load(step), isa.splat(query.step));
    let product =
        isa.mul_add(scaled, isa.to_floats(sums), isa.mul(isa.load(base), isa.splat(query.total)));
    let (error, size) = (isa.load(error), isa.load(size));
    let limit = isa.splat(limit.coarse);
    match shape {
        Shape::Apart | Shape::Directions => {
            let sizes = isa.add(isa.splat(query.size), size);
            let square = isa.mul_add(isa.splat(-2.0), product, sizes);
            let reach = isa.add(limit, error);
            isa.above(square, isa.mul(reach, reach))
        }
        Shape::Product => {
            let reach = isa.mul_add(isa.splat(query.apart), size, limit);
            let reach = isa.mul_add(isa.splat(query.size), error, reach);
            isa.above(isa.sub(isa.splat(0.0), product), reach)
        }
    }
}

/// The sum of the products of upper nibbles and the bytes of a query.
#[inline(always)]
pub(crate) fn upper_products<I: Isa>(isa: I, plane: &[[u8; 64]], query: &CodedQuery) -> i32 {
    nibble_products(isa, plane, &query.bytes)
}

/// Whether both planes of a vector prove that it is beyond the limit.
#[inline(always)]
pub(crate) fn is_beyond<I: Isa>(
    isa: I,
    query: &CodedQuery,
    fine: Fine,
    (upper, lower): (&[[u8; 64]], &[[u8; 64]]),
    limit: Limit,
) -> bool {
    let Fine { base, step, error, size } = fine;
    let of_upper = 128 * i64::from(nibble_products(isa, upper, &query.high))
        + i64::from(nibble_products(isa, upper, &query.low));
    let of_lower = 128 * i64::from(nibble_products(isa, lower, &query.high))
        + i64::from(nibble_products(isa, lower, &query.low));
    let codes = (16 * of_upper + of_lower) as f64;
    let asked = &query.fine;
    let product = asked.step * (f64::from(base) * asked.total + f64::from(step) * codes);
    let (error, size) = (f64::from(error), f64::from(size));
    match query.shape {
        Shape::Apart | Shape::Directions => {
            let reach = limit.fine + asked.apart + error;
            asked.size + size - 2.0 * product > reach * reach
        }
        Shape::Product => -product > limit.fine + asked.size * error + asked.apart * size,
    }
}

/// The sum of the products of nibbles and numbers.
#[inline(always)]
pub(crate) fn nibble_products<I: Isa>(isa: I, plane: &[[u8; 64]], query: &[[[i8; 64]; 2]]) -> i32 {
    let mut sum = isa.no_wholes();
    for (plane, query) in plane.iter().zip(query) {
        sum = isa.nibbles(sum, plane, query);
    }
    isa.sum_wholes(sum)
}

/// As many sums as are compared at a time.
pub(crate) type Sums = [i32; LANES];
