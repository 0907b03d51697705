//! Lives of one log by chance: crashes, kills, failed calls and full disks, again and again, while it is
//! written, marked, rotated, pruned, closed and opened.

use std::sync::Arc;

use base::checksum::Xxh3;
use base::{LogPlace, Sequence, Timeline};
use disk::SimDisk;
use disk::sim::{Fault, FaultKind, Lasting};
use wal::{Beginning, Body, Error, Log, Preparation, Replay};

use crate::store::options;

/// A small generator: the seed says everything.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = Xxh3::of(&self.0.to_le_bytes());
        (self.0 >> 20) % most
    }
}

struct Life {
    chance: Chance,
    disk: SimDisk,
    log: Option<Log>,
    /// The place a manifest would name, and the batches in front of it.
    place: LogPlace,
    base: usize,
    /// What each batch says that was promised to stay.
    kept: Vec<Vec<u8>>,
    /// What those behind them say.
    open: Vec<Vec<u8>>,
    preparations: Vec<Preparation>,
    unique: u64,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let disk = SimDisk::new(seed);
        let beginning = Beginning::of_a_new_store(Timeline::new(1).unwrap());
        let log = Log::create(Arc::new(disk.clone()), &options(), &beginning).unwrap();
        Life {
            chance: Chance(seed),
            place: log.place(),
            disk,
            log: Some(log),
            base: 0,
            kept: Vec::new(),
            open: Vec::new(),
            preparations: Vec::new(),
            unique: 0,
        }
    }

    fn step(&mut self) {
        if self.log.is_none() {
            return self.open();
        }
        if self.chance.below(8) == 0 {
            self.inject(6);
        }
        match self.act() {
            Err(Error::Disk(error)) if error.is_clean_refusal() => {}
            Err(_) => self.log = None,
            Ok(()) => {}
        }
        self.disk.heal();
    }

    fn inject(&mut self, calls: u64) {
        let kind = FaultKind::ALL[self.chance.below(FaultKind::ALL.len() as u64) as usize];
        let nth = self.chance.below(calls);
        if kind.is_reported() {
            self.disk.inject(Fault { kind, nth, lasting: Lasting::Once });
        }
    }

    fn act(&mut self) -> wal::Result<()> {
        let what = self.chance.below(16);
        let Some(log) = self.log.as_mut() else { return Ok(()) };
        match what {
            0..6 => return self.append(),
            6..8 => log.sync()?,
            8 => log.mark()?,
            9 => return log.write(),
            10 => {
                log.rotate();
                return Ok(());
            }
            11 => {
                self.preparations.extend(log.preparation()?);
                return Ok(());
            }
            12 => {
                if let Some(Ok(spare)) = self.preparations.pop().map(Preparation::run) {
                    log.supply(spare);
                }
                return Ok(());
            }
            13 => {
                log.sync()?;
                let place = log.place();
                self.kept.append(&mut self.open);
                self.place = place;
                self.base = self.kept.len();
                log.prune(&place, 0)?;
            }
            14 => self.log.take().map_or(Ok(()), Log::close)?,
            _ => {
                self.log = None;
                self.crash();
                return Ok(());
            }
        }
        self.kept.append(&mut self.open);
        Ok(())
    }

    fn append(&mut self) -> wal::Result<()> {
        self.unique += 1;
        let table = self.unique.to_le_bytes().to_vec();
        let length = [0, 40, 900, 2_500, 9_000][self.chance.below(5) as usize];
        let body = Body::new(vec![self.unique as u8; length], &options());
        let Some(log) = self.log.as_mut() else { return Ok(()) };
        let sequence = log.append(&table, &body)?;
        self.open.push(table);
        assert_eq!(sequence.get() as usize, self.kept.len() + self.open.len());
        Ok(())
    }

    fn crash(&mut self) {
        self.disk.heal();
        let seed = self.chance.below(1 << 40);
        self.disk = match self.chance.below(3) {
            0 => self.disk.after_kill(seed),
            1 => SimDisk::from_image(&self.disk.after_power_loss(), seed),
            _ => SimDisk::from_image(&self.disk.after_random_crash(seed), seed),
        };
    }

    /// Opens the log, now and then with a call that fails.
    fn open(&mut self) {
        if self.chance.below(3) == 0 {
            self.inject(30);
        }
        let opened = self.replay();
        let has_failed = self.disk.faults_struck() > 0;
        self.disk.heal();
        match opened {
            Ok((found, log)) => self.judge(found, log),
            Err(error) => {
                assert!(has_failed, "nothing failed, and yet: {error}");
                self.crash();
            }
        }
    }

    fn replay(&self) -> wal::Result<(Vec<Vec<u8>>, Log)> {
        let disk = Arc::new(self.disk.clone());
        let mut replay = Replay::begin(disk, &options(), &self.place, None)?;
        let mut found = Vec::new();
        while let Some(batch) = replay.next()? {
            assert_eq!(batch.sequence.get() as usize, self.base + 1 + found.len());
            found.push(batch.table.to_vec());
        }
        let ended = replay.finish()?;
        let branches = ended.branches.windows(2);
        assert!(branches.into_iter().all(|pair| pair[0].timeline != pair[1].timeline));
        Ok((found, Log::resume(ended, &options())?))
    }

    fn judge(&mut self, found: Vec<Vec<u8>>, log: Log) {
        let all: Vec<_> = self.kept.iter().chain(&self.open).skip(self.base).cloned().collect();
        let least = self.kept.len() - self.base;
        assert!((least..=all.len()).contains(&found.len()), "{} of {least}", found.len());
        assert!(found.iter().zip(&all).all(|(one, other)| one == other), "another batch");
        self.kept.truncate(self.base);
        self.kept.extend(found);
        self.open.clear();
        self.preparations.clear();
        assert_eq!(log.last().map_or(0, Sequence::get) as usize, self.kept.len());
        self.log = Some(log);
    }
}

#[test]
fn a_log_that_lives_a_hard_life_keeps_its_word() {
    for seed in 0..4_000 {
        let lived = std::panic::catch_unwind(|| {
            let mut life = Life::begin(seed);
            (0..60).for_each(|_| life.step());
        });
        assert!(lived.is_ok(), "seed {seed}");
    }
}
