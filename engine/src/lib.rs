//! Will be arrwDB's public face: `Store`, `Collection`, `Batch`, `View`. Nothing is here yet.
//!
//! To own: how log, segments, snapshots and indexes make one store; only here do they meet. To
//! promise: what was acknowledged survives, and every read sees one committed state. Never: will
//! touch the disk except through the `disk` crate.

#![forbid(unsafe_code)]
