//! Holds the file that records are being appended to.
//!
//! Promises
//!  1. Bytes go to the file front to back; a file's header goes with its first record, in one write.
//!  2. What it calls synced is synced.
//!
//! Never: goes on after a failure (its owner does not); decides when to sync or to begin a new file.

use std::sync::Arc;

use base::{FileId, Sequence};
use disk::File;

use crate::Result;
use crate::chain::Chain;
use crate::format::{FileHeader, HEADER_BYTES, Kind, Predecessor, RECORD_HEADER_BYTES};
use crate::frame::{Piece, Tip};
use crate::make::Spare;
use crate::synced_file::SyncedFile;
use crate::walk::Boundary;

/// Room that is kept at the end of a file, for a mark and a close.
pub(crate) const KEPT: u64 = 2 * RECORD_HEADER_BYTES as u64;

/// A sync of what was written when it was asked for.
#[derive(Debug)]
pub(crate) struct SyncAside {
    file: Arc<SyncedFile>,
    id: FileId,
    written: u64,
    /// The last batch that it covers.
    pub(crate) last: Option<Sequence>,
}

impl SyncAside {
    /// Syncs.
    pub(crate) fn run(&self) -> Result<()> {
        self.file.sync()
    }
}

/// The file that records are being appended to.
#[derive(Debug)]
pub(crate) struct Current {
    file: Arc<SyncedFile>,
    bytes: u64,
    tip: Tip,
    /// Records that are not written yet, and the header if it is not.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    /// Where the last mark ends.
    marked: u64,
    /// Batches that begin, go on or end in this file.
    has_batches: bool,
}

impl Current {
    /// A file whose header and first records were published as a whole.
    pub(crate) fn published(file: Arc<dyn File>, bytes: u64, tip: Tip) -> Self {
        let end = tip.at().offset;
        // A first file without copies begins with a mark, which is as long as a header.
        let has_batches = end > (HEADER_BYTES + RECORD_HEADER_BYTES) as u64;
        Current {
            file: Arc::new(SyncedFile::new(file)),
            bytes,
            tip,
            buffer: Vec::new(),
            written: end,
            synced: end,
            marked: 0,
            has_batches,
        }
    }

    /// A spare, which becomes a file of the log when it is written the first time.
    pub(crate) fn begun(spare: Spare, header: &FileHeader, chain: &Chain) -> Self {
        let (buffer, tip) = Tip::behind(header, chain);
        Current {
            file: Arc::new(SyncedFile::new(spare.file)),
            bytes: spare.bytes,
            tip,
            buffer,
            written: 0,
            synced: 0,
            marked: 0,
            has_batches: false,
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> FileId {
        self.tip.file()
    }

    /// Its length.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// The place of the next record.
    pub(crate) fn at(&self) -> Boundary {
        self.tip.at()
    }

    /// What a file that goes on behind this one says of it.
    pub(crate) fn as_predecessor(&self) -> Predecessor {
        let at = self.tip.at();
        Predecessor { file: self.id(), end: at.offset, sum: at.chain.sum }
    }

    /// Whether any batch stands here.
    pub(crate) fn has_batches(&self) -> bool {
        self.has_batches
    }

    /// How many bytes of records there is still room for.
    pub(crate) fn room(&self) -> u64 {
        self.bytes.saturating_sub(self.tip.at().offset + KEPT)
    }

    /// Frames a record into the buffer. There must be room.
    pub(crate) fn append(&mut self, piece: &Piece<'_>) {
        assert!(piece.record_bytes() <= self.room(), "there is no room, and nobody looked");
        self.has_batches |= piece.kind == Kind::Batch;
        self.frame(piece);
    }

    fn frame(&mut self, piece: &Piece<'_>) {
        let synced_to = if self.synced < HEADER_BYTES as u64 { 0 } else { self.synced };
        self.tip.frame(piece, synced_to, &mut self.buffer);
    }

    /// How much waits to be written.
    pub(crate) fn unwritten(&self) -> usize {
        self.buffer.len()
    }

    /// Writes what was appended.
    pub(crate) fn write(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_at(self.written, &self.buffer)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Syncs what was appended.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.write()?;
        if self.synced < self.written {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// A sync of what is written so far; `None` if it is synced, or not all that was appended is
    /// written.
    pub(crate) fn sync_aside(&self) -> Option<SyncAside> {
        let is_news = self.synced < self.written && self.buffer.is_empty();
        let last = self.tip.at().chain.last;
        let (file, written) = (Arc::clone(&self.file), self.written);
        is_news.then(|| SyncAside { file, id: self.id(), written, last })
    }

    /// Notes that such a sync worked.
    pub(crate) fn synced_aside(&mut self, synced: &SyncAside) {
        if synced.id == self.id() {
            self.synced = self.synced.max(synced.written);
        }
    }

    /// Appends the word that all before it is synced, and syncs that too; nothing if the last record
    /// says so already. There is always room: every append leaves it.
    pub(crate) fn mark(&mut self, last: Option<Sequence>) -> Result<()> {
        self.sync()?;
        if self.marked < self.tip.at().offset {
            self.frame(&Piece::bare(Kind::SyncMark, last));
            self.sync()?;
            self.marked = self.tip.at().offset;
        }
        Ok(())
    }

    /// The same, for good.
    pub(crate) fn close(&mut self, last: Option<Sequence>) -> Result<()> {
        self.sync()?;
        self.frame(&Piece::bare(Kind::Close, last));
        self.sync()
    }
}
