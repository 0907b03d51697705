//! Will hold arrwDB's benchmarks of itself. Nothing is here yet.
//!
//! To promise: every benchmark checks its answer before it reports a time. Never: builds a peer;
//! those are measured in `benches/compare`, a workspace of its own.

#![forbid(unsafe_code)]
