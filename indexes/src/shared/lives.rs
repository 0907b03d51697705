//! What an index knows of its slots: which it has, which it was told to give up, and which are taken.
//!
//! A slot is *taken* from when it is taken up until it is given back. It is *live* when a search may find it, and *removed* from
//! then on until it is given back. So whoever inserts a slot is alone with it, and so is whoever gives it back.

use base::Slot;

use super::SharedSet;
use crate::{Error, SlotSet};

#[derive(Debug)]
pub(crate) struct Lives {
    pub(crate) live: SharedSet,
    pub(crate) removed: SharedSet,
    pub(crate) taken: SharedSet,
}

/// Slots that are taken. When this is dropped they are put back, or, once others may have come to them, removed.
#[must_use = "they are put back at once"]
pub(crate) struct Taken<'s> {
    lives: &'s Lives,
    slots: &'s [Slot],
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unseen,
    Seen,
    Live,
}

impl Lives {
    pub(crate) fn new() -> Self {
        let [live, removed, taken] = std::array::from_fn(|_| SharedSet::new());
        Lives { live, removed, taken }
    }

    /// Slots that are live, and others that are removed.
    pub(crate) fn of(live: &SlotSet, removed: &SlotSet) -> Self {
        let lives = Lives { live: live.into(), removed: removed.into(), taken: live.into() };
        removed.iter().for_each(|slot| _ = lives.taken.insert(slot));
        lives
    }

    /// Takes slots, for one who is going to insert them: all, or none.
    pub(crate) fn take<'s>(&'s self, slots: &'s [Slot]) -> Result<Taken<'s>, Error> {
        for (at, slot) in slots.iter().enumerate() {
            if !self.taken.insert(*slot) {
                let before = slots.get(..at).unwrap_or_default();
                before.iter().for_each(|slot| _ = self.taken.remove(*slot));
                return Err(self.why_not(*slot));
            }
        }
        Ok(Taken { lives: self, slots, state: State::Unseen })
    }

    /// Looks whether a slot may be taken.
    pub(crate) fn check_free(&self, slot: Slot) -> Result<(), Error> {
        if self.taken.contains(slot) { Err(self.why_not(slot)) } else { Ok(()) }
    }

    fn why_not(&self, slot: Slot) -> Error {
        match self.removed.contains(slot) {
            true => Error::NotGivenBack { slot },
            false => Error::There { slot },
        }
    }

    /// Lets nobody find a slot any more; says whether it was there.
    pub(crate) fn remove(&self, slot: Slot) -> bool {
        let there = self.live.remove(slot);
        if there {
            self.removed.insert(slot);
        }
        there
    }

    /// Lets a slot be taken again.
    pub(crate) fn let_go(&self, slot: Slot) {
        self.removed.remove(slot);
        self.taken.remove(slot);
    }

    /// Those that are live, and all that are taken beside them: removed ones, as long as nobody inserts.
    pub(crate) fn now(&self) -> [SlotSet; 2] {
        // In this order: what is removed in between is among the first, and not among the others.
        let live = self.live.now();
        let words = (0..self.taken.words()).map(|at| self.taken.word(at) & !live.word(at));
        let removed = SlotSet::of_words(words.collect());
        [live, removed]
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        [&self.live, &self.removed, &self.taken].map(SharedSet::bytes).iter().sum()
    }
}

impl Taken<'_> {
    /// From now on others may come to them.
    pub(crate) fn are_seen(&mut self) {
        self.state = State::Seen;
    }

    /// Lets all find them.
    pub(crate) fn live(mut self) {
        self.state = State::Live;
        self.slots.iter().for_each(|slot| _ = self.lives.live.insert(*slot));
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for slot in self.slots {
            match self.state {
                State::Unseen => _ = self.lives.taken.remove(*slot),
                State::Seen => _ = self.lives.removed.insert(*slot),
                State::Live => {}
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn slots(these: &[u32]) -> Vec<Slot> {
        these.iter().map(|slot| Slot(*slot)).collect()
    }

    #[test]
    fn what_is_taken_is_put_back_removed_or_live() {
        let lives = Lives::new();
        let (some, more, others) = (slots(&[1, 2]), slots(&[3, 2]), slots(&[7, 8]));
        let taken = lives.take(&some).expect("they are free");
        assert!(matches!(lives.take(&more), Err(Error::There { slot: Slot(2) })));
        assert!(lives.check_free(Slot(3)).is_ok(), "it was put back");
        drop(taken);
        lives.take(&some).expect("they were put back").live();
        let mut taken = lives.take(&others).expect("they are free");
        taken.are_seen();
        drop(taken);
        assert!(lives.remove(Slot(1)) && !lives.remove(Slot(1)) && !lives.remove(Slot(7)));
        let now = lives.now().map(|set| set.iter().map(|slot| slot.0).collect::<Vec<_>>());
        assert_eq!(now, [vec![2], vec![1, 7, 8]]);
        assert!(matches!(lives.check_free(Slot(7)), Err(Error::NotGivenBack { .. })));
        lives.let_go(Slot(7));
        assert!(lives.check_free(Slot(7)).is_ok());
    }
}
