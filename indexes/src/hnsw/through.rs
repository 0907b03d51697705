//! A walk by those nodes alone that a filter admits: what is next to the others is next to it.
//!
//! A node that is not admitted is never scored. Its links are followed in its place, where many of a node's neighbours are not
//! admitted: so the walk sees about as many as it would in a graph of the admitted ones.

use base::Slot;

use super::beam::Scorer;
use super::links::Level;
use super::visited::Visited;
use crate::SlotSet;
use crate::lanes::Isa;
use crate::slots::Slots;
use crate::slots::slots_of;

/// Others are gone through if they are more than one of so many neighbours.
const REJECTED: usize = 10;

/// A filter is far from nodes around which not one of so many is admitted of those that should be.
const FEWER: usize = 4;

/// If those that should be are no more than so many, that says nothing.
const EXPECTED: usize = 8;

/// So many admitted ones are looked at where the walk begins, wherever they are: what is nearest may lie in a part of the graph
/// that nothing admitted leads to.
const SAMPLE: usize = 32;

/// A filter to walk through.
#[derive(Clone, Copy)]
pub(super) struct Through<'s> {
    pub(super) filter: &'s SlotSet,
    pub(super) slots: &'s Slots,
}

impl Through<'_> {
    #[inline(always)]
    fn admits<const CHECK: bool>(&self, node: u32) -> bool {
        self.filter.contains(Slot(node)) && self.slots.contains::<CHECK>(Slot(node))
    }

    /// Marks what is next to a node, and leaves those in `fresh` that are admitted and were not seen before.
    #[inline(never)]
    pub(super) fn mark<I: Isa, const CHECK: bool>(
        &self,
        isa: I,
        (ground, node): (&Level, u32),
        visited: &mut Visited,
        (fresh, others): (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        visited.mark(ground.links::<CHECK>(node), others);
        let next = others.len();
        fresh.clear();
        fresh.extend(others.iter().copied().filter(|node| self.admits::<CHECK>(*node)));
        if (next - fresh.len()) * REJECTED <= next {
            return;
        }
        others.retain(|node| !self.admits::<CHECK>(*node));
        for other in &*others {
            ground.fetch(isa, *other);
        }
        let most = ground.degree().max(next);
        for other in &*others {
            let next = ground.links::<CHECK>(*other).filter(|node| self.admits::<CHECK>(*node));
            fresh.extend(next.filter(|node| visited.is_new(*node)));
            if fresh.len() >= most {
                break;
            }
        }
    }

    /// Whether far fewer are admitted around these nodes than elsewhere, where it is so many: no walk among the admitted ones leads
    /// to what is nearest to something that is here.
    pub(super) fn is_far_from<const CHECK: bool>(
        &self,
        ground: &Level,
        nodes: impl Iterator<Item = u32>,
        admitted: usize,
    ) -> bool {
        let (mut asked, mut found) = (0, 0);
        for next in nodes.flat_map(|node| ground.links::<CHECK>(node)) {
            asked += 1;
            found += usize::from(self.admits::<CHECK>(next));
        }
        let expected = asked * admitted / self.slots.len().max(1);
        expected >= EXPECTED && found * FEWER < expected
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

/// Begins a walk at a node, be it admitted or not.
#[inline(never)]
pub(super) fn begin<I: Isa, S: Scorer, const CHECK: bool>(
    isa: I,
    (through, scorer): (&Through<'_>, &S),
    (ground, entry): (&Level, u32),
    visited: &mut Visited,
    (fresh, others): (&mut Vec<u32>, &mut Vec<u32>),
) {
    visited.mark_one(entry, others);
    through.mark::<I, CHECK>(isa, (ground, entry), visited, (fresh, others));
    if through.admits::<CHECK>(entry) {
        fresh.push(entry);
    }
    through.sample::<CHECK>(visited, fresh);
    for node in &*fresh {
        scorer.fetch(isa, *node);
    }
}
