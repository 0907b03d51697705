//! Maps a file into memory for reading. With what lies in its folder it is the
//! only module of this crate with `unsafe` code.
//!
//! Why a map at all: vectors are read in place, millions a second, and a system call each would
//! cost more than the distance it is read for. Why only for reading: a write through a map has no
//! error to return, and no order that a simulation could see.
//!
//! Promises
//!  1. A region's address and size never change while it lives, and all its bytes can be read.
//!  2. A write through [`File::write_at`](crate::File::write_at) shows in every region at once.
//!
//! What can still go wrong is told, not hidden: where the device cannot read a page, or another
//! program cuts the file short, touching that page ends the process by a signal (SIGBUS). The
//! store's lock keeps well-behaved programs out; recovery and verification read by position.

#![expect(unsafe_code, reason = "mapping a file and lending its bytes; each block has its proof")]

#[cfg(target_endian = "big")]
compile_error!("arrwDB reads little-endian floats in place: big-endian machines are not supported");

use std::any::Any;
use std::fmt;
use std::fs;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::{Mmap, MmapOptions};

use crate::{Error, Result};

mod borrows;
pub(crate) mod heap;
pub(crate) mod memory;

/// The first bytes of a file, readable at one address for as long as this lives.
///
/// The bytes may change under the pointer, by `write_at` on the file: whoever reads through it
/// reads only what nobody is writing (in a store: slots that are published and pinned).
///
/// # Safety
/// Whoever implements this promises that `pointer` and `size` always answer the same, the pointer
/// being on a boundary of 4096 bytes and the size at most `isize::MAX`; that all `size` bytes from
/// `pointer` can be read at any time while the region lives, provided that nobody cuts the file; and
/// that they change only by what is done to the file that was mapped.
pub unsafe trait Region: Send + Sync + fmt::Debug {
    /// Address of the first byte, on a page boundary.
    fn pointer(&self) -> *const u8;

    /// How many bytes can be read; never 0.
    fn size(&self) -> usize;

    /// Notes that these bytes are borrowed until the answer is dropped. The real disk notes
    /// nothing; the simulated one panics at a write that overlaps a live borrow, which is how the
    /// contract of [`slice`](trait@Region#method.slice) is tested.
    fn track(&self, range: &Range<usize>) -> Tracked;

    /// Whether [`track`](Region::track) does anything; always the same answer.
    fn is_tracked(&self) -> bool {
        true
    }

    /// Prepares these bytes, which were just written by position, for being read here: a hint, without which the
    /// first look at each page costs a fault.
    fn populate(&self, _range: Range<usize>) {}
}

impl dyn Region + '_ {
    /// Lends a range of the bytes; `None` where it reaches past the end.
    ///
    /// # Safety
    /// While the borrow lives, no write may overlap the range, and nobody may cut the file to less
    /// than the region: not this process, by any handle of the file, and not another one.
    pub unsafe fn slice(&self, range: Range<usize>) -> Option<Borrowed<'_>> {
        if range.start > range.end || range.end > self.size() {
            return None;
        }
        let tracked = self.track(&range);
        // SAFETY: the range lies within `size` (checked above), all of which can be read while the
        // region lives, and so for as long as `self` is borrowed (contract of the trait; nobody cuts
        // the file by the contract of this function). Nobody writes to the range meanwhile (same
        // contract). Bytes need no alignment, every value of them is valid, and there are at most
        // `isize::MAX` of them (contract of the trait).
        let bytes = unsafe {
            std::slice::from_raw_parts(self.pointer().wrapping_add(range.start), range.len())
        };
        Some(Borrowed { bytes, tracked })
    }
}

/// A region that was asked once for what never changes of it: for whoever lends millions of times a second, and
/// would wait for three calls through a table of functions each time.
#[derive(Debug)]
pub struct Window {
    region: Arc<dyn Region>,
    pointer: *const u8,
    size: usize,
    is_tracked: bool,
}

// SAFETY: the pointer is that of the region, which is `Send` and `Sync` and hands it to anyone; it is only read
// through in `slice`, whose contract is that of the region's own.
unsafe impl Send for Window {}
// SAFETY: as above; nothing in it ever changes.
unsafe impl Sync for Window {}

impl Window {
    /// A window of all of the region.
    pub fn new(region: Arc<dyn Region>) -> Self {
        let (pointer, size, is_tracked) = (region.pointer(), region.size(), region.is_tracked());
        Window { region, pointer, size, is_tracked }
    }

    /// The region.
    pub fn region(&self) -> &Arc<dyn Region> {
        &self.region
    }

