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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use disk::{Access, Disk, File, MemoryFile, Region, Window};

use crate::format::{Found, HeaderState, SegmentHeader};
use crate::geometry::{Geometry, HEADER_BYTES};
use crate::names::Name;
use crate::{Error, Result};

/// How much is written at a time where vectors need padding between them.
const PADDED_BYTES: usize = 256 * 1024;

/// An open segment. Threads may write to different slots at the same time.
#[derive(Debug)]
pub struct Segment {
    header: SegmentHeader,
    header_state: HeaderState,
    file: Arc<dyn File>,
    window: Window,
    /// The first write or sync that failed.
    failed: OnceLock<Arc<disk::Error>>,
    /// Held by who syncs: who comes second has to wait for the first, and to hear of its failure.
    syncing: Mutex<()>,
    /// Whether a write returned that no sync was begun behind.
    is_dirty: AtomicBool,
}

impl Segment {
    /// Makes a segment. Its number has to be above that of every file of vectors there was, and the
    /// directory has to be there ([`make_directory`](crate::make_directory)).
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a file of that number; [`Error::Disk`] if the disk refuses, because
    /// it is full, say; [`Error::Stopped`] if the sync of the directory failed: then no later sync of it
    /// can be believed, whoever asks for it. What was begun is taken away again, as far as the disk lets
    /// one.
    ///
    /// # Panics
    /// If the header is one that could not be read again: file 0, or a segment without slots.
    pub fn create(disk: &dyn Disk, header: &SegmentHeader) -> Result<Arc<Segment>> {
        let bytes = header.encode();
        let (new, named) = (Name::New(header.file), Name::Segment(header.file));
        let exists = |name: Name| Error::Exists { path: disk.root().join(name.path()) };
        // A rename would replace it.
        match disk.open(&named.path(), Access::Read) {
            Ok(_) => return Err(exists(named)),
            Err(disk::Error::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (file, pending) = match disk.create(&new.path()) {
            Ok(made) => made,
            Err(disk::Error::Exists { .. }) => return Err(exists(new)),
            Err(error) => return Err(error.into()),
        };
        let made = || -> Result<(Arc<dyn File>, Arc<dyn Region>)> {
            let size = header.geometry.file_bytes(header.segment);
            file.reserve(size)?;
            file.write_at(0, &bytes)?;
            // First the bytes and the length: the name says that they are there.
            file.sync_all()?;
            let region = file.map(size)?;
            let renamed = disk.rename(&new.path(), &named.path())?;
            // A name that was lost here may come to be answered "done" for later, and others with it.
            let in_doubt = |error| Error::Stopped {
                path: disk.root().join(named.path()),
                first: Arc::new(error),
            };
            pending.and(renamed).sync(disk).map_err(in_doubt)?;
            // Opened again so that messages have its name.
            Ok((disk.open(&named.path(), Access::ReadWrite)?, region))
        };
        match made() {
            Ok((file, region)) => {
                Ok(Arc::new(Self::of_parts(*header, HeaderState::Whole, file, region)))
            }
            Err(error) => {
                for name in [new, named] {
                    // Nothing refers to it yet, so if it stays, it is taken away when someone looks.
                    if let Ok(removed) = disk.remove(&name.path()) {
                        removed.forgo("it counts for nothing should it come back");
                    }
                }
                Err(error)
            }
        }
    }

    /// Makes a segment in memory, of which nothing survives.
    ///
    /// # Errors
    /// If there is not enough memory.
    ///
    /// # Panics
    /// As [`Segment::create`].
    pub fn in_memory(header: &SegmentHeader) -> Result<Arc<Segment>> {
        let size = header.geometry.file_bytes(header.segment);
        let file = MemoryFile::new(Name::Segment(header.file).path(), size)?;
        file.write_at(0, &header.encode())?;
        let region = file.map(size)?;
        Ok(Arc::new(Self::of_parts(*header, HeaderState::Whole, Arc::new(file), region)))
    }

    /// Opens a segment that is there. Changes nothing, and reads the header alone.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Damaged`] if its header is not the expected one;
    /// [`Error::CutShort`]; [`Error::Unreadable`].
    pub fn open(disk: &dyn Disk, expected: &SegmentHeader, access: Access) -> Result<Arc<Segment>> {
        let name = Name::Segment(expected.file).path();
        let file = match disk.open(&name, access) {
            Err(disk::Error::Missing { path }) => return Err(Error::Missing { path }),
            file => file?,
        };
        let path = || file.path().to_path_buf();
        let found = file.size()?;
        let cut_short = |wanted| Error::CutShort { path: path(), wanted, found };
        if found < HEADER_BYTES as u64 {
            return Err(cut_short(expected.geometry.file_bytes(expected.segment)));
        }
        let Found { header, state } = read_header(&*file)?;
        let damaged = |what| Error::Damaged { path: path(), what };
        header.check_place(expected).map_err(damaged)?;
        let size = header.geometry.file_bytes(header.segment);
        // Touching a map behind the end of its file would be a fatal signal.
        if found < size {
            return Err(cut_short(size));
        }
        let region = file.map(size)?;
        Ok(Arc::new(Self::of_parts(header, state, file, region)))
    }

    fn of_parts(
        header: SegmentHeader,
        header_state: HeaderState,
        file: Arc<dyn File>,
        region: Arc<dyn Region>,
    ) -> Self {
        let (failed, syncing) = (OnceLock::new(), Mutex::new(()));
        let (window, is_dirty) = (Window::new(region), AtomicBool::new(false));
        Segment { header, header_state, file, window, failed, syncing, is_dirty }
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
        self.file.path().to_path_buf()
    }

    /// All of the file, for reading: [`Geometry::vector_range`] says where a vector is.
    pub fn region(&self) -> &Arc<dyn Region> {
        self.window.region()
    }

    /// The same, for lending.
    #[inline]
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Writes the vector of one slot.
    ///
    /// Visible at once through the region, so nobody may have borrowed it there. Durable when it
    /// returns: nothing.
    ///
    /// # Errors
    /// [`Error::Stopped`] if this or an earlier write or sync failed.
    ///
    /// # Panics
    /// If there is no such slot, or the vector has another length.
    pub fn write(&self, index: u32, vector: &[u8]) -> Result<()> {
        self.check_slots(index, 1);
        self.check_length(vector.len());
        self.put(self.geometry().offset_of(index), vector)
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
            return self.put(geometry.offset_of(first), vectors);
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
            self.put(offset, &padded)?;
            offset += padded.len().next_multiple_of(stride) as u64;
        }
        Ok(())
    }

    /// Makes every write durable that returned before; does nothing where there was none since the last sync.
    ///
    /// # Errors
    /// [`Error::Stopped`] if this or an earlier write or sync failed: then nothing is known of any
    /// write since the last sync that worked.
    pub fn sync(&self) -> Result<()> {
        let _one_at_a_time = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.unless_stopped(|file| match self.is_dirty.swap(false, Ordering::AcqRel) {
            true => file.sync_data(),
            false => Ok(()),
        })
    }

    /// Reads the vector of one slot by position: for recovery and verification, where a bad sector has to
    /// be an error and not a signal.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    ///
    /// # Panics
    /// If there is no such slot, or the buffer has another length than a vector.
    pub fn read(&self, index: u32, buffer: &mut [u8]) -> Result<()> {
        self.check_slots(index, 1);
        self.check_length(buffer.len());
        read_at(&*self.file, self.geometry().offset_of(index), buffer)
    }

    /// As [`read`](Segment::read), slots that lie one behind the other, with what is between their vectors.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    ///
    /// # Panics
    /// If there are no such slots.
    pub fn read_run(&self, first: u32, buffer: &mut [u8]) -> Result<()> {
        self.check_slots(first, buffer.len().div_ceil(self.geometry().stride()));
        read_at(&*self.file, self.geometry().offset_of(first), buffer)
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.unless_stopped(|file| file.write_at(offset, bytes))?;
        // Behind the write: a sync that is under way may have been too early for it.
        self.is_dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Changes the file, unless that failed before; and remembers it if it fails now.
    fn unless_stopped(&self, change: impl FnOnce(&dyn File) -> disk::Result<()>) -> Result<()> {
        let first = match self.failed.get() {
            Some(first) => first,
            None => match change(&*self.file) {
                Ok(()) => return Ok(()),
                // Whoever comes second finds the first one's failure there, and that is the one to keep.
                Err(error) => self.failed.get_or_init(|| Arc::new(error)),
            },
        };
        Err(Error::Stopped { path: self.path(), first: Arc::clone(first) })
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

fn read_header(file: &dyn File) -> Result<Found> {
    let mut bytes = vec![0; HEADER_BYTES];
    read_at(file, 0, &mut bytes)?;
    SegmentHeader::decode(&bytes)
        .map_err(|what| Error::Damaged { path: file.path().to_path_buf(), what })
}

fn read_at(file: &dyn File, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_at(offset, buffer).map_err(|error| match error {
        disk::Error::Io { .. } => {
            Error::Unreadable { path: file.path().to_path_buf(), offset, source: error }
        }
        error => Error::Disk(error),
    })
}

#[cfg(test)]
mod tests;
