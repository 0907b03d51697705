//! Says what is near: three metrics, each with smaller distances for nearer vectors.
//!
//! Promises
//!  1. The same two vectors have the same distance, to the bit, whichever comes first, wherever they lie, and on
//!     every processor.
//!  2. The distance of finite vectors is a number, and never the negative zero: sums that leave the range of an
//!     `f32` on either side are made again with that of an `f64`.
//!  3. Vectors of whole numbers of which all sums stay below 2^24 have exact squares and products.
//!
//! Never: looks at more than the shorter of two vectors has.

use crate::kernels::sums::{Products, Squares, sum, sum_error};
use crate::lanes::{Instructions, Isa, Work};

/// What is near: smaller distances are nearer, whatever the metric.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Metric {
    /// The Euclidean distance.
    L2,
    /// `1 - cos`, and not below 0: 0 for the same direction, 2 for the opposite one. A vector without a direction
    /// (all zeros) is at distance 1 from everything.
    Cosine,
    /// The inner product, negated.
    Dot,
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::Dot];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "l2",
            Metric::Cosine => "cosine",
            Metric::Dot => "dot",
        }
    }

    /// How far two vectors are from each other.
    ///
    /// ```
    /// # use indexes::Metric;
    /// assert_eq!(Metric::L2.distance(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
    /// assert_eq!(Metric::Cosine.distance(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
    /// assert_eq!(Metric::Dot.distance(&[1.0, 2.0], &[3.0, 4.0]), -11.0);
    /// ```
    pub fn distance(self, one: &[f32], other: &[f32]) -> f32 {
        let both = one.len().min(other.len());
        let (one, other) = (one.split_at(both).0, other.split_at(both).0);
        Instructions::best().run(Pair { metric: self, one, other })
    }

    /// By how much a distance between vectors of so many numbers can be off.
    pub(crate) fn error(self, dim: usize) -> Off {
        let sums = sum_error(dim);
        let rounding = f64::from(f32::EPSILON) / 2.0;
        match self {
            // Half of the sum's, by the root; the root itself; the conversion of what was made in `f64`.
            Metric::L2 => Off::Part(sums / 2.0 + 3.0 * rounding),
            // The product's, and half of each norm's; two roots, their product, the quotient, the difference.
            Metric::Cosine => Off::By(2.0 * sums + 8.0 * rounding),
            Metric::Dot => Off::OfNorms(sums + rounding),
        }
    }
}

/// By how much a distance may be off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Off {
    /// By this part of itself.
    Part(f64),
    /// By so much.
    By(f64),
    /// By so much, times the norms of both vectors.
    OfNorms(f64),
}

struct Pair<'v> {
    metric: Metric,
    one: &'v [f32],
    other: &'v [f32],
}

impl Work for Pair<'_> {
    type Answer = f32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        Target::new(isa, self.metric, self.one).distance(isa, self.other)
    }
}

/// Sums of squares within these have lost nothing to the ends of what an `f32` can be.
pub(crate) const SAFE: std::ops::RangeInclusive<f32> = 7.9e-31..=1.2e30;

/// A vector that others are compared with, and what that needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'q> {
    metric: Metric,
    vector: &'q [f32],
    /// The sum of its squares, where the metric asks for it.
    square: f32,
}

impl<'q> Target<'q> {
    #[inline(always)]
    pub(crate) fn new<I: Isa>(isa: I, metric: Metric, vector: &'q [f32]) -> Self {
        let square = match metric {
            Metric::Cosine => sum::<I, Products>(isa, vector, vector),
            Metric::L2 | Metric::Dot => 0.0,
        };
        Target { metric, vector, square }
    }

    /// How far apart vectors of this distance are: for cosine, were they of length one; for products always the same.
    #[inline(always)]
    pub(crate) fn far(&self, distance: f32) -> f32 {
        match self.metric {
            Metric::L2 => distance,
            Metric::Cosine => (2.0 * distance).sqrt(),
            Metric::Dot => 0.0,
        }
    }

    /// How far it is from another one.
    #[inline(always)]
    pub(crate) fn distance<I: Isa>(&self, isa: I, other: &[f32]) -> f32 {
        let found = match self.metric {
            Metric::L2 => {
                let squares = sum::<I, Squares>(isa, self.vector, other);
                SAFE.contains(&squares).then(|| squares.sqrt())
            }
            Metric::Cosine => {
                let product = sum::<I, Products>(isa, self.vector, other);
                let square = sum::<I, Products>(isa, other, other);
                let safe = SAFE.contains(&self.square) && SAFE.contains(&square);
                safe.then(|| (1.0 - product / (self.square.sqrt() * square.sqrt())).max(0.0))
            }
            Metric::Dot => {
                let product = sum::<I, Products>(isa, self.vector, other);
                product.is_finite().then_some(-product)
            }
        };
        // Adding 0 makes a negative zero positive.
        found.unwrap_or_else(|| wide(self.metric, self.vector, other)) + 0.0
    }
}

/// The distance by sums that nothing finite can overflow.
#[cold]
#[inline(never)]
fn wide(metric: Metric, one: &[f32], other: &[f32]) -> f32 {
    let sum = |one: &[f32], other: &[f32], term: fn(f64, f64) -> f64| {
        let pairs = one.iter().zip(other);
        pairs.map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum::<f64>()
    };
    let dot = |one, other| sum(one, other, |a, b| a * b);
    let distance = match metric {
        Metric::L2 => sum(one, other, |a, b| (a - b) * (a - b)).sqrt(),
        Metric::Dot => -dot(one, other),
        Metric::Cosine => {
            let norms = dot(one, one).sqrt() * dot(other, other).sqrt();
            if norms > 0.0 { (1.0 - dot(one, other) / norms).max(0.0) } else { 1.0 }
        }
    };
    distance as f32
}

#[cfg(test)]
mod tests;
