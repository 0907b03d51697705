//! Names the things that log, segments, snapshots and indexes refer to across crate borders.
//!
//! A field is public where every value is valid; where some are not, it is private behind a
//! checked constructor. No conversions between them: a `Slot` never becomes a `Row` by accident.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

/// Position of one committed batch in its timeline. Dense, starts at 1, never reused.
///
/// "No batch yet" is `Option<Sequence>::None`, never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sequence(NonZeroU64);

impl Sequence {
    /// The first batch of a store.
    pub const FIRST: Sequence = Sequence(NonZeroU64::MIN);

    /// The sequence with this number; `None` for 0.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Sequence(number)),
            None => None,
        }
    }

    /// The number as it is written to disk; never 0.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The sequence right after this one; `None` once all 2^64 - 1 are used up.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Sequence(number)),
            None => None,
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Place of one stored vector within its collection. Means nothing outside it.
///
/// Many rows may share a slot; a slot is rewritten only after nothing retained refers to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Number of one version of a row (id, slot, payload) within its collection. Never reused:
/// every write of an id takes the next one, so a set of rows needs no version of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Row(pub u64);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Number of one collection within its store. Never reused, not even after a drop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CollectionId(pub u32);

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Number of one file among the files of its kind. Never reused, not even after a crash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u64);

/// Twenty digits, so that names sort as the numbers do.
impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

/// Identity of one store, drawn at random when it is made. Every file of the store carries it, so
/// that a file of another store is told apart from damage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub [u8; 16]);

/// Thirty-two hexadecimal digits.
impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

/// Number of floats in each vector of a collection: 1 to [`Dim::MAX`], fixed at its creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Dim(NonZeroU32);

impl Dim {
    /// The most floats a vector may have. Four times the widest embeddings in use; it bounds what
    /// a damaged or hostile header can make a reader reserve (256 KiB a vector).
    pub const MAX: u32 = 65_536;

    /// The dimension with this many floats; `None` for 0 and above [`Dim::MAX`].
    pub const fn new(floats: u32) -> Option<Self> {
        match NonZeroU32::new(floats) {
            Some(number) if floats <= Self::MAX => Some(Dim(number)),
            _ => None,
        }
    }

    /// The number of floats; never 0, at most [`Dim::MAX`].
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_start_at_one_and_end_without_wrapping() {
        assert_eq!(Sequence::new(0), None);
        assert_eq!(Sequence::new(1), Some(Sequence::FIRST));
        assert_eq!(Sequence::FIRST.next().map(Sequence::get), Some(2));
        assert_eq!(Sequence::new(u64::MAX).and_then(Sequence::next), None);
        assert_eq!(size_of::<Option<Sequence>>(), size_of::<u64>());
    }

    #[test]
    fn dimensions_outside_their_range_are_refused() {
        assert_eq!(Dim::new(0), None);
        assert_eq!(Dim::new(1).map(Dim::get), Some(1));
        assert_eq!(Dim::new(Dim::MAX).map(Dim::get), Some(Dim::MAX));
        assert_eq!(Dim::new(Dim::MAX + 1), None);
    }

    #[test]
    fn file_names_sort_as_their_numbers_do() {
        let mut names = [FileId(10), FileId(9), FileId(u64::MAX)].map(|id| id.to_string());
        names.sort();
        assert_eq!(names, ["00000000000000000009", "00000000000000000010", "18446744073709551615"]);
    }

    #[test]
    fn a_store_id_prints_as_its_bytes_in_order() {
        let id = StoreId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
    }
}
