//! Remembers how far each import into a collection came, in a note that changes in the same batch as its rows.
//!
//! A file is known by its length and its sum, so that its name and place do not matter; with a file of ids, by that
//! one's sum too. The note is JSON: `{"version":1,"imports":[...]}`, the newest import first.
//!
//! Promises
//!  1. A record says that a row is there exactly if it is: both are of one batch.
//!  2. A note that cannot be understood is refused, and never taken for an empty one.

use arrwdb::{Batch, Store};
use base::checksum::Xxh3;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

use super::Fingerprint;

/// How many imports a collection remembers; the oldest are forgotten.
const RECORDS_MAX: usize = 64;
const VERSION: u32 = 1;
const NAME_BYTES_MAX: usize = 255;

/// How far one import came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) of: Fingerprint,
    /// The first row's id, where ids were counted; each row's is one above that of the row before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
    /// Rows that are in the store.
    pub(crate) done: u64,
    /// Rows of the file.
    pub(crate) rows: u64,
}

/// The records of a collection.
#[derive(Clone)]
pub(crate) struct Records {
    /// The note's name.
    name: String,
    records: Vec<Record>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    imports: &'a [Record],
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    imports: Vec<Record>,
}

impl Records {
    pub(crate) fn load(store: &Store, collection: &str) -> Result<Records> {
        let name = note_name(collection);
        let records = match store.note(&name) {
            None => Vec::new(),
            Some(note) => understand(&note).ok_or_else(|| {
                Failure::refused(format!(
                    "the record of imports into {collection:?} (note {name:?}) is not one that this \
                     version understands; use the version that wrote it"
                ))
            })?,
        };
        Ok(Records { name, records })
    }

    /// The record of a file.
    pub(crate) fn find(&self, of: &Fingerprint) -> Option<&Record> {
        self.records.iter().find(|record| record.of == *of)
    }

    /// Takes a record in, as the newest, in place of the one of the same file.
    pub(crate) fn set(&mut self, record: Record) {
        self.records.retain(|it| it.of != record.of);
        self.records.insert(0, record);
        self.records.truncate(RECORDS_MAX);
    }

    /// Writes the note with a batch.
    pub(crate) fn write(&self, batch: &mut Batch) -> Result<()> {
        let written = Written { version: VERSION, imports: &self.records };
        let note = serde_json::to_vec(&written)
            .map_err(|error| Failure::refused(format!("the record of imports: {error}")))?;
        batch.note(&self.name, &note);
        Ok(())
    }
}

fn understand(note: &[u8]) -> Option<Vec<Record>> {
    let Read { version, imports } = serde_json::from_slice(note).ok()?;
    let sound = imports.iter().all(|it| it.done <= it.rows && it.end().is_some());
    (version == VERSION && sound).then_some(imports)
}

impl Record {
    /// The last id that was given, where ids were counted; `None` if there is no such number.
    pub(crate) fn end(&self) -> Option<u64> {
        match self.first {
            Some(first) => first.checked_add(self.done.saturating_sub(1)),
            None => Some(0),
        }
    }
}

/// A name that fits, and is no other collection's.
fn note_name(collection: &str) -> String {
    let name = format!("import {collection}");
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    format!("import#{:032x}", Xxh3::of_128(collection.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(file: &str, done: u64) -> Record {
        let of = Fingerprint { file_bytes: 10, file_sum: file.into(), ids_sum: None };
        Record { of, first: Some(7), done, rows: 20 }
    }

    #[test]
    fn the_newest_is_first_and_the_oldest_are_forgotten() {
        let mut records = Records { name: "import docs".into(), records: Vec::new() };
        for number in 0..100 {
            records.set(record(&number.to_string(), 1));
        }
        records.set(record("50", 2));
        assert_eq!(records.records.len(), RECORDS_MAX);
        assert_eq!(records.records[0], record("50", 2));
        assert!(records.find(&record("35", 0).of).is_none());
        assert!(records.find(&record("99", 0).of).is_some());
    }

    #[test]
    fn as_many_as_are_kept_fit_a_note_at_their_longest() {
        let long = "f".repeat(32);
        let of = Fingerprint { file_bytes: u64::MAX, file_sum: long.clone(), ids_sum: Some(long) };
        let longest = Record { of, first: Some(u64::MAX), done: u64::MAX, rows: u64::MAX };
        let imports = vec![longest; RECORDS_MAX];
        let note = serde_json::to_vec(&Written { version: VERSION, imports: &imports }).unwrap();
        assert!(note.len() <= arrwdb::NOTE_BYTES_MAX, "{}", note.len());
    }

    #[test]
    fn what_is_written_is_understood_and_nothing_else() {
        let imports = [record("a", 3), record("b", 20)];
        let note = serde_json::to_vec(&Written { version: VERSION, imports: &imports }).unwrap();
        assert_eq!(understand(&note).as_deref(), Some(&imports[..]));
        let changed =
            |from: &str, to: &str| String::from_utf8(note.clone()).unwrap().replace(from, to);
        for wrong in [
            changed("\"version\":1", "\"version\":2"),
            changed("\"done\":3", "\"done\":21"),
            changed("\"first\":7", "\"first\":18446744073709551615"),
            changed("[", "("),
            String::new(),
        ] {
            assert_eq!(understand(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn every_name_of_a_collection_has_a_note_of_its_own() {
        assert_eq!(note_name("docs"), "import docs");
        let (one, other) = ("x".repeat(254) + "1", "x".repeat(254) + "2");
        assert!(note_name(&one).len() <= NAME_BYTES_MAX);
        assert_ne!(note_name(&one), note_name(&other));
    }
}
