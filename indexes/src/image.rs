//! An image that is searched where it lies: each chunk of it is verified when it is first touched.
//!
//! Behind the data stand the sums of its chunks, behind them the sums of the chunks of those, and so on, until they are one
//! chunk; the sum of that one, the root, is what the image's header knows. So opening looks at the header alone,
//! whatever the size.
//!
//! Promises
//!  1. Of a chunk that is not what was written nothing is handed out, and the image says from then on that it is bad.
//!  2. No bytes make it panic, or reserve more than a small part of them.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use base::checksum::Xxh3;
use bytes::Bytes;

use crate::Error;
use crate::out::Out;

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

/// Writes an image: the header that goes with a root, the data, which is gone through twice and must be the same both times,
/// and its sums.
pub(crate) fn write(
    into: &mut dyn Write,
    header: impl FnOnce(u64) -> Vec<u8>,
    data: impl Fn(&mut Out<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut sums = Sums::default();
    let mut out = Out::new(&mut sums);
    data(&mut out)?;
    out.finish()?;
    let (sums, root) = sums.tree();
    let mut out = Out::new(into);
    out.bytes(&header(root))?;
    data(&mut out)?;
    out.bytes(&sums)?;
    out.finish()
}

/// The sums of the chunks of what is written to it.
#[derive(Default)]
struct Sums {
    sums: Vec<u64>,
    /// What was written of the chunk that is not whole.
    begun: Vec<u8>,
}

impl Write for Sums {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (some, rest) = bytes.split_at(bytes.len().min(CHUNK - self.begun.len()));
        self.begun.extend_from_slice(some);
        if self.begun.len() == CHUNK {
            self.sums.push(Xxh3::of(&self.begun));
            self.begun.clear();
        }
        let (chunks, _) = rest.as_chunks::<CHUNK>();
        self.sums.extend(chunks.iter().map(|chunk| Xxh3::of(chunk)));
        Ok(some.len() + chunks.len() * CHUNK)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sums {
    /// All sums as they stand behind the data, and the root.
    fn tree(mut self) -> (Vec<u8>, u64) {
        if !self.begun.is_empty() {
            self.sums.push(Xxh3::of(&self.begun));
        }
        let (mut tree, mut sums) = (Vec::new(), self.sums);
        while sums.len() > 1 {
            let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            sums = bytes.chunks(CHUNK).map(Xxh3::of).collect();
            tree.extend(bytes);
        }
        (tree, sums.first().copied().unwrap_or(0))
    }
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
        let (mut image, mut known) = (Vec::new(), 0);
        let header = |root| {
            known = root;
            vec![7; 100]
        };
        let data: Vec<u8> = (0..len).map(|at| (at * at % 251) as u8).collect();
        // By pieces of any length.
        let pieces = |out: &mut Out<'_>| data.chunks(len / 3 + 1).try_for_each(|it| out.bytes(it));
        write(&mut image, header, pieces).expect("memory takes all");
        assert_eq!(image.get(100..100 + len), Some(&data[..]));
        (image, known)
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
