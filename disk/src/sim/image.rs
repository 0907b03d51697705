//! What a simulated disk holds with the power off: names, and bytes behind them.
//!
//! Images are cheap to make and to copy: files that did not change are shared, and a file's sum is
//! worked out once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base::checksum::Xxh3;

use super::event::{Inode, ROOT};

/// A disk at rest.
///
/// Two names may lead to one file: a crash in the middle of a rename leaves both.
#[derive(Clone, Default, Debug)]
pub struct Image {
    /// Every name but the root's, and what it leads to.
    pub(crate) names: BTreeMap<PathBuf, Named>,
    pub(crate) files: Vec<Content>,
}

/// What a name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    Directory,
    /// The file of this number.
    File(usize),
}

/// A file's bytes.
#[derive(Clone, Default, Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Parts the device can no longer read.
    pub(crate) unreadable: Vec<Range<u64>>,
    /// Sum of the bytes, once someone has asked for it.
    sum: Arc<OnceLock<u128>>,
}

impl Content {
    pub(crate) fn new(bytes: Arc<Vec<u8>>, unreadable: Vec<Range<u64>>) -> Self {
        Self::with_sum(bytes, unreadable, Arc::default())
    }

    /// With the place where the sum of just these bytes is kept.
    pub(crate) fn with_sum(
        bytes: Arc<Vec<u8>>,
        unreadable: Vec<Range<u64>>,
        sum: Arc<OnceLock<u128>>,
    ) -> Self {
        Content { bytes, unreadable, sum }
    }

    fn sum(&self) -> u128 {
        let mut sum = *self.sum.get_or_init(|| Xxh3::of_128(&self.bytes));
        for part in &self.unreadable {
            let ends = [part.start.to_le_bytes(), part.end.to_le_bytes()].concat();
            sum = sum.rotate_left(1) ^ Xxh3::of_128(&ends);
        }
        sum
    }
}

impl Image {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The names of all files, sorted.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.names.iter().filter(|(_, named)| **named != Named::Directory);
        files.map(|(path, _)| path.as_path())
    }

    /// The names of all directories but the root, sorted.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        let dirs = self.names.iter().filter(|(_, named)| **named == Named::Directory);
        dirs.map(|(path, _)| path.as_path())
    }

    /// The bytes of a file; `None` where there is none of that name.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.content(path.as_ref()).map(|content| content.bytes.as_slice())
    }

    /// A sum over all names and bytes: the same for the same disk, however it came about.
    pub fn sum(&self) -> u128 {
        let mut bytes = Vec::with_capacity(64 * self.names.len());
        for (path, named) in &self.names {
            bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
            bytes.push(0);
            match named {
                Named::Directory => bytes.push(b'd'),
                Named::File(number) => {
                    bytes.push(b'f');
                    bytes.extend_from_slice(&number.to_le_bytes());
                    let sum = self.files.get(*number).map_or(0, Content::sum);
                    bytes.extend_from_slice(&sum.to_le_bytes());
                }
            }
        }
        Xxh3::of_128(&bytes)
    }

    pub(crate) fn content(&self, path: &Path) -> Option<&Content> {
        match self.names.get(path)? {
            Named::Directory => None,
            Named::File(number) => self.files.get(*number),
        }
    }

    /// The number each file and directory gets on a disk that starts from this image: the root, the
    /// files, then the other directories.
    pub(crate) fn inodes(&self) -> BTreeMap<Inode, PathBuf> {
        let mut inodes = BTreeMap::from([(ROOT, PathBuf::new())]);
        let mut dirs = self.files.len();
        for (path, named) in &self.names {
            let number = match named {
                Named::File(number) => *number,
                Named::Directory => {
                    dirs += 1;
                    dirs - 1
                }
            };
            inodes.entry(Inode(number as u32 + 1)).or_insert_with(|| path.clone());
        }
        inodes
    }
}
