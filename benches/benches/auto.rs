//! Measures whether the kind of index that is chosen is as fast as the best of those that could be asked for.
//!
//! `cargo bench -p arrwdb-benches --bench auto -- [directory] [--dims=2,8,128,384] [--sizes=1000,20000,200000]
//! [--metrics=l2,cosine,dot] [--queries=500]`. Made-up vectors (`benches::clusters`) in one store; a collection for each kind, filled
//! and waited for, then asked one query at a time. A graph is asked with several `ef`, hash tables for several recalls: of each kind
//! the fastest counts that finds 0.95 of the ten nearest. What was chosen counts as it comes. Only ratios within one run mean
//! anything.

use std::collections::HashSet;
use std::time::Instant;

use arrwdb::kinds::LshConfig;
use arrwdb::{Collection, CollectionConfig, Id, IndexConfig, Metric, Store};
use benches::clusters::Clusters;
use benches::stores::{given_directory, option, verdict, write};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The recall from which on a kind counts.
const RECALL: f64 = 0.95;

/// All are asked in turns, so often, of which the fastest counts: a machine that others use is slow now and then.
const ROUNDS: usize = 5;

/// How much in view a graph is asked with.
const EFS: [usize; 5] = [16, 32, 64, 128, 256];

/// What hash tables are to find.
const RECALLS: [f32; 2] = [0.96, 0.98];

/// What is chosen has to be at least so fast, as a part of the best.
const BAR: f64 = 0.7;

/// How fast a kind is, and how much it finds.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    rate: f64,
    recall: f64,
}

/// A collection, how it is asked, and what came of it.
struct Asked {
    name: String,
    docs: Collection,
    ef: Option<usize>,
    found: Measured,
}

impl Asked {
    fn new(name: &str, docs: &Collection, ef: Option<usize>) -> Self {
        Asked { name: name.to_owned(), docs: docs.clone(), ef, found: Measured::default() }
    }
}

fn numbers(option_name: &str, otherwise: &str) -> Outcome<Vec<usize>> {
    let text = option::<String>(option_name).unwrap_or(otherwise.to_owned());
    Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

fn main() -> Outcome<()> {
    let (dims, sizes) =
        (numbers("--dims=", "2,8,128,384")?, numbers("--sizes=", "1000,20000,200000")?);
    let metrics = option::<String>("--metrics=").unwrap_or("l2,cosine,dot".to_owned());
    let queries = option("--queries=").unwrap_or(500);
    let mut worst = f64::INFINITY;
    for dim in dims {
        for size in &sizes {
            for metric in metrics.split(',') {
                let metric = match metric {
                    "l2" => Metric::L2,
                    "cosine" => Metric::Cosine,
                    "dot" => Metric::Dot,
                    other => return Err(format!("no metric is called {other}").into()),
                };
                worst = worst.min(measure((dim, *size, metric), queries)?);
            }
        }
    }
    println!(
        "\nwhat is chosen is at least {worst:.2} of the best   bar {BAR}: {}",
        verdict(BAR / worst, 1.0)
    );
    Ok(())
}

/// Measures all kinds; how fast the one is that is chosen, as a part of the best.
fn measure((dim, size, metric): (usize, usize, Metric), queries: usize) -> Outcome<f64> {
    let clusters = Clusters::new(dim);
    let (base, queries) = (clusters.vectors(size), clusters.queries(queries));
    let dir = match given_directory() {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let store = Store::open(dir.path().join("store"))?;
    let config = |index: IndexConfig| CollectionConfig::new(dim as u32, metric).index(index);
    println!("\n{size} x {dim}, {}", metric.name());
    let make = |name: &str, index: IndexConfig| -> Outcome<Collection> {
        let docs = store.create_collection(name, config(index))?;
        write(&store, &docs, 0, &base)?;
        docs.wait_indexed()?;
        Ok(docs)
    };
    let flat = make("flat", IndexConfig::flat())?;
    let truth = ask(&flat, &queries, dim, None)?.1;
    let mut all = vec![Asked::new("flat", &flat, None)];
    let graph = make("hnsw", IndexConfig::hnsw())?;
    all.extend(EFS.map(|ef| Asked::new(&format!("hnsw, ef {ef}"), &graph, Some(ef))));
    if config(IndexConfig::kd_tree()).validate().is_ok() {
        all.push(Asked::new("kdtree", &make("kdtree", IndexConfig::kd_tree())?, None));
    }
    for target in RECALLS {
        let name = format!("lsh {target}");
        let tables = make(&name, LshConfig::default().target_recall(target).into())?;
        all.push(Asked::new(&name, &tables, None));
    }
    let chosen = make("auto", IndexConfig::auto())?;
    all.push(Asked::new("chosen", &chosen, None));
    for _ in 0..ROUNDS {
        for asked in &mut all {
            let (rate, answers) = ask(&asked.docs, &queries, dim, asked.ef)?;
            asked.found.rate = asked.found.rate.max(rate);
            asked.found.recall = recall(&truth, &answers);
        }
    }
    let found = all.pop().map_or(Measured::default(), |asked| asked.found);
    let best = all.iter().map(tell).fold(0.0, f64::max);
    let index = chosen.statistics().index;
    let part = if found.recall >= RECALL { found.rate / best } else { 0.0 };
    println!(
        "  chosen: {:<12} {:>9.0}/s  recall {:.4}  {part:.2} of the best: {}; {}",
        index.kind,
        found.rate,
        found.recall,
        verdict(BAR / part, 1.0),
        index.chosen.unwrap_or_default(),
    );
    store.close()?;
    Ok(part)
}

/// Prints it; how fast it is, if it counts.
fn tell(Asked { name, found: Measured { rate, recall }, .. }: &Asked) -> f64 {
    let (rate, recall) = (*rate, *recall);
    println!("  {name:<20} {rate:>9.0}/s  recall {recall:.4}");
    if recall >= RECALL { rate } else { 0.0 }
}

/// Asks for the ten nearest to each query, one by one; how many queries a second, and the answers.
fn ask(
    docs: &Collection,
    queries: &[f32],
    dim: usize,
    ef: Option<usize>,
) -> Outcome<(f64, Vec<Vec<Id>>)> {
    let start = Instant::now();
    let mut answers = Vec::new();
    for query in queries.chunks_exact(dim) {
        let search = docs.search(query).k(10);
        let search = match ef {
            Some(ef) => search.ef(ef),
            None => search,
        };
        answers.push(search.run()?.iter().map(|hit| hit.id.clone()).collect());
    }
    Ok((answers.len() as f64 / start.elapsed().as_secs_f64(), answers))
}

/// Which share of the true nearest was found.
fn recall(truth: &[Vec<Id>], answers: &[Vec<Id>]) -> f64 {
    let found = |(truth, answer): (&Vec<Id>, &Vec<Id>)| {
        let answer: HashSet<&Id> = answer.iter().collect();
        truth.iter().filter(|id| answer.contains(id)).count()
    };
    let all: usize = truth.iter().map(Vec::len).sum();
    truth.iter().zip(answers).map(found).sum::<usize>() as f64 / all.max(1) as f64
}
