//! How a query is answered: by a walk, or by looking at all that is admitted, and how far it looks.
//!
//! Where a filter admits little, to look at all of it takes less than to find it. Where it admits most of what there is, a walk goes
//! by all nodes and leaves out what is not admitted. In between it goes by those that are admitted alone, and through the
//! others to them (`hnsw/through.rs`), unless hardly any of what is nearest is admitted. A walk that has looked at half again as many
//! as are admitted gives up, and looks at those: so no filter costs much more than twice what it would without a graph.

use super::Hnsw;
use super::slots::Slots;
use crate::vectors::check_dim;
use crate::{Error, Query, SlotSet, Strategy, Vectors};

/// A filter that admits fewer is no reason to walk.
const WALKED_FROM: usize = 3_000;

/// Nor is one that admits less than one of so many.
const WALKED_PART: usize = 50;

/// A filter that admits more than one of so many is left to the end of a walk.
const LEFT_PART: usize = 4;

/// A walk by the admitted ones alone has so many times as many in view: there are fewer ways from one to the next.
const WIDER: usize = 2;

/// How far a walk looks.
#[derive(Clone, Copy, PartialEq, Debug)]
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
    pub(super) view: View,
    /// How many are wanted.
    pub(super) k: usize,
    /// How many there are at most, be they visible or not.
    pub(super) admitted: usize,
    pub(super) way: Way,
    /// The slot that a walk does not see.
    pub(super) held: Option<u32>,
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
        Plan { view, k, admitted, way: Way::Exact, held: None }
    }
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
        self.check_image()?;
        let slots = &self.body().slots;
        let here = slots.len();
        let admitted = query.filter.map_or(here, |filter| admitted(slots, filter).min(here));
        self.check_image()?;
        if query.k == 0 || admitted == 0 {
            return Ok(None);
        }
        let Some(View { ef, stop }) = view else {
            return Ok(Some(Plan::exact(query.k, admitted)));
        };
        // With a threshold nobody knows how many there will be: it goes on until all are found.
        let most = if query.within.is_some() { ef } else { query.k };
        let ef = ef.max(most).max(1);
        // Walks see those that were removed, too.
        let ef = ef.saturating_add(ef.saturating_mul(slots.removed()) / here.max(1));
        let way = match (query.strategy, query.filter) {
            (Some(Strategy::Exact), _) => Way::Exact,
            (None, Some(_)) if admitted < WALKED_FROM || here / admitted > WALKED_PART => {
                Way::Exact
            }
            (_, None) | (Some(Strategy::Walk), _) => Way::Walk,
            (Some(Strategy::Through), _) => Way::Through,
            (None, Some(_)) if here / admitted < LEFT_PART => Way::Walk,
            (None, Some(_)) => Way::Through,
        };
        let ef = match way {
            Way::Walk => ef.saturating_mul(here).div_ceil(admitted),
            Way::Through => ef.saturating_mul(WIDER),
            Way::Exact => ef,
        };
        let way = if ef >= here { Way::Exact } else { way };
        // Of what a filter keeps out some is near enough to end a walk, and behind a threshold all is far.
        let plain = query.filter.is_none() && query.within.is_none() && query.visible.is_none();
        let view = View { ef, stop: if plain { stop } else { f32::INFINITY } };
        Ok(Some(Plan { view, k: query.k, admitted, way, held: None }))
    }
}
