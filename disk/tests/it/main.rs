//! Tests what the `disk` crate promises to its users, through its public face alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod child;
mod latch;
mod locking;
mod space;
mod trace;
