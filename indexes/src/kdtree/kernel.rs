//! How far sixteen points are from a query, and how far sixteen boxes are at least: squared.
//!
//! Promises
//!  1. A square is that of the metric (`kernels/sums.rs`), to the bit: its terms are rounded and added up in the same order.
//!  2. That of a box is not above that of any point in it: its terms are made by the same steps, each of which keeps order also when
//!     it is rounded. So nothing has to be allowed for.
//!  3. For up to 16 dimensions all loops have a known length.
#![expect(clippy::indexing_slicing, reason = "places are those of arrays, below their length")]

use crate::lanes::{Instructions, Isa, LANES, Work};

/// How many bytes sixteen numbers have.
pub(super) const COLUMN: usize = LANES * size_of::<f32>();

/// A box has two.
const COLUMNS: usize = 2 * COLUMN;

/// A query, as it is compared.
pub(super) trait Kernel: Copy {
    /// How many numbers it has.
    fn dim(self) -> usize;

    /// The squares of how far sixteen points are.
    fn points<I: Isa>(self, isa: I, columns: &[u8]) -> I::Floats;

    /// The squares of how far sixteen boxes are.
    fn boxes<I: Isa>(self, isa: I, columns: &[u8]) -> I::Floats;
}

#[inline(always)]
fn load<I: Isa>(isa: I, column: &[u8; COLUMN]) -> I::Floats {
    // At any address, so that an image may lie anywhere.
    isa.load(&bytemuck::pod_read_unaligned::<[f32; LANES]>(column))
}

/// How far numbers are from a number.
#[inline(always)]
fn apart<I: Isa>(isa: I, number: f32, column: &[u8; COLUMN]) -> I::Floats {
    isa.sub(isa.splat(number), load(isa, column))
}

/// How far a number is from ranges: 0 within.
#[inline(always)]
fn outside<I: Isa>(isa: I, number: f32, columns: &[u8; COLUMNS]) -> I::Floats {
    let [lowest, highest] = columns.as_chunks::<COLUMN>().0 else {
        unreachable!("there are two columns")
    };
    let number = isa.splat(number);
    let below = isa.sub(load(isa, lowest), number);
    let above = isa.sub(number, load(isa, highest));
    isa.max(isa.max(below, above), isa.splat(0.0))
}

/// A query of so many numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed<'q, const D: usize>(pub(super) &'q [f32; D]);

/// Adds up a term for each dimension, in the order in which lanes of a register are added.
#[inline(always)]
fn by_halves<I: Isa, const D: usize>(isa: I, mut terms: [I::Floats; D]) -> I::Floats {
    for half in [8, 4, 2, 1] {
        for at in 0..half {
            // What is not there is 0, and would change nothing.
            if at + half < D {
                terms[at] = isa.add(terms[at], terms[at + half]);
            }
        }
    }
    terms[0]
}

impl<const D: usize> Kernel for Fixed<'_, D> {
    #[inline(always)]
    fn dim(self) -> usize {
        D
    }

    #[inline(always)]
    fn points<I: Isa>(self, isa: I, columns: &[u8]) -> I::Floats {
        const { assert!(0 < D && D <= LANES, "terms are the lanes of a register") };
        let mut terms = [isa.splat(f32::INFINITY); D];
        if let Some(columns) = columns.as_chunks::<COLUMN>().0.first_chunk::<D>() {
            for at in 0..D {
                let apart = apart(isa, self.0[at], &columns[at]);
                terms[at] = isa.mul(apart, apart);
            }
        }
        by_halves(isa, terms)
    }

    #[inline(always)]
    fn boxes<I: Isa>(self, isa: I, columns: &[u8]) -> I::Floats {
        let mut terms = [isa.splat(f32::INFINITY); D];
        if let Some(columns) = columns.as_chunks::<COLUMNS>().0.first_chunk::<D>() {
            for at in 0..D {
                let outside = outside(isa, self.0[at], &columns[at]);
                terms[at] = isa.mul(outside, outside);
            }
        }
        by_halves(isa, terms)
    }
}

/// A query of any number of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Any<'q>(pub(super) &'q [f32]);

/// Adds up what two registers have.
#[inline(always)]
fn by_registers<I: Isa>(isa: I, sums: &[I::Floats; 2 * LANES]) -> I::Floats {
    let mut terms = [isa.splat(0.0); LANES];
    for at in 0..LANES {
        terms[at] = isa.add(sums[at], sums[at + LANES]);
    }
    by_halves(isa, terms)
}

impl Kernel for Any<'_> {
    #[inline(always)]
    fn dim(self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn points<I: Isa>(self, isa: I, columns: &[u8]) -> I::Floats {
        let mut sums = [isa.splat(0.0); 2 * LANES];
        let columns = columns.as_chunks::<COLUMN>().0;
        for (at, (number, column)) in self.0.iter().zip(columns).enumerate() {
            let apart = apart(isa, *number, column);
            let sum = &mut sums[at % (2 * LANES)];
            *sum = isa.mul_add(apart, apart, *sum);
        }
        by_registers(isa, &sums)
    }

    #[inline(always)]
    fn boxes<I: Isa>(self, isa: I, columns: &[u8]) -> I::Floats {
        let mut sums = [isa.splat(0.0); 2 * LANES];
        let columns = columns.as_chunks::<COLUMNS>().0;
        for (at, (number, columns)) in self.0.iter().zip(columns).enumerate() {
            let outside = outside(isa, *number, columns);
            let sum = &mut sums[at % (2 * LANES)];
            *sum = isa.mul_add(outside, outside, *sum);
        }
        by_registers(isa, &sums)
    }
}

/// Something that is done with a query, whatever the number of its numbers, and whatever instructions there are. As of `Work`, its
/// `run` must be `#[inline(always)]`.
pub(super) trait WithKernel {
    type Answer;

    fn run<I: Isa, K: Kernel>(self, isa: I, kernel: K) -> Self::Answer;
}

/// Work by a kernel.
struct By<W, K>(W, K);

impl<W: WithKernel, K: Kernel> Work for By<W, K> {
    type Answer = W::Answer;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> W::Answer {
        self.0.run(isa, self.1)
    }
}

/// Does work with the kernel for a query. By plain instructions nothing is gained by knowing how long loops are.
pub(super) fn with_kernel<W: WithKernel>(
    instructions: Instructions,
    query: &[f32],
    work: W,
) -> W::Answer {
    macro_rules! choose {
        ($($dim:literal)*) => {
            match (query.len(), instructions) {
                (_, Instructions::Scalar(_)) => instructions.run(By(work, Any(query))),
                $(($dim, _) => {
                    let Some(query) = query.first_chunk::<$dim>() else {
                        unreachable!("it has so many")
                    };
                    match instructions.run_on_floats(By(work, Fixed(query))) {
                        Some(answer) => answer,
                        None => unreachable!("there are more than plain instructions"),
                    }
                },)*
                _ => instructions.run(By(work, Any(query))),
            }
        };
    }
    choose!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

#[cfg(test)]
mod tests;
