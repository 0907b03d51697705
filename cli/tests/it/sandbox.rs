//! A directory of its own for each test: makes the files that commands are given, runs them there, and looks at what
//! they left.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "files that a user would have"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Sandbox(TempDir);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Sandbox(tempfile::tempdir().unwrap())
    }

    /// With a store and a collection `docs`, by L2.
    pub(crate) fn with_docs(dim: u32) -> Self {
        Self::with_docs_by("flat", dim)
    }

    /// The same, with this kind of index.
    pub(crate) fn with_docs_by(kind: &str, dim: u32) -> Self {
        let sandbox = Sandbox::new();
        let dim = dim.to_string();
        let words = ["create", "store", "docs", "--metric", "l2", "--index", kind, "--dim", &dim];
        sandbox.run(&words).done();
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arrwdb"));
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        let output = self.command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        Ran { code: output.status.code(), out, err }
    }

    /// Runs a command whose standard output is a device.
    pub(crate) fn run_into(&self, device: &str, words: &[&str]) -> Ran {
        let device = fs::OpenOptions::new().write(true).open(device).unwrap();
        let output = self.command(words).stdout(device).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        Ran { code: output.status.code(), out: String::new(), err }
    }

    /// Has an import of single rows into `docs` killed while it is at it.
    pub(crate) fn kill_an_import(&self) {
        self.vectors("killed.npy", &vectors(10_000, 3));
        let words = ["import", "store", "docs", "killed.npy", "--batch", "1", "--acks"];
        let (mut child, mut lines) = self.start(&words);
        assert_eq!(next_line(&mut lines), Some("acked 1".to_owned()));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was killed before it was done");
    }

    /// Starts a command whose standard output is read line by line.
    pub(crate) fn start(&self, words: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut command = self.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        (child, lines)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// A file of f32.
    pub(crate) fn vectors(&self, name: &str, rows: &[Vec<f32>]) {
        let columns = rows.first().map_or(0, Vec::len);
        let data: Vec<u8> = rows.iter().flatten().flat_map(|it| it.to_le_bytes()).collect();
        self.write(name, npy("<f4", &[rows.len(), columns], &data));
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn make_directory(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
    }

    /// The names there are, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.names_in(".")
    }

    /// The names there are in a folder, sorted.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Makes the last batch of the log one that was not written to its end.
    pub(crate) fn tear_log(&self) {
        let entries = fs::read_dir(self.path("store/wal")).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let used = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap();
            bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
        };
        let file = files.max_by_key(used).unwrap();
        let (end, mut bytes) = (used(&file), fs::read(&file).unwrap());
        bytes[end - 16..end].fill(0);
        fs::write(file, bytes).unwrap();
    }

    /// How many vectors `docs` holds.
    pub(crate) fn count(&self) -> u64 {
        self.run(&["list", "store", "--json"]).json()[0]["vectors"].as_u64().unwrap()
    }
}

impl Ran {
    /// It was done; what it printed.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// It was done, and printed one line of JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let out = self.done();
        assert_eq!(out.lines().count(), 1, "{out}");
        serde_json::from_str(&out).unwrap()
    }

    /// It was done, and printed lines of JSON.
    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<Value> {
        self.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It was refused, in one sentence that has all of these in it.
    #[track_caller]
    pub(crate) fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.err.starts_with("arrwdb: ") && self.err.lines().count() == 1, "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in: {}", self.err);
        }
    }

    /// It was wrong usage, and said nothing on standard output.
    #[track_caller]
    pub(crate) fn misused(self, parts: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.err.starts_with("arrwdb: "), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in: {}", self.err);
        }
    }
}

/// A `.npy` file.
pub(crate) fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let counts: String = shape.iter().map(|count| format!("{count}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({counts}), }}\n");
    with_header(&header, data)
}

/// The same with any header.
pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// The next line of a child; `None` at the end.
pub(crate) fn next_line(lines: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = lines.read_line(&mut line).unwrap();
    (read > 0).then(|| line.trim_end().to_owned())
}

/// A file of the folder with real vectors, if there is one.
pub(crate) fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ARRWDB_TEST_DATA")?;
    Some(fs::canonicalize(folder).unwrap().join(name))
}

/// Vectors that differ, the same each time.
pub(crate) fn vectors(count: usize, dim: usize) -> Vec<Vec<f32>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 65_536.0
    };
    (0..count).map(|_| (0..dim).map(|_| number()).collect()).collect()
}
