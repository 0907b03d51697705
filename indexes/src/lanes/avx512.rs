//! The operations by AVX-512: 16 numbers are one register. With VNNI products of bytes are added in one step.

#![expect(unsafe_code, reason = "instructions that not every processor has: `Avx512` is the proof")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "one proof holds for all of them")]

use std::arch::x86_64::*;

use super::{Isa, LANES, Work};

/// A processor that has AVX-512 F, BW, VL and DQ, and VNNI if it says so: only [`detect`](Avx512::detect) makes
/// one. In what follows `self` stands for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512<const VNNI: bool>(());

impl<const VNNI: bool> Avx512<VNNI> {
    pub(crate) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("popcnt")
            && (!VNNI || is_x86_feature_detected!("avx512vnni"));
        there.then_some(Avx512(()))
    }

    /// The same processor, whatever else it has.
    pub(crate) fn without_vnni(self) -> Avx512<false> {
        Avx512(())
    }

    #[inline(always)]
    fn load_bytes<T>(self, from: &[T; 64]) -> __m512i {
        const { assert!(size_of::<T>() == 1, "bytes") };
        // SAFETY: `self`; all 64 bytes are read, at any alignment.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    /// Adds the products of bytes, four to a number.
    #[inline(always)]
    fn add_products(self, to: __m512i, bytes: __m512i, query: __m512i) -> __m512i {
        if VNNI {
            // SAFETY: `self`, with VNNI.
            return unsafe { _mm512_dpbusd_epi32(to, bytes, query) };
        }
        // SAFETY: `self`. Nothing is cut off: two products of a nibble and an `i8` are at most 3,840.
        unsafe {
            let products = _mm512_maddubs_epi16(bytes, query);
            _mm512_add_epi32(to, _mm512_madd_epi16(products, _mm512_set1_epi16(1)))
        }
    }
}

impl<const VNNI: bool> Isa for Avx512<VNNI> {
    type Floats = __m512;
    type Wholes = __m512i;
    type Bytes = __m512i;
    type Four = __m512i;
    type Partials = __m512i;

    const WIDE: bool = true;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Answer {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,popcnt")]
        fn inside<W: Work>(isa: Avx512<false>, work: W) -> W::Answer {
            work.run(isa)
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,popcnt")]
        fn inside_vnni<W: Work>(isa: Avx512<true>, work: W) -> W::Answer {
            work.run(isa)
        }
        // SAFETY: `self`.
        unsafe { if VNNI { inside_vnni(Avx512(()), work) } else { inside(Avx512(()), work) } }
    }

    #[inline(always)]
    fn splat(self, number: f32) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        // SAFETY: `self`; the 16 numbers are read, at any alignment.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }

    #[inline(always)]
    fn add(self, one: __m512, other: __m512) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_add_ps(one, other) }
    }

    #[inline(always)]
    fn sub(self, one: __m512, other: __m512) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_sub_ps(one, other) }
    }

    #[inline(always)]
    fn mul(self, one: __m512, other: __m512) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_mul_ps(one, other) }
    }

    #[inline(always)]
    fn mul_add(self, one: __m512, other: __m512, to: __m512) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_fmadd_ps(one, other, to) }
    }

    #[inline(always)]
    fn max(self, one: __m512, other: __m512) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_max_ps(one, other) }
    }

    #[inline(always)]
    fn numbers(self, floats: __m512) -> [f32; LANES] {
        let mut to = [0.0; LANES];
        // SAFETY: `self`; the 16 numbers are written, at any alignment.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), floats) }
        to
    }

    #[inline(always)]
    fn sum(self, floats: __m512) -> f32 {
        // SAFETY: `self`.
        unsafe {
            let high = _mm512_extractf32x8_ps::<1>(floats);
            let eight = _mm256_add_ps(_mm512_castps512_ps256(floats), high);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn above(self, one: __m512, other: __m512) -> u16 {
        // SAFETY: `self`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(one, other) }
    }

    #[inline(always)]
    fn no_wholes(self) -> __m512i {
        // SAFETY: `self`.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn wholes(self, from: &[i32; LANES]) -> __m512i {
        // SAFETY: `self`; the 16 numbers are read, at any alignment.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn to_floats(self, wholes: __m512i) -> __m512 {
        // SAFETY: `self`.
        unsafe { _mm512_cvtepi32_ps(wholes) }
    }

    #[inline(always)]
    fn sum_wholes(self, wholes: __m512i) -> i32 {
        // SAFETY: `self`.
        unsafe { _mm512_reduce_add_epi32(wholes) }
    }

    #[inline(always)]
    fn nibbles(self, to: __m512i, plane: &[u8; 64], [low, high]: &[[i8; 64]; 2]) -> __m512i {
        let plane = self.load_bytes(plane);
        // SAFETY: `self`.
        let (lows, highs) = unsafe {
            let mask = _mm512_set1_epi8(15);
            let highs = _mm512_and_si512(_mm512_srli_epi16::<4>(plane), mask);
            (_mm512_and_si512(plane, mask), highs)
        };
        let to = self.add_products(to, lows, self.load_bytes(low));
        self.add_products(to, highs, self.load_bytes(high))
    }

    #[inline(always)]
    fn bytes(self, from: &[[u8; 4]; LANES]) -> __m512i {
        // SAFETY: `self`; all 64 bytes are read, at any alignment.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn four(self, from: [i8; 4]) -> __m512i {
        let [a, b, c, d] = from;
        let whole = i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
        // SAFETY: `self`.
        unsafe { _mm512_set1_epi32(whole) }
    }

    #[inline(always)]
    fn no_partials(self) -> __m512i {
        self.no_wholes()
    }

    #[inline(always)]
    fn multiply(self, to: __m512i, rows: __m512i, query: __m512i) -> __m512i {
        if VNNI {
            return self.add_products(to, rows, query);
        }
        // SAFETY: `self`. Nothing is cut off: two products of a nibble and an `i8` are at most 3,840, and eight of
        // those fit an `i16` (`GATHER_AFTER`).
        unsafe { _mm512_add_epi16(to, _mm512_maddubs_epi16(rows, query)) }
    }

    #[inline(always)]
    fn gather(self, to: __m512i, partials: __m512i) -> __m512i {
        // SAFETY: `self`.
        unsafe {
            let partials =
                if VNNI { partials } else { _mm512_madd_epi16(partials, _mm512_set1_epi16(1)) };
            _mm512_add_epi32(to, partials)
        }
    }

    #[inline(always)]
    fn fetch<T: ?Sized>(self, what: &T) {
        // SAFETY: `self`; a hint that reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(what).cast()) }
    }
}
