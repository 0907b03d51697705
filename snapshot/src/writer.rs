//! Makes an image: from front to back, under another name, synced before it has its own.
//!
//! State: open -> stopped (the first call that fails), or -> finished [`ImageWriter::finish`].
//!
//! Promises
//!  1. When `finish` has returned, the image and its name are durable, and a manifest may name it. When it
//!     failed, or the writer is dropped before, there is no image of that number that counts, and what was
//!     begun is taken away again, as far as the disk lets one.
//!  2. Space is reserved before it is written to, so that a full disk is a clean refusal.
//!  3. It keeps little more than a mebibyte, and a few sums for each 64 KiB written; and no more than 16 MiB that are
//!     written wait for a sync, so that whoever else syncs meanwhile does not wait for the whole image.
//!
//! Never: writes to a file that has its final name; knows what a section means.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use base::checksum::Xxh3;
use base::{FileId, StoreId};
use disk::{Access, Disk, File, PendingDirSync};

use crate::format::image::{
    BLOCK_BYTES, Block, Row, SECTION_ALIGNMENT, SECTIONS_MAX, encode_table, is_name, places,
};
use crate::format::sums::{CHUNK_BYTES, ChunkPlace, build};
use crate::manifest::ImageRef;
use crate::names::Name;
use crate::{Error, Result};

/// How much is written at a time.
const WRITE_BYTES: usize = 1024 * 1024;

/// How much is written before it is synced. The last sync makes it all durable; were it the only one, a device would be busy
/// with all of it at once.
const SYNC_BYTES: u64 = 16 * 1024 * 1024;

/// An image in the making.
///
/// ```
/// use base::{FileId, StoreId};
/// use disk::SimDisk;
/// use snapshot::{Image, ImageWriter, Manifests};
/// use std::sync::Arc;
///
/// let disk = Arc::new(SimDisk::new(1));
/// let store = StoreId([7; 16]);
/// Manifests::create(disk.clone(), store)?; // makes the directories too
///
/// let mut writer = ImageWriter::create(disk.clone(), store, FileId(1))?;
/// writer.section("rows")?;
/// writer.write(b"as many bytes, ")?;
/// writer.write(b"in as many pieces, as one has")?;
/// let image_ref = writer.finish()?; // what a manifest keeps
///
/// let image = Image::open(&*disk, store, &image_ref)?;
/// let rows = image.section("rows")?;
/// assert_eq!(&*rows.bytes(8..13)?, b"bytes");
/// # Ok::<(), snapshot::Error>(())
/// ```
#[derive(Debug)]
pub struct ImageWriter {
    disk: Arc<dyn Disk>,
    store: StoreId,
    id: FileId,
    file: Arc<dyn File>,
    /// Owed for the name it was made under; taken when it gets its own.
    pending: Option<PendingDirSync>,
    /// Ended sections, and the one that is being written.
    sections: Vec<Begun>,
    /// Their names.
    names: HashSet<String>,
    /// Where the first byte of the buffer goes.
    offset: u64,
    /// Up to where it was synced.
    synced: u64,
    buffer: Vec<u8>,
    /// Where in the buffer the current chunk begins.
    chunk_at: usize,
    /// The first failure.
    failed: Option<Arc<disk::Error>>,
    /// Whether there is nothing to take away any more.
    is_finished: bool,
}

/// A section, as far as it is known while it is written.
#[derive(Debug)]
struct Begun {
    name: String,
    length: u64,
    sums: Vec<u64>,
}

impl ImageWriter {
    /// Begins an image. Its number has to be above that of every image there was
    /// ([`Manifests::next_file`](crate::Manifests::next_file) is), and the directory has to be there.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a file of that number; [`Error::Disk`] if the disk refuses.
    ///
    /// # Panics
    /// If the number is 0.
    pub fn create(disk: Arc<dyn Disk>, store: StoreId, id: FileId) -> Result<ImageWriter> {
        assert_ne!(id.0, 0, "no file has the number 0");
        let (new, named) = (Name::NewImage(id), Name::Image(id));
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
        Ok(ImageWriter {
            disk,
            store,
            id,
            file,
            pending: Some(pending),
            sections: Vec::new(),
            names: HashSet::new(),
            offset: SECTION_ALIGNMENT,
            synced: 0,
            buffer: Vec::new(),
            chunk_at: 0,
            failed: None,
            is_finished: false,
        })
    }

