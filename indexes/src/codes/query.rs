//! A query as whole numbers: what the planes of vectors are multiplied with.
//!
//! It is there twice: in bytes, for the upper planes alone, and finer, in two planes of bytes, for both.

use super::encode::{ROUNDING, WIDE_ROUNDING, down, up};
use super::{DIM_MAX, Shape};
use crate::lanes::STEP;

/// A query, ready to be compared with codes.
#[derive(Clone, Debug)]
pub(crate) struct CodedQuery {
    pub(super) shape: Shape,
    /// In bytes: the numbers of each step in two halves, as the nibbles of a plane are.
    pub(super) bytes: Vec<[[i8; 64]; 2]>,
    pub(super) coarse: CoarseQuery,
    /// The finer numbers: 128 times the first plane and the second.
    pub(super) high: Vec<[[i8; 64]; 2]>,
    pub(super) low: Vec<[[i8; 64]; 2]>,
    pub(super) fine: FineQuery,
}

/// What the bytes mean: number `i` of the query is `step * byte[i]`, to within `apart` for the query as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoarseQuery {
    pub(super) step: f32,
    /// The sum of the bytes, times the step.
    pub(super) total: f32,
    /// The square of its length, less what rounding can do; for [`Shape::Product`] the length of it, at most.
    pub(super) size: f32,
    /// How far the query is from that, at most.
    pub(super) apart: f32,
}

/// The same of the finer numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct FineQuery {
    pub(super) step: f64,
    /// The sum of the numbers.
    pub(super) total: f64,
    pub(super) size: f64,
    pub(super) apart: f64,
}

/// The largest byte.
const BYTE: f32 = 127.0;

/// The largest of the finer numbers: 64 times 128, less so much that both planes are bytes.
const FINER: f32 = 8_000.0;

// Sums of products with nibbles are made in `i32`.
const _: () = assert!(15 * 128 * DIM_MAX <= i32::MAX as usize);

/// An `f64` of about this size has no fraction.
const NO_FRACTIONS: f64 = 1.5 * (1_u64 << 52) as f64;

/// Queries that are shorter or longer are not compared with codes.
const LENGTHS: std::ops::RangeInclusive<f64> = 1e-12..=1e18;

impl CodedQuery {
    /// Makes whole numbers of a query. `None` if it is so short or long that nothing could be proved by them.
    pub(crate) fn new(shape: Shape, vector: &[f32]) -> Option<Self> {
        let square = vector.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
        if !LENGTHS.contains(&square.sqrt()) {
            return None;
        }
        let scale = match shape {
            Shape::Apart | Shape::Product => 1.0,
            Shape::Directions => 1.0 / square.sqrt(),
        };
        let numbers: Vec<f64> = vector.iter().map(|it| f64::from(*it) * scale).collect();
        let most = numbers.iter().fold(0.0_f64, |most, it| most.max(it.abs())) as f32;
        let coarse = Whole::new(&numbers, most / BYTE);
        let fine = Whole::new(&numbers, most / FINER);
        let bytes = planes(coarse.numbers.iter().map(|it| *it as i8), numbers.len());
        let low_of = |it: i32| ((it + 64) & 127) - 64;
        let high = fine.numbers.iter().map(|it| ((it - low_of(*it)) >> 7) as i8);
        let low = fine.numbers.iter().map(|it| low_of(*it) as i8);
        Some(CodedQuery {
            shape,
            bytes,
            coarse: CoarseQuery {
                step: coarse.step,
                total: (coarse.total * f64::from(coarse.step)) as f32,
                size: match shape {
                    Shape::Apart | Shape::Directions => down(coarse.square * (1.0 - ROUNDING)),
                    Shape::Product => up((coarse.square.sqrt() + coarse.apart) * (1.0 + ROUNDING)),
                },
                apart: up(coarse.apart),
            },
            high: planes(high, numbers.len()),
            low: planes(low, numbers.len()),
            fine: FineQuery {
                step: f64::from(fine.step),
                total: fine.total,
                size: match shape {
                    Shape::Apart | Shape::Directions => fine.square * (1.0 - WIDE_ROUNDING),
                    Shape::Product => (fine.square.sqrt() + fine.apart) * (1.0 + WIDE_ROUNDING),
                },
                apart: fine.apart,
            },
        })
    }

    #[inline(always)]
    pub(crate) fn coarse(&self) -> (Shape, &CoarseQuery) {
        (self.shape, &self.coarse)
    }

    /// Its product with a vector of whom the upper plane says `base + step * nibble`, by the sum of the products.
    #[inline(always)]
    pub(crate) fn product(&self, base: f32, step: f32, sum: i32) -> f32 {
        base * self.coarse.total + step * self.coarse.step * sum as f32
    }

    /// How far it is from a vector of which half the square, less the product, is this; of what has no distance, its
    /// length.
    #[inline(always)]
    pub(crate) fn apart_at(&self, score: f32) -> f32 {
        match self.shape {
            Shape::Apart | Shape::Directions => (2.0 * score + self.coarse.size).max(0.0).sqrt(),
            Shape::Product => self.coarse.size,
        }
    }

    /// Half of the square of how far it is from a vector of which half the square, less the product, is this; of what has
    /// no distance, the product, negated.
    #[inline(always)]
    pub(crate) fn half_square(&self, score: f32) -> f32 {
        match self.shape {
            Shape::Apart | Shape::Directions => score + self.coarse.size / 2.0,
            Shape::Product => score,
        }
    }

    /// Its bytes, by fours, as tiles take them; how many fours there are is as many as the dimension needs.
    pub(crate) fn fours(&self, dim: usize) -> impl Iterator<Item = [i8; 4]> + '_ {
        let bytes = self.bytes.as_flattened().as_flattened();
        bytes.as_chunks::<4>().0.iter().take(dim.div_ceil(4)).copied()
    }
}

/// Whole numbers, and what they are worth.
struct Whole {
    step: f32,
    numbers: Vec<i32>,
    total: f64,
    /// The square of the length of what they say.
    square: f64,
    /// How far that is from what they were made of, at most.
    apart: f64,
}

impl Whole {
    fn new(numbers: &[f64], step: f32) -> Self {
        let wide = f64::from(step);
        // What is added leaves no room for a fraction: the nearest whole number stays, in a few instructions.
        let whole = |it: &f64| ((it / wide + NO_FRACTIONS) - NO_FRACTIONS) as i32;
        let wholes: Vec<i32> = numbers.iter().map(whole).collect();
        let said = wholes.iter().map(|it| f64::from(*it) * wide);
        let off = said.clone().zip(numbers).map(|(said, it)| (it - said).powi(2)).sum::<f64>();
        let square = said.map(|it| it * it).sum::<f64>();
        // By so much more may the sums, and a query made to be of length one, be off.
        let apart = off.sqrt() * (1.0 + 1e-9) + square.sqrt() * WIDE_ROUNDING;
        let total = wholes.iter().map(|it| f64::from(*it)).sum();
        Whole { step, numbers: wholes, total, square, apart }
    }
}

/// Numbers in the order in which the nibbles of a plane are: 64 low ones, then 64 high ones.
fn planes(numbers: impl Iterator<Item = i8>, dim: usize) -> Vec<[[i8; 64]; 2]> {
    let mut flat: Vec<i8> = numbers.collect();
    flat.resize(dim.next_multiple_of(STEP), 0);
    flat.as_chunks::<64>().0.as_chunks::<2>().0.to_vec()
}
