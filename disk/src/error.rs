//! Says what went wrong at the disk, where, and what can be done about it.
//!
//! One variant for each thing a caller would do differently. Every message names the path; what
//! the operating system said is in `source()`, never repeated in the message.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every operation of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong at the seam to the disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is there under this name.
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// Something is there already under a name that had to be free.
    Exists {
        /// What is in the way.
        path: PathBuf,
    },
    /// A file (or something else) is where a directory has to be.
    NotADirectory {
        /// What is no directory.
        path: PathBuf,
    },
    /// A directory, a device or a pipe is where a file has to be.
    NotAFile {
        /// What is no file.
        path: PathBuf,
    },
    /// A name that leads out of the disk's directory: absolute, empty, or through `..`.
    Outside {
        /// The name that was refused.
        path: PathBuf,
    },
    /// The operating system forbids it: permissions, or a file system mounted read-only.
    Denied {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// Someone else has the directory open.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// It was opened by another process, of which this one is a copy (`fork`), and nothing was done.
    OtherProcess {
        /// What was opened.
        path: PathBuf,
        /// The number of the process that opened it.
        owner: u32,
    },
    /// The directory or file was deleted while it was in use; what is written to it is lost.
    Removed {
        /// What is gone.
        path: PathBuf,
    },
    /// The directory is on a network file system, whose locks and syncs can't be relied on.
    Network {
        /// The directory.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// No space is left on the device, or a quota is used up.
    Full {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The process, or the machine, has too many files open.
    TooManyFiles {
        /// What was to be opened.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The file ends before the bytes that were asked for.
    PastEnd {
        /// The file.
        path: PathBuf,
        /// First byte asked for.
        offset: u64,
        /// How many bytes were asked for.
        wanted: u64,
        /// How many bytes of these the file has.
        found: u64,
    },
    /// An earlier write or sync failed, and nothing is written since: see [`Latch`](crate::Latch).
    Stopped {
        /// What was refused.
        path: PathBuf,
        /// The failure that came first.
        first: Arc<Error>,
    },
    /// The call makes no sense to the operating system, and nothing was done: a name too long, a
    /// directory that is not empty, a size no file can have.
    Refused {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// Anything else the operating system reported.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
}

/// Who holds a lock that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A handle of this very process that is still open.
    ThisProcess,
    /// Another process.
    AnotherProcess,
}

impl Error {
    /// Sorts an error of the operating system by what the caller can do about it.
    pub(crate) fn new(doing: &'static str, path: &Path, source: io::Error) -> Error {
        use io::ErrorKind as Kind;
        let path = path.to_path_buf();
        match source.kind() {
            Kind::NotFound => Error::Missing { path },
            Kind::AlreadyExists => Error::Exists { path },
            Kind::NotADirectory => Error::NotADirectory { path },
            Kind::IsADirectory => Error::NotAFile { path },
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                Error::Denied { doing, path, source: Arc::new(source) }
            }
            Kind::StorageFull | Kind::QuotaExceeded => {
                Error::Full { doing, path, source: Arc::new(source) }
            }
            Kind::InvalidInput
            | Kind::InvalidFilename
            | Kind::DirectoryNotEmpty
            | Kind::CrossesDevices
            | Kind::FileTooLarge => Error::Refused { doing, path, source: Arc::new(source) },
            _ if is_out_of_handles(&source) => {
                Error::TooManyFiles { path, source: Arc::new(source) }
            }
            _ => Error::Io { doing, path, source: Arc::new(source) },
        }
    }

    /// The path the message names.
    pub fn path(&self) -> &Path {
        match self {
            Error::Missing { path }
            | Error::Exists { path }
            | Error::NotADirectory { path }
            | Error::NotAFile { path }
            | Error::Outside { path }
            | Error::Denied { path, .. }
            | Error::Locked { path, .. }
            | Error::OtherProcess { path, .. }
            | Error::Removed { path }
            | Error::Network { path, .. }
            | Error::Full { path, .. }
            | Error::TooManyFiles { path, .. }
            | Error::PastEnd { path, .. }
            | Error::Stopped { path, .. }
            | Error::Refused { path, .. }
            | Error::Io { path, .. } => path,
        }
    }

    /// Whether the operating system refused before it changed anything, so that the state of the
    /// disk is still known. The others leave open how far the call got.
    pub fn is_clean_refusal(&self) -> bool {
        match self {
            Error::Missing { .. }
            | Error::Exists { .. }
            | Error::NotADirectory { .. }
            | Error::NotAFile { .. }
            | Error::Outside { .. }
            | Error::Denied { .. }
            | Error::Locked { .. }
            | Error::OtherProcess { .. }
            | Error::Network { .. }
            | Error::Full { .. }
            | Error::TooManyFiles { .. }
            | Error::PastEnd { .. }
            | Error::Stopped { .. }
            | Error::Refused { .. } => true,
            Error::Removed { .. } | Error::Io { .. } => false,
        }
    }
}

/// EMFILE and ENFILE have no `ErrorKind` of their own; the numbers are the same on every unix.
fn is_out_of_handles(source: &io::Error) -> bool {
    cfg!(unix) && matches!(source.raw_os_error(), Some(23 | 24))
}

impl Error {
    /// What happened, with the path and all numbers.
    fn problem(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Error::Missing { .. } => write!(f, "{path} does not exist"),
            Error::Exists { .. } => write!(f, "{path} exists already"),
            Error::NotADirectory { .. } => write!(f, "{path} is not a directory"),
            Error::NotAFile { .. } => write!(f, "{path} is not a file"),
            Error::Outside { .. } => write!(f, "the name \"{path}\" leads out of the directory"),
            Error::Denied { doing, .. } => write!(f, "could not {doing} {path}: not permitted"),
            Error::Locked { holder: Holder::ThisProcess, .. } => {
                write!(f, "{path} is locked by this process")
            }
            Error::Locked { holder: Holder::AnotherProcess, .. } => {
                write!(f, "{path} is locked by another process")
            }
            Error::OtherProcess { owner, .. } => write!(
                f,
                "{path} was opened by process {owner}, and this one is a copy of it (fork) that may not \
                 change it"
            ),
            Error::Removed { .. } => write!(
                f,
                "{path} was deleted while it was in use, and what is written to it is lost"
            ),
            Error::Network { kind, .. } => write!(
                f,
                "{path} is on a network file system ({kind}), whose locks and syncs can't be \
                 relied on"
            ),
            Error::Full { doing, .. } => write!(f, "could not {doing} {path}: no space is left"),
            Error::TooManyFiles { .. } => {
                write!(f, "could not open {path}: too many files are open")
            }
            Error::PastEnd { offset, wanted, found, .. } => write!(
                f,
                "{path} ends too early: {wanted} bytes wanted at offset {offset}, {found} found"
            ),
            Error::Stopped { first, .. } => write!(
                f,
                "{path} was not changed, because nothing is written after a failure; \
                 the first was: {first}"
            ),
            Error::Refused { doing, path, .. } if path.as_os_str().is_empty() => {
                write!(f, "could not {doing} the empty path")
            }
            Error::Refused { doing, .. } | Error::Io { doing, .. } => {
                write!(f, "could not {doing} {path}")
            }
        }
    }

    /// What the reader of the message can do about it, where that is known.
    fn advice(&self) -> Option<&'static str> {
        match self {
            Error::Missing { .. } => Some("check the path, or create it first"),
            Error::Exists { .. } => Some("choose another name, or remove it first"),
            Error::NotADirectory { .. } => Some("choose another path, or move it away"),
            Error::NotAFile { .. } => Some("move it away"),
            Error::Outside { .. } => Some("use a plain relative name"),
            Error::Denied { .. } => {
                Some("check its owner and mode, and whether its file system is mounted read-only")
            }
            Error::Locked { holder: Holder::ThisProcess, .. } => {
                Some("close the handle that is still open first")
            }
            Error::Locked { holder: Holder::AnotherProcess, .. } => {
                Some("stop it, or wait until it is done")
            }
            Error::OtherProcess { .. } => {
                Some("open it behind the fork, in the one process that uses it")
            }
            Error::Removed { .. } => Some("close the store, and restore it from a backup"),
            Error::Network { .. } => Some("use a local disk, or allow it explicitly"),
            Error::Full { .. } => Some("free some and try again"),
            Error::TooManyFiles { .. } => Some("raise the limit (ulimit -n)"),
            Error::Stopped { .. } => Some("close the store and open it again"),
            Error::PastEnd { .. } | Error::Refused { .. } | Error::Io { .. } => None,
        }
    }
}

