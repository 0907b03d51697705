//! Writes a log as a store does, as the fuzzer's bytes say: appends, syncs, rotates, dies, loses power.
//!
//! Promises
//!  1. No two batches that it appends are the same, and each says which it is.
//!  2. It knows every history there was: the batches that were ever in the log at the same time.
//!
//! Never: damages anything. So each of its replays must work, and find all that was safe.

use std::sync::Arc;

use base::checksum::Xxh3;
use base::{LogPlace, Timeline};
use disk::SimDisk;
use wal::{Beginning, Body, Log, Options};

use super::bytes::Bytes;
use super::oracle::{Found, STORE, replay};

/// The most steps of a workload: a log of them takes a few dozen kilobytes.
const STEPS: usize = 40;

/// A log that is being written.
pub(crate) struct Workload {
    pub(crate) disk: SimDisk,
    pub(crate) options: Options,
    /// Where a replay begins: where the log did, or where it was pruned.
    pub(crate) place: LogPlace,
    log: Option<Log>,
    /// The batches appended, by their names; the first has the sequence 1.
    pub(crate) current: Vec<u64>,
    /// What was in the log before a crash took the end of it.
    pub(crate) histories: Vec<Vec<u64>>,
    /// How many of the batches are safe.
    safe: usize,
    /// How many of them something says so of that was synced behind them: damage there cannot be taken
    /// for a torn write.
    pub(crate) witnessed: usize,
    /// The name of the batch that was appended last.
    newest: u64,
}

impl Workload {
    pub(crate) fn create(seed: u64, options: Options) -> Self {
        let disk = SimDisk::new(seed);
        let timeline = Timeline::new(0xa).expect("not 0");
        let beginning = Beginning::of_a_new_store(timeline);
        let log = Log::create(Arc::new(disk.clone()), &options, &beginning).expect("an empty disk");
        let place = log.place();
        Workload {
            disk,
            options,
            place,
            log: Some(log),
            current: Vec::new(),
            histories: Vec::new(),
            safe: 0,
            witnessed: 0,
            newest: 0,
        }
    }

    /// Does as the bytes say, up to a step that ends it.
    pub(crate) fn run(&mut self, bytes: &mut Bytes<'_>) {
        for _ in 0..STEPS {
            if bytes.is_empty() {
                return;
            }
            match bytes.u8() % 16 {
                0..=2 => self.append(bytes.u8().into(), 0),
                3 | 4 => self.append(bytes.u16() as usize % 6_000, 0),
                5 => self.append(bytes.u8().into(), bytes.u16() as usize % 3_000),
                6 => self.sync(),
                7 => self.log().write().expect("a disk in good order"),
                8 => {
                    self.log().mark().expect("a disk in good order");
                    self.synced();
                }
                9 => self.log().rotate(),
                10 => self.prepare(),
                11 => self.close(),
                12 => self.reopen(),
                13 => {
                    let image = self.disk.after_random_crash(bytes.u8().into());
                    self.crash(SimDisk::from_image(&image, self.newest + 100));
                }
                14 => self.prune(bytes.u8()),
                _ => return,
            }
        }
    }

    /// The process dies, and the power stays on.
    pub(crate) fn die(&mut self) {
        self.log = None;
    }

    fn log(&mut self) -> &mut Log {
        if self.log.is_none() {
            self.reopen();
        }
        self.log.as_mut().expect("just opened")
    }

    fn append(&mut self, body: usize, table: usize) {
        self.newest += 1;
        let (table, body) = content(self.newest, body, table);
        let body = Body::new(body, &self.options);
        let sequence = self.log().append(&table, &body).expect("a disk in good order");
        // Opening the log may have found fewer than were appended before.
        self.current.push(self.newest);
        assert_eq!(sequence.get(), self.current.len() as u64);
    }

    fn sync(&mut self) {
        self.log().sync().expect("a disk in good order");
        self.synced();
    }

    fn synced(&mut self) {
        if self.safe < self.current.len() {
            self.witnessed = self.safe;
            self.safe = self.current.len();
        }
    }

