//! Times searches through filters: from all slots to one of ten thousand, chosen at random, among those near the query, or among
//! those far from it; by the way that is chosen, and by each way there is.
//!
//! `cargo bench -p arrwdb-benches --bench filters [-- --size=200000]`. Real vectors where `ARRWDB_TEST_DATA` says where they are,
//! and made-up ones, of `--size` vectors of 384 numbers. One thread; all ways take turns, medians of several rounds. Behind it,
//! searches within a distance.

use std::time::Instant;

use benches::known::{Known, asked_for, known};
use benches::random::Random;
use benches::rounds::Rounds;
use indexes::{
    Flat, Hnsw, HnswConfig, Index, Memory, Nearest, Pool, Query, Slot, SlotSet, Strategy,
};

const K: usize = 10;
const ROUNDS: usize = 3;

/// Every query has filters of its own.
const QUERIES: usize = 50;

/// How many of a thousand thousand slots are admitted.
const ADMITTED: [usize; 10] =
    [1_000_000, 600_000, 300_000, 100_000, 50_000, 20_000, 10_000, 3_000, 1_000, 100];

/// Where they lie.
const WHERE: [&str; 3] = ["anywhere", "near", "far"];

/// Those near the query, or far from it, are a part of so many times as many.
const AMONG: usize = 3;

/// A round goes on so long with each way, if it takes less to answer all queries once.
const SECONDS: f64 = 0.03;

/// With less recall a way does not count.
const ENOUGH: f64 = 0.95;

const WAYS: [(&str, Option<Strategy>); 4] = [
    ("chosen", None),
    ("exact", Some(Strategy::Exact)),
    ("walk", Some(Strategy::Walk)),
    ("through", Some(Strategy::Through)),
];

/// How many neighbours lie within the distances that are asked for.
const WITHIN: [usize; 4] = [5, 50, 500, 5_000];

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

/// What is searched.
struct Searched<'d> {
    graph: Hnsw,
    flat: Flat,
    memory: Memory,
    queries: Vec<&'d [f32]>,
}

fn run(Known { name, metric, data, .. }: &Known) {
    let memory = data.memory().expect("they fit");
    println!("\n{name}: {} x {}, {metric}", data.count(), data.dim);
    let pool = Pool::new(2.try_into().expect("not 0")).expect("threads");
    let graph = Hnsw::new(data.dim, *metric, HnswConfig::default());
    graph.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
    let flat = Flat::new(data.dim, *metric);
    flat.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
    let queries = data.queries.chunks_exact(data.dim).take(QUERIES).collect();
    let searched = Searched { graph, flat, memory, queries };
    println!("  searches a second and recall");
    println!(
        "  {:>9} {:<9} {:>16} {:>16} {:>16} {:>16}  chosen / best of the others with {ENOUGH}",
        "admitted", "where", "chosen", "exact", "walk", "through"
    );
    let ranked = searched.ranked();
    for place in WHERE {
        for part in ADMITTED {
            let admitted = data.count() * part / 1_000_000;
            if admitted > 0 {
                searched.filtered(place, admitted, &ranked);
            }
        }
    }
    for count in WITHIN {
        searched.within(count);
    }
}

