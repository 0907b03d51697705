//! A search: down the levels, a walk on the ground by codes, and the best of it compared in full.
//!
//! Where a walk would look at most of what there is, or a filter leaves little to look at, all that is admitted is
//! looked at instead, by codes and exactly (`exact`). So an answer always has `k` neighbours, or all there are.

use std::cell::RefCell;

use base::Slot;

use super::Hnsw;
use super::beam::{ByCode, Descend, InFull, Scorer, Scratch, Walk, Walks};
use super::body::InUse;
use super::nodes::NodesInUse;
use crate::codes::{CodedQuery, Limit};
use crate::lanes::{Isa, Work};
use crate::measure::Compared;
use crate::metric::Off;
use crate::query::Effort;
use crate::slots::slots_of;
use crate::top::Top;
use crate::vectors::check_dim;
use crate::{Error, Incomplete, K, Nearest, Neighbour, Query, Vectors};

/// A filter that admits fewer is no reason to walk.
const WALKED_FROM: usize = 2_000;

/// Nor is one that admits less than one of so many.
const WALKED_PART: usize = 50;

/// How far a walk looks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct View {
    /// How many it keeps in view.
    pub(super) ef: usize,
    /// It ends where all that is left is farther than the `k` nearest, and the [`K`] nearest, by more than this part:
    /// never, if infinite.
    pub(super) stop: f32,
}

/// How a query is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) view: View,
    /// How many are wanted.
    pub(super) k: usize,
    /// Whether all that is admitted is looked at instead.
    pub(super) exact: bool,
    /// The slot that a walk does not see.
    pub(super) held: Option<u32>,
}

impl Hnsw {
    /// Finds the nearest, keeping `ef` of them in view: the more, the surer and the slower.
    ///
    /// # Errors
    /// If the query cannot be a vector of the index; if a vector that was needed cannot be read; if the image the graph lies
    /// in is damaged.
    pub fn search_with(
        &self,
        query: &Query<'_>,
        ef: usize,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        self.search_in(query, Some(self.view(ef)), vectors)
    }

    /// With so many in view, looks as far as the index is made for.
    pub(super) fn view(&self, ef: usize) -> View {
        View { ef, stop: self.config.stop }
    }

    /// Answers a query looking so far, or by looking at everything.
    pub(super) fn search_in(
        &self,
        query: &Query<'_>,
        view: Option<View>,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        match self.plan_search(query, view, vectors)? {
            Some(plan) => self.search_by(query, plan, vectors),
            None => Ok(Nearest::default()),
        }
    }

    /// Answers a query as it was planned.
    pub(super) fn search_by(
        &self,
        query: &Query<'_>,
        plan: Plan,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        let pin = self.readers.pin();
        let on = self.under(&pin);
        let found = self.with_scratch(|scratch| {
            self.instructions.run(Search { on, query, vectors, plan, scratch })
        });
        self.check_image()?;
        found
    }

    /// How a query is answered with so many in view, or by looking at everything; nothing, if there is nothing to be found.
    pub(super) fn plan_search(
        &self,
        query: &Query<'_>,
        view: Option<View>,
        vectors: &dyn Vectors,
    ) -> Result<Option<Plan>, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        self.check_image()?;
        let here = self.len();
        let admitted = query.filter.map_or(here, |it| it.len().min(here));
        if query.k == 0 || admitted == 0 {
            return Ok(None);
        }
        let (k, held) = (query.k, None);
        let Some(View { ef, stop }) = view else {
            let view = View { ef: here, stop: f32::INFINITY };
            return Ok(Some(Plan { view, k, exact: true, held }));
        };
        // With a threshold nobody knows how many there will be: it goes on until all are found.
        let most = if query.within.is_some() { ef } else { query.k };
        let part = here.div_ceil(admitted);
        // Walks see those that were removed, too.
        let removed = self.body().slots.removed();
        let ef = ef.max(most).max(1);
        let ef = ef.saturating_add(ef.saturating_mul(removed) / here).saturating_mul(part);
        let few = query.filter.is_some() && (admitted < WALKED_FROM || part > WALKED_PART);
        // Of what a filter keeps out some is near enough to end a walk, and behind a threshold all is far.
        let plain = query.filter.is_none() && query.within.is_none() && query.visible.is_none();
        let view = View { ef, stop: if plain { stop } else { f32::INFINITY } };
        Ok(Some(Plan { view, k, exact: few || ef >= admitted, held }))
    }
}

