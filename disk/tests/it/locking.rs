//! The lock keeps other processes out for as long as its holder lives, and no longer.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use disk::{Disk, Error, Holder, LockGuard, LockKind, OsDisk};

use crate::child;

/// The child's part: says that it has the lock, and keeps it until its input ends.
fn hold(_guard: LockGuard) {
    println!("holding");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Starts a child and waits until it holds the lock.
fn start(test: &str, dir: &Path) -> Child {
    let mut child = child::command(&child::program(), test, dir).spawn().unwrap();
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let holds = output.lines().map_while(Result::ok).any(|line| line.ends_with("holding"));
    assert!(holds, "the child ended without the lock");
    child
}

fn lock(dir: &Path, kind: LockKind) -> disk::Result<LockGuard> {
    OsDisk::open(dir).unwrap().lock(kind)
}

fn assert_held_elsewhere(dir: &Path, kind: LockKind) {
    match lock(dir, kind) {
        Err(Error::Locked { holder: Holder::AnotherProcess, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_process_is_kept_out_until_the_writer_is_killed() {
    const NAME: &str = "locking::another_process_is_kept_out_until_the_writer_is_killed";
    if let Some(dir) = child::task(NAME) {
        return hold(lock(&dir, LockKind::Exclusive).unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let mut writer = start(NAME, dir.path());
    assert_held_elsewhere(dir.path(), LockKind::Exclusive);
    assert_held_elsewhere(dir.path(), LockKind::Shared);
    writer.kill().unwrap();
    writer.wait().unwrap();
    drop(lock(dir.path(), LockKind::Exclusive).unwrap());
}

#[test]
fn readers_of_several_processes_keep_a_writer_out_and_each_other_not() {
    const NAME: &str = "locking::readers_of_several_processes_keep_a_writer_out_and_each_other_not";
    if let Some(dir) = child::task(NAME) {
        return hold(lock(&dir, LockKind::Shared).unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let mut reader = start(NAME, dir.path());
    let ours = lock(dir.path(), LockKind::Shared).unwrap();
    assert_held_here_too(dir.path());
    drop(ours);
    assert_held_elsewhere(dir.path(), LockKind::Exclusive);
    reader.kill().unwrap();
    reader.wait().unwrap();
    drop(lock(dir.path(), LockKind::Exclusive).unwrap());
}

/// While both this process and another hold it, this process's own handle is the one it can close.
fn assert_held_here_too(dir: &Path) {
    let refused = lock(dir, LockKind::Exclusive).unwrap_err();
    assert!(matches!(refused, Error::Locked { holder: Holder::ThisProcess, .. }), "{refused}");
}

/// Had the program that the holder started inherited the lock file, the lock would outlive its
/// holder.
#[cfg(unix)]
#[test]
#[expect(clippy::zombie_processes, reason = "the program must outlive the one that started it")]
fn a_program_that_the_holder_started_does_not_inherit_the_lock() {
    const NAME: &str = "locking::a_program_that_the_holder_started_does_not_inherit_the_lock";
    if let Some(dir) = child::task(NAME) {
        let guard = OsDisk::open(&dir).unwrap().lock(LockKind::Exclusive);
        // Its handles of ours are closed only once it runs: wait for its first word.
        let mut survivor = Command::new("sh");
        survivor.args(["-c", "echo running; exec sleep 10 >&- 2>&-"]);
        let mut survivor = survivor.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut word = String::new();
        BufReader::new(survivor.stdout.take().unwrap()).read_line(&mut word).unwrap();
        assert_eq!(word, "running\n");
        return hold(guard.unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let mut holder = start(NAME, dir.path());
    holder.kill().unwrap();
    holder.wait().unwrap();
    drop(lock(dir.path(), LockKind::Exclusive).unwrap());
}

#[test]
fn the_lock_file_stays_empty_and_is_never_deleted() {
    let dir = tempfile::tempdir().unwrap();
    drop(lock(dir.path(), LockKind::Exclusive).unwrap());
    drop(lock(dir.path(), LockKind::Shared).unwrap());
    assert_eq!(std::fs::read(dir.path().join(disk::LOCK_NAME)).unwrap(), b"");
}
