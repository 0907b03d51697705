//! Goes from record to record through all files of the log, up to where it ends.
//!
//! Promises
//!  1. Hands out good records in their order, and after the last one the verdict; never a record
//!     behind damage.
//!  2. Knows up to where the log is durable for certain, whatever the system's cache shows.
//!
//! Never: changes anything; puts parts of batches together.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{FileId, LogPlace, Sequence, Timeline};
use disk::Disk;

use crate::chain::{Chain, Entered};
use crate::evidence::{self, Findings, Known};
use crate::files::{self, Files, LogFile};
use crate::format::{FileHeader, HEADER_BYTES, Holds};
use crate::options::{Doubt, Options};
use crate::replay::place_of;
use crate::tail::{Verdict, decide};
use crate::walk::{Boundary, Good, Step, Stop, Walk};
use crate::window::Window;
use crate::{Error, Result, names};

/// A branch of history, as the headers of log files tell of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    /// Its name.
    pub timeline: Timeline,
    /// The first sequence that belongs to it.
    pub first: Sequence,
    /// The branch it goes off from, if it is not a store's first.
    pub parent: Option<Timeline>,
}

impl Branch {
    pub(crate) fn of(header: &FileHeader) -> Self {
        Branch { timeline: header.timeline, first: header.timeline_first, parent: header.parent }
    }
}

/// Batches that a salvage had to leave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The first of them.
    pub first: Sequence,
    /// The last of them.
    pub last: Sequence,
}

/// A place in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spot {
    pub(crate) file: FileId,
    pub(crate) boundary: Boundary,
}

/// A walk through the log.
#[derive(Debug)]
pub(crate) struct Reader {
    disk: Arc<dyn Disk>,
    doubt: Doubt,
    files: Files,
    walk: Walk,
    here: LogFile,
    known_durable: Option<LogPlace>,
    /// What the headers of the files say, as far as they were entered: up to here it is durable.
    claimed: Spot,
    branches: Vec<Branch>,
    gaps: Vec<Gap>,
    verdict: Option<Verdict>,
}

