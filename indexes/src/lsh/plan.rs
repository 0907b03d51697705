//! How a query is answered: out of the tables, and how far it is looked, or by looking at all that is admitted.
//!
//! Each way has a price, counted in vectors that are looked at in order, and the cheaper one is taken.

use super::gather::Reach;
use super::search::InUse;
use super::{Lsh, LshConfig};
use crate::{Query, SlotSet, Strategy};

/// Looking at one out of the tables takes as long as at so many in order.
const GATHERED: usize = 3;

/// How a query is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    /// Looks at all that is admitted.
    Exact,
    /// Looks up in the tables.
    Tables {
        reach: Reach,
        /// How many slots are admitted, be they visible or not.
        admitted: usize,
        /// Whether the query says so, whatever it takes.
        is_forced: bool,
    },
}

/// How many of the slots that there are a filter admits.
fn admitted(on: &InUse<'_>, filter: &SlotSet) -> usize {
    let words = 0..on.slots.words().min(filter.words());
    words.map(|at| (on.slots.word::<true>(at) & filter.word(at)).count_ones() as usize).sum()
}

impl Lsh {
    /// How a query is answered; nothing, if there is nothing to be found.
    pub(super) fn plan(&self, on: &InUse<'_>, query: &Query<'_>) -> Option<Plan> {
        let here = on.slots.len();
        let admitted = query.filter.map_or(here, |filter| admitted(on, filter).min(here));
        if query.k == 0 || admitted == 0 {
            return None;
        }
        let is_forced = match query.strategy {
            Some(Strategy::Exact) => return Some(Plan::Exact),
            other => other.is_some(),
        };
        let reach = reach_of(&self.config, on, query);
        let Some(reach) = reach.filter(|_| query.k < admitted) else { return Some(Plan::Exact) };
        let price =
            reach.slots.min(reach.cells.saturating_mul(shared(on))).saturating_mul(GATHERED);
        match is_forced || price < admitted {
            true => Some(Plan::Tables { reach, admitted, is_forced }),
            false => Some(Plan::Exact),
        }
    }
}

/// How many slots are in a bucket, on average, and at least one.
fn shared(on: &InUse<'_>) -> usize {
    on.tables.as_ref().map_or(1, |it| it.len() / it.laid.shape.buckets()).max(1)
}

/// How far it is looked for a query; nothing, if only looking at everything will do.
fn reach_of(config: &LshConfig, on: &InUse<'_>, query: &Query<'_>) -> Option<Reach> {
    let tables = on.tables.as_ref()?;
    let all = Reach { slots: usize::MAX, cells: usize::MAX, admitted: usize::MAX };
    let recall = match (query.recall, query.ef, config.probes) {
        (Some(recall), _, _) => recall,
        (None, Some(ef), _) => return Some(Reach { slots: ef.max(query.k), ..all }),
        (None, None, Some(probes)) => {
            return Some(Reach { cells: probes.saturating_mul(tables.laid.shape.tables), ..all });
        }
        (None, None, None) => config.target_recall,
    };
    Some(Reach { slots: on.reach(recall, query.k)?, ..all })
}

impl InUse<'_> {
    /// So many slots have to be gathered to find this part of the `k` nearest; nothing, if only looking at everything will do.
    pub(super) fn reach(&self, recall: f32, k: usize) -> Option<usize> {
        let tables = self.tables.as_ref()?;
        let slots = tables.tuning.as_ref()?.reach(recall, k, self.slots.len())?;
        // What was removed, or given back since, is gathered as well as what is there, and counts. How much that is cannot be
        // asked of the tables: they note what was given back without looking whether they had it, and in an image not even how much.
        let fresh =
            self.fresh.iter().enumerate().map(|(at, word)| word & self.slots.word::<true>(at));
        let fresh: usize = fresh.map(|word| word.count_ones() as usize).sum();
        let there = self.slots.len().saturating_sub(fresh).max(1);
        let part = (tables.len() as f64 / there as f64).max(1.0);
        Some((slots as f64 * part).ceil() as usize)
    }
}
