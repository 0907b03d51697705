//! Times hash tables: making them, slot by slot and all at once, and searching them for more and more recall, with the recall that gives
//! and how many vectors were looked at, be it by a few bits, by their codes, or in full. Beside them faiss' `IndexLSH`, which scans the
//! bits of all vectors, with what it finds compared in full.
//!
//! `cargo bench -p arrwdb-benches --bench lsh [-- --size=100000 --tables=16 --planes --half]`. Real vectors where
//! `ARRWDB_TEST_DATA` says where they are, and made-up ones, of `--size` vectors of 384 numbers; `--half` takes only the first half of
//! them, and of the other half its queries. Everything in memory; on one thread; medians of several rounds. `ARRWDB_PYTHON`
//! names an interpreter that has numpy and faiss-cpu; where nothing does, there are no figures of faiss.

use std::process::Command;
use std::time::{Duration, Instant};

use benches::dataset::Dataset;
use benches::known::{Known, asked_for, known};
use benches::rounds::Rounds;
use indexes::{
    Effort, Family, Index, Lsh, LshConfig, Memory, Metric, Nearest, Pool, Query, Slot, Vectors,
};

const K: usize = 10;
const ROUNDS: usize = 3;

/// Recalls that are asked for.
const RECALLS: [f32; 4] = [0.8, 0.9, 0.95, 0.99];

/// Steps do so much at a time, when so many were inserted.
const EFFORT: usize = 1 << 16;
const BETWEEN: u32 = 1_000;

/// Of faiss: bits, and how many times as many as wanted are compared in full.
const FAISS: &str = "
import os, sys, time
os.environ['OMP_NUM_THREADS'] = '1'
import numpy as np, faiss
faiss.omp_set_num_threads(1)
x, q, t = (np.load(sys.argv[1] + '/' + name + '.npy') for name in ('base', 'query', 'truth'))
k, t = int(sys.argv[2]), t[:, :int(sys.argv[2])]
for bits in (256, 512):
    index = faiss.IndexRefineFlat(faiss.IndexLSH(x.shape[1], bits, True))
    start = time.perf_counter(); index.train(x); index.add(x); made = time.perf_counter() - start
    for factor in (2, 4, 8, 16, 32, 64, 128):
        index.k_factor, took = factor, []
        for _ in range(3):
            start = time.perf_counter(); found = index.search(q, k)[1]; took.append(time.perf_counter() - start)
        recall = np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, t)]) / k
        print(f'  faiss {bits} bits x {factor:<3} {len(q) / sorted(took)[1]:>12.0f}/s {recall:>8.4f}   {len(x)}, made at {len(x) / made:.0f}/s')
        if recall > 0.995: break
";

fn main() {
    println!("k = {K}, {}, one thread, medians of {ROUNDS} rounds", indexes::instructions());
    let mut sets = known().expect("the data can be read");
    sets.extend(asked_for());
    for set in sets {
        let is_half = std::env::args().any(|it| it == "--half");
        run(&if is_half { set.half() } else { set });
    }
}

fn run(set: &Known) {
    let Known { name, metric, data, .. } = set;
    let memory = data.memory().expect("they fit");
    println!("\n{name}: {} x {}, {metric}", data.count(), data.dim);
    let number = |name| std::env::args().find_map(|it| it.strip_prefix(name)?.parse().ok());
    let tables = number("--tables=").unwrap_or(LshConfig::default().num_tables);
    let config = LshConfig::default().num_tables(tables);
    let mut families = vec![Family::CrossPolytope];
    families.extend(std::env::args().any(|it| it == "--planes").then_some(Family::Hyperplanes));
    for family in families {
        let lsh = made(config.family(family), *metric, &memory);
        println!(
            "  {:<18} {:>14} {:>8}   looked at, of all, by code, in full",
            format!("{family:?}"),
            "one",
            "recall"
        );
        for recall in RECALLS {
            row(&format!("asked for {recall}"), data, |query| {
                lsh.search(&query.recall(recall), &memory).expect("found")
            });
        }
    }
    if let Err(why) = faiss(set) {
        println!("  no figures of faiss: {why}");
    }
}

