//! How near a node is to a query, by its code: at a guess, at a glance, and by both planes.
//!
//! Nothing is proved by it: a walk goes by it, and what it finds is compared in full.

use super::between::{Meaning, Planes};
use crate::codes::{Beside, CodedQuery, CodesInUse, DIM_MAX, Whole, encode, upper_products};
use crate::lanes::Isa;

// A sum over both planes is a whole number.
const _: () = assert!((16 + 1) * 15 * 128 * DIM_MAX <= i32::MAX as usize);

impl<'p> CodesInUse<'p> {
    /// The code of a slot, to be compared with those of others.
    #[inline(always)]
    pub(super) fn planes<I: Isa>(self, isa: I, slot: u32) -> Option<Planes<'p>> {
        let Whole { upper, beside, lower } = self.whole::<false, false>(slot)?;
        let Beside { base, step, half, error, fine_base, fine_error, fine_size, fine_half, .. } =
            beside;
        let coarse = Meaning { base, step, half, error, length: fine_size };
        let step = encode::fine_step(step);
        let (half, error) = (fine_half, fine_error);
        let fine = Meaning { base: fine_base, step, half, error, length: fine_size };
        Some(Planes::new(isa, (upper, lower), (coarse, fine)))
    }

    /// Something that grows with how far a vector is from a query, by its upper plane alone.
    #[inline(always)]
    pub(super) fn guess<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
    ) -> f32 {
        let Some((upper, Beside { base, step, half, .. })) = self.row::<CHECK>(slot) else {
            return f32::INFINITY;
        };
        half - query.product(base, step, upper_products(isa, upper, query))
    }

    /// The sum of products that the guess is made of; nothing, if the guess is beyond `least`, less what it is off by: about
    /// `reach` times how far the upper plane is from the vector.
    #[inline(always)]
    pub(super) fn glance<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        (least, reach): (f32, f32),
    ) -> Option<i32> {
        let (upper, Beside { base, step, half, error, .. }) = self.row::<CHECK>(slot)?;
        let sum = upper_products(isa, upper, query);
        let guess = half - query.product(base, step, sum);
        // Not the other way round: what is no number is looked at.
        if guess - reach * error > least { None } else { Some(sum) }
    }

    /// The same as a guess, by both planes: the sum of products with the upper one is there already.
    #[inline(always)]
    pub(super) fn score<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        sum: i32,
    ) -> f32 {
        let Some(Whole { beside, lower, .. }) = self.whole::<false, CHECK>(slot) else {
            return f32::INFINITY;
        };
        let Beside { step, fine_base, fine_half, .. } = beside;
        let sum = 16 * sum + upper_products(isa, lower, query);
        fine_half - query.product(fine_base, encode::fine_step(step), sum)
    }
}
