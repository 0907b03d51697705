//! A region in ordinary memory: what the simulated disk maps its files to.
//!
//! It is a copy that the simulated disk keeps the same as the file: every write goes to both. The
//! bytes keep their address because the region never grows.
//!
//! Promises
//!  1. A write that overlaps a live borrow panics before it changes anything.
//!  2. Bytes that were changed through the map itself are found by [`HeapRegion::is_same_as`].

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::borrows::{Borrows, track};
use super::{Region, Tracked};

const PAGE_BYTES: usize = 4096;

/// One page of memory that may change while it is shared.
#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE_BYTES]>);

/// Is asked before bytes are lent, and panics where touching them would be a fatal signal.
pub(crate) type OnRead = Box<dyn Fn(&Range<usize>) + Send + Sync>;

/// The bytes of a simulated file, at a fixed address.
pub(crate) struct HeapRegion {
    pages: Box<[Page]>,
    size: usize,
    borrows: Arc<Mutex<Borrows>>,
    on_read: OnRead,
}

// SAFETY: the bytes are reached through raw pointers only. This module writes them in `store`, which
// excludes the borrows it knows of and holds their lock meanwhile; whoever reads through `pointer`
// promised not to read what is being written (contract of `Region`).
unsafe impl Sync for HeapRegion {}

impl HeapRegion {
    /// A region that holds these bytes; there must be at least one.
    pub(crate) fn new(bytes: &[u8], on_read: OnRead) -> Self {
        let page = || Page(UnsafeCell::new([0; PAGE_BYTES]));
        let pages = std::iter::repeat_with(page).take(bytes.len().div_ceil(PAGE_BYTES)).collect();
        let region = HeapRegion { pages, size: bytes.len(), borrows: Arc::default(), on_read };
        region.store(0, bytes);
        region
    }

    /// Writes bytes that were written to the file; what lies behind the region is left out.
    ///
    /// # Panics
    /// If someone has borrowed any of the bytes: their contract is that nobody writes to them.
    pub(crate) fn store(&self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len()).min(self.size);
        let Some(bytes) = end.checked_sub(offset).and_then(|count| bytes.get(..count)) else {
            return;
        };
        let borrows = self.borrows.lock();
        borrows.check(offset..end);
        let to = self.pointer().cast_mut().wrapping_add(offset);
        // SAFETY: `offset..end` lies within `size`, and so within the pages. They are in cells, so
        // they may be written through a shared reference. No borrow overlaps (checked above) nor
        // can one begin (the lock is held); raw readers keep away (contract of `Region`). `bytes`
        // is a borrow of ordinary memory and no part of the pages, which are only lent by `slice`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        drop(borrows);
    }

    /// Refuses a write before anything is changed.
    ///
    /// # Panics
    /// If someone has borrowed any of the bytes.
    pub(crate) fn check_unborrowed(&self, offset: usize, count: usize) {
        self.borrows.lock().check(offset..offset.saturating_add(count));
    }

    /// Whether the region still holds what the file begins with. If not, someone wrote through the
    /// map.
    pub(crate) fn is_same_as(&self, file: &[u8]) -> bool {
        let borrows = self.borrows.lock();
        // SAFETY: all `size` bytes lie within the pages and are initialised. Nobody writes to them
        // meanwhile: `store` needs the lock that is held here.
        let bytes = unsafe { std::slice::from_raw_parts(self.pointer(), self.size) };
        let same = file.get(..self.size) == Some(bytes);
        drop(borrows);
        same
    }
}

// SAFETY: the pages are readable over `size` at a fixed address until they are dropped, on a boundary
// of 4096 bytes by their alignment, and a box holds at most `isize::MAX` bytes. They change through
// `store` only, which the simulated disk calls for what is done to the file.
unsafe impl Region for HeapRegion {
    fn pointer(&self) -> *const u8 {
        self.pages.as_ptr().cast()
    }

    fn size(&self) -> usize {
        self.size
    }

    fn track(&self, range: &Range<usize>) -> Tracked {
        (self.on_read)(range);
        track(&self.borrows, range)
    }
}

impl fmt::Debug for HeapRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapRegion({} bytes)", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(bytes: &[u8]) -> HeapRegion {
        HeapRegion::new(bytes, Box::new(|_| {}))
    }

    fn copy(region: &HeapRegion, range: Range<usize>) -> Vec<u8> {
        let region: &dyn Region = region;
        // SAFETY: nothing is stored while this borrow lives.
        unsafe { region.slice(range) }.unwrap().to_vec()
    }

    #[test]
    fn what_is_stored_shows_and_what_lies_behind_is_left_out() {
        let region = region(&[7; 5000]);
        region.store(4094, b"page");
        region.store(4998, b"end");
        region.store(6000, b"behind");
        assert_eq!(copy(&region, 4093..4099), b"\x07page\x07");
        assert_eq!(copy(&region, 4997..5000), b"\x07en");
        assert_eq!(region.pointer().addr() % PAGE_BYTES, 0);
    }

    #[test]
    fn a_write_to_borrowed_bytes_panics_and_changes_nothing() {
        let region = region(b"0123456789");
        let lender: &dyn Region = &region;
        // SAFETY: the write below is refused, and the others keep to other bytes.
        let borrowed = unsafe { lender.slice(2..5) }.unwrap();
        region.store(0, b"ab");
        region.store(5, b"cd");
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            region.store(4, b"xy");
        }));
        assert!(outcome.is_err());
        assert_eq!(&*borrowed, b"234");
        drop(borrowed);
        region.store(4, b"xy");
        assert_eq!(copy(&region, 0..10), b"ab23xyd789");
    }

    #[test]
    fn a_store_through_the_map_is_found() {
        let region = region(b"0123456789");
        assert!(region.is_same_as(b"0123456789 and more"));
        // SAFETY: nobody else reads or writes; the byte lies within the region, in a cell.
        unsafe { *region.pointer().cast_mut().wrapping_add(3) = b'!' };
        assert!(!region.is_same_as(b"0123456789"));
    }
}
