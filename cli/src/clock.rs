//! Measures how long something took, to tell the user: no decision depends on it.

#![expect(clippy::disallowed_methods, reason = "what a command tells of its own speed")]

use std::time::{Duration, Instant};

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