    /// As [`slice`](trait@Region#method.slice) of the region.
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub unsafe fn slice(&self, range: Range<usize>) -> Option<Borrowed<'_>> {
        if range.start > range.end || range.end > self.size {
            return None;
        }
        let tracked = match self.is_tracked {
            true => self.track(&range),
            false => Tracked::nothing(),
        };
        // SAFETY: as in the region's own: it lives as long as this, and answers with the same pointer and size
        // for as long as it lives (contract of the trait); the range lies within (checked above), and nobody
        // writes to it or cuts the file meanwhile (contract of this function).
        let bytes = unsafe {
            std::slice::from_raw_parts(self.pointer.wrapping_add(range.start), range.len())
        };
        Some(Borrowed { bytes, tracked })
    }

    /// Apart, so that whoever lends without it has no registers to save.
    #[cold]
    fn track(&self, range: &Range<usize>) -> Tracked {
        self.region.track(range)
    }

    /// Whether loans are noted; where they are not, one costs no more than a look at the bounds.
    #[inline]
    pub fn is_tracked(&self) -> bool {
        self.is_tracked
    }
}

/// Bytes lent by a region.
#[derive(Debug)]
pub struct Borrowed<'r> {
    bytes: &'r [u8],
    tracked: Tracked,
}

impl<'r> Borrowed<'r> {
    /// The bytes alone, for as long as the region is borrowed; or itself, if somebody wants to know when the borrow ends.
    ///
    /// # Errors
    /// Itself, where [`Region::track`] noted the borrow.
    #[inline]
    pub fn untracked(self) -> std::result::Result<&'r [u8], Self> {
        match self.tracked.note {
            None => Ok(self.bytes),
            Some(_) => Err(self),
        }
    }
}

impl Deref for Borrowed<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

/// A note that some bytes are borrowed; dropping it ends the borrow.
#[must_use = "the borrow ends when this is dropped"]
pub struct Tracked {
    /// What the disk that made the region wants dropped at the end of the borrow.
    note: Option<Box<dyn Any + Send + Sync>>,
}

impl Tracked {
    /// Notes nothing, and costs nothing.
    pub const fn nothing() -> Self {
        Tracked { note: None }
    }

    /// Drops `note` when the borrow ends.
    pub fn until_dropped(note: impl Any + Send + Sync) -> Self {
        Tracked { note: Some(Box::new(note)) }
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracked")
    }
}

/// A region of the real disk.
#[derive(Debug)]
struct MappedFile(Mmap);

