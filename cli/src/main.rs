//! The `arrwdb` command: reads what is asked for, has it done, and says how it ended.
//!
//! Promises
//!  1. Exit codes: 0 done, 1 refused or failed, 2 wrong usage: what cannot be right whatever a store holds.
//!  2. What went wrong is one sentence on stderr, `arrwdb: ...`, with the path, id, offset or row, and what to do.
//!     With wrong usage the usage comes with it.
//!
//! Never: panics, whatever the arguments and the files; changes what a store holds for a command that only reads (a store
//! whose process died is recovered by the first command that opens it).

#![forbid(unsafe_code)]

mod clock;
mod commands;
mod demo;
mod failure;
mod ids;
mod import;
mod index_options;
mod npy;
mod numbers;
mod opened;
mod options;
mod output;
mod payload;
mod progress;
mod queries;
mod user_files;
mod waiting;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::commands::Command;

/// arrwdb: an embedded, durable vector store. Each command opens the store in a directory, does one thing and closes
/// it. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
#[derive(Parser)]
#[command(name = "arrwdb", version, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(Arguments { command: Some(command) }) => command,
        Ok(Arguments { command: None }) => return show_help(),
        Err(error) => {
            show(&error);
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            writeln!(std::io::stderr(), "arrwdb: {failure}").ok();
            failure.exit_code()
        }
    }
}

/// Shows what the parser of the arguments has to say: help that was asked for, or what is wrong. Where nobody reads it,
/// there is nobody to tell that nobody does.
fn show(error: &clap::Error) {
    if error.use_stderr() {
        let said = error.render().to_string();
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        write!(std::io::stderr(), "arrwdb: {said}").ok();
    } else {
        error.print().ok();
    }
}

/// What `arrwdb` alone does: asked for nothing, it says what there is to ask for.
fn show_help() -> ExitCode {
    Arguments::command().print_help().ok();
    ExitCode::SUCCESS
}
