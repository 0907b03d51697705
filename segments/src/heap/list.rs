//! Lists the files of a heap, and how much of each is alive: what an image's catalogue holds, and what a cut sets apart.
//!
//! Promises
//!  1. A list that was read from bytes has ranges of addresses in ascending order, none of which meets another, and no
//!     file has more alive than was written to it.

use std::collections::HashSet;

use base::FileId;

use super::format::check_range;
use super::place::ALIGNMENT;
use crate::format::Invalid;

/// A file of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapFile {
    /// Its number.
    pub file: FileId,
    /// Its first address.
    pub base: u64,
    /// How many addresses it has.
    pub capacity: u64,
    /// Up to where records lie in it, from its first address on.
    pub used: u64,
    /// How much of that records take that are referred to.
    pub live: u64,
}

impl HeapFile {
    /// The first address behind it.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.capacity)
    }

    /// Where a record goes in it, if it is the one that is appended to, or one that will be: nothing is in it yet, and it
    /// lies behind that. What a compaction filled is neither.
    pub(super) fn append_at(&self, next: u64) -> Option<u64> {
        let is_current = self.base <= next && self.base.saturating_add(self.used) == next;
        let is_fresh = self.used == 0 && self.base >= next;
        if is_current { Some(next) } else { is_fresh.then_some(self.base) }
    }
}

/// A range of addresses whose records a compaction copied to another file. What was decided while it was on its way still
/// refers to them there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emptied {
    /// Its first address.
    pub base: u64,
    /// How many addresses it has.
    pub capacity: u64,
    /// The file that has its records now; `None` if there were none.
    pub into: Option<FileId>,
    /// The addresses of records that could not be copied, in ascending order: they are where they were.
    pub stayed: Vec<u64>,
}

impl Emptied {
    /// Whether the record at this address was left where it was.
    pub(super) fn keeps(&self, address: u64) -> bool {
        self.stayed.binary_search(&address).is_ok()
    }
}

/// The files of a heap.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HeapList {
    pub(super) files: Vec<HeapFile>,
    pub(super) next: u64,
    pub(super) top: u64,
    pub(super) emptied: Vec<Emptied>,
}

impl HeapList {
    /// The files, in the order of their addresses.
    pub fn files(&self) -> &[HeapFile] {
        &self.files
    }

    /// Where the next record goes, if it fits there.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Where the next file begins: no address from here on was given to any.
    pub fn top(&self) -> u64 {
        self.top
    }

    /// What the compaction emptied that this list is the outcome of.
    pub fn emptied(&self) -> &[Emptied] {
        &self.emptied
    }

    /// Whether nothing will be written to the file any more.
    pub(super) fn is_sealed(&self, file: &HeapFile) -> bool {
        file.append_at(self.next).is_none()
    }

    /// The rules of section 4.7.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let mut end = 0;
        let mut numbers = HashSet::new();
        for file in &self.files {
            check_range(file.base, file.capacity)?;
            let is_there = file.file.0 != 0 && numbers.insert(file.file);
            let fits = file.base >= end && file.used <= file.capacity && file.live <= file.used;
            let are_records = (file.used | file.live).is_multiple_of(ALIGNMENT);
            if !(is_there && fits && are_records) {
                return Err(Invalid::Value("files"));
            }
            end = file.end();
        }
        if !(self.next | self.top).is_multiple_of(ALIGNMENT)
            || self.next > self.top
            || end > self.top
        {
            return Err(Invalid::Value("top"));
        }
        let mut end = 0;
        for emptied in &self.emptied {
            check_range(emptied.base, emptied.capacity)?;
            let range = emptied.base..emptied.base + emptied.capacity;
            let is_there = emptied.into.is_none_or(|file| numbers.contains(&file));
            let is_sorted = emptied.stayed.is_sorted_by(|one, other| one < other);
            let lie_there = emptied.stayed.iter().all(|address| range.contains(address));
            if !(emptied.base >= end && is_there && is_sorted && lie_there) {
                return Err(Invalid::Value("emptied"));
            }
            end = range.end;
        }
        if end > self.top { Err(Invalid::Value("emptied")) } else { Ok(()) }
    }
}
