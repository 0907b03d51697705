//! Runs a script of Python peers in a process of its own, and talks with it by lines.
//!
//! Promises
//!  1. The interpreter is the one that `ARRWDB_PYTHON` names, `python3` if nothing does.
//!  2. Nothing in its environment slows a peer down, and nothing gives it a second thread that it does not ask for.
//!  3. A script that ends too early is named with the reason that it gave, be it the last word of the library.
//!  4. Neither the process nor its temporary files outlive the [`Script`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::Failure;

/// What of the environment would have OpenBLAS choose kernels for another processor, or blocks for another cache.
const SLOWING: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];
/// What says how many threads.
const THREADS: [&str; 3] = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// A script that runs, and waits for what it is told.
pub struct Script {
    process: Child,
    /// Nothing once it was told that there is no more.
    turns: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    scratch: TempDir,
}

/// The interpreter, with an environment in which all run at their best on one thread.
pub fn python() -> Command {
    let interpreter = std::env::var_os("ARRWDB_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(interpreter);
    for name in SLOWING {
        command.env_remove(name);
    }
    command.envs(THREADS.map(|name| (name, "1")));
    command
}

impl Script {
    /// Starts a script of this folder.
    ///
    /// # Errors
    /// If there is no such interpreter.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self, Failure> {
        let scratch = tempfile::tempdir()?;
        let mut command = python();
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).args(arguments);
        command.env("TMPDIR", scratch.path()).stderr(File::create(complaints(&scratch))?);
        let start = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let interpreter = command.get_program().to_string_lossy().into_owned();
        let mut process = start.map_err(|error| format!("{interpreter}: {error}"))?;
        let turns = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().ok_or("a pipe from the script")?).lines();
        Ok(Script { process, turns, lines, scratch })
    }

    /// Tells it something.
    ///
    /// # Errors
    /// If it has ended.
    pub fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let told = self.turns.as_mut().is_some_and(|turns| writeln!(turns, "{line}").is_ok());
        if told { Ok(()) } else { Err(self.why_it_ended()) }
    }

    /// Waits for what it says.
    ///
    /// # Errors
    /// If it ends before it says anything, or says what is not JSON.
    pub fn hear(&mut self) -> Result<Value, Failure> {
        let Some(line) = self.lines.next() else { return Err(self.why_it_ended()) };
        let line = line?;
        Ok(serde_json::from_str(&line).map_err(|error| format!("it said {line:?}: {error}"))?)
    }

    /// Tells it that there is no more, and waits for its end.
    ///
    /// # Errors
    /// If it fails.
    pub fn end(mut self) -> Result<(), Failure> {
        self.turns = None;
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(self.why_it_ended()) }
    }

    fn why_it_ended(&mut self) -> Failure {
        self.turns = None;
        let status = match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let complaints = std::fs::read(complaints(&self.scratch)).unwrap_or_default();
        match reason(&String::from_utf8_lossy(&complaints)) {
            Some(reason) => format!("{reason} ({status})").into(),
            None => format!("it ended without a word ({status})").into(),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already, and there is nobody to tell if it cannot be ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn complaints(scratch: &TempDir) -> PathBuf {
    scratch.path().join("complaints")
}

/// The line that says why: the first one, but the last one of a traceback.
fn reason(complaints: &str) -> Option<&str> {
    let mut lines = complaints.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    if first.starts_with("Traceback") { lines.next_back() } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_line_that_says_it() {
        assert_eq!(reason(""), None);
        assert_eq!(reason("\nnot here.\nelsewhere\n"), Some("not here."));
        let traceback =
            "Traceback (most recent call last):\n  File \"a\", line 1\nValueError: no\n";
        assert_eq!(reason(traceback), Some("ValueError: no"));
    }
}
