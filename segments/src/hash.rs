//! Names what a vector is recognised by: the hash of its bytes, or of its rounded numbers.
//!
//! Promises
//!  1. Two vectors are taken for one only after they were compared, whatever their hashes say.
//!  2. What is not finite is refused, with its position: it has no distance to anything.
//!
//! Of numbers that are equal and differ in their bits there is one pair, 0.0 and -0.0. Under
//! [`Dedup::Exact`] they are two vectors, since what is stored comes back bit for bit; under
//! [`Dedup::Decimals`] they are one.

use base::checksum::Xxh3;

/// XXH3-64 of a vector's bytes: its checksum, and what it is looked up by under [`Dedup::Exact`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VectorHash(u64);

impl VectorHash {
    /// The hash of a vector.
    pub fn of(vector: &[f32]) -> Self {
        VectorHash(Xxh3::of(bytemuck::cast_slice(vector)))
    }

    /// The hash of a vector's bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        VectorHash(Xxh3::of(bytes))
    }

    /// A hash that somebody else worked out. It is a hint where to look first, and no more: a wrong one
    /// may cost time, and never merges or harms anything.
    pub const fn from_raw(hash: u64) -> Self {
        VectorHash(hash)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// When two vectors are one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Dedup {
    /// When they have the same bits.
    #[default]
    Exact,
    /// When their numbers are the same, rounded to this many decimals. What is stored, and comes back, is
    /// the first of them.
    Decimals(Decimals),
    /// Never.
    Off,
}

/// How many decimals count: 0 to 12.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimals(u8);

impl Decimals {
    /// The most: vectors that differ behind those are hardly the same.
    pub const MAX: u8 = 12;

    /// So many decimals; `None` for more than [`MAX`](Decimals::MAX).
    pub const fn new(count: u8) -> Option<Self> {
        if count <= Decimals::MAX { Some(Decimals(count)) } else { None }
    }

    /// How many.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// A number, rounded, as bits that are the same for the same number.
    fn round(self, number: f32) -> u64 {
        let scale = 10_f64.powi(i32::from(self.0));
        let rounded = (f64::from(number) * scale).round();
        // The sum turns -0.0 into 0.0.
        (rounded + 0.0).to_bits()
    }
}

/// A number that is no number, or without end.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NotFinite {
    /// Where it stands in the vector.
    pub position: usize,
    /// What it is.
    pub value: f32,
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "number {} of the vector is {}, and only finite ones can be stored; leave it out, or mend its source",
            self.position, self.value
        )
    }
}

impl std::error::Error for NotFinite {}

/// Refuses a vector with a number that is not finite.
///
/// # Errors
/// [`NotFinite`], for the first of them.
pub fn check_finite(vector: &[f32]) -> Result<(), NotFinite> {
    // All of them without a way out: that the compiler turns into wide instructions.
    if vector.iter().fold(true, |all, number| all & number.is_finite()) {
        return Ok(());
    }
    let found = vector.iter().enumerate().find(|(_, number)| !number.is_finite());
    found.map_or(Ok(()), |(position, value)| Err(NotFinite { position, value: *value }))
}

impl Dedup {
    /// What a vector is looked up by; `None` if none is ever one with another. The hash is the vector's own.
    pub fn key_of(self, vector: &[f32], hash: VectorHash) -> Option<u64> {
        match self {
            Dedup::Exact => Some(hash.get()),
            Dedup::Decimals(decimals) => {
                let mut sum = Xxh3::new();
                for number in vector {
                    sum.update(&decimals.round(*number).to_le_bytes());
                }
                Some(sum.sum())
            }
            Dedup::Off => None,
        }
    }

    /// Whether two vectors are one.
    pub fn are_one(self, one: &[f32], other: &[f32]) -> bool {
        match self {
            Dedup::Exact => {
                bytemuck::cast_slice::<f32, u8>(one) == bytemuck::cast_slice::<f32, u8>(other)
            }
            Dedup::Decimals(decimals) => {
                let round = |number: &f32| decimals.round(*number);
                one.iter().map(round).eq(other.iter().map(round))
            }
            Dedup::Off => false,
        }
    }
}

/// What vectors of a collection are looked up by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    pub(crate) dedup: Dedup,
    /// How many bits of a key count; fewer only where tests want collisions.
    pub(crate) bits: u32,
}

impl Keys {
    pub(crate) fn of(dedup: Dedup) -> Self {
        Keys { dedup, bits: u64::BITS }
    }

    /// The key of a vector with this hash.
    pub(crate) fn of_vector(self, vector: &[f32], hash: VectorHash) -> Option<u64> {
        self.dedup.key_of(vector, hash).map(|key| self.cut(key))
    }

    /// So much of a key as counts.
    pub(crate) fn cut(self, key: u64) -> u64 {
        key & (u64::MAX >> (u64::BITS - self.bits))
    }
}

#[cfg(test)]
mod tests;
