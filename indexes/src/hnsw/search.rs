//! A search: down the levels, a walk on the ground by codes, and the best of it compared in full.
//!
//! Where a walk would look at most of what there is, or a filter leaves little to look at, all that is admitted is
//! looked at instead, by codes and exactly (`exact`). So an answer always has `k` neighbours, or all there are.

use std::cell::RefCell;

use base::Slot;

use super::Hnsw;
use super::beam::{ByCode, InFull, Scorer, Scratch, descend, walk};
use super::nodes::Nodes;
use crate::codes::{CodedQuery, Limit};
use crate::lanes::{Isa, Work};
use crate::measure::Compared;
use crate::metric::Off;
use crate::query::Effort;
use crate::slots::slots_of;
use crate::top::Top;
use crate::vectors::check_dim;
use crate::{Error, Incomplete, Nearest, Neighbour, Query, Vectors};

/// A filter that admits fewer is no reason to walk.
const WALKED_FROM: usize = 2_000;

/// Nor is one that admits less than one of so many.
const WALKED_PART: usize = 50;

impl Hnsw {
    /// Finds the nearest, keeping `ef` of them in view: the more, the surer and the slower.
    ///
    /// # Errors
    /// If the query cannot be a vector of the index; if a vector that was needed cannot be read.
    pub fn search_with(
        &self,
        query: &Query<'_>,
        ef: usize,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        let admitted = query.filter.map_or(self.live.len(), |it| it.len().min(self.live.len()));
        if query.k == 0 || admitted == 0 {
            return Ok(Nearest::default());
        }
        // With a threshold nobody knows how many there will be: `grow` goes on until all are found.
        let most = if query.within.is_some() { ef } else { query.k };
        let part = self.live.len().div_ceil(admitted);
        let ef = ef.max(most).max(1).saturating_mul(part);
        let few = query.filter.is_some() && (admitted < WALKED_FROM || part > WALKED_PART);
        self.with_scratch(|scratch| {
            let (hnsw, exact) = (self, few || ef >= admitted);
            self.instructions.run(Search { hnsw, query, vectors, ef, exact, scratch })
        })
    }
}

struct Search<'s> {
    hnsw: &'s Hnsw,
    query: &'s Query<'s>,
    vectors: &'s dyn Vectors,
    ef: usize,
    exact: bool,
    scratch: &'s mut Scratch,
}

impl Work for Search<'_> {
    type Answer = Result<Nearest, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Search { hnsw, query, vectors, mut ef, exact, scratch } = self;
        let target = hnsw.measure.target(isa, query.vector);
        let coded = match &hnsw.nodes {
            Some(nodes) => CodedQuery::new(nodes.shape(), query.vector).map(|it| (nodes, it)),
            None => None,
        };
        let coded = coded.as_ref().map(|(nodes, query)| (*nodes, query));
        let mut judge = Judge::new(hnsw, query, (vectors, target), coded);
        if exact {
            judge.exact(isa)?;
            return Ok(judge.into_nearest());
        }
        loop {
            let incomplete = judge.walk(isa, ef, scratch)?;
            if incomplete || judge.is_whole(ef, scratch.near.sorted().len()) {
                return Ok(judge.into_nearest());
            }
            // There may be more within the threshold, or the filter left too few.
            let again = judge.begin_again();
            ef = ef.saturating_mul(2);
            judge = again;
            if ef >= hnsw.live.len() {
                judge.exact(isa)?;
                return Ok(judge.into_nearest());
            }
        }
    }
}

/// Compares what was found, and keeps the nearest of it.
struct Judge<'s> {
    hnsw: &'s Hnsw,
    query: &'s Query<'s>,
    vectors: &'s dyn Vectors,
    target: Compared<'s>,
    coded: Option<(&'s Nodes, &'s CodedQuery)>,
    off: Option<Off>,
    limit: Option<Limit>,
    top: Top,
    /// How many were admitted by what the query asks for, whether or not others are nearer.
    admitted: usize,
    work: Effort,
    incomplete: Option<Incomplete>,
}

impl<'s> Judge<'s> {
    #[inline(always)]
    fn new(
        hnsw: &'s Hnsw,
        query: &'s Query<'s>,
        (vectors, target): (&'s dyn Vectors, Compared<'s>),
        coded: Option<(&'s Nodes, &'s CodedQuery)>,
    ) -> Self {
        let off = hnsw.measure.metric().map(|metric| metric.error(hnsw.dim));
        let (top, work) = (Top::new(query), Effort::default());
        let (limit, incomplete, admitted) = (None, None, 0);
        Judge { hnsw, query, vectors, target, coded, off, limit, top, admitted, work, incomplete }
    }

