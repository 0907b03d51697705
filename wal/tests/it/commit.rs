//! Many who commit to one log: numbers, order, levels, handles, failure, a full disk.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use base::{LogPlace, Sequence, Timeline};
use disk::harness::watched;
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use disk::{Disk, Recorded, SimDisk, Trace};
use wal::{
    Apply, Beginning, Body, Commit, Committer, Error, Level, Log, Options, Purpose, Replay, Request,
};

use crate::store::{Size, content, options};

/// Keeps what was applied, in the order in which it was.
#[derive(Clone, Default)]
struct Applied(Arc<Mutex<Vec<u64>>>, Arc<Mutex<Option<LogPlace>>>);

impl Apply for Applied {
    type Batch = u64;

    fn apply(&mut self, sequence: Sequence, batch: u64, place: &LogPlace) {
        assert_eq!(sequence.get(), batch);
        assert_eq!(place.sequence, Some(sequence));
        self.0.lock().unwrap().push(batch);
        *self.1.lock().unwrap() = Some(*place);
    }
}

impl Applied {
    /// The place behind the last batch.
    fn last_place(&self) -> LogPlace {
        self.1.lock().unwrap().unwrap()
    }

    fn count(&self) -> u64 {
        let applied = self.0.lock().unwrap();
        assert!(applied.iter().copied().eq(1..=applied.len() as u64), "{applied:?}");
        applied.len() as u64
    }
}

fn begun(disk: Arc<dyn Disk>, options: &Options) -> (Log, LogPlace) {
    let beginning = Beginning::of_a_new_store(Timeline::new(9).unwrap());
    let log = Log::create(disk, options, &beginning).unwrap();
    let place = log.place();
    (log, place)
}

fn request(size: Size, level: Level) -> Request {
    // The content depends on the number, which is not known yet: all batches have the body of the first.
    let body = Body::new(content(1, size).1, &options());
    Request { body, table_bytes_most: 8, level, purpose: Purpose::Any }
}

fn commit(committer: &Committer<Applied>, request: Request) -> Result<Commit, Error> {
    committer.commit(request, |sequence, table| {
        table.extend_from_slice(&sequence.get().to_le_bytes());
        Ok(sequence.get())
    })
}

/// How many batches a replay finds, each with the table it was given.
fn found(disk: &SimDisk, place: &LogPlace) -> u64 {
    let mut replay = Replay::begin(Arc::new(disk.clone()), &options(), place, None).unwrap();
    let mut count = 0;
    while let Some(batch) = replay.next().unwrap() {
        count += 1;
        assert_eq!(batch.table, count_bytes(count));
    }
    count
}

fn count_bytes(count: u64) -> [u8; 8] {
    count.to_le_bytes()
}

#[test]
fn threads_share_writes_and_syncs_and_all_their_batches_are_applied_in_order() {
    watched(|| {
        let sim = SimDisk::new(1);
        let (traced, trace) = Trace::record(Arc::new(sim.clone()), Recorded::Changes);
        let (log, place) = begun(traced, &Options::new(crate::store::STORE));
        let applied = Applied::default();
        let committer = Committer::start(log, applied.clone()).unwrap();
        trace.take();
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (committer, applied) = (&committer, &applied);
                scope.spawn(move || {
                    for round in 0..50 {
                        let level = if (thread + round) % 3 == 0 { Level::Os } else { Level::Sync };
                        let commit = commit(committer, request(Size::Small, level)).unwrap();
                        let sequence = commit.wait().unwrap();
                        assert!(applied.count() >= sequence.get(), "acknowledged is visible");
                        assert!(committer.visible() >= Some(sequence));
                        if level == Level::Sync {
                            assert!(committer.synced() >= Some(sequence));
                        }
                    }
                });
            }
        });
        assert_eq!(applied.count(), 400);
        let syncs = trace.take().lines().filter(|line| line.contains("sync_data")).count();
        assert!(syncs <= 300, "{syncs} syncs for 400 batches");
        committer.close().unwrap();
        assert_eq!(found(&sim, &place), 400);
    });
}

