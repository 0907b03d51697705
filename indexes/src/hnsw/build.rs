//! Takes slots up: one, or many at once.
//!
//! Many are taken up in batches. Where the links of a batch should lead is found out for all of its slots from the graph as
//! it was before the batch, on all threads; then links are set, and whoever has too many chooses anew, again on all threads
//! and each for itself. So the graph is the same whatever the number of threads. A batch is a small part of what is there
//! already, so that its slots miss little of each other.

use base::Slot;

use super::body::{Body, InUse};
use super::graph::{Entry, LEVELS_MAX};
use super::links::{Level, NONE};
use super::select::{Candidate, ChosenByCode, ChosenInFull, Full, Select};
use super::{Hnsw, HnswConfig};
use crate::lanes::{Isa, Work};
use crate::query::check;
use crate::shared::{Held, Lives};
use crate::vectors::check_dim;
use crate::{Error, Pool, SlotSet, Vectors};

/// A batch is one of so many slots that are there.
const BATCH: usize = 50;

/// As long as there are fewer, slots are taken up one by one.
const ALONE: usize = 1_000;

/// So many slots of a batch, or nodes whose links are wanted in return, are one piece of work for a thread.
const SLOTS: usize = 8;
const GROUPS: usize = 32;

/// And so many vectors, where it is only looked whether they fit.
const CHECKED: usize = 4_096;

/// A slot that is to be taken up, and where its links should lead.
struct Plan<'b> {
    slot: u32,
    /// Its code, which nobody sees yet.
    code: Option<Held<'b>>,
    /// Its node on each of its levels, the ground first, and who that should be linked to.
    nodes: Vec<(u32, Vec<u32>)>,
}

/// A link that is wanted in return, on a level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Return {
    pub(super) level: usize,
    /// From this node.
    pub(super) from: u32,
    /// To this one, of this slot.
    pub(super) to: u32,
    pub(super) slot: u32,
}

/// The links that a node had, and those that it should have with what is wanted in return.
pub(super) struct Change {
    level: usize,
    node: u32,
    before: Vec<u32>,
    links: Vec<u32>,
}

impl Hnsw {
    /// Takes up many slots at once, on all threads of a pool.
    pub(super) fn insert_many(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let (body, own) = self.own()?;
        slots.iter().try_for_each(|slot| own.check_free(slot))?;
        let mut left: Vec<u32> = slots.iter().map(|slot| slot.0).collect();
        let fit = |some: &[u32]| {
            some.iter().try_for_each(|slot| check(&vectors.vector(Slot(*slot))?, self.dim))
        };
        pool.each(left.chunks(CHECKED).collect(), fit).into_iter().collect::<Result<(), _>>()?;
        shuffle(&mut left, self.config.seed);
        let (all, mut done) = (left.len(), 0);
        while done < all {
            // One batch depends on the whole of the one before.
            let alone = self.writers.writing.write();
            let here = self.len();
            let batch = if here < ALONE { 1 } else { here / BATCH };
            let batch = left.get(done..(done + batch).min(all)).unwrap_or_default();
            self.take_up((body, own), batch, vectors, pool)?;
            drop(alone);
            done += batch.len();
            if !progress(done) {
                break;
            }
        }
        Ok(())
    }

    /// Takes up one slot beside others that do the same.
    pub(super) fn insert_one(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let (body, own) = self.own()?;
        own.check_free(slot)?;
        check(&vectors.vector(slot)?, self.dim)?;
        let _beside_others = self.writers.writing.read();
        // Of two that find nothing to be linked to the second would never be found.
        let are_few = || own.live.len() < self.config.m;
        let _one_by_one = are_few().then(|| self.writers.first_of_all.lock());
        self.take_up((body, own), &[slot.0], vectors, &Pool::here())
    }

