//! Says why vectors and payloads could not be read or written, where, and what can be done about it.
//!
//! One variant for each thing a caller would do differently; what the disk said is in `source()`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base::{FileId, Slot};

use crate::NotFinite;
use crate::format::Invalid;
use crate::heap::{LONGEST, PayloadPlace};

/// What every operation of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong with the vector file and the payload heap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused or failed.
    Disk(disk::Error),
    /// A file is not what it was taken for: its header is damaged, or that of another file. Others
    /// are as they were.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: Invalid,
    },
    /// A file is shorter than it was made. Nothing of it was read.
    CutShort {
        /// The file.
        path: PathBuf,
        /// How many bytes it has to have.
        wanted: u64,
        /// How many it has.
        found: u64,
    },
    /// A file is not there that something refers to.
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A part of a file cannot be read, so that what stands there is not known.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where reading failed, or began to.
        offset: u64,
        /// What the disk said.
        source: disk::Error,
    },
    /// There is a file already under the number of one that was to be made.
    Exists {
        /// What is in the way.
        path: PathBuf,
    },
    /// A write to this file, a sync of it or of its name failed, now or earlier, and nothing is written to
    /// it since. How much of the first one was done is not known.
    Stopped {
        /// The file.
        path: PathBuf,
        /// The failure that came first.
        first: Arc<disk::Error>,
    },
    /// The vector in a slot is not what was written there: its sum does not fit. Others are as they were.
    Rotten {
        /// The file.
        path: PathBuf,
        /// Where the vector begins.
        offset: u64,
        /// The slot.
        slot: Slot,
    },
    /// There is no vector in the slot that could be read: none was published, or it is about to be rewritten.
    NotThere {
        /// The slot.
        slot: Slot,
    },
    /// Nothing refers to the slot.
    NotAlive {
        /// The slot.
        slot: Slot,
    },
    /// The vector has another number of elements than the collection's.
    Dimension {
        /// How many it has.
        found: usize,
        /// How many it has to have.
        expected: usize,
    },
    /// A number of the vector is not finite.
    NotFinite(NotFinite),
    /// The segments are full; another one is needed.
    NoRoom {
        /// How many slots they have.
        slots: u64,
        /// How many it would take.
        wanted: u64,
    },
    /// All slots that there can be, 2^32, are in use or at rest.
    NoSlotsLeft,
    /// A slot has as many references as can be counted.
    TooManyReferences {
        /// The slot.
        slot: Slot,
    },
    /// What is known of a slot contradicts itself: the image or the log is damaged in a way that no sum shows.
    Inconsistent {
        /// The slot.
        slot: Slot,
        /// What was found.
        what: &'static str,
    },
    /// The description of the slots cannot be read.
    Description {
        /// What its owner says.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A payload is longer than any may be.
    PayloadTooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The files of payloads are full; another one is needed.
    HeapFull {
        /// How many bytes it has to have, at least.
        wanted: u64,
    },
    /// All addresses that there can be, 2^62, were given out.
    NoAddressesLeft,
    /// There is no payload where one should be: nothing was written there, and no file of the heap has the place.
    NoPayload {
        /// The place.
        place: PayloadPlace,
    },
    /// The payload in a place is not what was written there. Others are as they were.
    BadPayload {
        /// The file.
        path: PathBuf,
        /// Where its record begins.
        offset: u64,
        /// The place.
        place: PayloadPlace,
        /// What is wrong with it.
        what: Invalid,
    },
    /// What the log says of a place contradicts what is known of the heap.
    BadPlace {
        /// The place.
        place: PayloadPlace,
        /// What was found.
        what: &'static str,
    },
    /// What the log says of a file of payloads contradicts what is known of the heap.
    BadFile {
        /// The file's number.
        file: FileId,
        /// What was found.
        what: &'static str,
    },
}

impl From<NotFinite> for Error {
    fn from(error: NotFinite) -> Self {
        Error::NotFinite(error)
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
            Error::Stopped { .. } => false,
            _ => true,
        }
    }
}

