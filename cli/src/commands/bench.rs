//! Measures how well and how fast a collection is searched, against answers that are known to be right.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use arrwdb::{Hits, Id, IndexConfig, Store};
use clap::Args;
use serde::Serialize;

use crate::clock::Stopwatch;
use crate::failure::{Failure, Result};
use crate::npy::{Integers, Npy};
use crate::opened;
use crate::options::{CollectionArguments, JsonOption};
use crate::output::Output;
use crate::queries::{self, THREADS_MAX, in_order};

/// Measures recall and speed of searches against known answers
///
/// The truth holds, for each query, the ids of the nearest
/// vectors, nearest first: positions in the imported file are ids when it was imported into an empty collection without
/// --ids. All queries are asked once unmeasured, then once measured, with each ef. With --json an array with one entry for
/// each ef; only a graph has an ef, and others have one entry.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    at: CollectionArguments,
    /// The queries, one a row
    #[arg(long, value_name = "FILE.npy")]
    queries: PathBuf,
    /// The right answers: int32, int64, uint32 or uint64, a row for each query, at least k in each
    #[arg(long, value_name = "FILE.npy")]
    truth: PathBuf,
    /// How many hits are asked for and compared
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// How widely to look, for an index that has it, like 16,32,64; flat ignores it
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    ef: Vec<u32>,
    /// How many threads search
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX))]
    threads: u16,
    #[command(flatten)]
    format: JsonOption,
}

/// One entry of the answer in JSON.
#[derive(Serialize)]
struct Measured {
    #[serde(skip_serializing_if = "Option::is_none")]
    ef: Option<u32>,
    recall: f64,
    qps: f64,
    p50_us: f64,
    p95_us: f64,
    p99_us: f64,
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        opened::reading(&self.at.store, |store| self.read(store))
    }

    fn read(&self, store: &Store) -> Result<()> {
        let collection = opened::collection(store, &self.at.store, &self.at.collection)?;
        let dim = collection.config().dim();
        let queries = Npy::open(&self.queries)?.floats()?.expect_dim(dim)?.some(usize::MAX)?;
        if queries.is_empty() {
            let path = self.queries.display();
            return Err(Failure::refused(format!("{path} holds no queries; give some")));
        }
        let k = usize::try_from(self.k).unwrap_or(usize::MAX);
        // Which kind there is may have been chosen.
        let is_graph = collection.statistics().index.kind == IndexConfig::hnsw().name();
        let efs = if is_graph { self.ef.clone() } else { Vec::new() };
        let view = store.view();
        let mut search = queries::Search { view, collection, k, ef: None, within: None };
        let mut all = Vec::with_capacity(efs.len().max(1));
        for ef in efs.iter().copied().map(Some).chain(efs.is_empty().then_some(None)) {
            search.ef = ef.map(queries::wide);
            all.push(Measured { ef, ..self.measure(&search, &queries)? });
        }
        self.tell(&all)
    }

    /// Asks all queries, twice.
    fn measure(&self, search: &queries::Search, queries: &[Vec<f32>]) -> Result<Measured> {
        let mut truth = self.truth(queries.len())?;
        let threads = usize::from(self.threads);
        in_order(queries, threads, |query| search.ask(query).map(drop))?;
        let watch = Stopwatch::start();
        let answers = in_order(queries, threads, |query| {
            let watch = Stopwatch::start();
            search.ask(query).map(|hits| (watch.elapsed(), hits))
        })?;
        let seconds = watch.elapsed().as_secs_f64();
        let (times, hits): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        let qps = ratio(queries.len(), 1) / seconds.max(1e-9);
        let recall = recall(&hits, &mut truth, search.k)?;
        Ok(measured(recall, qps, times))
    }

    fn truth(&self, queries: usize) -> Result<Integers> {
        let (truth, path) = (Npy::open(&self.truth)?.integers()?, self.truth.display());
        if u64::try_from(queries) != Ok(truth.rows()) {
            let rows = truth.rows();
            return Err(Failure::refused(format!(
                "{path} has {rows} rows, and {} has {queries} queries; they belong together one by one",
                self.queries.display()
            )));
        }
        if truth.columns() < u64::from(self.k) {
            return Err(Failure::refused(format!(
                "{path} has {} answers a query, fewer than -k {}; ask for fewer",
                truth.columns(),
                self.k
            )));
        }
        Ok(truth)
    }

    fn tell(&self, all: &[Measured]) -> Result<()> {
        let mut output = Output::begin();
        if self.format.json {
            output.json(&all)?;
            return output.finish();
        }
        for Measured { ef, recall, qps, p50_us, p95_us, p99_us } in all {
            if let Some(ef) = ef {
                output.line(format_args!("ef  {ef}"))?;
            }
            output.line(format_args!("recall at {}  {recall:.4}", self.k))?;
            output.line(format_args!("queries a second  {qps:.1}"))?;
            output.line(format_args!(
                "microseconds a query  {p50_us:.1} (half are faster), {p95_us:.1} (95 %), {p99_us:.1} (99 %)"
            ))?;
        }
        output.finish()
    }
}

/// How many of the right answers were found, of all there are.
fn recall(hits: &[Hits], truth: &mut Integers, k: usize) -> Result<f64> {
    let (mut found, mut right) = (0, 0);
    for hits in hits {
        let Some(row) = truth.next()? else { break };
        // Negative ones fill up rows for which there are fewer answers.
        let numbers = row.iter().take(k).filter_map(|number| u64::try_from(*number).ok());
        let wanted: HashSet<Id> = numbers.map(Id::from).collect();
        found += hits.iter().filter(|hit| wanted.contains(&hit.id)).count();
        right += wanted.len();
    }
    // Where there was nothing to find, nothing was missed.
    Ok(if right == 0 { 1.0 } else { ratio(found, right) })
}

fn measured(recall: f64, qps: f64, mut times: Vec<Duration>) -> Measured {
    times.sort_unstable();
    // The nearest rank: the least time that so many percent did not exceed.
    let percentile = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let (p50_us, p95_us, p99_us) = (percentile(50), percentile(95), percentile(99));
    Measured { ef: None, recall, qps, p50_us, p95_us, p99_us }
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
