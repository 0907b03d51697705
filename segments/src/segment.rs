//! One segment: a file of slots, made as a whole, mapped once, written by position.
//!
//! State: open -> stopped (the first write or sync that fails), once, for good.
//!
//! Promises
//!  1. When [`Segment::create`] has returned, the file and its name are durable, all of its space is
//!     taken, and a record may refer to it. When it failed, there is no file of that number that counts.
//!  2. [`Segment::open`] answers with the segment that was expected, of full length, or says what is
//!     wrong; it reads by position only.
//!  3. The region has one address and one length for as long as the segment lives, and shows every write
//!     at once.
//!  4. After a write or a sync failed, none succeeds: the system reports a failed sync once, and answers
//!     the next one "done" although what was lost is not there.
//!
//! Never: writes through the map, maps again, changes the file's length; knows which slots are in use, or
//! what the sum of a vector is.

use std::path::PathBuf;
use std::sync::Arc;

use disk::{Access, Disk, Region, Window};

use crate::Result;
use crate::format::{Found, HeaderState, SegmentHeader};
use crate::geometry::Geometry;
use crate::names::Name;
use crate::whole::WholeFile;

/// How much is written at a time where vectors need padding between them.
const PADDED_BYTES: usize = 256 * 1024;

/// An open segment. Threads may write to different slots at the same time.
#[derive(Debug)]
pub struct Segment {
    header: SegmentHeader,
    header_state: HeaderState,
    whole: WholeFile,
}

