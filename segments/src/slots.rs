//! The life of a slot: born with a batch, freed by another, and rewritten only when nobody can see it any
//! more.
//!
//! Owns: [`Life`], who reads at which number ([`Pins`]), and which slots there are and what refers to them
//! ([`SlotTable`], on top of a [`SlotBase`]).
//!
//! Promises
//!  1. While a [`Pin`] lives, no slot that is alive at its number passes for unread.
//!
//! Never: touches a vector.

mod delta;
mod described;
mod frozen;
mod journal;
mod pins;
mod replay;
mod rest;
mod table;
mod take;

use base::Sequence;

pub use described::{Known, SlotBase, SlotList};
pub use frozen::Cut;
pub use pins::{Pin, Pins};
pub use rest::{Reclaimed, RestingUntil};
pub use table::{Ended, Placed, SlotCounts, SlotTable};

/// From the batch that bore a slot's vector up to the one that freed it.
///
/// A view at a number sees the slot if it was born by then and not freed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Life {
    born: Sequence,
    freed: Option<Sequence>,
}

impl Life {
    /// Born with this batch, and alive.
    pub const fn born(born: Sequence) -> Self {
        Life { born, freed: None }
    }

    /// A life of which it is not known whether it can be: `None` if it would end before it began.
    pub fn checked(born: Sequence, freed: Option<Sequence>) -> Option<Self> {
        freed.is_none_or(|freed| born <= freed).then_some(Life { born, freed })
    }

    /// The batch that bore it.
    pub const fn birth(&self) -> Sequence {
        self.born
    }

    /// The batch that freed it, if one did.
    pub const fn end(&self) -> Option<Sequence> {
        self.freed
    }

    /// The same life, ended by this batch.
    ///
    /// # Panics
    /// If it had ended before, or would end before it began: then the wrong slot was freed.
    #[must_use]
    pub fn freed(self, freed: Sequence) -> Self {
        assert!(self.freed.is_none() && freed >= self.born, "{self:?} freed by batch {freed}");
        Life { freed: Some(freed), ..self }
    }

    /// Whether a view at this number sees it; a view of nothing has none.
    pub fn is_seen_at(&self, view: Option<Sequence>) -> bool {
        view.is_some_and(|view| self.born <= view && self.freed.is_none_or(|freed| view < freed))
    }

    /// Whether any view from this number up to that one sees it.
    pub fn meets(&self, first: Sequence, last: Sequence) -> bool {
        self.born <= last && self.freed.is_none_or(|freed| first < freed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence(number: u64) -> Sequence {
        Sequence::new(number).unwrap()
    }

    #[test]
    fn a_life_is_seen_from_its_birth_up_to_its_end() {
        let life = Life::born(sequence(3));
        assert!(!life.is_seen_at(None) && !life.is_seen_at(Some(sequence(2))));
        assert!(life.is_seen_at(Some(sequence(3))) && life.is_seen_at(Some(sequence(900))));
        let ended = life.freed(sequence(5));
        assert!(ended.is_seen_at(Some(sequence(4))) && !ended.is_seen_at(Some(sequence(5))));
        assert_eq!((ended.birth(), ended.end()), (sequence(3), Some(sequence(5))));
        let never_seen = life.freed(sequence(3));
        assert!((1..10).all(|view| !never_seen.is_seen_at(Sequence::new(view))));
    }

    #[test]
    #[should_panic(expected = "freed by batch 6")]
    fn nothing_is_freed_twice() {
        let _never = Life::born(sequence(3)).freed(sequence(5)).freed(sequence(6));
    }

    #[test]
    #[should_panic(expected = "freed by batch 2")]
    fn nothing_ends_before_it_began() {
        let _never = Life::born(sequence(3)).freed(sequence(2));
    }

    proptest! {
        #[test]
        fn a_life_meets_a_span_if_some_view_in_it_sees_it(
            born in 1..20_u64,
            length in prop::option::of(0..20_u64),
            (first, more) in (1..30_u64, 0..10_u64),
        ) {
            let life = Life::born(sequence(born));
            let life = length.map_or(life, |length| life.freed(sequence(born + length)));
            let mut views = first..=first + more;
            let is_seen = views.any(|view| life.is_seen_at(Sequence::new(view)));
            // A life that ended with the batch that began it is seen by none, and met by none that counts.
            if life.end() != Some(life.birth()) {
                prop_assert_eq!(life.meets(sequence(first), sequence(first + more)), is_seen);
            }
        }
    }
}
