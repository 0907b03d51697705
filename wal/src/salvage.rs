//! Copies what is readable of a damaged log into another directory.
//!
//! Promises
//!  1. Nothing is changed where the damage is.
//!  2. Only complete batches are copied, every byte of them checked; what is missing is reported, and the
//!     copy itself says so too: it opens as a log with gaps.
//!
//! Never: takes up again what an earlier recovery had cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use base::checksum::Xxh3;
use base::{FileId, Sequence};
use disk::{Disk, EntryKind};

use crate::format::{
    BATCH_BYTES_MAX, FileHeader, Found, HEADER_BYTES, HeaderState, Kind, Part, Predecessor,
    RecordHeader,
};
use crate::names::{self, Name};
use crate::options::Options;
use crate::reader::{Branch, Gap};
use crate::replay::whole_sum;
use crate::scan::{self, Item, Pages};
use crate::{Beginning, Body, Log, Result, carry, files};

/// What a salvage found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Salvaged {
    /// How many batches were copied.
    pub batches: u64,
    /// The first of them.
    pub first: Option<Sequence>,
    /// The last of them.
    pub last: Option<Sequence>,
    /// Batches between them that could not be read.
    pub gaps: Vec<Gap>,
    /// Where bytes were not what a log file has.
    pub damage: Vec<Damage>,
}

/// A part of a file that no record explains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The log file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Range<u64>,
    /// What is wrong with them.
    pub what: &'static str,
}

/// The files that have a header.
type Headers = BTreeMap<FileId, Found>;

/// Copies all complete batches that can be read into a new log on another disk, and closes that.
///
/// # Errors
/// [`Error::Exists`](crate::Error::Exists) if there is a log already; [`Error::Disk`](crate::Error::Disk) if
/// the files cannot even be listed, or the copy cannot be written.
pub fn salvage(from: &dyn Disk, to: Arc<dyn Disk>, options: &Options) -> Result<Salvaged> {
    let mut copy = Copy {
        to,
        options,
        log: None,
        salvaged: Salvaged::default(),
        table: Vec::new(),
        body: Vec::new(),
        inside: None,
        abandoned_from: None,
    };
    let headers = copy.headers(from)?;
    let superseded = superseded(&headers);
    for (file, found) in headers.iter().filter(|(file, _)| !superseded.contains(file)) {
        let end = successor(&headers, *file).map_or(u64::MAX, |previous| previous.end);
        copy.abandoned_from = abandoned_from(&headers, *file, found);
        // One at a time: a log may be larger than the memory.
        let pages = scan::read(&files::open(from, *file)?)?;
        copy.file(found, &pages, end)?;
    }
    if let Some(log) = copy.log {
        log.close()?;
    }
    Ok(copy.salvaged)
}

/// What the file with the highest number that goes on from this one says of it.
fn successor(headers: &Headers, of: FileId) -> Option<Predecessor> {
    let previous = headers.values().rev().filter_map(|found| found.header.previous);
    previous.into_iter().find(|previous| previous.file == of)
}

/// The first batch that a later branch of history has in its own way: what this file has of it and behind
/// was cut off, also where the file that would say so is lost.
fn abandoned_from(headers: &Headers, file: FileId, found: &Found) -> Option<Sequence> {
    let timeline = found.header.timeline;
    let later = headers.range(file..).map(|(_, later)| later.header);
    later.filter(|later| later.timeline != timeline).map(|later| later.timeline_first).min()
}

/// The files in whose place another with a higher number goes on from the same one.
fn superseded(headers: &Headers) -> BTreeSet<FileId> {
    let mut taken_up = BTreeSet::new();
    let mut superseded = BTreeSet::new();
    for (file, found) in headers.iter().rev() {
        let previous = found.header.previous;
        if previous.is_some_and(|previous| !taken_up.insert(previous.file)) {
            superseded.insert(*file);
        }
    }
    superseded
}

/// A salvage that is under way.
struct Copy<'a> {
    to: Arc<dyn Disk>,
    options: &'a Options,
    log: Option<Log>,
    salvaged: Salvaged,
    /// The batch whose parts are being read, and its number.
    table: Vec<u8>,
    body: Vec<u8>,
    inside: Option<Sequence>,
    /// Batches from this one on were cut off, in the file that is read.
    abandoned_from: Option<Sequence>,
}

