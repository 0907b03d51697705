//! Finds slots that no walk could come to, and links them anew.

use super::At;
use crate::hnsw::Hnsw;
use crate::hnsw::beam::GONE_THROUGH;
use crate::hnsw::links::{Level, NONE};
use crate::slots::slots_of;
use crate::{Error, Slot, SlotSet};

/// What can be come to, from the top down: not from doomed nodes, nor through them.
#[derive(Debug)]
pub(super) struct Reach {
    level: usize,
    /// Nodes of the level that were come to, and doomed ones.
    seen: SlotSet,
    /// Those whose links were not followed.
    left: Vec<u32>,
    /// The slots that there were when it began.
    wanted: SlotSet,
}

/// Which slots are doomed, and their nodes above the ground.
type Doomed<'d> = (&'d SlotSet, &'d [(usize, u32)]);

/// The doomed nodes of a level.
fn doomed_on(level: usize, (slots, upper): Doomed<'_>) -> SlotSet {
    match level {
        0 => slots.clone(),
        _ => upper.iter().filter(|it| it.0 == level).map(|it| Slot(it.1)).collect(),
    }
}

impl Reach {
    pub(super) fn begin(at: At<'_>, doomed: &SlotSet, upper: &[(usize, u32)]) -> Self {
        // Before the links are looked at: what comes later is linked by whoever takes it up.
        let wanted = at.own.lives.live.now();
        let entry = at.body.graph.entry();
        let (level, node) = entry.map_or((0, None), |entry| (entry.level, Some(entry.node)));
        let mut reach = Reach { level, seen: SlotSet::new(), left: Vec::new(), wanted };
        reach.enter(at, (doomed, upper), node.into_iter().collect());
        reach
    }

    /// Goes on at these nodes of the level, or at all, if it is so small that walks go through all of it.
    fn enter(&mut self, at: At<'_>, doomed: Doomed<'_>, nodes: Vec<u32>) {
        let end = at.body.graph.level(self.level).map_or(0, Level::end);
        let is_small = self.level > 0 && end <= GONE_THROUGH;
        self.seen = doomed_on(self.level, doomed);
        self.left = if is_small { (0..end as u32).collect() } else { nodes };
        let seen = &mut self.seen;
        self.left.retain(|node| (*node as usize) < end && seen.insert(Slot(*node)));
    }

    /// Goes on; says whether it is done.
    pub(super) fn go_on(&mut self, at: At<'_>, doomed: Doomed<'_>, effort: &mut usize) -> bool {
        let Some(level) = at.body.graph.level(self.level) else { return true };
        while *effort > 0
            && let Some(node) = self.left.pop()
        {
            *effort -= 1;
            // What leads out of a level leads nowhere.
            let nodes = level.links::<false>(node).filter(|next| (*next as usize) < level.end());
            let seen = &mut self.seen;
            self.left.extend(nodes.filter(|next| seen.insert(Slot(*next))));
        }
        if !self.left.is_empty() || self.level == 0 {
            return self.left.is_empty();
        }
        let gone = doomed_on(self.level, doomed);
        let nodes = self.seen.iter().filter(|node| !gone.contains(*node)).map(|node| node.0);
        let nodes = nodes.filter(|node| level.slot::<false>(*node) != NONE);
        let below = nodes.map(|node| level.below::<false>(node)).collect();
        self.level -= 1;
        self.enter(at, doomed, below);
        false
    }

    /// Those that there were, and are, and that cannot be come to.
    pub(super) fn lost(&self, at: At<'_>) -> Vec<u32> {
        let live = &at.own.lives.live;
        let word = |word: usize| self.wanted.word(word) & live.word(word) & !self.seen.word(word);
        let lost = (0..self.wanted.words()).flat_map(|at| slots_of(at, word(at)));
        lost.map(|slot| slot.0).collect()
    }
}

impl Hnsw {
    /// Links a slot anew that no walk comes to: others to it, and it to others. What can be come to still can behind that.
    pub(super) fn join(&self, at: At<'_>, slot: u32) -> Result<(), Error> {
        if !at.own.lives.live.contains(Slot(slot)) {
            return Ok(());
        }
        let pin = self.readers.pin();
        let on = self.body_under(at.body, &pin);
        let vector = at.vectors.vector(Slot(slot))?;
        let found = self.look(on, (slot, 0), &vector, at.vectors)?;
        let near = found.into_iter().next().unwrap_or_default();
        let ground = on.graph.ground();
        let lock = |node| self.writers.locks.lock(0, node);
        let links = |node| ground.links::<false>(node).collect::<Vec<u32>>();
        {
            let _alone = lock(slot);
            if links(slot).is_empty() {
                ground.put(slot, near.iter().copied());
            }
        }
        let mut is_linked = false;
        for from in &near {
            let _alone = lock(*from);
            let mut links = links(*from);
            if links.len() < ground.degree() && !links.contains(&slot) {
                links.push(slot);
                ground.put(*from, links);
                is_linked = true;
            }
        }
        let Some(nearest) = near.first().filter(|_| !is_linked) else { return Ok(()) };
        // Each of them has nearer ones all around: then the nearest gives up its last one to the slot, and is linked to that instead.
        loop {
            let Some(last) = links(*nearest).last().copied() else { return Ok(()) };
            {
                let _alone = lock(slot);
                let mut links = links(slot);
                if !links.contains(&last) {
                    links.truncate(ground.degree() - 1);
                    links.push(last);
                    ground.put(slot, links);
                }
            }
            let _alone = lock(*nearest);
            let mut links = links(*nearest);
            if links.pop() == Some(last) {
                links.push(slot);
                ground.put(*nearest, links);
                return Ok(());
            }
        }
    }
}
