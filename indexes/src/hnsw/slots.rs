//! What the graph knows of slots: which it has, which it was told to give up and still goes by, and which are taken.

use base::Slot;

use crate::SlotSet;
use crate::lent::LentRows;
use crate::shared::{Lives, SharedSet};
use crate::slots::{WORD, slots_of};

/// How many bytes of words a row of an image's table has.
pub(super) const ROW: usize = crate::rows::LINE;

const WORDS: usize = ROW / size_of::<u64>();

/// Slots: in sets of our own, or in words that lie in an image.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
pub(super) enum Slots {
    Own(OwnSlots),
    Lent(LentSlots),
}

/// Those of our own.
#[derive(Debug)]
pub(super) struct OwnSlots {
    pub(super) lives: Lives,
    /// Those of the removed ones that are being detached: nobody may be linked to them any more.
    pub(super) doomed: SharedSet,
}

#[derive(Debug)]
pub(super) struct LentSlots {
    pub(super) live: LentRows,
    pub(super) removed: LentRows,
    pub(super) words: usize,
    /// How many are live, and how many removed.
    pub(super) counts: [usize; 2],
}

#[inline(always)]
fn lent_word<const CHECK: bool>(rows: &LentRows, at: usize) -> u64 {
    let row = rows.row::<CHECK>(at / WORDS).as_chunks().0;
    row.get(at % WORDS).map_or(0, |word| u64::from_le_bytes(*word))
}

impl Slots {
    pub(super) fn new() -> Self {
        Slots::Own(OwnSlots { lives: Lives::new(), doomed: SharedSet::new() })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Slots::Own(own) => own.lives.live.len(),
            Slots::Lent(lent) => lent.counts[0],
        }
    }

    /// How many were removed, and are not given back.
    pub(super) fn removed(&self) -> usize {
        match self {
            Slots::Own(own) => own.lives.removed.len(),
            Slots::Lent(lent) => lent.counts[1],
        }
    }

    /// How many words it takes to say what is in it.
    pub(super) fn words(&self) -> usize {
        match self {
            Slots::Own(own) => own.lives.taken.words(),
            Slots::Lent(lent) => lent.words,
        }
    }

    /// A word of 64 slots that are live; of what should be checked, and is not what was written, an empty one.
    #[inline(always)]
    pub(super) fn word<const CHECK: bool>(&self, at: usize) -> u64 {
        match self {
            Slots::Own(own) => own.lives.live.word(at),
            Slots::Lent(lent) => lent_word::<CHECK>(&lent.live, at),
        }
    }

    /// A word of 64 slots that are removed.
    fn removed_word<const CHECK: bool>(&self, at: usize) -> u64 {
        match self {
            Slots::Own(own) => own.lives.removed.word(at),
            Slots::Lent(lent) => lent_word::<CHECK>(&lent.removed, at),
        }
    }

    /// Those that were removed, and are not given back. What is live is not removed, whatever an image says.
    pub(super) fn gone<const CHECK: bool>(&self) -> SlotSet {
        let gone = |at| self.removed_word::<CHECK>(at) & !self.word::<CHECK>(at);
        SlotSet::of_words((0..self.words()).map(gone).collect())
    }

    #[inline(always)]
    pub(super) fn contains<const CHECK: bool>(&self, slot: Slot) -> bool {
        let at = slot.0 as usize;
        self.word::<CHECK>(at / WORD) >> (at % WORD) & 1 == 1
    }

    /// All that are live, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.words()).flat_map(|at| slots_of(at, self.word::<false>(at)))
    }

    /// All that the graph goes by, live or removed, in order.
    pub(super) fn in_graph(&self) -> impl Iterator<Item = Slot> + '_ {
        let word = |at| self.word::<false>(at) | self.removed_word::<false>(at);
        (0..self.words()).flat_map(move |at| slots_of(at, word(at)))
    }

    /// The sets, to be changed: nothing, where they lie in an image.
    pub(super) fn own(&self) -> Option<&OwnSlots> {
        match self {
            Slots::Own(own) => Some(own),
            Slots::Lent(_) => None,
        }
    }

    /// A copy of our own.
    pub(super) fn copied(&self) -> Self {
        let live = SlotSet::of_words((0..self.words()).map(|at| self.word::<false>(at)).collect());
        let lives = Lives::of(&live, &self.gone::<false>());
        Slots::Own(OwnSlots { lives, doomed: SharedSet::new() })
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Slots::Own(OwnSlots { lives, doomed }) => lives.bytes() + doomed.bytes(),
            Slots::Lent(_) => 0,
        }
    }
}
