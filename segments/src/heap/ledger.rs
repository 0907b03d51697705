//! Keeps the books of a heap: which addresses were given out, and how much of each file is alive.
//!
//! Promises
//!  1. No address is given out twice.
//!  2. What was done since [`begin`](Ledger::begin) can be taken back, as if it had not been.
//!  3. A payload that a compaction copied counts where it is now, also if whoever ends it still knows the old place.
//!
//! Never: touches a file.

use std::mem;

use base::FileId;

use super::list::{Emptied, HeapFile, HeapList};
use super::place::{ADDRESSES, PayloadPlace, record_bytes};
use crate::{Error, Result};

/// How many addresses the first file has, unless somebody says otherwise.
pub(super) const FIRST_BYTES: u64 = 64 << 10;
/// How many the largest ones have, if no record needs more: each file costs a handle.
const MOST_BYTES: u64 = 256 << 20;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By their addresses.
    books: Vec<Book>,
    next: u64,
    top: u64,
    emptied: Vec<Emptied>,
    /// How many cuts there were.
    cuts: u64,
    /// What was released since the last cut in files that are watched.
    ended: Vec<PayloadPlace>,
    /// How it was when the batch that is being decided began.
    undo: Option<Undo>,
}

#[derive(Clone, Copy, Debug)]
struct Book {
    it: HeapFile,
    health: Health,
    /// A compaction may empty it.
    is_watched: bool,
}

/// Whether a file could be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Health {
    Good,
    /// It could not: nothing is written there.
    Broken,
}

#[derive(Debug)]
struct Undo {
    next: u64,
    ended: usize,
    /// Books as they were, the latest change last.
    books: Vec<(usize, HeapFile)>,
}

/// What was left of a file that a compaction went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Nothing: the file goes.
    Nothing,
    /// Records that take so many bytes.
    Bytes(u64),
}

impl Ledger {
    /// The books of files as they were described.
    pub(super) fn of(list: &HeapList, health: impl Fn(FileId) -> Health) -> Self {
        let book = |it: &HeapFile| Book { it: *it, health: health(it.file), is_watched: false };
        let books = list.files.iter().map(book).collect();
        let HeapList { next, top, .. } = *list;
        Ledger { books, next, top, emptied: list.emptied.clone(), ..Ledger::default() }
    }

    /// The books as they are.
    pub(super) fn list(&self) -> HeapList {
        let files = self.books.iter().map(|book| book.it).collect();
        let emptied = self.emptied.clone();
        HeapList { files, next: self.next, top: self.top, emptied }
    }

    /// Begins a batch.
    pub(super) fn begin(&mut self) {
        assert!(self.undo.is_none(), "one batch at a time");
        self.undo = Some(Undo { next: self.next, ended: self.ended.len(), books: Vec::new() });
    }

    /// Lets the batch stand.
    pub(super) fn keep(&mut self) {
        self.undo = None;
    }

    /// Takes the batch back, unless it stands.
    pub(super) fn roll_back(&mut self) {
        let Some(Undo { next, ended, books }) = self.undo.take() else { return };
        self.next = next;
        self.ended.truncate(ended);
        for (at, it) in books.into_iter().rev() {
            if let Some(book) = self.books.get_mut(at) {
                book.it = it;
            }
        }
    }

    /// Gives out the place of a payload.
    ///
    /// # Errors
    /// [`Error::HeapFull`].
    pub(super) fn reserve(&mut self, length: u32) -> Result<PayloadPlace> {
        let bytes = record_bytes(length as usize);
        let (at, address) = self.room(bytes).ok_or(Error::HeapFull { wanted: bytes })?;
        let place = PayloadPlace { address, length };
        self.bear(at, place, address + bytes);
        Ok(place)
    }

    /// The file that has room for a record, and where.
    fn room(&self, bytes: u64) -> Option<(usize, u64)> {
        let first = self.books.partition_point(|book| book.it.end() < self.next);
        self.books
            .iter()
            .enumerate()
            .skip(first)
            .filter(|(_, book)| book.health == Health::Good)
            .find_map(|(at, book)| {
                let address = book.it.append_at(self.next)?;
                (bytes <= book.it.end() - address).then_some((at, address))
            })
    }

    fn bear(&mut self, at: usize, place: PayloadPlace, end: u64) {
        if let Some(it) = self.change(at) {
            it.used = end - it.base;
            it.live += place.record_bytes();
            self.next = end;
        }
    }

    /// Repeats what an earlier process gave out.
    ///
    /// # Errors
    /// [`Error::BadPlace`] if it cannot have been.
    pub(super) fn replay_born(&mut self, place: PayloadPlace) -> Result<()> {
        let bad = |what| Error::BadPlace { place, what };
        let end = place.end().ok_or_else(|| bad("written where none can lie"))?;
        let at = self.at(place.address).ok_or_else(|| bad("written outside of all files"))?;
        let fits = self.books.get(at).is_some_and(|book| {
            let from = book.it.append_at(self.next);
            end <= book.it.end() && from.is_some_and(|from| from <= place.address)
        });
        if !fits {
            return Err(bad("written where something was written before"));
        }
        self.bear(at, place, end);
        Ok(())
    }

