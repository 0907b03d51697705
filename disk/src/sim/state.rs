//! What a running simulated disk is: the record of all that was done, faults, limits, locks, syncs.
//!
//! Names are in `names.rs`, files in `bytes.rs`; all three give calls the meaning they have on Linux, and
//! `SimDisk` adds the seam around them.
//! Errors are the operating system's kinds, so that both disks sort them by the same code.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;

use super::bytes::FileNode;
use super::event::{Event, Inode, Progress, SyncsName};
use super::fault::{FaultKind, Faults, LostSync};
use super::platter::Platter;
use super::random::Random;
use super::recording::Recording;
use crate::LockKind;
use crate::hook::Call;

/// All of a simulated disk that changes.
#[derive(Debug)]
pub(crate) struct State {
    start: Platter,
    start_progress: Progress,
    pub(crate) events: Vec<Event>,
    pub(crate) platter: Platter,
    pub(crate) progress: Progress,
    pub(super) files: BTreeMap<Inode, FileNode>,
    pub(super) dirs: BTreeMap<Inode, BTreeMap<OsString, Inode>>,
    pub(super) next_inode: u32,
    pub(crate) faults: Faults,
    /// Files and directories whose next sync reports what an earlier one lost.
    late: Vec<Inode>,
    pub(crate) limits: Limits,
    pub(crate) open_files: usize,
    pub(crate) locks: Locks,
    pub(crate) recovering: usize,
    pub(crate) random: Random,
}

/// What a simulated disk has of what runs out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) open_files: usize,
    pub(crate) sync_all: SyncsName,
}

/// Who holds the lock.
#[derive(Default, Debug)]
pub(crate) struct Locks {
    pub(crate) exclusive: bool,
    pub(crate) shared: usize,
}

impl State {
    pub(crate) fn new(start: Platter, progress: Progress, seed: u64, limits: Limits) -> Self {
        let dirs = start.live_names();
        let mut files = BTreeMap::new();
        for (inode, bytes, unreadable) in start.live_files() {
            let led_to = dirs.values().flat_map(BTreeMap::values).filter(|it| **it == inode);
            let node = FileNode {
                taken: bytes.len() as u64,
                bytes,
                names: u32::try_from(led_to.count()).unwrap_or(u32::MAX),
                unreadable,
                ..FileNode::default()
            };
            files.insert(inode, node);
        }
        State {
            next_inode: start.free_inode(),
            platter: start.clone(),
            start,
            events: Vec::new(),
            progress,
            start_progress: progress,
            files,
            dirs,
            faults: Faults::default(),
            late: Vec::new(),
            limits,
            open_files: 0,
            locks: Locks::default(),
            recovering: 0,
            random: Random::new(seed),
        }
    }

    /// The run so far.
    pub(crate) fn recording(&self) -> Recording {
        Recording {
            start: self.start.clone(),
            limits: self.limits,
            progress: self.start_progress,
            events: self.events.clone(),
        }
    }

    pub(crate) fn record(&mut self, event: Event) {
        if let Event::Note(note) = &event {
            self.progress.note(*note);
        }
        self.platter.step(&event);
        self.events.push(event);
    }

    /// Syncs a file or a directory, as this event says, or fails as the fault says.
    pub(crate) fn sync(
        &mut self,
        inode: Inode,
        event: Event,
        fault: Option<FaultKind>,
    ) -> io::Result<()> {
        self.find_stray_stores(inode);
        let failed = || Err(io::Error::other("simulated: the device could not keep it"));
        // What an earlier sync lost is reported first.
        if let Some(at) = self.late.iter().position(|late| *late == inode) {
            self.late.remove(at);
            self.record(Event::Dropped { inode });
            return failed();
        }
        match fault {
            Some(FaultKind::Sync(LostSync::KeepsCache)) => {
                self.record(Event::Dropped { inode });
                return failed();
            }
            Some(FaultKind::Sync(LostSync::RevertsCache)) => {
                self.revert(inode);
                return failed();
            }
            Some(FaultKind::Sync(LostSync::ReportedLate)) => {
                self.record(Event::Dropped { inode });
                self.late.push(inode);
                return Ok(());
            }
            Some(FaultKind::Full { .. }) => {
                self.record(Event::Dropped { inode });
                return Err(io::ErrorKind::StorageFull.into());
            }
            _ => {}
        }
        self.record(event);
        let deleted = self.files.get(&inode).is_some_and(|node| node.names == 0);
        if deleted { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    /// The cache shows what is durable again; as far as the file is mapped it keeps its size.
    fn revert(&mut self, inode: Inode) {
        self.record(Event::Reverted { inode });
        let durable = self.platter.cached(inode);
        if let Some(node) = self.files.get_mut(&inode) {
            let mut bytes = Vec::clone(&durable);
            bytes.resize(bytes.len().max(node.mapped()), 0);
            node.replace(bytes);
        }
    }

    pub(crate) fn open_handle(&mut self, inode: Inode) {
        self.open_files += 1;
        if let Some(node) = self.files.get_mut(&inode) {
            node.handles += 1;
        }
    }

    pub(crate) fn close_handle(&mut self, inode: Inode) {
        self.open_files = self.open_files.saturating_sub(1);
        if let Some(node) = self.files.get_mut(&inode) {
            node.handles = node.handles.saturating_sub(1);
        }
    }

    pub(crate) fn lock(&mut self, kind: LockKind) -> bool {
        match kind {
            LockKind::Exclusive if !self.locks.exclusive && self.locks.shared == 0 => {
                self.locks.exclusive = true;
            }
            LockKind::Shared if !self.locks.exclusive => self.locks.shared += 1,
            _ => return false,
        }
        true
    }

    pub(crate) fn unlock(&mut self, kind: LockKind) {
        match kind {
            LockKind::Exclusive => self.locks.exclusive = false,
            LockKind::Shared => self.locks.shared = self.locks.shared.saturating_sub(1),
        }
    }

    /// Counts a call, and refuses it if a fault waited for it.
    pub(crate) fn admit(&mut self, call: &Call<'_>) -> io::Result<()> {
        match self.strike(call) {
            Some(FaultKind::Full { .. }) => Err(io::ErrorKind::StorageFull.into()),
            Some(FaultKind::TooManyFiles) => Err(too_many_files()),
            Some(FaultKind::Call) => Err(io::Error::other("simulated: the call failed")),
            _ => Ok(()),
        }
    }

    pub(crate) fn strike(&mut self, call: &Call<'_>) -> Option<FaultKind> {
        self.faults.strike(call)
    }
}

/// EMFILE, as the operating system says it.
pub(crate) fn too_many_files() -> io::Error {
    io::Error::from_raw_os_error(24)
}
