//! Says what a contestant does: it answers all queries, and says how fast and how well.
//!
//! Promises: before the clock runs, each has answered some of the queries with the same `ef`; the clock sees nothing
//! but answers, and stands still while they are held against the truth.

use std::rc::Rc;
use std::time::Instant;

use benches::dataset::Dataset;

use super::K;
use crate::Failure;

/// So many queries are answered before the clock runs.
pub const WARMING: usize = 100;

/// How well and fast all queries were answered.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The share of the true neighbours that was found.
    pub recall: f64,
    /// Queries a second.
    pub rate: f64,
    /// What an answer took, on average, where the contestant says so.
    pub work: Option<Work>,
}

/// How many vectors an answer took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Those that were looked at.
    pub looked_at: f64,
    /// Of them those of whose codes all bits were asked.
    pub by_code: f64,
    /// Those that were compared in full: distance evaluations.
    pub in_full: f64,
}

/// Somebody who answers.
pub trait Contestant {
    /// Answers all queries one by one, on one thread.
    ///
    /// # Errors
    /// Whatever the library reports.
    fn measured(&mut self, ef: usize) -> Result<Measured, Failure>;

    /// Answers all queries at once, on one thread, if that is something else.
    ///
    /// # Errors
    /// Whatever the library reports.
    fn measured_at_once(&mut self, _ef: usize) -> Result<Option<Measured>, Failure> {
        Ok(None)
    }
}

/// A contestant, and what it took to build it.
pub struct Built {
    /// What it is.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// By how many bytes its process grew, its copy of the vectors included, where the system says so.
    pub bytes: Option<u64>,
    /// It.
    pub contestant: Box<dyn Contestant>,
}

/// A graph in this process.
pub trait Graph {
    /// Makes it ready for searches with this `ef`, before the clock runs.
    ///
    /// # Errors
    /// Whatever the library reports.
    fn prepare(&mut self, _ef: usize) -> Result<(), Failure> {
        Ok(())
    }

    /// The numbers of the nearest vectors.
    ///
    /// # Errors
    /// Whatever the library reports.
    fn nearest(&mut self, query: &[f32], ef: usize) -> Result<Vec<u32>, Failure>;

    /// Those of all queries, which lie one behind the other, asked at once, if that is something else.
    ///
    /// # Errors
    /// Whatever the library reports.
    fn nearest_at_once(
        &mut self,
        _queries: &[f32],
        _ef: usize,
    ) -> Result<Option<Vec<Vec<u32>>>, Failure> {
        Ok(None)
    }

    /// What all answers took together since somebody asked last, where it is counted.
    fn take_work(&mut self) -> Option<Work> {
        None
    }
}

/// A graph of this process, and the queries that it is asked.
struct Here<G> {
    graph: G,
    data: Rc<Dataset>,
}

/// Has a graph built in this process, of these vectors, and takes the time.
///
/// # Errors
/// Those of building it.
pub fn here<G: Graph + 'static>(
    data: &Rc<Dataset>,
    build: impl FnOnce(&Dataset) -> Result<(String, G), Failure>,
) -> Result<Built, Failure> {
    let (before, start) = (resident_bytes(), Instant::now());
    let (name, graph) = build(data)?;
    let seconds = start.elapsed().as_secs_f64();
    let grown = |before: u64| Some(resident_bytes()?.saturating_sub(before));
    let contestant = Box::new(Here { graph, data: Rc::clone(data) });
    Ok(Built { name, seconds, bytes: before.and_then(grown), contestant })
}

impl<G: Graph> Contestant for Here<G> {
    fn measured(&mut self, ef: usize) -> Result<Measured, Failure> {
        let Here { graph, data } = self;
        graph.prepare(ef)?;
        for query in data.queries.chunks_exact(data.dim).take(WARMING) {
            graph.nearest(query, ef)?;
        }
        graph.take_work();
        let start = Instant::now();
        let answers = data.queries.chunks_exact(data.dim).map(|query| graph.nearest(query, ef));
        let answers = answers.collect::<Result<Vec<_>, _>>()?;
        let seconds = start.elapsed().as_secs_f64();
        let count = answers.len() as f64;
        let work = graph.take_work().map(|all| Work {
            looked_at: all.looked_at / count,
            by_code: all.by_code / count,
            in_full: all.in_full / count,
        });
        Ok(Measured { recall: data.recall(&answers, K), rate: count / seconds, work })
    }

    fn measured_at_once(&mut self, ef: usize) -> Result<Option<Measured>, Failure> {
        let Here { graph, data } = self;
        let some = data.queries.len().min(WARMING * data.dim);
        graph.nearest_at_once(data.queries.get(..some).unwrap_or_default(), ef)?;
        let start = Instant::now();
        let Some(answers) = graph.nearest_at_once(&data.queries, ef)? else { return Ok(None) };
        let seconds = start.elapsed().as_secs_f64();
        let (recall, rate) = (data.recall(&answers, K), answers.len() as f64 / seconds);
        Ok(Some(Measured { recall, rate, work: None }))
    }
}

/// The memory that this process holds, where Linux says so.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
