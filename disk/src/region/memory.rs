//! Memory that is written like a file and read like a map of it: what [`MemoryFile`](crate::MemoryFile)
//! is made of.
//!
//! Unlike [`HeapRegion`](super::heap::HeapRegion) it is no copy that is kept the same, but the bytes
//! themselves, and nothing is recorded: a write is a copy under a lock that hardly anyone else wants. It
//! takes memory as it is first written, page by page, where the system can in pages of 2 MiB.
//!
//! Promises
//!  1. The bytes keep their address and their number, and live as long as a region of them does.
//!  2. A write shows in every region at once.
//!  3. With debug assertions, a write that overlaps a live borrow panics before it changes anything.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use memmap2::{MmapMut, MmapRaw};
use parking_lot::{Mutex, RwLock};

use super::borrows::{Borrows, track};
use super::{Region, Tracked};

/// A number of bytes, zeros at first.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: MmapRaw,
    /// Held for writing by who writes, for reading by who reads by position: two copies of the same
    /// bytes at a time would be a data race. Who reads through a region needs no lock: it has promised
    /// that nobody writes there.
    copying: RwLock<()>,
    /// Empty without debug assertions.
    borrows: Arc<Mutex<Borrows>>,
}

impl Memory {
    /// So many zeros.
    ///
    /// # Errors
    /// For 0 bytes, and for more than the system has addresses or memory for.
    pub(crate) fn new(size: u64) -> io::Result<Self> {
        let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
            let why = "a file in memory must have at least one byte and fit the address space";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let bytes = MmapRaw::from(MmapMut::map_anon(size)?);
        // The first write to a page costs more than the copy; with large pages that is paid once in
        // 2 MiB. A refusal changes nothing.
        #[cfg(target_os = "linux")]
        let _advised = bytes.advise(memmap2::Advice::HugePage).is_ok();
        Ok(Memory { bytes, copying: RwLock::new(()), borrows: Arc::default() })
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the range that lie within; `None` if some do not.
    fn within(&self, offset: u64, count: usize) -> Option<Range<usize>> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(count).filter(|end| *end <= self.size())?;
        Some(start..end)
    }

    /// Writes all of the bytes; `None`, and nothing is written, if they reach past the end.
    ///
    /// # Panics
    /// With debug assertions, if someone has borrowed any of the bytes: their contract is that nobody
    /// writes to them.
    pub(crate) fn store(&self, offset: u64, bytes: &[u8]) -> Option<()> {
        let range = self.within(offset, bytes.len())?;
        let _alone = self.copying.write();
        let _no_borrow_begins = cfg!(debug_assertions).then(|| {
            let borrows = self.borrows.lock();
            borrows.check(range.clone());
            borrows
        });
        let to = self.bytes.as_mut_ptr().wrapping_add(range.start);
        // SAFETY: `range` lies within the memory (checked above), which is mapped for writing, has no
        // references to it but those that a region lends, and lives as long as `self`. Nobody else
        // copies to it or from it meanwhile (`copying` is held), and nobody reads it through a region:
        // that is the contract of `Region`. For the same reason `bytes`, should a region of this very
        // memory have lent them, do not overlap the range: no write overlaps what is lent.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Some(())
    }

    /// Fills the buffer; `None`, and nothing is read, if it reaches past the end.
    pub(crate) fn load(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        let range = self.within(offset, buffer.len())?;
        let _nobody_writes = self.copying.read();
        let from = self.bytes.as_ptr().wrapping_add(range.start);
        // SAFETY: `range` lies within the memory (checked above), which is mapped for reading, is zeros
        // or what was written, and lives as long as `self`. Nobody writes to it meanwhile (`copying` is
        // held, and `store` is the only place that writes). The buffer is borrowed for writing, so it is
        // no part of the memory, which is lent for reading only.
        unsafe { std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), buffer.len()) };
        Some(())
    }
}

/// The first bytes of some memory.
#[derive(Debug)]
struct MemoryRegion {
    memory: Arc<Memory>,
    size: usize,
}

