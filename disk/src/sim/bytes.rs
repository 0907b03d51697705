//! The files of a running simulated disk: their bytes, the space they take, the maps of them.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Weak};

use super::event::{Device, Event, Inode};
use super::state::State;
use crate::region::heap::HeapRegion;

/// A file, whatever names it has.
#[derive(Default, Debug)]
pub(super) struct FileNode {
    /// Shared with the image it came from until the first write.
    pub(super) bytes: Arc<Vec<u8>>,
    /// How much space it has taken: at least what was written or reserved.
    pub(super) taken: u64,
    pub(super) names: u32,
    pub(super) handles: u32,
    pub(super) regions: Vec<Weak<HeapRegion>>,
    pub(super) unreadable: Vec<Range<u64>>,
}

impl State {
    pub(super) fn size(&self, inode: Inode) -> u64 {
        self.files.get(&inode).map_or(0, |node| node.bytes.len() as u64)
    }

    pub(super) fn bytes(&self, inode: Inode) -> &[u8] {
        self.files.get(&inode).map_or(&[], |node| node.bytes.as_slice())
    }

    /// Whether the device cannot read any of these bytes.
    pub(super) fn is_unreadable(&self, inode: Inode, range: &Range<u64>) -> bool {
        let parts = self.files.get(&inode).into_iter().flat_map(|node| &node.unreadable);
        parts.into_iter().any(|part| part.start < range.end && range.start < part.end)
    }

    /// Writes bytes, all of them; the device makes of it what it will.
    pub(super) fn write(
        &mut self,
        inode: Inode,
        offset: u64,
        bytes: &[u8],
        device: Device,
    ) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::InvalidInput)?;
        self.take_space(inode, end)?;
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let Some(node) = self.files.get_mut(&inode) else {
            return Ok(());
        };
        node.regions().for_each(|region| region.check_unborrowed(start, bytes.len()));
        let cache = Arc::make_mut(&mut node.bytes);
        cache.resize(cache.len().max(start + bytes.len()), 0);
        if let Some(to) = cache.get_mut(start..start + bytes.len()) {
            to.copy_from_slice(bytes);
        }
        node.show(start, bytes);
        // A sector that is written again can be read again.
        node.unreadable.retain(|part| part.end <= offset || end <= part.start);
        self.record(Event::Write { inode, offset, bytes: bytes.into(), device });
        Ok(())
    }

    pub(super) fn reserve(&mut self, inode: Inode, size: u64) -> io::Result<()> {
        self.take_space(inode, size)?;
        if size > self.size(inode) { self.set_size(inode, size) } else { Ok(()) }
    }

    pub(super) fn set_size(&mut self, inode: Inode, to: u64) -> io::Result<()> {
        let from = self.size(inode);
        let size = usize::try_from(to).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let Some(node) = self.files.get_mut(&inode) else {
            return Ok(());
        };
        let mapped = node.mapped();
        assert!(size >= mapped, "a file of which {mapped} bytes are mapped is cut to {size}");
        Arc::make_mut(&mut node.bytes).resize(size, 0);
        node.taken = if to < from { node.taken.min(to) } else { node.taken };
        if from != to {
            self.record(Event::SetSize { inode, from, to });
        }
        Ok(())
    }

    /// # Panics
    /// If someone wrote through a map of the file.
    pub(super) fn find_stray_stores(&self, inode: Inode) {
        let Some(node) = self.files.get(&inode) else {
            return;
        };
        for region in node.regions.iter().filter_map(Weak::upgrade) {
            assert!(region.is_same_as(&node.bytes), "a file was written through its map");
        }
    }

    pub(super) fn add_region(&mut self, inode: Inode, region: &Arc<HeapRegion>) {
        if let Some(node) = self.files.get_mut(&inode) {
            node.regions.retain(|region| region.strong_count() > 0);
            node.regions.push(Arc::downgrade(region));
        }
    }

    /// How much space all files have that are still there.
    fn taken_by_all(&self) -> u64 {
        let there = self.files.values().filter(|node| node.names > 0 || node.handles > 0);
        there.map(|node| node.taken).fold(0, u64::saturating_add)
    }

    /// Takes space so that the file has at least `end` bytes of it.
    fn take_space(&mut self, inode: Inode, end: u64) -> io::Result<()> {
        let taken = self.files.get(&inode).map_or(end, |node| node.taken);
        // Most writes go where space was taken before.
        if end <= taken {
            return Ok(());
        }
        // To count what all files have takes longer the more there ever were.
        let there_is_no_limit = self.limits.bytes == u64::MAX;
        let used = if there_is_no_limit { 0 } else { self.taken_by_all() };
        let Some(node) = self.files.get_mut(&inode) else {
            return Ok(());
        };
        let more = end.saturating_sub(node.taken);
        if used.saturating_add(more) > self.limits.bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        node.taken += more;
        Ok(())
    }
}

impl FileNode {
    /// Lets every region see a write.
    fn show(&mut self, offset: usize, bytes: &[u8]) {
        self.regions.retain(|region| region.strong_count() > 0);
        self.regions().for_each(|region| region.store(offset, bytes));
    }

    /// The maps that live.
    fn regions(&self) -> impl Iterator<Item = Arc<HeapRegion>> {
        self.regions.iter().filter_map(Weak::upgrade)
    }

    /// How many bytes of the file are mapped.
    pub(super) fn mapped(&self) -> usize {
        self.regions().map(|region| crate::Region::size(&*region)).max().unwrap_or(0)
    }

    /// Gives the file other bytes; maps see those that differ.
    pub(super) fn replace(&mut self, bytes: Vec<u8>) {
        let old = std::mem::replace(&mut self.bytes, Arc::new(bytes));
        let differing =
            old.iter().zip(&*self.bytes).enumerate().filter(|(_, (old, new))| old != new);
        let differing: Vec<_> = differing.map(|(at, (_, new))| (at, *new)).collect();
        for (at, new) in differing {
            self.show(at, &[new]);
        }
    }
}
