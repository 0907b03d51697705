//! After the first failed write or sync nothing is written any more, and everyone is told why.

use std::path::Path;
use std::sync::Arc;

use disk::{
    Access, Call, Disk, Effect, Error, File, Hook, Hooked, Latch, LockKind, OsDisk, Result,
};
use parking_lot::Mutex;

/// Says whether a call is to fail, and how.
type Failure = fn(&Call<'_>) -> Option<Error>;

/// Fails the next call that is to fail, and no other.
#[derive(Debug)]
struct FailNext(Mutex<Option<Failure>>);

impl FailNext {
    fn set(&self, which: Failure) {
        *self.0.lock() = Some(which);
    }
}

impl Hook for FailNext {
    fn before(&self, call: &Call<'_>) -> Result<()> {
        let mut which = self.0.lock();
        match which.as_ref().and_then(|which| which(call)) {
            Some(error) => {
                *which = None;
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn after(&self, _call: &Call<'_>, _outcome: std::result::Result<(), &Error>) {}
}

/// A guarded disk over a real one that fails on demand.
struct Guarded {
    disk: Arc<dyn Disk>,
    latch: Arc<Latch>,
    failing: Arc<FailNext>,
    file: Arc<dyn File>,
    _dir: tempfile::TempDir,
}

fn guarded() -> Guarded {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(FailNext(Mutex::new(None)));
    let hook: Arc<dyn Hook> = Arc::clone(&failing) as _;
    let inner = Hooked::new(Arc::new(OsDisk::open(dir.path()).unwrap()), hook);
    let (disk, latch) = Latch::guard(Arc::new(inner));
    let (file, pending) = disk.create(Path::new("file")).unwrap();
    pending.sync(&*disk).unwrap();
    file.write_at(0, b"before").unwrap();
    Guarded { disk, latch, failing, file, _dir: dir }
}

fn io_error() -> Error {
    Error::Io {
        doing: "test",
        path: "device".into(),
        source: Arc::new(std::io::Error::other("the device is gone")),
    }
}

fn full() -> Error {
    let source = Arc::new(std::io::ErrorKind::StorageFull.into());
    Error::Full { doing: "test", path: "device".into(), source }
}

impl Guarded {
    /// Every call that would change the disk, and what came of it.
    fn try_all_changes(&self) -> Vec<(&'static str, Result<()>)> {
        let Guarded { disk, file, .. } = self;
        let (new, name) = (Path::new("new"), Path::new("file"));
        let forget = |pending: disk::PendingDirSync| pending.forgo("a test of refusals");
        vec![
            ("write", file.write_at(0, b"after")),
            ("reserve", file.reserve(100)),
            ("set_size", file.set_size(3)),
            ("sync_data", file.sync_data()),
            ("sync_all", file.sync_all()),
            ("sync_dir", disk.sync_dir(Path::new(""))),
            ("create", disk.create(new).map(|(_, pending)| forget(pending))),
            ("create_dir", disk.create_dir(Path::new("dir")).map(forget)),
            ("rename", disk.rename(name, new).map(forget)),
            ("remove", disk.remove(new).map(forget)),
        ]
    }

    fn assert_stopped(&self) {
        assert!(self.latch.first_failure().is_some());
        for (call, outcome) in self.try_all_changes() {
            let Err(Error::Stopped { path, first }) = outcome else {
                panic!("{call} was let through: {outcome:?}");
            };
            assert!(path.starts_with(self.disk.root()), "{call} names {}", path.display());
            assert_eq!(first.path(), Path::new("device"), "the first failure is kept");
        }
        let mut bytes = [0; 6];
        self.file.read_at(0, &mut bytes).expect("reading goes on");
        assert_eq!(&bytes, b"before", "nothing was written");
        self.disk.list(Path::new("")).expect("listing goes on");
        self.disk.open(Path::new("file"), Access::Read).expect("opening goes on");
        drop(self.disk.lock(LockKind::Shared).expect("locking goes on"));
    }
}

#[test]
fn any_failed_write_or_sync_stops_all_changes() {
    let attempts: [fn(&Guarded) -> Result<()>; 5] = [
        |on| on.file.write_at(0, b"x"),
        |on| on.file.set_size(1),
        |on| on.file.sync_data(),
        |on| on.file.sync_all(),
        |on| on.disk.sync_dir(Path::new("")),
    ];
    let reasons: [Failure; 2] = [
        |call| (call.effect() == Effect::Writes).then(io_error),
        |call| (call.effect() == Effect::Writes).then(full),
    ];
    for attempt in attempts {
        for reason in reasons {
            let on = guarded();
            on.failing.set(reason);
            let failed = attempt(&on).unwrap_err();
            assert_eq!(failed.path(), Path::new("device"), "the caller is told the cause itself");
            on.assert_stopped();
        }
    }
}

/// There was no handle to ask for it by, so nothing was lost by it, and the next one is to be believed.
#[test]
fn a_sync_that_no_handle_was_left_for_stops_nothing() {
    let on = guarded();
    on.failing.set(|call| {
        let (path, source) = ("device".into(), Arc::new(std::io::Error::other("no handle")));
        let refused = Error::TooManyFiles { path, source };
        matches!(call, Call::SyncDir { .. }).then_some(refused)
    });
    on.disk.sync_dir(Path::new("")).unwrap_err();
    assert!(on.latch.first_failure().is_none());
    on.disk.sync_dir(Path::new("")).unwrap();
}

#[test]
fn a_change_of_names_stops_only_when_it_leaves_doubt() {
    let on = guarded();
    on.failing.set(|call| matches!(call, Call::Reserve { .. }).then(full));
    on.file.reserve(100).unwrap_err();
    assert!(on.latch.first_failure().is_none());
    on.disk.create(Path::new("file")).unwrap_err();
    on.disk.remove(Path::new("absent")).unwrap_err();
    on.disk.create(Path::new(&"long".repeat(100))).unwrap_err();
    on.disk.sync_dir(Path::new("../elsewhere")).unwrap_err();
    assert!(on.latch.first_failure().is_none());
    on.file.write_at(0, b"before").expect("clean refusals stop nothing");

    on.failing.set(|call| matches!(call, Call::Rename { .. }).then(io_error));
    on.disk.rename(Path::new("file"), Path::new("other")).unwrap_err();
    on.assert_stopped();
}

#[test]
fn a_failed_read_stops_nothing() {
    let on = guarded();
    on.failing.set(|call| matches!(call, Call::ReadAt { .. }).then(io_error));
    on.file.read_at(0, &mut [0; 6]).unwrap_err();
    assert!(on.latch.first_failure().is_none());
    for (call, outcome) in on.try_all_changes() {
        outcome.unwrap_or_else(|error| panic!("{call}: {error}"));
    }
}

#[test]
fn what_is_refused_names_the_first_failure_and_what_to_do() {
    let on = guarded();
    on.failing.set(|call| matches!(call, Call::SyncData { .. }).then(io_error));
    on.file.sync_data().unwrap_err();
    let message = on.file.write_at(0, b"x").unwrap_err().to_string();
    for part in ["file was not changed", "could not test device", "close the store"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// The operating system reports a failed sync once for each open file. A second thread that synced the
/// same file before the first had told the latch was answered "done", for bytes that were lost.
#[test]
fn a_second_thread_is_not_told_that_lost_bytes_are_safe() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Fails the first sync, once a second has begun or plainly does not.
    #[derive(Debug, Default)]
    struct FirstFails(AtomicUsize);

    impl Hook for FirstFails {
        fn before(&self, call: &Call<'_>) -> Result<()> {
            if !matches!(call, Call::SyncData { .. }) || self.0.fetch_add(1, Ordering::SeqCst) > 0 {
                return Ok(());
            }
            for _ in 0..10_000 {
                if self.0.load(Ordering::SeqCst) > 1 {
                    // The second goes on to its end while this one is still on its way.
                    (0..10_000).for_each(|_| std::thread::yield_now());
                    break;
                }
                std::thread::yield_now();
            }
            Err(io_error())
        }

        fn after(&self, _call: &Call<'_>, _outcome: std::result::Result<(), &Error>) {}
    }

    let dir = tempfile::tempdir().unwrap();
    let inner: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()).unwrap());
    let inner = Arc::new(Hooked::new(inner, Arc::new(FirstFails::default())));
    let (disk, _latch) = Latch::guard(inner);
    let (file, pending) = disk.create(Path::new("file")).unwrap();
    pending.sync(&*disk).unwrap();
    let outcomes = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| file.sync_data().is_ok()));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(outcomes, [false, false]);
}
