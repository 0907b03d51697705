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

#[cfg(test)]
mod tests;

pub(crate) use bounds::{Limit, Sums, beyond, is_beyond, nibble_products, upper_products};
pub(crate) use encode::{down, up};
pub(crate) use query::CodedQuery;

use base::Slot;

use crate::lanes::{LANES, STEP};
use crate::query::check;
use crate::rows::{Rows, rows_a_piece};
use crate::{Error, Metric, Pool, SlotSet, Vectors};

/// The most numbers that a vector with a code can have. Of more, sums of products would not fit an `i32`, and sums of
/// squares be off by more than is allowed for (`encode.rs`).
pub(crate) const DIM_MAX: usize = 1 << 16;

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

/// The codes of vectors, by their slots.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    dim: usize,
    shape: Shape,
    /// How many slots the pieces of all rows have.
    piece: usize,
    upper: Rows<u8>,
    lower: Rows<u8>,
    coarse: [Rows<f32>; COARSE],
    fine: Rows<f32>,
}

/// What is kept for each slot beside its upper plane: see [`Coarse`].
const COARSE: usize = 4;

/// What is kept beside its lower plane: `FINE` numbers, of which the last is not used.
const FINE: usize = 4;

/// What the upper plane of 16 slots means: number `i` of a vector is `base + step * nibble[i]`, to within `error`
/// for the vector as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coarse<'c> {
    base: &'c [f32; LANES],
    step: &'c [f32; LANES],
    /// How far the vector is from that, at most; for [`Shape::Product`] with all that rounding can do to it.
    error: &'c [f32; LANES],
    /// The square of the length of that, less all that rounding can do; for [`Shape::Product`] the length, at most.
    size: &'c [f32; LANES],
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

impl Codes {
    /// No codes yet, of vectors of so many numbers.
    pub(crate) fn new(dim: usize, metric: Metric) -> Self {
        let bytes = dim.div_ceil(STEP) * (STEP / 2);
        let piece = rows_a_piece(bytes);
        Codes {
            dim,
            shape: metric.into(),
            piece,
            upper: Rows::new(bytes, piece),
            lower: Rows::new(bytes, piece),
            coarse: std::array::from_fn(|_| Rows::new(1, piece)),
            fine: Rows::new(FINE, piece),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        let coarse = self.coarse.iter().map(Rows::bytes).sum::<usize>();
        self.upper.bytes() + self.lower.bytes() + coarse + self.fine.bytes()
    }

    /// Makes the code of a vector.
    pub(crate) fn set(&mut self, slot: Slot, vector: &[f32]) {
        let at = slot.0 as usize;
        self.reserve(at + 1);
        let planes = (self.upper.row_mut(at), self.lower.row_mut(at));
        let made = encode::encode(self.shape, vector, planes);
        for (column, number) in self.coarse.iter_mut().zip(made.coarse) {
            column.row_mut(at).fill(number);
        }
        self.fine.row_mut(at).copy_from_slice(&made.fine);
    }

    /// Makes the codes of the vectors in these slots, on all threads.
    pub(crate) fn set_all(
        &mut self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        self.reserve(slots.words() * crate::slots::WORD);
        let shape = self.shape;
        let (width, dim, slots_a_piece) = (self.upper.width(), self.dim, self.piece);
        let [base, step, error, size] = &mut self.coarse;
        let columns =
            base.pieces_mut().zip(step.pieces_mut()).zip(error.pieces_mut()).zip(size.pieces_mut());
        let planes = self.upper.pieces_mut().zip(self.lower.pieces_mut());
        let pieces = planes.zip(columns).zip(self.fine.pieces_mut()).enumerate();
        let done = pool.each(pieces.collect(), |(piece, ((planes, columns), fine))| {
            let (upper, lower) = planes;
            let (((base, step), error), size) = columns;
            let rows = upper.chunks_exact_mut(width).zip(lower.chunks_exact_mut(width));
            let columns = base.iter_mut().zip(step).zip(error.iter_mut().zip(size));
            let rows = rows.zip(columns).zip(fine.as_chunks_mut::<FINE>().0);
            for (at, ((planes, ((base, step), (error, size))), fine)) in rows.enumerate() {
                let slot = Slot((piece * slots_a_piece + at) as u32);
                if !slots.contains(slot) {
                    continue;
                }
                let vector = vectors.vector(slot)?;
                check(&vector, dim)?;
                let made = encode::encode(shape, &vector, planes);
                [*base, *step, *error, *size] = made.coarse;
                *fine = made.fine;
            }
            Ok(())
        });
        done.into_iter().collect()
    }

    fn reserve(&mut self, rows: usize) {
        self.upper.reserve(rows);
        self.lower.reserve(rows);
        self.coarse.iter_mut().for_each(|column| column.reserve(rows));
        self.fine.reserve(rows);
    }

    /// The upper planes of so many slots from one on; none if they do not lie one behind the other.
    #[inline(always)]
    pub(crate) fn upper(&self, first: usize, count: usize) -> &[[u8; 64]] {
        self.upper.run(first, count).as_chunks().0
    }

    /// What the upper planes of 16 slots from one on mean.
    #[inline(always)]
    pub(crate) fn coarse(&self, first: usize) -> Option<Coarse<'_>> {
        let [base, step, error, size] = &self.coarse;
        Some(Coarse {
            base: base.run(first, LANES).first_chunk()?,
            step: step.run(first, LANES).first_chunk()?,
            error: error.run(first, LANES).first_chunk()?,
            size: size.run(first, LANES).first_chunk()?,
        })
    }

    #[inline(always)]
    pub(crate) fn lower(&self, slot: usize) -> &[[u8; 64]] {
        self.lower.row(slot).as_chunks().0
    }

    /// What both planes of a slot mean.
    #[inline(always)]
    pub(crate) fn fine(&self, slot: usize) -> Option<Fine> {
        let [base, error, size, _] = *self.fine.row(slot).first_chunk::<FINE>()?;
        let [_, step, ..] = &self.coarse;
        let step = encode::fine_step(*step.row(slot).first()?);
        Some(Fine { base, step, error, size })
    }
}
