//! Filters: our graph beside USearch's predicate search, on the same vectors with the same slots admitted, on one thread.
//!
//! Each answers all queries with each `ef` in turns; what counts is how many queries a second it answers at the same recall of
//! what is admitted. USearch is asked by a closure that looks into the same set of bits.
//!
//! Promises: both are built by the same parameters on as many threads, and the truth is that of a scan that looks at all.

use std::num::NonZeroUsize;
use std::time::Instant;

use benches::dataset::Dataset;
use indexes::{
    Flat, Hnsw, HnswConfig, Index as _, Memory, Metric, Nearest, Pool, Query, Slot, SlotSet,
};
use usearch::Index;

use crate::Failure;
use crate::hnsw::contestant::Measured;
use crate::hnsw::curve::Curve;
use crate::hnsw::{EF_CONSTRUCTION, K, M, peer_usearch};
use crate::vectors::Vectors;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const ROUNDS: usize = 3;

/// How many of a hundred slots are admitted.
const ADMITTED: [u64; 5] = [50, 30, 10, 3, 1];

const EFS: [usize; 9] = [10, 16, 24, 32, 64, 128, 256, 512, 1_024];
const RECALLS: [f64; 2] = [0.95, 0.99];

/// With more recall a sweep ends.
const ENOUGH: f64 = 0.998;

/// Both, and what they are asked.
struct Contest {
    data: Dataset,
    vectors: Memory,
    ours: Hnsw,
    flat: Flat,
    usearch: Index,
}

/// Runs the contest and prints what came of it.
///
/// # Errors
/// If the vectors cannot be used, or one of both fails.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let dir = arguments.first().map(Into::into);
    let contest = Contest::new(Vectors::of(dir, K)?.data)?;
    println!(
        "{} x {}, l2, k = {K}, M = {M}, ef_construction = {EF_CONSTRUCTION}; medians of {ROUNDS} rounds",
        contest.data.count(),
        contest.data.dim
    );
    for percent in ADMITTED {
        contest.admit(percent)?;
    }
    Ok(())
}

impl Contest {
    fn new(data: Dataset) -> Result<Self, Failure> {
        let vectors = data.memory()?;
        let pool = Pool::new(THREADS)?;
        let config = HnswConfig::default().m(M).ef_construction(EF_CONSTRUCTION);
        let ours = Hnsw::new(data.dim, Metric::L2, config);
        ours.insert_all(vectors.slots(), &vectors, &pool, &mut |_| true)?;
        let flat = Flat::new(data.dim, Metric::L2);
        flat.insert_all(vectors.slots(), &vectors, &pool, &mut |_| true)?;
        let usearch = peer_usearch::index(&data, THREADS)?;
        Ok(Contest { data, vectors, ours, flat, usearch })
    }

    fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.data.queries.chunks_exact(self.data.dim)
    }

    /// Both search among so many of a hundred.
    fn admit(&self, percent: u64) -> Result<(), Failure> {
        let all = (0..self.data.count() as u32).map(Slot);
        let is_in = |slot: &Slot| u64::from(slot.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let filter: SlotSet = all.filter(|slot| is_in(slot) % 100 < percent).collect();
        let truth = self.truth(&filter)?;
        let mut curves = [Curve::default(), Curve::default()];
        for _ in 0..ROUNDS {
            let mut done = [false; 2];
            for ef in EFS {
                for (which, curve) in curves.iter_mut().enumerate() {
                    if done[which] {
                        continue;
                    }
                    let start = Instant::now();
                    let found = if which == 0 {
                        self.by_ours(&filter, ef)?
                    } else {
                        self.by_usearch(&filter, ef)?
                    };
                    let rate = found.len() as f64 / start.elapsed().as_secs_f64();
                    let recall = recall(&found, &truth);
                    curve.note(ef, Measured { recall, rate, work: None });
                    done[which] = recall >= ENOUGH;
                }
            }
        }
        let [ours, theirs] = &curves;
        for it in RECALLS {
            match (ours.at(it), theirs.at(it)) {
                (Some(ours), Some(theirs)) => println!(
                    "{percent:>3} % admitted, recall {it}: arrwDB {:.0}/s (ef {:?}), usearch {:.0}/s (ef {:?}): {:.2}",
                    ours.rate,
                    ours.between,
                    theirs.rate,
                    theirs.between,
                    ours.rate / theirs.rate
                ),
                (ours, theirs) => println!(
                    "{percent:>3} % admitted, recall {it}: arrwDB {ours:?}, usearch {theirs:?}"
                ),
            }
        }
        Ok(())
    }

    fn truth(&self, filter: &SlotSet) -> Result<Vec<Vec<u32>>, Failure> {
        let queries: Vec<_> = self.queries().map(|it| Query::new(it).k(K).filter(filter)).collect();
        let found = self.flat.search_many(&queries, &self.vectors, &Pool::new(THREADS)?)?;
        Ok(found.iter().map(slots).collect())
    }

    fn by_ours(&self, filter: &SlotSet, ef: usize) -> Result<Vec<Vec<u32>>, Failure> {
        let find = |query| {
            let query = Query::new(query).k(K).filter(filter);
            Ok(slots(&self.ours.search_with(&query, ef, &self.vectors)?))
        };
        self.queries().map(find).collect()
    }

    fn by_usearch(&self, filter: &SlotSet, ef: usize) -> Result<Vec<Vec<u32>>, Failure> {
        self.usearch.change_expansion_search(ef);
        let find = |query| {
            let admits = |key| filter.contains(Slot(key as u32));
            let found = self.usearch.filtered_search(query, K, admits)?;
            Ok(found.keys.iter().map(|key| *key as u32).collect())
        };
        self.queries().map(find).collect()
    }
}

fn slots(found: &Nearest) -> Vec<u32> {
    found.neighbours.iter().map(|it| it.slot.0).collect()
}

fn recall(found: &[Vec<u32>], truth: &[Vec<u32>]) -> f64 {
    let both = found.iter().zip(truth);
    let hits: usize =
        both.map(|(found, truth)| found.iter().filter(|it| truth.contains(it)).count()).sum();
    hits as f64 / truth.iter().map(Vec::len).sum::<usize>().max(1) as f64
}
