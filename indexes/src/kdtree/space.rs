//! Where vectors lie as points, so that what is near by a metric is near there: for L2 where they are, for cosine at length one.
//!
//! Promises
//!  1. What is not farther than some distance by the metric is not beyond [`limit`](Asked::limit) of it among points, whatever
//!     rounding does. A vector without a direction lies at the origin, which is nearer than it is said to be.
//!  2. Distances are the metric's, to the bit.

use crate::lanes::LANES;
use crate::metric::{Off, SAFE};
use crate::{Error, Metric, Vectors};
use base::Slot;

use super::leaves::point;

/// By how much a number of a vector made to be of length one may be off, with room to spare: 2 to the power of -23.
const UNIT: f64 = f32::EPSILON as f64;

/// What is allowed for the steps around squares.
const STEPS: f64 = 16.0 * f32::EPSILON as f64;

/// Where vectors lie as points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Space {
    Plain,
    Unit,
}

/// A vector made to be of length one; zeros stay zeros.
fn unit(vector: &[f32], into: &mut Vec<f32>) {
    let square: f64 = vector.iter().map(|it| f64::from(*it) * f64::from(*it)).sum();
    let scale = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
    into.extend(vector.iter().map(|it| (f64::from(*it) * scale) as f32));
}

impl Space {
    /// The space for a metric; nothing, if boxes say nothing of it.
    pub(super) fn of(metric: Option<Metric>) -> Option<Self> {
        match metric? {
            Metric::L2 => Some(Space::Plain),
            Metric::Cosine => Some(Space::Unit),
            Metric::Dot => None,
        }
    }

    fn metric(self) -> Metric {
        match self {
            Space::Plain => Metric::L2,
            Space::Unit => Metric::Cosine,
        }
    }

    /// Where a vector lies, in itself or in what it is put into.
    #[inline(always)]
    pub(super) fn moved<'v>(self, vector: &'v [f32], into: &'v mut Vec<f32>) -> &'v [f32] {
        match self {
            Space::Plain => vector,
            Space::Unit => {
                into.clear();
                unit(vector, into);
                into
            }
        }
    }
}

/// A query in a space.
#[derive(Clone, Copy)]
pub(super) struct Asked<'q> {
    space: Space,
    vector: &'q [f32],
    vectors: &'q dyn Vectors,
    factor: f32,
    /// By how much the metric may be off, if not by a part.
    by: f64,
}

impl<'q> Asked<'q> {
    pub(super) fn new(space: Space, vector: &'q [f32], vectors: &'q dyn Vectors) -> Self {
        let (part, by) = match space.metric().error(vector.len()) {
            Off::Part(part) => (part, 0.0),
            Off::By(by) | Off::OfNorms(by) => (by, by),
        };
        let factor = (1.0 + 4.0 * part + STEPS) as f32;
        Asked { space, vector, vectors, factor, by }
    }

    /// The square that a point may be far of a vector that is not farther than this.
    #[inline(always)]
    pub(super) fn limit(&self, distance: f32) -> f32 {
        match self.space {
            // What is so small may have lost all its digits.
            Space::Plain => (distance * distance * self.factor).max(2.0 * SAFE.start()),
            Space::Unit => {
                let chord = (2.0 * (f64::from(distance) + self.by)).max(0.0).sqrt();
                let chord = chord + 2.0 * UNIT;
                ((chord * chord) as f32) * self.factor
            }
        }
    }

    /// How far the vector of a point is whose square is this.
    #[inline(always)]
    pub(super) fn distance(
        &self,
        square: f32,
        (numbers, lane): (&[u8], usize),
        owner: u32,
    ) -> Result<f32, Error> {
        match self.space {
            Space::Plain if SAFE.contains(&square) => Ok(square.sqrt()),
            Space::Plain => Ok(self.plainly(numbers, lane)),
            Space::Unit => {
                let vector = self.vectors.vector(Slot(owner))?;
                Ok(Metric::Cosine.distance(self.vector, &vector))
            }
        }
    }

    /// How far all of sixteen are, if their squares are enough to say it.
    #[inline(always)]
    pub(super) fn distances(&self, squares: &[f32; LANES]) -> Option<[f32; LANES]> {
        let is_known = self.space == Space::Plain && squares.iter().all(|it| SAFE.contains(it));
        is_known.then(|| squares.map(f32::sqrt))
    }

    /// As the metric says it of the numbers themselves.
    #[cold]
    fn plainly(&self, numbers: &[u8], lane: usize) -> f32 {
        let vector: Vec<f32> = point(numbers, self.vector.len(), lane).collect();
        Metric::L2.distance(self.vector, &vector)
    }
}
