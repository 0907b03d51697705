//! Prepares what a writer brings to the log, outside any lock.

use std::borrow::Cow;
use std::ops::Range;

use base::checksum::{Crc32, Xxh3};

use crate::options::Options;

/// The part of a batch that can be prepared before its place in the log is known: all its checksums are
/// worked out here.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Vec<u8>,
    /// The sum of the first piece that fits a record: of all, most often.
    first_sum: u32,
    /// The sums of the other pieces.
    other_sums: Vec<u32>,
    piece_bytes: usize,
    whole_sum: u64,
}

impl Body {
    /// Sums the bytes, for a log of these options.
    pub fn new(bytes: Vec<u8>, options: &Options) -> Self {
        Self::cut(bytes, options.part_bytes)
    }

    fn cut(bytes: Vec<u8>, piece_bytes: usize) -> Self {
        let mut sums = bytes.chunks(piece_bytes).map(Crc32::of);
        let first_sum = sums.next().unwrap_or_default();
        let other_sums = sums.collect();
        let whole_sum = Xxh3::of(&bytes);
        Body { bytes, first_sum, other_sums, piece_bytes, whole_sum }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same for parts of another length, if it was made for others.
    pub(crate) fn for_parts_of(&self, piece_bytes: usize) -> Cow<'_, Body> {
        if piece_bytes == self.piece_bytes {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self::cut(self.bytes.clone(), piece_bytes))
    }

    /// XXH3-64 of all of them.
    pub(crate) fn whole_sum(&self) -> u64 {
        self.whole_sum
    }

    /// Each piece that fits a record, with its sum: one at least.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let first = std::iter::once(self.first_sum);
        let sums = first.chain(self.other_sums.iter().copied());
        sums.enumerate().map(|(index, sum)| {
            let start = index * self.piece_bytes;
            let end = (start + self.piece_bytes).min(self.bytes.len());
            (self.bytes.get(Range { start, end }).unwrap_or_default(), sum)
        })
    }
}
