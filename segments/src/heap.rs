//! The payloads of one collection: bytes of any kind, in files that are only appended to.
//!
//! A batch is decided under one lock ([`PayloadHeap::batch`]), which gives out places; then the log makes it durable,
//! which is not our affair; then its payloads are written ([`PayloadHeap::write`]), and only then may anyone ask for
//! them ([`PayloadHeap::view`]). After a crash the log says what was decided ([`HeapRecovery`]). What is dead is left
//! behind by copying the rest ([`Move`]), inside a checkpoint.
//!
//! Promises
//!  1. No byte of a file is written for a batch before it is applied.
//!  2. What is lent is what was written, and does not change; damage is an error that names the place.
//!  3. How much of each file is alive is the same after a recovery as it was before.
//!  4. A compaction that is given up changes nothing, and leaves at most a file that nothing refers to.
//!
//! Never: makes anything durable except on request; chooses file numbers; takes a file away.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use base::{CollectionId, FileId, Sequence, StoreId};
use disk::Disk;

use crate::file::Place;
use crate::format::HeaderState;
use crate::primitives::{Mutex, lock};
use crate::view::Held;
use crate::{Error, Result};

mod batch;
mod cut;
mod file;
mod ledger;
mod lent;
mod list;
mod moving;
mod place;
mod recovery;
mod scrub;

pub mod format;

use file::{Files, Opened, PayloadFile};
use format::PayloadHeader;
use ledger::{Health, Ledger};

pub use batch::HeapBatch;
pub use cut::HeapCut;
pub use lent::{HeapView, PinnedPayload};
pub use list::{Emptied, HeapFile, HeapList};
pub use moving::{Move, Moved};
pub use place::{LONGEST, PayloadPlace, record_bytes};
pub use recovery::HeapRecovery;
pub use scrub::HeapScrub;

/// Whose payloads a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapOwner {
    /// The store.
    pub store: StoreId,
    /// The collection.
    pub collection: CollectionId,
}

impl HeapOwner {
    fn header(self, file: FileId, base: u64, capacity: u64) -> PayloadHeader {
        let HeapOwner { store, collection } = self;
        PayloadHeader { store, file, collection, base, capacity }
    }
}

/// The payloads of a collection.
#[derive(Debug)]
pub struct PayloadHeap {
    place: Place,
    owner: HeapOwner,
    files: RwLock<Files>,
    ledger: Mutex<Ledger>,
    /// Made, and not in the list: nothing says yet that it is there.
    made: Mutex<Option<Arc<Opened>>>,
    /// Held by who makes a file to append to.
    growing: Mutex<()>,
    kept: Arc<Mutex<Vec<Kept>>>,
    held: Option<Held>,
    /// How many addresses the first file has.
    first_bytes: u64,
}

/// A file that is not in the list, and has to stay.
#[derive(Debug)]
struct Kept {
    file: FileId,
    /// The checkpoint that did without it. None while one may come to name it.
    retired: Option<Sequence>,
}

impl PayloadHeap {
    /// An empty heap, whose files will be made on this disk. Their directory has to be there
    /// ([`make_directory`](crate::make_directory)).
    pub fn create(disk: Arc<dyn Disk>, owner: HeapOwner) -> Self {
        Self::of_parts(Place::Disk(disk), owner, Arc::from([]), Ledger::default())
    }

    /// An empty heap in memory.
    pub fn in_memory(owner: HeapOwner) -> Self {
        Self::of_parts(Place::Memory, owner, Arc::from([]), Ledger::default())
    }

    fn of_parts(place: Place, owner: HeapOwner, files: Files, ledger: Ledger) -> Self {
        let (files, ledger) = (RwLock::new(files), Mutex::new(ledger));
        let (made, growing, kept) = (Mutex::new(None), Mutex::new(()), Arc::default());
        let (held, first_bytes) = (None, ledger::FIRST_BYTES);
        PayloadHeap { place, owner, files, ledger, made, growing, kept, held, first_bytes }
    }

    /// Lets all that is lent hold on to something, the lock on the store: that nobody else writes to the files of this heap
    /// is what lending their bytes rests on.
    #[must_use]
    pub fn holding(mut self, lock: Arc<dyn Any + Send + Sync>) -> Self {
        self.held = Some(lock);
        self
    }

    /// Lets the first file have so many addresses: a multiple of 16. For tests of what happens when there are many files.
    #[must_use]
    pub fn first_bytes(self, bytes: u64) -> Self {
        PayloadHeap {
            first_bytes: bytes.next_multiple_of(place::ALIGNMENT).max(place::ALIGNMENT),
            ..self
        }
    }

    /// Whose payloads these are.
    pub fn owner(&self) -> HeapOwner {
        self.owner
    }

    /// The files as they are in the books now.
    pub fn list(&self) -> HeapList {
        lock(&self.ledger).list()
    }

    /// Makes one more file, durably, with room for a record of so many bytes, and gives out nothing in it yet: whatever
    /// refers to it has first to say that it is there. Says which it is: in a file of this number, or of another where one
    /// was made before and not opened since. Holds up a batch for a moment only.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is a file of that number; [`Error::Disk`] if the disk refuses;
    /// [`Error::Stopped`] if the sync of the directory failed; [`Error::NoAddressesLeft`].
    pub fn make_file(&self, file: FileId, at_least: u64) -> Result<HeapFile> {
        let _alone = lock(&self.growing);
        if let Some(made) = &*lock(&self.made)
            && made.capacity >= at_least
        {
            return Ok(fresh(made));
        }
        let capacity = at_least.next_multiple_of(place::ALIGNMENT);
        let capacity = lock(&self.ledger).next_capacity(self.first_bytes).max(capacity);
        let made = self.make(file, capacity)?;
        let it = fresh(&made);
        // One that was too small is not referred to, and goes when files are looked through.
        *lock(&self.made) = Some(made);
        Ok(it)
    }

