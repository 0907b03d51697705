//! Behaviour of segments as their users see it: on the simulated disk, crashed and failing everywhere.
#![expect(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
#![expect(clippy::indexing_slicing, reason = "a test ends at what it does not expect")]

mod alone;
mod corpus;
mod crash;
mod cycles;
mod elision;
mod faults;
mod heap;
mod heap_crash;
mod heap_model;
mod heap_moves;
mod heap_rot;
mod rot;
mod store;
mod syncs;