impl Searched<'_> {
    /// All slots in the order of how far they are, for each query.
    fn ranked(&self) -> Vec<Vec<Slot>> {
        let rank = |query: &&[f32]| {
            let all = Query::new(query).k(self.memory.len());
            let found = self.flat.search(&all, &self.memory).expect("found");
            found.neighbours.into_iter().map(|it| it.slot).collect()
        };
        self.queries.iter().map(rank).collect()
    }

    /// Searches among so many, by all ways.
    fn filtered(&self, place: &str, admitted: usize, ranked: &[Vec<Slot>]) {
        let mut random = Random::new(admitted as u64);
        let filters: Vec<SlotSet> =
            ranked.iter().map(|ranked| filter(place, admitted, ranked, &mut random)).collect();
        let queries: Vec<_> = self.queries.iter().zip(&filters).collect();
        let ask = |index: &dyn Index, way: Option<Strategy>| -> Vec<Nearest> {
            let ask = |(vector, filter): &(&&[f32], &SlotSet)| {
                let query = Query::new(vector).k(K).filter(filter);
                let query = way.into_iter().fold(query, |query, way| query.strategy(way));
                index.search(&query, &self.memory).expect("found")
            };
            queries.iter().map(ask).collect()
        };
        let truth = ask(&self.flat, None);
        let (mut rounds, mut recalls) = (Rounds::default(), [0.0; WAYS.len()]);
        for round in 0..ROUNDS {
            // Not always the same is the first.
            let mut turns: Vec<_> = WAYS.iter().zip(&mut recalls).collect();
            turns.rotate_left(round);
            for ((name, way), recall) in turns {
                let (start, mut times) = (Instant::now(), 0);
                while times == 0 || start.elapsed().as_secs_f64() < SECONDS {
                    let found = ask(&self.graph, *way);
                    assert!(found.iter().all(|it| it.neighbours.len() == K.min(admitted)));
                    if round == 0 && times == 0 {
                        *recall = mean_recall(&found, &truth);
                    }
                    times += 1;
                }
                rounds.note(*name, start.elapsed().as_secs_f64() / f64::from(times));
            }
        }
        let speed = |name: &str| QUERIES as f64 / rounds.median(name).unwrap_or(f64::NAN);
        let figures = WAYS.iter().zip(recalls);
        let others = figures.clone().skip(1).filter(|(_, recall)| *recall >= ENOUGH);
        let best = others.map(|((name, _), _)| speed(name)).fold(f64::NAN, f64::max);
        let figures =
            figures.map(|((name, _), recall)| format!("{:>9.0} {recall:>6.3}", speed(name)));
        println!(
            "  {admitted:>9} {place:<9} {}  {:.2}",
            figures.collect::<Vec<_>>().join(" "),
            speed("chosen") / best
        );
    }

    /// Searches within the distance of so many.
    fn within(&self, count: usize) {
        let distance = |query: &&[f32]| {
            let nearest = Query::new(query).k(count);
            let found = self.flat.search(&nearest, &self.memory).expect("found");
            found.neighbours.last().map_or(0.0, |it| it.distance)
        };
        let distances: Vec<f32> = self.queries.iter().map(distance).collect();
        let ask = |index: &dyn Index| -> (Vec<Nearest>, f64) {
            let start = Instant::now();
            let ask = |(query, within): (&&[f32], &f32)| {
                let query = Query::new(query).k(usize::MAX).within(*within);
                index.search(&query, &self.memory).expect("found")
            };
            let found = self.queries.iter().zip(&distances).map(ask).collect();
            (found, QUERIES as f64 / start.elapsed().as_secs_f64())
        };
        let ((truth, by_flat), (found, by_graph)) = (ask(&self.flat), ask(&self.graph));
        let recall = mean_recall(&found, &truth);
        let looked_at: u64 = found.iter().map(|it| it.work.looked_at).sum();
        println!(
            "  within the distance of {count}: {by_graph:.0}/s, recall {recall:.4}, {} looked at; flat {by_flat:.0}/s",
            looked_at / QUERIES as u64
        );
    }
}

/// So many slots: any, or of those that are near or far.
fn filter(place: &str, admitted: usize, ranked: &[Slot], random: &mut Random) -> SlotSet {
    let among = (AMONG * admitted).min(ranked.len());
    let mut slots = match place {
        "near" => ranked.get(..among).unwrap_or_default(),
        "far" => ranked.get(ranked.len() - among..).unwrap_or_default(),
        _ => ranked,
    }
    .to_vec();
    for at in 0..admitted {
        let other = at + (random.bits() % (slots.len() - at) as u64) as usize;
        slots.swap(at, other);
    }
    slots.truncate(admitted);
    slots.into_iter().collect()
}

/// Which share of what there is was found; at the same distance one is as good as another.
fn mean_recall(found: &[Nearest], truth: &[Nearest]) -> f64 {
    let recall = |(found, truth): (&Nearest, &Nearest)| {
        let Some(last) = truth.neighbours.last() else { return 1.0 };
        let near = found.neighbours.iter().filter(|it| it.distance <= last.distance).count();
        near as f64 / truth.neighbours.len() as f64
    };
    found.iter().zip(truth).map(recall).sum::<f64>() / truth.len().max(1) as f64
}
