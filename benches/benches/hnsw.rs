//! Times the graph: building, opening, and searching with more and more in view, with the recall that gives and how many
//! vectors were looked at, be it by a few bits, by all bits of their codes, or in full.
//!
//! `cargo bench -p arrwdb-benches --bench hnsw [-- --size=200000]`. Real vectors where `ARRWDB_TEST_DATA` says where they
//! are, and made-up ones, of `--size` vectors of 384 numbers. Everything in memory; searches on one thread, building on two;
//! medians of several rounds.

use std::time::{Duration, Instant};

use benches::dataset::Dataset;
use benches::known::{Known, asked_for, known};
use benches::rounds::Rounds;
use indexes::{Effort, Hnsw, HnswConfig, Index, Measure, Memory, Metric, Nearest, Pool, Query};

const K: usize = 10;
const ROUNDS: usize = 3;
const EFS: [usize; 9] = [10, 16, 24, 32, 48, 64, 96, 128, 256];

/// Recalls that are asked for, once it is calibrated.
const RECALLS: [f32; 3] = [0.9, 0.95, 0.99];

fn main() {
    println!("k = {K}, {}, medians of {ROUNDS} rounds", indexes::instructions());
    let mut sets = known().expect("the data can be read");
    sets.extend(asked_for());
    for set in &sets {
        run(set);
    }
}

fn run(set: &Known) {
    let Known { name, metric, data, .. } = set;
    let memory = data.memory().expect("they fit");
    println!("\n{name}: {} x {}, {metric}", data.count(), data.dim);
    let pool = Pool::new(2.try_into().expect("not 0")).expect("threads");
    let graph = Hnsw::new(data.dim, *metric, HnswConfig::default());
    let all = || graph.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
    println!("  built on two threads in {:.2?}", timed(all).1);
    let (_, calibrating) =
        timed(|| graph.calibrate(&memory, &pool, &mut |_| true).expect("all can be read"));
    println!("  calibrated in {calibrating:.2?}");
    let graph = opened(&graph, &memory, data);
    let queries: Vec<_> =
        data.queries.chunks_exact(data.dim).map(|query| Query::new(query).k(K)).collect();
    println!(
        "  {:<14} {:>10} {:>10} {:>8}   looked at, by code, in full",
        "in view", "one", "many", "recall"
    );
    for ef in EFS {
        let one = || -> Vec<_> {
            queries.iter().map(|it| graph.search_with(it, ef, &memory).expect("found")).collect()
        };
        let many = || graph.search_many_with(&queries, ef, &memory, &Pool::here()).expect("found");
        row(&ef.to_string(), data, one, many);
    }
    for recall in RECALLS {
        let queries: Vec<_> = queries.iter().map(|it| it.recall(recall)).collect();
        let one = || -> Vec<_> {
            queries.iter().map(|it| graph.search(it, &memory).expect("found")).collect()
        };
        let many = || graph.search_many(&queries, &memory, &Pool::here()).expect("found");
        row(&format!("recall {recall}"), data, one, many);
    }
}

/// The graph of its image, and how long that takes.
fn opened(graph: &Hnsw, memory: &Memory, data: &Dataset) -> Hnsw {
    let mut image = Vec::new();
    let (_, encoding) = timed(|| graph.encode(&mut image));
    let mebibytes = image.len() / (1 << 20);
    let measure = Measure::from(Metric::L2);
    let measure = if graph.statistics().measure == "l2" { measure } else { Metric::Cosine.into() };
    let (opened, opening) = timed(|| Hnsw::open(image, &measure).expect("its own image"));
    let query = Query::new(data.queries.get(..data.dim).unwrap_or_default());
    let (_, first) = timed(|| opened.search(&query, memory).expect("found"));
    let (_, verifying) = timed(|| opened.verify(&mut |_| true).expect("whole"));
    println!(
        "  image of {mebibytes} MiB made in {encoding:.2?}, opened in {opening:.2?}, first search {first:.2?}, the rest verified in {verifying:.2?}"
    );
    opened
}

fn timed<A>(work: impl FnOnce() -> A) -> (A, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

/// Times both ways to search, and prints what they did.
fn row(
    name: &str,
    data: &Dataset,
    one: impl Fn() -> Vec<Nearest>,
    many: impl Fn() -> Vec<Nearest>,
) {
    let (mut rounds, mut found) = (Rounds::default(), Vec::new());
    for _ in 0..ROUNDS {
        let (one_by_one, seconds) = timed(&one);
        rounds.note("one".to_owned(), seconds.as_secs_f64());
        let (together, seconds) = timed(&many);
        rounds.note("many".to_owned(), seconds.as_secs_f64());
        assert!(one_by_one == together, "one by one it finds the same");
        found = one_by_one;
    }
    let count = found.len() as f64;
    let [one, many] = ["one", "many"].map(|it| count / rounds.median(it).unwrap_or(f64::NAN));
    let mut work = Effort::default();
    found.iter().for_each(|it| work += it.work);
    let slots = |found: &Nearest| found.neighbours.iter().map(|it| it.slot.0).collect();
    let recall = data.recall(&found.iter().map(slots).collect::<Vec<_>>(), K);
    let each = |sum: u64| sum / found.len() as u64;
    println!(
        "  {name:<14} {one:>8.0}/s {many:>8.0}/s {recall:>8.4}   {}, {}, {}",
        each(work.looked_at),
        each(work.by_code),
        each(work.in_full)
    );
}