/// The problem, and behind a semicolon what to do about it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem(f)?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Denied { source, .. }
            | Error::Full { source, .. }
            | Error::TooManyFiles { source, .. }
            | Error::Refused { source, .. }
            | Error::Io { source, .. } => Some(source.as_ref()),
            Error::Stopped { first, .. } => std::error::Error::source(first.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn sorted(kind: io::ErrorKind) -> Error {
        Error::new("write", Path::new("wal/1"), kind.into())
    }

    #[test]
    fn the_operating_systems_errors_are_sorted_by_what_one_can_do() {
        use io::ErrorKind as Kind;
        assert!(matches!(sorted(Kind::NotFound), Error::Missing { .. }));
        assert!(matches!(sorted(Kind::AlreadyExists), Error::Exists { .. }));
        assert!(matches!(sorted(Kind::NotADirectory), Error::NotADirectory { .. }));
        assert!(matches!(sorted(Kind::IsADirectory), Error::NotAFile { .. }));
        assert!(matches!(sorted(Kind::PermissionDenied), Error::Denied { .. }));
        assert!(matches!(sorted(Kind::ReadOnlyFilesystem), Error::Denied { .. }));
        assert!(matches!(sorted(Kind::StorageFull), Error::Full { .. }));
        assert!(matches!(sorted(Kind::QuotaExceeded), Error::Full { .. }));
        assert!(matches!(sorted(Kind::InvalidFilename), Error::Refused { .. }));
        assert!(matches!(sorted(Kind::DirectoryNotEmpty), Error::Refused { .. }));
        assert!(matches!(sorted(Kind::Other), Error::Io { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn running_out_of_handles_is_told_from_other_errors() {
        for number in [23, 24] {
            let source = io::Error::from_raw_os_error(number);
            let error = Error::new("open", Path::new("wal/1"), source);
            assert!(matches!(error, Error::TooManyFiles { .. }), "{error:?}");
            assert!(error.is_clean_refusal());
            assert!(error.to_string().contains("raise the limit"), "{error}");
        }
    }

    #[test]
    fn only_what_leaves_the_disk_in_doubt_is_no_clean_refusal() {
        assert!(sorted(io::ErrorKind::StorageFull).is_clean_refusal());
        assert!(!sorted(io::ErrorKind::Other).is_clean_refusal());
        assert!(!Error::Removed { path: "store".into() }.is_clean_refusal());
    }

    #[test]
    fn messages_name_the_path_and_leave_the_cause_to_source() {
        let cause = io::Error::other("the platter is on fire");
        let error = Error::new("sync", Path::new("wal/1"), cause);
        assert_eq!(error.to_string(), "could not sync wal/1");
        assert_eq!(error.source().unwrap().to_string(), "the platter is on fire");
    }
}
