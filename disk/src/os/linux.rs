//! A directory on Linux: every name is looked up from an open handle, by direct system calls.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{AtFlags, Dir, FallocateFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::directory::Directory;
use super::{network, zeros};
use crate::transfer::uninterrupted;
use crate::{Access, Entry, EntryKind, LockKind};

/// Owner, group and others may read and write, less what the process's umask takes away.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// The same for directories, which must be searchable to be used.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o777);

/// What file systems and kernels say that cannot reserve space.
const CANNOT_RESERVE: [i32; 2] = [Errno::OPNOTSUPP.raw_os_error(), Errno::NOSYS.raw_os_error()];

/// Whether no name leads to an open directory any more.
fn is_unnamed(dir: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fstat(dir)?.st_nlink == 0)
}

/// Whether both are the same file or directory.
fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct LinuxDirectory {
    root: OwnedFd,
    /// The directories below that were synced, for the next time: a sync that had to open its directory would fail where a
    /// process has no more handles, and what it should have kept would be in doubt.
    synced: Mutex<Vec<(PathBuf, Arc<OwnedFd>)>>,
}

impl LinuxDirectory {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = uninterrupted(|| Ok(rustix::fs::open(root, flags, Mode::empty())?))?;
        Ok(LinuxDirectory { root, synced: Mutex::default() })
    }

    /// The number of the kind of file system.
    fn magic(&self) -> io::Result<i128> {
        Ok(rustix::fs::fstatfs(&self.root)?.f_type.into())
    }

    /// The kind of network file system the directory is on; `None` if it is on another.
    pub(crate) fn network(&self) -> io::Result<Option<&'static str>> {
        Ok(network::kind_of(self.magic()?))
    }

    /// Opens without waiting: a pipe under the name of a file would otherwise wait for its other
    /// end. To files it makes no difference.
    fn open_at(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
        uninterrupted(|| Ok(rustix::fs::openat(&self.root, path, flags, FILE_MODE)?))
    }

    fn open_dir(&self, dir: &Path) -> io::Result<OwnedFd> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        self.open_at(dir, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// A handle of the directory that has this name now: the one it was synced by before, if it is the same.
    fn to_sync(&self, dir: &Path) -> io::Result<Arc<OwnedFd>> {
        let kept =
            || self.synced.lock().iter().find(|(path, _)| path == dir).map(|it| it.1.clone());
        if let Some(kept) = kept() {
            let now = rustix::fs::statat(&self.root, dir, AtFlags::empty())?;
            if is_same(&now, &rustix::fs::fstat(&*kept)?) {
                return Ok(kept);
            }
        }
        let opened = Arc::new(self.open_dir(dir)?);
        let mut synced = self.synced.lock();
        synced.retain(|(path, _)| path != dir);
        synced.push((dir.to_owned(), Arc::clone(&opened)));
        Ok(opened)
    }
}

impl Directory for LinuxDirectory {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        Ok(self.open_at(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?.into())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<fs::File> {
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        Ok(self.open_at(path, flags)?.into())
    }

    fn open_lock(&self, path: &Path, kind: LockKind) -> io::Result<fs::File> {
        let to_write = || self.open_at(path, OFlags::RDWR | OFlags::CREATE);
        let file = match kind {
            LockKind::Exclusive => to_write()?,
            LockKind::Shared => match self.open_at(path, OFlags::RDONLY) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => to_write()?,
                opened => opened?,
            },
        };
        Ok(file.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.root, from, &self.root, to)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.root, path, AtFlags::empty())?)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.root, path, DIRECTORY_MODE)?)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let handle = self.open_dir(dir)?;
        let mut entries = Vec::new();
        for found in Dir::read_from(&handle)? {
            let found = found?;
            let name = OsStr::from_bytes(found.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match found.file_type() {
                // Some file systems do not say here, and have to be asked.
                FileType::Unknown => {
                    let stat = rustix::fs::statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            let kind = match kind {
                FileType::RegularFile => EntryKind::File,
                FileType::Directory => EntryKind::Directory,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: name.to_owned(), kind });
        }
        Ok(entries)
    }

    fn sync(&self, dir: &Path) -> io::Result<()> {
        let below;
        let dir = if dir.as_os_str().is_empty() {
            self.root.as_fd()
        } else {
            below = self.to_sync(dir)?;
            below.as_fd()
        };
        uninterrupted(|| Ok(rustix::fs::fsync(dir)?))?;
        if is_unnamed(dir)? { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn is_deleted(&self) -> io::Result<bool> {
        is_unnamed(self.root.as_fd())
    }

    fn lockable(&self) -> io::Result<Option<fs::File>> {
        // Opened anew: a lock belongs to the opening, and the root's lives as long as the disk.
        Ok(Some(self.open_dir(Path::new(""))?.into()))
    }

    fn reserve(&self, file: &fs::File, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        let reserved =
            uninterrupted(|| Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size)?));
        match reserved {
            Err(error) if CANNOT_RESERVE.map(Some).contains(&error.raw_os_error()) => {
                zeros::append(file, size)
            }
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_file_system_is_read_from_the_directory_itself() {
        let proc = LinuxDirectory::open(Path::new("/proc")).unwrap();
        assert_eq!(proc.magic().unwrap(), 0x9fa0);
        assert_eq!(proc.network().unwrap(), None);
    }

    #[test]
    fn a_directory_is_opened_for_its_first_sync_and_when_another_takes_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let root = LinuxDirectory::open(dir.path()).unwrap();
        let (below, path) = (Path::new("below"), dir.path().join("below"));
        root.sync(below).unwrap_err();
        fs::create_dir(&path).unwrap();
        root.sync(below).unwrap();
        let first = root.to_sync(below).unwrap();
        assert!(Arc::ptr_eq(&first, &root.to_sync(below).unwrap()));
        fs::rename(&path, dir.path().join("moved")).unwrap();
        assert_eq!(root.sync(below).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(&path).unwrap();
        root.sync(below).unwrap();
        let second = root.to_sync(below).unwrap();
        let is_new = rustix::fs::fstat(&*second).unwrap();
        assert!(is_same(&is_new, &rustix::fs::stat(&path).unwrap()));
        assert!(!is_same(&is_new, &rustix::fs::fstat(&*first).unwrap()));
        assert_eq!(root.synced.lock().len(), 1);
    }
}
