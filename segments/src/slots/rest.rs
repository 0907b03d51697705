//! Gives slots back that rest: in two steps, so that whoever still reads one is never written under.
//!
//! A slot may be given out again once nothing that is kept refers to it, no view is left that sees it, and no
//! index leads there (`RestingUntil`). Then it is *closed*: no reader begins to read it any more, whatever
//! number it asks for. It is free when all views are gone that were there when it was closed.
//!
//! Why the second step: a view at a later number does not see the slot, and has no business with it. But it
//! can ask, and be lent the bytes; while it holds them nobody may write there.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use base::{Sequence, Slot};

use super::Life;
use super::delta::Entry;
use super::table::{SlotTable, Slots};
use crate::{Error, Result};

/// Slots on their way from rest to freedom.
#[derive(Clone, Default, Debug)]
pub(super) struct Rest {
    /// Closed, with the number that was the latest visible then. In that order.
    closing: VecDeque<(Slot, Option<Sequence>)>,
    is_closing: Slots,
    /// Freed since the last cut, and passed over, since a retained span sees them.
    held_since_cut: Vec<Slot>,
}

/// Up to when what was freed may be used again.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RestingUntil {
    /// No retained window that reaches to the present, no view and no index knows of what was freed by this
    /// batch or an earlier one. `None`: nothing may be.
    pub freed: Option<Sequence>,
    /// Spans of numbers that are retained apart from that, each from its first number to its last.
    pub spans: Vec<RangeInclusive<Sequence>>,
}

/// What a step of reclaiming did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reclaimed {
    /// Slots that became free.
    pub freed: u64,
    /// Slots that were closed, to be freed later.
    pub closed: u64,
    /// All slots that are closed and not free yet: they are when a later batch is visible, and all views of before
    /// are gone.
    pub waiting: u64,
    /// Whether there may be more to be done.
    pub more: bool,
}

impl RestingUntil {
    /// Whether a retained span sees it.
    fn holds(&self, life: Life) -> bool {
        self.spans.iter().any(|span| life.meets(*span.start(), *span.end()))
    }
}

impl Rest {
    /// The slots that are closed and not yet free.
    #[cfg(test)]
    pub(super) fn closing(&self) -> Vec<Slot> {
        self.closing.iter().map(|(slot, _)| *slot).collect()
    }

    /// How many slots were freed since the last cut, and taken off their list.
    pub(super) fn count_since_cut(&self) -> usize {
        self.held_since_cut.len()
    }
}

impl SlotTable {
    /// Closes slots at rest: no later than `until` allows, and in the order in which they were freed. `close` is
    /// told of each; `visible` says, behind that, which number is the latest visible one. Passes so many slots
    /// `at_most`.
    ///
    /// # Errors
    /// None: what cannot be read, or contradicts itself, is passed over and [noted](SlotTable::problems).
    ///
    /// # Panics
    /// In the midst of a batch.
    pub fn close(
        &mut self,
        (until, at_most): (&RestingUntil, u32),
        mut close: impl FnMut(Slot),
        visible: impl FnOnce() -> Option<Sequence>,
    ) -> Result<Reclaimed> {
        self.assert_no_batch();
        let mut closed = Vec::new();
        let more = self.pass_resting(until, at_most, |slot| {
            close(slot);
            closed.push(slot);
        });
        // Whoever comes behind this finds them closed; whoever came before reads at this number at most.
        let visible = visible();
        let count = closed.len() as u64;
        self.rest.closing.extend(closed.into_iter().map(|slot| (slot, visible)));
        Ok(Reclaimed { freed: 0, closed: count, waiting: self.rest.closing.len() as u64, more })
    }

