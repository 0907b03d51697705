//! Defines the seam: everything arrwDB may ask of a disk, and what each answer is worth.
//!
//! Terms. *Visible* is what a read sees now. *Durable* is what is still there after the power
//! fails. A file's bytes and its name are separate things: bytes become durable by `sync_data` or
//! `sync_all` on the file, a name by `sync_dir` on the directory that holds it. Until then either
//! may survive a crash without the other, whole, in part or not at all.
//!
//! Promises of every implementation
//!  1. A call that fails says so; nothing is retried except an interrupted system call.
//!  2. Reads and writes are whole: a short transfer is continued or reported, never passed on.
//!  3. A write over bytes that are already durable harms, if torn, only bytes of that write
//!     (power-safe overwrite): the one thing assumed of the device.
//!
//! Never: buffers in user space; writes through a map; decides what a file's bytes mean.

use std::any::Any;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, LockGuard, LockKind, PendingDirSync, Region, Result};

/// A directory and all below it, as one store sees the disk.
///
/// Names are relative to that directory, and made of plain parts: an absolute name, or one
/// through `..`, is [`Error::Outside`](crate::Error::Outside). Links that someone put into the
/// directory on purpose are followed, so that a part of a store can lie on another device.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The directory all names are relative to, for messages.
    fn root(&self) -> &Path;

    /// Makes a new, empty file and opens it for reading and writing.
    ///
    /// Durable when it returns: nothing. The name waits for the sync of its directory, which is
    /// what the second value stands for.
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) if the name is taken: nothing is ever overwritten.
    fn create(&self, path: &Path) -> Result<(Arc<dyn File>, PendingDirSync)>;

    /// Opens a file that exists. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing); [`Error::NotAFile`](crate::Error::NotAFile) if the
    /// name leads to a directory, a device or a pipe.
    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn File>>;

    /// Gives a file or directory another name, replacing a file that had it, in one step that
    /// readers see whole or not at all.
    ///
    /// Durable when it returns: nothing. Within one directory a crash leaves either name, or both.
    /// Between two directories it may leave none, if the old one is synced before the new one: what
    /// is returned syncs the new one first. The bytes are not synced by this: sync the file first,
    /// or the new name may stand for an empty file.
    fn rename(&self, from: &Path, to: &Path) -> Result<PendingDirSync>;

    /// Takes a file's name away. Handles and regions that are open keep working.
    ///
    /// Durable when it returns: nothing; the name may come back until its directory is synced.
    fn remove(&self, path: &Path) -> Result<PendingDirSync>;

    /// Makes a directory.
    ///
    /// Durable when it returns: nothing; the name waits for the sync of the directory above.
    fn create_dir(&self, path: &Path) -> Result<PendingDirSync>;

    /// What a directory holds, sorted by name; the empty path names the root. Changes nothing.
    fn list(&self, dir: &Path) -> Result<Vec<Entry>>;

    /// Makes the names in a directory durable; the empty path names the root.
    ///
    /// Durable when it returns: which names the directory holds and which it no longer does. Not
    /// the bytes of its files, nor the names in directories below it.
    ///
    /// # Errors
    /// [`Error::Removed`](crate::Error::Removed) if the directory is not there any more.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Locks the directory against other openers, of this process or another; never waits. Makes
    /// the lock file if it is missing, and owes no sync for it: its loss is harmless.
    ///
    /// The lock ends when the guard is dropped or the process dies, whichever comes first. Take it
    /// before the first read.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked), with who holds it;
    /// [`Error::Denied`](crate::Error::Denied) where the lock file is missing and can't be made.
    fn lock(&self, kind: LockKind) -> Result<LockGuard>;

    /// Sixteen bytes that no other call has returned or will: for store ids and salts. A simulated
    /// disk draws them from its seed.
    fn random(&self) -> Result<[u8; 16]>;

    /// Says that the caller is recovering until the answer is dropped, and promises to read by
    /// position only: a bad sector is then an error, where through a map it would end the process.
    /// The real disk takes its word; the simulated one panics when the promise is broken.
    fn recovering(&self) -> Recovering;
}

/// Stands for a recovery that is under way.
#[must_use = "the recovery is taken to be over when this is dropped"]
pub struct Recovering {
    /// What the disk wants dropped at its end.
    _note: Option<Box<dyn Any + Send + Sync>>,
}

impl Recovering {
    /// Notes nothing.
    pub const fn nothing() -> Self {
        Recovering { _note: None }
    }

