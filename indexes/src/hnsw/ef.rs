//! How many have to be in view for a recall: measured on the graph's own vectors, some at a time.
//!
//! As where it is calibrated (`calibrate.rs`), slots are held out: each is looked for as if the graph did not have it. But what is
//! found is held against what is found with a lot more in view, and not against all there is: so it takes as many searches whatever
//! there is, and whoever has little time does some of them and goes on another time.
//!
//! Never: changes the graph, or copies one that lies in an image.

use base::Slot;

use super::Hnsw;
use super::calibrate::{recall, safe_mean};
use crate::vectors::check_dim;
use crate::{Error, Nearest, Pool, Vectors};

/// So many times as many in view as the graph is made for are tried at most, and with twice as many what is found counts as all
/// there is.
const TRIED: usize = 8;

/// So many slots are looked for in a step.
const AT_A_TIME: usize = 8;

/// A measurement of how many have to be in view, under way: see [`Index::measure_ef`](crate::Index::measure_ef).
#[derive(Debug)]
pub struct EfMeasurement {
    wanted: f32,
    /// What is held out; nothing, before it has begun.
    some: Option<Vec<Slot>>,
    /// What there is to be found of each.
    truth: Vec<Nearest>,
    /// How many are in view.
    ef: usize,
    /// What was found of each, with so many.
    recalls: Vec<f64>,
}

/// How many have to be in view, as it was measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MeasuredEf {
    /// How many.
    pub ef: usize,
    /// How much of the 10 nearest was found with so many. It is less than was wanted if more were not tried.
    pub recall: f32,
}

impl EfMeasurement {
    /// One for so much of the 10 nearest, from 0 to 1.
    pub fn new(recall: f32) -> Self {
        let (some, truth, ef, recalls) = (None, Vec::new(), 0, Vec::new());
        EfMeasurement { wanted: recall, some, truth, ef, recalls }
    }
}

impl Hnsw {
    /// Does some of a measurement.
    pub(super) fn measure_some(
        &self,
        measurement: &mut EfMeasurement,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Option<MeasuredEf>, Error> {
        check_dim(vectors, self.dim)?;
        // What is live now has its vector until the end of this step.
        let _in_use = self.readers.pin();
        let most = self.config.ef_search.saturating_mul(TRIED);
        let EfMeasurement { wanted, some, truth, ef, recalls } = measurement;
        let some = match some {
            Some(some) => some,
            None => {
                *ef = self.config.ef_search;
                some.insert(self.some_to_hold_out()?)
            }
        };
        let done = if truth.len() < some.len() { truth.len() } else { recalls.len() };
        let next = some.get(done..).unwrap_or_default();
        let next = next.get(..AT_A_TIME).unwrap_or(next);
        if !self.has_all(next)? {
            // Those that are left are too few in the end, and not the same as those that were found.
            *measurement = EfMeasurement::new(*wanted);
            return Ok(None);
        }
        if truth.len() < some.len() {
            let all = Some(self.view(most.saturating_mul(2)));
            truth.extend(self.others_of_all(next, all, (vectors, pool))?);
            return Ok(None);
        }
        let found = self.others_of_all(next, Some(self.view(*ef)), (vectors, pool))?;
        let there = truth.iter().skip(done);
        recalls.extend(found.iter().zip(there).map(|(found, there)| recall(found, there)));
        if recalls.len() < some.len() {
            return Ok(None);
        }
        if safe_mean(recalls) >= *wanted || *ef >= most.min(self.len()) {
            let sum: f64 = recalls.iter().sum();
            let mean = if recalls.is_empty() { 1.0 } else { sum / recalls.len() as f64 };
            return Ok(Some(MeasuredEf { ef: *ef, recall: mean as f32 }));
        }
        *ef = (*ef + ef.div_ceil(4)).min(most);
        recalls.clear();
        Ok(None)
    }

    /// Whether all of them are there still.
    fn has_all(&self, some: &[Slot]) -> Result<bool, Error> {
        let body = self.body();
        let there = some.iter().all(|slot| body.slots.has(*slot));
        body.check()?;
        Ok(there)
    }
}
