//! The real disk: a directory of the operating system behind the seam.
//!
//! Owns: which system call each method of the seam becomes, and how the system's answers are
//! sorted into [`Error`]. What differs between systems is in [`directory`], in two versions: Linux
//! by direct system calls relative to an open directory, and any other system by the standard
//! library alone. The tests run both, as far as Linux can.
//!
//! Promises beyond those of the seam
//!  1. On unix a sync of a file or directory that was deleted meanwhile is an error, not a success.
//!  2. On Linux all names are looked up from the directory that was opened: moving it, or putting
//!     another in its place, does not lead writes astray.
//!
//! Never: keeps anything in memory that the operating system has not been given.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::lock::{self, LOCK_NAME, Lockable};
use crate::seam::{Empty, check_name, full_path};
use crate::transfer::{read_full, uninterrupted, write_full};
use crate::{
    Access, Disk, Entry, Error, File, LockGuard, LockKind, PendingDirSync, Recovering, Region,
    Result, region,
};
use directory::Directory;

mod directory;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod network;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

mod zeros;

pub(crate) mod positioned;

/// A directory of the operating system.
#[derive(Clone, Debug)]
pub struct OsDisk {
    /// Absolute, as it was when it was opened.
    root: PathBuf,
    directory: Arc<dyn Directory>,
}

/// How a directory is opened, where the defaults of [`OsDisk::open`] do not do.
#[derive(Clone, Copy, Default, Debug)]
pub struct OsOptions {
    missing: IfMissing,
    network: IfNetwork,
}

#[derive(Clone, Copy, Default, Debug)]
enum IfMissing {
    #[default]
    Refuse,
    Create,
}

#[derive(Clone, Copy, Default, Debug)]
enum IfNetwork {
    #[default]
    Refuse,
    Allow,
}

impl OsDisk {
    /// Opens a directory that exists, on a local file system.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotADirectory`], [`Error::Denied`] or [`Error::Network`].
    pub fn open(path: impl AsRef<Path>) -> Result<OsDisk> {
        OsOptions::default().open(path)
    }

    /// The defaults of [`OsDisk::open`], to be changed one by one.
    pub fn options() -> OsOptions {
        OsOptions::default()
    }

    fn full(&self, path: &Path) -> PathBuf {
        full_path(&self.root, path)
    }

    /// Sorts an error, and says so where the real reason is that the whole root is gone.
    fn failed(&self, doing: &'static str, path: &Path, source: io::Error) -> Error {
        let gone = source.kind() == io::ErrorKind::NotFound
            && self.directory.is_deleted().unwrap_or(false);
        if gone {
            return Error::Removed { path: self.root.clone() };
        }
        Error::new(doing, &self.full(path), source)
    }

    fn file(&self, path: &Path, file: fs::File) -> Arc<dyn File> {
        Arc::new(OsFile { path: self.full(path), file, directory: Arc::clone(&self.directory) })
    }
}

impl OsOptions {
    /// Makes the directory if it is missing, durably; the one above it must exist.
    pub fn create_missing(mut self) -> Self {
        self.missing = IfMissing::Create;
        self
    }

    /// Opens the directory even if it is on a network file system.
    ///
    /// There another machine may hold the same store open without either noticing, and a sync may
    /// not reach the other side's disk: what arrwDB promises then rests on that file system.
    pub fn allow_network(mut self) -> Self {
        self.network = IfNetwork::Allow;
        self
    }

    /// Opens the directory.
    ///
    /// # Errors
    /// As [`OsDisk::open`], less what was allowed.
    pub fn open(self, path: impl AsRef<Path>) -> Result<OsDisk> {
        self.open_as(path.as_ref(), native)
    }

    /// Opens it by the standard library alone, as systems other than Linux do.
    #[cfg(test)]
    fn open_portable(self, path: &Path) -> Result<OsDisk> {
        self.open_as(path, |root| {
            let directory: Arc<dyn Directory> = Arc::new(portable::PortableDirectory::open(root)?);
            Ok((directory, None))
        })
    }

    /// `open` gives the directory, and the kind of network file system it is on.
    fn open_as(
        self,
        path: &Path,
        open: impl FnOnce(&Path) -> io::Result<(Arc<dyn Directory>, Option<&'static str>)>,
    ) -> Result<OsDisk> {
        let root = std::path::absolute(path).map_err(|source| Error::new("open", path, source))?;
        if matches!(self.missing, IfMissing::Create) {
            create_durably(&root)?;
        }
        let opened = open(&root).map_err(|source| Error::new("open", &root, source))?;
        match (opened, self.network) {
            ((_, Some(kind)), IfNetwork::Refuse) => Err(Error::Network { path: root, kind }),
            ((directory, _), _) => Ok(OsDisk { root, directory }),
        }
    }
}

#[cfg(target_os = "linux")]
fn native(root: &Path) -> io::Result<(Arc<dyn Directory>, Option<&'static str>)> {
    let directory = linux::LinuxDirectory::open(root)?;
    let network = directory.network()?;
    Ok((Arc::new(directory), network))
}

/// Here it cannot be told whether a file system is a network's.
#[cfg(not(target_os = "linux"))]
fn native(root: &Path) -> io::Result<(Arc<dyn Directory>, Option<&'static str>)> {
    Ok((Arc::new(portable::PortableDirectory::open(root)?), None))
}

/// Makes a directory unless it is there, and makes its name durable in any case: an earlier process
/// may have made it and died before it was.
fn create_durably(root: &Path) -> Result<()> {
    match fs::create_dir(root) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::new("create", root, error)),
    }
    let parent = root.parent().unwrap_or(root);
    positioned::sync_dir(parent).map_err(|source| Error::new("sync", parent, source))
}

