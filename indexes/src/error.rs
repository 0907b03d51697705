//! What can be wrong with what an index is given.

use std::fmt;

use base::Slot;

use crate::Unreadable;

/// Why an index could not do something.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A vector has another number of numbers than the index.
    Dimension {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A number of a vector is infinite, or none.
    NotFinite {
        /// Which one it is.
        at: usize,
    },
    /// A vector that the index has could not be read.
    Unreadable(Unreadable),
    /// A slot that is to be inserted is in the index already.
    There {
        /// It.
        slot: Slot,
    },
    /// A slot that is to be inserted was removed, and not given back by a step since.
    NotGivenBack {
        /// It.
        slot: Slot,
    },
    /// Bytes that are no image of an index, or are damaged.
    BadImage {
        /// What is wrong with them.
        what: &'static str,
        /// Where that is.
        offset: usize,
    },
    /// An image that was written by a newer arrwDB.
    NewerImage {
        /// Its format.
        found: u16,
        /// The newest one that is known here.
        known: u16,
    },
    /// An image of an index over another distance.
    Measure {
        /// By what it was built.
        built: String,
        /// What it was to be opened with.
        given: String,
    },
    /// A query asks for a recall, and the index was not calibrated since it had about so many slots.
    NotCalibrated {
        /// How many it has.
        slots: usize,
    },
    /// There is a vector in every slot there can be.
    Full,
    /// A kind of index that does not go by this distance.
    Unsuited {
        /// The kind.
        kind: &'static str,
        /// The distance.
        measure: String,
    },
    /// The threads of a pool could not be started.
    NoThreads(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Dimension { found, expected } => {
                write!(f, "the vector has {found} numbers, where the index has {expected}")
            }
            Error::NotFinite { at } => write!(f, "number {at} of the vector is infinite or none"),
            Error::Unreadable(unreadable) => unreadable.fmt(f),
            Error::There { slot } => write!(f, "slot {slot} is in the index already"),
            Error::NotGivenBack { slot } => {
                write!(f, "slot {slot} was removed, and no step has given it back since")
            }
            Error::BadImage { what, offset } => {
                write!(f, "the image of the index is damaged at byte {offset}: {what}")
            }
            Error::NewerImage { found, known } => write!(
                f,
                "the image of the index was written in format {found} by a newer arrwDB; this one knows {known}"
            ),
            Error::NotCalibrated { slots } => write!(
                f,
                "the query asks for a recall, and the index of {slots} slots was not calibrated for it"
            ),
            Error::Full => f.write_str("there is a vector in every slot there can be"),
            Error::Measure { built, given } => write!(
                f,
                "the index was built by the distance `{built}`, and was to be opened with `{given}`"
            ),
            Error::Unsuited { kind, measure } => write!(
                f,
                "an index of kind {kind} cannot go by the distance `{measure}`; flat and hnsw can"
            ),
            Error::NoThreads(source) => write!(f, "threads cannot be started: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unreadable(unreadable) => Some(unreadable),
            Error::NoThreads(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Self {
        Error::Unreadable(unreadable)
    }
}
