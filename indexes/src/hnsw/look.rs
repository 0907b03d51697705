//! Looks where the links of a slot should lead: near, in different directions, and to nothing that is being detached.

use std::cell::RefCell;

use base::Slot;

use super::Hnsw;
use super::beam::{ByCode, Descend, InFull, Scorer, Scratch, Walk, Walks, nearest_of};
use super::body::InUse;
use super::links::{Level, NONE};
use super::select::{Candidate, ChosenByCode, ChosenInFull, Full, Select};
use crate::codes::{CodedQuery, CodesInUse};
use crate::lanes::{Isa, Work};
use crate::{Error, Metric, Query, Vectors};

/// Where many are being detached, so many times as many more are in view, at most.
const MORE: usize = 3;

impl Hnsw {
    /// Finds out where the links of a slot should lead, on each of its levels that there is.
    pub(super) fn look(
        &self,
        on: InUse<'_>,
        (slot, level): (u32, usize),
        vector: &[f32],
        vectors: &dyn Vectors,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let coded = on.codes.and_then(|codes| CodedQuery::new(codes.shape(), vector));
        let coded = coded.as_ref();
        let (mut links, found) = self.with_scratch(|scratch| {
            self.instructions.run(Look { on, slot, level, vector, coded, vectors, scratch })
        })?;
        if found < self.config.m.min(on.slots.len()) {
            // All that is near is being detached.
            let ground = self.nearest_of_all(on, (slot, vector), coded, vectors)?;
            links.resize(links.len().max(1), Vec::new());
            links.iter_mut().take(1).for_each(|links| links.clone_from(&ground));
        }
        Ok(links)
    }

    /// Where the links of a slot should lead on the ground, found by looking at all that are live.
    fn nearest_of_all(
        &self,
        on: InUse<'_>,
        (slot, vector): (u32, &[f32]),
        coded: Option<&CodedQuery>,
        vectors: &dyn Vectors,
    ) -> Result<Vec<u32>, Error> {
        let query = Query::new(vector).k(self.config.ef_construction);
        let found = self.search_in(&query, None, vectors)?.neighbours;
        let mut candidates = Vec::with_capacity(found.len());
        for found in found.into_iter().filter(|it| it.slot.0 != slot) {
            let far = match self.measure.metric() {
                Some(Metric::L2) if coded.is_some() => found.distance * found.distance / 2.0,
                _ => found.distance,
            };
            candidates.push(Candidate { far, node: found.slot.0, slot: found.slot.0 });
        }
        let most = on.graph.ground().degree();
        let (codes, full) = (on.codes.filter(|_| coded.is_some()), self.full(vectors));
        self.instructions.run(Choose { codes, slot, candidates, most, full })
    }
}

/// Looks where the links of a slot should lead.
struct Look<'s> {
    on: InUse<'s>,
    slot: u32,
    level: usize,
    vector: &'s [f32],
    coded: Option<&'s CodedQuery>,
    vectors: &'s dyn Vectors,
    scratch: &'s mut Scratch,
}

impl Work for Look<'_> {
    /// The links on each level, and how many there were to choose from on the ground.
    type Answer = Result<(Vec<Vec<u32>>, usize), Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let target = self.on.hnsw.measure.target(isa, self.vector);
        match (self.on.codes, self.coded) {
            (Some(codes), Some(query)) => self.look(isa, &ByCode::<false> { codes, query }),
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
    fn look<I: Isa>(self, isa: I, scorer: &impl Scorer) -> <Self as Work>::Answer {
        let InUse { hnsw, graph, .. } = self.on;
        let Some(entry) = graph.entry() else { return Ok((Vec::new(), 0)) };
        let top = self.level.min(entry.level);
        let scored = &mut self.scratch.scored;
        let mut node = match graph.level(top) {
            Some(level) if top > 0 && top == entry.level => {
                nearest_of::<I, false>(isa, level, entry.node, scorer, scored)
            }
            _ => isa.enter(Descend::<_, false> { graph, entry, to: top, scorer, scored }),
        };
        let mut links = vec![Vec::new(); top + 1];
        // Nothing is linked to those that are being detached: so much more has to be in view.
        let doomed = self.on.doomed();
        let more = (doomed / self.on.slots.len().max(1)).min(MORE);
        let room = hnsw.config.ef_construction.saturating_mul(1 + more);
        let mut found = 0;
        for (at, links) in links.iter_mut().enumerate().rev() {
            let Some(level) = graph.level(at) else { continue };
            let walk = Walk::<_, false>::new(level, node, scorer, (self.scratch, room));
            isa.enter(Walks(&mut [walk]));
            let most = if at == 0 { level.degree() } else { hnsw.config.m };
            (*links, found) = self.choose(isa, level, most)?;
            let nearest = self.scratch.near.sorted().first();
            node = nearest.map_or(NONE, |it| level.below::<false>(it.node));
        }
        Ok((links, found))
    }

    /// Chooses links among what a walk left; says among how many.
    #[inline(always)]
    fn choose<I: Isa>(
        &self,
        isa: I,
        level: &Level,
        most: usize,
    ) -> Result<(Vec<u32>, usize), Error> {
        let full = self.on.hnsw.full(self.vectors);
        let mut candidates = Vec::with_capacity(self.scratch.near.sorted().len());
        let coded = self.on.codes.zip(self.coded);
        let target = full.measure.target(isa, self.vector);
        for found in self.scratch.near.sorted() {
            let (node, slot) = (found.node, level.slot::<false>(found.node));
            // It may have been found again by who takes it up once more.
            if slot == NONE || slot == self.slot || self.on.is_doomed(slot) {
                continue;
            }
            let far = match coded {
                Some((_, query)) => query.half_square(found.score),
                None => target.distance(isa, &full.vectors.vector(Slot(slot))?),
            };
            candidates.push(Candidate { far, node, slot });
        }
        let found = candidates.len();
        let codes = coded.map(|(codes, _)| codes);
        let chosen = Choose { codes, slot: self.slot, candidates, most, full };
        Ok((isa.enter(chosen)?, found))
    }
}

/// Chooses links of a slot among candidates.
struct Choose<'s> {
    /// By which they are compared, if they are.
    codes: Option<CodesInUse<'s>>,
    slot: u32,
    candidates: Vec<Candidate>,
    most: usize,
    full: Full<'s>,
}

impl Work for Choose<'_> {
    type Answer = Result<Vec<u32>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Choose { codes, slot, candidates, most, full } = self;
        match codes {
            Some(codes) => {
                let chooser = ChosenByCode::new(codes, full, slot);
                isa.enter(Select { chooser, candidates, most })
            }
            None => isa.enter(Select { chooser: ChosenInFull::new(full), candidates, most }),
        }
    }
}
