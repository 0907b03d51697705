//! Measures how long something took, and how often is told how far it is, to tell the user: no decision depends on it.

#![expect(clippy::disallowed_methods, reason = "what a command tells of its own speed")]

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often is told how far something is.
const AGAIN: Duration = Duration::from_millis(100);

/// A watch that runs from its making.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Does something, again and again, until the other side of the channel is gone; then once more.
pub(crate) fn again_until(ends: &Receiver<()>, mut work: impl FnMut()) {
    while ends.recv_timeout(AGAIN) == Err(RecvTimeoutError::Timeout) {
        work();
    }
    work();
}
