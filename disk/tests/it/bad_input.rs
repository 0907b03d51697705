//! Every wrong directory is a typed error that names the path and says what to do about it.

use std::fs;
use std::path::{Path, PathBuf};

use disk::{Access, Disk, Error, LockKind, OsDisk};

use crate::child;

/// The message must name the path and give the advice.
fn assert_says(error: &Error, path: &Path, advice: &str) {
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "no path in: {message}");
    assert!(message.contains(advice), "no advice in: {message}");
    assert_eq!(error.path(), path);
}

fn temp() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

#[test]
fn a_missing_directory() {
    let (_dir, root) = temp();
    let path = root.join("absent");
    let error = OsDisk::open(&path).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert_says(&error, &path, "create it first");
    assert!(!path.exists(), "nothing is made unless asked");
}

#[test]
fn a_missing_directory_that_may_be_created() {
    let (_dir, root) = temp();
    let path = root.join("new");
    let create = || OsDisk::options().create_missing().open(&path);
    assert_eq!(create().unwrap().root(), path);
    assert!(path.is_dir());
    create().expect("one that is there already is simply opened");
}

#[test]
fn a_missing_directory_below_a_missing_one_is_not_created() {
    let (_dir, root) = temp();
    let path = root.join("absent/new");
    let error = OsDisk::options().create_missing().open(&path).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert_says(&error, &path, "check the path");
    assert!(!root.join("absent").exists());
}

#[test]
fn an_empty_path() {
    let error = OsDisk::open("").unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(error.to_string(), "could not open the empty path");
}

#[test]
fn a_file_where_a_directory_should_be() {
    let (_dir, root) = temp();
    let path = root.join("file");
    fs::write(&path, b"not a directory").unwrap();
    for outcome in [OsDisk::open(&path), OsDisk::options().create_missing().open(&path)] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::NotADirectory { .. }), "{error:?}");
        assert_says(&error, &path, "choose another path");
    }
    assert_eq!(fs::read(&path).unwrap(), b"not a directory");
}

#[test]
fn a_file_in_the_middle_of_the_path() {
    let (_dir, root) = temp();
    fs::write(root.join("file"), b"").unwrap();
    let path = root.join("file/store");
    let error = OsDisk::options().create_missing().open(&path).unwrap_err();
    assert!(matches!(error, Error::NotADirectory { .. }), "{error:?}");
}

/// Permissions do not bind the superuser, so the child is nobody in particular.
#[cfg(unix)]
#[test]
fn a_read_only_directory() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NAME: &str = "bad_input::a_read_only_directory";
    const NOBODY: u32 = 65_534;

    if let Some(path) = child::task(NAME) {
        let disk = OsDisk::open(&path).expect("reading is allowed");
        disk.list(Path::new("")).expect("reading is allowed");
        let denied = [
            (disk.lock(LockKind::Exclusive).err(), "LOCK"),
            (disk.create(Path::new("new")).err(), "new"),
            (disk.create_dir(Path::new("dir")).err(), "dir"),
            (disk.remove(Path::new("old")).err(), "old"),
            (disk.open(Path::new("old"), Access::ReadWrite).err(), "old"),
        ];
        for (error, name) in denied {
            let error = error.unwrap();
            assert!(matches!(error, Error::Denied { .. }), "{error:?}");
            assert_says(&error, &path.join(name), "check its owner and mode");
        }
        fs::read(path.join("LOCK")).expect("the lock file can be read");
        disk.lock(LockKind::Shared).map(drop).expect("readers can lock what they can read");
        return;
    }

    let (_dir, root) = temp();
    let path = root.join("store");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("old"), b"kept").unwrap();
    fs::write(path.join("LOCK"), b"").unwrap();
    fs::set_permissions(path.join("LOCK"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(path.join("old"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
    let program = child::program_for_everyone(&root);
    let mut command = child::command(&program, NAME, &path);
    if fs::File::create(path.join("superuser")).is_ok() {
        command.uid(NOBODY).gid(NOBODY);
    }
    if let Err(why) = child::run(&mut command) {
        child::skip(NAME, &why);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read(path.join("old")).unwrap(), b"kept");
}

#[test]
fn a_read_only_file_system() {
    const NAME: &str = "bad_input::a_read_only_file_system";
    if let Some(path) = child::task(NAME) {
        let error = OsDisk::open(&path).unwrap().lock(LockKind::Exclusive).unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        assert_says(&error, &path.join("LOCK"), "mounted read-only");
        return;
    }
    let (_dir, root) = temp();
    if let Err(why) = child::run_mounted(NAME, &root, "ro") {
        child::skip(NAME, &why);
    }
}

#[test]
fn a_locked_directory() {
    let (_dir, root) = temp();
    let disk = OsDisk::open(&root).unwrap();
    let _held = disk.lock(LockKind::Exclusive).unwrap();
    let error = OsDisk::open(&root).unwrap().lock(LockKind::Exclusive).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert_says(&error, &root.join("LOCK"), "close the handle that is still open");
}

#[cfg(unix)]
#[test]
fn a_directory_removed_underneath() {
    let (_dir, root) = temp();
    let path = root.join("store");
    let disk = OsDisk::options().create_missing().open(&path).unwrap();
    let (file, pending) = disk.create(Path::new("log")).unwrap();
    pending.sync(&disk).unwrap();
    file.write_at(0, b"acknowledged").unwrap();
    file.sync_data().unwrap();
    fs::remove_dir_all(&path).unwrap();

    file.write_at(12, b"lost").unwrap();
    let error = file.sync_data().unwrap_err();
    assert!(matches!(error, Error::Removed { .. }), "{error:?}");
    assert_says(&error, &path.join("log"), "restore it from a backup");
    let error = disk.create(Path::new("next")).unwrap_err();
    assert!(matches!(error, Error::Removed { .. }), "{error:?}");
    assert_says(&error, &path, "restore it from a backup");
}
