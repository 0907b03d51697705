//! Holds what several of the benchmarks of arrwDB itself need; they are programs of their own, in
//! `benches/benches`.
//!
//! They promise to check their answers before they report a time. Never: builds a peer; those are
//! measured in `benches/compare`, a workspace of its own.

#![forbid(unsafe_code)]

pub mod clusters;
pub mod dataset;
pub mod input;
pub mod known;
pub mod nearest;
pub mod npy;
pub mod random;
pub mod rounds;
pub mod stores;
pub mod twin;
