//! Remembers how far the import of a file into a collection came, in a note that changes in the same batch as its rows.
//!
//! A file is known by its length and its sum, so that its name and place do not matter; with a file of ids, by that
//! one's sum too. All this is in the note's name; the note is JSON: `{"version":1,"done":20,"rows":20,"first":7}`. None
//! is ever forgotten: forgetting one would be to import a file twice. Where a store has no room for more notes, which is
//! after some five thousand files, the import is refused.
//!
//! Promises
//!  1. A record says that a row is there exactly if it was written: both are of one batch.
//!  2. A note that cannot be understood is refused, and never taken for none.

use arrwdb::{Batch, Store};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

use super::Fingerprint;

const VERSION: u32 = 1;

/// How far one import came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct Record {
    version: u32,
    /// The id that row 0 has, or would have, where ids were counted: each row's is one above that of the row before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
    /// Rows that were written.
    pub(crate) done: u64,
    /// Rows of the file.
    pub(crate) rows: u64,
}

/// Where the record of one file is kept.
#[derive(Clone)]
pub(crate) struct Place {
    /// The note's name.
    name: String,
}

impl Place {
    pub(crate) fn of(collection: &str, of: &Fingerprint) -> Place {
        let Fingerprint { file_bytes, file_sum, ids_sum } = of;
        let ids_sum = ids_sum.as_deref().unwrap_or("-");
        // The collection last: a name may hold anything.
        Place { name: format!("import {file_bytes} {file_sum} {ids_sum} {collection}") }
    }

    /// The record that is kept here.
    pub(crate) fn load(&self, store: &Store) -> Result<Option<Record>> {
        let Some(note) = store.note(&self.name) else { return Ok(None) };
        understand(&note).map(Some).ok_or_else(|| {
            Failure::refused(format!(
                "the record of this import (note {:?}) is not one that this version understands; use \
                 the version that wrote it",
                self.name
            ))
        })
    }

    /// Writes the record with a batch.
    pub(crate) fn write(&self, record: &Record, batch: &mut Batch) -> Result<()> {
        let note = serde_json::to_vec(record)
            .map_err(|error| Failure::refused(format!("the record of imports: {error}")))?;
        batch.note(&self.name, &note);
        Ok(())
    }
}

fn understand(note: &[u8]) -> Option<Record> {
    let record: Record = serde_json::from_slice(note).ok()?;
    let is_sound = record.done <= record.rows && record.end().is_some();
    (record.version == VERSION && is_sound).then_some(record)
}

impl Record {
    /// That of an import which has not begun.
    pub(crate) fn begun(first: Option<u64>, rows: u64) -> Self {
        Record { version: VERSION, first, done: 0, rows }
    }

    /// The last id that was given, where ids were counted; `None` if there is no such number.
    pub(crate) fn end(&self) -> Option<u64> {
        match self.first {
            Some(first) => first.checked_add(self.done.saturating_sub(1)),
            None => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(done: u64) -> Record {
        Record { done, ..Record::begun(Some(7), 20) }
    }

    #[test]
    fn every_file_and_collection_has_a_note_of_its_own_that_fits() {
        let sum = "f".repeat(32);
        let of = |bytes, ids: Option<&str>| Fingerprint {
            file_bytes: bytes,
            file_sum: sum.clone(),
            ids_sum: ids.map(str::to_owned),
        };
        let longest = Place::of(&"x".repeat(arrwdb::NAME_BYTES_MAX), &of(u64::MAX, Some(&sum)));
        assert!(longest.name.len() <= arrwdb::NOTE_NAME_BYTES_MAX, "{}", longest.name.len());
        let names = [
            Place::of("docs", &of(1, None)).name,
            Place::of("docs", &of(2, None)).name,
            Place::of("docs", &of(1, Some(&sum))).name,
            Place::of("- docs", &of(1, None)).name,
        ];
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn what_is_written_is_understood_and_nothing_else() {
        let note = serde_json::to_vec(&record(3)).unwrap();
        assert_eq!(understand(&note), Some(record(3)));
        let changed =
            |from: &str, to: &str| String::from_utf8(note.clone()).unwrap().replace(from, to);
        for wrong in [
            changed("\"version\":1", "\"version\":2"),
            changed("\"done\":3", "\"done\":21"),
            changed("\"first\":7", "\"first\":18446744073709551615"),
            changed("{", "("),
            String::new(),
        ] {
            assert_eq!(understand(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
