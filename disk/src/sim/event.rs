//! What can happen to a simulated disk: the least that tells how every disk came about.

use std::ffi::OsString;
use std::sync::Arc;

/// A file or directory of a simulated disk, whatever names it has; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Inode(pub(crate) u32);

/// The directory all names are relative to.
pub(crate) const ROOT: Inode = Inode(0);

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Create {
        dir: Inode,
        name: OsString,
        inode: Inode,
    },
    CreateDir {
        dir: Inode,
        name: OsString,
        inode: Inode,
    },
    Rename {
        from: (Inode, OsString),
        to: (Inode, OsString),
        inode: Inode,
    },
    Remove {
        dir: Inode,
        name: OsString,
    },
    Write {
        inode: Inode,
        offset: u64,
        bytes: Arc<[u8]>,
        device: Device,
    },
    /// Also a reservation that grew the file: it reads as zeros, which need no bytes.
    SetSize {
        inode: Inode,
        from: u64,
        to: u64,
    },
    SyncData {
        inode: Inode,
    },
    /// Of a file; on some disks its names too.
    SyncAll {
        inode: Inode,
        names: SyncsName,
    },
    SyncDir {
        dir: Inode,
    },
    /// A sync that lost what it should have made durable, while the cache still shows it.
    Dropped {
        inode: Inode,
    },
    /// A sync that lost what it should have made durable, and the cache with it.
    Reverted {
        inode: Inode,
    },
    /// The workload began its `n`-th step, or was told that `n` steps are safe.
    Note(Note),
}

/// Whether syncing all of a new file makes its name durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SyncsName {
    No,
    Yes,
}

/// What a device makes of a write it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// What was asked.
    Writes,
    /// Nothing, and says it did.
    Loses,
    /// The same at another offset, and says it did what was asked.
    WritesAt(u64),
}

/// What a workload says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Note {
    Begun(u64),
    Acknowledged(u64),
}

/// How far a workload was at some point: the bounds on what may be found after a crash there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Progress {
    /// Steps that had begun: nothing of later ones may be found.
    pub begun: u64,
    /// Steps that had been acknowledged: all of them must be found.
    pub acknowledged: u64,
}

impl Progress {
    pub(crate) fn note(&mut self, note: Note) {
        match note {
            Note::Begun(steps) => self.begun = self.begun.max(steps),
            Note::Acknowledged(steps) => self.acknowledged = self.acknowledged.max(steps),
        }
    }
}
