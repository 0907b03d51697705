//! Whether something may be read or written: never both.
//!
//! A gate is shut at first. Whoever holds it writes, and opens it, or puts it back; once it is open, readers
//! that have a pin may read. It is closed again by whoever wants to write anew: from then on nobody begins to read. When all
//! are gone who may have begun before, it is shut.

use super::primitives::{AtomicU32, Ordering};

const SHUT: u32 = 0;
const HELD: u32 = 1;
const OPEN: u32 = 2;
const CLOSED: u32 = 3;

#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Gate(AtomicU32);

impl Gate {
    /// One that is shut.
    #[cfg(all(test, loom))]
    pub(super) fn new() -> Self {
        Gate(AtomicU32::new(SHUT))
    }

    /// Whether it is open: all that was written before it was opened is seen then.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == OPEN
    }

    /// Begins to write; says whether nobody else did. All that was done before it was shut is seen.
    pub(super) fn hold(&self) -> bool {
        self.0.compare_exchange(SHUT, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Opens it: only for whoever holds it.
    pub(super) fn open(&self) {
        self.0.store(OPEN, Ordering::Release);
    }

    /// Shuts it: only for whoever holds it, or closed it and knows that all readers are gone.
    pub(super) fn shut(&self) {
        self.0.store(SHUT, Ordering::Release);
    }

    /// Lets nobody begin to read; says whether it was open.
    pub(super) fn close(&self) -> bool {
        self.0.compare_exchange(OPEN, CLOSED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
