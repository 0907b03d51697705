//! Replays the log: hands out its complete batches in order, and then says how it ended.
//!
//! Owns: putting the parts of a batch together.
//!
//! Promises
//!  1. A batch is handed out whole and checked, or not at all.
//!  2. Takes no more memory than a read-ahead, the longest batch, and a few words for each record behind
//!     the last place that was called synced.
//!  3. Damage of what was durable is an error, and a failed read is never taken for the end.
//!
//! Never: writes anything; looks into a batch.

use std::sync::Arc;

use base::checksum::Xxh3;
use base::{LogPlace, Sequence};
use disk::Disk;

use crate::format::{Invalid, Kind, Part};
use crate::options::Options;
use crate::reader::{Branch, Gap, Reader, Spot};
use crate::tail::Verdict;
use crate::walk::Good;
use crate::{Error, Result, names};

/// A walk through the batches of a log.
///
/// ```
/// # use std::sync::Arc;
/// # use base::{Sequence, StoreId, Timeline};
/// # use wal::{Beginning, Body, Log, Options, Replay};
/// # let disk: Arc<dyn disk::Disk> = Arc::new(disk::SimDisk::new(1));
/// let options = Options::new(StoreId(*b"0123456789abcdef"));
/// let beginning = Beginning::of_a_new_store(Timeline::new(7).unwrap());
/// let mut log = Log::create(Arc::clone(&disk), &options, &beginning)?;
/// let from = log.place();
/// log.append(b"what the sequencer decided", &Body::new(b"vectors".to_vec(), &options))?;
/// log.close()?;
///
/// let mut replay = Replay::begin(Arc::clone(&disk), &options, &from, None)?;
/// while let Some(batch) = replay.next()? {
///     assert_eq!((batch.sequence, batch.body), (Sequence::FIRST, b"vectors".as_slice()));
/// }
/// let log = Log::resume(replay.finish()?, &options)?; // writes nothing: the log was closed
/// assert_eq!(log.place().sequence, Some(Sequence::FIRST));
/// # Ok::<(), wal::Error>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    reader: Reader,
    /// Behind the last complete batch.
    end: LogPlace,
    /// Table and body of the batch whose parts are being read.
    table: Vec<u8>,
    body: Vec<u8>,
    bytes_read: u64,
    /// After this nothing more is handed out.
    failed: Option<Error>,
}

/// A batch of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch<'a> {
    /// Its number.
    pub sequence: Sequence,
    /// What the sequencer decided.
    pub table: &'a [u8],
    /// What the writer prepared.
    pub body: &'a [u8],
}

/// What a replay cut off: the last thing that the process before had begun to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The log file.
    pub path: std::path::PathBuf,
    /// The offset from which nothing is taken.
    pub offset: u64,
    /// Whether it may be damage of what was durable, instead of a torn write: the very last group,
    /// with no later word that it was.
    pub is_in_doubt: bool,
}

/// How a log ended: what is needed to go on with it, or to tell people.
#[derive(Debug)]
pub struct Ended {
    pub(crate) reader: Reader,
    /// The place behind the last complete batch. Not for keeping: what lies in front of it may yet be
    /// carried elsewhere. A log that was resumed has one that stays.
    pub(crate) place: LogPlace,
    /// What was cut off, if anything was.
    pub cut: Option<Cut>,
    /// The branches of history met, the last one the current.
    pub branches: Vec<Branch>,
    /// Batches that a salvage had left out.
    pub gaps: Vec<Gap>,
}

/// What `advance` came upon.
enum Found {
    /// A batch in one record, still in the buffer it was read to.
    Whole(Sequence, Good),
    /// A batch whose parts were put together.
    Assembled(Sequence),
}

impl Replay {
    /// Begins at a place that is known to be durable: one that a [`Log`](crate::Log) gave out and that was
    /// synced since, or [`oldest_place`](crate::oldest_place).
    ///
    /// If it is known from outside that the log was durable up to some later place, that is taken into
    /// account, and an end in front of its batch is an error.
    ///
    /// # Errors
    /// If files are missing, not of this store, or cannot be read.
    pub fn begin(
        disk: Arc<dyn Disk>,
        options: &Options,
        from: &LogPlace,
        known_durable: Option<LogPlace>,
    ) -> Result<Self> {
        let reader = Reader::begin(disk, options, from, known_durable)?;
        Ok(Replay {
            reader,
            end: *from,
            table: Vec::new(),
            body: Vec::new(),
            bytes_read: 0,
            failed: None,
        })
    }

