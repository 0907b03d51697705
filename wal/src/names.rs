//! Names the files of the log, and reads what names mean.
//!
//! `wal/<file id>.wal` is a file of the log or a spare; `wal/<file id>.new` is one in the making, which
//! counts for nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base::FileId;

/// The directory of the log, in the store's.
pub(crate) const DIRECTORY: &str = "wal";

/// What a name in the directory stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    /// A file of the log, or a spare.
    Log(FileId),
    /// A file in the making.
    New(FileId),
}

/// The directory of the log.
pub(crate) fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

/// The path of a log file.
pub(crate) fn log_path(file: FileId) -> PathBuf {
    directory().join(format!("{file}.wal"))
}

/// The path of a log file in the making.
pub(crate) fn new_path(file: FileId) -> PathBuf {
    directory().join(format!("{file}.new"))
}

/// What a name stands for; `None` if it is not one of ours.
pub(crate) fn parse(name: &OsStr) -> Option<Name> {
    let (digits, ending) = name.to_str()?.split_once('.')?;
    let file = FileId(digits.parse().ok()?);
    // Only the one way of writing a number: two names never mean the same file.
    if file.0 == 0 || file.to_string() != digits {
        return None;
    }
    match ending {
        "wal" => Some(Name::Log(file)),
        "new" => Some(Name::New(file)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        let name = |path: &Path| parse(path.file_name().unwrap());
        for file in [FileId(1), FileId(7), FileId(u64::MAX)] {
            assert_eq!(name(&log_path(file)), Some(Name::Log(file)));
            assert_eq!(name(&new_path(file)), Some(Name::New(file)));
        }
        assert_eq!(log_path(FileId(7)), Path::new("wal/00000000000000000007.wal"));
    }

    #[test]
    fn other_names_are_not_ours() {
        let names = ["7.wal", "00000000000000000000.wal", "00000000000000000007.log", "LOCK"];
        for name in names {
            assert_eq!(parse(OsStr::new(name)), None, "{name}");
        }
        let signed =
            ["+0000000000000000007.wal", "00000000000000000007", "99999999999999999999.wal"];
        for name in signed {
            assert_eq!(parse(OsStr::new(name)), None, "{name}");
        }
    }
}
