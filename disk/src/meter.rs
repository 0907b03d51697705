//! Counts what is written to a disk and how often it is synced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Call, Disk, Error, Hook, Hooked, Result};

/// Counts the calls that worked, since it was put in front of a disk.
#[derive(Debug, Default)]
pub struct Meter {
    written: AtomicU64,
    syncs: AtomicU64,
}

impl Meter {
    /// Puts a meter in front of a disk; gives the metered disk, and the meter to read.
    pub fn guard(disk: Arc<dyn Disk>) -> (Arc<dyn Disk>, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (Arc::new(Hooked::new(disk, Arc::clone(&meter) as _)), meter)
    }

    /// How many bytes were written.
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How often files and directories were synced.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Hook for Meter {
    fn before(&self, _: &Call<'_>) -> Result<()> {
        Ok(())
    }

    fn after(&self, call: &Call<'_>, outcome: std::result::Result<(), &Error>) {
        if outcome.is_err() {
            return;
        }
        match call {
            Call::WriteAt { bytes, .. } => {
                self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Call::SyncDir { .. } | Call::SyncData { .. } | Call::SyncAll { .. } => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::SimDisk;

    #[test]
    fn what_works_is_counted_and_what_fails_is_not() {
        let (disk, meter) = Meter::guard(Arc::new(SimDisk::new(1)));
        let (file, name) = disk.create(Path::new("a")).unwrap();
        name.sync(&*disk).unwrap();
        let before = meter.syncs();
        file.write_at(0, &[1; 10]).unwrap();
        file.write_at(5, &[2; 7]).unwrap();
        file.sync_data().unwrap();
        disk.open(Path::new("b"), crate::Access::Read).unwrap_err();
        assert_eq!((meter.bytes_written(), meter.syncs() - before), (17, 1));
    }
}
