//! The operations by NEON: 16 numbers are four registers.
//!
//! The products of bytes go by the widening multiplications every 64-bit ARM has; those that add four at once are
//! not to be had from stable Rust yet.

#![expect(unsafe_code, reason = "instructions that not every processor has: `Neon` is the proof")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "one proof holds for all of them")]

use std::arch::aarch64::*;

use super::{Isa, LANES, Work};

/// A processor that has NEON: only [`detect`](Neon::detect) makes one. In what follows `self` stands for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Neon {
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }

    /// Adds the products of 16 nibbles and 16 bytes to four numbers, each of neighbours.
    #[inline(always)]
    fn add_products(self, to: int32x4_t, nibbles: uint8x16_t, query: int8x16_t) -> int32x4_t {
        // SAFETY: `self`. Nothing is cut off: a product of a nibble and an `i8` fits an `i16`, and so do two.
        unsafe {
            let nibbles = vreinterpretq_s8_u8(nibbles);
            let low = vmull_s8(vget_low_s8(nibbles), vget_low_s8(query));
            let high = vmull_high_s8(nibbles, query);
            vpadalq_s16(to, vpaddq_s16(low, high))
        }
    }
}

/// Makes four registers, each from its place.
#[inline(always)]
fn each<T>(make: impl FnMut(usize) -> T) -> [T; 4] {
    std::array::from_fn(make)
}

#[expect(clippy::indexing_slicing, reason = "places are those of arrays of 4, by `each`")]
impl Isa for Neon {
    type Floats = [float32x4_t; 4];
    type Wholes = [int32x4_t; 4];
    type Bytes = [uint8x16_t; 4];
    type Four = int8x16_t;
    type Partials = [int32x4_t; 4];

    const WIDE: bool = false;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Answer {
        #[target_feature(enable = "neon")]
        fn inside<W: Work>(isa: Neon, work: W) -> W::Answer {
            work.run(isa)
        }
        // SAFETY: `self`.
        unsafe { inside(self, work) }
    }

    #[inline(always)]
    fn splat(self, number: f32) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        unsafe { [vdupq_n_f32(number); 4] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> [float32x4_t; 4] {
        // SAFETY: `self`; four times 4 of the 16 numbers are read.
        each(|at| unsafe { vld1q_f32(from.as_ptr().add(4 * at)) })
    }

    #[inline(always)]
    fn add(self, one: [float32x4_t; 4], other: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vaddq_f32(one[at], other[at]) })
    }

    #[inline(always)]
    fn sub(self, one: [float32x4_t; 4], other: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vsubq_f32(one[at], other[at]) })
    }

    #[inline(always)]
    fn mul(self, one: [float32x4_t; 4], other: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vmulq_f32(one[at], other[at]) })
    }

    #[inline(always)]
    fn mul_add(
        self,
        one: [float32x4_t; 4],
        other: [float32x4_t; 4],
        to: [float32x4_t; 4],
    ) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vfmaq_f32(to[at], one[at], other[at]) })
    }

    #[inline(always)]
    fn max(self, one: [float32x4_t; 4], other: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vmaxq_f32(one[at], other[at]) })
    }

    #[inline(always)]
    fn numbers(self, floats: [float32x4_t; 4]) -> [f32; LANES] {
        let mut to = [0.0; LANES];
        for (four, floats) in to.chunks_exact_mut(4).zip(floats) {
            // SAFETY: `self`; 4 numbers are written.
            unsafe { vst1q_f32(four.as_mut_ptr(), floats) }
        }
        to
    }

    #[inline(always)]
    fn sum(self, floats: [float32x4_t; 4]) -> f32 {
        // SAFETY: `self`.
        unsafe {
            let low = vaddq_f32(floats[0], floats[2]);
            let high = vaddq_f32(floats[1], floats[3]);
            let four = vaddq_f32(low, high);
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }

    #[inline(always)]
    fn above(self, one: [float32x4_t; 4], other: [float32x4_t; 4]) -> u16 {
        (0..4).fold(0, |mask, at| {
            let bits = [1_u32, 2, 4, 8];
            // SAFETY: `self`; 4 numbers are read.
            let four = unsafe {
                vaddvq_u32(vandq_u32(vcgtq_f32(one[at], other[at]), vld1q_u32(bits.as_ptr())))
            };
            mask | ((four as u16) << (4 * at))
        })
    }

    #[inline(always)]
    fn no_wholes(self) -> [int32x4_t; 4] {
        // SAFETY: `self`.
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn wholes(self, from: &[i32; LANES]) -> [int32x4_t; 4] {
        // SAFETY: `self`; four times 4 of the 16 numbers are read.
        each(|at| unsafe { vld1q_s32(from.as_ptr().add(4 * at)) })
    }

    #[inline(always)]
    fn to_floats(self, wholes: [int32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vcvtq_f32_s32(wholes[at]) })
    }

    #[inline(always)]
    fn sum_wholes(self, [a, b, c, d]: [int32x4_t; 4]) -> i32 {
        // SAFETY: `self`.
        unsafe { vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d))) }
    }

    #[inline(always)]
    fn nibbles(
        self,
        to: [int32x4_t; 4],
        plane: &[u8; 64],
        [low, high]: &[[i8; 64]; 2],
    ) -> [int32x4_t; 4] {
        each(|at| {
            // SAFETY: `self`; four times 16 of the 64 bytes are read of each.
            let (lows, highs, low, high) = unsafe {
                let plane = vld1q_u8(plane.as_ptr().add(16 * at));
                (
                    vandq_u8(plane, vdupq_n_u8(15)),
                    vshrq_n_u8::<4>(plane),
                    vld1q_s8(low.as_ptr().add(16 * at)),
                    vld1q_s8(high.as_ptr().add(16 * at)),
                )
            };
            self.add_products(self.add_products(to[at], lows, low), highs, high)
        })
    }

    #[inline(always)]
    fn bytes(self, from: &[[u8; 4]; LANES]) -> [uint8x16_t; 4] {
        // SAFETY: `self`; four times 16 of the 64 bytes are read.
        each(|at| unsafe { vld1q_u8(from.as_flattened().as_ptr().add(16 * at)) })
    }

    #[inline(always)]
    fn four(self, from: [i8; 4]) -> int8x16_t {
        let [a, b, c, d] = from;
        let whole = i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
        // SAFETY: `self`.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(whole)) }
    }

    #[inline(always)]
    fn no_partials(self) -> [int32x4_t; 4] {
        self.no_wholes()
    }

    #[inline(always)]
    fn multiply(
        self,
        to: [int32x4_t; 4],
        rows: [uint8x16_t; 4],
        query: int8x16_t,
    ) -> [int32x4_t; 4] {
        // Four neighbours of a row are the four bytes of one lane.
        each(|at| self.add_products(to[at], rows[at], query))
    }

    #[inline(always)]
    fn gather(self, to: [int32x4_t; 4], partials: [int32x4_t; 4]) -> [int32x4_t; 4] {
        // SAFETY: `self`.
        each(|at| unsafe { vaddq_s32(to[at], partials[at]) })
    }

    #[inline(always)]
    fn fetch<T: ?Sized>(self, what: &T) {
        let place = std::ptr::from_ref(what).cast::<u8>();
        // SAFETY: a hint that reads nothing and changes nothing.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) place, options(nostack, preserves_flags));
        }
    }
}
