//! A search: down the levels, a walk on the ground by codes, and the best of it compared in full.
//!
//! Where a walk would look at most of what there is, or a filter leaves little to look at, all that is admitted is
//! looked at instead, by codes and exactly (`scan.rs`). So an answer always has `k` neighbours, or all there are.

use std::cell::RefCell;

use base::Slot;

use super::Hnsw;
use super::beam::{ByCode, Descend, InFull, Scorer, Scratch, Walk, Walks};
use super::body::InUse;
use super::plan::{Plan, View, Way};
use super::through::Through;
use crate::codes::{CodedQuery, CodesInUse};
use crate::lanes::{Isa, Work};
use crate::scan::Scan;
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
        let (pin, body) = (self.readers.pin(), self.body());
        let on = self.under(&body, &pin);
        let found = self.with_scratch(|scratch| {
            self.instructions.run(Search { on, query, vectors, plan, scratch })
        });
        body.check()?;
        found
    }
}

/// One of so many that a walk compared may be within a threshold for it to have found all.
const BEYOND: usize = 3;

/// A walk that did not find all that is within a threshold is followed by one with so many times as many in view.
const MORE: usize = 4;

/// So many of the nearest of all are found first, where a walk is to go through a filter: to see whether it is far from them.
const ASKED: usize = 40;

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
        match self.on.is_sure {
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
        if plan.way == Way::Exact || judge.is_far(isa, scratch)? {
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
            if judge.is_done(scratch) {
                return Ok(judge.into_nearest());
            }
            // There may be more within the threshold, or too few of what was found may be shown.
            let again = judge.again(scratch);
            judge.begin_again();
            let Some(plan) = again else {
                judge.exact(isa)?;
                return Ok(judge.into_nearest());
            };
            judge.plan = plan;
            judge.walk(isa, scratch)?;
        }
    }
}

/// Compares what was found, and keeps the nearest of it.
pub(super) struct Judge<'s, const CHECK: bool> {
    on: InUse<'s>,
    plan: Plan,
    coded: Option<(CodesInUse<'s>, &'s CodedQuery)>,
    scan: Scan<'s, CHECK>,
    /// How many of what the walk found may be shown, and how many of these are near enough.
    shown: usize,
    near: usize,
    /// What the walks before found, which was not enough.
    before: Vec<Neighbour>,
}

impl<'s, const CHECK: bool> Judge<'s, CHECK> {
    #[inline(always)]
    pub(super) fn new<I: Isa>(
        isa: I,
        (on, query, vectors): (InUse<'s>, &'s Query<'s>, &'s dyn Vectors),
        coded: Option<&'s CodedQuery>,
        plan: Plan,
    ) -> Self {
        let coded = on.codes.zip(coded);
        let scan = Scan::new(isa, (query, vectors), &on.hnsw.measure, coded);
        Judge { on, plan, coded, scan, shown: 0, near: 0, before: Vec::new() }
    }

    /// Begins anew: what was found is put aside, and what it took still counts.
    fn begin_again(&mut self) {
        self.before.extend(self.scan.begin_again().into_sorted());
        (self.shown, self.near) = (0, 0);
    }

    fn into_nearest(mut self) -> Nearest {
        if self.scan.incomplete.is_some() {
            // Some of it may have been found twice.
            let found = std::mem::replace(&mut self.scan.top, Top::new(self.scan.query));
            let mut all = [found.into_sorted(), self.before].concat();
            all.sort_unstable();
            all.dedup();
            all.into_iter().for_each(|it| _ = self.scan.top.offer(it));
        }
        self.scan.into_nearest()
    }

    /// Whether what a walk left is an answer.
    fn is_done(&self, scratch: &Scratch) -> bool {
        if self.scan.incomplete.is_some() {
            return true;
        }
        let Some(wanted) = self.plan.wanted else { return true };
        if scratch.scored >= scratch.budget {
            // It gave up.
            return false;
        }
        let found = scratch.near.sorted().len();
        let has_all = match self.plan.way {
            Way::Through => self.shown >= self.plan.admitted,
            // It ended because all that was left was too far. One that has room left and did not has been everywhere it can get
            // to, and there is more: no more is kept in view than there are.
            Way::Walk | Way::Exact => found < self.plan.view.ef && self.plan.view.stop.is_finite(),
        };
        let is_full = self.scan.top.len() >= self.scan.query.k.min(self.plan.admitted);
        // With a few of those that were wanted the last ones of an answer would be missed.
        let enough = is_full && (has_all || self.shown >= wanted - wanted / 4);
        match self.scan.query.within {
            // Most of what was compared must be too far, or what was not found may be near enough. That is not known of what
            // was farther than all of a full answer.
            Some(_) => enough || !is_full && (has_all || self.near * BEYOND < self.shown),
            None => enough,
        }
    }

