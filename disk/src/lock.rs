//! Keeps a directory to one writer, or to readers: across processes, and within this one.
//!
//! Three locks at once. The operating system's lock on the lock file keeps other processes out, and
//! vanishes with the process whatever kills it. The same lock on the directory itself, where there
//! can be one, holds even if someone deletes the lock file as "stale". A table of this process's own
//! locks, by the identity of the directory and not by its path, says when it is we who hold it, and
//! refuses a second handle even where the operating system's locks belong to whole processes.
//!
//! Compatible: any number of [`LockKind::Shared`], or one [`LockKind::Exclusive`].
//!
//! Never: waits; writes to the lock file; deletes it (a deleted lock file could be locked anew by
//! someone else while its old self is still held).

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::{Error, Holder, Owner, Result};

/// Name of the lock file in the root of every disk. Its contents mean nothing: FORMAT.md
/// section 2.
pub const LOCK_NAME: &str = "LOCK";

/// How a directory is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockKind {
    /// For the one who writes: nobody else may hold any lock.
    Exclusive,
    /// For those who only read: others may too, but nobody may write.
    Shared,
}

/// Holds a lock until it is dropped.
#[must_use = "the lock is released when this is dropped"]
pub struct LockGuard {
    /// What the disk that made the lock wants dropped at its end.
    _held: Box<dyn Any + Send + Sync>,
}

impl LockGuard {
    /// Drops `held` when the lock ends.
    pub fn until_dropped(held: impl Any + Send + Sync) -> Self {
        LockGuard { _held: Box::new(held) }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockGuard")
    }
}

/// What tells one file from another, whatever path led to it: its device and number there.
#[cfg(unix)]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Identity(u64, u64);
/// Elsewhere the canonical path has to do.
#[cfg(not(unix))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Identity(std::path::PathBuf);

/// How this process holds a lock file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    Exclusively,
    /// By this many guards; never 0.
    Shared(usize),
}

/// Every lock this process holds, and what it found here of the process it was split off from.
static HELD: Mutex<BTreeMap<Identity, (Owner, Held)>> = Mutex::new(BTreeMap::new());

/// What is locked: open handles, and the path that messages name and that must lead to the first.
pub(crate) struct Lockable {
    /// The lock file.
    pub(crate) file: fs::File,
    /// The directory, where the operating system can lock one.
    pub(crate) directory: Option<fs::File>,
    pub(crate) path: PathBuf,
}

impl Lockable {
    /// What says which directory this is, and whether it is still there.
    fn anchor(&self) -> &fs::File {
        self.directory.as_ref().unwrap_or(&self.file)
    }

    fn handles(&self) -> impl Iterator<Item = &fs::File> {
        std::iter::once(&self.file).chain(&self.directory)
    }

    fn unlock(&self) {
        self.handles().for_each(|handle| drop(handle.unlock()));
    }
}

/// A lock on a directory of the real disk.
struct LockedDirectory {
    what: Lockable,
    identity: Identity,
    /// Who took it: a process that was split off from it must not give it back.
    owner: Owner,
}

/// Locks a directory, or says who has it.
pub(crate) fn lock(what: Lockable, kind: LockKind) -> Result<LockGuard> {
    let failed = |source| Error::new("lock", &what.path, source);
    let locked_by = |holder| Error::Locked { path: what.path.clone(), holder };
    let identity = identify(what.anchor(), &what.path).map_err(failed)?;

    let mut held = HELD.lock();
    // One that was taken before this process was split off is the other's, as the operating system will say.
    let ours = held.get(&identity).filter(|(owner, _)| owner.is_here()).map(|(_, held)| held);
    let holding = match (ours, kind) {
        (None, LockKind::Exclusive) => Held::Exclusively,
        (None, LockKind::Shared) => Held::Shared(1),
        (Some(Held::Shared(guards)), LockKind::Shared) => Held::Shared(guards + 1),
        (Some(_), _) => return Err(locked_by(Holder::ThisProcess)),
    };
    if let Err(refused) = lock_all(&what, kind) {
        // The first may be locked, and closing does not always unlock at once: see below.
        what.unlock();
        return Err(match refused {
            fs::TryLockError::WouldBlock => locked_by(Holder::AnotherProcess),
            fs::TryLockError::Error(source) => failed(source),
        });
    }
    if is_deleted(what.anchor()).map_err(failed)? {
        // Locked too late: whoever opens the path next will come to another directory.
        what.unlock();
        return Err(Error::Removed { path: what.path });
    }
    let owner = Owner::this_process();
    held.insert(identity.clone(), (owner, holding));
    drop(held);
    Ok(LockGuard::until_dropped(LockedDirectory { what, identity, owner }))
}

fn lock_all(what: &Lockable, kind: LockKind) -> std::result::Result<(), fs::TryLockError> {
    what.handles().try_for_each(|handle| match kind {
        LockKind::Exclusive => handle.try_lock(),
        LockKind::Shared => handle.try_lock_shared(),
    })
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            return;
        }
        let mut held = HELD.lock();
        // Unlocked under the table's lock, so that nobody in this process finds the directory free
        // in the table and still locked by the operating system.
        //
        // Closing alone would not do: a process that another thread is just starting has a copy of
        // the handle until its program runs, and keeps the lock for as long. Should unlocking
        // fail, closing is what is left, so there is nothing to do about an error here.
        self.what.unlock();
        match held.get_mut(&self.identity) {
            Some((_, Held::Shared(guards))) if *guards > 1 => *guards -= 1,
            _ => {
                held.remove(&self.identity);
            }
        }
    }
}

#[cfg(unix)]
fn identify(file: &fs::File, _path: &Path) -> std::io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok(Identity(metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identify(_file: &fs::File, path: &Path) -> std::io::Result<Identity> {
    path.canonicalize().map(Identity)
}

/// Whether no name leads to an open file any more.
#[cfg(unix)]
pub(crate) fn is_deleted(file: &fs::File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() == 0)
}

/// Elsewhere it cannot be told.
#[cfg(not(unix))]
pub(crate) fn is_deleted(_file: &fs::File) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lock file alone, as systems have it that cannot lock a directory.
    fn lockable(file: fs::File) -> Lockable {
        Lockable { file, directory: None, path: "LOCK".into() }
    }

    /// Between the moment a process is forked and the moment its program runs, it holds a copy of
    /// every handle. A store that was closed and opened again while another thread started a
    /// process was refused as "locked by another process", now and then.
    #[test]
    fn a_copy_of_the_handle_does_not_keep_the_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || fs::File::options().read(true).write(true).open(file.path()).unwrap();
        let handle = open();
        let copy = handle.try_clone().unwrap();
        drop(lock(lockable(handle), LockKind::Exclusive).unwrap());
        drop(lock(lockable(open()), LockKind::Exclusive).unwrap());
        drop(copy);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_file_deleted_before_it_was_locked_is_not_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let handle = file.reopen().unwrap();
        file.close().unwrap();
        let refused = lock(lockable(handle), LockKind::Exclusive).unwrap_err();
        assert!(matches!(refused, Error::Removed { .. }), "{refused}");
    }
}
