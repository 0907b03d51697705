//! Copies what is alive out of sparse files into one new file, so that those can go.
//!
//! A checkpoint goes through all rows that it writes down anyway. With each it asks for the place that the payload has from
//! then on ([`Move::put`]), and writes that into its image; rows in memory keep the old places, and old files are not
//! touched. Once the image is published and rows are read from it, the heap follows ([`PayloadHeap::moved`]).
//!
//! Promises
//!  1. Given up at any point, it leaves nothing but a file that nothing refers to.
//!  2. What was not read as it was written stays where it is, and its file too.
//!
//! Never: takes a file away.

use std::sync::Arc;

use base::{FileId, Sequence};

use super::file::{Opened, PayloadFile};
use super::format::encode_record;
use super::ledger::Left;
use super::list::{Emptied, HeapFile, HeapList};
use super::place::PayloadPlace;
use super::{HeapCut, Kept, PayloadHeap, RUN_BYTES};
use crate::primitives::{Mutex, lock};
use crate::{Error, Result};

/// A compaction that is under way. Dropped, it is given up.
#[derive(Debug)]
#[must_use = "a compaction that is not finished is given up"]
pub struct Move<'h> {
    heap: &'h PayloadHeap,
    cut: u64,
    /// The list of the cut.
    list: HeapList,
    /// By their addresses.
    sources: Vec<Source>,
    target: Option<Target>,
    filling: Option<Filling>,
    problems: Vec<Error>,
    buffer: Vec<u8>,
}

/// Keeps the file that is filled in the directory: for as long as this lives, or while the image is kept that names it.
#[derive(Debug)]
struct Filling {
    kept: Arc<Mutex<Vec<Kept>>>,
    file: FileId,
    named_by: Option<Sequence>,
}

/// A file that is emptied.
#[derive(Debug)]
struct Source {
    opened: Arc<Opened>,
    stayed: Vec<PayloadPlace>,
}

/// The file that is filled.
#[derive(Debug)]
struct Target {
    opened: Arc<Opened>,
    payloads: Arc<PayloadFile>,
    /// Records that are not written yet, and where they begin.
    address: u64,
    records: Vec<u8>,
}

/// A compaction that was done, and is not in the heap yet.
#[derive(Debug)]
#[must_use = "the files stay as they are until the heap is told; dropped, it is given up"]
pub struct Moved {
    cut: u64,
    list: HeapList,
    left: Vec<(FileId, Left)>,
    filled: Option<(HeapFile, Arc<Opened>)>,
    filling: Option<Filling>,
    problems: Vec<Error>,
}

