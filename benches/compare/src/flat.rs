//! Exact search: ours beside the libraries that pip has, on the same vectors, one thread.
//!
//! All contestants are loaded and warmed up first and take turns in several rounds; in each of them each answers 100
//! queries one by one and 1,000 at once (hnswlib 100: it takes them one after the other in any case). Every
//! answer is held against the truth. The peers run in a process of their own (`script.rs`), without the settings of
//! OpenBLAS that would slow them down. Only ratios within one run mean anything.

mod ours;
mod peers;

use std::path::{Path, PathBuf};
use std::time::Instant;

use benches::dataset::Dataset;
use benches::rounds::Rounds;

use crate::Failure;
use crate::script::python;
use crate::vectors::Vectors;
use peers::Peers;

const K: usize = 10;
const SINGLY: usize = 100;
const BATCH: usize = 1_000;
const ROUNDS: usize = 5;
/// An exact search may take another of two vectors at the same distance, but for rounding.
const RECALL_LEAST: f64 = 0.999;

const OURS: &str = "arrwDB";
const WAYS: [&str; 2] = ["one by one", "in a batch"];

/// What was measured: queries a second, and recall, each by way and contestant.
#[derive(Default)]
struct Figures {
    rates: Rounds,
    recalls: Rounds,
    contestants: Vec<String>,
}

/// What the arguments say.
struct Given {
    /// Where the vectors are.
    dir: Option<PathBuf>,
    /// Another script of peers, which gets the same three files.
    script: Option<PathBuf>,
    rounds: usize,
}

/// Runs the contest and prints a table.
///
/// # Errors
/// If the vectors cannot be used, or no interpreter can be started.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let given = parsed(arguments)?;
    let vectors = Vectors::of(given.dir, K)?;
    let (dir, data) = (vectors.dir(), &vectors.data);
    let mut figures = Figures::default();
    figures.contestants.push(OURS.to_owned());
    let mut peers = Peers::start(dir, [K, SINGLY, BATCH], &mut figures)?;
    let ours = ours::Ours::build(data)?;
    ours.search(data.queries.get(..data.dim).unwrap_or_default(), K)?;
    for _ in 0..given.rounds {
        round_of_ours(data, &ours, &mut figures)?;
        peers.round(&mut figures)?;
    }
    peers.end()?;
    let (count, dim, rounds) = (data.count(), data.dim, given.rounds);
    println!(
        "\n{count} x {dim}, k = {K}, one thread: queries a second, median of {rounds} rounds (least to most)"
    );
    WAYS.iter().for_each(|way| table(way, &figures));
    check(&figures)?;
    match given.script {
        Some(script) => other_script(&script, dir),
        None => Ok(()),
    }
}

fn parsed(arguments: &[String]) -> Result<Given, Failure> {
    let mut given = Given { dir: None, script: None, rounds: ROUNDS };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peers" => {
                given.script = Some(arguments.next().ok_or("--peers: of which script?")?.into())
            }
            "--rounds" => given.rounds = arguments.next().ok_or("--rounds: how many?")?.parse()?,
            flag if flag.starts_with('-') => {
                return Err(format!("flat does not know {flag}").into());
            }
            dir => given.dir = Some(dir.into()),
        }
    }
    Ok(given)
}

fn round_of_ours(data: &Dataset, ours: &ours::Ours, figures: &mut Figures) -> Result<(), Failure> {
    for way in WAYS {
        let count = if way == WAYS[0] { SINGLY } else { BATCH };
        let count = count.min(data.queries.len() / data.dim);
        let queries = &data.queries[..count * data.dim];
        let start = Instant::now();
        let answers = if way == WAYS[0] {
            let singly = queries.chunks_exact(data.dim).map(|query| ours.search(query, K));
            singly.collect::<Result<Vec<_>, _>>()?.concat()
        } else {
            ours.search(queries, K)?
        };
        let seconds = start.elapsed().as_secs_f64();
        figures.note(OURS, way, count as f64 / seconds, data.recall(&answers, K));
    }
    Ok(())
}

impl Figures {
    fn note(&mut self, contestant: &str, way: &str, rate: f64, recall: f64) {
        if !self.contestants.iter().any(|it| it == contestant) {
            self.contestants.push(contestant.to_owned());
        }
        self.rates.note(named(way, contestant), rate);
        self.recalls.note(named(way, contestant), recall);
    }

    /// The fastest of the peers, this way.
    fn best_peer(&self, way: &str) -> Option<(&str, f64)> {
        let peers = self.contestants.iter().filter(|it| *it != OURS);
        let rates = peers.filter_map(|it| Some((it.as_str(), self.rates.median(&named(way, it))?)));
        rates.max_by(|one, other| one.1.total_cmp(&other.1))
    }
}

fn named(way: &str, contestant: &str) -> String {
    format!("{way} | {contestant}")
}

fn table(way: &str, figures: &Figures) {
    println!("\n{way}");
    let ours = figures.rates.median(&named(way, OURS));
    for contestant in &figures.contestants {
        let name = named(way, contestant);
        let Some([median, least, most]) = figures.rates.summary(&name) else { continue };
        let recall = figures.recalls.median(&name).unwrap_or_default();
        let range = format!("({least:.1} to {most:.1})");
        print!("  {contestant:<28} {median:>8.1} {range:<20} recall {recall:.4}");
        match ours {
            Some(ours) if contestant != OURS => println!("   ours / it: {:.2}", ours / median),
            _ => println!(),
        }
    }
    match (ours, figures.best_peer(way)) {
        (Some(ours), Some((peer, rate))) => {
            println!("  ours / best peer of this run: {:.2} ({peer})", ours / rate);
        }
        _ => println!("  no peer took part"),
    }
}

/// Whoever answered wrongly was not measured.
fn check(figures: &Figures) -> Result<(), Failure> {
    for name in figures.recalls.names() {
        let least = figures.recalls.summary(name).map_or(0.0, |[_, least, _]| least);
        if least < RECALL_LEAST {
            return Err(format!("{name}: recall {least}: not an exact search").into());
        }
    }
    Ok(())
}

/// Runs the flat search of another script as its own authors would, and prints what it says.
fn other_script(script: &Path, dir: &Path) -> Result<(), Failure> {
    println!("\n{}, not in turns with ours:", script.display());
    let mut command = python();
    let files = ["base.npy", "query.npy", "truth.npy"].map(|name| dir.join(name));
    let status = command.arg(script).args(files).args(["--peers", "faiss-flat"]).status()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", script.display()).into()) }
}
