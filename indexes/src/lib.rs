//! Finds near vectors: the metrics and kernels, and the index kinds: flat, HNSW, LSH and KD-tree.
//!
//! Owns: how near neighbours are found among slots. Promises: returned distances are exact, and an answer that is
//! not whole says so. Never: opens a file; bytes come in and go out.
//!
//! Everything works over any [`Vectors`]; [`Memory`] is one that ships with it, so the crate is usable alone.

// Tests here and in `tests` share what they are given, by the same names.
#[cfg(test)]
extern crate self as indexes;

#[cfg(test)]
#[path = "../tests/it/given.rs"]
mod given;

mod bodies;
mod codes;
mod error;
mod flat;
mod format;
mod hnsw;
mod image;
mod index;
mod kdtree;
mod kernels;
mod lanes;
mod leaving;
mod lent;
mod lsh;
mod measure;
mod memory;
mod metric;
mod out;
mod pool;
mod query;
mod rows;
mod scan;
mod shared;
mod slots;
mod standalone;
mod top;
mod vectors;

pub use base::Slot;
pub use bytes::Bytes;
pub use error::Error;
pub use flat::Flat;
pub use hnsw::{EfMeasurement, Hnsw, HnswConfig, MeasuredEf};
pub use index::{Index, Probe, Statistics, Step, TreeFigures, Tuned, open};
pub use kdtree::{KdTree, KdTreeConfig};
pub use lsh::{Family, Lsh, LshConfig};
pub use measure::{
    BadName, DISTANCE_NAME_BYTES_MAX, Distance, Measure, check_distance_name, instructions,
};
pub use memory::Memory;
pub use metric::Metric;
pub use pool::Pool;
pub use query::{Effort, Incomplete, K, Nearest, Neighbour, Query, Strategy, Ties};
pub use slots::SlotSet;
pub use standalone::Standalone;
pub use vectors::{Lent, Unreadable, Vectors};
