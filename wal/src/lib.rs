//! Will be the write-ahead log: framed records, group commit, replay. Its byte layout is here, and the
//! table that decides where it ends; what writes and replays log files is not yet.
//!
//! To own: log files and the decision where the log ends. To promise: what was acknowledged as
//! synced is replayed or reported as damaged, never left out in silence. Never: will look into the
//! records it carries, or know what a vector is.

#![forbid(unsafe_code)]

pub mod format;
pub mod tail;
