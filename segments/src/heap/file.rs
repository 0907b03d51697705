//! One file of payloads: appended to from front to back, read in place.
//!
//! Promises
//!  1. Bytes below [`written`](PayloadFile::written) are never written again while the file is open: it ends the process
//!     where they would be.
//!  2. What is read is what was written there, or an error that names the place.
//!
//! Never: knows which records are referred to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::FileId;
use disk::{Access, Disk, Window};

use super::format::{PayloadHeader, decode_record, looked_at};
use super::place::PayloadPlace;
use crate::format::{HeaderState, Invalid};
use crate::geometry::HEADER_BYTES;
use crate::names::Name;
use crate::primitives::{Mutex, lock};
use crate::whole::WholeFile;
use crate::{Error, Result};

/// An open file of payloads.
#[derive(Debug)]
pub(super) struct PayloadFile {
    header: PayloadHeader,
    header_state: HeaderState,
    whole: WholeFile,
    /// The first address that is not written yet. It only grows, once what lies below it has been written.
    written: AtomicU64,
    /// Held by who writes.
    writing: Mutex<()>,
}

impl PayloadFile {
    /// Makes a file, durably.
    pub(super) fn create(disk: &dyn Disk, header: &PayloadHeader) -> Result<Arc<Self>> {
        let (name, size) = (Name::Payloads(header.file), header.file_bytes());
        let whole = WholeFile::create(disk, name, size, &header.encode())?;
        Ok(Self::of_parts(*header, HeaderState::Whole, whole, 0))
    }

    /// Makes a file in memory.
    pub(super) fn in_memory(header: &PayloadHeader) -> Result<Arc<Self>> {
        let (name, size) = (Name::Payloads(header.file), header.file_bytes());
        let whole = WholeFile::in_memory(name, size, &header.encode())?;
        Ok(Self::of_parts(*header, HeaderState::Whole, whole, 0))
    }

    /// Opens a file that is there, of which so many bytes are written. Reads the header alone.
    pub(super) fn open(
        disk: &dyn Disk,
        expected: &PayloadHeader,
        access: Access,
        used: u64,
    ) -> Result<Arc<Self>> {
        let place = (Name::Payloads(expected.file), expected.file_bytes());
        let check = |bytes: &[u8]| {
            let (found, state) = PayloadHeader::decode(bytes)?;
            found.check_place(expected)?;
            Ok(state)
        };
        let (state, whole) = WholeFile::open(disk, place, access, check)?;
        Ok(Self::of_parts(*expected, state, whole, used))
    }

    fn of_parts(
        header: PayloadHeader,
        header_state: HeaderState,
        whole: WholeFile,
        used: u64,
    ) -> Arc<Self> {
        let (written, writing) = (AtomicU64::new(header.base + used), Mutex::new(()));
        Arc::new(PayloadFile { header, header_state, whole, written, writing })
    }

    pub(super) fn header(&self) -> &PayloadHeader {
        &self.header
    }

    /// Whether an address is one of this file's.
    pub(super) fn has(&self, address: u64) -> bool {
        let PayloadHeader { base, capacity, .. } = self.header;
        address.checked_sub(base).is_some_and(|at| at < capacity)
    }

    pub(super) fn header_state(&self) -> HeaderState {
        self.header_state
    }

    pub(super) fn whole(&self) -> &WholeFile {
        &self.whole
    }

    pub(super) fn window(&self) -> &Window {
        self.whole.window()
    }

    /// The first address that nothing is written at yet.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Where an address stands in the file.
    pub(super) fn offset_of(&self, address: u64) -> u64 {
        HEADER_BYTES as u64 + (address - self.header.base)
    }

    /// Writes records that lie one behind the other from this address on.
    ///
    /// # Errors
    /// [`Error::Stopped`] if this or an earlier write or sync failed.
    ///
    /// # Panics
    /// If something was written there or behind it, or the file ends before.
    pub(super) fn append(&self, address: u64, records: &[u8]) -> Result<()> {
        let _one_at_a_time = lock(&self.writing);
        let end = address + records.len() as u64;
        let written = self.written.load(Ordering::Relaxed);
        // Whoever reads below was promised that nobody writes there.
        assert!(address >= written, "a record at {address}, and all up to {written} is written");
        assert!(end <= self.header.base + self.header.capacity, "a record behind its file's end");
        self.whole.write(self.offset_of(address), records)?;
        self.written.store(end, Ordering::Release);
        Ok(())
    }

    /// Checks that a record could lie in this place, and has been written if it does; says where it stands in the file.
    pub(super) fn locate(&self, place: PayloadPlace) -> Result<u64> {
        let missing = Error::NoPayload { place };
        let Some(end) = place.end() else { return Err(missing) };
        if place.address < self.header.base || end > self.written() {
            return Err(missing);
        }
        Ok(self.offset_of(place.address))
    }

    /// What is said of a record that does not pass.
    pub(super) fn bad(&self, place: PayloadPlace, what: Invalid) -> Error {
        let offset = self.offset_of(place.address);
        Error::BadPayload { path: self.whole.path(), offset, place, what }
    }

    /// Reads a payload by position, and checks it: for a scrub, where a bad sector has to be an error and not a signal.
    pub(super) fn read<'b>(
        &self,
        place: PayloadPlace,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8]> {
        let offset = self.locate(place)?;
        buffer.resize(usize::try_from(looked_at(place)).unwrap_or(usize::MAX), 0);
        self.whole.read(offset, buffer)?;
        decode_record(self.header.collection, place, buffer).map_err(|what| self.bad(place, what))
    }
}

/// A file of payloads, if it could be opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: FileId,
    pub(super) base: u64,
    pub(super) capacity: u64,
    pub(super) payloads: Result<Arc<PayloadFile>>,
}

impl Opened {
    pub(super) fn new(header: &PayloadHeader, payloads: Result<Arc<PayloadFile>>) -> Arc<Self> {
        let PayloadHeader { file, base, capacity, .. } = *header;
        Arc::new(Opened { file, base, capacity, payloads })
    }
}

/// The files there were at some moment, by their addresses.
pub(super) type Files = Arc<[Arc<Opened>]>;

/// The file that has this address.
pub(super) fn file_of(files: &[Arc<Opened>], address: u64) -> Option<&Arc<Opened>> {
    let at = files.partition_point(|opened| opened.base <= address).checked_sub(1)?;
    files.get(at).filter(|opened| address - opened.base < opened.capacity)
}

/// The file that a payload lies in, if it could be opened.
pub(super) fn payloads_of(files: &[Arc<Opened>], place: PayloadPlace) -> Result<&Arc<PayloadFile>> {
    let opened = file_of(files, place.address).ok_or(Error::NoPayload { place })?;
    opened.payloads.as_ref().map_err(Clone::clone)
}
