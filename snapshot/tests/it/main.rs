//! Behaviour of images and manifests as their users see it: on the simulated disk, crashed and failing
//! everywhere.
#![expect(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
#![expect(clippy::indexing_slicing, reason = "a test ends at what it does not expect")]

mod behaviour;
mod corpus;
mod corruption;
mod crash;
mod elision;
mod faults;
mod golden;
mod store;