struct Search<'s> {
    on: InUse<'s>,
    query: &'s Query<'s>,
    vectors: &'s dyn Vectors,
    plan: Plan,
    scratch: &'s mut Scratch,
}

impl Work for Search<'_> {
    type Answer = Result<Nearest, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        match self.on.hnsw.is_sure() {
            true => self.search::<I, false>(isa),
            false => self.search::<I, true>(isa),
        }
    }
}

impl Search<'_> {
    #[inline(always)]
    fn search<I: Isa, const CHECK: bool>(self, isa: I) -> Result<Nearest, Error> {
        let Search { on, query, vectors, plan, scratch } = self;
        let coded = on.coded(query);
        let mut judge = Judge::<CHECK>::new(isa, (on, query, vectors), coded.as_ref(), plan);
        if plan.exact {
            judge.exact(isa)?;
            return Ok(judge.into_nearest());
        }
        judge.walk(isa, scratch)?;
        isa.enter(Finish { judge, scratch })
    }
}

/// Makes an answer of what a walk left in its scratch: as long as that is not enough, by longer walks.
pub(super) struct Finish<'f, 's, const CHECK: bool> {
    pub(super) judge: Judge<'s, CHECK>,
    pub(super) scratch: &'f mut Scratch,
}

impl<const CHECK: bool> Work for Finish<'_, '_, CHECK> {
    type Answer = Result<Nearest, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Finish { mut judge, scratch } = self;
        loop {
            let incomplete = judge.take(isa, scratch)?;
            if incomplete || judge.is_whole(scratch.near.sorted().len()) {
                return Ok(judge.into_nearest());
            }
            // There may be more within the threshold, or the filter left too few.
            judge = judge.begin_again();
            if judge.plan.view.ef >= judge.on.slots.len() {
                judge.exact(isa)?;
                return Ok(judge.into_nearest());
            }
            judge.walk(isa, scratch)?;
        }
    }
}

/// Compares what was found, and keeps the nearest of it.
pub(super) struct Judge<'s, const CHECK: bool> {
    on: InUse<'s>,
    query: &'s Query<'s>,
    vectors: &'s dyn Vectors,
    plan: Plan,
    target: Compared<'s>,
    coded: Option<(NodesInUse<'s>, &'s CodedQuery)>,
    off: Option<Off>,
    limit: Option<Limit>,
    top: Top,
    /// How many were admitted by what the query asks for, whether or not others are nearer.
    admitted: usize,
    work: Effort,
    incomplete: Option<Incomplete>,
}

impl<'s, const CHECK: bool> Judge<'s, CHECK> {
    #[inline(always)]
    pub(super) fn new<I: Isa>(
        isa: I,
        (on, query, vectors): (InUse<'s>, &'s Query<'s>, &'s dyn Vectors),
        coded: Option<&'s CodedQuery>,
        plan: Plan,
    ) -> Self {
        let measure = &on.hnsw.measure;
        let target = measure.target(isa, query.vector);
        let coded = on.nodes.zip(coded);
        let off = measure.metric().map(|metric| metric.error(on.hnsw.dim));
        let (top, work) = (Top::new(query), Effort::default());
        let (limit, incomplete, admitted) = (None, None, 0);
        Judge {
            on,
            query,
            vectors,
            plan,
            target,
            coded,
            off,
            limit,
            top,
            admitted,
            work,
            incomplete,
        }
    }

    /// Forgets what was found, and not what it took; the next walk has twice as many in view, and goes to its end.
    fn begin_again(self) -> Self {
        let view = View { ef: self.plan.view.ef.saturating_mul(2), stop: f32::INFINITY };
        let plan = Plan { view, ..self.plan };
        Judge { top: Top::new(self.query), limit: None, admitted: 0, plan, ..self }
    }

