//! Makes, opens, writes and syncs a file that is made as a whole and mapped once: what a segment and a file of payloads
//! have in common.
//!
//! State: open -> stopped (the first write or sync that fails), once, for good.
//!
//! Promises
//!  1. When [`WholeFile::create`] has returned, the file and its name are durable, all of its space is taken, and a
//!     record may refer to it. When it failed, there is no file of that number that counts.
//!  2. The region has one address and one length for as long as the file is open, and shows every write at once.
//!  3. After a write or a sync failed, none succeeds: the system reports a failed sync once, and answers the next one
//!     "done" although what was lost is not there.
//!
//! Never: writes through the map, maps again, changes the file's length; knows what lies in it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use disk::{Access, Disk, File, MemoryFile, Region, Window};

use crate::format::Invalid;
use crate::geometry::HEADER_BYTES;
use crate::names::Name;
use crate::{Error, Result};

/// An open file. Threads may write to different places at the same time.
#[derive(Debug)]
pub(crate) struct WholeFile {
    file: Arc<dyn File>,
    window: Window,
    /// The first write or sync that failed.
    failed: OnceLock<Arc<disk::Error>>,
    /// Held by who syncs: who comes second has to wait for the first, and to hear of its failure.
    syncing: Mutex<()>,
    /// Whether a write returned that no sync was begun behind.
    is_dirty: AtomicBool,
}

impl WholeFile {
    /// Makes a file of this length that begins so. Its number has to be above that of every file in the directory
    /// there was, and the directory has to be there ([`make_directory`](crate::make_directory)).
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a file of that number; [`Error::Disk`] if the disk refuses, because
    /// it is full, say; [`Error::Stopped`] if the sync of the directory failed: then no later sync of it
    /// can be believed, whoever asks for it. What was begun is taken away again, as far as the disk lets
    /// one.
    pub(crate) fn create(disk: &dyn Disk, named: Name, size: u64, header: &[u8]) -> Result<Self> {
        let new = Name::New(named.file());
        let exists = |name: Name| Error::Exists { path: disk.root().join(name.path()) };
        // A rename would replace it.
        match disk.open(&named.path(), Access::Read) {
            Ok(_) => return Err(exists(named)),
            Err(disk::Error::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (file, pending) = match disk.create(&new.path()) {
            Ok(made) => made,
            Err(disk::Error::Exists { .. }) => return Err(exists(new)),
            Err(error) => return Err(error.into()),
        };
        let made = || -> Result<(Arc<dyn File>, Arc<dyn Region>)> {
            file.reserve(size)?;
            file.write_at(0, header)?;
            // First the bytes and the length: the name says that they are there.
            file.sync_all()?;
            let region = file.map(size)?;
            let renamed = disk.rename(&new.path(), &named.path())?;
            // A name that was lost here may come to be answered "done" for later, and others with it.
            let in_doubt = |error| match error {
                // It was not asked for, for want of a handle.
                disk::Error::TooManyFiles { .. } => Error::Disk(error),
                error => {
                    Error::Stopped { path: disk.root().join(named.path()), first: Arc::new(error) }
                }
            };
            pending.and(renamed).sync(disk).map_err(in_doubt)?;
            // Opened again so that messages have its name.
            Ok((disk.open(&named.path(), Access::ReadWrite)?, region))
        };
        match made() {
            Ok((file, region)) => Ok(Self::of_parts(file, region)),
            Err(error) => {
                for name in [new, named] {
                    // Nothing refers to it yet, so if it stays, it is taken away when someone looks.
                    if let Ok(removed) = disk.remove(&name.path()) {
                        removed.forgo("it counts for nothing should it come back");
                    }
                }
                Err(error)
            }
        }
    }

    /// Makes a file in memory, of which nothing survives.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(crate) fn in_memory(named: Name, size: u64, header: &[u8]) -> Result<Self> {
        let file = MemoryFile::new(named.path(), size)?;
        file.write_at(0, header)?;
        let region = file.map(size)?;
        Ok(Self::of_parts(Arc::new(file), region))
    }

    /// Opens a file that is there and was made with this length, if its header passes. Changes nothing, and reads the
    /// header alone.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Damaged`] if its header does not pass; [`Error::CutShort`];
    /// [`Error::Unreadable`].
    pub(crate) fn open<T>(
        disk: &dyn Disk,
        (named, size): (Name, u64),
        access: Access,
        check: impl FnOnce(&[u8]) -> std::result::Result<T, Invalid>,
    ) -> Result<(T, Self)> {
        let file = match disk.open(&named.path(), access) {
            Err(disk::Error::Missing { path }) => return Err(Error::Missing { path }),
            file => file?,
        };
        let path = || file.path().to_path_buf();
        let found = file.size()?;
        let cut_short = || Error::CutShort { path: path(), wanted: size, found };
        if found < HEADER_BYTES as u64 {
            return Err(cut_short());
        }
        let mut header = vec![0; HEADER_BYTES];
        read_at(&*file, 0, &mut header)?;
        let checked = check(&header).map_err(|what| Error::Damaged { path: path(), what })?;
        // Touching a map behind the end of its file would be a fatal signal.
        if found < size {
            return Err(cut_short());
        }
        let region = file.map(size)?;
        Ok((checked, Self::of_parts(file, region)))
    }

    fn of_parts(file: Arc<dyn File>, region: Arc<dyn Region>) -> Self {
        let (failed, syncing) = (OnceLock::new(), Mutex::new(()));
        let (window, is_dirty) = (Window::new(region), AtomicBool::new(false));
        WholeFile { file, window, failed, syncing, is_dirty }
    }

    /// The file's whole path, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        self.file.path().to_path_buf()
    }

    /// All of the file, for reading.
    #[inline]
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Writes at this offset.
    ///
    /// Visible at once through the region, so nobody may have borrowed it there. Durable when it
    /// returns: nothing.
    ///
    /// # Errors
    /// [`Error::Stopped`] if this or an earlier write or sync failed.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.unless_stopped(|file| file.write_at(offset, bytes))?;
        // Behind the write: a sync that is under way may have been too early for it.
        self.is_dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Makes every write durable that returned before; does nothing where there was none since the last sync.
    ///
    /// # Errors
    /// [`Error::Stopped`] if this or an earlier write or sync failed: then nothing is known of any
    /// write since the last sync that worked.
    pub(crate) fn sync(&self) -> Result<()> {
        let _one_at_a_time = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.unless_stopped(|file| match self.is_dirty.swap(false, Ordering::AcqRel) {
            true => file.sync_data(),
            false => Ok(()),
        })
    }

    /// Reads by position: for recovery and verification, where a bad sector has to be an error and not a signal.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        read_at(&*self.file, offset, buffer)
    }

    /// Changes the file, unless that failed before; and remembers it if it fails now.
    fn unless_stopped(&self, change: impl FnOnce(&dyn File) -> disk::Result<()>) -> Result<()> {
        let first = match self.failed.get() {
            Some(first) => first,
            None => match change(&*self.file) {
                Ok(()) => return Ok(()),
                // Whoever comes second finds the first one's failure there, and that is the one to keep.
                Err(error) => self.failed.get_or_init(|| Arc::new(error)),
            },
        };
        Err(Error::Stopped { path: self.path(), first: Arc::clone(first) })
    }
}

fn read_at(file: &dyn File, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_at(offset, buffer).map_err(|error| match error {
        disk::Error::Io { .. } => {
            Error::Unreadable { path: file.path().to_path_buf(), offset, source: error }
        }
        error => Error::Disk(error),
    })
}
