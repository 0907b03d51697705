//! What becomes of a graph that lives: all of its slots removed and as many taken up, and searches beside a writer.
//!
//! `cargo bench -p arrwdb-benches --bench churn [-- --size=200000 --queries=10000]`. Real vectors where `ARRWDB_TEST_DATA` says
//! where they are, and made-up ones, of `--size` vectors of 384 numbers.
//!
//! Churn: slots are removed a hundredth at a time, in random order or the oldest first, cleared away, and the vectors of as many
//! taken up in the slots that were given back. Behind it the graph has the vectors that it had before, each taken up since, and is
//! held against one that is built of them at once: recall with the same number in view, by how much it differs and how much of
//! that may be chance (one standard error of the queries' differences), and how many searches a second, which take turns.
//!
//! Searches beside a writer: one thread searches, another removes, clears away and inserts without a pause, in the same graph, or
//! in another one of the same vectors.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::dataset::Dataset;
use benches::known::{Known, asked_for, known};
use benches::random::Random;
use benches::rounds::Rounds;
use indexes::{Hnsw, HnswConfig, Index, Memory, Nearest, Pool, Query, Slot, SlotSet};

const K: usize = 10;
const ROUNDS: usize = 5;
const EFS: [usize; 4] = [16, 24, 64, 128];

/// A hundredth is removed at a time.
const PARTS: usize = 100;

/// A step does so much at a time.
const EFFORT: usize = 4_096;

/// How long is searched beside a writer, in each of several turns.
const BESIDE: Duration = Duration::from_secs(3);

fn main() {
    println!("k = {K}, {}, medians of {ROUNDS} rounds", indexes::instructions());
    let sets = match asked_for() {
        Some(set) => vec![set],
        None => known().expect("the data can be read"),
    };
    for set in &sets {
        run(set);
    }
}

fn run(Known { name, metric, data, .. }: &Known) {
    let memory = data.memory().expect("they fit");
    println!("\n{name}: {} x {}, {metric}", data.count(), data.dim);
    let pool = Pool::new(2.try_into().expect("not 0")).expect("threads");
    let build = || {
        let graph = Hnsw::new(data.dim, *metric, HnswConfig::default());
        graph.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
        graph
    };
    let start = Instant::now();
    let fresh = build();
    println!("  built on two threads in {:.2?}", start.elapsed());
    let orders = [("in random order", Order::Random), ("the oldest first", Order::OldestFirst)];
    let churned = orders.map(|(name, order)| {
        let graph = build();
        let start = Instant::now();
        churn(&graph, &memory, &pool, order);
        println!("  churned {name} in {:.2?}: {:?}", start.elapsed(), graph.statistics().probe);
        (name, graph)
    });
    let mut all = vec![("fresh", &fresh)];
    all.extend(churned.iter().map(|(name, graph)| (*name, graph)));
    compare(&all, data, &memory);
    let [(_, other), _] = &churned;
    beside(&fresh, other, data, &memory);
}

fn below(random: &mut Random, end: usize) -> usize {
    (random.bits() % end as u64) as usize
}

/// In which order slots are removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Random,
    OldestFirst,
}

/// All slots, in the order in which they are removed.
fn ordered(memory: &Memory, order: Order) -> Vec<Slot> {
    let mut slots: Vec<_> = memory.slots().iter().collect();
    if order == Order::Random {
        let mut random = Random::new(81);
        for at in (1..slots.len()).rev() {
            slots.swap(at, below(&mut random, at + 1));
        }
    }
    slots
}

/// Removes all slots, a part at a time, and takes their vectors up again.
fn churn(graph: &Hnsw, memory: &Memory, pool: &Pool, order: Order) {
    let slots = ordered(memory, order);
    for part in slots.chunks(slots.len().div_ceil(PARTS)) {
        for slot in part {
            assert!(graph.remove(*slot).expect("it lies in no image"));
        }
        let given_back: SlotSet = clear_away(graph, memory).into_iter().collect();
        graph.insert_all(&given_back, memory, pool, &mut |_| true).expect("they were given back");
    }
    assert_eq!(graph.len(), memory.len());
}

/// Steps until nothing is due; what was given back.
fn clear_away(graph: &Hnsw, memory: &Memory) -> Vec<Slot> {
    let mut all = Vec::new();
    loop {
        let step = graph.step(memory, EFFORT).expect("all can be read");
        all.extend(step.given_back);
        if !step.more {
            return all;
        }
    }
}

