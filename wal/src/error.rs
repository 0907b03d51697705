//! Says why a log could not be read or written, where, and what can be done about it.
//!
//! One variant for each thing a caller would do differently; what the disk said is in `source()`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base::{FileId, Sequence};

use crate::format::Invalid;

/// What every operation of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong with the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused or failed.
    Disk(disk::Error),
    /// Bytes that were durable are no longer what was written. Nothing behind them was read, and
    /// nothing was changed.
    Rot {
        /// The log file.
        path: PathBuf,
        /// Where the first record should be that is not good.
        offset: u64,
        /// What tells that it was durable.
        witness: Witness,
        /// The batches that cannot be read from there on.
        lost: Lost,
    },
    /// A part of a log file cannot be read, so that what stands there is not known. Nothing was changed.
    Unreadable {
        /// The log file.
        path: PathBuf,
        /// Where reading failed, or began to.
        offset: u64,
        /// What the disk said.
        source: disk::Error,
    },
    /// The log ends in a torn write or in rot of its very last group, and [`Doubt::Refuse`] was asked for.
    ///
    /// [`Doubt::Refuse`]: crate::Doubt::Refuse
    InDoubt {
        /// The log file.
        path: PathBuf,
        /// Where it would end.
        offset: u64,
    },
    /// A file is not what its name says, or cannot be what it claims: of another store, under another
    /// file's name, shorter than any log file.
    Damaged {
        /// The log file.
        path: PathBuf,
        /// What is wrong with it.
        what: Invalid,
    },
    /// A log file changed while it was being opened.
    Changed {
        /// The log file.
        path: PathBuf,
    },
    /// A log file is missing that others, or whoever opens the log, rely on.
    Missing {
        /// The file that should be there.
        path: PathBuf,
        /// The file that names it as its predecessor; none if the log was to be opened from it.
        named_by: Option<FileId>,
    },
    /// There is a log already where one was to be created.
    Exists {
        /// One of its files.
        path: PathBuf,
    },
    /// A batch is longer than any can be.
    TooLarge {
        /// Length of its table and body.
        bytes: usize,
        /// The most there can be.
        most: usize,
    },
    /// An earlier write or sync failed, and nothing is written since.
    Stopped {
        /// The failure that came first.
        first: Arc<Error>,
    },
    /// Writing or syncing failed under way: whether the batch is in the log is not known. Who opens the
    /// log again finds it whole, or not at all.
    Unknown {
        /// The batch.
        sequence: Sequence,
        /// The failure.
        first: Arc<Error>,
    },
    /// The log was closed.
    Closed,
    /// The background thread could not be started.
    Thread {
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },
    /// There are no more sequence numbers or file numbers.
    Exhausted,
}

/// What tells that bytes were durable once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Witness {
    /// The header of the next file, which names a later end or another sum.
    Successor,
    /// A record behind the place.
    Record,
    /// Whoever opened the log.
    Outside,
    /// The file's header: the file is shorter than it says.
    Length,
    /// The record at the place itself: it is whole, and does not follow from what stands before it.
    Chain,
}

/// The batches that cannot be read, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The first of them.
    pub first: Option<Sequence>,
    /// The last of them. Below `first` if none is lost: a mark was damaged.
    pub last: Option<Sequence>,
}

impl Lost {
    /// Whether no batch is lost, for certain.
    pub fn is_nothing(&self) -> bool {
        self.last.is_some() && self.last < self.first
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first.map_or(u64::MAX, Sequence::get);
        match self.last {
            _ if self.is_nothing() => write!(f, "no batch is lost"),
            Some(last) => write!(f, "batches {first} to {last} cannot be read"),
            None => write!(f, "batches from {first} on cannot be read"),
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Witness::Successor => "the next log file says that more was durable here",
            Witness::Record => "a later record says that more was durable here",
            Witness::Outside => "more is known to have been durable here",
            Witness::Length => "the file is shorter than its header says",
            Witness::Chain => "the record here does not follow from the one before it",
        })
    }
}

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Self {
        Error::Disk(error)
    }
}

impl Error {
    /// Whether nothing was changed by the call that failed, so that another may be tried: the disk is
    /// full, say.
    pub fn is_clean_refusal(&self) -> bool {
        match self {
            Error::Disk(error) => error.is_clean_refusal(),
            Error::Stopped { .. } | Error::Unknown { .. } | Error::Closed => false,
            _ => true,
        }
    }
}

const SALVAGE: &str = "restore a backup, or salvage what is readable into another directory";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Disk(error) => write!(f, "{error}"),
            Error::Rot { path, offset, witness, lost } => {
                let path = path.display();
                write!(f, "{path} is damaged at offset {offset}: {witness}; {lost}; {SALVAGE}")
            }
            Error::Unreadable { path, offset, .. } => {
                let path = path.display();
                write!(f, "{path} cannot be read at or behind offset {offset}; {SALVAGE}")
            }
            Error::InDoubt { path, offset } => write!(
                f,
                "{} ends at offset {offset} in a torn write or in damage, which cannot be told \
                 apart; open it without the demand for certainty to go on from there",
                path.display()
            ),
            Error::Damaged { path, what: what @ Invalid::Newer { .. } } => {
                write!(f, "{} was {what}; open it with a newer one", path.display())
            }
            Error::Damaged { path, what } => {
                write!(f, "{} is no log file of this store: {what}; {SALVAGE}", path.display())
            }
            Error::Changed { path } => write!(
                f,
                "{} changed while it was being opened; see to it that no other program writes there, \
                 and open it again",
                path.display()
            ),
            Error::Missing { path, named_by: Some(file) } => {
                let path = path.display();
                write!(
                    f,
                    "{path} is missing, or without its header; log file {file} goes on from it; {SALVAGE}"
                )
            }
            Error::Missing { path, named_by: None } => write!(
                f,
                "{} is missing, or without its header, and the log was to be read from there; {SALVAGE}",
                path.display()
            ),
            Error::Exists { path } => write!(
                f,
                "{} exists already; open the log, or choose another directory",
                path.display()
            ),
            Error::TooLarge { bytes, most } => write!(
                f,
                "a batch of {bytes} bytes does not fit the log; {most} is the most, so cut it"
            ),
            Error::Stopped { first } => write!(
                f,
                "nothing is written to the log after a failure; the first was: {first}; \
                 close the store and open it again"
            ),
            Error::Unknown { sequence, first } => write!(
                f,
                "whether batch {sequence} is in the log is not known: {first}; close the store and \
                 open it again to see"
            ),
            Error::Closed => write!(f, "the log was closed"),
            Error::Thread { .. } => write!(f, "the log's background thread could not be started"),
            Error::Exhausted => write!(f, "the log has run out of numbers"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Disk(error) => error.source(),
            Error::Unreadable { source, .. } => Some(source),
            Error::Damaged { what, .. } => Some(what),
            Error::Stopped { first } | Error::Unknown { first, .. } => first.source(),
            Error::Thread { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}