    /// Counts a payload as ended. A place that leads nowhere is not counted.
    pub(super) fn release(&mut self, place: PayloadPlace) {
        let copied = emptied_at(&self.emptied, place.address)
            .filter(|emptied| !emptied.keeps(place.address))
            .map(|emptied| emptied.into);
        let at = match copied {
            Some(file) => self.books.iter().position(|book| Some(book.it.file) == file),
            None => self.at(place.address).filter(|at| self.is_written(*at, place)),
        };
        let Some(at) = at else { return };
        if self.books.get(at).is_some_and(|book| book.is_watched) {
            self.ended.push(place);
        }
        if let Some(it) = self.change(at) {
            // A damaged row may say anything of its payload's length.
            it.live = it.live.saturating_sub(place.record_bytes());
        }
    }

    fn is_written(&self, at: usize, place: PayloadPlace) -> bool {
        let written = self.books.get(at).map(|book| book.it.base + book.it.used);
        place.end().is_some_and(|end| written.is_some_and(|written| end <= written))
    }

    /// Sets apart what was decided up to now: the number of the cut, the books, and the files that it is worth to empty.
    pub(super) fn cut(&mut self) -> (u64, HeapList, Vec<FileId>) {
        assert!(self.undo.is_none(), "a cut lies between two batches");
        self.cuts += 1;
        self.ended.clear();
        // Whatever is decided from here on knows where payloads are now.
        self.emptied.clear();
        let list = self.list();
        let mut sparse = Vec::new();
        for book in &mut self.books {
            // What cannot be read cannot be copied.
            let is_sparse =
                book.health == Health::Good && book.it.live < book.it.used - book.it.live;
            book.is_watched = list.is_sealed(&book.it) && (is_sparse || book.it.live == 0);
            if book.is_watched {
                sparse.push(book.it);
            }
        }
        sparse.sort_by_key(|it| it.live);
        (self.cuts, list, sparse.iter().map(|it| it.file).collect())
    }

    /// Puts the outcome of a compaction into the books: what was left of each file, and the file that was filled.
    ///
    /// # Panics
    /// If there was another cut since.
    pub(super) fn install(
        &mut self,
        cut: u64,
        left: &[(FileId, Left)],
        filled: Option<HeapFile>,
        emptied: Vec<Emptied>,
    ) {
        assert!(self.undo.is_none() && cut == self.cuts, "a compaction belongs to the last cut");
        self.emptied = emptied;
        for (file, left) in left {
            match left {
                Left::Nothing => self.books.retain(|book| book.it.file != *file),
                Left::Bytes(bytes) => {
                    let books = self.books.iter_mut().filter(|book| book.it.file == *file);
                    books.for_each(|book| book.it.live = (*bytes).min(book.it.used));
                }
            }
        }
        filled.into_iter().for_each(|it| self.add(it, Health::Good));
        self.books.iter_mut().for_each(|book| book.is_watched = false);
        // They were counted in the old files; whether they were copied is known only now.
        for place in mem::take(&mut self.ended) {
            if emptied_at(&self.emptied, place.address).is_some() {
                self.release(place);
            }
        }
    }

    /// Takes addresses for a file.
    ///
    /// # Errors
    /// [`Error::NoAddressesLeft`].
    pub(super) fn take(&mut self, capacity: u64) -> Result<u64> {
        let base = self.top;
        if capacity > ADDRESSES.saturating_sub(base) {
            return Err(Error::NoAddressesLeft);
        }
        self.top = base + capacity;
        Ok(base)
    }

    /// Gives addresses back that no file got, if they were the last ones taken.
    pub(super) fn give_back(&mut self, base: u64, capacity: u64) {
        if self.top == base + capacity {
            self.top = base;
        }
    }

    /// How many addresses the next file has that is appended to, if no record needs more: in proportion to what is alive, so
    /// that what is written again and again does not take more and more.
    pub(super) fn next_capacity(&self, first: u64) -> u64 {
        let live: u64 = self.books.iter().map(|book| book.it.live).sum();
        let twice = live.saturating_mul(2).min(MOST_BYTES).next_power_of_two();
        twice.clamp(first.min(MOST_BYTES), MOST_BYTES)
    }

    /// One more file.
    pub(super) fn add(&mut self, it: HeapFile, health: Health) {
        let at = self.books.partition_point(|book| book.it.base < it.base);
        self.books.insert(at, Book { it, health, is_watched: false });
        self.top = self.top.max(it.end());
    }

    /// Whether a file is there, or any address of this one's is that of another.
    pub(super) fn meets(&self, it: &HeapFile) -> bool {
        let is_apart = |other: &HeapFile| other.end() <= it.base || it.end() <= other.base;
        self.books.iter().any(|book| book.it.file == it.file || !is_apart(&book.it))
    }

    /// The file that has this address.
    fn at(&self, address: u64) -> Option<usize> {
        let at = self.books.partition_point(|book| book.it.base <= address).checked_sub(1)?;
        self.books.get(at).filter(|book| address < book.it.end()).map(|_| at)
    }

    /// The book to be changed, with a note of how it was.
    fn change(&mut self, at: usize) -> Option<&mut HeapFile> {
        let book = self.books.get_mut(at)?;
        if let Some(undo) = &mut self.undo {
            undo.books.push((at, book.it));
        }
        Some(&mut book.it)
    }
}

fn emptied_at(emptied: &[Emptied], address: u64) -> Option<&Emptied> {
    let at = emptied.partition_point(|it| it.base <= address).checked_sub(1)?;
    emptied.get(at).filter(|it| address - it.base < it.capacity)
}
