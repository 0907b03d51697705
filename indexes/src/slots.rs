//! Sets of slots, a bit for each: those that an index has, and those that a search may find.

mod known;

use base::Slot;

pub(crate) use self::known::{Slots, tables_of};

/// A set of slots, which knows how many they are.
///
/// ```
/// use indexes::{Slot, SlotSet};
///
/// let set: SlotSet = [Slot(3), Slot(70), Slot(3)].into_iter().collect();
/// assert_eq!((set.len(), set.contains(Slot(70)), set.contains(Slot(4))), (2, true, false));
/// ```
#[derive(Clone, Default, Debug)]
pub struct SlotSet {
    words: Vec<u64>,
    len: usize,
}

/// How many slots share a word.
pub(crate) const WORD: usize = 64;

/// In which word a slot is, and which bit of it.
#[inline(always)]
pub(crate) fn place(slot: Slot) -> (usize, u64) {
    (slot.0 as usize / WORD, 1 << (slot.0 % WORD as u32))
}

impl SlotSet {
    /// An empty set.
    pub fn new() -> Self {
        SlotSet::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it has this one.
    pub fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds one; says whether it is new.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let Some(word) = self.words.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.len += usize::from(new);
        new
    }

    /// Takes one out; says whether it was there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        let Some(word) = self.words.get_mut(word) else { return false };
        let there = *word & bit != 0;
        *word &= !bit;
        self.len -= usize::from(there);
        there
    }

    /// Takes out all.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let words = self.words.iter().enumerate();
        words.flat_map(|(at, word)| slots_of(at, *word))
    }

    /// The set of all slots whose bits are set, the lowest bit of the first word being slot 0.
    pub(crate) fn of_words(words: Vec<u64>) -> Self {
        let len = words.iter().map(|word| word.count_ones() as usize).sum();
        SlotSet { words, len }
    }

    /// How many words it has: slots beyond them are not in it.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// How many words it takes to say what is in it: those behind them are empty.
    pub(crate) fn words_taken(&self) -> usize {
        self.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1)
    }

    /// A word of 64 slots.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }
}

/// The slots in a word at this place.
#[inline]
pub(crate) fn slots_of(at: usize, word: u64) -> impl Iterator<Item = Slot> + Clone {
    let mut left = word;
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let bit = left.trailing_zeros();
            left &= left - 1;
            Slot((at * WORD) as u32 + bit)
        })
    })
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<T: IntoIterator<Item = Slot>>(slots: T) -> Self {
        let mut set = SlotSet::new();
        set.extend(slots);
        set
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<T: IntoIterator<Item = Slot>>(&mut self, slots: T) {
        for slot in slots {
            self.insert(slot);
        }
    }
}

impl PartialEq for SlotSet {
    fn eq(&self, other: &Self) -> bool {
        let words = self.words.len().max(other.words.len());
        (0..words).all(|at| self.word(at) == other.word(at))
    }
}

impl Eq for SlotSet {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_as_a_plain_set(steps in prop::collection::vec((any::<bool>(), 0..200_u32), 0..100)) {
            let (mut set, mut model) = (SlotSet::new(), BTreeSet::new());
            for (add, slot) in steps {
                let changed = if add { set.insert(Slot(slot)) } else { set.remove(Slot(slot)) };
                prop_assert_eq!(changed, if add { model.insert(slot) } else { model.remove(&slot) });
                prop_assert_eq!(set.len(), model.len());
            }
            prop_assert!(set.iter().map(|slot| slot.0).eq(model.iter().copied()));
            prop_assert!((0..300).all(|slot| set.contains(Slot(slot)) == model.contains(&slot)));
            prop_assert!(set == set.iter().collect());
        }
    }
}
