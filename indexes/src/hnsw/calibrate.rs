//! How far to look for a recall that is asked for: measured on the graph's own vectors.
//!
//! Some slots are held out, one at a time: each is looked for as if the graph did not have it, and what is found is held
//! against what there is. So the measure is taken on what queries are like, not on what finds itself.

use std::collections::BinaryHeap;

use base::Slot;

use super::plan::{Plan, View};
use super::{Hnsw, HnswConfig};
use crate::slots::slots_of;
use crate::{Error, K, Metric, Nearest, Pool, Query, Vectors};

/// So many slots are held out.
const HELD_OUT: usize = 256;

/// As many at a time as keep all threads busy for a while.
const AT_A_TIME: usize = HELD_OUT / 8;

/// How many neighbours are kept in view while it is measured.
const EFS: [usize; 16] = [10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024];

/// And by which part all that is left is farther where a search ends.
const STOPS: [f32; 4] = [0.06, 0.12, 0.24, f32::INFINITY];

/// So many points a calibration has at most.
pub(super) const POINTS_MAX: usize = EFS.len() * STOPS.len();

/// With so many times as many slots, or so many times fewer, it has to be measured anew.
const GROWN: usize = 2;

/// What was measured may be off by so many times what is to be expected by chance.
const DEVIATIONS: f64 = 2.0;

/// What recall there is for looking how far. It is copied by who searches, so that nobody waits while another one takes its place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Calibration {
    /// How many slots there were.
    pub(super) slots: usize,
    /// Those that find more than all that look at less, in order, and others behind them.
    points: [Point; POINTS_MAX],
    count: usize,
}

/// How far it was looked, and what was found.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct Point {
    pub(super) view: View,
    /// The recall of the [`K`] nearest, less what it may be by chance.
    pub(super) recall: f32,
    /// How many vectors were looked at, on average.
    pub(super) looked_at: f32,
}

impl Calibration {
    /// Keeps those points that find more than all that look at less.
    fn new(slots: usize, mut measured: Vec<Point>) -> Self {
        measured.sort_by(|a, b| {
            a.looked_at.total_cmp(&b.looked_at).then(b.recall.total_cmp(&a.recall))
        });
        let mut points: Vec<Point> = Vec::new();
        for point in measured {
            if points.last().is_none_or(|last| point.recall > last.recall) {
                points.push(point);
            }
        }
        Calibration::of(slots, points.into_iter())
    }

    /// It is made of so many points at most as there is room for.
    pub(super) fn of(slots: usize, mut points: impl Iterator<Item = Point>) -> Self {
        let mut calibration =
            Calibration { slots, points: [Point::default(); POINTS_MAX], count: 0 };
        for (place, point) in calibration.points.iter_mut().zip(points.by_ref()) {
            *place = point;
            calibration.count += 1;
        }
        calibration
    }

    /// Those that find more than all that look at less, in order.
    pub(super) fn points(&self) -> &[Point] {
        self.points.get(..self.count).unwrap_or_default()
    }

    /// How far one has to look for this recall of the `k` nearest: nothing, if that was never reached.
    fn view(&self, recall: f32, k: usize) -> Option<View> {
        let point = self.points().iter().find(|point| point.recall >= recall)?;
        let View { ef, stop } = point.view;
        Some(View { ef: ef.saturating_mul(k.max(K)).div_ceil(K), stop })
    }
}

impl HnswConfig {
    /// Slots to hold out, of those that are on the ground alone: no search begins at one of them, if there are levels above.
    fn held_out(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut some = BinaryHeap::with_capacity(HELD_OUT + 1);
        for slot in slots.filter(|slot| self.level_of(slot.0) == 0) {
            // Not in the order in which they were taken up: the first of those have the longest links.
            some.push((self.mixed(slot.0 ^ 1 << 30), slot));
            if some.len() > HELD_OUT {
                some.pop();
            }
        }
        some.into_sorted_vec().into_iter().map(|(_, slot)| slot).collect()
    }
}

