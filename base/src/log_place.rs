//! Names a place of the log from which it can be replayed: what a manifest keeps.
//!
//! The log writes it, the manifest stores it, and the log gets it back: so it stands here.

use std::fmt;

use crate::{FileId, Sequence};

/// A place between two batches of the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LogPlace {
    /// The log file.
    pub file: FileId,
    /// Offset in it at which the next record begins.
    pub offset: u64,
    /// Sum of the record before, or of the file's header: the next record repeats it.
    pub sum: u32,
    /// The last batch that lies before the place, if there was one.
    pub sequence: Option<Sequence>,
}

impl LogPlace {
    /// Whether this place lies behind the other, in the order of files and offsets.
    pub fn is_behind(&self, other: &LogPlace) -> bool {
        (self.file, self.offset) > (other.file, other.offset)
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequence = self.sequence.map_or(0, Sequence::get);
        write!(f, "log file {} at {}, behind batch {sequence}", self.file.0, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_by_file_and_then_by_offset() {
        let place = |file, offset| LogPlace { file: FileId(file), offset, sum: 0, sequence: None };
        assert!(place(2, 4_096).is_behind(&place(1, 9_000)));
        assert!(place(1, 9_000).is_behind(&place(1, 4_096)));
        assert!(!place(1, 4_096).is_behind(&place(1, 4_096)));
        assert_eq!(place(1, 4_096).to_string(), "log file 1 at 4096, behind batch 0");
    }
}
