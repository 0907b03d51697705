//! An image that is searched where it lies: each chunk of it is verified when it is first touched.
//!
//! Behind the data stand the sums of its chunks, behind them the sums of the chunks of those, and so on, until they are one
//! chunk; the sum of that one, the root, is what the image's header knows. So opening looks at the header alone,
//! whatever the size.
//!
//! Promises
//!  1. Of a chunk that is not what was written nothing is handed out, and the image says from then on that it is bad.
//!  2. No bytes make it panic, or reserve more than a small part of them.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use base::checksum::Xxh3;
use bytes::Bytes;

use crate::Error;

/// How many bytes a sum is of.
const CHUNK: usize = 4_096;

const SUM: usize = size_of::<u64>();

/// The states of a chunk: at first it is not known.
const SURE: u8 = 1;
const BAD: u8 = 2;

/// No chunk is bad.
const NOWHERE: usize = usize::MAX;

/// The data, or sums.
#[derive(Clone, Copy, Debug)]
struct Part {
    first: usize,
    len: usize,
    /// Where the states of its chunks begin.
    states: usize,
}

impl Part {
    fn chunks(self) -> usize {
        self.len.div_ceil(CHUNK)
    }
}

/// The data from one byte to another, and the sums that belong to it.
fn parts(first: usize, end: usize) -> Vec<Part> {
    let mut parts = vec![Part { first, len: end - first, states: 0 }];
    while let Some(last) = parts.last().filter(|last| last.chunks() > 1) {
        let len = last.chunks() * SUM;
        parts.push(Part { first: last.first + last.len, len, states: last.states + last.chunks() });
    }
    parts
}

/// Appends the sums of the data that begins at this byte, and answers with the root.
pub(crate) fn sum_up(first: usize, image: &mut Vec<u8>) -> u64 {
    let mut root = 0;
    for part in parts(first, image.len()) {
        let bytes = image.get(part.first..part.first + part.len).unwrap_or_default();
        let sums: Vec<u64> = bytes.chunks(CHUNK).map(Xxh3::of).collect();
        match sums[..] {
            [] => {}
            [only] => root = only,
            _ => sums.iter().for_each(|sum| image.extend(sum.to_le_bytes())),
        }
    }
    root
}

/// An image in use.
#[derive(Debug)]
pub(crate) struct Image {
    bytes: Bytes,
    parts: Vec<Part>,
    root: u64,
    /// Not written to before they are needed, so that making them takes no time.
    states: Box<[AtomicU8]>,
    /// How many chunks of the data are not verified.
    left: AtomicUsize,
    /// Where the first chunk is that was found to be bad.
    bad: AtomicUsize,
}

// The states say something about bytes that never change; no thread waits for what another wrote. So `Relaxed` will do.
impl Image {
    /// An image whose data begins and ends at these bytes.
    ///
    /// # Errors
    /// If it is shorter or longer than that takes.
    pub(crate) fn new(
        bytes: Bytes,
        (first, end): (usize, usize),
        root: u64,
    ) -> Result<Self, Error> {
        let parts = parts(first, end.max(first));
        let taken = parts.last().map_or(0, |last| last.first + last.len);
        if taken != bytes.len() || end < first {
            return Err(Error::BadImage { what: "length", offset: bytes.len() });
        }
        let chunks = parts.iter().map(|part| part.chunks()).sum();
        let left = parts.first().map_or(0, |data| data.chunks());
        Ok(Image {
            bytes,
            parts,
            root,
            states: bytemuck::zeroed_slice_box(chunks),
            left: AtomicUsize::new(left),
            bad: AtomicUsize::new(NOWHERE),
        })
    }

    /// All its bytes, whether or not they are what was written.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes it takes to remember what was verified.
    pub(crate) fn states(&self) -> usize {
        self.states.len()
    }