/// Searches in each, in turns, and prints recall and how many searches a second.
fn compare(graphs: &[(&str, &Hnsw)], data: &Dataset, memory: &Memory) {
    let queries: Vec<_> =
        data.queries.chunks_exact(data.dim).map(|query| Query::new(query).k(K)).collect();
    for ef in EFS {
        let mut rounds = Rounds::default();
        let mut all_hits = vec![Vec::new(); graphs.len()];
        for _ in 0..ROUNDS {
            for ((name, graph), hits) in graphs.iter().zip(&mut all_hits) {
                let find = |query| graph.search_with(query, ef, memory).expect("found");
                let start = Instant::now();
                let found: Vec<Nearest> = queries.iter().map(find).collect();
                rounds.note((*name).to_owned(), start.elapsed().as_secs_f64());
                let slots = |found: &Nearest| found.neighbours.iter().map(|it| it.slot.0).collect();
                *hits = data.found(&found.iter().map(slots).collect::<Vec<_>>(), K);
            }
        }
        let median = |name: &str| rounds.median(name).unwrap_or(f64::NAN);
        let first = graphs.first().map_or(f64::NAN, |(name, _)| median(name));
        let of_first = all_hits.first().cloned().unwrap_or_default();
        for ((name, graph), hits) in graphs.iter().zip(&all_hits) {
            let recall = hits.iter().sum::<usize>() as f64 / (hits.len() * K) as f64;
            let (differs, chance) = difference(hits, &of_first);
            println!(
                "  in view {ef:<4} {name:<18} recall {recall:.4} ({differs:+.2} points, +-{chance:.2}) {:>7.0}/s ({:.3} of fresh), {:.1} links",
                queries.len() as f64 / median(name),
                first / median(name),
                graph.degree().expect("whole")
            );
        }
    }
}

/// By how many points one recall is above the other, and one standard error of that.
fn difference(hits: &[usize], others: &[usize]) -> (f64, f64) {
    let points =
        |(hits, others): (&usize, &usize)| 100.0 * (*hits as f64 - *others as f64) / K as f64;
    let all: Vec<f64> = hits.iter().zip(others).map(points).collect();
    let count = all.len() as f64;
    let mean = all.iter().sum::<f64>() / count;
    let square = all.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (square / count).sqrt())
}

/// Searches beside a writer to the same graph, and to another one, in turns.
fn beside(graph: &Hnsw, other: &Hnsw, data: &Dataset, memory: &Memory) {
    let (mut rounds, changes) = (Rounds::default(), [AtomicU64::new(0), AtomicU64::new(0)]);
    for _ in 0..ROUNDS {
        for (name, written, count) in
            [("the same", graph, &changes[0]), ("another", other, &changes[1])]
        {
            let done = AtomicBool::new(false);
            let found = std::thread::scope(|scope| {
                scope.spawn(|| write(written, memory, &done, count));
                let found = search(graph, data, memory);
                done.store(true, Ordering::Relaxed);
                found
            });
            rounds.note(name.to_owned(), BESIDE.as_secs_f64() / found as f64);
        }
    }
    let [same, another] =
        ["the same", "another"].map(|it| 1.0 / rounds.median(it).unwrap_or(f64::NAN));
    let [in_same, in_another] = changes.map(AtomicU64::into_inner);
    println!(
        "  beside a writer to the same graph {same:.0} searches/s, to another {another:.0}/s: {:.3}; written {in_same} and {in_another} slots",
        same / another
    );
}

/// How many searches there were in a while.
fn search(graph: &Hnsw, data: &Dataset, memory: &Memory) -> u64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < BESIDE {
        for query in data.queries.chunks_exact(data.dim).take(100) {
            let found = graph.search(&Query::new(query).k(K), memory).expect("found");
            assert_eq!(found.neighbours.len(), K);
            count += 1;
        }
    }
    count
}

/// Removes, clears away and inserts until it is told to stop.
fn write(graph: &Hnsw, memory: &Memory, done: &AtomicBool, count: &AtomicU64) {
    let mut random = Random::new(82);
    while !done.load(Ordering::Relaxed) {
        for _ in 0..100 {
            _ = graph
                .remove(Slot(below(&mut random, memory.len()) as u32))
                .expect("it lies in no image");
        }
        for slot in clear_away(graph, memory) {
            graph.insert(slot, memory).expect("it was given back");
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
