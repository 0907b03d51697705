//! Lists of numbers, each of which may change at any time: a reader finds some of the old ones, some of the new ones.
//!
//! Nothing is in order by them: what a number leads to says itself whether it may be read.

use std::sync::atomic::Ordering;

use super::Pieces;
use super::line::{NUMBERS, Numbers};

/// Lists of at most so many numbers, 0 where there is none.
#[derive(Debug)]
pub(crate) struct Lists(Pieces<Numbers>);

impl Lists {
    /// No lists yet, with room for so many numbers each.
    pub(crate) fn new(numbers: usize, first: usize) -> Self {
        Lists(Pieces::new(numbers.div_ceil(NUMBERS), first))
    }

    /// A list, in cache lines.
    #[inline(always)]
    pub(crate) fn list(&self, at: usize) -> &[Numbers] {
        self.0.row(at)
    }

    /// Makes room for a list.
    pub(crate) fn make(&self, at: usize) {
        self.0.make(at);
    }

    /// Puts numbers in the place of those that were there, as many as there is room for. Only one may write to a list at a
    /// time, or some of both are there.
    pub(crate) fn put(&self, at: usize, numbers: impl Iterator<Item = u32>) {
        let places = self.0.make(at).iter().flat_map(|line| &line.0);
        for (place, number) in places.zip(numbers.chain(std::iter::repeat(0))) {
            place.store(number, Ordering::Relaxed);
        }
    }

    /// Above every list for which there is room.
    pub(crate) fn end(&self) -> usize {
        self.0.end()
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }
}
