//! Will hold images, the manifest, checkpoints, named snapshots and backups. Nothing is here yet.
//!
//! To own: the one file format of all derived state, and the order of writes and syncs in which a
//! new state is published. To promise: a crash at any point leaves the old state or the new one.
//! Never: will know of the log or of segments, which only `engine` brings together with this.

#![forbid(unsafe_code)]