impl Disk for OsDisk {
    fn root(&self) -> &Path {
        &self.root
    }

    fn create(&self, path: &Path) -> Result<(Arc<dyn File>, PendingDirSync)> {
        check_name(path, Empty::IsRefused)?;
        let file =
            self.directory.create(path).map_err(|source| self.failed("create", path, source))?;
        Ok((self.file(path, file), PendingDirSync::of_parent(&self.root, path)))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn File>> {
        check_name(path, Empty::IsRefused)?;
        let failed = |source| self.failed("open", path, source);
        let file = self.directory.open(path, access).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Error::NotAFile { path: self.full(path) });
        }
        Ok(self.file(path, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<PendingDirSync> {
        check_name(from, Empty::IsRefused)?;
        check_name(to, Empty::IsRefused)?;
        self.directory.rename(from, to).map_err(|source| self.failed("rename", from, source))?;
        // The new name first: were the old one's loss durable before it, a crash could leave none.
        let to = PendingDirSync::of_parent(&self.root, to);
        Ok(to.and(PendingDirSync::of_parent(&self.root, from)))
    }

    fn remove(&self, path: &Path) -> Result<PendingDirSync> {
        check_name(path, Empty::IsRefused)?;
        self.directory.remove(path).map_err(|source| self.failed("remove", path, source))?;
        Ok(PendingDirSync::of_parent(&self.root, path))
    }

    fn create_dir(&self, path: &Path) -> Result<PendingDirSync> {
        check_name(path, Empty::IsRefused)?;
        self.directory
            .create_dir(path)
            .map_err(|source| self.failed("create directory", path, source))?;
        Ok(PendingDirSync::of_parent(&self.root, path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        check_name(dir, Empty::IsTheRoot)?;
        let listed = self.directory.list(dir).map_err(|source| self.failed("list", dir, source));
        let mut entries = listed?;
        entries.sort();
        Ok(entries)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        check_name(dir, Empty::IsTheRoot)?;
        self.directory.sync(dir).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Removed { path: self.full(dir) },
            _ => Error::new("sync", &self.full(dir), source),
        })
    }

    fn lock(&self, kind: LockKind) -> Result<LockGuard> {
        let name = Path::new(LOCK_NAME);
        let failed = |source| self.failed("lock", name, source);
        let file = self.directory.open_lock(name, kind).map_err(failed)?;
        let path = self.full(name);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Error::NotAFile { path });
        }
        let directory = self.directory.lockable().map_err(failed)?;
        lock::lock(Lockable { file, directory, path }, kind)
    }

    fn random(&self) -> Result<[u8; 16]> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new("draw random bytes for", &self.root, io::Error::other(error))
        })?;
        Ok(bytes)
    }

    fn recovering(&self) -> Recovering {
        Recovering::nothing()
    }
}

/// An open file of the operating system.
#[derive(Debug)]
struct OsFile {
    path: PathBuf,
    file: fs::File,
    directory: Arc<dyn Directory>,
}

impl OsFile {
    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::new(doing, &self.path, source)
    }

    /// Bytes of a file without a name are stored and lost: that is no success.
    fn refuse_if_deleted(&self) -> Result<()> {
        match lock::is_deleted(&self.file).map_err(|source| self.failed("sync", source))? {
            true => Err(Error::Removed { path: self.path.clone() }),
            false => Ok(()),
        }
    }
}

impl File for OsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|source| self.failed("inspect", source))?;
        Ok(metadata.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let wanted = buffer.len() as u64;
        let past_end = |found| Error::PastEnd { path: self.path.clone(), offset, wanted, found };
        // No file reaches that far, and the operating system would call it a wrong argument.
        if offset.checked_add(wanted).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(past_end(self.size()?.saturating_sub(offset)));
        }
        let found = read_full(offset, buffer, |buffer, offset| {
            positioned::read_at(&self.file, buffer, offset)
        });
        let found = found.map_err(|source| self.failed("read", source))? as u64;
        if found < wanted { Err(past_end(found)) } else { Ok(()) }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        write_full(offset, bytes, |bytes, offset| positioned::write_at(&self.file, bytes, offset))
            .map_err(|source| self.failed("write", source))
    }

    fn reserve(&self, size: u64) -> Result<()> {
        grow_or_restore(&self.file, || self.directory.reserve(&self.file, size))
            .map_err(|source| self.failed("reserve space for", source))
    }

    fn set_size(&self, size: u64) -> Result<()> {
        uninterrupted(|| self.file.set_len(size))
            .map_err(|source| self.failed("set the size of", source))
    }

    fn sync_data(&self) -> Result<()> {
        uninterrupted(|| self.file.sync_data()).map_err(|source| self.failed("sync", source))?;
        self.refuse_if_deleted()
    }

    fn sync_all(&self) -> Result<()> {
        uninterrupted(|| self.file.sync_all()).map_err(|source| self.failed("sync", source))?;
        self.refuse_if_deleted()
    }

    fn map(&self, size: u64) -> Result<Arc<dyn Region>> {
        region::map(&self.file, &self.path, size)
    }
}

/// Lets a file grow; where that fails half-way, takes back what it grew by. If even that fails,
/// its error is the one returned: it leaves the file in doubt, which a full disk does not.
fn grow_or_restore(file: &fs::File, grow: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let size_before = file.metadata()?.len();
    let Err(refused) = grow() else { return Ok(()) };
    if file.metadata()?.len() > size_before {
        uninterrupted(|| file.set_len(size_before))?;
    }
    Err(refused)
}

#[cfg(test)]
mod tests;
