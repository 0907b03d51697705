//! Is empty: the benchmarks of arrwDB itself are programs of their own, in `benches/benches`.
//!
//! They promise to check their answers before they report a time. Never: builds a peer; those are
//! measured in `benches/compare`, a workspace of its own.

#![forbid(unsafe_code)]
