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

use base::{FileId, LogPlace, Sequence, StoreId, Timeline};
use disk::Disk;

use crate::chain::{Chain, Entered};
use crate::evidence::{self, Findings, Known};
use crate::files::{self, Files, LogFile};
use crate::format::{FileHeader, HEADER_BYTES, Holds};
use crate::options::{Doubt, Options};
use crate::replay::place_of;
use crate::tail::{Evidence, Fact, Verdict, decide};
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
    options: Options,
    files: Files,
    walk: Walk,
    here: LogFile,
    /// Where the file ends, as the next one says; looked up once a file.
    end: Option<u64>,
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
        Self::at(disk, options.clone(), files, spot, known_durable)
    }

    /// Reads again from a place that this reader knows to be durable, up to where it has come.
    pub(crate) fn again(&self) -> Result<Self> {
        let (disk, files) = (Arc::clone(&self.disk), self.files.clone());
        Self::at(disk, self.options.clone(), files, self.durable(), self.known_durable)
    }

    fn at(
        disk: Arc<dyn Disk>,
        options: Options,
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
        let end = end_of(&files, spot.file);
        let branches = vec![Branch::of(&here.found.header)];
        Ok(Reader {
            disk,
            options,
            files,
            walk,
            here,
            end,
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
            let stop = match self.end {
                Some(end) if end <= self.walk.at().offset => None,
                _ => match self.walk.step() {
                    Ok(Step::Record(good)) => {
                        self.note_known();
                        return Ok(Some(good));
                    }
                    Ok(Step::Stop(stop)) => Some(stop),
                    Err(source) => return self.unread(source),
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

    /// The store whose log is read.
    pub(crate) fn store(&self) -> StoreId {
        self.options.store
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

    /// Decides what it means that the walk came to an end, and goes on in the next file if there is one.
    fn stopped(&mut self, stop: Option<Stop>) -> Result<()> {
        let next = self.files.successor(self.walk.file());
        let successor = next.and_then(|(_, next)| {
            let header = next.found.header;
            Some((header.previous?, header.first))
        });
        let known = Known { file: self.here, successor, durable: self.known_durable };
        let findings = match evidence::gather(&mut self.walk, stop, &known) {
            Ok(findings) => findings,
            Err(source) => return self.unread(source),
        };
        let verdict = decide(findings.evidence);
        match (verdict, next) {
            (Verdict::GoesOn, Some((file, next))) => self.enter(file, next),
            (Verdict::Rot | Verdict::GoesOn | Verdict::Unknown, _) => Err(self.rot(&findings)),
            (Verdict::EndsInDoubt, _) if self.options.doubt == Doubt::Refuse => {
                let path = names::log_path(self.walk.file());
                Err(Error::InDoubt { path, offset: self.walk.at().offset })
            }
            (Verdict::EndsClean | Verdict::EndsInDoubt, _) => {
                self.verdict = Some(verdict);
                Ok(())
            }
        }
    }

    /// What the table says where a part cannot be read.
    fn unread<T>(&self, source: disk::Error) -> Result<T> {
        let verdict = decide(Evidence::none().and(Fact::Unread));
        assert_eq!(verdict, Verdict::Unknown, "what was not read is never taken for the end");
        let path = names::log_path(self.walk.file());
        Err(files::unreadable(path, self.walk.at().offset, source))
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
        self.end = end_of(&self.files, file);
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

/// Where a file ends, as the next one says.
fn end_of(files: &Files, file: FileId) -> Option<u64> {
    let (_, next) = files.successor(file)?;
    next.found.header.previous.map(|previous| previous.end)
}

/// A window on a file, up to the end that counts.
fn window_of(disk: &dyn Disk, files: &Files, file: FileId) -> Result<Window> {
    let limit = match end_of(files, file) {
        Some(end) => end,
        None => files.logs.get(&file).map_or(0, |found| found.found.header.bytes),
    };
    let handle = files::open(disk, file)?;
    Window::new(handle, limit).map_err(|source| files::unreadable(names::log_path(file), 0, source))
}
