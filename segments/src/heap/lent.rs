//! Lends payloads in place: the only module of the heap with `unsafe` code.
//!
//! Owns: [`HeapView`], the files of some moment; [`PinnedPayload`], what it lends.
//!
//! Promises
//!  1. What is lent was checked against its sum, which covers its place too, each time that it is asked for.
//!  2. It does not change while it is lent, whatever others do.
//!  3. A payload that is not what was written is an error that names it; others are served.
//!
//! Why nobody writes to what is lent. Only `PayloadFile::append` writes to a file of payloads behind its header, and only
//! at or behind `written`, which never goes back: it looks while it holds the one lock for writing, and ends the process
//! otherwise (`file.rs`). A record is lent only if all of it lies below `written`, which was raised when the write that
//! reached up to there had returned. So what is lent was written before, for the last time. A file keeps its length from
//! before it has its name (`whole.rs`), and is never shortened; that its name goes changes nothing for who has it open. A
//! compaction copies records to other files and writes nothing to the old ones.
//!
//! What is assumed: that a file is open for writing once at a time, in one heap. Addresses are given out once in a
//! process; one process at a time has the store, by its lock, which whoever makes a heap hands in
//! ([`PayloadHeap::holding`](super::PayloadHeap::holding)), and all that is lent holds on to it.

#![expect(unsafe_code, reason = "lends bytes of a map; the block has its proof")]

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use disk::Borrowed;

use super::file::{Files, PayloadFile, payloads_of};
use super::format::{decode_record, looked_at};
use super::place::{PayloadPlace, RECORD_HEADER_BYTES};
use crate::view::Held;
use crate::{Error, Result};

/// The payloads of a heap, in the files there were when it was taken: also in those that are taken away since.
#[derive(Clone)]
pub struct HeapView {
    pub(super) files: Files,
    /// What keeps others out.
    held: Option<Held>,
}

/// A payload, lent for as long as this lives. It begins at a multiple of 16.
pub struct PinnedPayload {
    /// The record, from its header on. Not for ever, but for as long as `file` lives, and dropped before it. Never handed
    /// out: what is, lives no longer than this.
    record: Borrowed<'static>,
    _file: Arc<PayloadFile>,
    _held: Option<Held>,
}

impl HeapView {
    pub(super) fn new(files: Files, held: Option<Held>) -> Self {
        HeapView { files, held }
    }

    /// The payload in a place.
    ///
    /// # Errors
    /// [`Error::NoPayload`] if the place leads nowhere; [`Error::BadPayload`] if it is not what was written there; why its
    /// file could not be opened.
    pub fn get(&self, place: PayloadPlace) -> Result<PinnedPayload> {
        let file = payloads_of(&self.files, place)?;
        let offset = file.locate(place)?;
        let missing = Error::NoPayload { place };
        let range = offset.checked_add(looked_at(place)).map(|end| (offset, end));
        let range = range.and_then(|(start, end)| {
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        });
        let Some(range) = range else { return Err(missing) };
        // SAFETY: `locate` found that all of the record lies below `written`, so nobody writes there any more while the
        // file is open, by no handle that it has, and nobody cuts it (see the header); other processes and other heaps
        // are kept out by the lock. It is open for as long as anyone has it.
        let Some(record) = (unsafe { file.window().slice(range) }) else { return Err(missing) };
        decode_record(file.header().collection, place, &record)
            .map_err(|what| file.bad(place, what))?;
        // SAFETY: only the lifetime changes. The bytes are lent by the region of the file, which `_file` holds on to, at
        // an address that never changes. The field before it is dropped first, and no method returns it for longer than
        // `self` is borrowed.
        let record = unsafe { std::mem::transmute::<Borrowed<'_>, Borrowed<'static>>(record) };
        Ok(PinnedPayload { record, _file: Arc::clone(file), _held: self.held.clone() })
    }
}

impl Deref for PinnedPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let (_header, payload) = self.record.split_at(RECORD_HEADER_BYTES);
        payload
    }
}

impl fmt::Debug for HeapView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapView").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for PinnedPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedPayload({} bytes)", self.len())
    }
}