    /// Whether all of it was verified.
    #[inline]
    pub(crate) fn is_sure(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// What is wrong with it, as far as was seen.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.bad.load(Ordering::Relaxed) {
            NOWHERE => Ok(()),
            offset => Err(Error::BadImage { what: "the sum of a chunk", offset }),
        }
    }

    /// Whether so many bytes of the data from one on are what was written.
    #[inline(always)]
    pub(crate) fn has(&self, first: usize, len: usize) -> bool {
        let last = (first + len).saturating_sub(1) / CHUNK;
        for chunk in first / CHUNK..=last {
            let state = self.states.get(chunk).map_or(BAD, |state| state.load(Ordering::Relaxed));
            if state != SURE && !self.verify(0, chunk) {
                return false;
            }
        }
        true
    }

    /// Verifies all of it. `progress` is told of how many bytes that is done, and says whether to go on; answers with
    /// whether it is.
    pub(crate) fn verify_all(
        &self,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, Error> {
        let Some(data) = self.parts.first() else { return Ok(true) };
        // So many chunks are a step.
        for chunk in 0..data.chunks() {
            if chunk % 256 == 0 && !progress((chunk * CHUNK).min(data.len)) {
                return Ok(false);
            }
            if !self.has(chunk * CHUNK, 1) {
                self.check()?;
            }
        }
        progress(data.len);
        Ok(true)
    }

    /// Verifies a chunk, and before it the sum that it is verified by.
    #[cold]
    fn verify(&self, part: usize, chunk: usize) -> bool {
        let Some(&Part { first, len, states }) = self.parts.get(part) else { return false };
        let Some(state) = self.states.get(states + chunk) else { return false };
        let begin = first + chunk * CHUNK;
        let known = state.load(Ordering::Relaxed);
        if known == SURE {
            return true;
        }
        let end = (begin + CHUNK).min(first + len);
        let whole = || {
            let found = Xxh3::of(self.bytes.get(begin..end).unwrap_or_default());
            self.sum(part, chunk) == Some(found)
        };
        if known == BAD || !whole() {
            // Said by whoever sees it, so that no thread has to wait to hear it from another.
            self.bad.fetch_min(begin, Ordering::Relaxed);
            state.store(BAD, Ordering::Relaxed);
            return false;
        }
        // Several may have found it at the same time.
        if state.swap(SURE, Ordering::Relaxed) != SURE && part == 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        true
    }

    /// The sum that a chunk should have.
    fn sum(&self, part: usize, chunk: usize) -> Option<u64> {
        let Some(sums) = self.parts.get(part + 1) else { return Some(self.root) };
        let at = chunk * SUM;
        if !self.verify(part + 1, at / CHUNK) {
            return None;
        }
        let sum = self.bytes.get(sums.first + at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of 100 bytes, and so many of data.
    fn image(len: usize) -> (Vec<u8>, u64) {
        let mut image: Vec<u8> = (0..100 + len).map(|at| (at * at % 251) as u8).collect();
        let root = sum_up(100, &mut image);
        (image, root)
    }

    #[test]
    fn a_chunk_is_verified_when_it_is_touched_and_by_what_is_verified_itself() {
        // No data, one chunk, some, and so many that their sums are several chunks.
        for len in [0, 1, CHUNK, CHUNK + 1, 10 * CHUNK, 600 * CHUNK + 5] {
            let (bytes, root) = image(len);
            let image = Image::new(bytes.clone().into(), (100, 100 + len), root).expect("it fits");
            assert_eq!(image.is_sure(), len == 0);
            if len > 0 {
                assert!(image.has(0, 1) && image.has(len - 1, 1) && image.has(len / 2, len.min(2)));
            }
            assert_eq!(image.is_sure(), len <= 2 * CHUNK);
            assert!(image.verify_all(&mut |_| true).expect("whole") && image.is_sure());
            let shorter = Bytes::from(bytes).slice(1..);
            assert!(Image::new(shorter, (100, 100 + len), root).is_err());
        }
    }

    #[test]
    fn whoever_touches_damage_is_told_also_where_others_touch_it_too() {
        let (mut bytes, root) = image(CHUNK);
        bytes.iter_mut().skip(200).take(1).for_each(|byte| *byte ^= 1);
        for _ in 0..200 {
            let image =
                Image::new(bytes.clone().into(), (100, 100 + CHUNK), root).expect("it fits");
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| assert!(!image.has(0, 1) && image.check().is_err()));
                }
            });
        }
    }

    #[test]
    fn damage_is_seen_where_it_is_touched_and_nowhere_else() {
        let len = 600 * CHUNK + 5;
        let (bytes, root) = image(len);
        // In the first chunk, in another one, in the sums of chunks, in their sums.
        let sums = 100 + len;
        for (damaged, touched) in
            [(100, 5), (100 + 9 * CHUNK, 9 * CHUNK), (sums + 17 * SUM, 17 * CHUNK)]
        {
            let mut bytes = bytes.clone();
            bytes.iter_mut().skip(damaged).take(1).for_each(|byte| *byte ^= 4);
            let image = Image::new(bytes.into(), (100, 100 + len), root).expect("it fits");
            assert!(image.has(590 * CHUNK, 3) && image.check().is_ok());
            assert!(!image.has(touched, 1) && !image.has(touched, 1) && image.check().is_err());
            assert!(image.verify_all(&mut |_| true).is_err() && !image.is_sure());
        }
        let image = Image::new(bytes.into(), (100, 100 + len), root ^ 1).expect("it fits");
        assert!(!image.has(0, 1));
    }
}