    fn prepare(&mut self) {
        let log = self.log();
        if let Some(preparation) = log.preparation().expect("a log that never failed") {
            let spare = preparation.run().expect("a disk in good order");
            log.supply(spare);
        }
    }

    fn close(&mut self) {
        self.log();
        let closed = self.log.take().map(Log::close);
        closed.expect("just opened").expect("a disk in good order");
        self.synced();
    }

    fn reopen(&mut self) {
        let disk = self.disk.clone();
        self.crash(disk);
    }

    /// Opens what is left of the log, on this disk: all that was safe, and nothing that was not written.
    fn crash(&mut self, disk: SimDisk) {
        self.log = None;
        self.disk = disk;
        let replayed = replay(&self.disk, &self.options, &self.place, None);
        let replayed = replayed.expect("a log that nobody damaged");
        let found = self.names(&replayed.batches).expect("batches that were written");
        let whole = found.len();
        assert!(self.current.get(..whole) == Some(&found), "batches of another history");
        assert!(whole >= self.safe, "{whole} batches, and {} were safe", self.safe);
        if whole < self.current.len() {
            self.histories.push(std::mem::replace(&mut self.current, found));
        }
        let log = Log::resume(replayed.ended, &self.options).expect("a disk in good order");
        self.log = Some(log);
        // What was replayed is replayed again.
        self.safe = whole;
    }

    fn prune(&mut self, keep: u8) {
        self.sync();
        let place = self.log().place();
        self.place = place;
        let pruned = self.log().prune(&place, u64::from(keep) * 256);
        pruned.expect("a disk in good order");
    }

    /// The names of all batches from the first on: those in front of the place, which a replay does not
    /// hand out, and those that it did; `None` if one of these was never written.
    pub(crate) fn names(&self, found: &[Found]) -> Option<Vec<u64>> {
        let before = self.place.sequence.map_or(0, |sequence| sequence.get() as usize);
        let mut names = self.current.get(..before)?.to_vec();
        for batch in found {
            names.push(name_of(batch)?);
        }
        Some(names)
    }

    /// Whether these were ever the first batches of the log.
    pub(crate) fn were_there(&self, names: &[u64]) -> bool {
        self.current.starts_with(names) || self.histories.iter().any(|it| it.starts_with(names))
    }

    /// Whether a batch was ever written with its number.
    pub(crate) fn was_written(&self, batch: &Found) -> bool {
        let at = batch.sequence as usize - 1;
        let Some(name) = name_of(batch) else { return false };
        let mut all = self.histories.iter().chain([&self.current]);
        all.any(|history| history.get(at) == Some(&name))
    }
}

/// Table and body of a batch: they tell its name and how long they are, and no two have the same.
fn content(name: u64, body: usize, table: usize) -> (Vec<u8>, Vec<u8>) {
    let words = |of: u64| {
        let sums =
            (0_u64..).map(move |word| Xxh3::of(&[name, of, word].map(u64::to_le_bytes).concat()));
        sums.flat_map(u64::to_le_bytes)
    };
    let mut head = [name, body as u64, table as u64].map(u64::to_le_bytes).concat();
    head.extend(words(0).take(table));
    (head, words(1).take(body).collect())
}

/// The name of a batch, if its content is what it was given.
fn name_of(batch: &Found) -> Option<u64> {
    let mut head = Bytes::new(&batch.table);
    let (name, body, table) = (head.u64(), head.u64() as usize, head.u64() as usize);
    let is_long = body > 6_000 || table > 3_000;
    let same = !is_long && content(name, body, table) == (batch.table.clone(), batch.body.clone());
    same.then_some(name)
}

/// A store's options, as a byte says: small files, and records of any length from the least on.
pub(crate) fn options(byte: u8) -> Options {
    let (first, most) = if byte & 1 == 0 { (8_192, 16_384) } else { (16_384, 16_384) };
    let part = match byte >> 1 & 3 {
        0 => 1_024,
        1 => 256,
        2 => 4_096,
        _ => 64,
    };
    Options::new(STORE).file_bytes(first, most).part_bytes(part)
}
