//! The write-ahead log: batches in framed records, in a chain of files that tell damage from a torn end.
//!
//! Owns: the files under `wal/` of a store, and the decision where the log ends. [`Log`] writes it,
//! [`Replay`] reads it. A replay hands out batches and then becomes a log again: [`Log::resume`].
//!
//! Promises
//!  1. What was synced is replayed, whatever happened to the process and the power, or reported as
//!     damaged with file, offset and the batches lost; it is never left out in silence.
//!  2. A batch comes back whole or not at all, and the ones that come back are the first ones.
//!  3. What was replayed once is replayed again, whatever happens in between.
//!  4. Damaged bytes are never appended to, cut off, or put under a new checksum.
//!
//! Never: looks into the batches it carries, or knows what a vector is; starts a thread; keeps time.
//!
//! FORMAT.md section 3 has every byte, and the argument why this holds.

#![forbid(unsafe_code)]

mod body;
mod carry;
mod chain;
mod commit;
mod current;
mod dump;
mod error;
mod evidence;
mod files;
mod frame;
mod log;
mod make;
mod names;
mod oldest;
mod options;
mod prune;
mod reader;
mod replay;
mod salvage;
mod scan;
mod stats;
mod synced_file;
mod walk;
mod window;

pub mod format;
pub mod tail;

pub use body::Body;
pub use commit::{Apply, Commit, Committer, Level, Purpose, Request};
pub use dump::{describe, dump};
pub use error::{Error, Lost, Result, Witness};
pub use log::{Beginning, Log};
pub use make::{Preparation, Spare};
pub use oldest::oldest_place;
pub use options::{Doubt, Options};
pub use reader::{Branch, Gap};
pub use replay::{Batch, Cut, Ended, Replay};
pub use salvage::{Damage, Salvaged, salvage};
pub use stats::{Pruned, Stats};
