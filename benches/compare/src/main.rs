//! Measures arrwDB and its peers in one run, on the same device and the same data.
//!
//! `cargo run --release --manifest-path benches/compare/Cargo.toml -- log [directory]`; with
//! `--features rocksdb` RocksDB takes part too, which takes long to build and needs libclang.
//!
//! Promises: every peer does the same work to the same durability; a figure of ours never stands without
//! theirs of the same run.

#![forbid(unsafe_code)]

mod log;

use std::process::ExitCode;

const USAGE: &str = "usage: compare log [directory]    durable commits by 1, 16 and 64 threads";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (what, dir) = (arguments.next(), arguments.next());
    match what.as_deref() {
        Some("log") => match log::run(dir.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("compare: {error}");
                ExitCode::from(1)
            }
        },
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
