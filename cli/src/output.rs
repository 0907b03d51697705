//! Writes what a command answers to standard output.
//!
//! Promises
//!  1. An output that cannot be written is a failure and no panic: whoever reads it may be gone.

use std::io::{BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::failure::{Failure, Result};

/// Standard output, gathered until [`Output::finish`].
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn begin() -> Self {
        Output(BufWriter::new(std::io::stdout().lock()))
    }

    /// One line for people.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) -> Result<()> {
        writeln!(self.0, "{line}").map_err(|error| broken(&error))
    }

    /// One line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(value);
        let line =
            line.map_err(|error| Failure::refused(format!("no JSON can say this: {error}")))?;
        self.line(line)
    }

    /// What was written is with the reader when this returns.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.0.flush().map_err(|error| broken(&error))
    }
}

/// One line for people on stderr, for what is worth knowing and no answer.
pub(crate) fn note(line: impl std::fmt::Display) {
    // Nobody is left to be told.
    writeln!(std::io::stderr(), "arrwdb: {line}").ok();
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::system("standard output cannot be written", error)
}
