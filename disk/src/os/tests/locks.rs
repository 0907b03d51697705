//! The lock on a directory, over both versions of the real disk.

use super::*;

#[test]
fn locks_keep_one_writer_or_many_readers() {
    on_both(|disk| {
        let refused = |kind| match disk.lock(kind) {
            Err(Error::Locked { path, holder: Holder::ThisProcess }) => {
                assert_eq!(path, disk.root().join(LOCK_NAME));
            }
            other => panic!("{other:?}"),
        };
        let writer = disk.lock(LockKind::Exclusive).unwrap();
        refused(LockKind::Exclusive);
        refused(LockKind::Shared);
        drop(writer);
        let readers = (disk.lock(LockKind::Shared).unwrap(), disk.lock(LockKind::Shared).unwrap());
        refused(LockKind::Exclusive);
        drop(readers.0);
        refused(LockKind::Exclusive);
        drop(readers.1);
        drop(disk.lock(LockKind::Exclusive).unwrap());
    });
}

/// Whoever finds a "stale" lock file deletes it.
#[cfg(unix)]
#[test]
fn deleting_the_lock_file_lets_nobody_else_in() {
    on_both(|disk| {
        let _writer = disk.lock(LockKind::Exclusive).unwrap();
        fs::remove_file(disk.root().join(LOCK_NAME)).unwrap();
        let refused = disk.lock(LockKind::Exclusive).unwrap_err();
        assert!(matches!(refused, Error::Locked { holder: Holder::ThisProcess, .. }), "{refused}");
    });
}

#[cfg(unix)]
#[test]
fn a_lock_belongs_to_the_directory_and_not_to_the_path() {
    on_both(|disk| {
        let dir = tempfile::tempdir().unwrap();
        let alias = dir.path().join("alias");
        std::os::unix::fs::symlink(disk.root(), &alias).unwrap();
        let _writer = disk.lock(LockKind::Exclusive).unwrap();
        let refused = OsDisk::open(&alias).unwrap().lock(LockKind::Exclusive).unwrap_err();
        assert!(matches!(&refused, Error::Locked { holder: Holder::ThisProcess, .. }), "{refused}");
    });
}

#[test]
fn locks_of_many_threads_are_never_held_by_two() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    on_both(|disk| {
        let holders = AtomicUsize::new(0);
        let granted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Ok(guard) = disk.lock(LockKind::Exclusive) else {
                            continue;
                        };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        granted.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(guard);
                    }
                });
            }
        });
        assert!(granted.load(Ordering::SeqCst) > 0);
    });
}