    /// Takes up slots.
    fn take_up(
        &self,
        (body, own): (&Body, &Lives),
        slots: &[u32],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        let these: Vec<Slot> = slots.iter().map(|slot| Slot(*slot)).collect();
        let mut taken = own.take(&these)?;
        let pin = self.readers.pin();
        let on = self.own_under(body, &pin);
        let plans = pool.each(slots.chunks(SLOTS).collect(), |slots| {
            let plan = |slot: &u32| self.plan(body, on, *slot, vectors);
            slots.iter().map(plan).collect::<Result<Vec<_>, Error>>()
        });
        let plans = plans.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut plans: Vec<Plan<'_>> = plans.into_iter().flatten().collect();
        // If it goes wrong from here on they are removed slots, which nobody finds.
        taken.are_seen();
        plans.iter_mut().filter_map(|plan| plan.code.take()).for_each(Held::open);
        self.link(on, &mut plans, vectors, pool)?;
        taken.live();
        Ok(())
    }

    /// Sets the links of slots that were planned, and those that are wanted in return.
    fn link(
        &self,
        on: InUse<'_>,
        plans: &mut [Plan<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        let graph = on.graph;
        let mut returns = Vec::new();
        for Plan { slot, nodes, .. } in plans.iter_mut() {
            for (level, (node, links)) in nodes.iter_mut().enumerate() {
                let Some(on_level) = graph.make_level(level) else { continue };
                *node = if level == 0 { *slot } else { on_level.reserve() };
                {
                    // Whoever comes to it sees its links before it changes them.
                    let _alone = self.writers.locks.lock(level, *node);
                    on_level.put(*node, links.iter().copied());
                }
                let back = |from: &u32| Return { level, from: *from, to: *node, slot: *slot };
                returns.extend(links.iter().map(back));
            }
        }
        returns.sort_unstable();
        let same = |a: &Return, b: &Return| (a.level, a.from) == (b.level, b.from);
        let groups: Vec<_> = returns.chunk_by(same).collect();
        let changes = pool.each(groups.chunks(GROUPS).collect(), |groups| {
            let change = |group: &&[Return]| self.change(on, group, vectors);
            groups.iter().map(change).collect::<Result<Vec<_>, Error>>()
        });
        let changes = match changes.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(changes) => changes,
            Err(error) => {
                for (level, (node, _)) in plans.iter().flat_map(Plan::upper) {
                    graph.level(level).into_iter().for_each(|it| it.give_back(node));
                }
                return Err(error);
            }
        };
        for Plan { slot, nodes, .. } in plans.iter() {
            let mut below = *slot;
            for (level, (node, _)) in nodes.iter().enumerate().skip(1) {
                graph.level(level).into_iter().for_each(|it| it.name(*node, *slot, below));
                below = *node;
            }
        }
        // Every group has a change, in their order.
        for (change, group) in changes.into_iter().flatten().zip(groups) {
            self.make_change(on, change, group, vectors)?;
        }
        for plan in plans.iter() {
            if let Some((level, (node, _))) = plan.nodes.iter().enumerate().next_back() {
                graph.raise_entry(Entry { level, node: *node });
            }
        }
        Ok(())
    }

