//! Rebuilds a heap after an unknown shutdown: the list of an image, and what the log says was decided since.
//!
//! Promises
//!  1. Payloads that the log holds are written to their places again, without asking whether that is needed.
//!  2. The files are written by position and not read, but for their headers.
//!  3. A file that is damaged or lost is an error for what lies in it alone: see [`PayloadHeap::broken`].
//!
//! Never: decides anything; makes anything durable, which is the next checkpoint's affair.

use std::collections::HashMap;
use std::sync::Arc;

use base::FileId;
use disk::{Access, Disk};

use super::batch::length_of;
use super::file::{Opened, PayloadFile, payloads_of};
use super::format::check_range;
use super::ledger::{Health, Ledger};
use super::place::PayloadPlace;
use super::{HeapFile, HeapList, HeapOwner, PayloadHeap};
use crate::file::Place;
use crate::primitives::lock;
use crate::{Error, Result};

/// A heap that is being rebuilt.
#[derive(Debug)]
pub struct HeapRecovery {
    heap: PayloadHeap,
    disk: Arc<dyn Disk>,
}

impl HeapRecovery {
    /// Begins with the files as an image lists them. One that is damaged or lost is no error here.
    ///
    /// # Errors
    /// [`Error::Disk`] where a file may be as it was, and could not be opened: too many are open, say. Going on without it,
    /// what the log holds for it would be lost with the log.
    pub fn begin(disk: Arc<dyn Disk>, owner: HeapOwner, list: &HeapList) -> Result<Self> {
        let begun = Self::begin_with((disk, Access::ReadWrite), owner, list);
        match begun.heap.broken().into_iter().find(|(_, error)| may_be_there(error)) {
            Some((_, error)) => Err(error),
            None => Ok(begun),
        }
    }

    /// The same, to look only: nothing can be [written](HeapRecovery::wrote) in it, and any file may be closed to it.
    pub fn to_look(disk: Arc<dyn Disk>, owner: HeapOwner, list: &HeapList) -> Self {
        Self::begin_with((disk, Access::Read), owner, list)
    }

    fn begin_with(
        (disk, access): (Arc<dyn Disk>, Access),
        owner: HeapOwner,
        list: &HeapList,
    ) -> Self {
        let opened = list.files().iter().map(|it| open(&*disk, owner, it, access));
        let files: Vec<_> = opened.collect();
        let health: HashMap<_, _> = files.iter().map(|it| (it.file, health_of(it))).collect();
        let ledger = Ledger::of(list, |file| health.get(&file).copied().unwrap_or(Health::Broken));
        let place = Place::Disk(Arc::clone(&disk));
        HeapRecovery { heap: PayloadHeap::of_parts(place, owner, files.into(), ledger), disk }
    }

    /// One more file was made, for these addresses.
    ///
    /// # Errors
    /// [`Error::BadFile`] if it was there already, or an address of it is that of another; [`Error::Disk`] as
    /// [`begin`](HeapRecovery::begin).
    pub fn grew(&mut self, file: FileId, base: u64, capacity: u64) -> Result<()> {
        let bad = |what| Error::BadFile { file, what };
        let it = HeapFile { file, base, capacity, used: 0, live: 0 };
        let mut ledger = lock(&self.heap.ledger);
        if file.0 == 0 || check_range(base, capacity).is_err() {
            return Err(bad("made for addresses that there are not"));
        }
        if ledger.meets(&it) {
            return Err(bad("made where another one is"));
        }
        let opened = open(&*self.disk, self.heap.owner, &it, Access::ReadWrite);
        if let Err(error) = &opened.payloads
            && may_be_there(error)
        {
            return Err(error.clone());
        }
        ledger.add(it, health_of(&opened));
        self.heap.change_files(|files| files.push(opened));
        Ok(())
    }

    /// A payload, which the log holds, was given this place. It is written there.
    ///
    /// # Errors
    /// [`Error::BadPlace`] if it cannot have been; if the file cannot be written. One that is damaged or lost is none: what
    /// it holds cannot be read.
    pub fn wrote(&mut self, place: PayloadPlace, payload: &[u8]) -> Result<()> {
        if length_of(payload.len())? != place.length {
            return Err(Error::BadPlace { place, what: "written with another length" });
        }
        lock(&self.heap.ledger).replay_born(place)?;
        if payloads_of(&self.heap.files(), place).is_err() {
            return Ok(());
        }
        self.heap.write([(place, payload)])
    }

    /// A payload ended. A place that leads nowhere is not counted: where the newest image was lost, and an older one is gone
    /// on from, the log says of payloads that a compaction had copied since where they were then. As much stays counted as
    /// alive as that, until its file is emptied.
    pub fn released(&mut self, place: PayloadPlace) {
        lock(&self.heap.ledger).release(place);
    }

    /// Ends the recovery.
    pub fn finish(self) -> PayloadHeap {
        self.heap
    }
}

fn open(disk: &dyn Disk, owner: HeapOwner, it: &HeapFile, access: Access) -> Arc<Opened> {
    let header = owner.header(it.file, it.base, it.capacity);
    Opened::new(&header, PayloadFile::open(disk, &header, access, it.used))
}

/// Whether a file that could not be opened may be sound for all that.
fn may_be_there(error: &Error) -> bool {
    matches!(error, Error::Disk(error) if !matches!(error, disk::Error::Missing { .. }))
}

fn health_of(opened: &Opened) -> Health {
    if opened.payloads.is_ok() { Health::Good } else { Health::Broken }
}
