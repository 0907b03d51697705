//! Knows, ahead of the writing, which room a batch will find: so that a batch that gets a number is sure
//! to get its place.
//!
//! Promises
//!  1. What fits here finds its room in the log: it goes through the same sizes in the same order.
//!
//! Never: looks at a file; makes one.

use std::collections::VecDeque;

/// The room for records that is left when all batches so far are written.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Plan {
    /// In the file that will be current then.
    current: u64,
    /// In the files made ahead that will not be begun.
    next: VecDeque<u64>,
    /// Whether somebody was told already that there is none.
    has_asked: bool,
}

impl Plan {
    /// With this room, and nothing on its way to it.
    pub(crate) fn new((current, next): (u64, VecDeque<u64>)) -> Self {
        Plan { current, next, has_asked: false }
    }

    /// With another file made ahead.
    pub(crate) fn add(&mut self, room: u64) {
        self.next.push_back(room);
        self.has_asked = false;
    }

    /// Whether records of this length fit, in whatever way they are cut.
    pub(crate) fn fits(&self, bytes: u64) -> bool {
        bytes <= self.current || self.next.front().is_some_and(|room| bytes <= *room)
    }

    /// Whether a file should be made ahead.
    pub(crate) fn wants_more(&self) -> bool {
        self.next.is_empty()
    }

    /// The same, said once until there is one: where the disk is full, asking again does not help.
    pub(crate) fn asks_for_more(&mut self) -> bool {
        self.wants_more() && !std::mem::replace(&mut self.has_asked, true)
    }

    /// Takes the room for these records, one behind the other. They must fit.
    pub(crate) fn take(&mut self, records: impl Iterator<Item = u64>) {
        for bytes in records {
            if bytes > self.current {
                self.current = self.next.pop_front().expect("whoever takes has asked if it fits");
            }
            let rest = self.current.checked_sub(bytes);
            self.current = rest.expect("whoever takes has asked if it fits");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_fits_what_is_left_or_goes_over_into_the_next_file() {
        let mut plan = Plan::new((1_000, VecDeque::from([5_000])));
        assert!(plan.fits(5_000) && !plan.fits(5_001));
        plan.take([600, 300].into_iter());
        assert!(plan.fits(100) && !plan.wants_more());
        plan.take([50, 60, 900].into_iter());
        assert_eq!(plan, Plan::new((4_040, VecDeque::new())));
        assert!(plan.wants_more() && !plan.fits(4_041));
        assert!(plan.asks_for_more() && !plan.asks_for_more());
        plan.add(9_000);
        assert!(plan.fits(9_000) && !plan.asks_for_more());
    }

    #[test]
    #[should_panic(expected = "has asked")]
    fn more_than_fits_is_never_taken() {
        Plan::new((100, VecDeque::new())).take([60, 60].into_iter());
    }
}
