//! Cache lines: of numbers and of words, each of which many read and write at any time, and of bytes, which are behind gates.
#![expect(unsafe_code, reason = "says of two types what their fields do not say by themselves")]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytemuck::Zeroable;

/// How many bytes a line has.
pub(super) const BYTES: usize = crate::rows::LINE;

/// How many numbers.
pub(super) const NUMBERS: usize = BYTES / size_of::<u32>();

/// A line of numbers.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Numbers(pub(super) [AtomicU32; NUMBERS]);

/// A line of words.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Words([AtomicU64; WORDS]);

/// How many words a line has.
pub(crate) const WORDS: usize = BYTES / size_of::<u64>();

/// A line of bytes, which `rows.rs` alone reads and writes.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Bytes(pub(super) UnsafeCell<[u8; BYTES]>);

// SAFETY: atomic numbers, and bytes: they are there when all bits are zero, and lines have no room between.
unsafe impl Zeroable for Numbers {}
// SAFETY: as above.
unsafe impl Zeroable for Words {}
// SAFETY: as above.
unsafe impl Zeroable for Bytes {}

// SAFETY: `Bytes` has no way to its bytes but its field, and who uses that proves that nobody writes what another
// reads (`rows.rs`).
unsafe impl Sync for Bytes {}

const _: () = assert!(size_of::<Numbers>() == BYTES && size_of::<Bytes>() == BYTES);
const _: () = assert!(size_of::<Words>() == BYTES);

impl Numbers {
    /// How many a line has.
    pub(crate) const COUNT: usize = NUMBERS;

    /// One of them.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> u32 {
        self.0.get(at).map_or(0, |number| number.load(Ordering::Relaxed))
    }
}

impl Words {
    /// All of them, some of the old ones and some of the new ones while another thread puts others.
    #[inline(always)]
    pub(crate) fn get(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        for (word, place) in words.iter_mut().zip(&self.0) {
            *word = place.load(Ordering::Relaxed);
        }
        words
    }

    /// In how many bits they differ from others.
    #[inline(always)]
    pub(crate) fn apart(&self, others: &[u64; WORDS]) -> u32 {
        let mut bits = 0;
        for (place, other) in self.0.iter().zip(others) {
            bits += (place.load(Ordering::Relaxed) ^ other).count_ones();
        }
        bits
    }

    /// Puts others in their place.
    pub(crate) fn put(&self, words: &[u64; WORDS]) {
        self.0.iter().zip(words).for_each(|(place, word)| place.store(*word, Ordering::Relaxed));
    }
}
