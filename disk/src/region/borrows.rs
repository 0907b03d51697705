//! Keeps account of what bytes of a region are lent, so that a write that overlaps them is caught.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Tracked;

/// Who has borrowed what.
#[derive(Default, Debug)]
pub(super) struct Borrows {
    next: u64,
    live: BTreeMap<u64, Range<usize>>,
}

impl Borrows {
    /// # Panics
    /// If any of these bytes are borrowed.
    pub(super) fn check(&self, written: Range<usize>) {
        for range in self.live.values() {
            assert!(
                range.end <= written.start || written.end <= range.start || written.is_empty(),
                "a write to bytes {written:?} of a mapped file, while {range:?} are borrowed"
            );
        }
    }
}

/// Notes a borrow, until the answer is dropped.
pub(super) fn track(borrows: &Arc<Mutex<Borrows>>, range: &Range<usize>) -> Tracked {
    let mut account = borrows.lock();
    let number = account.next;
    account.next += 1;
    account.live.insert(number, range.clone());
    Tracked::until_dropped(Borrow { number, borrows: Arc::clone(borrows) })
}

/// Ends its borrow when it is dropped.
struct Borrow {
    number: u64,
    borrows: Arc<Mutex<Borrows>>,
}

impl Drop for Borrow {
    fn drop(&mut self) {
        self.borrows.lock().live.remove(&self.number);
    }
}
