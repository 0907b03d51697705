//! Records the calls made at the seam, one line each, for golden traces.
//!
//! A protocol's safety lies in the order of its writes and syncs. Written down as a trace and kept
//! beside the test, a sync that goes missing is one line of a diff.
//!
//! A line is written when its call returns: where threads overlap, their lines stand in the order in
//! which they were done, not begun. A line: the method, padded to ten, then names and numbers; a failure ends in `! message`. No
//! line holds anything that differs from run to run (contents, times, absolute paths).

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Access, Call, Disk, Effect, Error, Hook, Hooked, LockKind, Result};

/// Which calls a trace records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// Those that change or sync something: what a crash could tell apart.
    Changes,
    /// All of them, reads and maps included: what an operation costs.
    Everything,
}

/// The calls a disk has seen.
#[derive(Debug)]
pub struct Trace {
    recorded: Recorded,
    lines: Mutex<String>,
}

impl Trace {
    /// Puts a recorder in front of a disk; gives the recorded disk, and the trace to read.
    pub fn record(disk: Arc<dyn Disk>, recorded: Recorded) -> (Arc<dyn Disk>, Arc<Trace>) {
        let trace = Arc::new(Trace { recorded, lines: Mutex::new(String::new()) });
        let hook: Arc<dyn Hook> = Arc::clone(&trace) as _;
        (Arc::new(Hooked::new(disk, hook)), trace)
    }

    /// The lines since the start or the last `take`.
    pub fn take(&self) -> String {
        std::mem::take(&mut *self.lines.lock())
    }
}

impl Hook for Trace {
    fn before(&self, _call: &Call<'_>) -> Result<()> {
        Ok(())
    }

    fn after(&self, call: &Call<'_>, outcome: std::result::Result<(), &Error>) {
        if self.recorded == Recorded::Changes && call.effect() == Effect::Looks {
            return;
        }
        let mut line = line_of(call);
        if let Err(error) = outcome {
            line.push_str(" ! ");
            line.push_str(kind_of(error));
        }
        line.push('\n');
        self.lines.lock().push_str(&line);
    }
}

/// What a call looks like in a trace.
fn line_of(call: &Call<'_>) -> String {
    let (verb, arguments) = match *call {
        Call::Create { path } => ("create", name(path)),
        Call::Open { path, access: Access::Read } => ("open", name(path) + " to read"),
        Call::Open { path, access: Access::ReadWrite } => ("open", name(path) + " to write"),
        Call::Rename { from, to } => ("rename", format!("{} -> {}", name(from), name(to))),
        Call::Remove { path } => ("remove", name(path)),
        Call::CreateDir { path } => ("create-dir", name(path)),
        Call::List { dir } => ("list", name(dir)),
        Call::SyncDir { dir } => ("sync-dir", name(dir)),
        Call::Lock { kind: LockKind::Exclusive } => ("lock", "to write".into()),
        Call::Lock { kind: LockKind::Shared } => ("lock", "to read".into()),
        Call::Random => ("random", String::new()),
        Call::Size { path } => ("size", name(path)),
        Call::ReadAt { path, offset, bytes } => {
            ("read", format!("{} @{offset} +{bytes}", name(path)))
        }
        Call::WriteAt { path, offset, bytes } => {
            ("write", format!("{} @{offset} +{}", name(path), bytes.len()))
        }
        Call::Reserve { path, size } => ("reserve", format!("{} {size}", name(path))),
        Call::SetSize { path, size } => ("set-size", format!("{} {size}", name(path))),
        Call::SyncData { path } => ("sync-data", name(path)),
        Call::SyncAll { path } => ("sync-all", name(path)),
        Call::Map { path, size } => ("map", format!("{} {size}", name(path))),
    };
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _infallible = write!(line, "{verb:<10} {arguments}");
    line.truncate(line.trim_end().len());
    line
}

/// A name as a trace shows it: the same on every system; the root is a dot.
fn name(path: &Path) -> String {
    if path.as_os_str().is_empty() {
        return ".".into();
    }
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The kind of failure, without the path that differs from run to run.
pub(crate) fn kind_of(error: &Error) -> &'static str {
    match error {
        Error::Missing { .. } => "missing",
        Error::Exists { .. } => "exists",
        Error::NotADirectory { .. } => "not a directory",
        Error::NotAFile { .. } => "not a file",
        Error::Outside { .. } => "outside",
        Error::Denied { .. } => "denied",
        Error::Locked { .. } => "locked",
        Error::Removed { .. } => "removed",
        Error::Network { .. } => "network",
        Error::Full { .. } => "full",
        Error::TooManyFiles { .. } => "too many files",
        Error::PastEnd { .. } => "past the end",
        Error::Stopped { .. } => "stopped",
        Error::Refused { .. } => "refused",
        Error::OtherProcess { .. } => "another process's",
        Error::Io { .. } => "failed",
    }
}
