//! Takes away files of the log that nobody needs any more.
//!
//! Promises
//!  1. No file is taken away that a replay from the place in question would read.
//!  2. A file that looks unused and is not empty, or cannot be read, stays: it may be a damaged part of
//!     the log.
//!  3. What is still being made is left to its maker.
//!
//! A file that comes back after a crash does no harm: its number is below that of the place, or it is
//! superseded by a file with a higher one.

use std::path::PathBuf;
use std::sync::Arc;

use base::{FileId, StoreId};
use disk::{Disk, EntryKind, File};

use crate::Result;
use crate::files::{self, Files};
use crate::format::HEADER_BYTES;
use crate::names::{self, Name};
use crate::stats::Pruned;
use crate::window::Window;

/// Removes all files with numbers below this one that nobody is making any more, but for the newest that together take no
/// more than `keep` bytes.
pub(crate) fn prune(
    disk: &dyn Disk,
    before: FileId,
    keep: u64,
    is_made: impl Fn(FileId) -> bool,
) -> Result<Pruned> {
    let mut listed = files::listed(disk)?;
    listed.retain(|(_, kind)| *kind == EntryKind::File);
    let mut older = Vec::new();
    for (name, _) in listed {
        let (file, path) = match name {
            Name::Log(file) => (file, names::log_path(file)),
            Name::New(file) => (file, names::new_path(file)),
        };
        if file < before && is_made(file) {
            let bytes = disk.open(&path, disk::Access::Read)?.size()?;
            older.push((file, path, bytes));
        }
    }
    let mut kept: u64 = older.iter().map(|(_, _, bytes)| *bytes).sum();
    let mut pruned = Pruned::default();
    // The oldest first: should this be cut short, those that are left have no gap between them.
    older.sort();
    for (file, path, bytes) in older {
        if kept > keep {
            disk.remove(&path)?.forgo("a file that comes back lies before all that is read");
            pruned.files.push(file);
            pruned.bytes += bytes;
            kept -= bytes;
        }
    }
    Ok(pruned)
}

/// Removes what lies between two files of which the second goes on behind the first.
pub(crate) fn clear_between(
    disk: &dyn Disk,
    store: StoreId,
    first: FileId,
    second: FileId,
) -> Result<Vec<FileId>> {
    let between = |file: &FileId| *file > first && *file < second;
    let files = Files::list(disk, store, first)?;
    let mut cleared = Vec::new();
    let mut remove = |path: PathBuf, file| -> Result<()> {
        disk.remove(&path)?.forgo("a file that comes back is superseded");
        cleared.push(file);
        Ok(())
    };
    for file in files.unfinished.into_iter().filter(between) {
        remove(names::new_path(file), file)?;
    }
    for file in files.logs.into_keys().filter(between) {
        remove(names::log_path(file), file)?;
    }
    for (file, bytes) in files.spares.into_iter().filter(|(file, _)| between(file)) {
        // A part that cannot be read may be anything.
        if is_all_zeros(files::open(disk, file)?, bytes).unwrap_or(false) {
            remove(names::log_path(file), file)?;
        }
    }
    Ok(cleared)
}

fn is_all_zeros(file: Arc<dyn File>, bytes: u64) -> Result<bool> {
    let mut window = Window::new(file, bytes)?;
    let mut offset = 0;
    while let Some(piece) = window.at(offset, (HEADER_BYTES as u64).min(bytes - offset))? {
        if piece.is_empty() {
            return Ok(true);
        }
        if piece.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        offset += piece.len() as u64;
    }
    Ok(true)
}
