//! Holds the few types that the layers above must agree on, and nothing else.
//!
//! Admission rule: a type enters only if two crates below `engine` must agree on it, and only if
//! it does no I/O, starts no thread and reads no clock. What one crate alone needs lives there.
//!
//! Promises
//!  1. Decoding never panics and never allocates more than the bytes it was given.
//!  2. Every number on disk is little-endian and of fixed width, whatever the machine.
//!  3. Checksums are the same on every machine and in every version: FORMAT.md section 1.

#![forbid(unsafe_code)]

mod ids;
mod log_place;
mod timeline;

pub mod checksum;
pub mod codec;

pub use ids::{CollectionId, Dim, FileId, Row, Sequence, Slot, StoreId};
pub use log_place::LogPlace;
pub use timeline::Timeline;
