//! Says why vectors could not be read or written, where, and what can be done about it.
//!
//! One variant for each thing a caller would do differently; what the disk said is in `source()`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::format::Invalid;

/// What every operation of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong with the vector file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused or failed.
    Disk(disk::Error),
    /// A file is not what it was taken for: its header is damaged, or that of another segment. Others
    /// are as they were.
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// What is wrong with it.
        what: Invalid,
    },
    /// A file is shorter than it was made. Nothing of it was read.
    CutShort {
        /// The segment's file.
        path: PathBuf,
        /// How many bytes it has to have.
        wanted: u64,
        /// How many it has.
        found: u64,
    },
    /// A file is not there that something refers to.
    Missing {
        /// The segment's file.
        path: PathBuf,
    },
    /// A part of a file cannot be read, so that what stands there is not known.
    Unreadable {
        /// The segment's file.
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
        /// The segment's file.
        path: PathBuf,
        /// The failure that came first.
        first: Arc<disk::Error>,
    },
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
            Error::Damaged { path, what } => {
                write!(f, "{} is not the segment it should be: {what}; {RESTORE}", path.display())
            }
            Error::CutShort { path, wanted, found } => write!(
                f,
                "{} was cut: it has {found} bytes, and was made with {wanted}; {RESTORE}",
                path.display()
            ),
            Error::Missing { path } => {
                write!(f, "{} is missing, and vectors are to be in it; {RESTORE}", path.display())
            }
            Error::Unreadable { path, offset, .. } => {
                let path = path.display();
                write!(f, "{path} cannot be read at or behind offset {offset}; {RESTORE}")
            }
            Error::Exists { path } => write!(
                f,
                "{} exists already; give a new segment a number above all there are",
                path.display()
            ),
            Error::Stopped { path, first } => write!(
                f,
                "nothing is written to {} after a failure; the first was: {first}; close the store \
                 and open it again",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Disk(error) => error.source(),
            Error::Damaged { what, .. } => Some(what),
            Error::Unreadable { source, .. } => Some(source),
            Error::Stopped { first, .. } => first.source(),
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