    /// Drops `note` when the recovery is over.
    pub fn until_dropped(note: impl Any + Send + Sync) -> Self {
        Recovering { _note: Some(Box::new(note)) }
    }
}

impl fmt::Debug for Recovering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recovering")
    }
}

/// One open file. All methods work at a position that is given; there is no cursor to share.
///
/// Threads may call at the same time. Where writes of two threads overlap, which one stays is
/// undefined, and only one thread at a time may change a file's length (`reserve`, `set_len`, a
/// write behind the end).
pub trait File: Send + Sync + fmt::Debug {
    /// The whole path the file was opened under, for messages.
    fn path(&self) -> &Path;

    /// How many bytes the file has now.
    fn size(&self) -> Result<u64>;

    /// Fills the buffer from this offset.
    ///
    /// # Errors
    /// [`Error::PastEnd`](crate::Error::PastEnd) if the file ends before the buffer is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;

    /// Writes all the bytes at this offset, growing the file if they reach past its end.
    ///
    /// Visible at once to reads and through every [`Region`]. Durable when it returns: nothing.
    /// After an error any part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the file at least `size` bytes long and takes the space for all of it from the
    /// device, so that writing there cannot run out of space. New bytes read as zeros; bytes that
    /// were there stay.
    ///
    /// Durable when it returns: nothing. On a file system that copies on write the space is a
    /// promise the device may still break; then the write fails. Where the system cannot reserve,
    /// zeros are written behind the end, and bytes the file has but that nobody ever wrote (after
    /// `set_size`, or a write far behind the end) stay without space: grow a file by this call.
    ///
    /// # Errors
    /// [`Error::Full`](crate::Error::Full) if there is not enough space; the size is as before.
    fn reserve(&self, size: u64) -> Result<()>;

    /// Cuts the file off at `size`, or grows it with zeros that have no space reserved.
    ///
    /// Never cut a file that a [`Region`] maps: touching the lost part is a fatal signal. Durable
    /// when it returns: nothing; a cut waits for `sync_all`.
    fn set_size(&self, size: u64) -> Result<()>;

    /// Makes the file's bytes durable.
    ///
    /// Durable when it returns: every write that returned before this call began, and the size as
    /// far as it grew. Not a cut, and not the file's name.
    ///
    /// # Errors
    /// After an error nothing is known about any write since the last sync that worked, and
    /// another sync may answer "done" without having done it: do not retry, see
    /// [`Latch`](crate::Latch). [`Error::Removed`](crate::Error::Removed) if no name leads to the
    /// file any more: the bytes are stored, and lost.
    fn sync_data(&self) -> Result<()>;

    /// Makes the file's bytes and its size durable, a cut included; otherwise as
    /// [`sync_data`](File::sync_data). Not the file's name.
    fn sync_all(&self) -> Result<()>;

    /// Maps the first `size` bytes for reading, for as long as the region lives.
    ///
    /// # Errors
    /// [`Error::PastEnd`](crate::Error::PastEnd) if the file is shorter than that;
    /// [`Error::Refused`](crate::Error::Refused) for 0 bytes.
    fn map(&self, size: u64) -> Result<Arc<dyn Region>>;
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading only: a write fails.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    /// The name, without the directory. It may be anything the operating system allows: a store's
    /// directory can hold files that are not its own.
    pub name: OsString,
    /// What the name stands for.
    pub kind: EntryKind,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A link, a socket, a device: nothing a store makes.
    Other,
}

/// Checks that a name stays below the root; the empty path, which names the root itself, is
/// for directories only.
pub(crate) fn check_name(path: &Path, empty: Empty) -> Result<()> {
    use std::path::Component;
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let named = empty == Empty::IsTheRoot || path.file_name().is_some();
    if plain && named { Ok(()) } else { Err(Error::Outside { path: PathBuf::from(path) }) }
}

/// Where a checked name leads; the empty one is the root, without a slash behind it.
pub(crate) fn full_path(root: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { root.into() } else { root.join(path) }
}

/// What the empty path means to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    IsTheRoot,
    IsRefused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_root_are_refused() {
        for name in ["/etc/passwd", "../other", "wal/../../other", "", ".", "./wal"] {
            let refused = check_name(Path::new(name), Empty::IsRefused);
            assert!(matches!(refused, Err(Error::Outside { .. })), "{name:?} was let through");
        }
        for name in ["LOCK", "wal/1", "a/b/c"] {
            assert!(check_name(Path::new(name), Empty::IsRefused).is_ok(), "{name:?} was refused");
        }
        assert!(check_name(Path::new(""), Empty::IsTheRoot).is_ok());
    }
}