impl Reader {
    /// Begins at a place that is known to be durable.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        options: &Options,
        from: &LogPlace,
        known_durable: Option<LogPlace>,
    ) -> Result<Self> {
        let files = Files::list(&*disk, options.store, from.file)?;
        files.check_complete(from.file)?;
        let chain = Chain::between(from.sum, from.sequence);
        let spot = Spot { file: from.file, boundary: Boundary { offset: from.offset, chain } };
        Self::at(disk, options.doubt, files, spot, known_durable)
    }

    /// Reads again from a place that this reader knows to be durable, up to where it has come.
    pub(crate) fn again(&self) -> Result<Self> {
        let (disk, files) = (Arc::clone(&self.disk), self.files.clone());
        Self::at(disk, self.doubt, files, self.durable(), self.known_durable)
    }

    fn at(
        disk: Arc<dyn Disk>,
        doubt: Doubt,
        files: Files,
        spot: Spot,
        known_durable: Option<LogPlace>,
    ) -> Result<Self> {
        let Some(here) = files.logs.get(&spot.file).copied() else {
            return Err(Error::Missing { path: names::log_path(spot.file), named_by: None });
        };
        let window = window_of(&*disk, &files, spot.file)?;
        let salt = here.found.header.salt;
        let walk = Walk::from_durable(window, spot.file, salt, spot.boundary);
        let branches = vec![Branch::of(&here.found.header)];
        Ok(Reader {
            disk,
            doubt,
            files,
            walk,
            here,
            known_durable,
            claimed: spot,
            branches,
            gaps: Vec::new(),
            verdict: None,
        })
    }

    /// The next record; `None` where the log ends.
    pub(crate) fn next(&mut self) -> Result<Option<Good>> {
        while self.verdict.is_none() {
            let stop = match self.end_named_by_the_successor() {
                Some(end) if end <= self.walk.at().offset => None,
                _ => match self.walk.step() {
                    Ok(Step::Record(good)) => {
                        self.note_known();
                        return Ok(Some(good));
                    }
                    Ok(Step::Stop(stop)) => Some(stop),
                    Err(source) => return Err(self.unreadable(source)),
                },
            };
            self.stopped(stop)?;
        }
        Ok(None)
    }

    /// Table and body of the record that was handed out last.
    pub(crate) fn payload(&self, record: &Good) -> (&[u8], &[u8]) {
        self.walk.payload(record)
    }

    /// Where the reader is.
    pub(crate) fn spot(&self) -> Spot {
        Spot { file: self.walk.file(), boundary: self.walk.at() }
    }

    /// The latest place up to which the log is known to be durable.
    pub(crate) fn durable(&self) -> Spot {
        let in_this_file = self.walk.durable();
        in_this_file.map_or(self.claimed, |boundary| Spot { file: self.walk.file(), boundary })
    }

    /// The verdict, once the log has ended.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Whether the log ended in the witness of a close.
    pub(crate) fn was_closed(&self) -> bool {
        self.verdict.is_some() && self.here.found.header.holds == Holds::Nothing
    }

    /// The branches met so far, the last one the current.
    pub(crate) fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The gaps met so far.
    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The files there are.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The disk that is read.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Takes the word of whoever opened the log for the place where the reader is, if it is that one.
    fn note_known(&mut self) {
        let here = place_of(&self.spot());
        if self.known_durable.is_some_and(|known| known == here) {
            self.walk.is_durable_here();
        }
    }

    fn end_named_by_the_successor(&self) -> Option<u64> {
        let (_, next) = self.files.successor(self.walk.file())?;
        next.found.header.previous.map(|previous| previous.end)
    }

    /// Decides what it means that the walk came to an end, and goes on in the next file if there is one.
    fn stopped(&mut self, stop: Option<Stop>) -> Result<()> {
        let next = self.files.successor(self.walk.file());
        let successor = next.and_then(|(_, next)| {
            let header = next.found.header;
            Some((header.previous?, header.first))
        });
        let known = Known { file: self.here, successor, durable: self.known_durable };
        let findings = evidence::gather(&mut self.walk, stop, &known)
            .map_err(|source| self.unreadable(source))?;
        match (decide(findings.evidence), next) {
            (Verdict::GoesOn, Some((file, next))) => self.enter(file, next),
            (Verdict::Rot | Verdict::GoesOn, _) => Err(self.rot(&findings)),
            (Verdict::EndsInDoubt, _) if self.doubt == Doubt::Refuse => {
                let path = names::log_path(self.walk.file());
                Err(Error::InDoubt { path, offset: self.walk.at().offset })
            }
            (verdict, _) => {
                self.verdict = Some(verdict);
                Ok(())
            }
        }
    }

    fn enter(&mut self, file: FileId, next: LogFile) -> Result<()> {
        let header = next.found.header;
        let at = self.walk.at();
        let current = self.branches.last().map_or(header.timeline, |branch| branch.timeline);
        let Some((chain, entered)) = at.chain.enter(current, &header, next.found.sum) else {
            let what = crate::format::Invalid::Value("first");
            return Err(Error::Damaged { path: names::log_path(file), what });
        };
        if entered == Entered::Gap {
            let first = at.chain.next_sequence();
            let gap = first.zip(chain.last).map(|(first, last)| Gap { first, last });
            self.gaps.extend(gap);
        }
        if header.timeline != current {
            self.branches.push(Branch::of(&header));
        }
        // The file before it was synced up to there before the header was written.
        self.claimed = Spot { file: self.walk.file(), boundary: at };
        let window = window_of(&*self.disk, &self.files, file)?;
        self.walk = match entered {
            // What lies behind a gap could not be taken over into a file in front of it. Only a salvage
            // leaves gaps, into a copy: should that be lost, it is made again.
            Entered::Gap => {
                let at = Boundary { offset: HEADER_BYTES as u64, chain };
                Walk::from_durable(window, file, header.salt, at)
            }
            Entered::On | Entered::Abandoned => Walk::from_header(window, file, header.salt, chain),
        };
        self.here = next;
        self.note_known();
        Ok(())
    }

    fn rot(&self, findings: &Findings) -> Error {
        Error::Rot {
            path: names::log_path(self.walk.file()),
            offset: self.walk.at().offset,
            witness: evidence::witness(findings.evidence),
            lost: findings.lost,
        }
    }

    fn unreadable(&self, source: disk::Error) -> Error {
        let path = names::log_path(self.walk.file());
        files::unreadable(path, self.walk.at().offset, source)
    }

    /// How many bytes of records there are between the beginning and the end, as far as the files say.
    pub(crate) fn bytes_ahead(&self) -> u64 {
        let chain: BTreeSet<_> = self.files.chain(self.walk.file());
        let length = |file: &FileId| {
            let (_, next) = self.files.successor(*file)?;
            Some(next.found.header.previous?.end - HEADER_BYTES as u64)
        };
        // The ends are only what headers say, and need not be where a file has any bytes.
        let ahead = chain.iter().filter_map(length).fold(0, u64::saturating_add);
        ahead.saturating_sub(self.walk.at().offset.saturating_sub(HEADER_BYTES as u64))
    }
}

/// A window on a file, up to the end that counts.
fn window_of(disk: &dyn Disk, files: &Files, file: FileId) -> Result<Window> {
    let successor = files.successor(file);
    let limit = match successor.and_then(|(_, next)| next.found.header.previous) {
        Some(previous) => previous.end,
        None => files.logs.get(&file).map_or(0, |found| found.found.header.bytes),
    };
    let handle = files::open(disk, file)?;
    Window::new(handle, limit).map_err(|source| files::unreadable(names::log_path(file), 0, source))
}
