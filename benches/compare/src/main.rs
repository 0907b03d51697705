//! Measures arrwDB and its peers in one run, on the same device and the same data.
//!
//! `cargo run --release --manifest-path benches/compare/Cargo.toml -- log [directory]`; with
//! `--features rocksdb` RocksDB takes part too, which takes long to build and needs libclang.
//!
//! `... -- flat [directory] [--peers script] [--rounds 5]`: exact search beside what pip has; the directory is one that
//! `generate` of `benches` filled, and is made up without one. `ARRWDB_PYTHON` names an interpreter that has numpy,
//! faiss-cpu, hnswlib and scalable-vs.
//!
//! `... -- hnsw [directory] [--metric l2] [--rounds 3] [--build-threads 2] [--only arrwdb,usearch]`: graphs beside what
//! pip and other crates have, each over the same range of `ef`.
//!
//! `... -- import [directory] [--rounds 3] [--store directory]`: until vectors are in a graph, ours durable and hnswlib's in
//! memory.
//!
//! `... --features kiddo -- kdtree [--size 100000] [--rounds 5]`: trees of few dimensions, beside kiddo's and scipy's.
//!
//! `... --features usearch -- filters [directory]`: searches through filters, beside USearch's predicate search.
//!
//! Promises: every peer does the same work to the same durability; a figure of ours never stands without
//! theirs of the same run.

#![forbid(unsafe_code)]

#[cfg(feature = "usearch")]
mod filters;
mod flat;
mod hnsw;
mod import;
#[cfg(feature = "kiddo")]
mod kdtree;
mod log;
mod script;
mod vectors;

use std::error::Error;
use std::process::ExitCode;

/// What any contestant may fail with.
pub type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
usage: compare log [directory]      durable commits by 1, 16 and 64 threads
       compare flat [directory] [--peers script] [--rounds 5]
                                    exact search, one by one and in a batch
       compare hnsw [directory] [--metric l2|cosine] [--rounds 3] [--build-threads 2] [--only a,b,c]
                                    graphs: queries a second at the same recall
       compare import [directory] [--rounds 3] [--store directory]
                                    until vectors are in a graph, durable, beside hnswlib's build in memory
       compare kdtree [--size 100000] [--rounds 5]
                                    (with --features kiddo) trees of few dimensions
       compare filters [directory]  (with --features usearch) searches through filters";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((what, rest)) if what == "log" => log::run(rest.first().map(String::as_str)),
        Some((what, rest)) if what == "flat" => flat::run(rest),
        Some((what, rest)) if what == "hnsw" => hnsw::run(rest),
        Some((what, rest)) if what == "import" => import::run(rest),
        #[cfg(feature = "kiddo")]
        Some((what, rest)) if what == "kdtree" => kdtree::run(rest),
        #[cfg(feature = "usearch")]
        Some((what, rest)) if what == "filters" => filters::run(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::from(1)
        }
    }
}
