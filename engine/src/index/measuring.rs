//! Finds out how much of a graph that was chosen a search has to have in view: some searches at a time, when nobody has written
//! anything for a while.
//!
//! Never: measures an index that was asked for; goes on where something else is to be done.

use std::sync::Arc;

use indexes::EfMeasurement;

use super::Indexing;
use super::choice::{Measured, RECALL};
use super::lend::ViewVectors;
use super::serving::Serving;
use super::work::{Haste, Work};
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::view::CollectionView;

impl Inner {
    /// Does some of that; says whether there may be more.
    pub(super) fn measure_some(
        &self,
        collection: &Arc<CollectionState>,
        (serving, work): (&Serving, &mut Work),
    ) -> bool {
        let (indexing, (inserted, _)) = (&collection.indexing, serving.changes());
        let among = collection.set.counts().alive;
        if !serving.is_graph() || !indexing.is_ef_unknown(among, inserted) {
            return false;
        }
        let view = CollectionView::of_state(self, collection);
        let measurement = work.measurement.get_or_insert_with(|| EfMeasurement::new(RECALL));
        let vectors = ViewVectors::new(&view);
        let measured = self
            .with_pool(Haste::Idle, |pool| serving.index.measure_ef(measurement, &vectors, pool));
        // Where a vector cannot be read it is not tried again and again.
        if let Some(found) = serving.told(measured).map_or(Some(None), |found| found.map(Some)) {
            work.measurement = None;
            *indexing.measured.lock() = Some(Measured { among, inserted, found });
        }
        true
    }
}

impl Indexing {
    /// Whether it is to be measured how much of a graph that was chosen a search has to have in view.
    fn is_ef_unknown(&self, count: u64, inserted: u64) -> bool {
        let is_past = |measured: &Measured| measured.is_past(count, inserted);
        self.ef().is_some() && self.measured.lock().as_ref().is_none_or(is_past)
    }

    /// Another index serves: what was measured is not true of it.
    pub(super) fn forget_measured(&self, work: &mut Work) {
        work.measurement = None;
        *self.measured.lock() = None;
    }
}
