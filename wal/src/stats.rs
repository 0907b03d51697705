//! Counts what the log does, and what it takes on the disk.

use base::{FileId, Sequence};

use crate::log::Log;

/// What a log did since it was opened, and what it takes on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Number of the last batch.
    pub last: Option<Sequence>,
    /// Number of the last batch that is synced.
    pub synced: Option<Sequence>,
    /// Batches appended.
    pub batches: u64,
    /// Records they were cut into.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Files begun because the one before was full, or sealed.
    pub rotations: u64,
    /// Files there are, a spare among them.
    pub files: u64,
    /// Bytes these files take.
    pub file_bytes: u64,
}

/// What a pruning took away.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pruned {
    /// The files.
    pub files: Vec<FileId>,
    /// How many bytes they took.
    pub bytes: u64,
}

impl Log {
    /// What the log did since it was opened, and what it takes on the disk.
    pub fn stats(&self) -> Stats {
        let file_bytes = self.held.values().sum();
        Stats { files: self.held.len() as u64, file_bytes, ..self.stats }
    }
}