    /// Ends the section that is being written, and begins another.
    ///
    /// # Errors
    /// [`Error::Disk`] if the disk refuses, because it is full, say; [`Error::Stopped`] if an earlier call
    /// failed.
    ///
    /// # Panics
    /// If no section can have that name ([`is_name`](crate::format::image::is_name)), another has it, or
    /// there are as many as an image can have.
    pub fn section(&mut self, name: &str) -> Result<()> {
        assert!(is_name(name.as_bytes()), "no section can be called {name:?}");
        assert!(self.names.insert(name.into()), "there is a section {name:?} already");
        assert!(self.sections.len() < SECTIONS_MAX, "an image has {SECTIONS_MAX} sections at most");
        self.end_section()?;
        self.sections.push(Begun { name: name.into(), length: 0, sums: Vec::new() });
        Ok(())
    }

    /// Writes bytes to the end of the section.
    ///
    /// Durable when it returns: nothing.
    ///
    /// # Errors
    /// As [`ImageWriter::section`].
    ///
    /// # Panics
    /// If no section was begun.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(section) = self.sections.last_mut() else {
            panic!("a section has to be begun before it is written");
        };
        section.length += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = CHUNK_BYTES as usize - (self.buffer.len() - self.chunk_at);
            let (taken, behind) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(taken);
            rest = behind;
            if taken.len() == room {
                self.end_chunk();
                if self.buffer.len() >= WRITE_BYTES {
                    self.write_out()?;
                }
            }
        }
        Ok(())
    }

    /// Lets somebody write to the end of the section who knows only of [`std::io::Write`]: answers with what they
    /// answer, or with why a write of theirs failed.
    ///
    /// ```
    /// # use base::{FileId, StoreId};
    /// # use snapshot::{ImageWriter, Manifests};
    /// # let disk = std::sync::Arc::new(disk::SimDisk::new(1));
    /// # Manifests::create(disk.clone(), StoreId([7; 16]))?;
    /// let mut writer = ImageWriter::create(disk.clone(), StoreId([7; 16]), FileId(1))?;
    /// writer.section("numbers")?;
    /// let written = writer.write_by(|into| write!(into, "{}, {}", 1, 2))?;
    /// assert!(written.is_ok());
    /// # Ok::<(), snapshot::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ImageWriter::write`], also where what was passed in made nothing of it.
    ///
    /// # Panics
    /// If no section was begun.
    pub fn write_by<T>(&mut self, put: impl FnOnce(&mut dyn io::Write) -> T) -> Result<T> {
        let mut sink = Sink { writer: self, failed: None };
        let answer = put(&mut sink);
        sink.failed.map_or(Ok(answer), Err)
    }

    /// Writes what is left: the sums, the table and the block; and gives the image its name.
    ///
    /// # Errors
    /// As [`ImageWriter::section`]; [`Error::Stopped`] also if the sync of the directory failed: then no
    /// later sync of it can be believed, whoever asks for it. Not if there was no handle to sync it by.
    pub fn finish(mut self) -> Result<ImageRef> {
        let image = self.write_ends()?;
        // First the bytes: the name says that they are there.
        self.attempt(|writer| writer.file.sync_all())?;
        let (new, named) = (Name::NewImage(self.id).path(), Name::Image(self.id).path());
        let renamed = self.attempt(|writer| writer.disk.rename(&new, &named))?;
        let pending = match self.pending.take() {
            Some(made) => made.and(renamed),
            None => renamed,
        };
        if let Err(error) = pending.sync(&*self.disk) {
            if matches!(error, disk::Error::TooManyFiles { .. }) {
                return Err(error.into());
            }
            // A name that was lost here may come to be answered "done" for later, and others with it.
            return Err(Error::Stopped {
                path: self.disk.root().join(named),
                first: Arc::new(error),
            });
        }
        self.is_finished = true;
        Ok(image)
    }

    /// All that comes behind the sections, and the block in front of them.
    fn write_ends(&mut self) -> Result<ImageRef> {
        self.end_section()?;
        let sections = std::mem::take(&mut self.sections);
        let lengths: Vec<u64> = sections.iter().map(|section| section.length).collect();
        let Some((places, table)) = places(&lengths) else {
            panic!("an image longer than any file: {lengths:?}");
        };
        let mut rows = Vec::with_capacity(sections.len());
        for (number, (section, (offset, sums))) in (0..).zip(sections.into_iter().zip(places)) {
            let (levels, root) = build(&self.place(number, 0), section.sums);
            self.buffer.extend(levels);
            if self.buffer.len() >= WRITE_BYTES {
                self.write_out()?;
            }
            rows.push(Row { name: section.name, offset, length: section.length, sums, root });
        }
        let at = self.offset + self.buffer.len() as u64;
        assert_eq!(at, table, "the table does not come to lie where readers look for it");
        let encoded = encode_table(&rows);
        let block = Block {
            store: self.store,
            file: self.id,
            bytes: table + (encoded.len() + BLOCK_BYTES) as u64,
            table,
            table_sum: Xxh3::of(&encoded),
            sections: rows.len() as u32,
        };
        let bytes = block.encode();
        self.buffer.extend(encoded);
        self.buffer.extend_from_slice(&bytes);
        self.write_out()?;
        self.attempt(|writer| writer.file.write_at(0, &bytes))?;
        Ok(ImageRef { file: self.id, bytes: block.bytes, sum: Xxh3::of_128(&bytes) })
    }

    fn end_section(&mut self) -> Result<()> {
        if self.buffer.len() > self.chunk_at {
            self.end_chunk();
        }
        let end = self.offset + self.buffer.len() as u64;
        let padding = end.next_multiple_of(SECTION_ALIGNMENT) - end;
        self.buffer.resize(self.buffer.len() + padding as usize, 0);
        self.chunk_at = self.buffer.len();
        if self.buffer.len() >= WRITE_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Sums the chunk at the end of the buffer.
    fn end_chunk(&mut self) {
        let number = self.sections.len().saturating_sub(1) as u32;
        let chunk = self.sections.last().map_or(0, |section| section.sums.len()) as u64;
        let bytes = self.buffer.get(self.chunk_at..).unwrap_or_default();
        let sum = self.place(number, chunk).sum(bytes);
        if let Some(section) = self.sections.last_mut() {
            section.sums.push(sum);
        }
        self.chunk_at = self.buffer.len();
    }

    fn place(&self, section: u32, chunk: u64) -> ChunkPlace {
        ChunkPlace { store: self.store, file: self.id, section, level: 0, chunk }
    }

    /// Writes the buffer to the file: space first, since a write that finds none stops a guarded disk.
    fn write_out(&mut self) -> Result<()> {
        let end = self.offset + self.buffer.len() as u64;
        self.attempt(|writer| {
            writer.file.reserve(end)?;
            writer.file.write_at(writer.offset, &writer.buffer)
        })?;
        self.offset = end;
        self.buffer.clear();
        self.chunk_at = 0;
        if end - self.synced >= SYNC_BYTES {
            self.attempt(|writer| writer.file.sync_data())?;
            self.synced = end;
        }
        Ok(())
    }

    /// Does something, unless something failed before; and remembers it if it fails now.
    fn attempt<T>(&mut self, run: impl FnOnce(&Self) -> disk::Result<T>) -> Result<T> {
        if let Some(first) = &self.failed {
            let path = self.disk.root().join(Name::NewImage(self.id).path());
            return Err(Error::Stopped { path, first: Arc::clone(first) });
        }
        run(self).map_err(|error| {
            self.failed = Some(Arc::new(error.clone()));
            Error::Disk(error)
        })
    }
}

/// The end of the section that is being written.
struct Sink<'w> {
    writer: &'w mut ImageWriter,
    /// Why the first write failed that did.
    failed: Option<Error>,
}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write(bytes).map_err(|error| {
            self.failed.get_or_insert(error.clone());
            io::Error::other(error)
        })
    }

    /// What is written lasts once the image is finished, and not before.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes away what was begun, if it was not finished.
impl Drop for ImageWriter {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Some(pending) = self.pending.take() {
            pending.forgo("whether it comes or goes, it counts for nothing");
        }
        for name in [Name::NewImage(self.id), Name::Image(self.id)] {
            // If it stays, it is taken away behind a publication.
            if let Ok(removed) = self.disk.remove(&name.path()) {
                removed.forgo("it counts for nothing should it come back");
            }
        }
    }
}

#[cfg(test)]
mod tests;
