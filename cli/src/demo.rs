//! The demonstration: every step does what it says, checks it, and fails if it is not so.

mod killed;
mod vectors;

use std::path::Path;
use std::time::Duration;

use arrwdb::{Collection, CollectionConfig, Durability, Metric, Store};

use crate::clock::Stopwatch;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::progress;
use vectors::Vectors;

const DIM: usize = 128;
/// How many vectors are loaded, how many more a process is killed at, and how many a batch has.
const LOADED: usize = 20_000;
const MORE: usize = 40_000;
const BATCH: usize = 500;
const QUERIES: usize = 100;
const K: usize = 10;
const NAME: &str = "docs";

/// Tells what happens, at once.
fn say(words: impl std::fmt::Display) -> Result<()> {
    let mut output = Output::begin();
    output.line(words)?;
    output.finish()
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::refused(what)
}

pub(crate) fn run() -> Result<()> {
    let dir = tempfile::tempdir()
        .map_err(|error| Failure::system("no temporary directory can be made", &error))?;
    let path = dir.path().join("store");
    let begun = Stopwatch::start();
    let vectors = Vectors::new(LOADED + MORE, QUERIES);
    let (loaded, more) = vectors.all.split_at(LOADED);
    let seconds = load(&path, loaded)?;
    search(&path, loaded, &vectors.queries)?;
    let found = killed::kill_a_writer(dir.path(), &path, more)?;
    check_recovered(&path, &vectors.all, found.rows)?;
    killed::go_on(dir.path(), &path)?;
    check_recovered(&path, &vectors.all, (LOADED + MORE) as u64)?;
    say("")?;
    say(format_args!(
        "In sum, after {:.0} s: {LOADED} vectors were made durable in {seconds:.2} s; every search gave the\n\
         exact answer; a process was killed in the middle of writing, and none of the {} vectors it had\n\
         been told were safe was lost; the store opened again in {:.1} ms, and all of it is sound.\n\
         Next: `arrwdb --help`, and the example in README.md.",
        begun.elapsed().as_secs_f64(),
        found.acknowledged,
        found.opened.as_secs_f64() * 1e3,
    ))
}

/// Loads vectors, durably, and says in how many seconds.
fn load(path: &Path, vectors: &[Vec<f32>]) -> Result<f64> {
    say(format_args!(
        "1. A new store in {}, and in it a collection of vectors of {DIM} numbers.",
        path.display()
    ))?;
    let store = Store::open(path)?;
    let config = CollectionConfig::new(u32::try_from(DIM).unwrap_or(u32::MAX), Metric::L2);
    let docs = store.create_collection(NAME, config)?;
    let bar = progress::bar("loading", vectors.len() as u64);
    let watch = Stopwatch::start();
    for (number, rows) in vectors.chunks(BATCH).enumerate() {
        let mut batch = store.batch();
        for (row, id) in rows.iter().zip((number * BATCH) as u64..) {
            batch.upsert(&docs, id, row);
        }
        batch.commit(Durability::Sync)?.wait()?;
        bar.inc(rows.len() as u64);
    }
    bar.finish_and_clear();
    let seconds = watch.elapsed().as_secs_f64();
    let held = docs.statistics();
    say(format_args!(
        "   {} vectors in {seconds:.2} s, {} batches, each on the disk before the next; {} of them are\n   \
         the same as another, and {} are kept: each once.",
        held.vectors,
        vectors.len().div_ceil(BATCH),
        held.total_references - held.unique_vectors,
        held.unique_vectors,
    ))?;
    store.close()?;
    Ok(seconds)
}

/// Searches, and compares with what looking at every vector says.
fn search(path: &Path, vectors: &[Vec<f32>], queries: &[Vec<f32>]) -> Result<()> {
    say(format_args!("2. {QUERIES} searches for the {K} nearest."))?;
    let store = Store::open(path)?;
    let docs = store.collection(NAME)?;
    let mut took = Duration::ZERO;
    for (number, query) in queries.iter().enumerate() {
        let watch = Stopwatch::start();
        let hits = docs.search(query).k(K).run()?;
        took += watch.elapsed();
        let found: Vec<_> = hits.iter().map(|hit| hit.id.clone()).collect();
        if found != vectors::nearest(vectors, query, K) {
            return Err(failed(format!("query {number}: the answer is not the exact one")));
        }
    }
    say(format_args!(
        "   {QUERIES} of {QUERIES} answers are what comparing with every vector gives, {:.2} ms each.",
        took.as_secs_f64() * 1e3 / queries.len() as f64
    ))
}

/// Looks at every vector there is, and checks all files.
fn check_recovered(path: &Path, vectors: &[Vec<f32>], rows: u64) -> Result<()> {
    let store = Store::open(path)?;
    let docs = store.collection(NAME)?;
    if docs.len() != rows {
        return Err(failed(format!("there are {} vectors, and not {rows}", docs.len())));
    }
    for (id, vector) in (0..rows).zip(vectors) {
        check_vector(&docs, id, vector)?;
    }
    let found = store.verify()?;
    if let Some(problem) = found.problems.first() {
        return Err(failed(format!("the store is damaged: {problem}")));
    }
    say(format_args!(
        "   {rows} vectors are there, bit for bit; a check of all files, {:.1} MB, finds nothing wrong.",
        found.bytes as f64 / 1e6
    ))?;
    Ok(store.close()?)
}

fn check_vector(docs: &Collection, id: u64, vector: &[f32]) -> Result<()> {
    let found = docs.get(id)?.ok_or_else(|| failed(format!("vector {id} is lost")))?;
    let is_same = found.vector().iter().zip(vector).all(|(a, b)| a.to_bits() == b.to_bits());
    if is_same { Ok(()) } else { Err(failed(format!("vector {id} is not what was written"))) }
}
