//! Vectors by a few of their bits: what an index reads first, and what it can prove by that.
//!
//! A vector is kept as numbers from 0 to 255 on a scale of its own, in two planes: the upper four bits of each number
//! lie in one, the lower four in the other. By the upper plane alone a vector is known to within its *coarse*
//! distance from what those bits say, by both to within its *fine* one; both distances are kept. So the triangle
//! inequality says, for any query, that a vector cannot be nearer than so much (`bounds.rs`), and a search that
//! passes over all that cannot be near enough finds what one that looks at everything finds.
//!
//! Promises
//!  1. A bound is a bound: rounding is counted in, always to the safe side.
//!  2. A vector of which nothing can be proved (no direction, or numbers too large) is never passed over.

mod bounds;
pub(crate) mod encode;
mod format;
mod query;
mod rows;

#[cfg(test)]
mod tests;

pub(crate) use bounds::{Limit, Sums, beyond, is_beyond, nibble_products, upper_products};
pub(crate) use encode::{down, up};
pub(crate) use query::CodedQuery;
pub(crate) use rows::{Beside, Codes, CodesInUse, Whole, widths};

use std::ops::RangeInclusive;

use crate::Metric;
use crate::lanes::LANES;

/// The most numbers that a vector with a code can have. Of more, sums of products would not fit an `i32`, and sums of
/// squares be off by more than is allowed for (`encode.rs`).
pub(crate) const DIM_MAX: usize = 1 << 16;

/// Of vectors of so many numbers codes are worth making: of fewer they would not be much shorter, of more nothing is proved.
pub(crate) const WORTH: RangeInclusive<usize> = 48..=DIM_MAX;

/// By what a bound on a distance is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// The distance between the vectors.
    Apart,
    /// That between the vectors when both are of length one: it grows with `1 - cos`.
    Directions,
    /// The inner product.
    Product,
}

impl From<Metric> for Shape {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::L2 => Shape::Apart,
            Metric::Cosine => Shape::Directions,
            Metric::Dot => Shape::Product,
        }
    }
}

/// What the upper planes of 16 slots mean: number `i` of a vector is `base + step * nibble[i]`, to within `error`
/// for the vector as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coarse {
    base: [f32; LANES],
    step: [f32; LANES],
    /// How far the vector is from that, at most; for [`Shape::Product`] with all that rounding can do to it.
    error: [f32; LANES],
    /// The square of the length of that, less all that rounding can do; for [`Shape::Product`] the length, at most.
    size: [f32; LANES],
}

/// Puts something into a lane.
#[inline(always)]
fn put<T>(lanes: &mut [T; LANES], lane: usize, thing: T) {
    if let Some(place) = lanes.get_mut(lane % LANES) {
        *place = thing;
    }
}

impl Coarse {
    /// Nothing is proved by this.
    pub(crate) const UNKNOWN: Self = Coarse {
        base: [0.0; LANES],
        step: [0.0; LANES],
        error: [f32::INFINITY; LANES],
        size: [0.0; LANES],
    };

    /// Says what one of them means.
    #[inline(always)]
    pub(crate) fn put(&mut self, lane: usize, beside: Beside) {
        put(&mut self.base, lane, beside.base);
        put(&mut self.step, lane, beside.step);
        put(&mut self.error, lane, beside.bound_error);
        put(&mut self.size, lane, beside.bound_size);
    }
}

/// What both planes of a slot mean: number `i` of its vector is `base + step * code[i]`, to within `error`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fine {
    pub(crate) base: f32,
    pub(crate) step: f32,
    pub(crate) error: f32,
    /// The square of the length of that, at least; for [`Shape::Product`] the length, at most.
    pub(crate) size: f32,
}
