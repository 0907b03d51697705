//! The `arrwdb` command. It has no commands yet: it says so, and what it is a version of.
//!
//! Exit codes: 0 done, 2 wrong usage; 1 is kept for "refused or failed". Never: pretends to know a
//! command that is only planned.

#![forbid(unsafe_code)]

use std::process::ExitCode;

const HELP: &str = "\
arrwdb: an embedded, durable vector store

This version has no commands yet. The store itself is there, as a Rust crate:
README.md has an example, ARCHITECTURE.md says what is there and what is
planned.

Usage: arrwdb [--help | --version]";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let first = arguments.first().map(|argument| argument.to_string_lossy());
    match first.as_deref() {
        None | Some("-h" | "--help") if arguments.len() <= 1 => println!("{HELP}"),
        Some("-V" | "--version") if arguments.len() == 1 => {
            println!("arrwdb {}", env!("CARGO_PKG_VERSION"));
        }
        _ => {
            let said: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
            eprintln!("arrwdb: unknown arguments: {}; see arrwdb --help", said.join(" "));
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
