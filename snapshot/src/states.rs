//! Remembers which chunks of a section were found to be as they were written: a byte each.
//!
//! State of a chunk: unknown -> good or damaged [`States::settle`], once, for good.
//!
//! Promises
//!  1. Asking takes no lock and allocates nothing; the bytes are there from the first chunk that is
//!     settled.
//!  2. Who sees that a chunk is good does so after someone has checked all of it.
//!
//! Why release and acquire: what is published with a state is only that the check came before. The bytes
//! checked are a file's that nobody writes, and no memory of ours travels with the state, so with relaxed order
//! the answers would be as right. But then promise 2 would rest on that alone; and a load with acquire is a plain
//! load on x86-64 and one instruction on aarch64. Two threads may check the same chunk at a time: the first to
//! settle it decides, and only that one counts it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const UNKNOWN: u8 = 0;
const GOOD: u8 = 1;
const DAMAGED: u8 = 2;

/// What is known of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Nobody has looked.
    Unknown,
    /// It is as it was written.
    Good,
    /// It is not.
    Damaged,
}

/// The states of all chunks of a section and of its sums.
#[derive(Debug)]
pub(crate) struct States {
    /// How many there are, those of level 0 first.
    count: u64,
    /// How many chunks level 0 has.
    of_data: u64,
    states: OnceLock<Box<[AtomicU8]>>,
    /// How many chunks of level 0 are known to be good.
    good: AtomicU64,
}

impl States {
    /// All unknown. Allocates nothing.
    pub(crate) fn new(of_data: u64, of_sums: u64) -> States {
        let (states, good) = (OnceLock::new(), AtomicU64::new(0));
        States { count: of_data + of_sums, of_data, states, good }
    }

    /// What is known of a chunk.
    pub(crate) fn get(&self, chunk: u64) -> State {
        match self.states.get().and_then(|states| states.get(chunk as usize)) {
            // Acquire: what was done before the state was settled, the check, comes before what is done
            // with the answer.
            Some(state) => match state.load(Ordering::Acquire) {
                GOOD => State::Good,
                DAMAGED => State::Damaged,
                _ => State::Unknown,
            },
            None => State::Unknown,
        }
    }

    /// Whether all chunks of level 0 are known to be good.
    pub(crate) fn are_all_good(&self) -> bool {
        // Acquire, against the release of each that counted: an addition goes on the release sequence of
        // those before it, so the last one's number is seen with all of their checks before it.
        self.good.load(Ordering::Acquire) == self.of_data
    }

    /// Whether these chunks of level 0 are known to be good.
    pub(crate) fn are_good(&self, first: u64, last: u64) -> bool {
        if first == last {
            return self.get(first) == State::Good;
        }
        self.are_all_good() || (first..=last).all(|chunk| self.get(chunk) == State::Good)
    }

    /// Notes what a check of a chunk found, if nobody has noted anything before.
    pub(crate) fn settle(&self, chunk: u64, found: State) {
        let states = self.states.get_or_init(|| {
            // As many bytes as the file has chunks, so what is allocated is in proportion to the file.
            (0..self.count).map(|_| AtomicU8::new(UNKNOWN)).collect()
        });
        let Some(state) = states.get(chunk as usize) else {
            return;
        };
        let found = match found {
            State::Good => GOOD,
            State::Damaged => DAMAGED,
            State::Unknown => return,
        };
        // Release: the check, which came before, is seen by who sees the state. Of two who settle at once
        // the second fails here, and what it did not change it need not order.
        let was_first =
            state.compare_exchange(UNKNOWN, found, Ordering::Release, Ordering::Relaxed).is_ok();
        if was_first && found == GOOD && chunk < self.of_data {
            self.good.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_settled_once() {
        let states = States::new(3, 1);
        assert_eq!(states.get(0), State::Unknown);
        states.settle(0, State::Good);
        states.settle(0, State::Damaged);
        states.settle(1, State::Damaged);
        states.settle(1, State::Good);
        assert_eq!(
            [0, 1, 2, 3].map(|chunk| states.get(chunk)),
            [State::Good, State::Damaged, State::Unknown, State::Unknown]
        );
        states.settle(9, State::Good);
        assert_eq!(states.get(9), State::Unknown, "there is no such chunk");
    }

    #[test]
    fn all_are_good_once_each_of_them_is() {
        let states = States::new(3, 2);
        for chunk in [4, 0, 2, 2, 3] {
            states.settle(chunk, State::Good);
            assert!(!states.are_all_good() && !states.are_good(0, 2));
        }
        states.settle(1, State::Good);
        assert!(states.are_all_good() && states.are_good(0, 2));
        assert!(States::new(0, 0).are_all_good());
    }

    #[test]
    fn threads_that_settle_the_same_count_it_once() {
        let states = States::new(1_000, 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..999).for_each(|chunk| states.settle(chunk, State::Good)));
            }
        });
        assert!(!states.are_all_good());
        states.settle(999, State::Good);
        assert!(states.are_all_good());
    }
}
