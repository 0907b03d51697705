//! Behaviour of stores as their users see it: on a real disk, and on the simulated one, crashed everywhere.
#![expect(clippy::unwrap_used, reason = "a test ends at what it does not expect")]
#![expect(clippy::indexing_slicing, reason = "a test ends at what it does not expect")]

mod behaviour;
mod catch_up;
mod chance;
mod changes;
mod child;
mod chosen;
mod collections;
mod corpus;
mod corruption;
mod crash;
mod data;
mod distances;
mod face;
mod faults;
#[cfg(target_os = "linux")]
mod fork;
mod history;
mod index_history;
mod indexes;
mod inspect;
mod killed;
mod long;
#[cfg(target_os = "linux")]
mod memory;
mod misuse;
mod model;
#[cfg(target_os = "linux")]
mod mounted;
mod notes;
mod payload;
mod payloads;
#[cfg(target_os = "linux")]
mod power;
mod report;
#[cfg(target_os = "linux")]
mod shutdown;
mod space;
mod store;
#[cfg(target_os = "linux")]
mod taken_away;
mod verify;
mod waits;
mod writes;
