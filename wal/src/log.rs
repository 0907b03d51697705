//! Writes the log: appends batches, syncs them, and keeps the files in order.
//!
//! Owns: which file is written to, and every number that is given out.
//!
//! Promises
//!  1. A batch that was appended before a sync that worked is found by every replay from then on.
//!  2. After a failed write or sync nothing is written any more. A disk that is too full for a new file
//!     is refused before anything of the batch is written, and may be tried again.
//!  3. Only files that this log made are written to (FORMAT.md section 3, rule 2).
//!
//! Never: syncs on its own, except where a file is begun; starts a thread; looks into a batch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base::{FileId, LogPlace, Sequence, Timeline};
use disk::Disk;

use crate::body::Body;
use crate::carry;
use crate::chain::Chain;
use crate::current::{Current, SyncAside};
use crate::files;
use crate::format::{BATCH_BYTES_MAX, FileHeader, Holds};
use crate::frame::{lengths, pieces};
use crate::make::Spare;
use crate::names;
use crate::options::Options;
use crate::reader::{Branch, Spot};
use crate::replay::{Ended, place_of};
use crate::stats::{Pruned, Stats};
use crate::{Error, Result};

mod rotation;

/// The log of a store, open for writing.
#[derive(Debug)]
pub struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) branch: Branch,
    /// The file that is appended to; none before the first append behind a replay that had nothing to
    /// write.
    current: Option<Current>,
    /// Where a file goes on that is begun now, if there is none to be appended to.
    behind: Option<Spot>,
    /// Files made ahead, in the order of their numbers.
    spares: VecDeque<Spare>,
    /// The highest number that a file has, or was tried.
    highest: FileId,
    /// The highest number that a file had when the log was opened.
    found: FileId,
    /// Whether the next batch is to begin a new file.
    is_sealed: bool,
    failed: Option<Arc<Error>>,
    /// Lengths of the files there are, the spare among them.
    pub(crate) held: BTreeMap<FileId, u64>,
    pub(crate) stats: Stats,
}

/// Where a log begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beginning {
    /// The branch of history it begins on.
    pub branch: Branch,
    /// Its first batch.
    pub first: Sequence,
}

impl Beginning {
    /// That of a store that holds nothing yet.
    pub fn of_a_new_store(timeline: Timeline) -> Self {
        let first = Sequence::FIRST;
        Beginning { branch: Branch { timeline, first, parent: None }, first }
    }
}

impl Log {
    /// Makes the directory and the first file. All of it is durable when this returns.
    ///
    /// A log is never created over another, also not over one that nobody knows of, because its
    /// creator died before it wrote down the place: make a store in a directory that gets its name last.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a log already.
    pub fn create(disk: Arc<dyn Disk>, options: &Options, beginning: &Beginning) -> Result<Log> {
        match disk.create_dir(names::directory()) {
            Ok(pending) => pending.sync(&*disk)?,
            // Left behind by a creation that did not come to its end, maybe: its name too.
            Err(disk::Error::Exists { .. }) => disk.sync_dir(std::path::Path::new(""))?,
            Err(error) => return Err(error.into()),
        }
        let files = files::Files::list(&*disk, options.store, FileId(0))?;
        if let Some(file) = files.logs.keys().next() {
            return Err(Error::Exists { path: names::log_path(*file) });
        }
        let mut log = Log {
            disk,
            options: options.clone(),
            branch: beginning.branch,
            current: None,
            behind: None,
            spares: VecDeque::new(),
            highest: files.highest,
            found: files.highest,
            is_sealed: false,
            failed: None,
            held: files.spares,
            stats: Stats::default(),
        };
        let last = Sequence::new(beginning.first.get() - 1);
        log.publish(&Chain::between(0, last), 0)?;
        Ok(log)
    }

    /// Goes on behind a replay. If the log was closed, or all that was replayed is known to be durable,
    /// nothing is written; otherwise what may not be is first put into a new file, and what the replay
    /// cut off is cut off for good.
    ///
    /// # Errors
    /// If the new file cannot be made. Nothing is lost then: replay again.
    ///
    /// # Panics
    /// If the options are for another store than the replay's.
    pub fn resume(ended: Ended, options: &Options) -> Result<Log> {
        assert_eq!(options.store, ended.reader.store(), "the options are those of another store");
        let mut branch = ended.branch();
        if ended.cut.is_some() {
            branch = carry::branch_off(&**ended.reader.disk(), &branch, ended.place.sequence)?;
        }
        let files = ended.reader.files();
        let lengths = files.logs.iter().map(|(file, found)| (*file, found.bytes));
        let held = lengths.chain(files.spares.iter().map(|(file, bytes)| (*file, *bytes)));
        let mut log = Log {
            disk: Arc::clone(ended.reader.disk()),
            options: options.clone(),
            branch,
            current: None,
            behind: Some(ended.reader.durable()),
            spares: VecDeque::new(),
            highest: files.highest,
            found: files.highest,
            is_sealed: false,
            failed: None,
            held: held.collect(),
            stats: Stats::default(),
        };
        if ended.must_be_carried() {
            let id = log.next_id()?;
            let current = carry::carry(&ended, &log.options, id, &branch)?;
            log.adopt(current)?;
        }
        log.stats.last = ended.place.sequence;
        log.stats.synced = ended.place.sequence;
        Ok(log)
    }

    /// The number of the last batch.
    pub fn last(&self) -> Option<Sequence> {
        self.chain().last
    }

    /// The branch of history that the log is on.
    pub fn branch(&self) -> Branch {
        self.branch
    }

