//! Names the files of vectors, and reads what names mean.
//!
//! `vectors/<file id>.seg` is a segment, `vectors/<file id>.pay` a file of payloads; `vectors/<file id>.new` is either in
//! the making, which counts for nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base::FileId;

/// What a name in the directory of the vectors stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// A segment.
    Segment(FileId),
    /// A file of payloads.
    Payloads(FileId),
    /// Either in the making, that nobody makes any more if it is found.
    New(FileId),
}

impl Name {
    /// The number in the name.
    pub const fn file(self) -> FileId {
        match self {
            Name::Segment(file) | Name::Payloads(file) | Name::New(file) => file,
        }
    }

    /// Its path in the store's directory.
    pub fn path(self) -> PathBuf {
        match self {
            Name::Segment(file) => directory().join(format!("{file}.seg")),
            Name::Payloads(file) => directory().join(format!("{file}.pay")),
            Name::New(file) => directory().join(format!("{file}.new")),
        }
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
            "seg" => Some(Name::Segment(file)),
            "pay" => Some(Name::Payloads(file)),
            "new" => Some(Name::New(file)),
            _ => None,
        }
    }
}

/// The directory of the vectors, in the store's.
pub(crate) fn directory() -> &'static Path {
    Path::new("vectors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for file in [FileId(1), FileId(7), FileId(u64::MAX)] {
            for name in [Name::Segment(file), Name::Payloads(file), Name::New(file)] {
                assert_eq!(Name::parse(name.path().file_name().unwrap()), Some(name));
                assert_eq!(name.file(), file);
            }
        }
        let path = Name::Segment(FileId(7)).path();
        assert_eq!(path, Path::new("vectors/00000000000000000007.seg"));
    }

    #[test]
    fn other_names_are_not_ours() {
        let names = [
            "7.seg",
            "00000000000000000000.seg",
            "00000000000000000007.wal",
            "00000000000000000007",
            "+0000000000000000007.seg",
            "99999999999999999999.seg",
            "LOCK",
        ];
        for name in names {
            assert_eq!(Name::parse(OsStr::new(name)), None, "{name}");
        }
    }
}
