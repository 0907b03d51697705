//! Reads all of an image by position, and says what of it is not as it was written.
//!
//! Promises
//!  1. Every byte of the file is read and checked: also those that no section has, and a block that opening
//!     did not need.
//!  2. It goes on behind each damage, a bad sector included.
//!
//! Never: remembers what it found for [`Section`](crate::Section), or takes from there what was found
//! before: it asks the disk anew each time.

use std::ops::Range;

use base::checksum::Xxh3;
use disk::File;

use crate::format::image::{BLOCK_BYTES, SECTION_ALIGNMENT};
use crate::format::sums::{SUM_BYTES, SUMS_PER_CHUNK, chunks_of};
use crate::image::{Image, Opened};
use crate::section::{Spot, Sums};

/// A part of an image that is not as it was written, or cannot be told to be.
#[derive(Clone, Debug)]
pub struct Damage {
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The section it belongs to, with its sums; `None` for what none has.
    pub section: Option<String>,
    /// What is wrong.
    pub harm: Harm,
}

/// What can be wrong with a part of an image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Harm {
    /// The bytes are others than were written.
    Differs,
    /// The disk cannot read them.
    Unreadable(disk::Error),
    /// They can be read, but the sums that say what they were are damaged.
    Unchecked,
    /// They lie behind the end of the image, where nothing looks.
    Behind,
}

impl Image {
    /// Reads all of the file, and returns what is wrong with it, in no particular order; nothing if all is
    /// well. From time to time `progress` is told how many bytes were read, and of how many.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Vec<Damage> {
        let Opened { block, file, sections, .. } = &*self.opened;
        let (file, of) = (file.file(), block.bytes);
        let mut scan = Scan { file, read: 0, of, found: Vec::new(), progress: &mut progress };
        let bytes = block.encode();
        for offset in [0, block.bytes - BLOCK_BYTES as u64] {
            scan.check(offset..offset + BLOCK_BYTES as u64, None, |found| found == bytes);
        }
        let table = block.table..block.table + block.table_bytes();
        scan.check(table, None, |found| Xxh3::of(found) == block.table_sum);
        let mut at = BLOCK_BYTES as u64;
        for sums in sections {
            scan.zeros(at..sums.row.offset);
            scan.section(&self.opened, sums);
            at = sums.row.offset + sums.row.length;
        }
        scan.zeros(at..at.next_multiple_of(SECTION_ALIGNMENT));
        match file.size() {
            Ok(size) if size > of => scan.note(of..size, None, Harm::Behind),
            Ok(_) => {}
            Err(error) => scan.note(of..of, None, Harm::Unreadable(error)),
        }
        scan.found
    }
}

/// What was read so far, and found.
struct Scan<'a> {
    file: &'a dyn File,
    read: u64,
    of: u64,
    found: Vec<Damage>,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Scan<'_> {
    fn note(&mut self, range: Range<u64>, sums: Option<&Sums>, harm: Harm) {
        let section = sums.map(|sums| sums.row.name.clone());
        let (offset, bytes) = (range.start, range.end - range.start);
        self.found.push(Damage { offset, bytes, section, harm });
    }

    /// Reads bytes and looks whether they are right: if so they are returned.
    fn check(
        &mut self,
        range: Range<u64>,
        sums: Option<&Sums>,
        is_right: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        // Chunks, blocks, the table and the zeros between: never more than 4 MiB.
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let harm = match self.file.read_at(range.start, &mut bytes) {
            Ok(()) if is_right(&bytes) => None,
            Ok(()) => Some(Harm::Differs),
            Err(error) => Some(Harm::Unreadable(error)),
        };
        self.read += range.end - range.start;
        (self.progress)(self.read, self.of);
        match harm {
            None => Some(bytes),
            Some(harm) => {
                self.note(range, sums, harm);
                None
            }
        }
    }

    fn zeros(&mut self, range: Range<u64>) {
        if !range.is_empty() {
            self.check(range, None, |found| found.iter().all(|byte| *byte == 0));
        }
    }

    /// From the highest level down: the sums of a level say what the one below has to be.
    fn section(&mut self, opened: &Opened, sums: &Sums) {
        let mut known = vec![Some(sums.row.root)];
        for (level, Range { start, end }) in sums.level_ranges().enumerate().rev() {
            let chunks = chunks_of(end - start);
            let mut below = Vec::new();
            for (chunk, sum) in (0..chunks).zip(known) {
                let spot = Spot { level, chunk };
                let range = sums.range_of(spot);
                let is_right =
                    |bytes: &[u8]| sum.is_none_or(|sum| sums.is_chunk(opened, spot, bytes, sum));
                let bytes = self.check(range.clone(), Some(sums), is_right);
                if sum.is_none() && bytes.is_some() {
                    self.note(range.clone(), Some(sums), Harm::Unchecked);
                }
                if level > 0 {
                    // Of sums that are damaged, or were not checked, none is believed.
                    let bytes = bytes.filter(|_| sum.is_some());
                    let count = ((range.end - range.start) / SUM_BYTES).min(SUMS_PER_CHUNK);
                    below.extend(sums_in(bytes, count));
                }
            }
            known = below;
        }
    }
}

/// The sums that a chunk of them holds; so many unknown ones if there is none.
fn sums_in(bytes: Option<Vec<u8>>, count: u64) -> Vec<Option<u64>> {
    match bytes {
        Some(bytes) => {
            let (sums, _) = bytes.as_chunks::<{ SUM_BYTES as usize }>();
            sums.iter().map(|sum| Some(u64::from_le_bytes(*sum))).collect()
        }
        None => vec![None; count as usize],
    }
}

#[cfg(test)]
mod tests;
