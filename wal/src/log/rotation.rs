//! Keeps the log's files in order: which one is next, how long it is, and when it is begun.
//!
//! Promises
//!  1. A file is begun only when all of the one before it is synced.
//!  2. What a batch needs is made before anything of it is framed.
//!  3. Numbers of files only go up.

use std::collections::VecDeque;
use std::sync::Arc;

use base::{FileId, Sequence};

use super::Log;
use crate::carry::{self, Opening};
use crate::chain::Chain;
use crate::current::Current;
use crate::format::{FileHeader, Predecessor};
use crate::frame::Piece;
use crate::make::{Preparation, Spare};
use crate::names;
use crate::options::Options;
use crate::reader::Spot;
use crate::{Error, Result};

/// Bytes are written when so many of them wait, even if nobody asks.
const WRITE_BYTES: usize = 1 << 20;

impl Log {
    /// Lets the next batch begin a new file, so that all files before it can be pruned together.
    pub fn rotate(&mut self) {
        self.is_sealed |= self.current.as_ref().is_some_and(Current::has_batches);
    }

    /// The making of the next file, ahead of its use; `None` if it is there, or not needed yet.
    ///
    /// # Errors
    /// [`Error::Stopped`] after a failure.
    pub fn preparation(&mut self) -> Result<Option<Preparation>> {
        self.check()?;
        if self.spares.is_empty() { self.prepare_another() } else { Ok(None) }
    }

    /// The making of one more file; `None` before the first append, which makes its own.
    pub(crate) fn prepare_another(&mut self) -> Result<Option<Preparation>> {
        self.check()?;
        if self.current.is_none() {
            return Ok(None);
        }
        let (bytes, id) = (self.next_bytes(0), self.next_id()?);
        Ok(Some(Preparation { disk: Arc::clone(&self.disk), id, bytes }))
    }

    /// Takes a file that was made ahead; says whether it was of use.
    pub fn supply(&mut self, spare: Spare) -> bool {
        // Two preparations may have been under way: files are used in the order of their numbers.
        let last = self.spares.back().map(|spare| spare.id);
        let last = last.or(self.current.as_ref().map(Current::id));
        let is_in_order = last.is_some_and(|last| last < spare.id);
        if is_in_order {
            self.held.insert(spare.id, spare.bytes);
            self.spares.push_back(spare);
        } else {
            self.discard(&spare);
        }
        is_in_order
    }

    /// The room for records that is left in this file, and in those made ahead.
    pub(crate) fn rooms(&self) -> (u64, VecDeque<u64>) {
        let current = self.current.as_ref().filter(|_| !self.is_sealed).map_or(0, Current::room);
        (current, self.spares.iter().map(Spare::room).collect())
    }

    /// Makes room for a batch whose records take so many bytes, in this file or in the next.
    pub(crate) fn reserve(&mut self, records: u64) -> Result<()> {
        self.check()?;
        if self.current.is_none() {
            return self.publish(&self.chain(), records);
        }
        let (current, _) = self.rooms();
        if records <= current { Ok(()) } else { self.ensure_spare(records) }
    }

    /// Sees to it that the batch fits this file and, if need be, a spare that is there: so that a full
    /// disk is refused before anything is framed.
    pub(super) fn make_room(&mut self, mut records: impl Iterator<Item = u64>) -> Result<()> {
        let Some(current) = &self.current else {
            return self.publish(&self.chain(), records.sum());
        };
        let mut room = if self.is_sealed { 0 } else { current.room() };
        let first_behind = records.find(|bytes| {
            let fits = *bytes <= room;
            room = room.saturating_sub(*bytes);
            !fits
        });
        let behind = first_behind.map_or(0, |first| first + records.sum::<u64>());
        if behind > 0 { self.ensure_spare(behind) } else { Ok(()) }
    }

