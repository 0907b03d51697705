//! A file that is memory and nothing else: for what is written and read like a store's files, and not to
//! be kept.
//!
//! Promises
//!  1. A write is a check of its bounds and a copy; it shows at once to reads and in every region.
//!  2. Its size is given when it is made and never changes.
//!
//! Never: survives anything. A sync is a success that means nothing: there is no device behind it, and
//! when the last handle and the last region are gone, so are the bytes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::region::memory::{Memory, region_of};
use crate::{Error, File, Region, Result};

/// A file of fixed size in memory, without a disk: no name leads to it, and nothing of it survives.
///
/// ```
/// use disk::{File, MemoryFile};
///
/// let file = MemoryFile::new("vectors", 4096)?;
/// let region = file.map(4096)?;
/// file.write_at(64, b"seen through the region at once")?;
/// assert_eq!(region.size(), 4096);
/// # Ok::<(), disk::Error>(())
/// ```
#[derive(Debug)]
pub struct MemoryFile {
    path: PathBuf,
    memory: Arc<Memory>,
}

impl MemoryFile {
    /// A file of so many zeros; the path is for messages only. Memory is taken page by page, as it is
    /// written.
    ///
    /// # Errors
    /// [`Error::Refused`] for 0 bytes, and for more than there are addresses; what the system says, if
    /// it has no memory.
    pub fn new(path: impl Into<PathBuf>, size: u64) -> Result<Self> {
        let path = path.into();
        match Memory::new(size) {
            Ok(memory) => Ok(MemoryFile { path, memory: Arc::new(memory) }),
            Err(source) => Err(Error::new("take memory for", &path, source)),
        }
    }

    fn failed(&self, doing: &'static str, kind: io::ErrorKind, why: &'static str) -> Error {
        Error::new(doing, &self.path, io::Error::new(kind, why))
    }

    fn bytes(&self) -> u64 {
        self.memory.size() as u64
    }
}

/// Why a call that would need more bytes is refused.
const FIXED: &str = "a file in memory keeps the size it was made with";

impl File for MemoryFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> Result<u64> {
        Ok(self.bytes())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.memory.load(offset, buffer).ok_or_else(|| Error::PastEnd {
            path: self.path.clone(),
            offset,
            wanted: buffer.len() as u64,
            found: self.bytes().saturating_sub(offset),
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let full = || self.failed("write", io::ErrorKind::StorageFull, FIXED);
        self.memory.store(offset, bytes).ok_or_else(full)
    }

    fn reserve(&self, size: u64) -> Result<()> {
        match size <= self.bytes() {
            true => Ok(()),
            false => Err(self.failed("reserve space for", io::ErrorKind::StorageFull, FIXED)),
        }
    }

    fn set_size(&self, size: u64) -> Result<()> {
        match size == self.bytes() {
            true => Ok(()),
            false => Err(self.failed("set the size of", io::ErrorKind::InvalidInput, FIXED)),
        }
    }

    fn sync_data(&self) -> Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> Result<()> {
        Ok(())
    }

    fn map(&self, size: u64) -> Result<Arc<dyn Region>> {
        let past_end = || Error::PastEnd {
            path: self.path.clone(),
            offset: 0,
            wanted: size,
            found: self.bytes(),
        };
        match usize::try_from(size) {
            Ok(0) => Err(self.failed(
                "map",
                io::ErrorKind::InvalidInput,
                "a region must have at least one byte",
            )),
            Ok(size) => region_of(&self.memory, size).ok_or_else(past_end),
            Err(_) => Err(past_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::tests::copy;

    #[test]
    fn it_reads_what_was_written_by_position_and_through_a_region() {
        let file = MemoryFile::new("memory", 5_000).unwrap();
        let region = file.map(4_999).unwrap();
        file.write_at(4_990, b"0123456789").unwrap();
        let mut bytes = [0xff; 12];
        file.read_at(4_988, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\x000123456789");
        assert_eq!(copy(&*region, 4_990..4_999).unwrap(), b"012345678");
        file.sync_data().unwrap();
        file.sync_all().unwrap();
        assert_eq!(file.size().unwrap(), 5_000);
    }

    #[test]
    fn it_keeps_its_size() {
        let file = MemoryFile::new("memory", 100).unwrap();
        file.reserve(100).unwrap();
        file.set_size(100).unwrap();
        for full in [file.reserve(101), file.write_at(99, b"ab"), file.write_at(u64::MAX, b"a")] {
            assert!(matches!(full, Err(Error::Full { .. })), "{full:?}");
        }
        for size in [0, 99, 101] {
            assert!(matches!(file.set_size(size), Err(Error::Refused { .. })), "{size}");
        }
        let mut bytes = [0; 4];
        file.read_at(96, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 4], "the refused write wrote nothing");
    }

    #[test]
    fn what_lies_outside_is_refused_as_a_disk_refuses_it() {
        let file = MemoryFile::new("memory", 100).unwrap();
        let refused = file.read_at(98, &mut [0; 4]).unwrap_err();
        assert!(matches!(refused, Error::PastEnd { offset: 98, wanted: 4, found: 2, .. }));
        let refused = file.map(101).unwrap_err();
        assert!(matches!(refused, Error::PastEnd { wanted: 101, found: 100, .. }), "{refused}");
        assert!(matches!(file.map(0), Err(Error::Refused { .. })));
        assert!(matches!(MemoryFile::new("memory", 0), Err(Error::Refused { .. })));
        let refused = MemoryFile::new("memory", u64::MAX).unwrap_err();
        assert_eq!(refused.path(), Path::new("memory"));
    }
}