    /// The next batch; `None` where the log ends.
    ///
    /// # Errors
    /// [`Error::Rot`], [`Error::Unreadable`], [`Error::InDoubt`]: see there. After an error the replay
    /// is over.
    #[expect(clippy::should_implement_trait, reason = "a batch borrows from the replay")]
    pub fn next(&mut self) -> Result<Option<Batch<'_>>> {
        let Some(found) = self.advance()? else {
            return Ok(None);
        };
        let (sequence, (table, body)) = match &found {
            Found::Whole(sequence, good) => (*sequence, self.reader.payload(good)),
            Found::Assembled(sequence) => (*sequence, (&*self.table, &*self.body)),
        };
        Ok(Some(Batch { sequence, table, body }))
    }

    /// Behind the last batch that was handed out: where another replay of the same log goes on.
    pub fn place(&self) -> LogPlace {
        self.end
    }

    /// How many bytes of records have been read, and how many there are to read at least.
    pub fn progress(&self) -> (u64, u64) {
        (self.bytes_read, self.bytes_read.saturating_add(self.reader.bytes_ahead()))
    }

    /// Reads what is left, and says how the log ended.
    ///
    /// # Errors
    /// As [`next`](Replay::next).
    pub fn finish(mut self) -> Result<Ended> {
        while self.advance()?.is_some() {}
        let verdict = self.reader.verdict();
        let spot = self.reader.spot();
        if spot.boundary.chain.last != self.end.sequence {
            // Batches were left out, and none stands behind the gap yet.
            self.end = place_of(&self.reader.durable());
        }
        let is_torn = verdict == Some(Verdict::EndsInDoubt);
        let is_within_a_batch = spot.boundary.chain.inside.is_some();
        let cut = (is_torn || is_within_a_batch).then(|| Cut {
            path: names::log_path(self.end.file),
            offset: self.end.offset,
            is_in_doubt: is_torn,
        });
        let branches = self.reader.branches().to_vec();
        let gaps = self.reader.gaps().to_vec();
        Ok(Ended { reader: self.reader, place: self.end, cut, branches, gaps })
    }

    /// Reads up to the end of the next complete batch; after an error, nothing but that.
    fn advance(&mut self) -> Result<Option<Found>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let advanced = self.next_complete();
        self.failed = advanced.as_ref().err().cloned();
        advanced
    }

    fn next_complete(&mut self) -> Result<Option<Found>> {
        while let Some(good) = self.reader.next()? {
            let header = good.verified.header;
            self.bytes_read += header.record_bytes();
            let Some(sequence) = header.sequence.filter(|_| header.kind == Kind::Batch) else {
                continue;
            };
            if header.part == Part::Whole {
                self.end = place_of(&self.reader.spot());
                return Ok(Some(Found::Whole(sequence, good)));
            }
            if header.part == Part::First {
                self.table.clear();
                self.body.clear();
            }
            let (table, body) = self.reader.payload(&good);
            self.table.extend_from_slice(table);
            self.body.extend_from_slice(body);
            if let Part::Last { whole_sum } = header.part {
                self.check_whole(whole_sum)?;
                self.end = place_of(&self.reader.spot());
                return Ok(Some(Found::Assembled(sequence)));
            }
        }
        Ok(None)
    }

    /// Checks that the parts are those of one batch. Each of them was checked, and their order: what is
    /// left to find is a mistake of whoever wrote them.
    fn check_whole(&self, expected: u64) -> Result<()> {
        if whole_sum(&self.table, Xxh3::of(&self.body)) == expected {
            return Ok(());
        }
        let path = names::log_path(self.reader.spot().file);
        Err(Error::Damaged { path, what: Invalid::Sum("whole batch") })
    }
}

impl Ended {
    /// The last complete batch.
    pub fn last(&self) -> Option<Sequence> {
        self.place.sequence
    }

    /// Whether the log was closed by the process before.
    pub fn was_closed(&self) -> bool {
        self.reader.was_closed()
    }

    /// Whether anything has to be written before what was replayed can be relied on: something was cut
    /// off, or a batch may be in the system's cache alone.
    pub fn must_be_carried(&self) -> bool {
        self.cut.is_some() || self.place.is_behind(&place_of(&self.reader.durable()))
    }

    /// The branch that the log is on.
    pub(crate) fn branch(&self) -> Branch {
        let last = self.branches.last().copied();
        last.expect("every file that is entered adds its branch, and one was")
    }
}

/// The sum of a whole batch, from its table and the sum of its body: the body was summed before.
pub(crate) fn whole_sum(table: &[u8], body_sum: u64) -> u64 {
    Xxh3::new().update(table).update(&body_sum.to_le_bytes()).sum()
}

/// The same place, for whoever keeps it.
pub(crate) fn place_of(spot: &Spot) -> LogPlace {
    let chain = spot.boundary.chain;
    LogPlace { file: spot.file, offset: spot.boundary.offset, sum: chain.sum, sequence: chain.last }
}
