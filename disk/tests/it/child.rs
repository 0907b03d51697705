//! Runs one test a second time in a child process: as another user, or with a disk of its own.
//!
//! A test that needs a child asks [`task`] first. In the child it is given the directory to work
//! on and does the child's part; in the parent it starts the child and looks at how it ended.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TEST: &str = "ARRWDB_TEST_CHILD";
const DIR: &str = "ARRWDB_TEST_CHILD_DIR";

/// The directory to work on, if this process is the child of the test with this full name.
pub(crate) fn task(test: &str) -> Option<PathBuf> {
    let mine = std::env::var_os(TEST)? == test;
    mine.then(|| PathBuf::from(std::env::var_os(DIR).expect("a child is given its directory")))
}

/// The command that runs the test with this full name as a child, by this program (or a copy).
pub(crate) fn command(program: &Path, test: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments(test)).env(TEST, test).env(DIR, dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// This test program.
pub(crate) fn program() -> PathBuf {
    std::env::current_exe().expect("a running program has a path")
}

/// Starts a child and waits for it; panics with all it said unless it ran its test and passed. `Err`
/// says why it could not be started.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("no child as another user: {error}"))?;
    assert!(passed(&output), "the child failed:\n{}", said(&output));
    Ok(())
}

/// Runs the test in a child that has a fresh file system mounted on `dir`, with these options of
/// mount. Needs Linux, and the right to make a mount namespace: `Err` says what was missing.
pub(crate) fn run_mounted(test: &str, dir: &Path, options: &str) -> Result<(), String> {
    let script = format!("mount -t tmpfs -o {options} none \"$0\" && echo mounted && exec \"$@\"");
    let mut command = command(Path::new("unshare"), test, dir);
    let mut mounting = Command::new(command.get_program());
    mounting.args(["--mount", "--map-root-user", "sh", "-c", &script]).arg(dir).arg(program());
    mounting.args(command.get_args());
    mounting.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command = mounting;
    let output = command.output().map_err(|error| format!("no unshare command: {error}"))?;
    if !String::from_utf8_lossy(&output.stdout).contains("mounted") {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("no mount namespace: {}", why.trim()));
    }
    assert!(passed(&output), "the child failed:\n{}", said(&output));
    Ok(())
}

/// A copy of this program that every user may run, in a directory that everyone may enter.
#[cfg(unix)]
pub(crate) fn program_for_everyone(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let copy = dir.join("program");
    fs::copy(program(), &copy).expect("the test program could not be copied");
    for path in [dir, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod failed");
    }
    copy
}

/// Says that a test could not do its work here. It passes, but `.ci/run` lists it.
pub(crate) fn skip(test: &str, why: &str) {
    let line = format!("{test}: {why}\n");
    eprint!("skipped: {line}");
    if let Some(list) = std::env::var_os("ARRWDB_SKIPPED") {
        let list = fs::OpenOptions::new().create(true).append(true).open(list);
        list.and_then(|mut list| list.write_all(line.as_bytes()))
            .expect("the list of skipped tests could not be written");
    }
}

fn arguments(test: &str) -> [&str; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"]
}

/// Whether the child ran just its one test, and that passed: a name that fits no test runs none.
fn passed(output: &Output) -> bool {
    let one_passed = String::from_utf8_lossy(&output.stdout).contains("1 passed; 0 failed");
    output.status.success() && one_passed
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}\n{out}\n{err}", output.status)
}
