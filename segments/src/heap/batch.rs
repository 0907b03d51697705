//! Decides a batch: where its payloads will lie, and which others end.
//!
//! Promises
//!  1. A batch that is not kept leaves no trace.
//!
//! Never: writes to a file.

use super::PayloadHeap;
use super::ledger::Ledger;
use super::place::{LONGEST, PayloadPlace};
use crate::primitives::{MutexGuard, lock};
use crate::{Error, Result};

impl PayloadHeap {
    /// Begins to decide a batch. Others wait until it is kept or dropped.
    pub fn batch(&self) -> HeapBatch<'_> {
        let mut ledger = lock(&self.ledger);
        ledger.begin();
        HeapBatch { ledger }
    }
}

/// A batch that is being decided. Dropped, it is as if it had not begun.
#[derive(Debug)]
#[must_use = "a batch that is not kept is rolled back"]
pub struct HeapBatch<'h> {
    ledger: MutexGuard<'h, Ledger>,
}

impl HeapBatch<'_> {
    /// Finds a place for a payload of so many bytes. It has to be written there when the batch is applied.
    ///
    /// # Errors
    /// [`Error::HeapFull`] if another file is needed; [`Error::PayloadTooLong`].
    pub fn reserve(&mut self, bytes: usize) -> Result<PayloadPlace> {
        self.ledger.reserve(length_of(bytes)?)
    }

    /// Counts a payload as ended. A place that leads nowhere, as one of a damaged row may, changes nothing.
    pub fn release(&mut self, place: PayloadPlace) {
        self.ledger.release(place);
    }

    /// Ends the decision: from here on it stands, and has to reach the log and be applied.
    pub fn keep(mut self) {
        self.ledger.keep();
    }
}

impl Drop for HeapBatch<'_> {
    fn drop(&mut self) {
        self.ledger.roll_back();
    }
}

/// The length of a payload of so many bytes.
pub(super) fn length_of(bytes: usize) -> Result<u32> {
    let length = u32::try_from(bytes).ok().filter(|length| *length <= LONGEST);
    length.ok_or(Error::PayloadTooLong { bytes })
}
