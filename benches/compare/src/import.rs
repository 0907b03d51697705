//! How long it takes until vectors are in a graph: ours, each batch durable before the next but three, beside the build of
//! hnswlib's in memory, on as many threads.
//!
//! Ours is a collection of a store, filled as `arrwdb import --wait-indexed` does it, and its time goes on until
//! [`Collection::wait_indexed`](arrwdb::Collection::wait_indexed) returns; what closing takes, where the image of the index is
//! written, stands beside it. They take turns, each anew every time, with the same links and candidates; who saves time by links
//! that are worse is seen by the recall. Ours takes as many threads as there are cores.
//!
//! Promises: both are asked the same queries with the same `ef`, and their recall is told with their time.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrwdb::kinds::HnswConfig;
use arrwdb::{CollectionConfig, Id, Metric, Store};
use benches::dataset::Dataset;
use benches::rounds::Rounds;
use benches::stores::{verdict, write};

use crate::Failure;
use crate::hnsw::contestant::WARMING;
use crate::hnsw::{EF_CONSTRUCTION, K, M};
use crate::script::Script;
use crate::vectors::Vectors;

/// How many vectors are made up where no directory is given.
const COUNT: usize = 100_000;
const EF: usize = 64;
const BAR: f64 = 1.0;

const OURS: &str = "arrwdb, durable, in the index";
const CLOSED: &str = "arrwdb, closed too";
const THEIRS: &str = "hnswlib, in memory";

/// What the arguments say.
struct Given {
    dir: Option<PathBuf>,
    rounds: usize,
    /// Where the stores are made.
    store: Option<PathBuf>,
}

impl Given {
    fn parsed(arguments: &[String]) -> Result<Self, Failure> {
        let mut given = Given { dir: None, rounds: 3, store: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                given.dir = Some(argument.into());
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument}: which?"))?;
            match argument.as_str() {
                "--rounds" => given.rounds = value.parse::<NonZeroUsize>()?.get(),
                "--store" => given.store = Some(value.into()),
                flag => return Err(format!("import does not know {flag}").into()),
            }
        }
        Ok(given)
    }
}

/// Runs the contest and prints who took how long.
///
/// # Errors
/// If the vectors cannot be used, or one of the two fails.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let given = Given::parsed(arguments)?;
    let vectors = Vectors::of_these_or(given.dir, K, COUNT)?;
    let data = &vectors.data;
    let cores = std::thread::available_parallelism()?;
    println!(
        "{} x {}, M {M}, ef construction {EF_CONSTRUCTION}, {cores} threads",
        data.count(),
        data.dim
    );
    let mut found = Rounds::default();
    for _ in 0..given.rounds {
        theirs(vectors.dir(), cores, &mut found)?;
        let place = match &given.store {
            Some(dir) => tempfile::tempdir_in(dir)?,
            None => tempfile::tempdir()?,
        };
        ours(data, &place.path().join("store"), &mut found)?;
    }
    println!(
        "seconds, medians of {} rounds (least to most); recall at {K} with ef {EF}",
        given.rounds
    );
    for name in [THEIRS, OURS, CLOSED] {
        let [median, least, most] = found.summary(name).unwrap_or([f64::NAN; 3]);
        let recall = found.median(&recall_of(name));
        let recall = recall.map(|recall| format!("  recall {recall:.4}")).unwrap_or_default();
        println!("  {name:<30} {median:>8.2}  ({least:.2} to {most:.2}){recall}");
    }
    let of = |name| found.median(name).unwrap_or(f64::NAN);
    let ratio = of(OURS) / of(THEIRS);
    println!("  ours / theirs: {ratio:.3}   bar {BAR}: {}", verdict(ratio, BAR));
    Ok(())
}

fn recall_of(name: &str) -> String {
    format!("recall of {name}")
}

fn theirs(dir: &Path, threads: NonZeroUsize, found: &mut Rounds) -> Result<(), Failure> {
    let words = [OsStr::new("hnswlib"), dir.as_os_str(), OsStr::new(Metric::L2.name())];
    let numbers = [K, M, EF_CONSTRUCTION, threads.get(), WARMING];
    let numbers = numbers.map(|number| OsString::from(number.to_string()));
    let mut script =
        Script::start("hnsw_peers.py", words.map(OsStr::to_owned).into_iter().chain(numbers))?;
    let said = script.hear()?;
    let seconds = said["seconds"].as_f64().ok_or_else(|| format!("hnswlib said {said}"))?;
    script.tell(&EF.to_string())?;
    let said = script.hear()?;
    let recall = said["recall"].as_f64().ok_or_else(|| format!("hnswlib said {said}"))?;
    script.end()?;
    found.note(THEIRS, seconds);
    found.note(recall_of(THEIRS), recall);
    Ok(())
}

fn ours(data: &Dataset, place: &Path, found: &mut Rounds) -> Result<(), Failure> {
    let start = Instant::now();
    let store = Store::open(place)?;
    let graph = HnswConfig::default().m(M).ef_construction(EF_CONSTRUCTION);
    let config = CollectionConfig::new(u32::try_from(data.dim)?, Metric::L2).index(graph);
    let docs = store.create_collection("docs", config)?;
    write(&store, &docs, 0, &data.base)?;
    docs.wait_indexed()?;
    let indexed = start.elapsed().as_secs_f64();
    let held = docs.statistics().index;
    let is_whole = held.indexed as usize == data.count() && held.behind == 0;
    if !is_whole {
        return Err(format!("the index has {} of {} vectors", held.indexed, data.count()).into());
    }
    let asked = Instant::now();
    let mut answers = Vec::new();
    for query in data.queries.chunks_exact(data.dim) {
        let hits = docs.search(query).k(K).ef(EF).run()?;
        let number = |id: &Id| match id {
            Id::Number(number) => u32::try_from(*number).unwrap_or(u32::MAX),
            _ => u32::MAX,
        };
        answers.push(hits.iter().map(|hit| number(&hit.id)).collect());
    }
    let asking = asked.elapsed().as_secs_f64();
    store.close()?;
    found.note(OURS, indexed);
    found.note(recall_of(OURS), data.recall(&answers, K));
    found.note(CLOSED, start.elapsed().as_secs_f64() - asking);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_counts_and_what_is_not_known_is_refused() {
        let parsed = |line: &str| {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Given::parsed(&arguments)
        };
        let given = parsed("here --rounds 5 --store there").unwrap();
        assert_eq!((given.dir, given.rounds), (Some("here".into()), 5));
        assert_eq!(given.store, Some("there".into()));
        for line in ["--what 1", "--rounds", "--rounds 0"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
