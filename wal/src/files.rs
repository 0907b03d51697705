//! Lists the files of the log, and says which goes on behind which.
//!
//! Promises
//!  1. A file of another store, under another file's name, or too short to be one of ours is refused.
//!  2. A file whose predecessor is gone is noticed.
//!
//! Never: reads more of a file than its header; changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use base::{FileId, StoreId};
use disk::{Access, Disk, EntryKind, File};

use crate::format::{FileHeader, Found, HEADER_BYTES, Invalid};
use crate::names::{self, Name};
use crate::{Error, Result};

/// A file with a valid header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogFile {
    pub(crate) found: Found,
    /// How long it is.
    pub(crate) bytes: u64,
}

/// What the directory of the log holds, from one file on.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// Files with a valid header.
    pub(crate) logs: BTreeMap<FileId, LogFile>,
    /// Files without one, and their lengths.
    pub(crate) spares: BTreeMap<FileId, u64>,
    /// Files in the making that were left behind.
    pub(crate) unfinished: BTreeSet<FileId>,
    /// The highest number that any file has, those in front of the first included.
    pub(crate) highest: FileId,
}

impl Files {
    /// Reads the headers of all files from this one on.
    pub(crate) fn list(disk: &dyn Disk, store: StoreId, from: FileId) -> Result<Files> {
        let mut files = Files {
            logs: BTreeMap::new(),
            spares: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            highest: FileId(0),
        };
        for (name, kind) in listed(disk)? {
            let (Name::Log(file) | Name::New(file)) = name;
            files.highest = files.highest.max(file);
            if file < from || kind != EntryKind::File {
                continue;
            }
            match name {
                Name::New(file) => {
                    files.unfinished.insert(file);
                }
                Name::Log(file) => files.read(disk, store, file)?,
            }
        }
        Ok(files)
    }

    fn read(&mut self, disk: &dyn Disk, store: StoreId, file: FileId) -> Result<()> {
        let (header, bytes) = match header_of(disk, file) {
            // A spare that was thrown away since it was listed; of a file that matters, what goes on behind it tells.
            Err(Error::Disk(disk::Error::Missing { .. })) => return Ok(()),
            read => read?,
        };
        let damaged = |what| Error::Damaged { path: names::log_path(file), what };
        match header {
            Ok(found) => {
                found.header.check_place(store, file).map_err(damaged)?;
                self.logs.insert(file, LogFile { found, bytes });
            }
            // Never begun, or its beginning was torn.
            Err(Invalid::Magic | Invalid::Sum(_)) => {
                self.spares.insert(file, bytes);
            }
            Err(invalid) => return Err(damaged(invalid)),
        }
        Ok(())
    }

    /// The file in which the log goes on behind this one.
    pub(crate) fn successor(&self, of: FileId) -> Option<(FileId, LogFile)> {
        let names_it =
            |file: &LogFile| file.found.header.previous.is_some_and(|previous| previous.file == of);
        let mut files = self.logs.iter().rev();
        files.find(|(_, file)| names_it(file)).map(|(file, found)| (*file, *found))
    }

    /// The files that the log consists of, from the first one on.
    pub(crate) fn chain(&self, first: FileId) -> BTreeSet<FileId> {
        // Predecessors have lower numbers: this ends.
        std::iter::successors(Some(first), |file| self.successor(*file).map(|(next, _)| next))
            .collect()
    }

    /// Refuses a log of which a file is missing, in front of one that is there.
    pub(crate) fn check_complete(&self, first: FileId) -> Result<()> {
        let chain = self.chain(first);
        for (file, found) in &self.logs {
            match found.found.header.previous {
                Some(previous) if *file != first && !chain.contains(&previous.file) => {
                    let path = names::log_path(previous.file);
                    return Err(Error::Missing { path, named_by: Some(*file) });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The names in the log's directory that are ours; none if there is no such directory.
pub(crate) fn listed(disk: &dyn Disk) -> Result<Vec<(Name, EntryKind)>> {
    let entries = match disk.list(names::directory()) {
        Ok(entries) => entries,
        Err(disk::Error::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let named = |entry: &disk::Entry| Some((names::parse(&entry.name)?, entry.kind));
    Ok(entries.iter().filter_map(named).collect())
}

/// Opens a log file for reading.
pub(crate) fn open(disk: &dyn Disk, file: FileId) -> Result<Arc<dyn File>> {
    Ok(disk.open(&names::log_path(file), Access::Read)?)
}

/// Reads a file's header, and how long the file is.
pub(crate) fn header_of(
    disk: &dyn Disk,
    file: FileId,
) -> Result<(std::result::Result<Found, Invalid>, u64)> {
    let path = names::log_path(file);
    let handle = open(disk, file)?;
    let unreadable = |source| unreadable(path.clone(), 0, source);
    let bytes = handle.size().map_err(unreadable)?;
    if bytes < HEADER_BYTES as u64 {
        return Err(Error::Damaged { path, what: Invalid::Short });
    }
    let mut header = vec![0; HEADER_BYTES];
    handle.read_at(0, &mut header).map_err(unreadable)?;
    Ok((FileHeader::decode(&header), bytes))
}

/// A failure to read, which is never taken for the end of the log.
pub(crate) fn unreadable(path: PathBuf, offset: u64, source: disk::Error) -> Error {
    Error::Unreadable { path, offset, source }
}
