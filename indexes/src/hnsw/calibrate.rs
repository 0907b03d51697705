//! How many neighbours to keep in view for a recall that is asked for: measured on the graph's own vectors.
//!
//! Some slots are held out, one at a time: each is looked for as if the graph did not have it, and what is found is held
//! against what there is. So the measure is taken on what queries are like, not on what finds itself.

use base::Slot;

use super::search::Plan;
use super::{Hnsw, HnswConfig};
use crate::{Error, K, Nearest, Pool, Query, Vectors};

/// So many slots are held out.
const HELD_OUT: usize = 256;

/// How many neighbours are kept in view while it is measured.
const EFS: [usize; POINTS_MAX] =
    [10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024];

/// So many points a calibration has at most.
pub(super) const POINTS_MAX: usize = 16;

/// With more recall nothing is left to measure.
const ENOUGH: f32 = 0.9995;

/// Held against the truth of so many slots that a graph has changed too much since by then.
const GROWN: usize = 2;

/// What recall there is for how many in view.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Calibration {
    /// How many slots there were.
    pub(super) slots: usize,
    /// How many are in view, and the recall of the [`K`] nearest, less what it may be by chance; both ascend.
    pub(super) points: Vec<(u32, f32)>,
}

impl Calibration {
    /// How many have to be in view for this recall of the `k` nearest: nothing, if no number is enough that was tried.
    fn ef(&self, recall: f32, k: usize) -> Option<usize> {
        let (ef, _) = self.points.iter().find(|(_, reached)| *reached >= recall)?;
        Some((*ef as usize).saturating_mul(k.max(K)).div_ceil(K))
    }
}

impl HnswConfig {
    /// Slots to hold out, of those that are on the ground alone, so that no search begins at one of them.
    fn held_out(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut some: Vec<_> = slots.filter(|slot| self.level_of(slot.0) == 0).collect();
        some.sort_by_cached_key(|slot| (self.mixed(slot.0), *slot));
        some.truncate(HELD_OUT);
        some
    }
}

impl Hnsw {
    /// Measures on some of its own vectors what recall there is for how many neighbours in view, for queries that ask
    /// for a recall ([`Query::recall`]). It takes some hundred exact searches, on all threads of a pool. `progress` is told
    /// how many are done, and says whether to go on; answers with whether it is calibrated.
    ///
    /// The calibration goes into the image. It is forgotten when there are twice as many slots, or half as many.
    ///
    /// # Errors
    /// If a vector cannot be read; [`Error::BadImage`].
    pub fn calibrate(
        &mut self,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, Error> {
        self.make_own()?;
        let some = self.config.held_out(self.live.iter());
        let mut truth = Vec::with_capacity(some.len());
        // As many at a time as keep all threads busy for a while.
        for some in some.chunks(HELD_OUT / 8) {
            let exactly = pool.each(some.to_vec(), |slot| self.others(slot, None, vectors));
            truth.extend(exactly.into_iter().collect::<Result<Vec<_>, _>>()?);
            if !progress(truth.len()) {
                return Ok(false);
            }
        }
        let mut points: Vec<(u32, f32)> = Vec::new();
        for ef in EFS {
            let found = pool.each(some.clone(), |slot| self.others(slot, Some(ef), vectors));
            let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
            let recall =
                safe_mean(found.iter().zip(&truth).map(|(found, truth)| recall(found, truth)));
            let before = points.last().map_or(0.0, |last| last.1);
            points.push((ef as u32, recall.max(before)));
            if recall >= ENOUGH {
                break;
            }
        }
        self.calibration = Some(Calibration { slots: self.live.len(), points });
        Ok(true)
    }

    /// What is nearest to a slot, but for itself: exactly, or by a walk that does not see it.
    fn others(
        &self,
        slot: Slot,
        ef: Option<usize>,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        let vector = vectors.vector(slot)?;
        let exactly = Plan { ef: 0, exact: true, held: None };
        let walk = |ef| Plan { ef, exact: false, held: Some(slot.0) };
        let query = Query::new(&vector).k(K + usize::from(ef.is_none()));
        let mut found = self.search_by(&query, ef.map_or(exactly, walk), vectors)?;
        found.neighbours.retain(|it| it.slot != slot);
        found.neighbours.truncate(K);
        Ok(found)
    }

    /// How many are kept in view for a query: as many as the recall needs that it asks for, or as the index is made for;
    /// nothing, if only looking at everything will do.
    pub(super) fn ef_of(&self, query: &Query<'_>) -> Result<Option<usize>, Error> {
        let Some(recall) = query.recall else { return Ok(Some(self.config.ef_search)) };
        let here = self.live.len();
        let holds = |it: &&Calibration| {
            (it.slots.div_ceil(GROWN)..=it.slots.saturating_mul(GROWN)).contains(&here)
        };
        match self.calibration.as_ref().filter(holds) {
            _ if recall >= 1.0 => Ok(None),
            Some(calibration) => Ok(calibration.ef(recall, query.k)),
            None => Err(Error::NotCalibrated { slots: here }),
        }
    }
}

/// Which share of what is there was found; at the same distance one is as good as another.
fn recall(found: &Nearest, truth: &Nearest) -> f64 {
    let Some(last) = truth.neighbours.last() else { return 1.0 };
    let near = found.neighbours.iter().filter(|it| it.distance <= last.distance).count();
    near as f64 / truth.neighbours.len() as f64
}

/// The mean of some numbers, less what it is off by when chance has it.
fn safe_mean(numbers: impl Iterator<Item = f64> + Clone) -> f32 {
    let count = numbers.clone().count().max(1) as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    let variance = numbers.map(|number| (number - mean).powi(2)).sum::<f64>() / count;
    (mean - (variance / count).sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_point_that_is_good_enough_is_taken_and_grows_with_k() {
        let points = vec![(10, 0.5), (20, 0.9), (40, 0.99)];
        let calibration = Calibration { slots: 100, points };
        let cases = [
            (0.4, 1, Some(10)),
            (0.5, 10, Some(10)),
            (0.6, 10, Some(20)),
            (0.99, 25, Some(100)),
            (0.991, 10, None),
        ];
        for (recall, k, ef) in cases {
            assert_eq!(calibration.ef(recall, k), ef, "{recall} {k}");
        }
    }

    #[test]
    fn a_mean_is_less_where_numbers_differ() {
        assert_eq!(safe_mean([1.0, 1.0].into_iter()), 1.0);
        assert_eq!(safe_mean([0.5, 1.0, 0.5, 1.0].into_iter()), 0.625);
        assert_eq!(safe_mean(std::iter::empty()), 0.0);
    }
}
