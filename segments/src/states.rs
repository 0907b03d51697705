//! Remembers of each slot of a segment whether its vector may be read: a byte each.
//!
//! State: unknown -> good or bad (its sum was checked) -> closed (it is about to be rewritten) -> good (it was
//! written) -> closed -> ...
//!
//! Promises
//!  1. Whoever is told that a slot is good sees all of its vector as it was written or checked.
//!  2. A slot that was closed is not good again before it is published, however late a check of what it held
//!     comes to its end.
//!
//! Why it is enough: the byte is written behind the vector, with release, and read before it, with acquire; a
//! check turns unknown into good or bad in one step that fails if the slot was closed meanwhile.
//!
//! Never: looks at a vector.

use crate::primitives::{AtomicU8, Ordering};

/// What is known of the vector in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// An earlier process wrote it, and nobody has looked at it since.
    Unknown,
    /// There is none to be read.
    Closed,
    /// It was written by this process, or checked.
    Good,
    /// It was checked, and is not what was written.
    Bad,
}

const UNKNOWN: u8 = 0;
const CLOSED: u8 = 1;
const GOOD: u8 = 2;
const BAD: u8 = 3;

/// What is known of the slots of a segment.
#[derive(Debug)]
pub(crate) struct States {
    slots: Box<[AtomicU8]>,
}

impl States {
    /// Nothing is known of so many slots.
    pub(crate) fn unknown(slots: u32) -> Self {
        States { slots: (0..slots).map(|_| AtomicU8::new(UNKNOWN)).collect() }
    }

    /// There is nothing in so many slots.
    pub(crate) fn closed(slots: u32) -> Self {
        States { slots: (0..slots).map(|_| AtomicU8::new(CLOSED)).collect() }
    }

    /// Whether the vector may be read as it is.
    #[inline]
    pub(crate) fn is_good(&self, index: u32) -> bool {
        // Acquire: see the header.
        self.slots.get(index as usize).is_some_and(|state| state.load(Ordering::Acquire) == GOOD)
    }

    /// What is known of a slot.
    pub(crate) fn get(&self, index: u32) -> State {
        let state = self.slots.get(index as usize).map(|state| state.load(Ordering::Acquire));
        match state {
            Some(UNKNOWN) => State::Unknown,
            Some(GOOD) => State::Good,
            Some(BAD) => State::Bad,
            _ => State::Closed,
        }
    }

    /// Lets nobody begin to read a slot.
    pub(crate) fn close(&self, index: u32) {
        self.set(index, CLOSED);
    }

    /// Shows a slot: its vector has been written.
    pub(crate) fn publish(&self, index: u32) {
        self.set(index, GOOD);
    }

    /// Notes what a check of an unknown slot has found, good or bad, unless the slot was closed meanwhile.
    /// Answers with what is so now.
    pub(crate) fn note(&self, index: u32, found: State) -> State {
        let found = if found == State::Good { GOOD } else { BAD };
        if let Some(state) = self.slots.get(index as usize) {
            // Of two checks at a time both find the same; the second one changes nothing.
            let _same_or_closed =
                state.compare_exchange(UNKNOWN, found, Ordering::AcqRel, Ordering::Acquire);
        }
        self.get(index)
    }

    /// Notes that a slot that passed for good is not what was written: a later look at the device says so.
    pub(crate) fn doubt(&self, index: u32) {
        if let Some(state) = self.slots.get(index as usize) {
            for was in [UNKNOWN, GOOD] {
                let _is_closed =
                    state.compare_exchange(was, BAD, Ordering::AcqRel, Ordering::Acquire);
            }
        }
    }

    fn set(&self, index: u32, to: u8) {
        if let Some(state) = self.slots.get(index as usize) {
            // Release: whoever sees this sees what was written before. A swap, so that of a check at the same
            // time it is clear which came first.
            state.swap(to, Ordering::AcqRel);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_check_decides_once_and_a_closed_slot_stays_closed() {
        let states = States::unknown(3);
        assert_eq!(states.get(0), State::Unknown);
        assert_eq!(states.note(0, State::Good), State::Good);
        assert_eq!(states.note(1, State::Bad), State::Bad);
        assert_eq!(states.note(0, State::Bad), State::Good, "it was decided");
        states.close(2);
        assert_eq!(states.note(2, State::Good), State::Closed);
        states.publish(2);
        assert!(states.is_good(2) && !states.is_good(1));
        states.doubt(2);
        assert_eq!(states.get(2), State::Bad);
        states.close(2);
        states.doubt(2);
        assert_eq!(states.get(2), State::Closed);
        assert_eq!(states.get(3), State::Closed, "there is no such slot");
        assert_eq!(States::closed(1).get(0), State::Closed);
    }
}

#[cfg(all(test, loom))]
mod models;