impl Segment {
    /// Makes a segment. Its number has to be above that of every file of vectors there was, and the
    /// directory has to be there ([`make_directory`](crate::make_directory)).
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) if there is a file of that number;
    /// [`Error::Disk`](crate::Error::Disk) if the disk refuses, because it is full, say;
    /// [`Error::Stopped`](crate::Error::Stopped) if the sync of the directory failed: then no later sync of it can be
    /// believed, whoever asks for it. What was begun is taken away again, as far as the disk lets one.
    ///
    /// # Panics
    /// If the header is one that could not be read again: file 0, or a segment without slots.
    pub fn create(disk: &dyn Disk, header: &SegmentHeader) -> Result<Arc<Segment>> {
        let bytes = header.encode();
        let whole = WholeFile::create(disk, Name::Segment(header.file), size_of(header), &bytes)?;
        Ok(Arc::new(Segment { header: *header, header_state: HeaderState::Whole, whole }))
    }

    /// Makes a segment in memory, of which nothing survives.
    ///
    /// # Errors
    /// If there is not enough memory.
    ///
    /// # Panics
    /// As [`Segment::create`].
    pub fn in_memory(header: &SegmentHeader) -> Result<Arc<Segment>> {
        let bytes = header.encode();
        let whole = WholeFile::in_memory(Name::Segment(header.file), size_of(header), &bytes)?;
        Ok(Arc::new(Segment { header: *header, header_state: HeaderState::Whole, whole }))
    }

    /// Opens a segment that is there. Changes nothing, and reads the header alone.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing); [`Error::Damaged`](crate::Error::Damaged) if its header is not the
    /// expected one; [`Error::CutShort`](crate::Error::CutShort); [`Error::Unreadable`](crate::Error::Unreadable).
    pub fn open(disk: &dyn Disk, expected: &SegmentHeader, access: Access) -> Result<Arc<Segment>> {
        let place = (Name::Segment(expected.file), size_of(expected));
        let check = |bytes: &[u8]| {
            let found = SegmentHeader::decode(bytes)?;
            found.header.check_place(expected)?;
            Ok(found)
        };
        let (Found { header, state }, whole) = WholeFile::open(disk, place, access, check)?;
        Ok(Arc::new(Segment { header, header_state: state, whole }))
    }

    /// What the segment says of itself.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Whether all of the header was as it was written when the segment was opened.
    pub fn header_state(&self) -> HeaderState {
        self.header_state
    }

    /// Its layout.
    pub fn geometry(&self) -> &Geometry {
        &self.header.geometry
    }

    /// How many slots it has.
    pub fn slots(&self) -> u32 {
        self.header.geometry.slots_of(self.header.segment)
    }

    /// The file's whole path, for messages.
    pub fn path(&self) -> PathBuf {
        self.whole.path()
    }

    /// All of the file, for reading: [`Geometry::vector_range`] says where a vector is.
    pub fn region(&self) -> &Arc<dyn Region> {
        self.whole.window().region()
    }

    /// The same, for lending.
    #[inline]
    pub(crate) fn window(&self) -> &Window {
        self.whole.window()
    }

    /// Writes the vector of one slot.
    ///
    /// Visible at once through the region, so nobody may have borrowed it there. Durable when it
    /// returns: nothing.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) if this or an earlier write or sync failed.
    ///
    /// # Panics
    /// If there is no such slot, or the vector has another length.
    pub fn write(&self, index: u32, vector: &[u8]) -> Result<()> {
        self.check_slots(index, 1);
        self.check_length(vector.len());
        self.whole.write(self.geometry().offset_of(index), vector)
    }

    /// Writes vectors that lie one behind the other to consecutive slots: in one write if they need no
    /// padding, otherwise in a few.
    ///
    /// # Errors
    /// As [`Segment::write`].
    ///
    /// # Panics
    /// If there are no such slots, or the last vector is not whole.
    pub fn write_run(&self, first: u32, vectors: &[u8]) -> Result<()> {
        let geometry = self.geometry();
        let (vector_bytes, stride) = (geometry.vector_bytes(), geometry.stride());
        assert!(vectors.len().is_multiple_of(vector_bytes), "the last vector is not whole");
        self.check_slots(first, vectors.len() / vector_bytes);
        if geometry.is_dense() {
            return self.whole.write(geometry.offset_of(first), vectors);
        }
        let at_a_time = PADDED_BYTES.div_ceil(stride);
        let mut padded = Vec::with_capacity(at_a_time.min(vectors.len() / vector_bytes) * stride);
        let mut offset = geometry.offset_of(first);
        for run in vectors.chunks(at_a_time * vector_bytes) {
            padded.clear();
            for vector in run.chunks(vector_bytes) {
                padded.resize(padded.len().next_multiple_of(stride), 0);
                padded.extend_from_slice(vector);
            }
            self.whole.write(offset, &padded)?;
            offset += padded.len().next_multiple_of(stride) as u64;
        }
        Ok(())
    }

    /// Makes every write durable that returned before; does nothing where there was none since the last sync.
    ///
    /// # Errors
    /// [`Error::Stopped`](crate::Error::Stopped) if this or an earlier write or sync failed: then nothing is known of
    /// any write since the last sync that worked.
    pub fn sync(&self) -> Result<()> {
        self.whole.sync()
    }

    /// Reads the vector of one slot by position: for recovery and verification, where a bad sector has to
    /// be an error and not a signal.
    ///
    /// # Errors
    /// [`Error::Unreadable`](crate::Error::Unreadable).
    ///
    /// # Panics
    /// If there is no such slot, or the buffer has another length than a vector.
    pub fn read(&self, index: u32, buffer: &mut [u8]) -> Result<()> {
        self.check_slots(index, 1);
        self.check_length(buffer.len());
        self.whole.read(self.geometry().offset_of(index), buffer)
    }

    /// As [`read`](Segment::read), slots that lie one behind the other, with what is between their vectors.
    ///
    /// # Errors
    /// [`Error::Unreadable`](crate::Error::Unreadable).
    ///
    /// # Panics
    /// If there are no such slots.
    pub fn read_run(&self, first: u32, buffer: &mut [u8]) -> Result<()> {
        self.check_slots(first, buffer.len().div_ceil(self.geometry().stride()));
        self.whole.read(self.geometry().offset_of(first), buffer)
    }

    fn check_slots(&self, first: u32, count: usize) {
        let slots = self.slots() as usize;
        let is_there = (first as usize).checked_add(count).is_some_and(|end| end <= slots);
        assert!(is_there, "slots {first} and {count} on of a segment that has {slots}");
    }

    fn check_length(&self, bytes: usize) {
        let vector_bytes = self.geometry().vector_bytes();
        assert_eq!(bytes, vector_bytes, "vectors have {vector_bytes} bytes here");
    }
}

/// How long the file is.
fn size_of(header: &SegmentHeader) -> u64 {
    header.geometry.file_bytes(header.segment)
}

#[cfg(test)]
mod tests;