/// Wakes nobody, and counts how often it should have.
#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_is_woken_when_the_background_has_done_its_work() {
    let disk = SimDisk::new(1);
    let (log, _) = begun(Arc::new(disk.clone()), &options());
    let applied = Applied::default();
    let committer = Committer::stepped(log, applied.clone());
    let wakes = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let mut first = pin!(commit(&committer, request(Size::Small, Level::Sync)).unwrap());
    let mut second = pin!(commit(&committer, request(Size::Small, Level::Os)).unwrap());
    for _ in 0..3 {
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!((applied.count(), wakes.0.load(Ordering::SeqCst)), (0, 0));
    assert!(committer.step());
    assert_eq!((applied.count(), wakes.0.load(Ordering::SeqCst)), (2, 2));
    let Poll::Ready(Ok(sequence)) = first.as_mut().poll(&mut context) else { panic!() };
    assert_eq!(sequence.get(), 1);
    assert!(matches!(second.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    assert!(!committer.step(), "nothing is left to do");
}

#[test]
fn a_batch_whose_handle_was_dropped_is_committed_by_the_background() {
    watched(|| {
        let disk = SimDisk::new(1);
        let (log, place) = begun(Arc::new(disk.clone()), &options());
        let applied = Applied::default();
        let committer = Committer::start(log, applied.clone()).unwrap();
        drop(commit(&committer, request(Size::Small, Level::Sync)).unwrap());
        drop(committer);
        assert_eq!((applied.count(), found(&disk, &place)), (1, 1));
    });
}

#[test]
fn a_handle_that_is_held_is_served_with_the_next_that_is_waited_for() {
    let disk = SimDisk::new(1);
    let (log, _) = begun(Arc::new(disk.clone()), &options());
    let applied = Applied::default();
    let committer = Committer::stepped(log, applied.clone());
    let held: Vec<_> =
        (0..5).map(|_| commit(&committer, request(Size::Small, Level::Sync)).unwrap()).collect();
    assert_eq!(applied.count(), 0);
    let last = commit(&committer, request(Size::Small, Level::Os)).unwrap();
    assert_eq!(last.sequence().get(), 6);
    last.wait().unwrap();
    assert_eq!(applied.count(), 6);
    assert_eq!(committer.synced(), Sequence::new(6), "one of the group asked for a sync");
    held.into_iter().for_each(|commit| assert!(commit.wait().is_ok()));
}

#[test]
fn a_refused_decision_takes_no_number() {
    let disk = SimDisk::new(1);
    let (log, place) = begun(Arc::new(disk.clone()), &options());
    let committer = Committer::stepped(log, Applied::default());
    #[derive(Debug)]
    enum Refused {
        Condition,
        Log(Error),
    }
    impl From<Error> for Refused {
        fn from(error: Error) -> Self {
            Refused::Log(error)
        }
    }
    let refused = committer.commit(request(Size::Small, Level::Sync), |_, table| {
        table.push(1);
        Err::<u64, _>(Refused::Condition)
    });
    assert!(matches!(refused, Err(Refused::Condition)));
    let too_large = Request {
        body: Body::new(vec![0; 64 << 20], &options()),
        ..request(Size::Small, Level::Sync)
    };
    let refused = committer.commit(too_large, |_, _| Err::<u64, _>(Refused::Condition));
    let Err(Refused::Log(error)) = refused else { panic!("{refused:?}") };
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let sequence = commit(&committer, request(Size::Small, Level::Sync)).unwrap().wait().unwrap();
    assert_eq!(sequence, Sequence::FIRST);
    committer.close().unwrap();
    assert_eq!(found(&disk, &place), 1);
}

#[test]
fn after_a_failure_the_group_is_unknown_what_was_queued_is_not_and_later_calls_are_refused() {
    for kind in [FaultKind::Write, FaultKind::Sync(LostSync::KeepsCache)] {
        let disk = SimDisk::new(1);
        let (log, place) = begun(Arc::new(disk.clone()), &options());
        let applied = Applied::default();
        let committer = Committer::stepped(log, applied.clone());
        commit(&committer, request(Size::Small, Level::Sync)).unwrap().wait().unwrap();
        let held = commit(&committer, request(Size::Small, Level::Os)).unwrap();
        let waiting = commit(&committer, request(Size::Small, Level::Sync)).unwrap();
        disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
        let unknown = waiting.wait().unwrap_err();
        assert!(matches!(&unknown, Error::Unknown { sequence, .. } if sequence.get() == 3));
        assert!(unknown.to_string().contains("is not known"), "{unknown}");
        assert!(matches!(held.wait().unwrap_err(), Error::Unknown { .. }), "the same group");
        let stopped = commit(&committer, request(Size::Small, Level::Sync)).unwrap_err();
        assert!(matches!(&stopped, Error::Stopped { .. }), "{stopped}");
        for refused in [committer.sync(), committer.mark(), committer.rotate()] {
            assert!(matches!(refused.unwrap_err(), Error::Stopped { .. }));
        }
        assert!(committer.failure().is_some());
        assert_eq!((applied.count(), committer.visible()), (1, Sequence::new(1)));
        committer.close().unwrap_err();
        let last = replay_count(&disk, &place);
        assert!((1..=3).contains(&last), "{kind:?}: {last}");
    }
}

fn replay_count(disk: &SimDisk, place: &LogPlace) -> u64 {
    let disk = SimDisk::from_image(&disk.after_power_loss(), 2);
    found(&disk, place)
}

#[test]
fn a_full_disk_leaves_room_for_what_frees_space_and_clears_itself() {
    let disk = SimDisk::new(1);
    let (log, place) = begun(Arc::new(disk.clone()), &options());
    let committer = Committer::stepped(log, Applied::default());
    // No room for another file.
    disk.set_capacity(8_192 + 4_096);
    let mut written = 0;
    let refused = loop {
        match commit(&committer, request(Size::Small, Level::Sync)) {
            Ok(commit) => written = commit.wait().unwrap().get(),
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, Error::Disk(disk::Error::Full { .. })), "{refused}");
    assert!(written > 10, "{written}");
    let mut freeing = 0;
    loop {
        let request = Request { purpose: Purpose::FreesSpace, ..request(Size::Small, Level::Sync) };
        match commit(&committer, request) {
            Ok(commit) => freeing = commit.wait().unwrap().get() - written,
            Err(_) => break,
        }
    }
    assert!(freeing * 112 > 1_800, "a quarter of the file is kept: {freeing}");
    disk.set_capacity(1 << 20);
    let sequence = commit(&committer, request(Size::Large, Level::Sync)).unwrap().wait().unwrap();
    assert_eq!(sequence.get(), written + freeing + 1);
    committer.close().unwrap();
    assert_eq!(found(&disk, &place), sequence.get());
}

#[test]
fn unsynced_batches_are_synced_in_the_background_when_they_are_many() {
    let disk = SimDisk::new(1);
    let options = options().sync_bytes(1_000);
    let (log, _) = begun(Arc::new(disk.clone()), &options);
    let committer = Committer::stepped(log, Applied::default());
    let mut commits = 0;
    while commits < 9 {
        commit(&committer, request(Size::Small, Level::Os)).unwrap().wait().unwrap();
        commits += 1;
        assert!(committer.synced() < committer.visible());
        committer.step();
    }
    // The ninth makes it a thousand bytes.
    commit(&committer, request(Size::Small, Level::Os)).unwrap().wait().unwrap();
    committer.step();
    assert_eq!(committer.synced(), committer.visible());
}

#[test]
fn files_are_made_ahead_in_the_background_and_rotation_marks_and_pruning_go_through() {
    let disk = SimDisk::new(1);
    let (log, place) = begun(Arc::new(disk.clone()), &options());
    let applied = Applied::default();
    let committer = Committer::stepped(log, applied.clone());
    for _ in 0..20 {
        commit(&committer, request(Size::Large, Level::Sync)).unwrap().wait().unwrap();
        committer.step();
    }
    let stats = committer.stats();
    assert!(stats.rotations >= 3 && stats.files > stats.rotations + 1, "one is ahead: {stats:?}");
    committer.rotate().unwrap();
    commit(&committer, request(Size::Small, Level::Sync)).unwrap().wait().unwrap();
    committer.mark().unwrap();
    let (_, ended) = replay_all(&disk, &place);
    assert!(!ended.must_be_carried());
    let before = committer.stats().files;
    let place = applied.last_place();
    committer.prune(&place, 0).unwrap();
    assert!(committer.stats().files < before);
    committer.close().unwrap();
    assert_eq!(found_from(&disk, &place), 0);
}

fn replay_all(disk: &SimDisk, place: &LogPlace) -> (u64, wal::Ended) {
    let mut replay = Replay::begin(Arc::new(disk.clone()), &options(), place, None).unwrap();
    let mut count = 0;
    while replay.next().unwrap().is_some() {
        count += 1;
    }
    (count, replay.finish().unwrap())
}

fn found_from(disk: &SimDisk, place: &LogPlace) -> u64 {
    replay_all(disk, place).0
}

/// A batch of another store that was applied when its thread panicked must not leave the others waiting.
#[test]
fn a_panic_while_a_batch_is_applied_ends_everything_and_hangs_nobody() {
    struct Panics;
    impl Apply for Panics {
        type Batch = u64;
        fn apply(&mut self, sequence: Sequence, _: u64, _: &LogPlace) {
            assert!(sequence.get() < 3, "on purpose");
        }
    }
    watched(|| {
        let (log, _) = begun(Arc::new(SimDisk::new(1)), &options());
        let committer = Arc::new(Committer::stepped(log, Panics));
        let outcomes: Vec<_> = (0..4)
            .map(|_| {
                let committer = Arc::clone(&committer);
                thread::spawn(move || {
                    let commit = committer
                        .commit(request(Size::Small, Level::Sync), |sequence, _| {
                            Ok::<u64, Error>(sequence.get())
                        });
                    commit.and_then(Commit::wait).is_ok()
                })
            })
            .map(thread::JoinHandle::join)
            .collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count(), 2);
    });
}

#[test]
fn an_old_log_goes_on_with_the_next_number() {
    let disk = SimDisk::new(1);
    let (log, place) = begun(Arc::new(disk.clone()), &options());
    let committer = Committer::stepped(log, Applied::default());
    commit(&committer, request(Size::Small, Level::Sync)).unwrap().wait().unwrap();
    committer.close().unwrap();
    let (_, ended) = replay_all(&disk, &place);
    let log = Log::resume(ended, &options()).unwrap();
    struct Ignores;
    impl Apply for Ignores {
        type Batch = ();
        fn apply(&mut self, _: Sequence, (): (), _: &LogPlace) {}
    }
    let committer = Committer::stepped(log, Ignores);
    assert_eq!(committer.visible(), Sequence::new(1));
    let commit = committer.commit(request(Size::Large, Level::Sync), |_, table| {
        table.extend_from_slice(&2_u64.to_le_bytes());
        Ok::<(), Error>(())
    });
    assert_eq!(commit.unwrap().wait().unwrap().get(), 2);
    committer.close().unwrap();
    assert_eq!(found(&disk, &place), 2);
}
