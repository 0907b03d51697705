//! Does a turn of the commit path: writes the batches that are queued, syncs them if any of them asks for
//! it, and applies them.
//!
//! Promises
//!  1. Batches are applied in the order of their numbers, each when it and all before it have reached the
//!     level they were committed with.
//!  2. After a failure nothing is written, nothing is applied, and nobody is told that it was.
//!
//! Never: waits for anybody; decides about room (that was done when the batch got its number).

use std::sync::Arc;

use base::{LogPlace, Sequence};
use crossbeam_queue::SegQueue;

use super::background::Background;
use super::primitives::{AtomicBool, AtomicU64, Mutex, Ordering, lock};
use super::turn::{Done, Work};
use super::{Apply, Level};
use crate::{Body, Error, Log, Result};

/// A group is written when it has so many bytes, even if more are queued.
const GROUP_BYTES: u64 = 4 << 20;

/// A batch on its way to the log.
#[derive(Debug)]
pub(crate) struct Entry<B> {
    pub(crate) sequence: Sequence,
    pub(crate) level: Level,
    pub(crate) table: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) batch: B,
}

/// What committers and the leader share.
#[derive(Debug)]
pub(crate) struct Shared<B> {
    /// Batches that have a number, in the order of their numbers.
    pub(crate) queue: SegQueue<Entry<B>>,
    /// How many bytes they take.
    pub(crate) queued: AtomicU64,
    /// The last batch that is synced.
    pub(crate) synced: AtomicU64,
    /// The last batch that a turn began to write.
    pub(crate) tried: AtomicU64,
    /// Whether so much is unsynced that the background should see to it.
    pub(crate) wants_sync: AtomicBool,
    /// Who serves what nobody is blocked on.
    pub(crate) background: Background,
    /// The failure after which nothing is written.
    pub(crate) failure: Mutex<Option<Arc<Error>>>,
}

impl<B> Shared<B> {
    pub(crate) fn new(last: u64) -> Self {
        Shared {
            queue: SegQueue::new(),
            queued: AtomicU64::new(0),
            synced: AtomicU64::new(last),
            tried: AtomicU64::new(last),
            wants_sync: AtomicBool::new(false),
            background: Background::new(),
            failure: Mutex::new(None),
        }
    }

    /// The failure after which nothing is written, as an error for later calls.
    pub(crate) fn stopped(&self) -> Option<Error> {
        let first = lock(&self.failure).clone()?;
        Some(Error::Stopped { first })
    }
}

/// The log, and what is done with what was written to it.
#[derive(Debug)]
pub(crate) struct Leader<A: Apply> {
    pub(crate) log: Log,
    pub(crate) apply: A,
    pub(crate) shared: Arc<Shared<A::Batch>>,
    /// The last batch that was applied.
    reached: u64,
    /// Bytes written since the last sync.
    unsynced: u64,
    sync_bytes: u64,
    /// Batches that are written, and where each ends.
    written: Vec<(Sequence, A::Batch, LogPlace)>,
}

impl<A: Apply> Leader<A> {
    pub(crate) fn new(log: Log, apply: A, shared: Arc<Shared<A::Batch>>) -> Self {
        let reached = log.last().map_or(0, Sequence::get);
        let sync_bytes = log.options.sync_bytes;
        Leader { log, apply, shared, reached, unsynced: 0, sync_bytes, written: Vec::new() }
    }

    /// Writes a group, and syncs it if one of its batches asks for that.
    fn write(&mut self) -> Result<()> {
        let mut level = Level::Os;
        let mut bytes = 0;
        while bytes < GROUP_BYTES
            && let Some(entry) = self.shared.queue.pop()
        {
            let length = (entry.table.len() + entry.body.bytes().len()) as u64;
            self.shared.queued.fetch_sub(length, Ordering::Relaxed);
            self.shared.tried.store(entry.sequence.get(), Ordering::Release);
            let before = self.log.stats.bytes;
            let sequence = self.log.append(&entry.table, &entry.body)?;
            assert_eq!(
                sequence, entry.sequence,
                "batches are queued in the order of their numbers"
            );
            bytes += self.log.stats.bytes - before;
            if entry.level == Level::Sync {
                level = Level::Sync;
            }
            self.written.push((sequence, entry.batch, self.log.place()));
        }
        match level {
            Level::Sync => self.sync(),
            Level::Os => {
                self.log.write()?;
                self.unsynced += bytes;
                if self.unsynced >= self.sync_bytes {
                    self.shared.wants_sync.store(true, Ordering::Release);
                    self.shared.background.poke();
                }
                Ok(())
            }
        }
    }

    /// Syncs what was written.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.log.sync()?;
        self.synced(self.log.last().map_or(0, Sequence::get));
        Ok(())
    }

    /// Notes a sync, by whomever, of everything up to this batch.
    pub(crate) fn synced(&mut self, last: u64) {
        self.unsynced = 0;
        self.shared.wants_sync.store(false, Ordering::Release);
        self.shared.synced.fetch_max(last, Ordering::AcqRel);
    }

    /// Remembers a failure. Of what was in the making nobody can say whether it is in the log.
    pub(crate) fn fail(&mut self, error: Error) {
        let mut failure = lock(&self.shared.failure);
        if failure.is_none() {
            let first = match error {
                Error::Stopped { first } => first,
                error => Arc::new(error),
            };
            *failure = Some(first);
        }
        self.written.clear();
    }

    fn has_failed(&self) -> bool {
        lock(&self.shared.failure).is_some()
    }
}

impl<A: Apply> Work for Leader<A> {
    fn work(&mut self) {
        if !self.has_failed() && !self.shared.queue.is_empty() {
            if let Err(error) = self.write() {
                self.fail(error);
            }
            for (sequence, batch, place) in self.written.drain(..) {
                self.apply.apply(sequence, batch, &place);
                self.reached = sequence.get();
            }
        }
        if self.has_failed() {
            while self.shared.queue.pop().is_some() {}
        }
    }

    fn done(&self) -> Done {
        Done { reached: self.reached, is_over: self.has_failed() }
    }
}
