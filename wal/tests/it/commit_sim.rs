//! Random committers, levels, faults and crashes against a plain model; and every call failing in turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use base::checksum::Xxh3;
use base::{LogPlace, Sequence, Timeline};
use disk::SimDisk;
use disk::harness::{Config, fail_every_call, watched};
use disk::sim::{Density, Fault, FaultKind, Lasting, LostSync, Progress};
use wal::{
    Apply, Beginning, Body, Commit, Committer, Error, Level, Log, Options, Purpose, Replay, Request,
};

use crate::store::STORE;

fn options() -> Options {
    Options::new(STORE).file_bytes(8_192, 16_384).part_bytes(1_024).sync_bytes(3_000)
}

/// Numbers by chance, the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        Xxh3::of(&self.0.to_le_bytes())
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The last batch that was applied, and where it ends.
#[derive(Clone, Default)]
struct Applied(Arc<Mutex<Option<LogPlace>>>);

impl Apply for Applied {
    type Batch = u64;

    fn apply(&mut self, sequence: Sequence, _: u64, place: &LogPlace) {
        let mut last = self.0.lock().unwrap();
        let before = last.and_then(|place| place.sequence).map_or(0, Sequence::get);
        assert!(before == 0 || before + 1 == sequence.get(), "{before}, then {sequence}");
        *last = Some(*place);
    }
}

/// What a batch is made of: no two that were ever tried have the same.
fn content(nonce: u64) -> Vec<u8> {
    let length = match nonce % 5 {
        0 => 3_000,
        1 => 900,
        _ => nonce % 60,
    };
    (0..length).map(|at| (nonce + at) as u8).collect()
}

/// A run of the simulation.
struct Run {
    seed: u64,
    random: Random,
    disk: SimDisk,
    committer: Committer<Applied>,
    applied: Applied,
    held: Vec<Commit>,
    /// The nonce of each batch that has a number, from the first one behind `from`.
    model: Vec<u64>,
    nonce: u64,
    /// The place a manifest would name.
    from: LogPlace,
    is_faulty: bool,
}

