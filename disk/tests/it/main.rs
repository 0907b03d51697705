//! Tests what the `disk` crate promises to its users, through its public face alone.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod child;
mod harness;
mod latch;
mod locking;
mod space;
mod trace;
