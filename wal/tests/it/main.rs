//! Behaviour of the log as its users see it: on the simulated disk, crashed, torn and damaged everywhere.
#![expect(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
#![expect(clippy::indexing_slicing, reason = "a test ends at what it does not expect")]

mod behaviour;
mod commit;
mod commit_sim;
mod corpus;
mod corruption;
mod crash;
mod edges;
mod elision;
mod faults;
mod forged;
mod golden;
mod hard_life;
mod places;
mod refusals;
mod salvage;
mod store;
