//! Graphs: ours beside those of other crates and of what pip has, on the same vectors, searched on one thread.
//!
//! Every contestant is built once, one after the other on the same number of threads, and stays. Then they take turns in
//! several rounds, with each `ef` of a round, so that whatever else slows the machine down slows all of them: each answers
//! all queries, until its recall leaves nothing to gain. What counts is how many queries a second it answers at the same
//! recall, which is read from its curve (`hnsw/curve.rs`). Only ratios within one run mean anything.
//!
//! Promises: a contestant that cannot be built or fails is named with the reason, and the others are measured; the
//! peers get unit vectors and L2 where the metric is the cosine, which is the same order for less work.

pub mod contestant;
pub mod curve;
mod given;
mod ours;
mod peer_hnsw_rs;
mod peer_instant;
mod peer_python;
#[cfg(feature = "usearch")]
pub mod peer_usearch;
mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;

use benches::dataset::Dataset;
use indexes::Metric;

use crate::Failure;
use crate::vectors::Vectors;
use contestant::Built;
use curve::Curve;
use given::Given;

pub const K: usize = 10;
/// Links of a node; twice as many on the ground.
pub const M: usize = 16;
pub const EF_CONSTRUCTION: usize = 200;
const EFS: [usize; 12] = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400, 600];
/// With more recall a sweep ends.
const ENOUGH: f64 = 0.998;
/// Where the curves are compared.
const RECALLS: [f64; 2] = [0.95, 0.99];

const OURS: &str = "arrwdb";

/// What a contestant is built of.
struct Setting {
    metric: Metric,
    threads: NonZeroUsize,
    /// As they were given.
    data: Rc<Dataset>,
    /// With vectors and queries of length 1, where the metric is the cosine.
    units: Rc<Dataset>,
    /// Where those that were given are.
    dir: PathBuf,
}

/// How a contestant is built: by its name, and what of.
type Build = fn(&str, &Setting) -> Result<Built, Failure>;

/// All there are, ours first.
const CONTESTANTS: &[(&str, Build)] = &[
    (OURS, ours::build),
    #[cfg(feature = "usearch")]
    ("usearch", peer_usearch::build),
    ("hnsw_rs", peer_hnsw_rs::build),
    ("instant-distance", peer_instant::build),
    ("faiss", peer_python::build),
    ("faiss-sq8", peer_python::build),
    ("hnswlib", peer_python::build),
    ("svs", peer_python::build),
    ("svs-lvq8", peer_python::build),
    ("svs-lvq4x8", peer_python::build),
];

/// A contestant that was built, and what was measured of it.
struct Entry {
    is_ours: bool,
    built: Built,
    curve: Curve,
    /// The `ef` that found as good as all, once there is one.
    last: Option<usize>,
    /// All queries asked at once, where there is a way to.
    at_once: Curve,
}

/// Runs the contest and prints curves and tables.
///
/// # Errors
/// If the vectors cannot be used; if ours fails, or no peer takes part.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let given = Given::parsed(arguments)?;
    let vectors = Vectors::of(given.dir, K)?;
    let dir = vectors.dir().to_owned();
    let data = Rc::new(vectors.data);
    let units = match given.metric {
        Metric::Cosine => Rc::new(of_unit_length(&data)),
        _ => Rc::clone(&data),
    };
    let setting = Setting { metric: given.metric, threads: given.threads, data, units, dir };
    report::setting(&setting);
    let mut entries = built(&given.only, &setting)?;
    for _ in 0..given.rounds {
        for ef in EFS {
            entries = turns(entries, |entry| entry.measure(ef))?;
        }
        for recall in RECALLS {
            entries = turns(entries, |entry| entry.measure_at_once(recall))?;
        }
    }
    check(&entries)?;
    report::curves(&entries, given.rounds);
    for recall in RECALLS {
        report::at_recall(&entries, recall);
    }
    report::building(&entries);
    Ok(())
}

/// Builds those that were asked for, one after the other.
fn built(only: &[String], setting: &Setting) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for (name, build) in CONTESTANTS.iter().copied() {
        if !only.is_empty() && !only.iter().any(|it| it == name) {
            continue;
        }
        let is_ours = name == OURS;
        match build(name, setting) {
            Ok(built) => {
                println!("{} was built in {:.2} s", built.name, built.seconds);
                let (curve, at_once) = (Curve::default(), Curve::default());
                entries.push(Entry { is_ours, built, curve, last: None, at_once });
            }
            Err(error) if is_ours => return Err(error),
            Err(error) => println!("{name} takes no part: {error}"),
        }
    }
    check(&entries)?;
    Ok(entries)
}

fn check(entries: &[Entry]) -> Result<(), Failure> {
    if entries.iter().all(|entry| entry.is_ours) {
        return Err("no peer takes part, and a figure of ours must not stand alone".into());
    }
    Ok(())
}

/// Each does something in its turn; those are left that did not fail.
fn turns(
    entries: Vec<Entry>,
    mut turn: impl FnMut(&mut Entry) -> Result<(), Failure>,
) -> Result<Vec<Entry>, Failure> {
    let mut left = Vec::new();
    for mut entry in entries {
        match turn(&mut entry) {
            Ok(()) => left.push(entry),
            Err(error) if entry.is_ours => return Err(error),
            Err(error) => println!("{} takes no further part: {error}", entry.built.name),
        }
    }
    Ok(left)
}

impl Entry {
    /// Answers all queries with this `ef`, unless a lesser one found as good as all.
    fn measure(&mut self, ef: usize) -> Result<(), Failure> {
        if self.last.is_some_and(|last| ef > last) {
            return Ok(());
        }
        let measured = self.built.contestant.measured(ef)?;
        if measured.recall > ENOUGH {
            self.last = Some(ef);
        }
        self.curve.note(ef, measured);
        Ok(())
    }

    /// Answers all queries at once, with the least `ef` that reaches a recall.
    fn measure_at_once(&mut self, recall: f64) -> Result<(), Failure> {
        let Some(ef) = self.curve.least_ef(recall) else { return Ok(()) };
        if let Some(measured) = self.built.contestant.measured_at_once(ef)? {
            self.at_once.note(ef, measured);
        }
        Ok(())
    }
}

/// A copy whose vectors and queries have the length 1, but for those that have none.
fn of_unit_length(data: &Dataset) -> Dataset {
    let scaled = |vectors: &[f32]| {
        let mut vectors = vectors.to_vec();
        for vector in vectors.chunks_exact_mut(data.dim) {
            let square: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
            let length = if square > 0.0 { square.sqrt() as f32 } else { 1.0 };
            vector.iter_mut().for_each(|number| *number /= length);
        }
        vectors
    };
    Dataset {
        dim: data.dim,
        base: scaled(&data.base),
        queries: scaled(&data.queries),
        truth: data.truth.clone(),
        known: data.known,
    }
}