/// All at once, and one by one with the steps that this calls for.
fn made(config: LshConfig, metric: Metric, memory: &Memory) -> Lsh {
    let (dim, count) = (memory.dim(), memory.len() as f64);
    let new = || Lsh::new(dim, metric, config).expect("a metric");
    let one_by_one = new();
    let (_, inserting) = timed(|| {
        for slot in memory.slots().iter() {
            one_by_one.insert(slot, memory).expect("it is new");
        }
    });
    let stepped = new();
    let (_, both) = timed(|| {
        for Slot(slot) in memory.slots().iter() {
            stepped.insert(Slot(slot), memory).expect("it is new");
            if slot % BETWEEN == 0 {
                while stepped.step(memory, EFFORT).expect("all are there").more {}
            }
        }
        while stepped.step(memory, EFFORT).expect("all are there").more {}
    });
    let lsh = new();
    let all = || lsh.insert_all(memory.slots(), memory, &Pool::here(), &mut |_| true);
    let (done, all) = timed(all);
    done.expect("they fit");
    let at = |took: Duration| count / took.as_secs_f64();
    println!(
        "  made at {:.0}/s all at once; inserts alone {:.0}/s, with steps {:.0}/s; {} bytes each",
        at(all),
        at(inserting),
        at(both),
        lsh.statistics().bytes / memory.len().max(1)
    );
    println!("  {:?}", lsh.statistics().tuned);
    lsh
}

fn timed<A>(work: impl FnOnce() -> A) -> (A, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

/// Times a way to search, and prints what it did.
fn row(name: &str, data: &Dataset, search: impl Fn(Query<'_>) -> Nearest) {
    let (mut rounds, mut found) = (Rounds::default(), Vec::new());
    let queries = data.queries.chunks_exact(data.dim).map(|query| Query::new(query).k(K));
    let queries: Vec<_> = queries.collect();
    for _ in 0..ROUNDS {
        let one_by_one = || queries.iter().map(|query| search(*query)).collect::<Vec<_>>();
        let (all, took) = timed(one_by_one);
        rounds.note("one", took.as_secs_f64());
        found = all;
    }
    let each = found.len().max(1) as u64;
    let a_second = each as f64 / rounds.median("one").unwrap_or(f64::NAN);
    let mut work = Effort::default();
    found.iter().for_each(|it| work += it.work);
    let slots = |found: &Nearest| found.neighbours.iter().map(|it| it.slot.0).collect();
    let recall = data.recall(&found.iter().map(slots).collect::<Vec<_>>(), K);
    let part = 100.0 * (work.looked_at / each) as f64 / data.count() as f64;
    println!(
        "  {name:<18} {a_second:>12.0}/s {recall:>8.4}   {}, {part:.1} %, {}, {}",
        work.looked_at / each,
        work.by_code / each,
        work.in_full / each
    );
}

/// Lets faiss search for the same.
fn faiss(set: &Known) -> Result<(), String> {
    let python = std::env::var_os("ARRWDB_PYTHON").ok_or("ARRWDB_PYTHON names no interpreter")?;
    let dir = tempfile::tempdir().map_err(|it| it.to_string())?;
    let Known { metric, data, .. } = set;
    let unit = |numbers: &[f32]| -> Vec<f32> {
        let unit = |vector: &[f32]| {
            let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
            vector.iter().map(|it| it / length).collect::<Vec<_>>()
        };
        match metric {
            Metric::Cosine => numbers.chunks_exact(data.dim).flat_map(unit).collect(),
            _ => numbers.to_vec(),
        }
    };
    let Dataset { dim, known, .. } = *data;
    let (base, queries, truth) = (unit(&data.base), unit(&data.queries), data.truth.clone());
    let written = Dataset { dim, base, queries, truth, known }.write(dir.path());
    written.map_err(|it| it.to_string())?;
    let mut command = Command::new(python);
    command.args(["-c", FAISS]).arg(dir.path()).arg(K.to_string());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
