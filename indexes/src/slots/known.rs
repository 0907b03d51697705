//! What an index knows of its slots: which it has, and which it was told to give up and has not given back. Kept in sets of
//! its own, or in words that lie in an image.

use base::Slot;

use super::{WORD, slots_of};
use crate::lent::{LentRows, Tables};
use crate::rows::LINE;
use crate::shared::Lives;
use crate::{Error, SlotSet};

/// How many bytes of words a row of an image's table has.
const ROW: usize = LINE;

const WORDS: usize = ROW / size_of::<u64>();

/// Slots: in sets of our own, or in words that lie in an image.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
pub(crate) enum Slots {
    Own(Lives),
    Lent(LentSlots),
}

#[derive(Debug)]
pub(crate) struct LentSlots {
    live: LentRows,
    removed: LentRows,
    words: usize,
    /// How many are live, and how many removed.
    counts: [usize; 2],
}

/// How many rows of how many bytes each of the two tables has that so many words are in.
pub(crate) fn tables_of(words: usize) -> [(usize, usize); 2] {
    [(words.div_ceil(WORDS), ROW); 2]
}

#[inline(always)]
fn lent_word<const CHECK: bool>(rows: &LentRows, at: usize) -> u64 {
    let row = rows.row::<CHECK>(at / WORDS).as_chunks().0;
    row.get(at % WORDS).map_or(0, |word| u64::from_le_bytes(*word))
}

impl Slots {
    pub(crate) fn new() -> Self {
        Slots::Own(Lives::new())
    }

    /// So many words that lie in the next tables of an image, whose header says how many slots are live, and how many removed.
    pub(crate) fn lent(
        words: usize,
        counts: [usize; 2],
        tables: &mut Tables,
    ) -> Result<Self, Error> {
        let (live, removed) = (tables.next()?, tables.next()?);
        Ok(Slots::Lent(LentSlots { live, removed, words, counts }))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Slots::Own(own) => own.live.len(),
            Slots::Lent(lent) => lent.counts[0],
        }
    }

    /// How many were removed, and are not given back.
    pub(crate) fn removed(&self) -> usize {
        match self {
            Slots::Own(own) => own.removed.len(),
            Slots::Lent(lent) => lent.counts[1],
        }
    }

    /// How many words it takes to say what is in it.
    pub(crate) fn words(&self) -> usize {
        match self {
            Slots::Own(own) => own.taken.words(),
            Slots::Lent(lent) => lent.words,
        }
    }

    /// A word of 64 slots that are live; of what should be checked, and is not what was written, an empty one.
    #[inline(always)]
    pub(crate) fn word<const CHECK: bool>(&self, at: usize) -> u64 {
        match self {
            Slots::Own(own) => own.live.word(at),
            Slots::Lent(lent) => lent_word::<CHECK>(&lent.live, at),
        }
    }

    /// A word of 64 slots that are removed.
    fn removed_word<const CHECK: bool>(&self, at: usize) -> u64 {
        match self {
            Slots::Own(own) => own.removed.word(at),
            Slots::Lent(lent) => lent_word::<CHECK>(&lent.removed, at),
        }
    }

    /// Those that were removed, and are not given back. What is live is not removed, whatever an image says.
    pub(crate) fn gone<const CHECK: bool>(&self) -> SlotSet {
        let gone = |at| self.removed_word::<CHECK>(at) & !self.word::<CHECK>(at);
        SlotSet::of_words((0..self.words()).map(gone).collect())
    }

    #[inline(always)]
    pub(crate) fn contains<const CHECK: bool>(&self, slot: Slot) -> bool {
        let at = slot.0 as usize;
        self.word::<CHECK>(at / WORD) >> (at % WORD) & 1 == 1
    }

    /// Whether a slot is live, whatever it is: what pads the words of an image is nobody's slot, whatever is in it.
    pub(crate) fn has(&self, slot: Slot) -> bool {
        (slot.0 as usize) < self.words() * WORD && self.contains::<true>(slot)
    }

    /// All that are live, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.words()).flat_map(|at| slots_of(at, self.word::<false>(at)))
    }

    /// All that are live or removed, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Slot> + '_ {
        let word = |at| self.word::<false>(at) | self.removed_word::<false>(at);
        (0..self.words()).flat_map(move |at| slots_of(at, word(at)))
    }

    /// The sets, to be changed: nothing, where they lie in an image.
    pub(crate) fn own(&self) -> Option<&Lives> {
        match self {
            Slots::Own(own) => Some(own),
            Slots::Lent(_) => None,
        }
    }

    /// A copy of our own.
    pub(crate) fn copied(&self) -> Self {
        let live = SlotSet::of_words((0..self.words()).map(|at| self.word::<false>(at)).collect());
        Slots::Own(Lives::of(&live, &self.gone::<false>()))
    }

    /// How many bytes it holds itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Slots::Own(own) => own.bytes(),
            Slots::Lent(_) => 0,
        }
    }
}
