//! What an image holds of a store: written by a checkpoint, read in place by everybody else.
//!
//! Promises
//!  1. Opening reads the catalogue alone; rows and slots are read, and checked, where they are touched.
//!  2. Whatever a section says, it leads to a value or an error that names it.

mod catalogue;
mod events;
mod format;
mod rows;
mod slots;
mod write;

pub(crate) use catalogue::{Catalogue, Entry, read_catalogue};
pub(crate) use events::read_events;
pub(crate) use rows::ImageRows;
pub(crate) use slots::ImageSlots;
pub(crate) use write::{Collection, finish, write_collection};

use base::CollectionId;
use snapshot::{Image, Section};

use crate::{Error, Result};

/// The section of all collections.
const CATALOGUE: &str = "catalogue";

/// The name of a collection's section.
fn name(collection: CollectionId, what: &str) -> String {
    format!("{collection}.{what}")
}

/// A table of entries of one length.
#[derive(Debug)]
pub(crate) struct Table {
    section: Section,
    entry: u64,
}

impl Table {
    fn open(image: &Image, collection: CollectionId, what: &str, entry: u64) -> Result<Table> {
        let section = image.section(&name(collection, what))?;
        let table = Table { section, entry };
        if !table.section.length().is_multiple_of(entry) {
            return Err(table.bad("its last entry is not whole"));
        }
        Ok(table)
    }

    /// How many entries there are.
    fn len(&self) -> u64 {
        self.section.length() / self.entry
    }

    /// One of them.
    fn get<const N: usize>(&self, at: u64) -> Result<[u8; N]> {
        let start = at.saturating_mul(self.entry);
        let bytes = self.section.bytes(start..start.saturating_add(self.entry))?;
        bytes.first_chunk().copied().ok_or_else(|| self.bad("an entry is too short"))
    }

    fn bad(&self, what: &'static str) -> Error {
        Error::BadImage { section: self.section.name().to_owned(), what }
    }
}

#[cfg(test)]
mod tests;