    /// Makes a file for addresses of its own.
    fn make(&self, file: FileId, capacity: u64) -> Result<Arc<Opened>> {
        let base = lock(&self.ledger).take(capacity)?;
        let header = self.owner.header(file, base, capacity);
        let made = match &self.place {
            Place::Disk(disk) => PayloadFile::create(&**disk, &header),
            Place::Memory => PayloadFile::in_memory(&header),
        };
        match made {
            Ok(payloads) => Ok(Opened::new(&header, Ok(payloads))),
            Err(error) => {
                lock(&self.ledger).give_back(base, capacity);
                Err(error)
            }
        }
    }

    /// Gives out places in the file that was made, from now on.
    pub fn open_file(&self, file: FileId) {
        if let Some(made) = lock(&self.made).take_if(|made| made.file == file) {
            let it = fresh(&made);
            self.change_files(|files| {
                files.push(made);
            });
            lock(&self.ledger).add(it, Health::Good);
        }
    }

    /// Makes one more file and gives out places in it at once.
    ///
    /// # Errors
    /// As [`make_file`](PayloadHeap::make_file).
    pub fn grow(&self, file: FileId, at_least: u64) -> Result<()> {
        self.open_file(self.make_file(file, at_least)?.file);
        Ok(())
    }

    /// Writes payloads to the places that they were given, in the order in which those were given out: in as few calls as
    /// there are runs of records. The batch has to be durable as far as it ever will be before it is visible, and become
    /// visible only after this.
    ///
    /// # Errors
    /// [`Error::Stopped`] and others of a file that cannot be written: then the batch must not become visible.
    ///
    /// # Panics
    /// If a place was not given out, was written before, or is one for another length.
    pub fn write<'p>(
        &self,
        payloads: impl IntoIterator<Item = (PayloadPlace, &'p [u8])>,
    ) -> Result<()> {
        let files = self.files();
        let collection = self.owner.collection;
        let mut run = Run::default();
        for (place, payload) in payloads {
            let is_next = run.end() == place.address && run.bytes.len() < RUN_BYTES;
            let goes_on = is_next && run.file.as_ref().is_some_and(|file| file.has(place.address));
            if !goes_on {
                run.write()?;
                let file = Arc::clone(file::payloads_of(&files, place)?);
                run = Run { file: Some(file), address: place.address, bytes: Vec::new() };
            }
            format::encode_record(collection, place, payload, &mut run.bytes);
        }
        run.write()
    }

    /// Makes every write durable that returned before; touches only files that were written to since the last time.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn sync(&self) -> Result<()> {
        for opened in self.files().iter() {
            // One that could not be opened was not written to.
            if let Ok(payloads) = &opened.payloads {
                payloads.whole().sync()?;
            }
        }
        Ok(())
    }

    /// The payloads that were written, for reading.
    pub fn view(&self) -> HeapView {
        HeapView::new(self.files(), self.held.clone())
    }

    /// The files that could not be opened, and why. What they hold is an error, and the rest is served.
    pub fn broken(&self) -> Vec<(FileId, Error)> {
        let files = self.files();
        let broken =
            files.iter().filter_map(|it| Some((it.file, it.payloads.as_ref().err()?.clone())));
        broken.collect()
    }

    /// The files of which a part of the header is damaged, and the rest can be read.
    pub fn damaged_headers(&self) -> Vec<PathBuf> {
        let files = self.files();
        let opened = files.iter().filter_map(|opened| opened.payloads.as_ref().ok());
        let damaged = opened.filter(|file| file.header_state() == HeaderState::Damaged);
        damaged.map(|file| file.whole().path()).collect()
    }

    /// The files of this heap that have to stay in the directory: those that it has, those that it is making, and those
    /// that a checkpoint did without and others may still name. All others of its collection may be removed.
    pub fn files_kept(&self) -> Vec<FileId> {
        let files = self.files();
        let mut kept: Vec<_> = files.iter().map(|opened| opened.file).collect();
        kept.extend(lock(&self.made).as_ref().map(|made| made.file));
        kept.extend(lock(&self.kept).iter().map(|kept| kept.file));
        kept
    }

    /// Lets go of files that a compaction emptied, if no checkpoint is kept from before the one that did without them:
    /// `unkept` is the batch up to which the oldest of those reaches that are kept.
    pub fn let_go(&self, unkept: Option<Sequence>) {
        let is_needed = |kept: &Kept| kept.retired.is_none_or(|at| unkept < Some(at));
        lock(&self.kept).retain(is_needed);
    }

    fn files(&self) -> Files {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the list, for views that are taken from now on.
    fn change_files(&self, change: impl FnOnce(&mut Vec<Arc<Opened>>)) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = files.to_vec();
        change(&mut list);
        list.sort_by_key(|opened| opened.base);
        *files = list.into();
    }
}

/// What is known of a file that nothing lies in.
fn fresh(opened: &Opened) -> HeapFile {
    let Opened { file, base, capacity, .. } = *opened;
    HeapFile { file, base, capacity, used: 0, live: 0 }
}

/// How many bytes are gathered for one write.
const RUN_BYTES: usize = 4 << 20;

/// Records that lie one behind the other in one file.
#[derive(Default)]
struct Run {
    file: Option<Arc<PayloadFile>>,
    address: u64,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.address + self.bytes.len() as u64
    }

    fn write(&self) -> Result<()> {
        match &self.file {
            Some(file) => file.append(self.address, &self.bytes),
            None => Ok(()),
        }
    }
}