impl Run {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new(seed);
        let beginning = Beginning::of_a_new_store(Timeline::new(9).unwrap());
        let log = Log::create(Arc::new(disk.clone()), &options(), &beginning).unwrap();
        let from = log.place();
        let applied = Applied::default();
        let committer = Committer::stepped(log, applied.clone());
        Run {
            seed,
            random: Random(seed << 32),
            disk,
            committer,
            applied,
            held: Vec::new(),
            model: Vec::new(),
            nonce: 0,
            from,
            is_faulty: false,
        }
    }

    fn first(&self) -> u64 {
        self.from.sequence.map_or(0, Sequence::get) + 1
    }

    fn go(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(16) {
                0..6 => self.commit(),
                6..8 => self.wait(),
                8 => self.poll(),
                9 => drop(self.take_held()),
                10..12 => {
                    self.committer.step();
                }
                12 => self.settle(),
                13 => self.prune(),
                14 if self.random.below(3) == 0 => self.fault(),
                15 if self.random.below(3) == 0 => self.crash(),
                _ => {}
            }
        }
        self.crash();
    }

    fn commit(&mut self) {
        self.nonce += 1;
        let nonce = self.nonce;
        let level = if self.random.below(2) == 0 { Level::Sync } else { Level::Os };
        let body = Body::new(content(nonce), &options());
        let request = Request { body, table_bytes_most: 8, level, purpose: Purpose::Any };
        let commit = self.committer.commit(request, |sequence, table| {
            table.extend_from_slice(&nonce.to_le_bytes());
            Ok(sequence.get())
        });
        match commit {
            Ok(commit) => {
                self.model.push(nonce);
                let number = self.first() + self.model.len() as u64 - 1;
                assert_eq!(commit.sequence().get(), number, "seed {}", self.seed);
                self.held.push(commit);
            }
            Err(error) => self.expect_fault(&error),
        }
    }

    fn take_held(&mut self) -> Option<Commit> {
        let count = self.held.len() as u64;
        (count > 0).then(|| self.held.swap_remove(self.random.below(count) as usize))
    }

    fn wait(&mut self) {
        let Some(commit) = self.take_held() else { return };
        let sequence = commit.sequence();
        match commit.wait() {
            Ok(_) => assert!(self.committer.visible() >= Some(sequence)),
            Err(error) => self.expect_fault(&error),
        }
    }

    fn poll(&mut self) {
        let Some(mut commit) = self.take_held() else { return };
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut commit).poll(&mut context) {
            Poll::Ready(Err(error)) => self.expect_fault(&error),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => self.held.push(commit),
        }
    }

    fn settle(&mut self) {
        let settled = match self.random.below(3) {
            0 => self.committer.sync(),
            1 => self.committer.mark(),
            _ => self.committer.rotate(),
        };
        if let Err(error) = settled {
            self.expect_fault(&error);
        }
    }

    fn prune(&mut self) {
        if let Err(error) = self.committer.sync() {
            return self.expect_fault(&error);
        }
        let Some(place) = *self.applied.0.lock().unwrap() else { return };
        let gone = place.sequence.map_or(0, Sequence::get) + 1 - self.first();
        self.model.drain(..gone as usize);
        self.from = place;
        if let Err(error) = self.committer.prune(&place, 0) {
            self.expect_fault(&error);
        }
    }

    fn fault(&mut self) {
        let kinds = [
            FaultKind::Sync(LostSync::KeepsCache),
            FaultKind::Sync(LostSync::RevertsCache),
            FaultKind::Write,
            FaultKind::Call,
            FaultKind::Full { after: 100 },
            FaultKind::Short,
        ];
        let kind = kinds[self.random.below(kinds.len() as u64) as usize];
        self.disk.inject(Fault { kind, nth: self.random.below(4), lasting: Lasting::Once });
        self.is_faulty = true;
    }

    fn expect_fault(&self, error: &Error) {
        assert!(self.is_faulty, "seed {}: {error}", self.seed);
    }

    /// The process dies or the power fails; what is found then is held against the model.
    fn crash(&mut self) {
        let visible = self.committer.visible().map_or(0, Sequence::get);
        let synced = self.committer.synced().map_or(0, Sequence::get);
        let seed = self.random.next();
        self.disk.heal();
        // A sync that failed took back what only the operating system had been given.
        let is_killed = self.random.below(2) == 0 && self.committer.failure().is_none();
        let (least, disk) = if is_killed {
            (visible, self.disk.after_kill(seed))
        } else {
            (synced, SimDisk::from_image(&self.disk.after_random_crash(seed), seed))
        };
        self.held.clear();
        let mut replay =
            Replay::begin(Arc::new(disk.clone()), &options(), &self.from, None).unwrap();
        let mut found = 0;
        while let Some(batch) = replay.next().unwrap() {
            let nonce = self.model[found];
            assert_eq!(batch.sequence.get(), self.first() + found as u64);
            assert!(
                batch.table == nonce.to_le_bytes() && batch.body == content(nonce),
                "seed {}: batch {} is another",
                self.seed,
                batch.sequence
            );
            found += 1;
        }
        let last = self.first() + found as u64 - 1;
        assert!(last >= least, "seed {}: {last} of {least} (killed: {is_killed})", self.seed);
        self.model.truncate(found);
        let log = Log::resume(replay.finish().unwrap(), &options()).unwrap();
        self.applied = Applied::default();
        self.committer = Committer::stepped(log, self.applied.clone());
        self.disk = disk;
        self.is_faulty = false;
    }
}

#[test]
fn a_thousand_seeds_of_committers_faults_and_crashes_match_the_model() {
    let mut batches = 0;
    for seed in 1..=1_000 {
        let mut run = Run::new(seed);
        run.go(150);
        batches += run.nonce;
    }
    assert!(batches > 30_000, "{batches}");
}

const KINDS: [FaultKind; 8] = [
    FaultKind::Sync(LostSync::KeepsCache),
    FaultKind::Sync(LostSync::RevertsCache),
    FaultKind::Write,
    FaultKind::Call,
    FaultKind::Full { after: 0 },
    FaultKind::Full { after: 60 },
    FaultKind::Short,
    FaultKind::TooManyFiles,
];

fn create(disk: &SimDisk) -> Result<(Committer<Applied>, LogPlace), Error> {
    let beginning = Beginning::of_a_new_store(Timeline::new(9).unwrap());
    let log = Log::create(Arc::new(disk.clone()), &options(), &beginning)?;
    let place = log.place();
    Ok((Committer::stepped(log, Applied::default()), place))
}