    fn into_nearest(self) -> Nearest {
        let (incomplete, work) = (self.incomplete, self.work);
        Nearest { neighbours: self.top.into_sorted(), incomplete, work }
    }

    /// Whether a walk that found so many found enough.
    fn is_whole(&self, found: usize) -> bool {
        let room = self.plan.view.ef;
        let wanted = self.query.k.min(self.on.slots.len());
        let enough = self.top.len() >= wanted;
        match self.query.within {
            // Some of what was found must be too far, or what was not found may be near enough.
            Some(_) => enough || (self.admitted < found && found == room),
            None => enough,
        }
    }

    /// How many may still be looked at.
    pub(super) fn budget(&self) -> u64 {
        self.query.budget.map_or(u64::MAX, |it| it.saturating_sub(self.work.looked_at))
    }

    /// Walks through the graph, and leaves what is near in the scratch.
    #[inline(always)]
    fn walk<I: Isa>(&self, isa: I, scratch: &mut Scratch) -> Result<(), Error> {
        scratch.begin(self.budget());
        match self.coded {
            Some((nodes, query)) => {
                let scorer = ByCode::<CHECK> { nodes, query };
                find::<I, CHECK>(isa, (self.on, self.plan), &scorer, scratch);
                Ok(())
            }
            None => {
                let (vectors, target, failed) = (self.vectors, self.target, RefCell::new(None));
                let scorer = InFull { vectors, target, failed };
                find::<I, CHECK>(isa, (self.on, self.plan), &scorer, scratch);
                scorer.failed.into_inner().map_or(Ok(()), |unreadable| Err(unreadable.into()))
            }
        }
    }

    /// Takes what a walk left; says whether that had to stop before its end.
    #[inline(always)]
    fn take<I: Isa>(&mut self, isa: I, scratch: &Scratch) -> Result<bool, Error> {
        if let Some((nodes, _)) = self.coded {
            for found in scratch.near.sorted() {
                nodes.fetch_lower(isa, found.node);
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
        for at in 0..self.on.slots.words() {
            let word = self.query.filter.map_or(u64::MAX, |filter| filter.word(at));
            for slot in slots_of(at, word & self.on.slots.word::<CHECK>(at)) {
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
        if !self.query.admits(slot) || !self.on.slots.contains::<CHECK>(slot) {
            return Ok(());
        }
        if let (Some((nodes, coded)), Some(limit)) = (self.coded, self.limit) {
            self.work.by_code += 1;
            if nodes.is_beyond::<I, CHECK>(isa, coded, slot.0, limit) {
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

/// Leaves what is near in the scratch.
#[inline(always)]
fn find<I: Isa, const CHECK: bool>(
    isa: I,
    on: (InUse<'_>, Plan),
    scorer: &impl Scorer,
    scratch: &mut Scratch,
) {
    if let Some(walk) = begin::<I, _, CHECK>(isa, on, scorer, scratch) {
        isa.enter(Walks(&mut [walk]));
    }
}

/// Goes down to the ground, where a walk begins; nothing, if the graph is empty.
#[inline(always)]
pub(super) fn begin<'s, I: Isa, S: Scorer, const CHECK: bool>(
    isa: I,
    (on, plan): (InUse<'s>, Plan),
    scorer: &'s S,
    scratch: &'s mut Scratch,
) -> Option<Walk<'s, S, CHECK>> {
    let graph = on.graph;
    let Some(entry) = graph.entry() else {
        scratch.near.begin(0);
        return None;
    };
    let scored = &mut scratch.scored;
    let entry = isa.enter(Descend::<_, CHECK> { graph, entry, to: 0, scorer, scored });
    let mut walk = Walk::new(graph.ground(), entry, scorer, (scratch, plan.view.ef));
    walk.stop_at(plan.view.stop, plan.k.max(K));
    if let Some(held) = plan.held {
        walk.pass_over(held);
    }
    Some(walk)
}
