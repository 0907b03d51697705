//! Times each index kind as the system was timed that arrwDB takes the place of, beside its published figures.
//!
//! `cargo bench -p arrwdb-benches --bench legacy`. 10,000 vectors of 384 even random numbers, 1,000 queries, k = 10,
//! one thread, all in memory; the median of several rounds. Its machine was another one, so only the order of
//! magnitude means anything; uniform vectors have no structure that an index could use, so no recall here says
//! anything about embeddings (`benches/src/clusters.rs` makes some that do).
//!
//! Hash tables come twice: as they come, made to find nine of ten, for which they have to look at most of what has no structure; and
//! told to look at a few, as those of then did, of which no recall was published.

use benches::input::Input;
use benches::nearest::{Neighbour, nearest};
use benches::rounds::Rounds;
use indexes::{
    Hnsw, HnswConfig, Index, KdTree, KdTreeConfig, Lsh, LshConfig, Memory, Metric, Pool, Query,
    Slot, Standalone,
};

const COUNT: usize = 10_000;
const QUERIES: usize = 1_000;
const DIM: usize = 384;
const K: usize = 10;
const ROUNDS: usize = 3;

/// What a query is answered with: the numbers of the nearest.
type Search = Box<dyn Fn(&[f32]) -> Vec<u32>>;

/// One index kind, and what was published of it.
struct Kind {
    name: &'static str,
    /// Builds one of vectors that lie one behind the other.
    build: fn(&[f32]) -> Search,
    /// What must be found of the true neighbours.
    recall_least: f64,
    published_build: &'static str,
    published_query: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "flat",
        build: flat,
        recall_least: 1.0,
        published_build: "12 x as fast as its Python",
        published_query: "1,100",
    },
    Kind {
        name: "HNSW",
        build: hnsw,
        recall_least: 0.3,
        published_build: "13,300 ms",
        published_query: "370",
    },
    Kind {
        name: "KD-tree",
        build: kd_tree,
        recall_least: 1.0,
        published_build: "",
        published_query: "1,246",
    },
    Kind { name: "LSH", build: lsh, recall_least: 0.85, published_build: "", published_query: "" },
    Kind {
        name: "LSH, few",
        build: lsh_few,
        recall_least: 0.01,
        published_build: "",
        published_query: "64",
    },
];

/// How many hash tables look at that look at a few.
const FEW: usize = 64;

fn flat(vectors: &[f32]) -> Search {
    let mut index = Standalone::flat(DIM, Metric::L2);
    for vector in vectors.chunks_exact(DIM) {
        index.add(vector).expect("it fits");
    }
    Box::new(move |query| {
        let found = index.search(query, K, None).expect("the query fits");
        found.iter().map(|it| it.slot.0).collect()
    })
}

fn memory(vectors: &[f32]) -> Memory {
    let mut memory = Memory::new(DIM);
    for (slot, vector) in (0..).zip(vectors.chunks_exact(DIM)) {
        memory.set(Slot(slot), vector).expect("it fits");
    }
    memory
}

/// Fills an index, and lets it do all that is left to do.
fn filled(
    index: impl Index + 'static,
    vectors: &[f32],
    asked: fn(Query<'_>) -> Query<'_>,
) -> Search {
    let memory = memory(vectors);
    let built = index.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true);
    built.expect("they fit");
    while index.step(&memory, 1 << 20).expect("all are there").more {}
    Box::new(move |query| {
        let query = asked(Query::new(query).k(K));
        let found = index.search(&query, &memory).expect("the query fits");
        found.neighbours.iter().map(|it| it.slot.0).collect()
    })
}

fn hnsw(vectors: &[f32]) -> Search {
    filled(Hnsw::new(DIM, Metric::L2, HnswConfig::default()), vectors, |query| query)
}

fn kd_tree(vectors: &[f32]) -> Search {
    let tree = KdTree::new(DIM, Metric::L2, KdTreeConfig::default()).expect("a metric");
    filled(tree, vectors, |query| query)
}

fn lsh(vectors: &[f32]) -> Search {
    let tables = Lsh::new(DIM, Metric::L2, LshConfig::default()).expect("a metric");
    filled(tables, vectors, |query| query)
}

fn lsh_few(vectors: &[f32]) -> Search {
    let tables = Lsh::new(DIM, Metric::L2, LshConfig::default()).expect("a metric");
    filled(tables, vectors, |query| query.ef(FEW))
}

fn numbers(neighbours: Vec<Neighbour>) -> Vec<u32> {
    neighbours.into_iter().map(|(_, number)| number).collect()
}

fn main() {
    let input = Input::new(COUNT + QUERIES, DIM);
    let (vectors, queries) = input.flat.split_at(COUNT * DIM);
    let truth: Vec<Vec<u32>> =
        nearest(vectors, queries, DIM, K, 1).into_iter().map(numbers).collect();
    println!(
        "{COUNT} x {DIM}, uniform, {QUERIES} queries, k = {K}, one thread, median of {ROUNDS} rounds\n\n\
         kind      build, ms   published                     us a query   published   recall"
    );
    for kind in &KINDS {
        row(kind, vectors, queries, &truth);
    }
}

fn row(kind: &Kind, vectors: &[f32], queries: &[f32], truth: &[Vec<u32>]) {
    let Kind { name, published_build, published_query, .. } = kind;
    let (mut rounds, mut recall) = (Rounds::default(), 0.0);
    for _ in 0..ROUNDS {
        let search = rounds.time("build", || (kind.build)(vectors));
        let answers: Vec<Vec<u32>> =
            rounds.time("queries", || queries.chunks_exact(DIM).map(&search).collect());
        recall = share(&answers, truth);
        assert!(recall >= kind.recall_least, "{name}: recall {recall}");
    }
    let median = |what| rounds.median(what).unwrap_or_default();
    println!(
        "{name:<8} {:>10.1}   {published_build:<28} {:>11.1}   {published_query:>9}   {recall:.4}",
        median("build"),
        median("queries") * 1e3 / QUERIES as f64
    );
}

/// Which share of the true neighbours was found.
fn share(answers: &[Vec<u32>], truth: &[Vec<u32>]) -> f64 {
    let both = answers.iter().zip(truth);
    let found = both.map(|(answer, truth)| truth.iter().filter(|it| answer.contains(it)).count());
    found.sum::<usize>() as f64 / (QUERIES * K) as f64
}