impl PayloadHeap {
    /// Begins to empty files of the last cut, some or all of those that are [sparse](HeapCut::sparse). Makes a file with
    /// this number for what is alive in them, if anything is; with less to be emptied it takes less space.
    ///
    /// # Errors
    /// As [`make_file`](PayloadHeap::make_file). Nothing was changed then, and the checkpoint can do without, if the error
    /// [is a clean refusal](Error::is_clean_refusal).
    ///
    /// # Panics
    /// If a file is not one of the sparse ones of this cut.
    pub fn begin_move(&self, cut: &HeapCut, files: &[FileId], into: FileId) -> Result<Move<'_>> {
        let is_sparse = files.iter().all(|file| cut.sparse().contains(file));
        assert!(is_sparse, "only what the cut found sparse is emptied");
        let there = self.files();
        let sources = there.iter().filter(|opened| files.contains(&opened.file));
        let sources: Vec<_> = sources
            .map(|opened| Source { opened: Arc::clone(opened), stayed: Vec::new() })
            .collect();
        let list = cut.list().clone();
        let emptied = list.files.iter().filter(|it| files.contains(&it.file));
        let live = emptied.map(|it| it.live).sum();
        let target = if live == 0 { None } else { Some(Target::of(self.make(into, live)?)?) };
        let filling = target.as_ref().map(|target| {
            let file = target.opened.file;
            lock(&self.kept).push(Kept { file, retired: None });
            Filling { kept: Arc::clone(&self.kept), file, named_by: None }
        });
        let (problems, buffer) = (Vec::new(), Vec::new());
        Ok(Move { heap: self, cut: cut.number, list, sources, target, filling, problems, buffer })
    }

    /// Follows a compaction: from here on payloads are where it put them. To be called when the image with its places is
    /// published, before rows are read from that, and with no view taken from before this until then; `at` is the batch up
    /// to which the image reaches. What is decided meanwhile may still name old places, up to the next cut. It waits for
    /// the batch that is being decided: not to be called with a lock that one may need.
    ///
    /// # Panics
    /// If there was another cut since, or it is one of another heap.
    pub fn moved(&self, moved: Moved, at: Sequence) {
        // Held to the end: until it is in the list.
        let Moved { cut, list, left, filled, filling: _filling, .. } = moved;
        let is_retired = |file: FileId| left.contains(&(file, Left::Nothing));
        {
            let mut ledger = lock(&self.ledger);
            ledger.install(cut, &left, filled.as_ref().map(|(it, _)| *it), list.emptied);
        }
        let target = filled.map(|(_, opened)| opened);
        let mut kept = lock(&self.kept);
        kept.retain(|kept| target.as_ref().is_none_or(|target| kept.file != target.file));
        let retired = left.iter().map(|(file, _)| *file).filter(|file| is_retired(*file));
        kept.extend(retired.map(|file| Kept { file, retired: Some(at) }));
        self.change_files(|files| {
            files.retain(|opened| !is_retired(opened.file));
            files.extend(target);
        });
    }
}

impl Target {
    fn of(opened: Arc<Opened>) -> Result<Self> {
        let payloads = Arc::clone(opened.payloads.as_ref().map_err(Clone::clone)?);
        let address = opened.base;
        Ok(Target { opened, payloads, address, records: Vec::new() })
    }

    fn end(&self) -> u64 {
        self.address + self.records.len() as u64
    }

    /// The next place for a payload of this length, if there is room.
    fn next(&self, length: u32) -> Option<PayloadPlace> {
        let place = PayloadPlace { address: self.end(), length };
        let room = self.opened.base + self.opened.capacity - self.end();
        (place.record_bytes() <= room).then_some(place)
    }

    fn write(&mut self) -> Result<()> {
        self.payloads.append(self.address, &self.records)?;
        self.address = self.end();
        self.records.clear();
        Ok(())
    }
}

