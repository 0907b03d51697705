//! arrwDB: an embedded, durable vector store. Being built: what is here are the parts of `Store`, not yet put
//! together.
//!
//! To own: how log, segments, snapshots and indexes make one store; only here do they meet. To
//! promise: what was acknowledged survives, and every read sees one committed state. Never: will
//! touch the disk except through the `disk` crate.

#![forbid(unsafe_code)]

mod config;
mod error;
mod format;
mod id;
mod image;
mod rows;

pub use config::{CollectionConfig, IndexConfig};
pub use error::{Error, NAME_BYTES_MAX, Result};
pub use format::Invalid;
pub use id::{ID_BYTES_MAX, Id};
pub use indexes::Metric;
pub use segments::{Decimals, Dedup};