// SAFETY: the memory has one address, on a page boundary (no system has pages below 4096 bytes), and
// at most `isize::MAX` bytes (more cannot be mapped); `size` is at most its length (see `region_of`).
// It is readable until it is unmapped, which is when the last region of it is gone. It changes by
// `Memory::store` alone, which is what is done to the file.
unsafe impl Region for MemoryRegion {
    fn pointer(&self) -> *const u8 {
        self.memory.bytes.as_ptr()
    }

    fn size(&self) -> usize {
        self.size
    }

    fn track(&self, range: &Range<usize>) -> Tracked {
        match cfg!(debug_assertions) {
            true => track(&self.memory.borrows, range),
            false => Tracked::nothing(),
        }
    }

    fn is_tracked(&self) -> bool {
        cfg!(debug_assertions)
    }
}

/// The first `size` bytes as a region; `None` if there are fewer.
pub(crate) fn region_of(memory: &Arc<Memory>, size: usize) -> Option<Arc<dyn Region>> {
    (size <= memory.size())
        .then(|| Arc::new(MemoryRegion { memory: Arc::clone(memory), size }) as Arc<dyn Region>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::tests::copy;

    fn memory(size: u64) -> Arc<Memory> {
        Arc::new(Memory::new(size).unwrap())
    }

    #[test]
    fn regions_show_every_write_at_one_address_on_a_page_boundary() {
        let memory = memory(10_000);
        let (whole, head) = (region_of(&memory, 10_000).unwrap(), region_of(&memory, 8).unwrap());
        assert_eq!(copy(&*whole, 0..10_000), Some(vec![0; 10_000]));
        let before = whole.pointer();
        memory.store(4_094, b"page").unwrap();
        memory.store(0, b"0123456789").unwrap();
        assert_eq!(copy(&*whole, 4_093..4_099).unwrap(), b"\0page\0");
        assert_eq!(copy(&*head, 0..8).unwrap(), b"01234567");
        assert_eq!(copy(&*head, 0..9), None, "inside the memory, but outside the region");
        assert_eq!((before, before.addr() % 4_096), (whole.pointer(), 0));
        assert!(region_of(&memory, 10_001).is_none());
        drop(memory);
        assert_eq!(copy(&*head, 2..4).unwrap(), b"23", "it lives as long as the region");
    }

    #[test]
    fn what_reaches_past_the_end_is_refused_as_a_whole() {
        let memory = memory(8);
        for (offset, count) in [(8, 1), (0, 9), (7, 2), (u64::MAX, 1), (u64::MAX - 1, 8)] {
            assert_eq!(memory.store(offset, &vec![1; count]), None, "{count} bytes at {offset}");
            assert_eq!(memory.load(offset, &mut vec![1; count]), None, "{count} bytes at {offset}");
        }
        let mut bytes = [7; 8];
        memory.load(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 8]);
        memory.store(8, b"").unwrap();
        memory.load(8, &mut []).unwrap();
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_write_to_borrowed_bytes_panics_and_changes_nothing() {
        let memory = memory(10);
        memory.store(0, b"0123456789").unwrap();
        let region = region_of(&memory, 10).unwrap();
        // SAFETY: the write below is refused, and the others keep to other bytes.
        let borrowed = unsafe { region.slice(2..5) }.unwrap();
        memory.store(0, b"ab").unwrap();
        memory.store(5, &borrowed[..2]).unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            memory.store(4, b"xy");
        }));
        assert!(outcome.is_err());
        assert_eq!(&*borrowed, b"234");
        drop(borrowed);
        memory.store(4, b"xy").unwrap();
        assert_eq!(copy(&*region, 0..10).unwrap(), b"ab23xy3789");
    }

    #[test]
    fn threads_that_write_and_read_the_same_bytes_see_whole_writes() {
        let memory = memory(64);
        std::thread::scope(|scope| {
            for filled in 1..=4_u8 {
                let memory = &memory;
                scope.spawn(move || (0..500).for_each(|_| memory.store(0, &[filled; 64]).unwrap()));
            }
            for _ in 0..2_000 {
                let mut bytes = [0; 64];
                memory.load(0, &mut bytes).unwrap();
                assert_eq!(bytes, [bytes[0]; 64]);
            }
        });
    }
}
