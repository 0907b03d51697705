//! Lets two threads sync one file without either being told what is not so.
//!
//! Promises
//!  1. After a sync failed, every later one fails: the system reports a failure once, and answers the next
//!     call "done" although what was lost is not there.
//!
//! Never: syncs by itself.

use std::sync::{Arc, Mutex, PoisonError};

use disk::File;

use crate::Result;

/// A file that is synced by more than one thread.
#[derive(Debug)]
pub(crate) struct SyncedFile {
    file: Arc<dyn File>,
    failed: Mutex<Option<disk::Error>>,
}

impl SyncedFile {
    pub(crate) fn new(file: Arc<dyn File>) -> Self {
        SyncedFile { file, failed: Mutex::new(None) }
    }

    /// Writes at an offset.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_at(offset, bytes)?)
    }

    /// Makes everything durable that was written before. One at a time: who comes second has to hear of the
    /// failure of the first.
    pub(crate) fn sync(&self) -> Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match &*failed {
            Some(error) => Err(error.clone()),
            None => self.file.sync_data(),
        };
        *failed = result.as_ref().err().cloned();
        Ok(result?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use disk::sim::{Fault, FaultKind, Lasting, LostSync};
    use disk::{Disk, SimDisk};

    use super::*;

    #[test]
    fn a_sync_behind_one_that_failed_fails_too() {
        let disk = SimDisk::new(1);
        let (file, pending) = disk.create(Path::new("file")).unwrap();
        pending.forgo("a test");
        let file = SyncedFile::new(file);
        file.write_at(0, b"bytes").unwrap();
        file.sync().unwrap();
        let kind = FaultKind::Sync(LostSync::KeepsCache);
        disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
        file.sync().unwrap_err();
        file.sync().unwrap_err();
    }
}