impl Hnsw {
    /// Measures on some of its own vectors what recall there is for looking how far, for queries that ask
    /// for a recall ([`Query::recall`]). It takes some hundred exact searches and some thousand short ones, on all threads of a pool.
    /// `progress` is told how many steps are done, of some three hundred, and says whether to go on; answers with whether it
    /// is calibrated.
    ///
    /// The calibration goes into the image. It holds while there are at most twice as many slots, and at least half as many:
    /// whoever puts others in the place of many calibrates again. Others may search and change it meanwhile; slots that are removed
    /// are given back when it is done.
    ///
    /// # Errors
    /// If a vector cannot be read; [`Error::BadImage`].
    pub fn calibrate(
        &self,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<bool, Error> {
        self.own()?;
        // What is held out has its vector as long as it is not given back.
        let _in_use = self.readers.pin();
        let some = self.some_to_hold_out()?;
        let mut truth = Vec::with_capacity(some.len());
        for some in some.chunks(AT_A_TIME) {
            truth.extend(self.others_of_all(some, None, (vectors, pool))?);
            if !progress(truth.len()) {
                return Ok(false);
            }
        }
        let mut points = Vec::new();
        // A product is not longer where something is farther: there is no such part then.
        let parts = match self.measure.metric() {
            Some(Metric::L2 | Metric::Cosine) => &STOPS[..],
            _ => &[f32::INFINITY],
        };
        for stop in parts {
            for ef in EFS {
                let view = View { ef, stop: *stop };
                let found = self.others_of_all(&some, Some(view), (vectors, pool))?;
                let pairs = found.iter().zip(&truth);
                let recalls: Vec<_> = pairs.map(|(found, truth)| recall(found, truth)).collect();
                let looked_at: u64 = found.iter().map(|it| it.work.looked_at).sum();
                let looked_at = looked_at as f32 / found.len().max(1) as f32;
                points.push(Point { view, recall: safe_mean(&recalls), looked_at });
                if !progress(truth.len() + points.len()) {
                    return Ok(false);
                }
                if recalls.iter().all(|recall| *recall == 1.0) {
                    break;
                }
            }
        }
        self.calibration.store(Some(Calibration::new(self.len(), points)));
        Ok(true)
    }

    /// Slots to hold out.
    pub(super) fn some_to_hold_out(&self) -> Result<Vec<Slot>, Error> {
        let body = self.body();
        // Without levels it is where every search begins.
        let entry = body.graph.entry().filter(|entry| entry.level == 0).map(|entry| entry.node);
        let live = (0..body.slots.words()).flat_map(|at| slots_of(at, body.slots.word::<true>(at)));
        let some = self.config.held_out(live.filter(|slot| Some(slot.0) != entry));
        body.check()?;
        Ok(some)
    }

    /// What is nearest to each of these slots, but for itself.
    pub(super) fn others_of_all(
        &self,
        some: &[Slot],
        view: Option<View>,
        (vectors, pool): (&dyn Vectors, &Pool),
    ) -> Result<Vec<Nearest>, Error> {
        let found = pool.each(some.to_vec(), |slot| self.others(slot, view, vectors));
        found.into_iter().collect()
    }

    /// What is nearest to a slot, but for itself: exactly, or by a walk that does not see it.
    fn others(
        &self,
        slot: Slot,
        view: Option<View>,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        let vector = vectors.vector(slot)?;
        let admitted = self.len();
        let exactly = Plan::exact(K + 1, admitted);
        let walk = |view| Plan { held: Some(slot.0), ..Plan::once(view, K, admitted) };
        let plan = view.map_or(exactly, walk);
        let query = Query::new(&vector).k(plan.k);
        let mut found = self.search_by(&query, plan, vectors)?;
        found.neighbours.retain(|it| it.slot != slot);
        found.neighbours.truncate(K);
        Ok(found)
    }

    /// How far to look for a query: as far as the recall needs that it asks for, or with as many in view as it says, or as
    /// the index is made for; nothing, if only looking at everything will do.
    pub(super) fn view_of(&self, query: &Query<'_>) -> Result<Option<View>, Error> {
        let Some(recall) = query.recall else {
            return Ok(Some(self.view(query.ef.unwrap_or(self.config.ef_search))));
        };
        let here = self.len();
        let holds = |it: &Calibration| {
            (it.slots.div_ceil(GROWN)..=it.slots.saturating_mul(GROWN)).contains(&here)
        };
        match self.calibration.load().filter(holds) {
            _ if recall >= 1.0 => Ok(None),
            Some(calibration) => Ok(calibration.view(recall, query.k)),
            None => {
                // Damage that was seen is said whatever is asked.
                self.body().check()?;
                Err(Error::NotCalibrated { slots: here })
            }
        }
    }
}

/// Which share of what is there was found; at the same distance one is as good as another.
pub(super) fn recall(found: &Nearest, truth: &Nearest) -> f64 {
    let Some(last) = truth.neighbours.last() else { return 1.0 };
    let near = found.neighbours.iter().filter(|it| it.distance <= last.distance).count();
    near as f64 / truth.neighbours.len() as f64
}

/// The mean recall of some, less what that may be off by chance: also where all are the same, as one of the neighbours that
/// were looked for might have been missed.
pub(super) fn safe_mean(recalls: &[f64]) -> f32 {
    let count = recalls.len().max(1) as f64;
    let mean = recalls.iter().sum::<f64>() / count;
    let variance = recalls.iter().map(|recall| (recall - mean).powi(2)).sum::<f64>() / count;
    let variance = variance + 1.0 / (count * K as f64);
    (mean - DEVIATIONS * (variance / count).sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_point_that_is_good_enough_is_taken_and_grows_with_k() {
        let point =
            |ef, stop, recall, looked_at| Point { view: View { ef, stop }, recall, looked_at };
        let calibration = Calibration::new(
            100,
            vec![
                point(10, f32::INFINITY, 0.5, 100.0),
                point(40, f32::INFINITY, 0.99, 900.0),
                point(20, f32::INFINITY, 0.9, 300.0),
                point(40, 0.1, 0.9, 280.0),
                point(30, 0.1, 0.8, 290.0),
            ],
        );
        let view = |ef, stop| Some(View { ef, stop });
        let cases = [
            (0.4, 1, view(10, f32::INFINITY)),
            (0.5, 10, view(10, f32::INFINITY)),
            (0.6, 10, view(40, 0.1)),
            (0.99, 25, view(100, f32::INFINITY)),
            (0.991, 10, None),
        ];
        for (recall, k, expected) in cases {
            assert_eq!(calibration.view(recall, k), expected, "{recall} {k}");
        }
    }

    #[test]
    fn a_mean_is_less_where_recalls_differ_or_are_few() {
        let many = safe_mean(&[1.0; 256]);
        assert!((0.997..1.0).contains(&many) && safe_mean(&[1.0; 10]) < many);
        let half = [[0.5; 128], [1.0; 128]].concat();
        assert!((safe_mean(&half) - (0.75 - 2.0 * 0.25 / 16.0)).abs() < 1e-3);
        assert!(safe_mean(&[]) < 0.0);
    }
}