    /// Passes so many slots at most; says whether there may be more.
    fn pass_resting(
        &mut self,
        until: &RestingUntil,
        at_most: u32,
        mut close: impl FnMut(Slot),
    ) -> bool {
        for _ in 0..at_most {
            let Some((slot, from)) = self.next_resting() else { return false };
            let Some(slot) = slot else {
                self.pass(from);
                continue;
            };
            let known = match self.known(slot) {
                Ok(Some(known)) if !known.is_alive() => known,
                found => {
                    self.pass(from);
                    let odd = Error::Inconsistent { slot, what: "at rest, and alive or free" };
                    self.note(found.err().unwrap_or(odd));
                    continue;
                }
            };
            if known.life.end() > until.freed {
                return false;
            }
            self.pass(from);
            match from {
                _ if !until.holds(known.life) => {
                    // At once: a description may list a slot twice, and it must not become free twice.
                    self.rest.is_closing.insert(slot.0);
                    close(slot);
                }
                List::Delta => self.rest.held_since_cut.push(slot),
                // Found in the list again when it is looked at again.
                List::Base | List::Frozen => {}
            }
        }
        true
    }

    /// Frees the slots that were closed before all views that there are: `unread` is the number up to which
    /// none reads. Frees so many `at_most`, and returns how many.
    ///
    /// # Panics
    /// In the midst of a batch.
    pub fn free_closed(&mut self, unread: Option<Sequence>, at_most: u32) -> u64 {
        self.assert_no_batch();
        let mut freed = 0;
        while let Some((slot, visible)) = self.rest.closing.front().copied() {
            if visible >= unread || freed == u64::from(at_most) {
                break;
            }
            self.rest.closing.pop_front();
            self.rest.is_closing.remove(&slot.0);
            self.delta.set(slot, Entry::FREE);
            if !self.is_avoided(slot) {
                self.delta.free.push(slot);
            }
            freed += 1;
        }
        freed
    }

    /// Looks again at the slots that a retained span held: it is no longer retained.
    pub fn reconsider(&mut self) {
        let held = std::mem::take(&mut self.rest.held_since_cut);
        for slot in held.into_iter().rev() {
            self.delta.resting.push_front(slot);
        }
        // The others are found in the lists again.
        let left = super::table::Left::of(&*self.base, self.frozen.as_deref());
        self.left.base_resting = left.base_resting;
        self.left.frozen_resting = left.frozen_resting;
    }

    /// What was freed since the last cut and rests, in the order in which it was freed.
    pub(super) fn resting_since_cut(&mut self) -> VecDeque<Slot> {
        let mut resting: VecDeque<Slot> = std::mem::take(&mut self.rest.held_since_cut).into();
        resting.append(&mut self.delta.resting);
        resting
    }

    /// The next slot of the lists, the oldest list first; in the place of one with which something happened since,
    /// none.
    fn next_resting(&mut self) -> Option<(Option<Slot>, List)> {
        let passed = self.base.resting().saturating_sub(self.left.base_resting);
        if self.left.base_resting > 0 {
            return Some((self.resting_of_base(passed), List::Base));
        }
        if let Some(frozen) = &self.frozen {
            let passed = frozen.resting.len() - self.left.frozen_resting;
            if let Some(slot) = frozen.resting.get(passed) {
                let rests = self.delta.leaves(*slot) && !self.rest.is_closing.contains(&slot.0);
                return Some((rests.then_some(*slot), List::Frozen));
            }
        }
        self.delta.resting.front().map(|slot| (Some(*slot), List::Delta))
    }

    fn resting_of_base(&mut self, at: u64) -> Option<Slot> {
        let slot = match self.base.resting_at(at) {
            Ok(slot) => slot,
            Err(error) => {
                self.note(error);
                return None;
            }
        };
        if u64::from(slot.0) >= self.base.slots() {
            self.note(Error::Inconsistent { slot, what: "at rest, and was never given out" });
            return None;
        }
        let rests = self.is_as_described(slot) && !self.rest.is_closing.contains(&slot.0);
        rests.then_some(slot)
    }

    fn pass(&mut self, from: List) {
        match from {
            List::Base => self.left.base_resting = self.left.base_resting.saturating_sub(1),
            List::Frozen => {
                self.left.frozen_resting = self.left.frozen_resting.saturating_sub(1);
            }
            List::Delta => drop(self.delta.resting.pop_front()),
        }
    }
}

/// Where a slot at rest is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Base,
    Frozen,
    Delta,
}