const RESTORE: &str = "restore it from a backup";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Disk(error) => write!(f, "{error}"),
            Error::Damaged { path, what: what @ Invalid::Newer { .. } } => {
                write!(f, "{} was {what}; open it with a newer one", path.display())
            }
            Error::Damaged { path, what } => {
                write!(f, "{} is not the file it should be: {what}; {RESTORE}", path.display())
            }
            Error::CutShort { path, wanted, found } => write!(
                f,
                "{} was cut: it has {found} bytes, and was made with {wanted}; {RESTORE}",
                path.display()
            ),
            Error::Missing { path } => {
                write!(f, "{} is missing, and something is to be in it; {RESTORE}", path.display())
            }
            Error::Unreadable { path, offset, .. } => {
                let path = path.display();
                write!(f, "{path} cannot be read at or behind offset {offset}; {RESTORE}")
            }
            Error::Exists { path } => write!(
                f,
                "{} exists already; give a new file a number above all there are",
                path.display()
            ),
            Error::Stopped { path, first } => write!(
                f,
                "nothing is written to {} after a failure; the first was: {first}; close the store \
                 and open it again",
                path.display()
            ),
            Error::Rotten { path, offset, slot } => write!(
                f,
                "{}: the vector in slot {slot}, at offset {offset}, is not what was written there; \
                 {RESTORE}",
                path.display()
            ),
            Error::NotThere { slot } => write!(f, "there is no vector to be read in slot {slot}"),
            Error::NotAlive { slot } => write!(f, "nothing refers to slot {slot}"),
            Error::Dimension { found, expected } => {
                write!(
                    f,
                    "the vector has {found} numbers, and those of the collection {expected}; give it one of \
                     {expected}"
                )
            }
            Error::NotFinite(error) => write!(f, "{error}"),
            Error::NoRoom { slots, wanted } => {
                write!(f, "the segments have {slots} slots, and {wanted} are needed; add a segment")
            }
            Error::NoSlotsLeft => write!(f, "all 2^32 slots of the collection are taken"),
            Error::TooManyReferences { slot } => {
                write!(f, "the vector in slot {slot} is referred to 2^32 - 1 times; no more fit")
            }
            Error::Inconsistent { slot, what } => {
                write!(f, "slot {slot} of the collection was {what}; {RESTORE}")
            }
            Error::Description { source } => write!(f, "the slots cannot be read: {source}"),
            error => error.fmt_of_heap(f),
        }
    }
}

impl Error {
    /// What is said of payloads.
    fn fmt_of_heap(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::PayloadTooLong { bytes } => {
                write!(f, "the payload has {bytes} bytes, and none may have more than {LONGEST}")
            }
            Error::HeapFull { wanted } => {
                write!(f, "no file of payloads has {wanted} bytes left for one more; add a file")
            }
            Error::NoAddressesLeft => write!(f, "all 2^62 addresses of payloads are taken"),
            Error::NoPayload { place } => write!(f, "there is no payload of {place}"),
            Error::BadPayload { path, offset, place, what } => write!(
                f,
                "{}: the payload of {place}, at offset {offset}, is not what was written there: \
                 {what}; {RESTORE}",
                path.display()
            ),
            Error::BadPlace { place, what } => {
                write!(f, "the payload of {place} was {what}; {RESTORE}")
            }
            Error::BadFile { file, what } => {
                write!(f, "file {file} of payloads was {what}; {RESTORE}")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Disk(error) => error.source(),
            Error::Damaged { what, .. } | Error::BadPayload { what, .. } => Some(what),
            Error::Unreadable { source, .. } => Some(source),
            Error::Stopped { first, .. } => first.source(),
            Error::Description { source } => source.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn messages_name_the_file_and_what_to_do() {
        let path = PathBuf::from("vectors/7.seg");
        let missing = disk::Error::Missing { path: path.clone() };
        let errors = [
            Error::Damaged { path: path.clone(), what: Invalid::Foreign("store") },
            Error::CutShort { path: path.clone(), wanted: 102_400, found: 4_096 },
            Error::Missing { path: path.clone() },
            Error::Unreadable { path: path.clone(), offset: 4_096, source: missing.clone() },
            Error::Exists { path: path.clone() },
            Error::Stopped { path, first: Arc::new(missing.clone()) },
            Error::Disk(missing),
        ];
        for error in &errors {
            let message = error.to_string();
            assert!(message.contains("vectors/7.seg") && message.contains("; "), "{message}");
        }
        let [damaged, _, _, unreadable, .., stopped, _] = &errors;
        assert_eq!(damaged.source().unwrap().to_string(), "of another place: store does not fit");
        assert!(unreadable.source().is_some());
        assert!(!stopped.is_clean_refusal() && damaged.is_clean_refusal());
    }
}