    /// The place behind the last batch: a replay can begin there once that is synced.
    pub fn place(&self) -> LogPlace {
        match (&self.current, &self.behind) {
            (Some(current), _) => place_of(&Spot { file: current.id(), boundary: current.at() }),
            (None, Some(spot)) => place_of(spot),
            (None, None) => unreachable!("a log has a file, or goes on behind one"),
        }
    }

    fn chain(&self) -> Chain {
        let place = self.place();
        Chain::between(place.sum, place.sequence)
    }

    /// Appends a batch and gives it its number. It is in the log's buffer then, and may vanish until
    /// it is synced.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Disk`] if a new file is needed and cannot be made, which changes
    /// nothing if it [is a clean refusal](Error::is_clean_refusal).
    pub fn append(&mut self, table: &[u8], body: &Body) -> Result<Sequence> {
        self.check()?;
        let bytes = table.len() + body.bytes().len();
        if bytes > BATCH_BYTES_MAX {
            return Err(Error::TooLarge { bytes, most: BATCH_BYTES_MAX });
        }
        let sequence = self.chain().next_sequence().ok_or(Error::Exhausted)?;
        let body = body.for_parts_of(self.options.part_bytes);
        let pieces = pieces(sequence, table, &body, self.options.part_bytes);
        let lengths = lengths(table.len(), body.bytes().len(), self.options.part_bytes);
        self.make_room(lengths)?;
        for piece in pieces {
            self.place_piece(&piece)?;
        }
        self.stats.last = Some(sequence);
        self.stats.batches += 1;
        Ok(sequence)
    }

    /// Hands what was appended to the operating system: it survives the process, not the power.
    ///
    /// # Errors
    /// If the disk fails. Nothing is written to the log from then on.
    pub fn write(&mut self) -> Result<()> {
        self.check()?;
        let written = self.current.as_mut().map_or(Ok(()), Current::write);
        self.stopping(written)
    }

    /// Makes all that was appended durable.
    ///
    /// # Errors
    /// If the disk fails: then nothing is known about what was appended since the last sync, and nothing
    /// is written to the log from then on.
    pub fn sync(&mut self) -> Result<()> {
        self.check()?;
        let synced = self.current.as_mut().map_or(Ok(()), Current::sync);
        self.stopping(synced)?;
        self.note_sync();
        Ok(())
    }

    /// Syncs, and then says so in the log: if damage is found there later, it is known not to be a torn
    /// write. For when nothing else is to be done; does nothing where the last record says so already.
    ///
    /// # Errors
    /// As [`sync`](Log::sync).
    pub fn mark(&mut self) -> Result<()> {
        self.check()?;
        let last = self.last();
        let marked = self.current.as_mut().map_or(Ok(()), |current| current.mark(last));
        self.stopping(marked)?;
        self.note_sync();
        Ok(())
    }

    /// Removes the log files in front of this place, except the newest of them that together take no
    /// more than `keep` bytes: for those who follow the log.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn prune(&mut self, before: &LogPlace, keep: u64) -> Result<Pruned> {
        self.check()?;
        // Behind what was found there may be a file that somebody is making: it is taken away when nobody needs it.
        let is_made = |file| file <= self.found || self.held.contains_key(&file);
        let pruned = crate::prune::prune(&*self.disk, before.file, keep, is_made)?;
        self.held.retain(|file, _| !pruned.files.contains(file));
        Ok(pruned)
    }

    /// Closes the log: syncs it and says so at its end, twice, in this file and in one behind it, so that
    /// whoever opens it next knows where it ended and has nothing to write.
    ///
    /// # Errors
    /// If the disk fails. What was synced before is safe all the same.
    pub fn close(mut self) -> Result<()> {
        self.close_for_good()
    }

    /// Closes the log; nothing can be written from then on.
    pub(crate) fn close_for_good(&mut self) -> Result<()> {
        self.check()?;
        let closed = self.close_files();
        self.failed.get_or_insert_with(|| Arc::new(Error::Closed));
        closed
    }

    fn close_files(&mut self) -> Result<()> {
        for spare in std::mem::take(&mut self.spares) {
            self.discard(&spare);
        }
        let last = self.last();
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        current.close(last)?;
        let id = self.next_id()?;
        let header = FileHeader {
            holds: Holds::Nothing,
            ..self.header(id, 0, Some(current.as_predecessor()), last)?
        };
        carry::publish_witness(&*self.disk, &header)
    }

    /// A sync of what is written so far, to be run while others go on writing.
    pub(crate) fn sync_aside(&self) -> Option<SyncAside> {
        self.current.as_ref().and_then(Current::sync_aside)
    }

    /// Notes that such a sync worked.
    pub(crate) fn synced_aside(&mut self, synced: &SyncAside) {
        if let Some(current) = &mut self.current {
            current.synced_aside(synced);
        }
    }

    /// The failure since which nothing is written.
    pub(crate) fn failure(&self) -> Option<&Arc<Error>> {
        self.failed.as_ref()
    }

    fn check(&self) -> Result<()> {
        match &self.failed {
            Some(first) => Err(Error::Stopped { first: Arc::clone(first) }),
            None => Ok(()),
        }
    }

    /// Remembers a failure to make or remove a file that leaves open what is on the disk.
    fn noting<T>(&mut self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if !error.is_clean_refusal() => self.stopping(Err(error)),
            result => result,
        }
    }

    /// Remembers any failure to write or to sync records: how far it got is not known, however cleanly it
    /// was refused.
    fn stopping<T>(&mut self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let first = match error {
                Error::Stopped { first } => first,
                error => Arc::new(error),
            };
            Error::Stopped { first: Arc::clone(self.failed.get_or_insert(first)) }
        })
    }

    fn note_sync(&mut self) {
        self.stats.synced = self.stats.last;
    }
}
