//! Finds slots that no walk could come to, and links them anew.

use super::At;
use crate::hnsw::Hnsw;
use crate::hnsw::beam::GONE_THROUGH;
use crate::hnsw::build::Return;
use crate::hnsw::graph::Graph;
use crate::hnsw::links::{Level, NONE};
use crate::slots::slots_of;
use crate::{Error, Slot, SlotSet};

/// What can be come to on the ground, whose nodes are slots.
#[derive(Debug)]
pub(super) struct Reach {
    seen: SlotSet,
    /// Those whose links were not followed.
    left: Vec<u32>,
    /// The slots that there were when it began.
    wanted: SlotSet,
}

/// Follows links from these nodes, as long as there are any and there is effort left.
fn follow(level: &Level, seen: &mut SlotSet, left: &mut Vec<u32>, effort: &mut usize) {
    while *effort > 0
        && let Some(node) = left.pop()
    {
        *effort -= 1;
        // What leads out of a level leads nowhere.
        let nodes = level.links::<false>(node).filter(|next| (*next as usize) < level.end());
        left.extend(nodes.filter(|next| seen.insert(Slot(*next))));
    }
}

/// The ground's nodes that walks may begin at.
fn begins(graph: &Graph) -> Vec<u32> {
    let Some(entry) = graph.entry() else { return Vec::new() };
    let mut begins = vec![entry.node];
    for level in (1..=entry.level).rev().filter_map(|at| graph.level(at)) {
        let nodes = if level.end() <= GONE_THROUGH {
            (0..level.end() as u32).collect()
        } else {
            let mut seen = SlotSet::new();
            begins.retain(|node| (*node as usize) < level.end() && seen.insert(Slot(*node)));
            follow(level, &mut seen, &mut begins, &mut usize::MAX.clone());
            seen.iter().map(|node| node.0).collect::<Vec<_>>()
        };
        let there = nodes.into_iter().filter(|node| level.slot::<false>(*node) != NONE);
        begins = there.map(|node| level.below::<false>(node)).collect();
    }
    begins
}

impl Reach {
    pub(super) fn begin(at: At<'_>) -> Self {
        // Before the links are looked at: what comes later is linked by whoever takes it up.
        let wanted = at.own.live.now();
        let mut seen = SlotSet::new();
        let (mut left, end) = (begins(&at.body.graph), at.body.graph.ground().end());
        left.retain(|node| (*node as usize) < end && seen.insert(Slot(*node)));
        Reach { seen, left, wanted }
    }

    /// Goes on; says whether it is done.
    pub(super) fn go_on(&mut self, at: At<'_>, effort: &mut usize) -> bool {
        follow(at.body.graph.ground(), &mut self.seen, &mut self.left, effort);
        self.left.is_empty()
    }

    /// Those that there were, and are, and that cannot be come to.
    pub(super) fn lost(&self, at: At<'_>) -> Vec<u32> {
        let word =
            |word: usize| self.wanted.word(word) & at.own.live.word(word) & !self.seen.word(word);
        let lost = (0..self.wanted.words()).flat_map(|at| slots_of(at, word(at)));
        lost.map(|slot| slot.0).collect()
    }
}

impl Hnsw {
    /// Links a slot anew that no walk comes to: others to it, and it to others.
    pub(super) fn join(&self, at: At<'_>, slot: u32) -> Result<(), Error> {
        if !at.own.live.contains(Slot(slot)) {
            return Ok(());
        }
        let pin = self.readers.pin();
        let on = self.body_under(at.body, &pin);
        let vector = at.vectors.vector(Slot(slot))?;
        let found = self.look(on, (slot, 0), &vector, at.vectors)?;
        let near = found.into_iter().next().unwrap_or_default();
        let ground = on.graph.ground();
        {
            let _alone = self.writers.locks.lock(0, slot);
            if ground.links::<false>(slot).next().is_none() {
                ground.put(slot, near.iter().copied());
            }
        }
        let mut is_linked = false;
        for from in &near {
            let back = Return { level: 0, from: *from, to: slot, slot };
            let change = self.change(on, &[back], at.vectors)?;
            self.make_change(on, change, &[back], at.vectors)?;
            is_linked |= ground.links::<false>(*from).any(|to| to == slot);
        }
        // Each of them has nearer ones all around: then the nearest gives up the last of those.
        if let Some(nearest) = near.first().filter(|_| !is_linked) {
            let _alone = self.writers.locks.lock(0, *nearest);
            let mut links: Vec<u32> = ground.links::<false>(*nearest).collect();
            links.truncate(ground.degree().saturating_sub(1));
            links.push(slot);
            ground.put(*nearest, links);
        }
        Ok(())
    }
}
