//! Says of what size log files are, and what to do in doubt.

use base::StoreId;

use crate::format::{ALIGNMENT, HEADER_BYTES, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES};

/// How a log is laid out and opened.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) store: StoreId,
    pub(crate) file_bytes: u64,
    pub(crate) file_bytes_most: u64,
    pub(crate) part_bytes: usize,
    pub(crate) sync_bytes: u64,
    pub(crate) doubt: Doubt,
}

/// What to do where a log ends in a torn write or in rot of its very last group.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Doubt {
    /// Take it for a torn write, end the log there, and report it: nearly always it is one.
    #[default]
    Cut,
    /// Refuse to open.
    Refuse,
}

impl Options {
    /// The defaults for the log of this store: files of 1 MiB, doubling to 64 MiB.
    pub fn new(store: StoreId) -> Self {
        Options {
            store,
            file_bytes: 1 << 20,
            file_bytes_most: 64 << 20,
            part_bytes: PAYLOAD_BYTES_MAX,
            sync_bytes: 4 << 20,
            doubt: Doubt::Cut,
        }
    }

    /// The length of a process's first log file; each next one has twice that, up to `most`. A file is
    /// longer if a batch needs it.
    ///
    /// # Panics
    /// If they are not multiples of 4096, at least 8192, and in order.
    #[must_use]
    pub fn file_bytes(mut self, first: u64, most: u64) -> Self {
        let pages = [first, most].iter().all(|bytes| bytes.is_multiple_of(HEADER_BYTES as u64));
        assert!(pages && first >= 2 * HEADER_BYTES as u64 && first <= most, "{first} to {most}");
        self.file_bytes = first;
        self.file_bytes_most = most;
        self
    }

    /// The most that the table and the body of one record take; a longer batch is cut into parts. For
    /// tests: the default is the most there can be.
    ///
    /// # Panics
    /// If it is not a multiple of 8 from 8 to 256 KiB.
    #[must_use]
    pub fn part_bytes(mut self, bytes: usize) -> Self {
        let range = ALIGNMENT..=PAYLOAD_BYTES_MAX;
        assert!(range.contains(&bytes) && bytes.is_multiple_of(ALIGNMENT), "{bytes}");
        self.part_bytes = bytes;
        self
    }

    /// How much that was acknowledged once the operating system had it may wait for a sync, before the
    /// background thread sees to it: 4 MiB.
    #[must_use]
    pub fn sync_bytes(mut self, bytes: u64) -> Self {
        self.sync_bytes = bytes;
        self
    }

    /// How much room at the end of the log is kept for batches that free space, where the disk is too full
    /// for another file.
    pub(crate) fn kept_bytes(&self) -> u64 {
        (self.file_bytes / 4).min(1 << 20)
    }

    /// What to do in doubt.
    #[must_use]
    pub fn doubt(mut self, doubt: Doubt) -> Self {
        self.doubt = doubt;
        self
    }

    /// The length of a file that has room for `records` bytes of records, a mark in front of them, and a mark
    /// and a close behind; not less than `least`.
    pub(crate) fn file_bytes_for(&self, records: u64, least: u64) -> u64 {
        let needed = (HEADER_BYTES + 3 * RECORD_HEADER_BYTES) as u64 + records;
        needed.next_multiple_of(HEADER_BYTES as u64).max(least)
    }
}
