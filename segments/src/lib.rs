//! The vector file: vectors of one dimension in slots, slots in segments that are mapped once.
//!
//! Owns: the files under `vectors/` of a store. [`Geometry`] says where a slot lies, [`mod@format`] what a
//! segment begins with, [`Segment`] makes, opens, writes and syncs one; [`Dedup`] when two vectors are one.
//! The life of slots, counted references and the payload heap are to come on top of them.
//!
//! Promises
//!  1. A segment that has its name is whole, whatever happened to the process and the power.
//!  2. A damaged file is an error that names it, and the others are served.
//!  3. Files are written by position and read through maps that never move.
//!
//! Never: knows of the log or of snapshots, which only `engine` brings together with this.
//!
//! FORMAT.md section 4 has every byte, and the argument why this holds.

mod dedup;
mod directory;
mod error;
mod geometry;
mod hash;
mod names;
mod segment;
mod slots;

pub mod format;

pub use dedup::DedupTable;
pub use directory::{list, make_directory, remove};
pub use error::{Error, Result};
pub use format::SegmentHeader;
pub use geometry::{Element, Geometry, HEADER_BYTES};
pub use hash::{Decimals, Dedup, NotFinite, VectorHash, check_finite};
pub use names::Name;
pub use segment::Segment;
pub use slots::{Life, Pin, Pins, Placed, SlotCounts, SlotError, SlotTable};
