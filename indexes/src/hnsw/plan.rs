//! How a query is answered: by a walk, or by looking at all that is admitted, and how far it looks.
//!
//! Each way has a price, counted in vectors that are looked at in order, and the cheapest is taken: where a filter admits little, to
//! look at all of it takes less than to find it. Where it admits most of what there is, a walk goes by all nodes and leaves out
//! what is not admitted. In between it goes by those that are admitted alone, and through the others to them
//! (`hnsw/through.rs`), unless hardly any of what is nearest is admitted. A walk that has cost as much as looking at all that is
//! admitted gives up, and that is done: so no filter costs much more than twice what it would without a graph.

use super::Hnsw;
use crate::slots::Slots;
use crate::vectors::check_dim;
use crate::{Error, Query, SlotSet, Strategy, Vectors};

/// A walk scores so many for each that it keeps in view.
const SCORED: usize = 15;

/// By codes, scoring one on the way takes as long as looking at so many in order: these lie one behind the other. In full it takes as
/// long as any.
const FETCHED: usize = 3;

/// A walk by the admitted ones alone has so many times as many in view: there are fewer ways from one to the next.
const WIDER: usize = 2;

/// And takes so many times as long for each of them: it asks of many whether they are admitted.
const LONGER: usize = 2;

/// No walk has more in view than this, if that is more than one of so many: to keep them in order takes too long.
const VIEW: usize = 2_000;
const VIEW_PART: usize = 16;

/// Where all within a threshold are asked for, so many times as many are in view: those at its edge are found last.
const WITHIN: usize = 8;

/// How far a walk looks.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct View {
    /// How many it keeps in view.
    pub(super) ef: usize,
    /// It ends where all that is left is farther than the `k` nearest, and the [`K`](crate::K) nearest, by more than this part:
    /// never, if infinite.
    pub(super) stop: f32,
}

/// How a query is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) view: View,
    /// How many are wanted.
    pub(super) k: usize,
    /// Of how many slots, be they visible or not.
    pub(super) admitted: usize,
    /// How many of those in view should be such that may be found: nothing, if what one walk finds will do.
    pub(super) wanted: Option<usize>,
    /// The slot that a walk does not see.
    pub(super) held: Option<u32>,
    /// As how many that are looked at in order one counts that a walk scores.
    pub(super) scored: usize,
}

/// By which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Looks at all that is admitted.
    Exact,
    /// Goes by all nodes.
    Walk,
    /// Goes by those that are admitted.
    Through,
}

impl Plan {
    /// Looks at everything.
    pub(super) fn exact(k: usize, admitted: usize) -> Self {
        let view = View { ef: admitted, stop: f32::INFINITY };
        Plan { way: Way::Exact, view, k, admitted, wanted: None, held: None, scored: 1 }
    }

    /// Walks once, and takes what that finds.
    pub(super) fn once(view: View, k: usize, admitted: usize) -> Self {
        Plan { way: Way::Walk, view, k, admitted, wanted: None, held: None, scored: 1 }
    }

    /// How many a walk may score before looking at all that is admitted would have taken less.
    pub(super) fn worth(&self) -> u64 {
        (self.admitted / self.scored.max(1)) as u64
    }

    /// The same with so many in view, to the end; nothing, if looking at all that is admitted takes less, having scored so many
    /// already.
    pub(super) fn again(self, ef: usize, scored: u64) -> Option<Self> {
        let view = View { ef, stop: f32::INFINITY };
        let expected = ef.saturating_mul(SCORED * longer(self.way)) as u64;
        let expected = expected.saturating_add(scored);
        (expected < self.worth()).then_some(Plan { view, ..self })
    }
}

/// How many times as long a walk takes that goes this way.
fn longer(way: Way) -> usize {
    if way == Way::Through { LONGER } else { 1 }
}

/// How many of these slots a filter admits.
fn admitted(slots: &Slots, filter: &SlotSet) -> usize {
    let words = 0..slots.words().min(filter.words());
    words.map(|at| (slots.word::<true>(at) & filter.word(at)).count_ones() as usize).sum()
}

impl Hnsw {
    /// How a query is answered with so many in view, or by looking at everything; nothing, if there is nothing to be found.
    pub(super) fn plan_search(
        &self,
        query: &Query<'_>,
        view: Option<View>,
        vectors: &dyn Vectors,
    ) -> Result<Option<Plan>, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        let body = self.body();
        body.check()?;
        let slots = &body.slots;
        let (here, removed) = (slots.len(), slots.removed());
        let admitted = query.filter.map_or(here, |filter| admitted(slots, filter).min(here));
        body.check()?;
        if query.k == 0 || admitted == 0 {
            return Ok(None);
        }
        let Some(View { ef, stop }) = view else {
            return Ok(Some(Plan::exact(query.k, admitted)));
        };
        // Nobody knows how many there will be within a threshold: it begins with more, unless a few of them are enough, and
        // goes on until all are found.
        let wanted = match query.within {
            Some(_) => query.k.saturating_mul(WITHIN).clamp(ef, ef.saturating_mul(WITHIN)),
            None => ef.max(query.k),
        };
        let wanted = wanted.max(1);
        // A walk by all nodes sees those that are not admitted, and those that were removed, too.
        let nodes = here.saturating_add(removed);
        let all_nodes = wanted.saturating_mul(nodes).div_ceil(admitted);
        let wider = wanted.saturating_mul(WIDER);
        let (way, ef) = match (query.strategy, query.filter) {
            (Some(Strategy::Exact), _) => (Way::Exact, admitted),
            (_, None) | (Some(Strategy::Walk), _) => (Way::Walk, all_nodes),
            (Some(Strategy::Through), _) => (Way::Through, wider),
            (None, Some(_)) if all_nodes <= wider.saturating_mul(LONGER) => (Way::Walk, all_nodes),
            (None, Some(_)) => (Way::Through, wider),
        };
        let scored = if body.codes.is_some() { FETCHED } else { 1 };
        let most = (here / VIEW_PART).max(VIEW).min(here);
        let most = match query.strategy {
            None => most.min(admitted / (SCORED * scored * longer(way))),
            Some(_) => most,
        };
        if way == Way::Exact || ef >= most {
            return Ok(Some(Plan::exact(query.k, admitted)));
        }
        // Of what may not be found some is near enough to end a walk, and behind a threshold all is far.
        let all = query.filter.is_none() && query.visible.is_none() && removed == 0;
        let stop = if all && query.within.is_none() { stop } else { f32::INFINITY };
        let view = View { ef, stop };
        let (k, wanted, held) = (query.k, Some(wanted), None);
        Ok(Some(Plan { way, view, k, admitted, wanted, held, scored }))
    }
}
