//! An open file of a simulated disk: whole transfers out of partial ones, syncs, maps.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::MutexGuard;

use super::SimDisk;
use super::event::{Device, Event, Inode};
use super::fault::{BusError, FaultKind};
use super::state::State;
use crate::hook::Call;
use crate::region::heap::{HeapRegion, OnRead};
use crate::transfer::{read_full, write_full};
use crate::{Access, Error, File, Region, Result};

/// An open file of a simulated disk.
#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    /// The name it was opened under.
    pub(super) name: PathBuf,
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    pub(super) access: Access,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.state().close_handle(self.inode);
    }
}

impl SimFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.disk.state.lock()
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::new(doing, &self.path, source)
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            // EBADF, as the operating system says it.
            Access::Read => Err(io::Error::from_raw_os_error(9)),
        }
    }

    fn sync(&self, call: &Call<'_>, event: Event) -> Result<()> {
        let mut state = self.state();
        let fault = state.strike(call);
        state.sync(self.inode, event, fault).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Removed { path: self.path.clone() },
            _ => self.failed("sync", source),
        })
    }

    /// Makes a call that needs nothing but the state, after the faults had their say.
    fn call<T>(
        &self,
        doing: &'static str,
        call: &Call<'_>,
        make: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        let mut state = self.state();
        let outcome = state.admit(call).and_then(|()| make(&mut state));
        outcome.map_err(|source| self.failed(doing, source))
    }

    /// One system call's worth of writing.
    fn write_some(
        &self,
        offset: u64,
        bytes: &[u8],
        fault: &mut Option<FaultKind>,
    ) -> io::Result<usize> {
        let mut state = self.state();
        let mut count = bytes.len();
        let mut device = Device::Writes;
        match fault.take() {
            Some(FaultKind::Write) => {
                return Err(io::Error::other("simulated: the device could not write it"));
            }
            Some(FaultKind::Full { after }) => {
                let most = after.min(bytes.len().saturating_sub(1));
                let head = bytes.get(..most).unwrap_or_default();
                state.write(self.inode, offset, head, device)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Some(FaultKind::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(FaultKind::Short) => count = count.div_ceil(2),
            Some(FaultKind::LostWrite) => device = Device::Loses,
            Some(FaultKind::MisdirectedWrite { by }) => device = Device::WritesAt(offset + by),
            _ => {}
        }
        let written = bytes.get(..count).unwrap_or(bytes);
        state.write(self.inode, offset, written, device)?;
        Ok(written.len())
    }

    /// One system call's worth of reading.
    fn read_some(
        &self,
        offset: u64,
        buffer: &mut [u8],
        fault: &mut Option<FaultKind>,
    ) -> io::Result<usize> {
        let state = self.state();
        let mut wanted = buffer.len();
        match fault.take() {
            Some(FaultKind::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(FaultKind::Short) => wanted = wanted.div_ceil(2),
            _ => {}
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = state.bytes(self.inode).get(from..).unwrap_or_default();
        let count = bytes.len().min(wanted);
        let end = offset.saturating_add(count as u64);
        if state.is_unreadable(self.inode, &(offset..end)) {
            return Err(bad_sector());
        }
        for (to, byte) in buffer.iter_mut().zip(bytes.iter().take(count)) {
            *to = *byte;
        }
        Ok(count)
    }
}

fn bad_sector() -> io::Error {
    io::Error::other("simulated: a bad sector")
}

impl File for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self) -> Result<u64> {
        self.call("inspect", &Call::Size { path: &self.name }, |state| Ok(state.size(self.inode)))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let bytes = buffer.len();
        let mut fault = self.state().strike(&Call::ReadAt { path: &self.name, offset, bytes });
        if fault == Some(FaultKind::Read) {
            return Err(self.failed("read", bad_sector()));
        }
        let found =
            read_full(offset, buffer, |buffer, offset| self.read_some(offset, buffer, &mut fault));
        let found = found.map_err(|source| self.failed("read", source))?;
        if found < bytes {
            let (wanted, found) = (bytes as u64, found as u64);
            return Err(Error::PastEnd { path: self.path.clone(), offset, wanted, found });
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut fault = self.state().strike(&Call::WriteAt { path: &self.name, offset, bytes });
        let written = self.check_writable().and_then(|()| {
            write_full(offset, bytes, |bytes, offset| self.write_some(offset, bytes, &mut fault))
        });
        written.map_err(|source| self.failed("write", source))
    }

    fn reserve(&self, size: u64) -> Result<()> {
        self.call("reserve space for", &Call::Reserve { path: &self.name, size }, |state| {
            self.check_writable()?;
            state.reserve(self.inode, size)
        })
    }

    fn set_size(&self, size: u64) -> Result<()> {
        self.call("set the size of", &Call::SetSize { path: &self.name, size }, |state| {
            match self.access {
                Access::ReadWrite => state.set_size(self.inode, size),
                // Linux says that of this call, where of all others it says that the handle is wrong.
                Access::Read => Err(io::ErrorKind::InvalidInput.into()),
            }
        })
    }

    fn sync_data(&self) -> Result<()> {
        self.sync(&Call::SyncData { path: &self.name }, Event::SyncData { inode: self.inode })
    }

    fn sync_all(&self) -> Result<()> {
        let names = self.state().limits.sync_all;
        let event = Event::SyncAll { inode: self.inode, names };
        self.sync(&Call::SyncAll { path: &self.name }, event)
    }

    fn map(&self, size: u64) -> Result<Arc<dyn Region>> {
        self.call("map", &Call::Map { path: &self.name, size }, |_| Ok(()))?;
        let mut state = self.state();
        let found = state.size(self.inode);
        if found < size {
            let path = self.path.clone();
            return Err(Error::PastEnd { path, offset: 0, wanted: size, found });
        }
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        let bytes = state.bytes(self.inode).get(..count).filter(|bytes| !bytes.is_empty());
        let Some(bytes) = bytes else {
            return Err(self.failed("map", io::ErrorKind::InvalidInput.into()));
        };
        let region = Arc::new(HeapRegion::new(bytes, self.on_map_read()));
        state.add_region(self.inode, &region);
        Ok(region)
    }
}

impl SimFile {
    /// Panics where a read through a map would be a fatal signal, or is against the store's word.
    fn on_map_read(&self) -> OnRead {
        let (disk, name, path, inode) =
            (self.disk.clone(), self.name.clone(), self.path.clone(), self.inode);
        Box::new(move |range| {
            let mut state = disk.state.lock();
            let recovering = state.recovering;
            let (offset, end) = (range.start as u64, range.end as u64);
            let call = Call::ReadAt { path: &name, offset, bytes: range.len() };
            let is_bad = state.is_unreadable(inode, &(offset..end))
                || state.strike(&call) == Some(FaultKind::Read);
            drop(state);
            assert!(
                recovering == 0,
                "{} is read through a map at {offset} while recovering: read it by position",
                path.display()
            );
            if is_bad {
                std::panic::panic_any(BusError { path: path.clone(), offset });
            }
        })
    }
}
