//! The slots that a graph has: a set of our own, or the words of one that lie in an image.

use base::Slot;

use crate::SlotSet;
use crate::slots::{WORD, slots_of};
use crate::table::Table;

/// How many bytes of words a row of an image's table has.
pub(super) const ROW: usize = crate::rows::LINE;

const WORDS: usize = ROW / size_of::<u64>();

/// Slots.
#[derive(Clone, Debug)]
pub(super) enum Live {
    Own(SlotSet),
    Lent { rows: Table, words: usize, len: usize },
}

impl Live {
    pub(super) fn new() -> Self {
        Live::Own(SlotSet::new())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Live::Own(set) => set.len(),
            Live::Lent { len, .. } => *len,
        }
    }

    /// How many words it takes to say what is in it.
    pub(super) fn words(&self) -> usize {
        match self {
            Live::Own(set) => set.words(),
            Live::Lent { words, .. } => *words,
        }
    }

    /// A word of 64 slots; of what should be checked, and is not what was written, an empty one.
    #[inline]
    pub(super) fn word<const CHECK: bool>(&self, at: usize) -> u64 {
        match self {
            Live::Own(set) => set.word(at),
            Live::Lent { rows, .. } => {
                let row = rows.row::<CHECK>(at / WORDS).as_chunks().0;
                row.get(at % WORDS).map_or(0, |word| u64::from_le_bytes(*word))
            }
        }
    }

    #[inline]
    pub(super) fn contains<const CHECK: bool>(&self, slot: Slot) -> bool {
        let at = slot.0 as usize;
        self.word::<CHECK>(at / WORD) >> (at % WORD) & 1 == 1
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.words()).flat_map(|at| slots_of(at, self.word::<false>(at)))
    }

    /// The set, to be changed: it is copied, if it is lent.
    pub(super) fn own(&mut self) -> &mut SlotSet {
        if let Live::Lent { .. } = self {
            let words = (0..self.words()).map(|at| self.word::<false>(at)).collect();
            *self = Live::Own(SlotSet::of_words(words));
        }
        match self {
            Live::Own(set) => set,
            // It was replaced just now.
            Live::Lent { .. } => unreachable!("a set that is lent was copied"),
        }
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Live::Own(set) => set.words() * size_of::<u64>(),
            Live::Lent { .. } => 0,
        }
    }
}
