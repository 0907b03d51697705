//! arrwDB: an embedded, durable vector store. One directory, one process, no server.
//!
//! Owns: how log, segments, images and indexes make one store; only here do they meet.
//!
//! Promises
//!  1. What was acknowledged at [`Durability::Sync`] survives the process and the power.
//!  2. A batch happens as a whole or not at all, in all collections at once, and a view sees all batches up to its
//!     number and none behind.
//!  3. What is read is what was written, or an error that names what is damaged.
//!
//! Never: touches the disk except through the `disk` crate; takes a lock that a reader holds while it searches.

#![forbid(unsafe_code)]

mod background;
mod batch;
pub mod changes;
mod checkpoint;
mod collection;
mod config;
mod decide;
mod dedup;
mod distances;
mod error;
mod format;
mod id;
mod image;
mod inner;
mod inspect;
mod named;
mod notes;
mod options;
mod payload;
mod record;
mod recover;
pub mod report;
mod rows;
mod search;
mod statistics;
mod store;
mod verify;
mod view;
mod wish;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

pub use base::Sequence;
pub use batch::{Batch, Commit, Durability};
pub use collection::Collection;
pub use config::{CollectionConfig, IndexConfig};
pub use dedup::Dedup;
pub use error::{Error, NAME_BYTES_MAX, Result};
pub use id::{ID_BYTES_MAX, Id};
pub use indexes::{DISTANCE_NAME_BYTES_MAX, Distance, Incomplete, Metric};
pub use inspect::inspect;
pub use notes::{NOTE_BYTES_MAX, NOTE_NAME_BYTES_MAX, NOTES_BYTES_MAX};
pub use options::StoreOptions;
pub use payload::{
    PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, PAYLOAD_KEY_BYTES_MAX, Payload, Value, Values,
};
pub use record::{Record, Scan};
pub use search::{Hit, Hits, Search};
pub use segments::VectorHash;
pub use store::Store;
pub use view::View;
