//! Finds where a log begins, for those who have no manifest to tell them.

use base::{FileId, LogPlace, Sequence, StoreId};
use disk::Disk;

use crate::Result;
use crate::files::Files;

/// The beginning of the oldest log file there is; `None` if there is no log.
///
/// A log that was pruned may have older files that came back after a crash, with gaps between them:
/// begin where the manifest says, if there is one.
///
/// # Errors
/// If files cannot be read, or are not of this store.
pub fn oldest_place(disk: &dyn Disk, store: StoreId) -> Result<Option<LogPlace>> {
    let files = Files::list(disk, store, FileId(0))?;
    Ok(files.logs.first_key_value().map(|(file, found)| {
        let header = found.found.header;
        LogPlace {
            file: *file,
            offset: crate::format::HEADER_BYTES as u64,
            sum: found.found.sum,
            sequence: Sequence::new(header.first.get() - 1),
        }
    }))
}
