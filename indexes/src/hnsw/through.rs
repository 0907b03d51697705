//! A walk by those nodes alone that a filter admits: what is next to the others is next to it.
//!
//! A node that is not admitted is never scored. Its links are followed in its place, where many of a node's neighbours are not
//! admitted: so the walk sees about as many as it would in a graph of the admitted ones.

use base::Slot;

use super::beam::Scorer;
use super::links::Level;
use super::slots::Slots;
use super::visited::Visited;
use crate::SlotSet;
use crate::lanes::Isa;
use crate::slots::slots_of;

/// Others are gone through if they are more than one of so many neighbours.
const REJECTED: usize = 10;

/// A walk is not worth its while that begins where not one of so many is admitted of those that should be.
const FEWER: usize = 2;

/// If that are no more than so many, it says nothing.
const EXPECTED: usize = 8;

/// So many admitted ones are looked at where the walk begins, wherever they are: what is nearest may lie in a part of the graph
/// that nothing admitted leads to.
const SAMPLE: usize = 32;

/// A filter to walk through.
#[derive(Clone, Copy)]
pub(super) struct Through<'s> {
    pub(super) filter: &'s SlotSet,
    pub(super) slots: &'s Slots,
    /// How many are admitted.
    pub(super) admitted: usize,
}

impl Through<'_> {
    #[inline(always)]
    fn admits<const CHECK: bool>(&self, node: u32) -> bool {
        self.filter.contains(Slot(node)) && self.slots.contains::<CHECK>(Slot(node))
    }

    /// Marks what is next to a node, and leaves those in `fresh` that are admitted and were not seen before. Says how many it
    /// asked whether they are, and how many of them are.
    #[inline(never)]
    pub(super) fn mark<I: Isa, const CHECK: bool>(
        &self,
        isa: I,
        (ground, node): (&Level, u32),
        visited: &mut Visited,
        (fresh, others): (&mut Vec<u32>, &mut Vec<u32>),
    ) -> (usize, usize) {
        visited.mark(ground.links::<CHECK>(node), others);
        let next = others.len();
        fresh.clear();
        fresh.extend(others.iter().copied().filter(|node| self.admits::<CHECK>(*node)));
        let (mut asked, mut admitted) = (next, fresh.len());
        if (next - fresh.len()) * REJECTED <= next {
            return (asked, admitted);
        }
        others.retain(|node| !self.admits::<CHECK>(*node));
        for other in &*others {
            ground.fetch(isa, *other);
        }
        let most = ground.degree().max(next);
        for other in &*others {
            for node in ground.links::<CHECK>(*other) {
                asked += 1;
                if self.admits::<CHECK>(node) {
                    admitted += 1;
                    fresh.extend(visited.is_new(node).then_some(node));
                }
            }
            if fresh.len() >= most {
                break;
            }
        }
        (asked, admitted)
    }

    /// Some that are admitted, from all over.
    #[inline(never)]
    pub(super) fn sample<const CHECK: bool>(&self, visited: &mut Visited, fresh: &mut Vec<u32>) {
        let words = self.slots.words().min(self.filter.words());
        let word = |at: usize| self.filter.word(at) & self.slots.word::<CHECK>(at);
        for part in 0..SAMPLE {
            let (first, end) = (part * words / SAMPLE, (part + 1) * words / SAMPLE);
            let found = (first..end.max(first + 1)).find_map(|at| slots_of(at, word(at)).next());
            fresh.extend(found.map(|slot| slot.0).filter(|node| visited.is_new(*node)));
        }
    }
}

/// Begins a walk at a node, be it admitted or not. Says whether it is worth its while: not where there are far fewer admitted ones
/// around than elsewhere, as a query then is where no walk among them leads.
#[inline(never)]
pub(super) fn begin<I: Isa, S: Scorer, const CHECK: bool>(
    isa: I,
    (through, scorer): (&Through<'_>, &S),
    (ground, entry): (&Level, u32),
    visited: &mut Visited,
    (fresh, others): (&mut Vec<u32>, &mut Vec<u32>),
) -> bool {
    visited.mark_one(entry, others);
    let on = (ground, entry);
    let (asked, admitted) = through.mark::<I, CHECK>(isa, on, visited, (fresh, others));
    let expected = asked.saturating_mul(through.admitted) / through.slots.len().max(1);
    let worth = expected < EXPECTED || admitted * FEWER >= expected;
    if through.admits::<CHECK>(entry) {
        fresh.push(entry);
    }
    through.sample::<CHECK>(visited, fresh);
    for node in &*fresh {
        scorer.fetch(isa, *node);
    }
    worth
}
