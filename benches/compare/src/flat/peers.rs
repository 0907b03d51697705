//! Starts the script of the peers (`benches/compare/flat_peers.py`), tells it when it is its turn, and notes what it
//! says.
//!
//! Promises: a peer that cannot take part is named with the reason; the interpreter is the one that
//! `ARRWDB_PYTHON` names, `python3` if nothing does; nothing in its environment slows a peer down, and nothing
//! gives it a second thread.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::Figures;
use crate::Failure;

/// What of the environment would have OpenBLAS choose kernels for another processor, or blocks for another cache.
const SLOWING: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];
/// What says how many threads.
const THREADS: [&str; 3] = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// The peers, loaded and waiting for their turn.
pub struct Peers {
    process: Child,
    turns: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
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

impl Peers {
    /// Starts them, and waits until they are ready. The numbers: `k`, queries one by one, queries in a batch.
    pub fn start(dir: &Path, numbers: [usize; 3], figures: &mut Figures) -> Result<Self, Failure> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("flat_peers.py");
        let mut command = python();
        command.arg(script).arg(dir).args(numbers.map(|number| number.to_string()));
        let start = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let interpreter = command.get_program().to_string_lossy().into_owned();
        let mut process = start.map_err(|error| format!("{interpreter}: {error}"))?;
        let turns = process.stdin.take().ok_or("a pipe to the script")?;
        let lines = BufReader::new(process.stdout.take().ok_or("a pipe from the script")?).lines();
        let mut peers = Peers { process, turns, lines };
        peers.listen("ready", figures)?;
        Ok(peers)
    }

    /// Has each of them answer the queries in both ways.
    pub fn round(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        writeln!(self.turns, "round")?;
        self.listen("done", figures)
    }

    /// Lets them go.
    pub fn end(self) -> Result<(), Failure> {
        let Peers { mut process, turns, .. } = self;
        drop(turns);
        let status = process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the script: {status}").into()) }
    }

    /// Notes what they say until they say this word.
    fn listen(&mut self, word: &str, figures: &mut Figures) -> Result<(), Failure> {
        for line in &mut self.lines {
            let said: Value = serde_json::from_str(&line?)?;
            let (text, number) = (|name| said[name].as_str(), |name| said[name].as_f64());
            if said[word] == true {
                return Ok(());
            }
            let peer = text("peer").unwrap_or("a peer without a name");
            if let Some(reason) = text("missing") {
                println!("{peer} takes no part: {reason}");
            }
            if let (Some(way), Some(rate), Some(recall)) =
                (text("way"), number("qps"), number("recall"))
            {
                figures.note(peer, way, rate, recall);
            }
        }
        let python = "ARRWDB_PYTHON must name an interpreter that has numpy";
        Err(format!("the peers' script ended without saying {word}; {python}").into())
    }
}
