//! Wakes the background thread when there is something to do, and lets it sleep when not.
//!
//! Promises
//!  1. Something is done after every poke.
//!
//! Never: decides what is to be done.

use super::primitives::{AtomicBool, Mutex, Ordering, Thread, current, lock, park};

/// The thread, or whoever takes its part.
#[derive(Debug)]
pub(crate) struct Background {
    is_poked: AtomicBool,
    is_stopped: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Background {
    /// Nobody so far.
    pub(crate) fn new() -> Self {
        Background {
            is_poked: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }

    /// Says that there is something to do.
    pub(crate) fn poke(&self) {
        if !self.is_poked.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Whether there is something to do; from now on not, unless somebody says so again.
    pub(crate) fn take_poke(&self) -> bool {
        self.is_poked.swap(false, Ordering::AcqRel)
    }

    /// Lets the thread end, once it has done what there is to do.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.poke();
    }

    /// What the thread runs: serves at every poke, until it is stopped.
    pub(crate) fn run(&self, serve: impl Fn() -> bool) {
        // Whoever poked before this had nobody to wake, and is heard just below.
        *lock(&self.thread) = Some(current());
        loop {
            // Asked in this order: what was to be done before the stop is done.
            let is_stopped = self.is_stopped.load(Ordering::Acquire);
            while self.take_poke() {
                serve();
            }
            if is_stopped {
                return;
            }
            if !self.is_stopped.load(Ordering::Acquire) {
                park();
            }
        }
    }

    fn wake(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.unpark();
        }
    }
}
