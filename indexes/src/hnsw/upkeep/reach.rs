//! Finds slots that cannot be come to from where searches begin, and links them anew.
//!
//! By links of the ground alone: from the levels above it a walk may begin anywhere, but not where a query would have it.

use super::At;
use crate::hnsw::Hnsw;
use crate::slots::slots_of;
use crate::{Error, Query, Slot, SlotSet, Strategy};

/// What can be come to on the ground, whose nodes are slots: from the entry on, and not through doomed ones.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Slots that were come to, and doomed ones.
    seen: SlotSet,
    /// Those whose links were not followed.
    left: Vec<u32>,
    /// The slots that there were when it began.
    wanted: SlotSet,
}

impl Reach {
    pub(super) fn begin(at: At<'_>, doomed: &SlotSet) -> Self {
        // Before the links are looked at: what comes later is linked by whoever takes it up.
        let wanted = at.own.live.now();
        let graph = &at.body.graph;
        let mut reach = Reach { seen: doomed.clone(), left: Vec::new(), wanted };
        if let Some(entry) = graph.entry() {
            let levels = (1..=entry.level).rev().filter_map(|level| graph.level(level));
            let begin = levels.fold(entry.node, |node, level| level.below::<false>(node));
            // Whatever an image says.
            let is_there = reach.wanted.contains(Slot(begin)) && !doomed.contains(Slot(begin));
            let begin = Some(begin).filter(|_| is_there);
            begin.or_else(|| reach.first()).into_iter().for_each(|begin| reach.add(begin));
        }
        reach
    }

    /// Any of those there were.
    fn first(&self) -> Option<u32> {
        self.wanted.iter().find(|slot| !self.seen.contains(*slot)).map(|slot| slot.0)
    }

    /// One can be come to, and so can what it leads to.
    pub(super) fn add(&mut self, slot: u32) {
        if self.seen.insert(Slot(slot)) {
            self.left.push(slot);
        }
    }

    pub(super) fn has(&self, slot: u32) -> bool {
        self.seen.contains(Slot(slot))
    }

    /// Goes on; says whether it is done.
    pub(super) fn go_on(&mut self, at: At<'_>, effort: &mut usize) -> bool {
        let ground = at.body.graph.ground();
        while *effort > 0
            && let Some(node) = self.left.pop()
        {
            *effort -= 1;
            // What leads out of a level leads nowhere.
            let nodes = ground.links::<false>(node).filter(|next| (*next as usize) < ground.end());
            let seen = &mut self.seen;
            self.left.extend(nodes.filter(|next| seen.insert(Slot(*next))));
        }
        self.left.is_empty()
    }

    /// Those that there were, and are, and that cannot be come to.
    pub(super) fn lost(&self, at: At<'_>) -> Vec<u32> {
        let live = &at.own.live;
        let word = |word: usize| self.wanted.word(word) & live.word(word) & !self.seen.word(word);
        let lost = (0..self.wanted.words()).flat_map(|at| slots_of(at, word(at)));
        lost.map(|slot| slot.0).collect()
    }
}

/// What came of linking a slot anew.
pub(super) struct Joined {
    /// Whether it can be come to.
    pub(super) linked: bool,
    pub(super) took: usize,
    /// What could not be read: it may be linked to one that is far.
    pub(super) failed: Option<Error>,
}

impl Hnsw {
    /// Links a slot that cannot be come to and one that can, the nearest there is, to each other. What can be come to still can
    /// behind that.
    pub(super) fn join(
        &self,
        at: At<'_>,
        slot: u32,
        (doomed, reach): (&SlotSet, &Reach),
    ) -> Joined {
        let mut joined = Joined { linked: false, took: self.config.ef_construction, failed: None };
        if !at.own.live.contains(Slot(slot)) {
            return joined;
        }
        let can_be_come_to = |node: u32| reach.has(node) && !doomed.contains(Slot(node));
        let nearest = self.nearest_of(at, slot, &can_be_come_to, &mut joined.took);
        let nearest = nearest.unwrap_or_else(|error| {
            joined.failed = Some(error);
            let live = at.own.live.now();
            live.iter().map(|slot| slot.0).find(|slot| can_be_come_to(*slot))
        });
        if let Some(nearest) = nearest {
            self.link_both_ways(at, slot, nearest);
            joined.linked = true;
        }
        joined
    }

    /// The nearest to a slot of those that can be come to.
    fn nearest_of(
        &self,
        at: At<'_>,
        slot: u32,
        can_be_come_to: &impl Fn(u32) -> bool,
        took: &mut usize,
    ) -> Result<Option<u32>, Error> {
        let pin = self.readers.pin();
        let on = self.own_under(at.body, &pin);
        let vector = at.vectors.vector(Slot(slot))?;
        let found = self.look(on, (slot, 0), &vector, at.vectors)?;
        let near = found.into_iter().next().unwrap_or_default();
        if let Some(nearest) = near.into_iter().find(|node| can_be_come_to(*node)) {
            return Ok(Some(nearest));
        }
        let live = at.own.live.now();
        let some: SlotSet = live.iter().filter(|it| can_be_come_to(it.0)).collect();
        *took = took.saturating_add(live.len());
        let query = Query::new(&vector).k(1).filter(&some).strategy(Strategy::Exact);
        let found = self.search_in(&query, Some(self.view(1)), at.vectors)?;
        Ok(found.neighbours.first().map(|it| it.slot.0))
    }

    /// Links two slots to each other, whatever others do with their links meanwhile.
    fn link_both_ways(&self, at: At<'_>, slot: u32, nearest: u32) {
        let ground = at.body.graph.ground();
        let lock = |node| self.writers.locks.lock(0, node);
        let links = |node| ground.links::<false>(node).collect::<Vec<u32>>();
        loop {
            // Where there is no room the nearest gives up its last link to the slot, and is linked to that instead.
            let before = links(nearest);
            let last = before.last().copied().filter(|_| before.len() >= ground.degree());
            {
                let _alone = lock(slot);
                let mut links = links(slot);
                for new in [Some(nearest), last].into_iter().flatten() {
                    if !links.contains(&new) && new != slot {
                        links.truncate(ground.degree() - 1);
                        links.insert(0, new);
                    }
                }
                ground.put(slot, links);
            }
            let _alone = lock(nearest);
            let mut links = links(nearest);
            if links.contains(&slot) {
                return;
            }
            if links == before {
                links.truncate(before.len() - usize::from(last.is_some()));
                links.push(slot);
                ground.put(nearest, links);
                return;
            }
        }
    }
}
