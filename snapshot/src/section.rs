//! Reads a section of an image: each chunk is checked against its sum before any of it is handed out, the
//! first time it is touched.
//!
//! Promises
//!  1. No byte is handed out whose chunk was not found to be as it was written. A damaged chunk is an error
//!     that names the place, every time; other chunks are served. [`Section::unverified`] alone checks nothing,
//!     for contents that have sums of their own.
//!  2. Once the chunks that it touches are known to be good, [`Section::bytes`] takes no lock, allocates
//!     nothing and computes no sum.
//!  3. [`Section::read_at`] reads by position only: for recovery, where a bad sector has to be an error and
//!     not a signal.
//!
//! Never: checks a chunk that nobody touches. What was checked once is taken to stay so while the image is
//! open: rot that comes later, under the same map, is for [`Image::verify`](crate::Image::verify).

use std::ops::Range;
use std::sync::Arc;

use crate::format::image::Row;
use crate::format::sums::{
    CHUNK_BYTES, ChunkPlace, SUM_BYTES, SUMS_PER_CHUNK, chunks_of, level_lengths,
};
use crate::image::{Opened, read_at};
use crate::lent::{Bytes, Unverified};
use crate::states::{State, States};
use crate::{Error, Result};

/// A section of an open image. Clones are handles of the same one, and hold the image open.
#[derive(Clone, Debug)]
pub struct Section {
    opened: Arc<Opened>,
    number: usize,
    offset: u64,
    length: u64,
}

/// A section, its sums, and what is known of its chunks.
#[derive(Debug)]
pub(crate) struct Sums {
    number: u32,
    pub(crate) row: Row,
    /// The bytes of the section first, then its sums from level 1 on.
    levels: Vec<Level>,
    states: States,
}

/// One level of a section.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Where it lies in the file.
    offset: u64,
    bytes: u64,
    /// Number of its first chunk among those of all levels.
    first_state: u64,
}

/// Which chunk of a section or of its sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// 0 for the bytes of the section, 1 for their sums, and so on.
    pub(crate) level: usize,
    /// Number of the chunk in its level.
    pub(crate) chunk: u64,
}

/// How bytes are reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Via {
    Map,
    Position,
}

impl Section {
    pub(crate) fn new(opened: Arc<Opened>, number: usize) -> Section {
        let (offset, length) =
            opened.sections.get(number).map_or((0, 0), |sums| (sums.row.offset, sums.row.length));
        Section { opened, number, offset, length }
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.sums().map_or("", |sums| sums.row.name.as_str())
    }

    /// Whether all of it was checked and found to be as it was written: then no call of
    /// [`Section::bytes`] checks, or fails for damage, any more.
    pub fn is_verified(&self) -> bool {
        self.sums().is_some_and(|sums| sums.states.are_all_good())
    }

    /// Lends bytes through the map. The section begins at a multiple of 4096 in memory.
    ///
    /// # Errors
    /// [`Error::DamagedSection`]; [`Error::PastEnd`].
    pub fn bytes(&self, range: Range<u64>) -> Result<Bytes<'_>> {
        self.check_range(&range)?;
        if let Some(sums) = self.sums()
            && let Some((first, last)) = chunks_in(&range)
            && !sums.states.are_good(first, last)
        {
            for chunk in first..=last {
                sums.ensure(&self.opened, Via::Map, Spot { level: 0, chunk })?;
            }
        }
        let in_file = self.offset + range.start..self.offset + range.end;
        self.opened.map.lend(in_file).ok_or_else(|| self.past_end(&range))
    }

    /// Lends all its bytes through the map, for as long as the answer is kept, and **checks none of them**: they may be
    /// damaged, and nobody says so. For contents that carry sums of their own and check them where they are touched, as
    /// the image of an index does. The section begins at a multiple of 4096 in memory.
    ///
    /// # Errors
    /// [`Error::PastEnd`], which no image leads to that could be opened.
    pub fn unverified(&self) -> Result<Unverified> {
        let in_file = self.offset..self.offset + self.length;
        let past_end = || self.past_end(&(0..self.length));
        Unverified::keep(&self.opened, in_file).ok_or_else(past_end)
    }

    /// Reads bytes by position.
    ///
    /// # Errors
    /// [`Error::DamagedSection`]; [`Error::PastEnd`]; [`Error::Unreadable`], after which the same call may
    /// be tried again.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let range = offset..offset.saturating_add(buffer.len() as u64);
        self.check_range(&range)?;
        let (Some(sums), Some((first, last))) = (self.sums(), chunks_in(&range)) else {
            return Ok(());
        };
        let mut chunk_bytes = Vec::new();
        let mut rest = buffer;
        for chunk in first..=last {
            let of_chunk = sums.range_of(Spot { level: 0, chunk });
            let start = of_chunk.start.max(self.offset + range.start);
            let end = of_chunk.end.min(self.offset + range.end);
            let (part, behind) = rest.split_at_mut((end - start) as usize);
            rest = behind;
            if sums.states.get(chunk) == State::Good {
                read_at(self.opened.file.file(), start, part)?;
                continue;
            }
            sums.read_checked(&self.opened, Spot { level: 0, chunk }, &mut chunk_bytes)?;
            let at = (start - of_chunk.start) as usize;
            let checked = chunk_bytes.get(at..at + part.len()).unwrap_or_default();
            part.iter_mut().zip(checked).for_each(|(into, byte)| *into = *byte);
        }
        Ok(())
    }

    fn sums(&self) -> Option<&Sums> {
        self.opened.sections.get(self.number)
    }

    fn check_range(&self, range: &Range<u64>) -> Result<()> {
        match range.start <= range.end && range.end <= self.length {
            true => Ok(()),
            false => Err(self.past_end(range)),
        }
    }

    #[cold]
    fn past_end(&self, range: &Range<u64>) -> Error {
        Error::PastEnd {
            path: self.opened.file.file().path().to_path_buf(),
            section: self.name().into(),
            start: range.start,
            end: range.end,
            length: self.length,
        }
    }
}