fn commit(committer: &Committer<Applied>, nonce: u64, level: Level) -> Result<Commit, Error> {
    let body = Body::new(content(nonce), &options());
    let request = Request { body, table_bytes_most: 8, level, purpose: Purpose::Any };
    committer.commit(request, |sequence, table| {
        table.extend_from_slice(&nonce.to_le_bytes());
        Ok(sequence.get())
    })
}

/// Commits in small groups, steps, and says where the log began; goes on after errors, as callers do.
fn workload(disk: &SimDisk) -> Option<LogPlace> {
    let (committer, place) = create(disk).ok()?;
    let mut number = 0;
    for round in 0..6 {
        let mut group = Vec::new();
        for member in 0..2 {
            let level = if (round + member) % 2 == 0 { Level::Sync } else { Level::Os };
            disk.begin(number + 1);
            match commit(&committer, number + 1, level) {
                Ok(commit) => {
                    number += 1;
                    assert_eq!(commit.sequence().get(), number);
                    group.push(commit);
                }
                Err(error) => assert!(is_expected(&error), "{error:?}"),
            }
        }
        for commit in group {
            if let Err(error) = commit.wait() {
                assert!(is_expected(&error), "{error:?}");
            }
        }
        committer.step();
        disk.acknowledge(committer.synced().map_or(0, Sequence::get));
    }
    if let Err(error) = committer.close() {
        assert!(is_expected(&error), "{error:?}");
    }
    Some(place)
}

fn is_expected(error: &Error) -> bool {
    matches!(error, Error::Unknown { .. } | Error::Stopped { .. } | Error::Disk(_))
}

fn recover(disk: &SimDisk, progress: Progress, place: &Option<LogPlace>) -> Result<u64, String> {
    let Some(place) = place else {
        return if progress.acknowledged == 0 { Ok(0) } else { Err("no log".into()) };
    };
    let words = |error: Error| error.to_string();
    let mut replay =
        Replay::begin(Arc::new(disk.clone()), &options(), place, None).map_err(words)?;
    let mut last = 0_u64;
    while let Some(batch) = replay.next().map_err(words)? {
        last += 1;
        if batch.table != last.to_le_bytes() || batch.body != content(last) {
            return Err(format!("batch {last} is another"));
        }
    }
    Log::resume(replay.finish().map_err(words)?, &options()).map_err(words)?;
    let is_right = (progress.acknowledged..=progress.begun).contains(&last);
    if is_right { Ok(last) } else { Err(format!("{last} found, at {progress:?}")) }
}

#[test]
fn whatever_call_fails_what_was_acknowledged_is_found_and_the_rest_is_all_or_nothing() {
    let config = Config { density: Density::thin(), ..Config::default() };
    let report = fail_every_call(&config, &KINDS, &SimDisk::options(4), workload, recover).unwrap();
    assert!(report.points > 300, "{report:?}");
}

/// The same with threads, where a lost wake-up would leave one of them waiting for ever.
#[test]
fn whatever_call_fails_no_thread_waits_for_ever() {
    for kind in KINDS {
        for lasting in [Lasting::Once, Lasting::FromThenOn] {
            watched(move || {
                for nth in 0.. {
                    if !struck(Fault { kind, nth, lasting }) {
                        break;
                    }
                }
            });
        }
    }
}

/// Lets three threads commit until a fault stops them; says whether it struck.
fn struck(fault: Fault) -> bool {
    let disk = SimDisk::new(6);
    let beginning = Beginning::of_a_new_store(Timeline::new(9).unwrap());
    let log = Log::create(Arc::new(disk.clone()), &options(), &beginning).unwrap();
    let committer = Committer::start(log, Applied::default()).unwrap();
    disk.inject(fault);
    thread::scope(|scope| {
        for thread in 0..3_u64 {
            let committer = &committer;
            scope.spawn(move || {
                for round in 0..6 {
                    let level = if round % 2 == 0 { Level::Sync } else { Level::Os };
                    let waited = commit(committer, thread + round * 5, level).map(Commit::wait);
                    if let Ok(Err(error)) | Err(error) = waited {
                        assert!(is_expected(&error), "{error:?}");
                    }
                }
            });
        }
    });
    if let Err(error) = committer.close() {
        assert!(is_expected(&error), "{error:?}");
    }
    disk.faults_struck() > 0
}
