//! Makes the code of a vector, and finds how far off it is.
//!
//! All sums are made in `f64`, where they are off by less than [`WIDE_ROUNDING`] of themselves, and every result is
//! rounded to the side where it proves less.

use super::{DIM_MAX, Shape};
use crate::kernels::sums::sum_error;
use crate::lanes::STEP;

/// What goes beside the planes.
pub(crate) struct Made {
    /// Of the upper one: base, step, error, size.
    pub(crate) coarse: [f32; 4],
    /// Of both: base, error, size.
    pub(crate) fine: [f32; 3],
}

/// What is allowed for the rounding of an `f32` expression of a few steps, as a part of the largest thing in it.
pub(super) const ROUNDING: f64 = 1.0 / (1 << 19) as f64;

/// What is allowed for that of an `f64` one, be it a sum of as many squares as a vector has numbers.
pub(super) const WIDE_ROUNDING: f64 = 1.0 / (1_u64 << 36) as f64;

// Each number that is added rounds once, and was itself rounded a few times.
const _: () = assert!((DIM_MAX + 16) as f64 * f64::EPSILON / 2.0 < WIDE_ROUNDING);

/// Nothing is proved of vectors that may be longer: squares of theirs could leave the range of an `f32`.
const LONGEST: f64 = 1e18;

/// What is allowed for what is too small for an `f32`.
const TINY: f64 = 1e-36;

/// The fine step of a coarse one.
#[inline(always)]
pub(crate) fn fine_step(coarse: f32) -> f32 {
    coarse * (1.0 / 16.0)
}

/// Nothing is known of this vector: it is as far from its code as can be.
const UNKNOWN: Made = Made {
    coarse: [0.0, 0.0, f32::INFINITY, f32::NEG_INFINITY],
    fine: [0.0, f32::INFINITY, f32::NEG_INFINITY],
};

/// Makes the code of a vector.
pub(crate) fn encode(shape: Shape, vector: &[f32], planes: (&mut [u8], &mut [u8])) -> Made {
    let (upper, lower) = planes;
    upper.fill(0);
    lower.fill(0);
    let scale = match shape {
        Shape::Apart | Shape::Product => 1.0,
        Shape::Directions => {
            let square = vector.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
            1.0 / square.sqrt()
        }
    };
    let (least, most) = vector.iter().fold((f32::MAX, f32::MIN), |(least, most), number| {
        (least.min(*number), most.max(*number))
    });
    let (least, most) = (f64::from(least) * scale, f64::from(most) * scale);
    let (base, step) = (least as f32, fine_step(((most - least) / 255.0 * 16.0) as f32));
    let coarse_step = step * 16.0;
    let coarse_base = (f64::from(base) + 7.5 * f64::from(step)) as f32;
    let root = (vector.len() as f64).sqrt();
    let longest = (f64::from(base).abs() + 255.0 * f64::from(step)) * root;
    if !(scale.is_finite() && longest < LONGEST) {
        return UNKNOWN;
    }
    let grid = Grid { scale, base, step, coarse_base, coarse_step };
    let found = grid.place(vector, upper, lower);
    let coarse_longest = (f64::from(coarse_base).abs() + 15.0 * f64::from(coarse_step)) * root;
    let coarse = found.coarse.figures(shape, vector.len(), coarse_longest, ROUNDING);
    let fine = found.fine.figures(shape, vector.len(), longest, WIDE_ROUNDING);
    Made {
        coarse: [coarse_base, coarse_step, coarse.error, coarse.size],
        fine: [base, fine.error, fine.size],
    }
}

/// Where codes stand.
struct Grid {
    scale: f64,
    base: f32,
    step: f32,
    coarse_base: f32,
    coarse_step: f32,
}

/// Squares of lengths.
#[derive(Clone, Copy, Default)]
struct Squares {
    /// Of what a vector is off.
    off: f64,
    /// Of what its code says.
    size: f64,
}

struct Placed {
    coarse: Squares,
    fine: Squares,
}

/// A figure of each.
struct Figures {
    error: f32,
    size: f32,
}

impl Grid {
    /// Puts the codes of a vector into its planes.
    fn place(&self, vector: &[f32], upper: &mut [u8], lower: &mut [u8]) -> Placed {
        let mut placed = Placed { coarse: Squares::default(), fine: Squares::default() };
        let planes = upper.as_chunks_mut::<64>().0.iter_mut().zip(lower.as_chunks_mut::<64>().0);
        for (numbers, (upper, lower)) in vector.chunks(STEP).zip(planes) {
            let mut codes = [0_u8; STEP];
            for (code, number) in codes.iter_mut().zip(numbers) {
                *code = self.place_one(*number, &mut placed);
            }
            let (low, high) = codes.split_at(STEP / 2);
            let pairs = low.iter().zip(high).zip(upper.iter_mut().zip(lower.iter_mut()));
            for ((low, high), (upper, lower)) in pairs {
                *upper = (low >> 4) | (high & 0xf0);
                *lower = (low & 15) | (high << 4);
            }
        }
        placed
    }

    #[inline(always)]
    fn place_one(&self, number: f32, placed: &mut Placed) -> u8 {
        let number = f64::from(number) * self.scale;
        let (base, step) = (f64::from(self.base), f64::from(self.step));
        // A step of 0 makes this no number, which is code 0; what is beyond the ends is put there.
        let code = ((number - base) / step + 0.5) as u8;
        let fine = base + step * f64::from(code);
        let coarse =
            f64::from(self.coarse_base) + f64::from(self.coarse_step) * f64::from(code >> 4);
        placed.fine.off += (number - fine).powi(2);
        placed.fine.size += fine.powi(2);
        placed.coarse.off += (number - coarse).powi(2);
        placed.coarse.size += coarse.powi(2);
        code
    }
}

impl Squares {
    /// What is kept of them. `longest` is more than any sum of absolute values in a bound can be, by the length of
    /// the query; `rounding` is how much of it the evaluation of a bound may be off.
    fn figures(self, shape: Shape, dim: usize, longest: f64, rounding: f64) -> Figures {
        let slack = 1.0 + 1e-6;
        // What the sums of squares themselves are off, and the vector of length one that was made on the way.
        let off = self.off.sqrt() * slack + longest * WIDE_ROUNDING;
        match shape {
            Shape::Apart | Shape::Directions => Figures {
                error: up(off),
                size: down(self.size * (1.0 - WIDE_ROUNDING) - rounding * longest.powi(2) - TINY),
            },
            Shape::Product => {
                let size = self.size.sqrt() * slack;
                let rounded = rounding * longest + sum_error(dim) * (size + off);
                Figures { error: up((off + rounded) * slack + TINY), size: up(size) }
            }
        }
    }
}

/// The next number that is not less.
pub(crate) fn up(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) < number { near.next_up() } else { near }
}

/// The next number that is not more.
pub(crate) fn down(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) > number { near.next_down() } else { near }
}
