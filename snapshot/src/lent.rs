//! Lends bytes of an image that is mapped. The only module of this crate with `unsafe` code.
//!
//! Promises
//!  1. What is lent does not change while it is lent, and can be read.
//!  2. What is kept is lent for as long as it is kept, whatever becomes of the handles of its image.
//!
//! Never: says whether the bytes are as they were written; that is for the sums.

#![expect(unsafe_code, reason = "lending bytes of a map; each block has its proof")]

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use disk::{Access, Borrowed, Disk, File, Region};

use crate::image::Opened;
use crate::names::Name;

/// An image file, open for reading only.
#[derive(Debug)]
pub(crate) struct ImageFile {
    file: Arc<dyn File>,
}

/// A map of an image that has its name.
#[derive(Debug)]
pub(crate) struct Map {
    region: Arc<dyn Region>,
}

/// Bytes of a section that are as they were written, lent for as long as this lives.
pub struct Bytes<'a>(Borrowed<'a>);

/// All bytes of a section, **checked against no sum**: they may be other ones than were written. They hold the image
/// open.
///
/// For what carries sums of its own and checks them where it is touched; all else goes by
/// [`Section::bytes`](crate::Section::bytes).
pub struct Unverified {
    /// Not for ever, but for as long as `_opened` lives, and dropped before it. Never handed out: what is, lives no longer
    /// than this.
    bytes: Borrowed<'static>,
    _opened: Arc<Opened>,
}

impl ImageFile {
    /// Opens the file of an image that has its name: `name` is one, not one in the making.
    pub(crate) fn open(disk: &dyn Disk, file: base::FileId) -> disk::Result<ImageFile> {
        let file = disk.open(&Name::Image(file).path(), Access::Read)?;
        Ok(ImageFile { file })
    }

    /// The file, for reading by position.
    pub(crate) fn file(&self) -> &dyn File {
        &*self.file
    }

    /// Maps its first bytes.
    pub(crate) fn map(&self, bytes: u64) -> disk::Result<Map> {
        Ok(Map { region: self.file.map(bytes)? })
    }
}

impl Map {
    /// Lends a range of the file, not checked against any sum; `None` if it reaches past the end.
    pub(crate) fn lend(&self, range: Range<u64>) -> Option<Bytes<'_>> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        // SAFETY: `slice` asks that no write overlaps the range while it is lent, and that nobody cuts the
        // file. A `Map` is made by `ImageFile::map` alone, and an `ImageFile` by its `open` alone: so the
        // file is `images/<file id>.img`, and this handle of it reads only. A file of that name is never
        // written again, nor cut: `ImageWriter` has the only handles this crate writes to an image by, opens
        // them under the name `.new` for a number that has no `.img`, and is consumed by the call that
        // renames, after its last write; and files are only ever removed, which keeps a map of them as it
        // is. Other crates know of no image, and other processes are kept out by the lock of the store, as
        // the seam asks for every file of it. The region lives as long as `self`, which is borrowed.
        let lent = unsafe { self.region.slice(range) }?;
        Some(Bytes(lent))
    }
}

impl Unverified {
    /// Keeps a range of an image, not checked against any sum; `None` if it reaches past the end.
    pub(crate) fn keep(opened: &Arc<Opened>, range: Range<u64>) -> Option<Unverified> {
        let Bytes(bytes) = opened.map.lend(range)?;
        // SAFETY: only the lifetime changes. The bytes are lent by the region of `opened.map`, at an address that never
        // changes, and nobody writes there (see `Map::lend`). `_opened` holds on to the map, and a map to its region: it
        // is never given another one, as no method of it changes it and no other module can. The field before is dropped
        // first, and no method returns it for longer than `self` is borrowed.
        let bytes = unsafe { std::mem::transmute::<Borrowed<'_>, Borrowed<'static>>(bytes) };
        Some(Unverified { bytes, _opened: Arc::clone(opened) })
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}

impl Deref for Unverified {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Unverified {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unverified({})", self.len())
    }
}