    /// How to walk once more, as this one was not enough: not at all, where it takes less to look at all that is admitted.
    fn again(&self, scratch: &Scratch) -> Option<Plan> {
        let Plan { view: View { ef, .. }, wanted, .. } = self.plan;
        let gave_up = scratch.scored >= scratch.budget;
        // A walk through a filter that has room left has been everywhere it can get to.
        let was_everywhere = scratch.near.sorted().len() < ef;
        if gave_up || was_everywhere {
            return None;
        }
        let short = (wanted? + wanted? / 4).div_ceil(self.shown.max(1));
        let least = if self.scan.query.within.is_some() { MORE } else { MORE / 2 };
        self.plan.again(ef.saturating_mul(short.max(least)), self.scan.work.looked_at)
    }

    /// How many may still be looked at: by what the query allows, and before looking at all that is admitted takes less.
    pub(super) fn budget(&self) -> u64 {
        let Query { strategy, filter, within, visible, budget, .. } = self.scan.query;
        let plain = filter.is_none() && within.is_none() && visible.is_none();
        let worth = if plain || strategy.is_some() { u64::MAX } else { self.plan.worth() };
        budget.unwrap_or(u64::MAX).min(worth).saturating_sub(self.scan.work.looked_at)
    }

    /// Whether a filter that is to be walked through is far from the query.
    #[inline(always)]
    fn is_far<I: Isa>(&mut self, isa: I, scratch: &mut Scratch) -> Result<bool, Error> {
        let filter = self.scan.query.filter.filter(|_| self.plan.way == Way::Through);
        let Some(filter) = filter.filter(|_| self.scan.query.strategy.is_none()) else {
            return Ok(false);
        };
        let view = View { ef: ASKED, stop: f32::INFINITY };
        let plan = Plan { view, way: Way::Walk, ..self.plan };
        let asked = std::mem::replace(&mut self.plan, plan);
        self.walk(isa, scratch)?;
        self.plan = asked;
        self.scan.work.looked_at += scratch.scored;
        let through = Through { filter, slots: self.on.slots };
        let near = scratch.near.sorted().iter().map(|it| it.node);
        let ground = self.on.graph.ground();
        Ok(through.is_far_from::<CHECK>(ground, near, self.plan.admitted))
    }

    /// Walks through the graph, and leaves what is near in the scratch.
    #[inline(always)]
    fn walk<I: Isa>(&self, isa: I, scratch: &mut Scratch) -> Result<(), Error> {
        scratch.begin(self.budget());
        let on = (self.on, self.plan, self.scan.query);
        match self.coded {
            Some((codes, query)) => {
                let scorer = ByCode::<CHECK> { codes, query };
                find::<I, CHECK>(isa, on, &scorer, scratch);
                Ok(())
            }
            None => {
                let (vectors, target) = (self.scan.vectors, self.scan.target);
                let scorer = InFull { vectors, target, failed: RefCell::new(None) };
                find::<I, CHECK>(isa, on, &scorer, scratch);
                scorer.failed.into_inner().map_or(Ok(()), |unreadable| Err(unreadable.into()))
            }
        }
    }

    /// Takes what a walk left.
    #[inline(always)]
    fn take<I: Isa>(&mut self, isa: I, scratch: &Scratch) -> Result<(), Error> {
        if let Some((codes, _)) = self.coded {
            for found in scratch.near.sorted() {
                codes.fetch_lower(isa, found.node);
            }
        }
        let Scan { query, work, .. } = &mut self.scan;
        work.looked_at += scratch.scored;
        let (query, looked_at) = (*query, work.looked_at);
        let spent = query.budget.is_some_and(|budget| looked_at >= budget);
        self.scan.incomplete = match scratch.is_over {
            true => Some(Incomplete::Deadline),
            false => spent.then_some(Incomplete::Budget),
        };
        for found in scratch.near.sorted() {
            let slot = Slot(found.node);
            if query.admits(slot) && self.on.slots.contains::<CHECK>(slot) {
                self.shown += 1;
                let distance = self.scan.judge(isa, slot)?;
                let near = |distance| query.within.is_none_or(|within| distance <= within);
                self.near += usize::from(distance.is_some_and(near));
            }
        }
        Ok(())
    }

    /// Looks at all that is admitted.
    #[inline(always)]
    fn exact<I: Isa>(&mut self, isa: I) -> Result<(), Error> {
        let slots = self.on.slots;
        self.scan.look_at_all(isa, 0..slots.words(), |at| slots.word::<CHECK>(at))
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
        walk.go_through(isa, Through { filter, slots: on.slots }, entry);
    }
    if let Some(held) = plan.held {
        walk.pass_over(held);
    }
    walk.deadline = query.deadline;
    Some(walk)
}
