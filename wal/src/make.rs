//! Makes log files: of full length, all zeros, synced, and only then under a name that counts.
//!
//! Promises
//!  1. A name `.wal` stands for a file of full length whose bytes and name are durable, or the call
//!     that made it failed.
//!  2. Where the disk is full, what was begun is taken away again.
//!
//! Never: writes to a file that has its final name.

use std::sync::Arc;

use base::FileId;
use disk::{Access, Disk, File};

use crate::carry;
use crate::current::KEPT;
use crate::format::HEADER_BYTES;
use crate::names::{log_path, new_path};
use crate::{Error, Result};

/// How many zeros are written at a time.
const ZEROS: usize = 256 * 1024;

/// A file that was made ahead of its use.
#[derive(Debug)]
pub struct Spare {
    pub(crate) id: FileId,
    /// Drawn ahead too: nothing can fail that way once a batch is being written.
    pub(crate) salt: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) bytes: u64,
}

impl Spare {
    /// How many bytes of records it has room for.
    pub(crate) fn room(&self) -> u64 {
        self.bytes - HEADER_BYTES as u64 - KEPT
    }
}

/// The making of a spare, to be run wherever it disturbs nobody.
#[derive(Debug)]
#[must_use = "the log makes the file itself, while someone waits, if nobody does it before"]
pub struct Preparation {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) id: FileId,
    pub(crate) bytes: u64,
}

impl Preparation {
    /// Makes the file.
    ///
    /// # Errors
    /// If the disk refuses: it is full, say.
    pub fn run(self) -> Result<Spare> {
        let salt = carry::random(&*self.disk)?;
        let file = make(&*self.disk, self.id, self.bytes, |_| Ok(()))?;
        Ok(Spare { id: self.id, salt, file, bytes: self.bytes })
    }
}

/// Makes a log file, with whatever `fill` puts into it.
pub(crate) fn make(
    disk: &dyn Disk,
    id: FileId,
    bytes: u64,
    fill: impl FnOnce(&dyn File) -> Result<()>,
) -> Result<Arc<dyn File>> {
    let (file, named) = disk.create(&new_path(id))?;
    let made = prepare(&*file, bytes)
        .and_then(|()| fill(&*file))
        // First the bytes: the name says that they are all there.
        .and_then(|()| Ok(file.sync_all()?))
        .and_then(|()| check_free(disk, id))
        .and_then(|()| Ok(disk.rename(&new_path(id), &log_path(id))?));
    let renamed = match made {
        Ok(renamed) => renamed,
        Err(error) => {
            named.forgo("whether it comes or goes, it counts for nothing");
            // If it stays, it is taken away when the log was opened again and is pruned.
            if let Ok(removed) = disk.remove(&new_path(id)) {
                removed.forgo("it counts for nothing should it come back");
            }
            return Err(error);
        }
    };
    // Opened again so that messages have its name.
    let opened = || disk.open(&log_path(id), Access::ReadWrite);
    named.and(renamed).sync(disk).and_then(|()| opened()).map_err(|error| {
        // Nobody has it; and the next to make one of this number, once there are handles again, must not find it taken.
        if matches!(error, disk::Error::TooManyFiles { .. })
            && let Ok(removed) = disk.remove(&log_path(id))
        {
            removed.forgo("it is empty, and counts for nothing should it come back");
        }
        error.into()
    })
}

/// Refuses a name that is taken: by a log that was opened since this file was asked for.
fn check_free(disk: &dyn Disk, id: FileId) -> Result<()> {
    match disk.open(&log_path(id), Access::Read) {
        Err(disk::Error::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Error::Exists { path: log_path(id) }),
    }
}

/// Writes zeros to all of the file. Space that is only reserved costs a change of the file system's own
/// books at the first write to it, and the sync behind it waits for that.
fn prepare(file: &dyn File, bytes: u64) -> Result<()> {
    file.reserve(bytes)?;
    let zeros = vec![0; ZEROS.min(usize::try_from(bytes).unwrap_or(ZEROS))];
    let mut offset = 0;
    while offset < bytes {
        let length = (bytes - offset).min(zeros.len() as u64);
        file.write_at(offset, zeros.get(..length as usize).unwrap_or_default())?;
        offset += length;
    }
    Ok(())
}
