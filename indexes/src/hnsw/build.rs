//! Takes slots up: one, or many at once.
//!
//! Many are taken up in batches. Where the links of a batch should lead is found out for all of its slots from the graph as
//! it was before the batch, on all threads; then links are set, and whoever has too many chooses anew, again on all threads
//! and each for itself. So the graph is the same whatever the number of threads. A batch is a small part of what is there
//! already, so that its slots miss little of each other.

use std::cell::RefCell;

use base::Slot;

use super::beam::{ByCode, Descend, Graph, InFull, Scorer, Scratch, Walk, Walks, nearest_of};
use super::links::{Level, NONE};
use super::nodes::Nodes;
use super::select::{Candidate, ChosenByCode, ChosenInFull, Full, Select};
use super::{Hnsw, HnswConfig};
use crate::codes::CodedQuery;
use crate::lanes::{Isa, Work};
use crate::query::check;
use crate::vectors::check_dim;
use crate::{Error, Pool, SlotSet, Vectors};

/// A batch is one of so many slots that are there.
const BATCH: usize = 50;

/// As long as there are fewer, slots are taken up one by one.
const ALONE: usize = 1_000;

/// So many slots of a batch, or nodes whose links are wanted in return, are one piece of work for a thread.
const SLOTS: usize = 8;
const GROUPS: usize = 32;

/// Where the links of a slot should lead: nodes on each of its levels, the ground first.
struct Plan {
    slot: u32,
    level: usize,
    links: Vec<Vec<u32>>,
}

/// A link that is wanted in return: on which level, from whom, to whom.
type Return = (usize, u32, u32);

impl Hnsw {
    /// Takes up many slots at once, on all threads of a pool. `progress` is told how many are done, and says whether to
    /// go on; what was taken up by then stays.
    ///
    /// # Errors
    /// As [`insert`](crate::Index::insert), for any of them.
    pub fn insert_all(
        &mut self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        self.make_own()?;
        if let Some(slot) = slots.iter().find(|slot| self.live.contains::<false>(*slot)) {
            return Err(Error::There { slot });
        }
        self.encode_all(slots, vectors, pool)?;
        let mut left: Vec<u32> = slots.iter().map(|slot| slot.0).collect();
        shuffle(&mut left, self.config.seed);
        let (all, mut done) = (left.len(), 0);
        while done < all {
            let here = self.live.len();
            let batch = if here < ALONE { 1 } else { here / BATCH };
            let batch = left.get(done..(done + batch).min(all)).unwrap_or_default();
            self.take_up(batch, vectors, pool)?;
            done += batch.len();
            if !progress(done) {
                break;
            }
        }
        Ok(())
    }

    fn encode_all(
        &mut self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        let end = slots.words() * crate::slots::WORD;
        self.graph.ground.reserve(end);
        let Some(nodes) = &mut self.nodes else {
            let mut all = slots.iter();
            return all.try_for_each(|slot| check(&vectors.vector(slot)?, self.dim));
        };
        nodes.set_all(slots, vectors, pool)
    }

    /// Takes up slots whose codes are there.
    pub(super) fn take_up(
        &mut self,
        slots: &[u32],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        let plans = pool.each(slots.chunks(SLOTS).collect(), |slots| {
            let plan = |slot: &u32| self.plan(*slot, vectors);
            slots.iter().map(plan).collect::<Result<Vec<_>, Error>>()
        });
        let plans: Vec<Plan> =
            plans.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let returns = self.set_links(&plans);
        match self.set_returns(&returns, vectors, pool) {
            Ok(()) => {
                self.live.own().extend(slots.iter().map(|slot| Slot(*slot)));
                Ok(())
            }
            Err(error) => {
                plans.iter().for_each(|plan| self.detach(plan.slot));
                Err(error)
            }
        }
    }

    /// Sets the links that are wanted in return; none, if there is an error.
    fn set_returns(
        &mut self,
        returns: &[Return],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        let groups: Vec<_> = returns.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let lists = pool.each(groups.chunks(GROUPS).collect(), |groups| {
            let return_links = |group: &&[Return]| self.return_links(group, vectors);
            groups.iter().map(return_links).collect::<Result<Vec<_>, Error>>()
        });
        let lists = lists.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (level, node, links) in lists.into_iter().flatten() {
            let upper = level.checked_sub(1).map(|at| self.graph.levels.get_mut(at));
            match upper {
                None => self.graph.ground.put(node, &links),
                Some(Some(upper)) => upper.put(node, &links),
                Some(None) => {}
            }
        }
        Ok(())
    }

