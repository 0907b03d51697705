//! The metrics, and to come the index kinds: flat, HNSW, LSH, KD-tree.
//!
//! To own: how near neighbours are found among slots. To promise: returned distances are exact, and
//! an answer that is not whole says so. Never: will open a file; bytes come in and go out.

mod metric;

pub use metric::Metric;
