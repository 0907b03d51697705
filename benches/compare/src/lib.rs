//! Will measure arrwDB and its peers in one run, on the same data. Nothing is here yet.
//!
//! To promise: every peer does the same work to the same durability, its answers are checked, and a
//! figure of ours never stands without theirs of the same run.

#![forbid(unsafe_code)]