    /// Finds out where the links of a slot should lead.
    fn plan<'b>(
        &self,
        body: &'b Body,
        on: InUse<'_>,
        slot: u32,
        vectors: &dyn Vectors,
    ) -> Result<Plan<'b>, Error> {
        let level = self.config.level_of(slot).min(LEVELS_MAX);
        let vector = vectors.vector(Slot(slot))?;
        body.graph.ground().make(slot);
        let code = match &body.codes {
            // Slots that are not taken are shut.
            Some(codes) => {
                Some(codes.make(slot, &vector).ok_or(Error::There { slot: Slot(slot) })?)
            }
            None => None,
        };
        let mut links = self.look(on, (slot, level), &vector, vectors)?;
        links.resize(level + 1, Vec::new());
        Ok(Plan { slot, code, nodes: links.into_iter().map(|links| (slot, links)).collect() })
    }

    pub(super) fn full<'s>(&'s self, vectors: &'s dyn Vectors) -> Full<'s> {
        Full { measure: &self.measure, vectors }
    }

    /// The links of a node when those are there that are wanted in return.
    pub(super) fn change(
        &self,
        on: InUse<'_>,
        group: &[Return],
        vectors: &dyn Vectors,
    ) -> Result<Change, Error> {
        let Some(Return { level, from: node, .. }) = group.first().copied() else {
            return Ok(Change { level: 0, node: NONE, before: Vec::new(), links: Vec::new() });
        };
        let (mut before, mut links) = (Vec::new(), Vec::new());
        if let Some(on_level) = on.graph.level(level) {
            before.extend(on_level.links::<false>(node));
            let mut wanted: Vec<_> =
                before.iter().map(|to| (*to, on_level.slot::<false>(*to))).collect();
            let new = group.iter().filter(|it| !before.contains(&it.to));
            wanted.extend(new.map(|it| (it.to, it.slot)));
            links = self.fewer(on, (on_level, node), wanted, vectors)?;
        }
        Ok(Change { level, node, before, links })
    }

    /// As many of these links of a node, with the slots they lead to, as it may have.
    fn fewer(
        &self,
        on: InUse<'_>,
        (level, node): (&Level, u32),
        links: Vec<(u32, u32)>,
        vectors: &dyn Vectors,
    ) -> Result<Vec<u32>, Error> {
        self.instructions.run(Shrink { on, level, node, links, full: self.full(vectors) })
    }

    /// Puts links in the place of those that were there; if others are there by now, finds out again.
    pub(super) fn make_change(
        &self,
        on: InUse<'_>,
        mut change: Change,
        group: &[Return],
        vectors: &dyn Vectors,
    ) -> Result<(), Error> {
        let Some(level) = on.graph.level(change.level) else { return Ok(()) };
        let _alone = self.writers.locks.lock(change.level, change.node);
        if !level.links::<false>(change.node).eq(change.before.iter().copied()) {
            change = self.change(on, group, vectors)?;
        }
        level.put(change.node, change.links);
        Ok(())
    }
}

impl Plan<'_> {
    /// Its nodes above the ground.
    fn upper(&self) -> impl Iterator<Item = (usize, (u32, &Vec<u32>))> {
        self.nodes.iter().enumerate().skip(1).map(|(level, (node, links))| (level, (*node, links)))
    }
}

/// Brings slots into an order that does not depend on where they are.
fn shuffle(slots: &mut [u32], seed: u64) {
    let config = HnswConfig::default().seed(seed);
    slots.sort_by_cached_key(|slot| (config.mixed(*slot), *slot));
}

/// Chooses among too many links.
struct Shrink<'s> {
    on: InUse<'s>,
    level: &'s Level,
    node: u32,
    /// Where they lead, and to which slots.
    links: Vec<(u32, u32)>,
    full: Full<'s>,
}

impl Work for Shrink<'_> {
    type Answer = Result<Vec<u32>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Shrink { on, level, node, mut links, full } = self;
        let most = level.degree();
        if links.len() > most {
            links.retain(|(_, slot)| *slot != NONE && !on.is_doomed(*slot));
        }
        if links.len() <= most {
            return Ok(links.into_iter().map(|(node, _)| node).collect());
        }
        let looks = level.slot::<false>(node);
        let mut candidates = Vec::with_capacity(links.len());
        match on.codes {
            Some(codes) => {
                let one = codes.planes(isa, looks).map(|planes| planes.unpacked(codes.dim()));
                let Some(one) = one else { return Ok(Vec::new()) };
                for (node, slot) in links {
                    let Some(planes) = codes.planes(isa, slot) else { continue };
                    let far = codes.between(isa, &one, &planes);
                    candidates.push(Candidate { far, node, slot });
                }
                let chooser = ChosenByCode::new(codes, full, looks);
                isa.enter(Select { chooser, candidates, most })
            }
            None => {
                for (node, slot) in links {
                    let far = full.distance(isa, looks, slot)?;
                    candidates.push(Candidate { far, node, slot });
                }
                isa.enter(Select { chooser: ChosenInFull::new(full), candidates, most })
            }
        }
    }
}