    /// Finds out where the links of a slot should lead.
    fn plan(&self, slot: u32, vectors: &dyn Vectors) -> Result<Plan, Error> {
        let level = self.config.level_of(slot);
        let vector = vectors.vector(Slot(slot))?;
        let nodes = self.nodes.as_ref();
        let coded = nodes.and_then(|nodes| CodedQuery::new(nodes.shape(), &vector));
        let links = self.with_scratch(|scratch| {
            let (hnsw, coded, vector) = (self, coded.as_ref(), &vector);
            self.instructions.run(Look { hnsw, slot, level, vector, coded, vectors, scratch })
        })?;
        Ok(Plan { slot, level, links })
    }

    /// Makes nodes of slots and sets their links; answers with the links that are wanted in return, in order.
    fn set_links(&mut self, plans: &[Plan]) -> Vec<Return> {
        let mut returns = Vec::new();
        for plan in plans {
            let Graph { ground, levels, entry } = &mut self.graph;
            ground.reserve(plan.slot as usize + 1);
            let mut node = plan.slot;
            for level in 0..=plan.level {
                let links = plan.links.get(level).map_or(&[][..], Vec::as_slice);
                match level.checked_sub(1) {
                    None => ground.put(node, links),
                    Some(at) => {
                        if levels.len() == at {
                            levels.push(Level::upper(self.config.m));
                            *entry = None;
                        }
                        if let Some(upper) = levels.get_mut(at) {
                            node = upper.add(plan.slot, node);
                            upper.put(node, links);
                        }
                    }
                }
                returns.extend(links.iter().map(|link| (level, *link, node)));
            }
            if entry.is_none() && plan.level == levels.len() {
                *entry = Some(node);
            }
        }
        returns.sort_unstable();
        returns
    }

    fn full<'s>(&'s self, vectors: &'s dyn Vectors) -> Full<'s> {
        Full { measure: &self.measure, vectors }
    }

    /// The links of a node when those are there that are wanted in return.
    fn return_links(
        &self,
        group: &[Return],
        vectors: &dyn Vectors,
    ) -> Result<(usize, u32, Vec<u32>), Error> {
        let Some((level, node, _)) = group.first().copied() else {
            return Ok((0, NONE, Vec::new()));
        };
        let on = match level.checked_sub(1) {
            Some(at) => self.graph.levels.get(at),
            None => Some(&self.graph.ground),
        };
        let Some(on) = on else { return Ok((level, NONE, Vec::new())) };
        let links = on.links::<false>(node).chain(group.iter().map(|it| it.2)).collect();
        let (full, nodes) = (self.full(vectors), self.nodes.as_ref());
        let links = self.instructions.run(Shrink { level: on, node, links, full, nodes })?;
        Ok((level, node, links))
    }
}

/// Brings slots into an order that does not depend on where they are.
fn shuffle(slots: &mut [u32], seed: u64) {
    let config = HnswConfig::default().seed(seed);
    slots.sort_by_cached_key(|slot| (config.mixed(*slot), *slot));
}

/// Looks where the links of a slot should lead.
struct Look<'s> {
    hnsw: &'s Hnsw,
    slot: u32,
    level: usize,
    vector: &'s [f32],
    coded: Option<&'s CodedQuery>,
    vectors: &'s dyn Vectors,
    scratch: &'s mut Scratch,
}

impl Work for Look<'_> {
    type Answer = Result<Vec<Vec<u32>>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let target = self.hnsw.measure.target(isa, self.vector);
        match (&self.hnsw.nodes, self.coded) {
            (Some(nodes), Some(query)) => self.look(isa, &ByCode::<false> { nodes, query }),
            _ => {
                let scorer = InFull { vectors: self.vectors, target, failed: RefCell::new(None) };
                let links = self.look(isa, &scorer)?;
                match scorer.failed.into_inner() {
                    Some(unreadable) => Err(unreadable.into()),
                    None => Ok(links),
                }
            }
        }
    }
}

