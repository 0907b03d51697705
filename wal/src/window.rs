//! Reads a file front to back through a buffer, by position.
//!
//! Promises
//!  1. Takes no more memory than the longest piece that is asked for, or a read-ahead.
//!  2. Never reads behind the limit it was given, so that damage there is no concern of the reader.

use std::ops::Range;
use std::sync::Arc;

use disk::File;

/// How much is read at a time where less is asked for.
const READ_AHEAD: u64 = 256 * 1024;

/// A part of a file, in memory.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn File>,
    /// Where the file ends, as far as this reader goes.
    limit: u64,
    /// Offset of the first byte that is here.
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Looks at a file up to `limit`, or to its end if that comes first.
    pub(crate) fn new(file: Arc<dyn File>, limit: u64) -> disk::Result<Self> {
        let limit = limit.min(file.size()?);
        Ok(Window { file, limit, start: 0, bytes: Vec::new() })
    }

    /// Where the reader stops.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// These bytes of the file; `None` if they reach beyond the limit.
    pub(crate) fn at(&mut self, offset: u64, length: u64) -> disk::Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(length).filter(|end| *end <= self.limit) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            self.read(offset, length.max(READ_AHEAD).min(self.limit - offset))?;
        }
        Ok(self.held(offset, length))
    }

    /// These bytes, if they were read last and are still here.
    pub(crate) fn held(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let length = usize::try_from(length).ok()?;
        self.bytes.get(Range { start, end: start.checked_add(length)? })
    }

    fn read(&mut self, offset: u64, length: u64) -> disk::Result<()> {
        // What a failed read leaves in the buffer belongs to no offset.
        self.start = 0;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(length, 0);
        self.file.read_at(offset, &mut bytes)?;
        self.start = offset;
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::sim::{Fault, FaultKind, Lasting};
    use disk::{Disk, SimDisk};

    use super::*;

    fn file_of(disk: &SimDisk, bytes: &[u8]) -> Arc<dyn File> {
        let (file, pending) = disk.create(Path::new("file")).unwrap();
        file.write_at(0, bytes).unwrap();
        pending.forgo("a test");
        file
    }

    #[test]
    fn bytes_are_those_of_the_file_up_to_the_limit() {
        let bytes: Vec<u8> = (0..=255).cycle().take(600_000).collect();
        let file = file_of(&SimDisk::new(1), &bytes);
        let mut window = Window::new(file, 599_000).unwrap();
        for (offset, length) in [(0, 56), (56, 300_000), (300_000, 8), (598_992, 8), (0, 4_096)] {
            let expected = &bytes[offset..offset + length];
            let found = window.at(offset as u64, length as u64).unwrap().unwrap();
            assert!(found == expected, "{length} at {offset}");
            assert_eq!(window.held(offset as u64, length as u64), Some(expected));
        }
        assert_eq!(window.at(598_993, 8).unwrap(), None);
        assert_eq!(window.at(u64::MAX, 8).unwrap(), None);
        assert_eq!(window.held(598_992, 8), None, "another part is here now");
    }

    #[test]
    fn a_failed_read_leaves_nothing_behind() {
        let disk = SimDisk::new(1);
        let mut window = Window::new(file_of(&disk, &[1; 100]), u64::MAX).unwrap();
        assert_eq!(window.at(0, 8).unwrap(), Some([1; 8].as_slice()));
        let mut window = Window::new(Arc::clone(&window.file), u64::MAX).unwrap();
        disk.inject(Fault { kind: FaultKind::Read, nth: 0, lasting: Lasting::Once });
        assert!(window.at(0, 8).is_err());
        assert_eq!(window.held(0, 8), None);
        assert_eq!(window.at(0, 8).unwrap(), Some([1; 8].as_slice()));
    }
}