    /// Puts a record into the current file, or into the next one if there is no room.
    pub(super) fn place_piece(&mut self, piece: &Piece<'_>) -> Result<()> {
        let has_room = |current: &Current| current.room() >= piece.record_bytes();
        if self.is_sealed || !self.current.as_ref().is_some_and(has_room) {
            self.begin_file()?;
        }
        if let Some(current) = &mut self.current {
            current.append(piece);
            self.stats.records += 1;
            self.stats.bytes += piece.record_bytes();
            if current.unwritten() >= WRITE_BYTES {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Lets the next batch be this one, and says in the log that those before it are missing.
    pub(crate) fn leave_out_up_to(&mut self, next: Sequence) -> Result<()> {
        if self.chain().next_sequence() == Some(next) {
            return Ok(());
        }
        self.sync()?;
        if let Some(current) = self.current.take() {
            self.behind = Some(Spot { file: current.id(), boundary: current.at() });
        }
        let last = Sequence::new(next.get() - 1);
        self.branch = carry::branch_off(&*self.disk, &self.branch, last)?;
        self.publish(&Chain::between(0, last), 0)
    }

    /// Begins the next file, once all of this one is synced.
    fn begin_file(&mut self) -> Result<()> {
        self.sync()?;
        let (Some(current), Some(spare)) = (&self.current, self.spares.pop_front()) else {
            unreachable!("room was made before anything was framed");
        };
        let chain = current.at().chain;
        let previous = Some(current.as_predecessor());
        let opening = Opening {
            file: spare.id,
            salt: spare.salt,
            bytes: spare.bytes,
            branch: self.branch,
            previous,
            last: chain.last,
        };
        let header = carry::header(&self.options, &opening)?;
        self.current = Some(Current::begun(spare, &header, &chain));
        self.is_sealed = false;
        self.stats.rotations += 1;
        Ok(())
    }

    fn ensure_spare(&mut self, records: u64) -> Result<()> {
        if self.spares.front().is_some_and(|spare| spare.room() >= records) {
            return Ok(());
        }
        for spare in std::mem::take(&mut self.spares) {
            self.discard(&spare);
        }
        let (bytes, id) = (self.next_bytes(records), self.next_id()?);
        let made = Preparation { disk: Arc::clone(&self.disk), id, bytes }.run();
        let spare = self.noting(made)?;
        self.held.insert(spare.id, spare.bytes);
        self.spares.push_back(spare);
        Ok(())
    }

    /// Makes this log's first file, and begins it.
    pub(super) fn publish(&mut self, chain: &Chain, records: u64) -> Result<()> {
        let id = self.next_id()?;
        let bytes = self.options.file_bytes_for(records, self.options.file_bytes);
        let previous = self.behind.map(|spot| Predecessor {
            file: spot.file,
            end: spot.boundary.offset,
            sum: spot.boundary.chain.sum,
        });
        let header = self.header(id, bytes, previous, chain.last)?;
        let made = carry::publish_empty(&*self.disk, &header, chain);
        let current = self.noting(made)?;
        self.adopt(current)
    }

    /// Goes on with a file that was just published, and clears away what it supersedes.
    pub(super) fn adopt(&mut self, current: Current) -> Result<()> {
        self.held.insert(current.id(), current.file_bytes());
        if let Some(spot) = self.behind {
            let cleared = crate::prune::clear_between(
                &*self.disk,
                self.options.store,
                spot.file,
                current.id(),
            );
            let cleared = self.noting(cleared)?;
            self.held.retain(|file, _| !cleared.contains(file));
        }
        self.current = Some(current);
        Ok(())
    }

    pub(super) fn header(
        &self,
        file: FileId,
        bytes: u64,
        previous: Option<Predecessor>,
        last: Option<Sequence>,
    ) -> Result<FileHeader> {
        let salt = carry::random(&*self.disk)?;
        let opening = Opening { file, salt, bytes, branch: self.branch, previous, last };
        carry::header(&self.options, &opening)
    }

    /// The length of the file behind the current one.
    fn next_bytes(&self, records: u64) -> u64 {
        let doubled = self.current.as_ref().map_or(0, Current::file_bytes).saturating_mul(2);
        let Options { file_bytes, file_bytes_most, .. } = self.options;
        self.options.file_bytes_for(records, doubled.clamp(file_bytes, file_bytes_most))
    }

    pub(super) fn next_id(&mut self) -> Result<FileId> {
        let id = self.highest.0.checked_add(1).ok_or(Error::Exhausted)?;
        self.highest = FileId(id);
        Ok(self.highest)
    }

    /// Takes away a spare that is not needed.
    pub(super) fn discard(&mut self, spare: &Spare) {
        self.held.remove(&spare.id);
        if let Ok(pending) = self.disk.remove(&names::log_path(spare.id)) {
            pending.forgo("a spare that comes back counts for nothing");
        }
    }
}
