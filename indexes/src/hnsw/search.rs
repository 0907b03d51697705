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
use super::plan::{Plan, View, Way};
use super::through::Through;
use crate::codes::{CodedQuery, Limit};
use crate::lanes::{Isa, Work};
use crate::measure::Compared;
use crate::metric::Off;
use crate::query::Effort;
use crate::slots::slots_of;
use crate::top::Top;
use crate::{Error, Incomplete, K, Nearest, Neighbour, Query, Vectors};

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
}

/// One of so many that a walk found may be within a threshold for it to have found all.
const BEYOND: usize = 3;

/// A walk that did not find enough is followed by one with so many times as many in view.
const MORE: usize = 4;

/// A filter that admits one of so many or more is asked how many of so many nearest it admits; if that is not one of so many of
/// those that should be, it is far from the query.
const ASKED_PART: usize = 10;
const ASKED: usize = 40;
const FEWER: usize = 8;

/// It is looked whether the time is over each time that so many were looked at.
const LOOKS: u64 = 256;

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
        if plan.way == Way::Exact || judge.is_far_from_all(isa, scratch)? {
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
            judge.take(isa, scratch)?;
            let found = scratch.near.sorted().len();
            // It gave up, if it has looked at more than is worth it.
            let is_at_its_end = scratch.scored < scratch.budget;
            if judge.incomplete.is_some() || (is_at_its_end && judge.is_whole(found)) {
                return Ok(judge.into_nearest());
            }
            // There may be more within the threshold, or the filter left too few.
            let worth = is_at_its_end && judge.is_worth_a_walk(found, scratch.scored);
            judge = judge.begin_again();
            if !worth {
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

    /// Forgets what was found, and not what it took; the next walk has more in view, and goes to its end.
    fn begin_again(self) -> Self {
        let view = View { ef: self.plan.view.ef.saturating_mul(MORE), stop: f32::INFINITY };
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
        let wanted = self.query.k.min(self.plan.admitted);
        let enough = self.top.len() >= wanted;
        match self.query.within {
            // Most of what was found must be too far, or what was not found may be near enough.
            Some(_) => enough || found < room || BEYOND * self.admitted <= found,
            None => enough,
        }
    }

    /// How many may still be looked at: by what the query allows, and before looking at all that is admitted takes less.
    pub(super) fn budget(&self) -> u64 {
        let most = self.query.budget.unwrap_or(u64::MAX).min(self.worth());
        most.saturating_sub(self.work.looked_at)
    }

    /// How many a walk may look at to be worth it.
    fn worth(&self) -> u64 {
        let admitted = self.plan.admitted as u64;
        match (self.query.strategy, self.query.filter, self.query.within) {
            (None, Some(_), _) => admitted + admitted / 2,
            (None, None, Some(_)) => admitted,
            _ => u64::MAX,
        }
    }

    /// Whether one should walk once more with more in view, and not look at all that is admitted.
    fn is_worth_a_walk(&self, found: usize, scored: u64) -> bool {
        let room = self.plan.view.ef;
        // A walk through a filter that has room left has been everywhere it can get to.
        let is_everywhere = self.plan.way == Way::Through && found < room;
        let expected = scored.saturating_mul(MORE as u64).saturating_add(self.work.looked_at);
        !is_everywhere && room < self.on.slots.len() / MORE && expected < self.worth()
    }

    /// Whether a filter admits far fewer of what is nearest than of the rest: no walk among the admitted ones leads to the
    /// nearest of them then. It is only asked where looking at all of them would take much longer.
    #[inline(always)]
    fn is_far_from_all<I: Isa>(&mut self, isa: I, scratch: &mut Scratch) -> Result<bool, Error> {
        let (here, admitted) = (self.on.slots.len(), self.plan.admitted);
        let Some(filter) = self.query.filter.filter(|_| self.plan.way == Way::Through) else {
            return Ok(false);
        };
        if self.query.strategy.is_some() || admitted.saturating_mul(ASKED_PART) < here {
            return Ok(false);
        }
        let view = View { ef: ASKED, stop: f32::INFINITY };
        let plan = Plan { view, way: Way::Walk, ..self.plan };
        let asked = std::mem::replace(&mut self.plan, plan);
        self.walk(isa, scratch)?;
        self.plan = asked;
        self.work.looked_at += scratch.scored;
        let near = scratch.near.sorted();
        let found = near.iter().filter(|it| filter.contains(Slot(it.node))).count();
        Ok(found * FEWER * here < near.len() * admitted)
    }

    /// Walks through the graph, and leaves what is near in the scratch.
    #[inline(always)]
    fn walk<I: Isa>(&self, isa: I, scratch: &mut Scratch) -> Result<(), Error> {
        scratch.begin(self.budget());
        let on = (self.on, self.plan, self.query);
        match self.coded {
            Some((nodes, query)) => {
                let scorer = ByCode::<CHECK> { nodes, query };
                find::<I, CHECK>(isa, on, &scorer, scratch);
                Ok(())
            }
            None => {
                let (vectors, target, failed) = (self.vectors, self.target, RefCell::new(None));
                let scorer = InFull { vectors, target, failed };
                find::<I, CHECK>(isa, on, &scorer, scratch);
                scorer.failed.into_inner().map_or(Ok(()), |unreadable| Err(unreadable.into()))
            }
        }
    }

    /// Takes what a walk left.
    #[inline(always)]
    fn take<I: Isa>(&mut self, isa: I, scratch: &Scratch) -> Result<(), Error> {
        if let Some((nodes, _)) = self.coded {
            for found in scratch.near.sorted() {
                nodes.fetch_lower(isa, found.node);
            }
        }
        self.work.looked_at += scratch.scored;
        let spent = self.query.budget.is_some_and(|budget| self.work.looked_at >= budget);
        self.incomplete = match scratch.is_over {
            true => Some(Incomplete::Deadline),
            false => spent.then_some(Incomplete::Budget),
        };
        for found in scratch.near.sorted() {
            self.judge(isa, Slot(found.node))?;
        }
        Ok(())
    }

    /// Looks at all that is admitted.
    #[inline(always)]
    fn exact<I: Isa>(&mut self, isa: I) -> Result<(), Error> {
        for at in 0..self.on.slots.words() {
            let word = self.query.filter.map_or(u64::MAX, |filter| filter.word(at));
            let word = word & self.on.slots.word::<CHECK>(at);
            if let Some((nodes, _)) = self.coded {
                for slot in slots_of(at, word) {
                    nodes.fetch(isa, slot.0);
                }
            }
            for slot in slots_of(at, word) {
                if self.query.budget.is_some_and(|budget| self.work.looked_at >= budget) {
                    self.incomplete = Some(Incomplete::Budget);
                    return Ok(());
                }
                if self.work.looked_at.is_multiple_of(LOOKS)
                    && self.query.deadline.is_some_and(|deadline| deadline.is_over())
                {
                    self.incomplete = Some(Incomplete::Deadline);
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
    on: (InUse<'_>, Plan, &Query<'_>),
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
    (on, plan, query): (InUse<'s>, Plan, &Query<'s>),
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
    if let (Way::Through, Some(filter)) = (plan.way, query.filter) {
        let through = Through { filter, slots: on.slots, admitted: plan.admitted };
        // What nobody asked for ends here, with nothing: then all that is admitted is looked at.
        if !walk.go_through(isa, through, entry) && query.strategy.is_none() {
            walk.end();
            return None;
        }
    }
    if let Some(held) = plan.held {
        walk.pass_over(held);
    }
    walk.deadline = query.deadline;
    Some(walk)
}
