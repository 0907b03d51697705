//! Links who was linked to doomed slots to neighbours of theirs instead.

use super::At;
use crate::hnsw::Hnsw;
use crate::hnsw::body::InUse;
use crate::hnsw::links::{Level, NONE};
use crate::hnsw::select::{Candidate, Chooser, ChosenByCode, ChosenInFull, Full, Select};
use crate::lanes::{Isa, Work};
use crate::{Error, Slot, SlotSet};

impl Hnsw {
    /// Mends the links of a node, if it has any to doomed slots; nodes of doomed slots above the ground are noted. Says what it
    /// took.
    pub(super) fn mend(
        &self,
        at: At<'_>,
        doomed: &SlotSet,
        (level, node): (usize, u32),
        upper: &mut Vec<(usize, u32)>,
    ) -> Result<usize, Error> {
        let Some(on_level) = at.body.graph.level(level) else { return Ok(1) };
        let slot = on_level.slot::<false>(node);
        if slot == NONE || !at.own.taken.contains(Slot(slot)) {
            return Ok(1);
        }
        if doomed.contains(Slot(slot)) {
            if level > 0 {
                upper.push((level, node));
            }
            return Ok(1);
        }
        let is_doomed = |node: u32| doomed.contains(Slot(on_level.slot::<false>(node)));
        let mut took = 1;
        while on_level.links::<false>(node).any(is_doomed) {
            let before: Vec<u32> = on_level.links::<false>(node).collect();
            let pin = self.readers.pin();
            let on = self.own_under(at.body, &pin);
            let links = match self.mended(on, at, (level, node, slot), (&before, &is_doomed)) {
                Ok(links) => links,
                Err(error) => {
                    self.let_go_of_doomed(on_level, (level, node), &is_doomed);
                    return Err(error);
                }
            };
            took += 2 * on_level.degree();
            let _alone = self.writers.locks.lock(level, node);
            // If it got others meanwhile, once more.
            if on_level.links::<false>(node).eq(before) {
                on_level.put(node, links);
            }
        }
        Ok(took)
    }

    /// Links a node to neighbours of those it was linked to, near or not: where vectors cannot be read.
    fn let_go_of_doomed(
        &self,
        on_level: &Level,
        (level, node): (usize, u32),
        is_doomed: &impl Fn(u32) -> bool,
    ) {
        let _alone = self.writers.locks.lock(level, node);
        let before: Vec<u32> = on_level.links::<false>(node).collect();
        let mut links: Vec<u32> = before.iter().copied().filter(|it| !is_doomed(*it)).collect();
        for doomed in before.into_iter().filter(|it| is_doomed(*it)) {
            for next in on_level.links::<false>(doomed) {
                let is_there = on_level.slot::<false>(next) != NONE && !is_doomed(next);
                if is_there && next != node && !links.contains(&next) {
                    links.push(next);
                }
            }
        }
        on_level.put(node, links.into_iter().take(on_level.degree()));
    }

    /// The links that a node should have in the place of those it has.
    fn mended(
        &self,
        on: InUse<'_>,
        at: At<'_>,
        (level, node, slot): (usize, u32, u32),
        (before, is_doomed): (&[u32], &impl Fn(u32) -> bool),
    ) -> Result<Vec<u32>, Error> {
        let Some(on_level) = on.graph.level(level) else { return Ok(Vec::new()) };
        let with_slot = |node: u32| (node, on_level.slot::<false>(node));
        let kept: Vec<_> =
            before.iter().filter(|it| !is_doomed(**it)).map(|it| with_slot(*it)).collect();
        let mut offered: Vec<(u32, u32)> = Vec::new();
        for doomed in before.iter().filter(|it| is_doomed(**it)) {
            for next in on_level.links::<false>(*doomed).map(with_slot) {
                let known = next.0 == node || kept.contains(&next) || offered.contains(&next);
                if next.1 != NONE && !known && !is_doomed(next.0) {
                    offered.push(next);
                }
            }
        }
        let (lost, full) = (before.len() - kept.len(), self.full(at.vectors));
        let mend = Mend { on, level: on_level, slot, kept, offered, most: lost, full };
        let links = self.instructions.run(mend)?;
        if !links.is_empty() {
            return Ok(links);
        }
        // All around it are doomed.
        let vector = at.vectors.vector(Slot(slot))?;
        let mut found = self.look(on, (slot, level), &vector, at.vectors)?;
        let links = found.get_mut(level).map(std::mem::take).unwrap_or_default();
        Ok(links)
    }
}

/// Chooses some that are offered to a node, beside the links that it keeps.
struct Mend<'s> {
    on: InUse<'s>,
    level: &'s Level,
    slot: u32,
    /// Where links lead, and to which slots.
    kept: Vec<(u32, u32)>,
    offered: Vec<(u32, u32)>,
    /// So many of those that are offered, at most.
    most: usize,
    full: Full<'s>,
}

impl Work for Mend<'_> {
    type Answer = Result<Vec<u32>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Mend { on, level, slot, kept, offered, most, full } = self;
        let mut links: Vec<u32> = kept.iter().map(|it| it.0).collect();
        let most = most.min(level.degree().saturating_sub(links.len()));
        let mut candidates = Vec::with_capacity(offered.len());
        let mut nearest = Vec::new();
        let more = match on.codes {
            Some(codes) => {
                let one = codes.planes(isa, slot).map(|planes| planes.unpacked(codes.dim()));
                let Some(one) = one else { return Ok(links) };
                for (node, slot) in offered {
                    let Some(planes) = codes.planes(isa, slot) else { continue };
                    let far = codes.between(isa, &one, &planes);
                    candidates.push(Candidate { far, node, slot });
                }
                let mut chooser = ChosenByCode::new(codes, full, slot);
                for (_, slot) in kept {
                    chooser.keep(isa, slot)?;
                }
                nearest.extend_from_slice(&candidates);
                isa.enter(Select { chooser, candidates, most })?
            }
            None => {
                for (node, other) in offered {
                    let far = full.distance(isa, slot, other)?;
                    candidates.push(Candidate { far, node, slot: other });
                }
                let mut chooser = ChosenInFull::new(full);
                for (_, slot) in kept {
                    chooser.keep(isa, slot)?;
                }
                nearest.extend_from_slice(&candidates);
                isa.enter(Select { chooser, candidates, most })?
            }
        };
        // Half of what was lost is made up for, whatever their directions: links do not become fewer and fewer.
        nearest.sort_unstable_by(|a, b| a.far.total_cmp(&b.far).then(a.slot.cmp(&b.slot)));
        let rest = nearest.iter().map(|it| it.node).filter(|node| !more.contains(node));
        let rest: Vec<u32> = rest.take((most.div_ceil(2)).saturating_sub(more.len())).collect();
        links.extend(more);
        links.extend(rest);
        Ok(links)
    }
}
