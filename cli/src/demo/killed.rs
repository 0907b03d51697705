//! Kills a process in the middle of an import, and looks at what it left.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use arrwdb::Store;

use super::{LOADED, NAME, failed, say};
use crate::clock::Stopwatch;
use crate::failure::{Failure, Result};
use crate::npy;

/// How many vectors the process that is killed writes at a time, and how many have to be safe before it is.
const BATCH: u64 = 50;
const KILLED_BEHIND: u64 = 5_000;
const FILE: &str = "more.npy";

/// What a process left that was killed.
pub(super) struct Left {
    /// How many vectors it had been told were safe.
    pub(super) acknowledged: u64,
    /// How many there are in the store, those of before included.
    pub(super) rows: u64,
    /// How long the store took to open.
    pub(super) opened: Duration,
}

/// This program, importing the file into the store.
fn import(dir: &Path, store: &Path) -> Result<Command> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::system("this program cannot be found", &error))?;
    let mut command = Command::new(program);
    let file = dir.join(FILE);
    let batch = BATCH.to_string();
    let words: [&OsStr; 6] = [
        "import".as_ref(),
        store.as_ref(),
        NAME.as_ref(),
        file.as_ref(),
        "--batch".as_ref(),
        batch.as_ref(),
    ];
    command.args(words).stdin(Stdio::null());
    Ok(command)
}

fn not_started(error: &std::io::Error) -> Failure {
    Failure::system("no process can be started", error)
}

/// A process that does not outlive the demonstration.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Where it has ended there is nothing to kill.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a process that writes more vectors, kills it, and opens the store.
pub(super) fn kill_a_writer(dir: &Path, path: &Path, more: &[Vec<f32>]) -> Result<Left> {
    say(format_args!(
        "3. Another process imports {} more, {BATCH} at a time, and is killed in the middle (SIGKILL).",
        more.len()
    ))?;
    npy::write_floats(&dir.join(FILE), more)?;
    let mut command = import(dir, path)?;
    command.arg("--acks").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Killed(command.spawn().map_err(|error| not_started(&error))?);
    let mut acknowledged = 0;
    let lines = BufReader::new(child.0.stdout.take().ok_or_else(|| failed("no output to read"))?);
    let mut lines = lines.lines().map_while(std::io::Result::ok);
    // Whatever it said before it died counts, also what comes between these two.
    for line in lines.by_ref() {
        acknowledged = said(&line)?;
        if acknowledged >= KILLED_BEHIND {
            break;
        }
    }
    child.0.kill().map_err(|error| Failure::system("the process cannot be killed", &error))?;
    for line in lines {
        acknowledged = said(&line)?;
    }
    let status = child.0.wait().map_err(|error| Failure::system("the process is lost", &error))?;
    if status.success() || acknowledged < KILLED_BEHIND {
        return Err(failed(format!(
            "it was not killed in the middle: {status}, {acknowledged} acknowledged"
        )));
    }
    let watch = Stopwatch::start();
    let store = Store::options().existing().open(path)?;
    let opened = watch.elapsed();
    let rows = store.collection(NAME)?.len();
    let found = rows.saturating_sub(LOADED as u64);
    if found < acknowledged || !found.is_multiple_of(BATCH) {
        return Err(failed(format!("{acknowledged} were acknowledged, and {found} are found")));
    }
    say(format_args!(
        "   It had been told that {acknowledged} are safe. The store opens in {:.1} ms, and {found} are there:\n   \
         whole batches, none that was acknowledged missing.",
        opened.as_secs_f64() * 1e3
    ))?;
    Ok(Left { acknowledged, rows, opened })
}

/// How many vectors a process said are safe.
fn said(line: &str) -> Result<u64> {
    let number = line.strip_prefix("acked ").and_then(|number| number.parse().ok());
    number.ok_or_else(|| failed(format!("the process said {line:?}")))
}

/// Gives the same command once more: it goes on where the other one was killed.
pub(super) fn go_on(dir: &Path, path: &Path) -> Result<()> {
    say("4. The same import once more.")?;
    let mut command = import(dir, path)?;
    let output = command.output().map_err(|error| not_started(&error))?;
    for said in [&output.stderr, &output.stdout] {
        for line in String::from_utf8_lossy(said).lines() {
            say(format_args!("   {line}"))?;
        }
    }
    if output.status.success() { Ok(()) } else { Err(failed("the import did not go on")) }
}