impl Move<'_> {
    /// Whether a place lies in a file that is being emptied.
    pub fn is_of(&self, place: PayloadPlace) -> bool {
        self.source(place.address).is_some()
    }

    /// Copies a payload, if it lies in a file that is being emptied; says where it is from then on. Of all that the rows of
    /// the cut refer to in such files, nothing may be left out: it would be lost with its file. One that is damaged stays
    /// where it is: see [`problems`](Move::problems).
    ///
    /// # Errors
    /// [`Error::Stopped`] and others of the new file, which cannot be written. Then it has to be given up, with the image
    /// that has its places.
    pub fn put(&mut self, place: PayloadPlace) -> Result<PayloadPlace> {
        let Some(at) = self.source(place.address) else { return Ok(place) };
        let Some(source) = self.sources.get_mut(at) else { return Ok(place) };
        let read = match &source.opened.payloads {
            Ok(payloads) => payloads.read(place, &mut self.buffer),
            Err(error) => Err(error.clone()),
        };
        // There is room for all that is alive, unless a damaged row made the books wrong.
        let target = self.target.as_mut().and_then(|it| it.next(place.length).map(|to| (it, to)));
        match (read, target) {
            (Ok(payload), Some((target, to))) => {
                encode_record(self.heap.owner.collection, to, payload, &mut target.records);
                if target.records.len() >= RUN_BYTES {
                    target.write()?;
                }
                Ok(to)
            }
            (read, _) => {
                self.problems.extend(read.err());
                source.stayed.push(place);
                Ok(place)
            }
        }
    }

    /// What is wrong with payloads that could not be copied.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    /// Makes the copies durable.
    ///
    /// # Errors
    /// [`Error::Stopped`]. Then it is given up, and so has to be the image that has its places.
    pub fn finish(mut self) -> Result<Moved> {
        let mut filled = None;
        if let Some(target) = &mut self.target {
            target.write()?;
            target.payloads.whole().sync()?;
            let Opened { file, base, capacity, .. } = *target.opened;
            let used = target.address - base;
            if used > 0 {
                let it = HeapFile { file, base, capacity, used, live: used };
                filled = Some((it, Arc::clone(&target.opened)));
            }
        }
        let left: Vec<_> = self.sources.iter().map(Source::left).collect();
        let list = self.list_after(&left, filled.as_ref().map(|(it, _)| *it));
        // A file in which nothing lies is named by nobody.
        let filling = self.filling.take().filter(|_| filled.is_some());
        let (cut, problems) = (self.cut, std::mem::take(&mut self.problems));
        Ok(Moved { cut, list, left, filled, filling, problems })
    }

    /// The list of the cut, with what became of it.
    fn list_after(&self, left: &[(FileId, Left)], filled: Option<HeapFile>) -> HeapList {
        let left_of = |it: &HeapFile| left.iter().find(|(file, _)| *file == it.file);
        let mut list = self.list.clone();
        list.files.retain_mut(|it| match left_of(it) {
            Some((_, Left::Nothing)) => false,
            Some((_, Left::Bytes(bytes))) => {
                it.live = (*bytes).min(it.used);
                true
            }
            None => true,
        });
        list.files.extend(filled);
        list.files.sort_by_key(|it| it.base);
        list.top = list.files.iter().map(HeapFile::end).fold(list.top, u64::max);
        list.emptied = self.sources.iter().map(|it| it.emptied(filled)).collect();
        list
    }

    fn source(&self, address: u64) -> Option<usize> {
        let at = self.sources.partition_point(|it| it.opened.base <= address).checked_sub(1)?;
        let opened = &self.sources.get(at)?.opened;
        (address - opened.base < opened.capacity).then_some(at)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let mut kept = lock(&self.kept);
        match self.named_by {
            // Given up, or in the list now.
            None => kept.retain(|kept| kept.file != self.file),
            // The next checkpoint does without it, and the one that names it has the number before.
            Some(at) => {
                let of_it = kept.iter_mut().filter(|kept| kept.file == self.file);
                of_it.for_each(|kept| kept.retired = Sequence::new(at.get().saturating_add(1)));
            }
        }
    }
}

impl Source {
    fn left(&self) -> (FileId, Left) {
        let bytes = self.stayed.iter().map(|place| place.record_bytes()).sum();
        let left = if self.stayed.is_empty() { Left::Nothing } else { Left::Bytes(bytes) };
        (self.opened.file, left)
    }

    fn emptied(&self, filled: Option<HeapFile>) -> Emptied {
        let mut stayed: Vec<_> = self.stayed.iter().map(|place| place.address).collect();
        stayed.sort_unstable();
        stayed.dedup();
        let Opened { base, capacity, .. } = *self.opened;
        Emptied { base, capacity, into: filled.map(|it| it.file), stayed }
    }
}

impl Moved {
    /// Says that an image that reaches up to this batch is published. From here on the file that was filled stays for as
    /// long as that is kept, also if the heap does not come to [follow](PayloadHeap::moved).
    pub fn is_named_by(&mut self, at: Sequence) {
        self.filling.iter_mut().for_each(|filling| filling.named_by = Some(at));
    }

    /// What the catalogue of the image holds, in the place of the cut's own list.
    pub fn list(&self) -> &HeapList {
        &self.list
    }

    /// The files that the image does without. They stay until the heap [lets go](PayloadHeap::let_go) of them.
    pub fn retired(&self) -> Vec<FileId> {
        let retired = self.left.iter().filter(|(_, left)| *left == Left::Nothing);
        retired.map(|(file, _)| *file).collect()
    }

    /// What is wrong with payloads that could not be copied.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }
}