impl Look<'_> {
    #[inline(always)]
    fn look<I: Isa>(self, isa: I, scorer: &impl Scorer) -> Result<Vec<Vec<u32>>, Error> {
        let hnsw = self.hnsw;
        let Graph { ground, levels, entry } = &hnsw.graph;
        let Some(entry) = *entry else { return Ok(Vec::new()) };
        let reached = self.level.min(levels.len());
        let (below, above) = levels.split_at_checked(reached).unwrap_or_default();
        let scored = &mut self.scratch.scored;
        let mut entry = match (above, below.last()) {
            ([], Some(top)) => nearest_of::<I, false>(isa, top, entry, scorer, scored),
            _ => isa.enter(Descend::<_, false> { levels: above, entry, scorer, scored }),
        };
        let mut links = vec![Vec::new(); reached + 1];
        let room = hnsw.config.ef_construction;
        for (upper, links) in below.iter().zip(links.iter_mut().skip(1)).rev() {
            let walk = Walk::<_, false>::new(upper, entry, scorer, (self.scratch, room));
            isa.enter(Walks(&mut [walk]));
            *links = self.choose(isa, upper, hnsw.config.m)?;
            let nearest = self.scratch.near.sorted().first();
            entry = nearest.map_or(NONE, |it| upper.below::<false>(it.node));
        }
        let walk = Walk::<_, false>::new(ground, entry, scorer, (self.scratch, room));
        isa.enter(Walks(&mut [walk]));
        if let Some(links) = links.first_mut() {
            *links = self.choose(isa, ground, ground.degree())?;
        }
        Ok(links)
    }

    /// Chooses links among what a walk left.
    #[inline(always)]
    fn choose<I: Isa>(&self, isa: I, level: &Level, most: usize) -> Result<Vec<u32>, Error> {
        let full = self.hnsw.full(self.vectors);
        let mut candidates = Vec::with_capacity(self.scratch.near.sorted().len());
        match (&self.hnsw.nodes, self.coded) {
            (Some(nodes), Some(query)) => {
                for found in self.scratch.near.sorted() {
                    let far = query.half_square(found.score);
                    candidates.push(Candidate {
                        far,
                        node: found.node,
                        slot: level.slot::<false>(found.node),
                    });
                }
                let chooser = ChosenByCode::new(nodes, full, self.slot);
                isa.enter(Select { chooser, candidates, most })
            }
            _ => {
                let target = full.measure.target(isa, self.vector);
                for found in self.scratch.near.sorted() {
                    let slot = level.slot::<false>(found.node);
                    let far = target.distance(isa, &full.vectors.vector(Slot(slot))?);
                    candidates.push(Candidate { far, node: found.node, slot });
                }
                isa.enter(Select { chooser: ChosenInFull::new(full), candidates, most })
            }
        }
    }
}

/// Chooses among too many links.
struct Shrink<'s> {
    level: &'s Level,
    node: u32,
    links: Vec<u32>,
    full: Full<'s>,
    nodes: Option<&'s Nodes>,
}

impl Work for Shrink<'_> {
    type Answer = Result<Vec<u32>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Shrink { level, node, links, full, nodes } = self;
        let most = level.degree();
        if links.len() <= most {
            return Ok(links);
        }
        let looks = level.slot::<false>(node);
        let mut candidates = Vec::with_capacity(links.len());
        match nodes {
            Some(nodes) => {
                let Some(planes) = nodes.planes(isa, looks) else { return Ok(links) };
                let one = planes.unpacked(nodes.dim());
                for node in links {
                    let slot = level.slot::<false>(node);
                    let Some(planes) = nodes.planes(isa, slot) else { continue };
                    let far = nodes.between(isa, &one, &planes);
                    candidates.push(Candidate { far, node, slot });
                }
                let chooser = ChosenByCode::new(nodes, full, looks);
                isa.enter(Select { chooser, candidates, most })
            }
            None => {
                for node in links {
                    let slot = level.slot::<false>(node);
                    let far = full.distance(isa, looks, slot)?;
                    candidates.push(Candidate { far, node, slot });
                }
                isa.enter(Select { chooser: ChosenInFull::new(full), candidates, most })
            }
        }
    }
}