impl Copy<'_> {
    /// Reads the headers of all files, and notes what is wrong with those that have none.
    fn headers(&mut self, from: &dyn Disk) -> Result<Headers> {
        let mut headers = Headers::new();
        for (name, kind) in files::listed(from)? {
            let Name::Log(file) = name else { continue };
            if kind != EntryKind::File {
                continue;
            }
            let pages = scan::read(&files::open(from, file)?)?;
            let found = FileHeader::decode(&pages.bytes).ok();
            let is_ours =
                |found: &Found| found.header.check_place(self.options.store, file).is_ok();
            match found.filter(is_ours) {
                Some(found) => {
                    if found.state == HeaderState::Damaged {
                        let header = 0..HEADER_BYTES as u64;
                        self.note(file, header, "header damaged in one of its copies");
                    }
                    headers.insert(file, found);
                }
                None if pages.unreadable.is_empty()
                    && pages.bytes.iter().all(|byte| *byte == 0) => {}
                None => {
                    let all = 0..pages.bytes.len() as u64;
                    self.note(file, all, "no header that can be read, or that of another file");
                }
            }
        }
        Ok(headers)
    }

    fn note(&mut self, file: FileId, bytes: Range<u64>, what: &'static str) {
        self.salvaged.damage.push(Damage { path: names::log_path(file), bytes, what });
    }

    /// Copies the batches of a file that end in front of `end`.
    fn file(&mut self, found: &Found, pages: &Pages, end: u64) -> Result<()> {
        let header = found.header;
        let file = header.file;
        for bytes in &pages.unreadable {
            self.note(file, bytes.clone(), "cannot be read");
        }
        let bytes = &pages.bytes;
        for item in scan::scan(bytes, file, header.salt, end.min(header.bytes)) {
            match item {
                Item::Record { verified, table, body, .. } => {
                    let table = bytes.get(table).unwrap_or_default();
                    let body = bytes.get(body).unwrap_or_default();
                    self.record(&Branch::of(&header), &verified.header, table, body)?;
                }
                Item::Odd(range) => self.note(file, range, "no record"),
                Item::Zeros(range) if end != u64::MAX => self.note(file, range, "no record"),
                Item::Zeros(_) => {}
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        branch: &Branch,
        header: &RecordHeader,
        table: &[u8],
        body: &[u8],
    ) -> Result<()> {
        let Some(sequence) = header.sequence.filter(|_| header.kind == Kind::Batch) else {
            return Ok(());
        };
        if self.abandoned_from.is_some_and(|first| sequence >= first) {
            return Ok(());
        }
        if matches!(header.part, Part::Whole | Part::First) {
            self.table.clear();
            self.body.clear();
            self.inside = Some(sequence);
        }
        if self.inside != Some(sequence) {
            self.inside = None;
            return Ok(());
        }
        self.table.extend_from_slice(table);
        self.body.extend_from_slice(body);
        if self.table.len() + self.body.len() > BATCH_BYTES_MAX {
            // Nothing that we wrote.
            self.inside = None;
            return Ok(());
        }
        let is_complete = match header.part {
            Part::Whole => true,
            Part::First | Part::Middle => false,
            // If a part between was lost, the sum does not fit.
            Part::Last { whole_sum: sum } => whole_sum(&self.table, Xxh3::of(&self.body)) == sum,
        };
        if is_complete { self.batch(branch, sequence) } else { Ok(()) }
    }

    /// Appends a batch to the copy.
    fn batch(&mut self, branch: &Branch, sequence: Sequence) -> Result<()> {
        self.inside = None;
        if self.salvaged.last.is_some_and(|last| sequence <= last) {
            return Ok(());
        }
        let next = self.salvaged.last.and_then(Sequence::next);
        if let Some(first) = next.filter(|next| *next < sequence)
            && let Some(last) = Sequence::new(sequence.get() - 1)
        {
            self.salvaged.gaps.push(Gap { first, last });
        }
        let log = match &mut self.log {
            Some(log) => log,
            none => {
                let last = Sequence::new(sequence.get() - 1);
                let branch = carry::branch_off(&*self.to, branch, last)?;
                let beginning = Beginning { branch, first: sequence };
                none.insert(Log::create(Arc::clone(&self.to), self.options, &beginning)?)
            }
        };
        log.leave_out_up_to(sequence)?;
        log.append(&self.table, &Body::new(std::mem::take(&mut self.body), self.options))?;
        self.salvaged.first = self.salvaged.first.or(Some(sequence));
        self.salvaged.last = Some(sequence);
        self.salvaged.batches += 1;
        Ok(())
    }
}
