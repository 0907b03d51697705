//! Holds the vectors of collections, of one dimension each, in slots, slots in segments that are mapped once; and their
//! payloads, in a heap of files that are only appended to.
//!
//! Owns: the files under `vectors/` of a store, and who may write or read which slot of them. [`VectorSet`] is
//! all of it for one collection, [`Recovery`] rebuilds one after a crash, [`VectorStore`] is one in memory,
//! for use alone. Below them: [`Geometry`] says where a slot lies, [`mod@format`] what a segment begins with;
//! [`Segment`] makes, opens, writes and syncs one; [`SlotTable`] knows what refers to a slot, [`Pins`] who
//! reads, [`View`] lends vectors in place. Beside them: [`PayloadHeap`], with [`HeapRecovery`] and [`Move`].
//!
//! Promises
//!  1. A segment that has its name is whole, whatever happened to the process and the power.
//!  2. A damaged file is an error that names it, and the others are served.
//!  3. Files are written by position and read through maps that never move.
//!  4. What is read is what was written, or an error that names the slot. It does not change while it is lent.
//!  5. Vectors that are one are kept once, with counts that are right after any crash.
//!
//! Never: knows of the log or of snapshots, which only `engine` brings together with this.
//!
//! FORMAT.md section 4 has every byte, and the argument why this holds.

mod batch;
mod dedup;
mod describe;
mod directory;
mod error;
mod file;
mod fresh;
mod geometry;
mod hash;
mod names;
mod primitives;
mod recovery;
mod scrub;
mod segment;
mod set;
mod slots;
mod states;
mod store;
mod sums;
mod view;
mod whole;

pub mod format;
pub mod heap;

pub use batch::{Batch, Prepared, Writes};
pub use dedup::DedupTable;
pub use describe::describe;
pub use directory::{list, make_directory, remove};
pub use error::{Error, Result};
pub use file::Owner;
pub use format::SegmentHeader;
pub use fresh::{Fresh, Written};
pub use geometry::{Element, Geometry, HEADER_BYTES};
pub use hash::{Decimals, Dedup, NotFinite, VectorHash, check_finite};
pub use heap::{
    Emptied, HeapBatch, HeapCut, HeapFile, HeapList, HeapOwner, HeapRecovery, HeapScrub, HeapView,
    Move, Moved, PayloadHeap, PayloadPlace, PinnedPayload, record_bytes,
};
pub use names::Name;
pub use recovery::Recovery;
pub use scrub::Scrub;
pub use segment::Segment;
pub use set::VectorSet;
pub use slots::{
    Cut, Ended, Known, Life, Pin, Pins, Placed, Reclaimed, RestingUntil, SlotBase, SlotCounts,
    SlotList, SlotTable,
};
pub use store::{AllVectors, Statistics, VectorStore};
pub use view::{PinnedVector, Vector, View};