// SAFETY: a map has one address, on a page boundary (no system has pages below 4096 bytes), and one
// length, at most `isize::MAX` (more cannot be mapped). It is readable over all of it until it is
// dropped, which is when this is, unless the file is cut: it was long enough when it was mapped. Its
// bytes are those of the file.
unsafe impl Region for MappedFile {
    fn pointer(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn track(&self, _range: &Range<usize>) -> Tracked {
        Tracked::nothing()
    }

    fn is_tracked(&self) -> bool {
        false
    }

    fn populate(&self, range: Range<usize>) {
        // Systems older than 5.14 refuse, and others do not know it: then pages come as they are touched.
        #[cfg(target_os = "linux")]
        let _advised =
            self.0.advise_range(memmap2::Advice::PopulateRead, range.start, range.len()).is_ok();
        #[cfg(not(target_os = "linux"))]
        drop(range);
    }
}

/// Maps the first `size` bytes of an open file.
pub(crate) fn map(file: &fs::File, path: &Path, size: u64) -> Result<Arc<dyn Region>> {
    let failed = |source| Error::new("map", path, source);
    let found = file.metadata().map_err(failed)?.len();
    if found < size {
        return Err(Error::PastEnd { path: path.into(), offset: 0, wanted: size, found });
    }
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        let why = "a region must have at least one byte and fit the address space";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
    };
    // SAFETY: what a file's map asks for is that its bytes do not change or vanish while they are
    // borrowed. They are only lent by `dyn Region::slice`, which asks its caller for just that;
    // everyone else gets a raw pointer. The file is as long as the map (checked above).
    let map = unsafe { MmapOptions::new().len(size).map(file) }.map_err(failed)?;
    Ok(Arc::new(MappedFile(map)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::transfer::write_full;

    fn file_of(bytes: &[u8]) -> fs::File {
        let file = tempfile::tempfile().unwrap();
        put(&file, 0, bytes);
        file
    }

    /// Writes the way `OsFile` does.
    fn put(file: &fs::File, offset: u64, bytes: &[u8]) {
        write_full(offset, bytes, |bytes, offset| {
            crate::os::positioned::write_at(file, bytes, offset)
        })
        .unwrap();
    }

    fn mapped(file: &fs::File, size: u64) -> Result<Arc<dyn Region>> {
        map(file, Path::new("mapped"), size)
    }

    /// The bytes of a range, for tests: they must not write while this runs.
    pub(crate) fn copy(region: &dyn Region, range: Range<usize>) -> Option<Vec<u8>> {
        // SAFETY: tests write only between calls of this function.
        let borrowed = unsafe { region.slice(range) }?;
        Some(borrowed.to_vec())
    }

    /// Writes to a simulated region as nobody should: a `!` at this offset.
    pub(crate) fn store_through(region: &dyn Region, offset: usize) {
        assert!(offset < region.size());
        let byte = region.pointer().cast_mut().wrapping_add(offset);
        // SAFETY: the byte lies within the region (checked above), whose pages are in cells when it is
        // simulated, as callers see to; nobody reads or writes meanwhile.
        unsafe { *byte = b'!' };
    }

    #[test]
    fn a_region_shows_the_file_and_every_later_write() {
        let file = file_of(b"before the write");
        let region = mapped(&file, 16).unwrap();
        assert_eq!(copy(&*region, 0..6).unwrap(), b"before");
        put(&file, 0, b"behind");
        assert_eq!(copy(&*region, 0..16).unwrap(), b"behind the write");
    }

    #[test]
    fn a_window_lends_what_its_region_does_and_shows_every_later_write() {
        let file = file_of(b"before the write");
        let window = Window::new(mapped(&file, 16).unwrap());
        assert!(!window.is_tracked());
        // SAFETY: the file is written only between the calls.
        let copy = |range| unsafe { window.slice(range) }.map(|bytes| bytes.to_vec());
        assert_eq!(copy(0..6).unwrap(), b"before");
        put(&file, 0, b"behind");
        window.region().populate(0..16);
        window.region().populate(7..9);
        assert_eq!(copy(0..16).unwrap(), b"behind the write");
        assert_eq!(copy(16..16).unwrap(), []);
        let (start, end) = (2, 1);
        assert_eq!((copy(0..17), copy(start..end), copy(17..17)), (None, None, None));
    }

    #[test]
    fn a_region_outlives_its_handle() {
        let file = file_of(b"still here");
        let region = mapped(&file, 10).unwrap();
        drop(file);
        assert_eq!(copy(&*region, 0..10).unwrap(), b"still here");
    }

    #[test]
    fn ranges_past_the_end_are_not_lent() {
        let region = mapped(&file_of(&[7; 100]), 64).unwrap();
        assert_eq!(region.size(), 64);
        assert_eq!(copy(&*region, 63..64).unwrap(), [7]);
        assert_eq!(copy(&*region, 64..64).unwrap(), []);
        assert_eq!(copy(&*region, 0..65), None, "inside the file, but outside the region");
        assert_eq!(copy(&*region, 65..65), None);
        let (start, end) = (2, 1);
        assert_eq!(copy(&*region, start..end), None);
        assert_eq!(copy(&*region, usize::MAX..usize::MAX), None);
    }

    #[test]
    fn a_file_shorter_than_the_region_is_refused() {
        let refused = mapped(&file_of(b"short"), 4096).unwrap_err();
        assert!(matches!(refused, Error::PastEnd { wanted: 4096, found: 5, .. }), "{refused}");
    }

    #[test]
    fn an_empty_region_is_refused() {
        let refused = mapped(&file_of(b""), 0).unwrap_err();
        assert_eq!(refused.path(), Path::new("mapped"));
    }

    #[test]
    fn regions_begin_on_a_page_boundary() {
        let region = mapped(&file_of(&[1; 5000]), 5000).unwrap();
        assert_eq!(region.pointer().addr() % 4096, 0);
    }

    #[test]
    fn a_tracked_borrow_ends_when_the_bytes_are_given_back() {
        #[repr(align(4096))]
        struct Page([u8; 8]);
        static PAGE: Page = Page(*b"constant");
        #[derive(Debug)]
        struct Counting(Arc<()>);
        // SAFETY: eight bytes of static memory that nothing writes to, on a page boundary.
        unsafe impl Region for Counting {
            fn pointer(&self) -> *const u8 {
                PAGE.0.as_ptr()
            }
            fn size(&self) -> usize {
                8
            }
            fn track(&self, _range: &Range<usize>) -> Tracked {
                Tracked::until_dropped(Arc::clone(&self.0))
            }
        }
        let borrows = Arc::new(());
        let region: Arc<dyn Region> = Arc::new(Counting(Arc::clone(&borrows)));
        let at_rest = Arc::strong_count(&borrows);
        // SAFETY: nothing writes to static memory.
        let borrowed = unsafe { region.slice(0..8) }.unwrap();
        assert_eq!(&*borrowed, b"constant");
        assert_eq!(Arc::strong_count(&borrows), at_rest + 1);
        drop(borrowed);
        assert_eq!(Arc::strong_count(&borrows), at_rest);
        let window = Window::new(region);
        // SAFETY: as above.
        let borrowed = unsafe { window.slice(0..8) }.unwrap();
        assert_eq!(Arc::strong_count(&borrows), at_rest + 1);
        drop(borrowed);
        assert_eq!(Arc::strong_count(&borrows), at_rest);
    }
}
