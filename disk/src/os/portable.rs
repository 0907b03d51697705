//! A directory by the standard library alone: what macOS and Windows get.
//!
//! Names are looked up by path at each call, so a directory that is moved away is missed rather than
//! followed; on Windows a file that was deleted while open is not noticed. Run on Linux only, where
//! the same tests go over both versions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::{positioned, zeros};
use crate::seam::full_path;
use crate::{Access, Entry, EntryKind, LockKind};

/// A directory by its absolute path.
#[derive(Debug)]
pub(crate) struct PortableDirectory {
    root: PathBuf,
}

impl PortableDirectory {
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        if !fs::metadata(root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(PortableDirectory { root: root.into() })
    }

    fn full(&self, path: &Path) -> PathBuf {
        full_path(&self.root, path)
    }
}

impl Directory for PortableDirectory {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        fs::OpenOptions::new().read(true).write(true).create_new(true).open(self.full(path))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<fs::File> {
        let writes = access == Access::ReadWrite;
        fs::OpenOptions::new().read(true).write(writes).open(self.full(path))
    }

    fn open_lock(&self, path: &Path, kind: LockKind) -> io::Result<fs::File> {
        let path = self.full(path);
        let mut to_write = fs::OpenOptions::new();
        to_write.read(true).write(true).create(true).truncate(false);
        match kind {
            LockKind::Exclusive => to_write.open(path),
            LockKind::Shared => match fs::File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => to_write.open(path),
                opened => opened,
            },
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.full(from), self.full(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.full(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(self.full(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        fs::read_dir(self.full(dir))?
            .map(|found| {
                let found = found?;
                let kind = match found.file_type()? {
                    kind if kind.is_file() => EntryKind::File,
                    kind if kind.is_dir() => EntryKind::Directory,
                    _ => EntryKind::Other,
                };
                Ok(Entry { name: found.file_name(), kind })
            })
            .collect()
    }

    fn sync(&self, dir: &Path) -> io::Result<()> {
        positioned::sync_dir(&self.full(dir))
    }

    fn is_deleted(&self) -> io::Result<bool> {
        Ok(!fs::exists(&self.root)?)
    }

    fn lockable(&self) -> io::Result<Option<fs::File>> {
        // Windows opens no directory this way.
        if cfg!(unix) { fs::File::open(&self.root).map(Some) } else { Ok(None) }
    }

    fn reserve(&self, file: &fs::File, size: u64) -> io::Result<()> {
        zeros::append(file, size)
    }
}
