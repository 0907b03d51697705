//! Holds what a store says of itself: how much it has, what a check found, what a file is.
//!
//! [`Store::stats`](crate::Store::stats) and [`Collection::statistics`](crate::Collection::statistics) count;
//! [`Store::verify`](crate::Store::verify) reads everything again; [`inspect`](crate::inspect()) looks at one file.

use std::path::PathBuf;

pub use crate::inspect::Inspection;
pub use crate::statistics::{CollectionStatistics, IndexStatistics, Statistics};
pub use crate::verify::{Problem, Verification};
pub use crate::written::Written;

/// Where the log of a store ends in something that was being written when its process ended. Opening the store cuts it
/// off, and [`Store::torn_end`](crate::Store::torn_end) tells it.
///
/// ```
/// # use arrwdb::Store;
/// # let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path().join("data"))?;
/// if let Some(torn) = store.torn_end() {
///     println!("the log was cut off at offset {} of {}", torn.offset, torn.path.display());
///     if torn.is_in_doubt {
///         println!("look whether the last batches are there that were acknowledged");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TornEnd {
    /// The file of the log.
    pub path: PathBuf,
    /// The offset from which on nothing is taken.
    pub offset: u64,
    /// Whether it may be damage of what was acknowledged, instead: of the very last batches, with nothing behind them
    /// that says that they were durable.
    pub is_in_doubt: bool,
}

impl TornEnd {
    pub(crate) fn of(cut: wal::Cut) -> Self {
        let wal::Cut { path, offset, is_in_doubt } = cut;
        TornEnd { path, offset, is_in_doubt }
    }
}
