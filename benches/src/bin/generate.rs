//! Writes clustered vectors, queries and their true 100 neighbours as `.npy` files.
//!
//! `cargo run --release -p arrwdb-benches --bin generate -- directory [--count=200000] [--dim=384]
//! [--queries=1000]`. What the vectors are like is said in `benches/src/clusters.rs`, what the files are in
//! `benches/src/dataset.rs`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use benches::dataset::Dataset;

const USAGE: &str = "usage: generate directory [--count=200000] [--dim=384] [--queries=1000]";

fn main() -> ExitCode {
    let mut dir = None;
    let (mut count, mut dim, mut queries) = (200_000, 384, 1_000);
    for given in std::env::args().skip(1) {
        let number =
            given.split_once('=').and_then(|(name, number)| Some((name, number.parse().ok()?)));
        match number {
            Some(("--count", number)) => count = number,
            Some(("--dim", number)) => dim = number,
            Some(("--queries", number)) => queries = number,
            None if !given.starts_with('-') && dir.is_none() => dir = Some(given),
            _ => return fail(USAGE, 2),
        }
    }
    let Some(dir) = dir else { return fail(USAGE, 2) };
    let start = Instant::now();
    let written = Dataset::clustered(count, dim, queries).write(Path::new(&dir));
    if let Err(error) = written {
        return fail(&format!("generate: {dir}: {error}"), 1);
    }
    println!(
        "{count} vectors and {queries} queries of {dim} numbers in {dir}, after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}
