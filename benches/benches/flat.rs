//! Times the flat index: one query and many, by codes and in full, on vectors that have structure and on such that
//! have none.
//!
//! `cargo bench -p arrwdb-benches --bench flat [-- --size=200000]`. 384 numbers, k = 10, one thread but where it says
//! otherwise, all in memory; medians of several rounds. Every answer by codes is held against that in full.

use benches::clusters::Clusters;
use benches::input::Input;
use benches::rounds::Rounds;
use indexes::{Effort, Flat, Index, Measure, Memory, Metric, Nearest, Pool, Query, Slot, SlotSet};

const DIM: usize = 384;
const K: usize = 10;
const SIZE: usize = 200_000;
const SINGLY: usize = 100;
const TOGETHER: usize = 1_000;
const ROUNDS: usize = 3;

/// Every so many slots are admitted, where there is a filter.
const EVERY: u32 = 20;

fn main() {
    let size = std::env::args().find_map(|it| it.strip_prefix("--size=")?.parse().ok());
    let size = size.unwrap_or(SIZE);
    println!("{size} x {DIM}, k = {K}, {}, medians of {ROUNDS} rounds", indexes::instructions());
    let clusters = Clusters::new(DIM);
    for metric in Metric::ALL {
        let (vectors, queries) = (clusters.vectors(size), clusters.queries(TOGETHER));
        run("clusters", metric, &vectors, &queries);
    }
    let uniform = Input::new(size + TOGETHER, DIM).flat;
    let (vectors, queries) = uniform.split_at(size * DIM);
    run("uniform", Metric::L2, vectors, queries);
}

fn run(what: &str, metric: Metric, vectors: &[f32], queries: &[f32]) {
    let mut memory = Memory::new(DIM);
    for (slot, vector) in (0..).zip(vectors.chunks_exact(DIM)) {
        memory.set(Slot(slot), vector).expect("it fits");
    }
    let some = memory.slots().iter().filter(|slot| slot.0 % EVERY == 0).collect();
    let all: Vec<_> = queries.chunks_exact(DIM).map(|query| Query::new(query).k(K)).collect();
    let cores = Pool::all_cores().expect("threads");
    let (mut rounds, mut work) = (Rounds::default(), [Effort::default(); 2]);
    for _ in 0..ROUNDS {
        work = round(&mut rounds, metric, &memory, &all, (&some, &cores));
    }
    println!("\n{what}, {metric}");
    for name in rounds.names() {
        let queries = match name {
            build if build.starts_with("build") => 1,
            many if many.starts_with("many") => TOGETHER,
            _ => SINGLY,
        };
        let summary = rounds.summary(name).unwrap_or_default();
        let [median, least, most] = summary.map(|it| it / queries as f64);
        println!("  {name:<34} {median:>9.3} ms ({least:.3} to {most:.3})");
    }
    for (name, work, queries) in [("one", work[0], SINGLY), ("many", work[1], TOGETHER)] {
        let [by_code, in_full] = [work.by_code, work.in_full].map(|it| it / queries as u64);
        println!("  {name}: by all bits of {by_code} codes, in full with {in_full}");
    }
}

/// Times everything once; answers with what one query and many took by codes.
fn round(
    rounds: &mut Rounds,
    metric: Metric,
    memory: &Memory,
    all: &[Query<'_>],
    (some, cores): (&SlotSet, &Pool),
) -> [Effort; 2] {
    let (here, singly) = (Pool::here(), all.get(..SINGLY).unwrap_or(all));
    let build = |flat: Flat, pool: &Pool| {
        flat.insert_all(memory.slots(), memory, pool, &mut |_| true).expect("they fit");
        flat
    };
    let measure = Measure::from(metric);
    let plain = build(Flat::plain(DIM, measure.clone()), &here);
    let coded = rounds.time("build", || build(Flat::new(DIM, measure.clone()), &here));
    rounds.time("build, all cores", || build(Flat::new(DIM, measure.clone()), cores));
    let one_by_one = |index: &Flat, queries: &[Query<'_>]| {
        let found = queries.iter().map(|query| index.search(query, memory).expect("found"));
        found.collect::<Vec<_>>()
    };
    let together = |index: &Flat, queries: &[Query<'_>], pool: &Pool| {
        index.search_many(queries, memory, pool).expect("found")
    };
    let full = rounds.time("one, in full", || one_by_one(&plain, singly));
    let by_codes = rounds.time("one, by codes", || one_by_one(&coded, singly));
    let on_cores = rounds.time("one, by codes, all cores", || {
        let found = singly.iter().flat_map(|query| together(&coded, &[*query], cores));
        found.collect::<Vec<_>>()
    });
    same(&full, &by_codes);
    same(&full, &on_cores);
    let filtered: Vec<_> = singly.iter().map(|query| query.filter(some)).collect();
    let full = rounds.time("one of twenty, in full", || one_by_one(&plain, &filtered));
    let found = rounds.time("one of twenty, by codes", || one_by_one(&coded, &filtered));
    same(&full, &found);
    let floats = rounds.time("many, by floats", || together(&plain, all, &here));
    let codes = rounds.time("many, by codes", || together(&coded, all, &here));
    let on_cores = rounds.time("many, by codes, all cores", || together(&coded, all, cores));
    same(&floats, &codes);
    same(&floats, &on_cores);
    same(codes.get(..singly.len()).unwrap_or_default(), &by_codes);
    [&by_codes, &codes].map(|found| effort(found))
}

fn effort(found: &[Nearest]) -> Effort {
    let mut sum = Effort::default();
    found.iter().for_each(|it| sum += it.work);
    sum
}

/// Answers are the same to the bit, however they were found.
fn same(one: &[Nearest], other: &[Nearest]) {
    let pairs = one.iter().zip(other);
    let equal = pairs.filter(|(one, other)| one.neighbours == other.neighbours).count();
    assert_eq!((equal, one.len()), (one.len(), other.len()), "answers differ");
}
