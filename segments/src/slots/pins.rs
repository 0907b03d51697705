//! Remembers who reads at which number, so that no slot is rewritten under a reader.
//!
//! Promises
//!  1. A pin is taken at the latest visible number, and from that moment on [`Pins::unread_before`] is not
//!     above it.
//!  2. What was found unread stays so: whoever comes later reads at a later number.
//!
//! Why a lock, and not a counter for each thread: taking the number and noting it have to be one step.
//! Between the two a writer could free a slot, find nobody reading, and rewrite it.
//!
//! Never: waits for a reader.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base::Sequence;

use crate::primitives::{Mutex, lock};

/// What is visible, and who reads what.
#[derive(Debug)]
pub struct Pins {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    visible: Option<Sequence>,
    /// How many pins there are at each number; `None` is a view of nothing.
    pinned: BTreeMap<Option<Sequence>, usize>,
}

impl Pins {
    /// Nobody reads, and everything up to this number is visible.
    pub fn new(visible: Option<Sequence>) -> Arc<Self> {
        Arc::new(Pins { state: Mutex::new(State { visible, pinned: BTreeMap::new() }) })
    }

    /// Makes everything up to this number visible: to those who come from now on.
    pub fn advance(&self, visible: Sequence) {
        let mut state = lock(&self.state);
        state.visible = state.visible.max(Some(visible));
    }

    /// Pins what is visible now.
    pub fn pin(self: &Arc<Self>) -> Pin {
        let mut state = lock(&self.state);
        let view = state.visible;
        *state.pinned.entry(view).or_default() += 1;
        drop(state);
        Pin { pins: Arc::clone(self), view }
    }

    /// The number up to which no view reads, now or ever: what was freed by a batch up to this one is seen by
    /// nobody any more.
    pub fn unread_before(&self) -> Option<Sequence> {
        let state = lock(&self.state);
        let oldest = state.pinned.keys().next().copied();
        oldest.unwrap_or(state.visible).min(state.visible)
    }

    /// The latest visible number.
    pub fn visible(&self) -> Option<Sequence> {
        lock(&self.state).visible
    }

    /// How many pins there are.
    pub fn count(&self) -> usize {
        lock(&self.state).pinned.values().sum()
    }

    fn unpin(&self, view: Option<Sequence>) {
        let mut state = lock(&self.state);
        if let Some(count) = state.pinned.get_mut(&view) {
            *count -= 1;
            if *count == 0 {
                state.pinned.remove(&view);
            }
        }
    }
}

/// A view's hold on what it sees. Dropped, it lets go.
#[must_use = "what it holds may be rewritten once it is dropped"]
pub struct Pin {
    pins: Arc<Pins>,
    view: Option<Sequence>,
}

impl Pin {
    /// Whether it is one of these pins.
    pub fn is_of(&self, pins: &Arc<Pins>) -> bool {
        Arc::ptr_eq(&self.pins, pins)
    }

    /// The number at which the view reads; `None` if it sees nothing.
    pub fn view(&self) -> Option<Sequence> {
        self.view
    }
}

impl Clone for Pin {
    /// Another hold on the same view: it is not let go of before both are dropped.
    fn clone(&self) -> Self {
        *lock(&self.pins.state).pinned.entry(self.view).or_default() += 1;
        Pin { pins: Arc::clone(&self.pins), view: self.view }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.unpin(self.view);
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").field("view", &self.view).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pin_decides_what_is_unread() {
        let pins = Pins::new(None);
        assert_eq!(pins.unread_before(), None);
        let nothing = pins.pin();
        assert_eq!(nothing.view(), None);
        pins.advance(Sequence::FIRST);
        assert_eq!(pins.unread_before(), None, "somebody still sees what was there before");
        drop(nothing);
        assert_eq!(pins.unread_before(), Sequence::new(1));
        let first = pins.pin();
        let again = first.clone();
        pins.advance(Sequence::new(7).unwrap());
        let seventh = pins.pin();
        assert_eq!((first.view(), seventh.view()), (Sequence::new(1), Sequence::new(7)));
        assert_eq!((pins.unread_before(), pins.count()), (Sequence::new(1), 3));
        drop(first);
        assert_eq!(pins.unread_before(), Sequence::new(1), "its clone holds on");
        drop(again);
        assert_eq!(pins.unread_before(), Sequence::new(7));
        pins.advance(Sequence::FIRST);
        assert_eq!(pins.pin().view(), Sequence::new(7), "what is visible stays so");
        drop(seventh);
        assert_eq!(pins.count(), 0);
    }
}

#[cfg(all(test, loom))]
mod models {
    //! A reader and a writer who frees a slot and rewrites it, in every order: by
    //! `RUSTFLAGS="--cfg loom" cargo test --release -p arrwdb-segments --lib models`.

    use loom::sync::atomic::{AtomicU64, Ordering};
    use loom::thread;

    use super::*;

    const OLD: u64 = 1;
    const NEW: u64 = 2;

    /// Reads the slot twice under a pin, if the view sees it: no write may come between.
    fn read(pins: &Arc<Pins>, slot: &AtomicU64) {
        let pin = pins.pin();
        if pin.view() < Sequence::new(2) {
            for _ in 0..2 {
                assert_eq!(slot.load(Ordering::Relaxed), OLD, "rewritten under a reader");
            }
        }
    }

    /// Batch 2 frees the slot; batch 3 takes it, if nobody reads it.
    fn free_and_rewrite(pins: &Pins, slot: &AtomicU64) {
        let freed = Sequence::new(2);
        pins.advance(Sequence::new(2).unwrap());
        if pins.unread_before() >= freed {
            slot.store(NEW, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_slot_is_not_rewritten_under_a_reader() {
        loom::model(|| {
            let pins = Pins::new(Sequence::new(1));
            let slot = Arc::new(AtomicU64::new(OLD));
            let spawn = |act: fn(&Arc<Pins>, &AtomicU64)| {
                let (pins, slot) = (Arc::clone(&pins), Arc::clone(&slot));
                thread::spawn(move || act(&pins, &slot))
            };
            let threads =
                [spawn(read), spawn(read), spawn(|pins, slot| free_and_rewrite(pins, slot))];
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}
