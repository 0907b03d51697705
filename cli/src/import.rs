//! Imports the rows of a file, batch by batch, so that an import that was cut off goes on where it was.

mod pipeline;
mod records;
mod row_ids;
mod source;

pub(crate) use pipeline::{Pipeline, Told};
pub(crate) use records::{Place, Record};
pub(crate) use source::{Fingerprint, Source};
