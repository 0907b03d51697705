//! Says why an image or a manifest could not be read or made, where, and what can be done about it.
//!
//! One variant for each thing a caller would do differently; what the disk said is in `source()`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::format::Invalid;

/// What every operation of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong with images and manifests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused or failed.
    Disk(disk::Error),
    /// A file is not what it was taken for: the part of it that everything else hangs on is damaged, or it
    /// is another file. Nothing of it was used.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: Invalid,
    },
    /// A part of a section, or of the sums that say what it was, is not what was written. Other parts are
    /// served.
    DamagedSection {
        /// The image.
        path: PathBuf,
        /// The name of the section.
        section: String,
        /// Where the damage lies in the file: the first byte of the chunk.
        offset: u64,
        /// How many bytes the chunk has.
        bytes: u64,
    },
    /// An image is shorter than it was made. Nothing of it was read.
    CutShort {
        /// The image.
        path: PathBuf,
        /// How many bytes it has to have.
        wanted: u64,
        /// How many it has.
        found: u64,
    },
    /// An image or a manifest is not there that something refers to.
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
    /// There is a file already where a store or an image was to be made.
    Exists {
        /// What is in the way.
        path: PathBuf,
    },
    /// An image has no section of that name: whoever wrote it knew of none.
    NoSection {
        /// The image.
        path: PathBuf,
        /// The name that was asked for.
        section: String,
    },
    /// A section ends before the bytes that were asked for. Where one part of an image says where another
    /// lies, they do not belong together.
    PastEnd {
        /// The image.
        path: PathBuf,
        /// The name of the section.
        section: String,
        /// First byte asked for, in the section.
        start: u64,
        /// Where the bytes asked for end.
        end: u64,
        /// How many bytes the section has.
        length: u64,
    },
    /// A manifest that nobody could read was to be published. Nothing was written.
    Impossible {
        /// What is wrong with it.
        what: Invalid,
    },
    /// There are files of a store and no valid manifest that says what they are. This is never a new store.
    NoManifest {
        /// The directory of the store, or of its manifests.
        path: PathBuf,
        /// A file that is there, or what was wrong with each manifest that was looked at.
        evidence: Vec<String>,
    },
    /// Two valid manifests, of which one should have been published upon the other, do not belong together:
    /// files of two stores, or of two states of one, were mixed.
    Split {
        /// The manifest with the highest number.
        path: PathBuf,
        /// The one it says it was published upon, and that is another.
        previous: PathBuf,
    },
    /// A write, a sync or a new name failed in a way that leaves open what a crash would bring back, and
    /// nothing is published, written or removed since.
    Stopped {
        /// What was being written.
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
    /// Whether the state of the store is what it was before the call that failed, so that another may be
    /// tried: the disk is full, say.
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
            Error::DamagedSection { path, section, offset, bytes } => write!(
                f,
                "{} is damaged in the {bytes} bytes at offset {offset}, of its section \
                 \"{section}\"; {RESTORE}",
                path.display()
            ),
            Error::CutShort { path, wanted, found } => write!(
                f,
                "{} was cut: it has {found} bytes, and was made with {wanted}; {RESTORE}",
                path.display()
            ),
            Error::Missing { path } => {
                write!(f, "{} is missing, and the store refers to it; {RESTORE}", path.display())
            }
            Error::Unreadable { path, offset, .. } => write!(
                f,
                "{} cannot be read at or behind offset {offset}; try again, or {RESTORE}",
                path.display()
            ),
            Error::Exists { path } => write!(
                f,
                "{} exists already; open the store that it is of, or give a new image a number above all \
                 there are",
                path.display()
            ),
            Error::NoSection { path, section } => {
                write!(f, "{} has no section \"{section}\"; {RESTORE}", path.display())
            }
            Error::PastEnd { path, section, start, end, length } => write!(
                f,
                "{}: bytes {start} to {end} were wanted of section \"{section}\", which has \
                 {length}; {RESTORE}",
                path.display()
            ),
            Error::Impossible { what } => {
                write!(f, "nothing was published: {what}; mend what is to be published")
            }
            Error::NoManifest { path, evidence } => write!(
                f,
                "{} holds a store without a valid manifest ({}); restore its manifests from a backup",
                path.display(),
                evidence.join(", ")
            ),
            Error::Split { path, previous } => write!(
                f,
                "{} was not published upon {}, although it says so: files of two stores were mixed; \
                 restore one of them from a backup",
                path.display(),
                previous.display()
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
            Error::Damaged { what, .. } | Error::Impossible { what } => Some(what),
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
        let path = PathBuf::from("images/7.img");
        let section = String::from("rows");
        let missing = disk::Error::Missing { path: path.clone() };
        let what = Invalid::Foreign("store");
        let evidence = vec!["images/7.img".into(), "wal/1.wal".into()];
        let errors = [
            Error::Damaged { path: path.clone(), what: what.clone() },
            Error::DamagedSection { path: path.clone(), section, offset: 4_096, bytes: 5 },
            Error::CutShort { path: path.clone(), wanted: 78_480, found: 4_096 },
            Error::Missing { path: path.clone() },
            Error::Unreadable { path: path.clone(), offset: 0, source: missing.clone() },
            Error::Exists { path: path.clone() },
            Error::NoSection { path: path.clone(), section: "ids".into() },
            Error::PastEnd {
                path: path.clone(),
                section: "ids".into(),
                start: 7,
                end: 9,
                length: 8,
            },
            Error::NoManifest { path: "store".into(), evidence },
            Error::Split { path: path.clone(), previous: "manifests/3.man".into() },
            Error::Stopped { path, first: Arc::new(missing.clone()) },
            Error::Disk(missing),
        ];
        for error in &errors {
            let message = error.to_string();
            assert!(message.contains("images/7.img") && message.contains("; "), "{message}");
        }
        let impossible = Error::Impossible { what };
        assert!(impossible.to_string().contains("nothing was published: "));
        assert!(impossible.source().is_some() && errors[0].source().is_some());
        let [.., stopped, _] = &errors;
        assert!(!stopped.is_clean_refusal() && errors[0].is_clean_refusal());
    }
}
