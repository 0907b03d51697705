//! Damages an image as disks and people do: rot, cut, lost, stale, swapped and foreign files.
//!
//! Each takes a file's name, and says whether there was such a file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::image::{Content, Image, Named};

impl Image {
    /// Flips one bit; `false` also where the file has no such byte.
    pub fn flip_bit(&mut self, path: impl AsRef<Path>, offset: usize, bit: u8) -> bool {
        let mut found = false;
        self.edit(path.as_ref(), |bytes| {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
                found = true;
            }
        });
        found
    }

    /// Cuts the file off, or lets zeros stand behind its end.
    pub fn truncate(&mut self, path: impl AsRef<Path>, size: usize) -> bool {
        self.edit(path.as_ref(), |bytes| bytes.resize(size, 0))
    }

    /// Puts bytes behind the file's end.
    pub fn append(&mut self, path: impl AsRef<Path>, junk: &[u8]) -> bool {
        self.edit(path.as_ref(), |bytes| bytes.extend_from_slice(junk))
    }

    /// Copies bytes of the file to another place in it: a misdirected write.
    pub fn misplace(&mut self, path: impl AsRef<Path>, from: Range<usize>, to: usize) -> bool {
        self.edit(path.as_ref(), |bytes| {
            if let Some(part) = bytes.get(from).map(<[u8]>::to_vec)
                && let Some(place) = bytes.get_mut(to..to + part.len())
            {
                place.copy_from_slice(&part);
            }
        })
    }

    /// Gives the file other bytes: an older version of its own, or a file of another store. A file
    /// that is not there is made, if its directory is.
    pub fn replace(&mut self, path: impl AsRef<Path>, bytes: &[u8]) -> bool {
        let path = path.as_ref();
        let parent = path.parent().unwrap_or(Path::new(""));
        let has_parent =
            parent.as_os_str().is_empty() || self.names.get(parent) == Some(&Named::Directory);
        if self.content(path).is_none() && has_parent && !self.names.contains_key(path) {
            self.files.push(Content::default());
            self.names.insert(path.into(), Named::File(self.files.len() - 1));
        }
        self.edit(path, |old| *old = bytes.to_vec())
    }

    /// Takes the file's name away.
    pub fn remove(&mut self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        self.content(path).is_some() && self.names.remove(path).is_some()
    }

    /// Exchanges two files.
    pub fn swap(&mut self, one: impl AsRef<Path>, other: impl AsRef<Path>) -> bool {
        let named = |path: &Path| self.names.get(path).copied();
        match (named(one.as_ref()), named(other.as_ref())) {
            (Some(first @ Named::File(_)), Some(second @ Named::File(_))) => {
                self.names.insert(one.as_ref().into(), second);
                self.names.insert(other.as_ref().into(), first);
                true
            }
            _ => false,
        }
    }

    /// Makes a part of the file unreadable, until it is written again.
    pub fn make_unreadable(&mut self, path: impl AsRef<Path>, part: Range<u64>) -> bool {
        let Some(Named::File(number)) = self.names.get(path.as_ref()) else {
            return false;
        };
        let Some(content) = self.files.get_mut(*number) else {
            return false;
        };
        let mut unreadable = content.unreadable.clone();
        unreadable.push(part);
        *content = Content::new(Arc::clone(&content.bytes), unreadable);
        true
    }

    fn edit(&mut self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(Named::File(number)) = self.names.get(path) else {
            return false;
        };
        let Some(content) = self.files.get_mut(*number) else {
            return false;
        };
        let mut bytes = Vec::clone(&content.bytes);
        edit(&mut bytes);
        *content = Content::new(Arc::new(bytes), content.unreadable.clone());
        true
    }
}
