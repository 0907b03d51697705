//! Says what a directory handle must be able to do on every system.
//!
//! Names arrive checked: relative, plain, below the root; the empty name is the root itself.
//! Errors are the operating system's own; `OsDisk` sorts them and adds the path.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::{Access, Entry, LockKind};

/// An open directory, from which names are looked up.
pub(crate) trait Directory: Send + Sync + fmt::Debug {
    /// Makes a new file; fails if the name is taken.
    fn create(&self, path: &Path) -> io::Result<fs::File>;

    /// Opens a file that exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<fs::File>;

    /// Opens the lock file, making it if it is missing. For a shared lock one that exists is
    /// opened for reading only, so that a read-only directory can be locked by its readers.
    fn open_lock(&self, path: &Path, kind: LockKind) -> io::Result<fs::File>;

    /// Gives a file another name in one step, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// What a directory holds, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes the names in a directory durable; fails with `NotFound` if it is deleted.
    fn sync(&self, dir: &Path) -> io::Result<()>;

    /// Whether the root is deleted.
    fn is_deleted(&self) -> io::Result<bool>;

    /// A handle of the root to lock, where the system can lock a directory.
    fn lockable(&self) -> io::Result<Option<fs::File>>;

    /// Makes a file at least `size` long and takes the space for it. After an error the file may
    /// have grown.
    fn reserve(&self, file: &fs::File, size: u64) -> io::Result<()>;
}
