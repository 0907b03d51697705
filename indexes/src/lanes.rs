//! What an instruction set gives to the kernels: wide registers, always seen as 16 rows or 16 numbers at a time.
//!
//! The kernels (`kernels/`) are written once, over [`Isa`]; a file below this one only supplies its operations. To
//! run one, a [`Work`] is handed to an [`Instructions`], which was chosen once, for an index or a query: what it
//! runs is compiled for that instruction set as a whole.
//!
//! Promises
//!  1. Every instruction set gives the same bits: sums are kept in the same 32 lanes and added in the same order,
//!     products are fused everywhere, and what is whole stays exact.
//!  2. A value of an instruction set's type exists only where the processor has it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

#[cfg(test)]
mod tests;

/// How many numbers, or rows, an operation deals with.
pub(crate) const LANES: usize = 16;

/// How many nibbles of a row are multiplied by one step of [`Isa::nibbles`]: 64 bytes of two.
pub(crate) const STEP: usize = 128;

/// After so many steps of [`Isa::multiply`] partial products are gathered, or they may overflow.
pub(crate) const GATHER_AFTER: usize = 8;

/// The largest number in a byte of rows that [`Isa::multiply`] may be given; a query has any `i8`.
#[cfg(test)]
pub(crate) const NIBBLE_MAX: u8 = 15;

/// The operations of an instruction set.
pub(crate) trait Isa: Copy + Send + Sync {
    /// 16 floats.
    type Floats: Copy;
    /// Whole numbers: one for each of 16 rows, or 16 parts of one.
    type Wholes: Copy;
    /// 64 bytes: four neighbouring ones of each of 16 rows.
    type Bytes: Copy;
    /// Four neighbouring bytes of a query, as often as they are needed.
    type Four: Copy;
    /// Products of bytes of 16 rows, on their way to be whole numbers.
    type Partials: Copy;

    /// Whether it has 32 registers of 16 numbers, where the others have eight.
    const WIDE: bool;

    /// Does work with everything compiled for this instruction set.
    fn enter<W: Work>(self, work: W) -> W::Answer;

    /// The same number 16 times.
    fn splat(self, number: f32) -> Self::Floats;
    /// 16 numbers.
    fn load(self, from: &[f32; LANES]) -> Self::Floats;
    fn add(self, one: Self::Floats, other: Self::Floats) -> Self::Floats;
    fn sub(self, one: Self::Floats, other: Self::Floats) -> Self::Floats;
    fn mul(self, one: Self::Floats, other: Self::Floats) -> Self::Floats;
    /// `one * other + to`, rounded once.
    fn mul_add(self, one: Self::Floats, other: Self::Floats, to: Self::Floats) -> Self::Floats;
    /// The larger ones; either, where one is no number.
    fn max(self, one: Self::Floats, other: Self::Floats) -> Self::Floats;
    /// All 16, one by one.
    fn numbers(self, floats: Self::Floats) -> [f32; LANES];
    /// All 16: halves are added until one is left.
    fn sum(self, floats: Self::Floats) -> f32;
    /// A bit for each lane where `one > other`; none where either is no number.
    fn above(self, one: Self::Floats, other: Self::Floats) -> u16;

    fn no_wholes(self) -> Self::Wholes;
    fn wholes(self, from: &[i32; LANES]) -> Self::Wholes;
    fn to_floats(self, wholes: Self::Wholes) -> Self::Floats;
    fn sum_wholes(self, wholes: Self::Wholes) -> i32;
    /// Adds the products of 128 nibbles and as many bytes of a query: low nibbles with the first half.
    fn nibbles(self, to: Self::Wholes, plane: &[u8; 64], query: &[[i8; 64]; 2]) -> Self::Wholes;

    fn bytes(self, from: &[[u8; 4]; LANES]) -> Self::Bytes;
    fn four(self, from: [i8; 4]) -> Self::Four;
    fn no_partials(self) -> Self::Partials;
    /// Adds the products of each row's four bytes with the query's; at most [`GATHER_AFTER`] times in a row.
    fn multiply(self, to: Self::Partials, rows: Self::Bytes, query: Self::Four) -> Self::Partials;
    fn gather(self, to: Self::Wholes, partials: Self::Partials) -> Self::Wholes;

    /// Says that this will be needed soon.
    fn fetch<T: ?Sized>(self, what: &T);
}

/// Something to be done with the operations of whatever instruction set there is. Its `run` must be
/// `#[inline(always)]`, and so must everything in it that uses them, or they stay calls. A closure is not: loops around
/// operations are plain ones.
pub(crate) trait Work {
    type Answer;

    fn run<I: Isa>(self, isa: I) -> Self::Answer;
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Instructions {
    Scalar(scalar::Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512<false>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(avx512::Avx512<true>),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Instructions {
    /// All that this processor has, the best one last.
    pub(crate) fn all() -> impl Iterator<Item = Instructions> {
        let first = [Some(Instructions::Scalar(scalar::Scalar))];
        #[cfg(target_arch = "x86_64")]
        let more = [
            avx2::Avx2::detect().map(Instructions::Avx2),
            avx512::Avx512::<false>::detect().map(Instructions::Avx512),
            avx512::Avx512::<true>::detect().map(Instructions::Avx512Vnni),
        ];
        #[cfg(target_arch = "aarch64")]
        let more = [neon::Neon::detect().map(Instructions::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let more = [];
        first.into_iter().chain(more).flatten()
    }

    /// The best one.
    pub(crate) fn best() -> Instructions {
        static BEST: std::sync::OnceLock<Instructions> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| {
            Instructions::all().last().unwrap_or(Instructions::Scalar(scalar::Scalar))
        })
    }

    /// Does work on floats alone, for which there are fewer sets; nothing, if there are only plain instructions.
    #[inline]
    pub(crate) fn run_on_floats<W: Work>(self, work: W) -> Option<W::Answer> {
        match self {
            Instructions::Scalar(_) => None,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(isa) => Some(isa.enter(work)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(isa) => Some(isa.enter(work)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Vnni(isa) => Some(isa.without_vnni().enter(work)),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(isa) => Some(isa.enter(work)),
        }
    }

    /// Its name, for statistics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Instructions::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Vnni(_) => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(_) => "neon",
        }
    }

    /// Does work with it.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Answer {
        match self {
            Instructions::Scalar(isa) => isa.enter(work),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(isa) => isa.enter(work),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(isa) => isa.enter(work),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512Vnni(isa) => isa.enter(work),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(isa) => isa.enter(work),
        }
    }
}
