//! Runs one test a second time in a child process, which is told what to do and is ended at any time.
//!
//! Such a test asks [`task`] first. In the child that says what to do; in the parent it is `None`, and the parent starts
//! the child, reads what it acknowledges, and ends it or lets it end.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use base::Sequence;

const TEST: &str = "ARRWDB_TEST_CHILD";
const TASK: &str = "ARRWDB_TEST_CHILD_TASK";

/// What a child is to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Where the store is.
    pub(crate) store: PathBuf,
    /// How many batches are in it.
    pub(crate) batches: u64,
    /// What else the test wants to tell.
    pub(crate) word: String,
}

/// What a child said: a batch is safe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    /// How many batches are.
    pub(crate) batches: u64,
    /// The number of the last one.
    pub(crate) sequence: Sequence,
}

/// What to do, if this process is the child of the test with this full name.
pub(crate) fn task(test: &str) -> Option<Task> {
    if std::env::var_os(TEST)? != test {
        return None;
    }
    let said = std::env::var(TASK).expect("a child is given its task");
    let mut parts = said.splitn(3, '|');
    let mut next = || parts.next().expect("a task has three parts").to_owned();
    let (word, batches) = (next(), next().parse().unwrap());
    Some(Task { store: PathBuf::from(next()), batches, word })
}

/// In the child: says that so many batches are safe, at once.
pub(crate) fn acknowledge(batches: u64, sequence: Sequence) {
    tell(&format!("acked {batches} at {}", sequence.get()));
}

/// How a child ends that was refused something.
pub(crate) const REFUSED: i32 = 3;

/// In the child: says why it was refused, and ends.
pub(crate) fn refused(why: &str) -> ! {
    tell(why);
    std::process::exit(REFUSED);
}

/// Says anything.
fn tell(words: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever runs the tests may be in the middle of a line. In one piece: the process may end at any time.
    out.write_all(format!("\n{words}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it said and is no acknowledgement.
    pub(crate) said: Vec<String>,
}

impl Running {
    /// Starts the test with this full name in a child.
    pub(crate) fn start(test: &str, task: &Task) -> Running {
        Running::by(Command::new(std::env::current_exe().unwrap()), test, task).unwrap()
    }

    /// Starts it by another program, which is given the command as its last arguments.
    #[cfg(target_os = "linux")]
    pub(crate) fn within(mut outer: Command, test: &str, task: &Task) -> std::io::Result<Running> {
        outer.arg(std::env::current_exe().unwrap());
        Running::by(outer, test, task)
    }

    fn by(mut command: Command, test: &str, task: &Task) -> std::io::Result<Running> {
        let Task { store, batches, word } = task;
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env(TEST, test).env(TASK, format!("{word}|{batches}|{}", store.display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Ok(Running { child, lines, said: Vec::new() })
    }

    /// Waits for the next batch that is safe; `None` when the child has ended.
    pub(crate) fn ack(&mut self) -> Option<Ack> {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            let Some(ack) = line.strip_prefix("acked ") else {
                self.said.push(line);
                continue;
            };
            let (batches, sequence) = ack.split_once(" at ").unwrap();
            let sequence = Sequence::new(sequence.parse().unwrap()).unwrap();
            return Some(Ack { batches: batches.parse().unwrap(), sequence });
        }
        None
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// How it ended, and all it said of that.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        while self.ack().is_some() {}
        let mut words = self.said.join("\n");
        self.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        (self.child.wait().unwrap(), words)
    }
}
