//! The operations in plain Rust: for processors that have none of the others, and what the others must equal.
//!
//! Where the processor has no fused multiplication it is done in software: slow, and the same bits.

use super::{Isa, LANES, Work};

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

/// Makes 16 numbers, each from its place.
#[inline(always)]
fn each<T>(make: impl FnMut(usize) -> T) -> [T; LANES] {
    std::array::from_fn(make)
}

#[expect(clippy::indexing_slicing, reason = "places are those of arrays of 16, by `each`")]
impl Isa for Scalar {
    type Floats = [f32; LANES];
    type Wholes = [i32; LANES];
    type Bytes = [[u8; 4]; LANES];
    type Four = [i8; 4];
    type Partials = [i32; LANES];

    const WIDE: bool = false;

    // Else all of it becomes a part of whatever calls it, several times.
    #[inline(never)]
    fn enter<W: Work>(self, work: W) -> W::Answer {
        work.run(self)
    }

    #[inline(always)]
    fn splat(self, number: f32) -> [f32; LANES] {
        [number; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> [f32; LANES] {
        *from
    }

    #[inline(always)]
    fn add(self, one: [f32; LANES], other: [f32; LANES]) -> [f32; LANES] {
        each(|at| one[at] + other[at])
    }

    #[inline(always)]
    fn sub(self, one: [f32; LANES], other: [f32; LANES]) -> [f32; LANES] {
        each(|at| one[at] - other[at])
    }

    #[inline(always)]
    fn mul(self, one: [f32; LANES], other: [f32; LANES]) -> [f32; LANES] {
        each(|at| one[at] * other[at])
    }

    #[inline(never)]
    fn mul_add(self, one: [f32; LANES], other: [f32; LANES], to: [f32; LANES]) -> [f32; LANES] {
        each(|at| one[at].mul_add(other[at], to[at]))
    }

    #[inline(always)]
    fn max(self, one: [f32; LANES], other: [f32; LANES]) -> [f32; LANES] {
        each(|at| one[at].max(other[at]))
    }

    #[inline(always)]
    fn numbers(self, floats: [f32; LANES]) -> [f32; LANES] {
        floats
    }

    #[inline(never)]
    fn sum(self, floats: [f32; LANES]) -> f32 {
        let eight: [f32; 8] = std::array::from_fn(|at| floats[at] + floats[at + 8]);
        let four: [f32; 4] = std::array::from_fn(|at| eight[at] + eight[at + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(never)]
    fn above(self, one: [f32; LANES], other: [f32; LANES]) -> u16 {
        (0..LANES).fold(0, |mask, at| mask | (u16::from(one[at] > other[at]) << at))
    }

    #[inline(always)]
    fn no_wholes(self) -> [i32; LANES] {
        [0; LANES]
    }

    #[inline(always)]
    fn wholes(self, from: &[i32; LANES]) -> [i32; LANES] {
        *from
    }

    #[inline(always)]
    fn to_floats(self, wholes: [i32; LANES]) -> [f32; LANES] {
        wholes.map(|whole| whole as f32)
    }

    #[inline(never)]
    fn sum_wholes(self, wholes: [i32; LANES]) -> i32 {
        wholes.iter().sum()
    }

    #[inline(never)]
    fn nibbles(
        self,
        to: [i32; LANES],
        plane: &[u8; 64],
        [low, high]: &[[i8; 64]; 2],
    ) -> [i32; LANES] {
        each(|at| {
            (at..64).step_by(LANES).fold(to[at], |sum, at| {
                let lower = i32::from(plane[at] & 15) * i32::from(low[at]);
                sum + lower + i32::from(plane[at] >> 4) * i32::from(high[at])
            })
        })
    }

    #[inline(always)]
    fn bytes(self, from: &[[u8; 4]; LANES]) -> [[u8; 4]; LANES] {
        *from
    }

    #[inline(always)]
    fn four(self, from: [i8; 4]) -> [i8; 4] {
        from
    }

    #[inline(always)]
    fn no_partials(self) -> [i32; LANES] {
        [0; LANES]
    }

    #[inline(never)]
    fn multiply(self, to: [i32; LANES], rows: [[u8; 4]; LANES], query: [i8; 4]) -> [i32; LANES] {
        each(|at| {
            let pairs = rows[at].iter().zip(query);
            pairs.fold(to[at], |sum, (row, query)| sum + i32::from(*row) * i32::from(query))
        })
    }

    #[inline(never)]
    fn gather(self, to: [i32; LANES], partials: [i32; LANES]) -> [i32; LANES] {
        each(|at| to[at] + partials[at])
    }

    #[inline(always)]
    fn fetch<T: ?Sized>(self, _: &T) {}
}