    /// Forgets what was found, and not what it took.
    fn begin_again(self) -> Self {
        Judge { top: Top::new(self.query), limit: None, admitted: 0, ..self }
    }

    fn into_nearest(self) -> Nearest {
        let (incomplete, work) = (self.incomplete, self.work);
        Nearest { neighbours: self.top.into_sorted(), incomplete, work }
    }

    /// Whether a walk that found so many, of so many it had room for, found enough.
    fn is_whole(&self, room: usize, found: usize) -> bool {
        let wanted = self.query.k.min(self.hnsw.live.len());
        let enough = self.top.len() >= wanted;
        match self.query.within {
            // Some of what was found must be too far, or what was not found may be near enough.
            Some(_) => enough || (self.admitted < found && found == room),
            None => enough,
        }
    }

    /// Walks through the graph; says whether it had to stop before its end.
    #[inline(always)]
    fn walk<I: Isa>(&mut self, isa: I, ef: usize, scratch: &mut Scratch) -> Result<bool, Error> {
        scratch.budget = self.query.budget.map_or(u64::MAX, |it| it - self.work.looked_at);
        scratch.scored = 0;
        match self.coded {
            Some((nodes, query)) => {
                let dim = self.hnsw.dim;
                find(isa, self.hnsw, &ByCode { nodes, query, dim }, (scratch, ef));
                for found in scratch.near.sorted() {
                    nodes.fetch_lower(isa, found.node);
                }
            }
            None => {
                let (vectors, target, failed) = (self.vectors, self.target, RefCell::new(None));
                let scorer = InFull { vectors, target, failed };
                find(isa, self.hnsw, &scorer, (scratch, ef));
                if let Some(unreadable) = scorer.failed.into_inner() {
                    return Err(unreadable.into());
                }
            }
        }
        self.work.looked_at += scratch.scored;
        let spent = scratch.scored >= scratch.budget;
        self.incomplete = spent.then_some(Incomplete::Budget);
        for found in scratch.near.sorted() {
            self.judge(isa, Slot(found.node))?;
        }
        Ok(spent)
    }

    /// Looks at all that is admitted.
    #[inline(always)]
    fn exact<I: Isa>(&mut self, isa: I) -> Result<(), Error> {
        for at in 0..self.hnsw.live.words() {
            let word = self.query.filter.map_or(u64::MAX, |filter| filter.word(at));
            for slot in slots_of(at, word & self.hnsw.live.word(at)) {
                if self.query.budget.is_some_and(|budget| self.work.looked_at >= budget) {
                    self.incomplete = Some(Incomplete::Budget);
                    return Ok(());
                }
                self.work.looked_at += 1;
                self.judge(isa, slot)?;
            }
        }
        Ok(())
    }

    /// Compares a slot in full, unless its codes rule it out.
    #[inline(always)]
    fn judge<I: Isa>(&mut self, isa: I, slot: Slot) -> Result<(), Error> {
        let admitted = self.query.filter.is_none_or(|filter| filter.contains(slot));
        if !admitted || !self.hnsw.live.contains(slot) {
            return Ok(());
        }
        if let (Some((nodes, coded)), Some(limit)) = (self.coded, self.limit) {
            self.work.by_code += 1;
            if nodes.is_beyond(isa, coded, slot.0, limit) {
                return Ok(());
            }
        }
        let vector = self.vectors.vector(slot)?;
        self.work.in_full += 1;
        let distance = self.target.distance(isa, &vector);
        let near = self.query.within.is_none_or(|within| distance <= within);
        self.admitted += usize::from(near);
        if self.top.offer(Neighbour { distance, slot })
            && let (Some((_, coded)), Some(off)) = (self.coded, self.off)
        {
            self.limit = Some(Limit::new(coded, off, self.top.limit()));
        }
        Ok(())
    }
}

/// Leaves what is near in `scratch.near`.
#[inline(always)]
fn find<I: Isa>(isa: I, hnsw: &Hnsw, scorer: &impl Scorer, (scratch, ef): (&mut Scratch, usize)) {
    let graph = &hnsw.graph;
    let Some(entry) = graph.entry else {
        scratch.near.begin(0);
        return;
    };
    let entry = descend(isa, &graph.levels, entry, scorer, &mut scratch.scored);
    walk(isa, &graph.ground, entry, scorer, (scratch, ef));
}