/// The first and the last chunk that these bytes of a level touch; `None` if there are no bytes.
fn chunks_in(range: &Range<u64>) -> Option<(u64, u64)> {
    let last = range.end.checked_sub(1).filter(|last| *last >= range.start)?;
    Some((range.start / CHUNK_BYTES, last / CHUNK_BYTES))
}

impl Sums {
    pub(crate) fn new(number: u32, row: Row) -> Sums {
        let of_data = chunks_of(row.length);
        let mut levels = vec![Level { offset: row.offset, bytes: row.length, first_state: 0 }];
        let (mut offset, mut first_state) = (row.sums, of_data);
        for bytes in level_lengths(row.length) {
            levels.push(Level { offset, bytes, first_state });
            offset += bytes;
            first_state += chunks_of(bytes);
        }
        let states = States::new(of_data, first_state - of_data);
        Sums { number, row, levels, states }
    }

    /// Where each level lies in the file.
    pub(crate) fn level_ranges(
        &self,
    ) -> impl DoubleEndedIterator<Item = Range<u64>> + ExactSizeIterator {
        self.levels.iter().map(|level| level.offset..level.offset + level.bytes)
    }

    fn level(&self, level: usize) -> Level {
        let none = Level { offset: 0, bytes: 0, first_state: 0 };
        self.levels.get(level).copied().unwrap_or(none)
    }

    /// Number of a chunk among those of all levels.
    fn state_of(&self, Spot { level, chunk }: Spot) -> u64 {
        self.level(level).first_state + chunk
    }

    /// Where a chunk lies in the file.
    pub(crate) fn range_of(&self, Spot { level, chunk }: Spot) -> Range<u64> {
        let Level { offset, bytes, .. } = self.level(level);
        let start = (chunk * CHUNK_BYTES).min(bytes);
        offset + start..offset + bytes.min(start + CHUNK_BYTES)
    }

    /// Whether these are the bytes that were written as this chunk, if that was its sum.
    pub(crate) fn is_chunk(&self, opened: &Opened, spot: Spot, bytes: &[u8], sum: u64) -> bool {
        let (store, file) = (opened.block.store, opened.block.file);
        let Spot { level, chunk } = spot;
        let place = ChunkPlace { store, file, section: self.number, level: level as u32, chunk };
        place.sum(bytes) == sum
    }

    /// Makes sure that a chunk is as it was written, and with it all sums that it depends on. A level has at
    /// most three above it.
    fn ensure(&self, opened: &Opened, via: Via, spot: Spot) -> Result<()> {
        match self.states.get(self.state_of(spot)) {
            State::Good => Ok(()),
            State::Damaged => Err(self.damaged(opened, spot)),
            State::Unknown if via == Via::Position => {
                self.read_checked(opened, spot, &mut Vec::new())
            }
            State::Unknown => {
                let sum = self.sum_of(opened, via, spot)?;
                let bytes = opened.map.lend(self.range_of(spot));
                self.settle(opened, spot, bytes.as_deref().unwrap_or_default(), sum)
            }
        }
    }

    /// Reads a chunk by position, and checks it; what it holds is then in the buffer.
    fn read_checked(&self, opened: &Opened, spot: Spot, buffer: &mut Vec<u8>) -> Result<()> {
        if self.states.get(self.state_of(spot)) == State::Damaged {
            return Err(self.damaged(opened, spot));
        }
        let sum = self.sum_of(opened, Via::Position, spot)?;
        let range = self.range_of(spot);
        buffer.resize((range.end - range.start) as usize, 0);
        read_at(opened.file.file(), range.start, buffer)?;
        self.settle(opened, spot, buffer, sum)
    }

    /// The sum that a chunk has to have: it stands in the level above, which is made sure of first, or in
    /// the table.
    fn sum_of(&self, opened: &Opened, via: Via, Spot { level, chunk }: Spot) -> Result<u64> {
        let above = level + 1;
        if above >= self.levels.len() {
            return Ok(self.row.root);
        }
        self.ensure(opened, via, Spot { level: above, chunk: chunk / SUMS_PER_CHUNK })?;
        let at = self.level(above).offset + chunk * SUM_BYTES;
        let mut sum = [0; SUM_BYTES as usize];
        match via {
            Via::Position => read_at(opened.file.file(), at, &mut sum)?,
            Via::Map => {
                let lent = opened.map.lend(at..at + SUM_BYTES);
                let bytes = lent.as_deref().unwrap_or_default();
                sum.iter_mut().zip(bytes).for_each(|(into, byte)| *into = *byte);
            }
        }
        Ok(u64::from_le_bytes(sum))
    }

    /// Checks a chunk, and notes what it is.
    fn settle(&self, opened: &Opened, spot: Spot, bytes: &[u8], sum: u64) -> Result<()> {
        let state = match self.is_chunk(opened, spot, bytes, sum) {
            true => State::Good,
            false => State::Damaged,
        };
        self.states.settle(self.state_of(spot), state);
        if state == State::Good { Ok(()) } else { Err(self.damaged(opened, spot)) }
    }

    #[cold]
    fn damaged(&self, opened: &Opened, spot: Spot) -> Error {
        let range = self.range_of(spot);
        Error::DamagedSection {
            path: opened.file.file().path().to_path_buf(),
            section: self.row.name.clone(),
            offset: range.start,
            bytes: range.end - range.start,
        }
    }
}

#[cfg(test)]
mod tests;
