//! The operations by AVX2 and FMA: 16 numbers are two registers.

#![expect(unsafe_code, reason = "instructions that not every processor has: `Avx2` is the proof")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "one proof holds for all of them")]

use std::arch::x86_64::*;

use super::{Isa, LANES, Work};

/// A processor that has AVX2, FMA and POPCNT: only [`detect`](Avx2::detect) makes one. In what follows `self` stands for
/// that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("popcnt");
        there.then_some(Avx2(()))
    }

    /// Adds the neighbours among 16 products, as whole numbers.
    #[inline(always)]
    fn add_pairs(self, to: __m256i, products: __m256i) -> __m256i {
        // SAFETY: `self`.
        unsafe { _mm256_add_epi32(to, _mm256_madd_epi16(products, _mm256_set1_epi16(1))) }
    }

    /// Loads half of 64 bytes.
    #[inline(always)]
    fn half<T>(self, from: &[T; 64], second: Half) -> __m256i {
        const { assert!(size_of::<T>() == 1, "bytes") };
        // SAFETY: `self`; the 32 bytes lie within the 64, and the load asks for no alignment.
        unsafe { _mm256_loadu_si256(from.as_ptr().add(second as usize).cast()) }
    }

    /// The products of half of a plane's nibbles: 16 numbers of at most 7,680.
    #[inline(always)]
    fn half_products(
        self,
        plane: &[u8; 64],
        low: &[i8; 64],
        high: &[i8; 64],
        half: Half,
    ) -> __m256i {
        let plane = self.half(plane, half);
        // SAFETY: `self`. Nothing is cut off: a sum of two products is at most 2 * 15 * 128, that of two such sums
        // twice that, and an `i16` holds 32,767.
        unsafe {
            let mask = _mm256_set1_epi8(15);
            let lows = _mm256_and_si256(plane, mask);
            let highs = _mm256_and_si256(_mm256_srli_epi16::<4>(plane), mask);
            _mm256_add_epi16(
                _mm256_maddubs_epi16(lows, self.half(low, half)),
                _mm256_maddubs_epi16(highs, self.half(high, half)),
            )
        }
    }
}

/// Where a half begins.
#[derive(Clone, Copy)]
enum Half {
    First = 0,
    Second = 32,
}

impl Isa for Avx2 {
    type Floats = [__m256; 2];
    type Wholes = [__m256i; 2];
    type Bytes = [__m256i; 2];
    type Four = __m256i;
    type Partials = [__m256i; 2];

    const WIDE: bool = false;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Answer {
        #[target_feature(enable = "avx2,fma,popcnt")]
        fn inside<W: Work>(isa: Avx2, work: W) -> W::Answer {
            work.run(isa)
        }
        // SAFETY: `self`.
        unsafe { inside(self, work) }
    }

    #[inline(always)]
    fn splat(self, number: f32) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_set1_ps(number); 2] }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> [__m256; 2] {
        // SAFETY: `self`; 8 and 8 of the 16 numbers are read, at any alignment.
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] }
    }

    #[inline(always)]
    fn add(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_add_ps(a, c), _mm256_add_ps(b, d)] }
    }

    #[inline(always)]
    fn sub(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_sub_ps(a, c), _mm256_sub_ps(b, d)] }
    }

    #[inline(always)]
    fn mul(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_mul_ps(a, c), _mm256_mul_ps(b, d)] }
    }

    #[inline(always)]
    fn mul_add(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2], [e, f]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_fmadd_ps(a, c, e), _mm256_fmadd_ps(b, d, f)] }
    }

    #[inline(always)]
    fn max(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_max_ps(a, c), _mm256_max_ps(b, d)] }
    }

    #[inline(always)]
    fn numbers(self, [a, b]: [__m256; 2]) -> [f32; LANES] {
        let mut to = [0.0; LANES];
        // SAFETY: `self`; 8 and 8 of the 16 numbers are written, at any alignment.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), a);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), b);
        }
        to
    }

    #[inline(always)]
    fn sum(self, [a, b]: [__m256; 2]) -> f32 {
        // SAFETY: `self`.
        unsafe {
            let eight = _mm256_add_ps(a, b);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn above(self, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> u16 {
        // SAFETY: `self`.
        let (low, high) = unsafe {
            (
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, c)),
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(b, d)),
            )
        };
        (low | (high << 8)) as u16
    }

    #[inline(always)]
    fn no_wholes(self) -> [__m256i; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    fn wholes(self, from: &[i32; LANES]) -> [__m256i; 2] {
        let from = from.as_ptr();
        // SAFETY: `self`; 8 and 8 of the 16 numbers are read, at any alignment.
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(8).cast())] }
    }

    #[inline(always)]
    fn to_floats(self, [a, b]: [__m256i; 2]) -> [__m256; 2] {
        // SAFETY: `self`.
        unsafe { [_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)] }
    }

    #[inline(always)]
    fn sum_wholes(self, [a, b]: [__m256i; 2]) -> i32 {
        // SAFETY: `self`.
        unsafe {
            let eight = _mm256_add_epi32(a, b);
            let high = _mm256_extracti128_si256::<1>(eight);
            let four = _mm_add_epi32(_mm256_castsi256_si128(eight), high);
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b1110>(four));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b01>(two)))
        }
    }

    #[inline(always)]
    fn nibbles(
        self,
        [a, b]: [__m256i; 2],
        plane: &[u8; 64],
        [low, high]: &[[i8; 64]; 2],
    ) -> [__m256i; 2] {
        let first = self.half_products(plane, low, high, Half::First);
        let second = self.half_products(plane, low, high, Half::Second);
        // SAFETY: `self`; twice 7,680 fits an `i16`.
        let products = unsafe { _mm256_add_epi16(first, second) };
        [self.add_pairs(a, products), b]
    }

    #[inline(always)]
    fn bytes(self, from: &[[u8; 4]; LANES]) -> [__m256i; 2] {
        let from = from.as_flattened().as_ptr();
        // SAFETY: `self`; 32 and 32 of the 64 bytes are read, at any alignment.
        unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())] }
    }

    #[inline(always)]
    fn four(self, from: [i8; 4]) -> __m256i {
        let [a, b, c, d] = from;
        let whole = i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
        // SAFETY: `self`.
        unsafe { _mm256_set1_epi32(whole) }
    }

    #[inline(always)]
    fn no_partials(self) -> [__m256i; 2] {
        self.no_wholes()
    }

    #[inline(always)]
    fn multiply(self, [a, b]: [__m256i; 2], [c, d]: [__m256i; 2], query: __m256i) -> [__m256i; 2] {
        // SAFETY: `self`. Nothing is cut off: two products of a nibble and an `i8` are at most 3,840, and eight of
        // those fit an `i16` (`GATHER_AFTER`).
        unsafe {
            [
                _mm256_add_epi16(a, _mm256_maddubs_epi16(c, query)),
                _mm256_add_epi16(b, _mm256_maddubs_epi16(d, query)),
            ]
        }
    }

    #[inline(always)]
    fn gather(self, [a, b]: [__m256i; 2], [c, d]: [__m256i; 2]) -> [__m256i; 2] {
        [self.add_pairs(a, c), self.add_pairs(b, d)]
    }

    #[inline(always)]
    fn fetch<T: ?Sized>(self, what: &T) {
        // SAFETY: `self`; a hint that reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(what).cast()) }
    }
}
