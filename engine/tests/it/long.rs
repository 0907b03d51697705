//! Long runs from a seed, with segments of four slots and log files of one batch or two: written, removed, checkpointed,
//! viewed, closed, killed and crashed in any order, and held against a plain map.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use arrwdb::{Collection, CollectionConfig, Durability, Id, Metric, Sequence, Store, View};
use disk::{Disk, SimDisk};

use crate::chance::Chance;

/// Four slots in the first two segments.
const DIM: u32 = 4_096;
const STEPS: u32 = 250;

type Content = BTreeMap<Id, u32>;

fn vector(number: u32) -> Vec<f32> {
    (0..DIM).map(|at| (number * 7 + at % 5) as f32).collect()
}

fn open(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::options().stepped().log_file_bytes(32_768, 65_536).open_on(disk).unwrap()
}

/// Files by their kinds, that is by directory and ending, each with its number.
type Files = BTreeMap<(PathBuf, OsString), BTreeSet<u64>>;

fn files(disk: &SimDisk) -> Files {
    let mut files = Files::new();
    for path in disk.contents().files() {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if path.starts_with("wal") {
            // Made ahead, and renamed.
            continue;
        }
        if let (Some(number), Some(dir), Some(kind)) = (number, path.parent(), path.extension()) {
            files.entry((dir.to_owned(), kind.to_owned())).or_default().insert(number);
        }
    }
    files
}

struct Run {
    disk: SimDisk,
    store: Store,
    docs: Collection,
    /// What is there after each batch that may not be durable, the first one being durable for certain.
    contents: Vec<Content>,
    /// The number of the last batch, and of the last that is durable for certain: no batch ever has it again.
    last: Option<Sequence>,
    durable: Option<Sequence>,
    /// All files there were a step ago.
    files: Files,
    views: Vec<(View, Content)>,
}

impl Run {
    fn new() -> Run {
        let disk = SimDisk::new(1);
        let store = open(&disk);
        let config = CollectionConfig::new(DIM, Metric::L2);
        let docs = store.create_collection("docs", config).unwrap();
        let (last, files) = (store.sequence(), files(&disk));
        let contents = vec![Content::new()];
        Run { disk, store, docs, contents, last, durable: last, files, views: Vec::new() }
    }

    fn content(&self) -> &Content {
        self.contents.last().unwrap()
    }

    fn step(&mut self, chance: &mut Chance) {
        match chance.below(24) {
            0..=15 => self.batch(chance),
            16 | 17 => {
                self.store.checkpoint().unwrap();
                self.settled();
            }
            18 => self.views.push((self.store.view(), self.content().clone())),
            19 => drop(self.views.pop()),
            20 => {
                self.store.sync().unwrap();
                self.settled();
            }
            21 => {
                self.store.close().unwrap();
                self.settled();
                let before = self.answers();
                self.reopen(self.disk.clone());
                assert_eq!(self.answers(), before, "opening changes no answer");
            }
            22 => {
                let (before, last) = (self.answers(), self.last);
                let killed = self.disk.after_kill(chance.below(1 << 40));
                self.reopen(killed);
                // The process died, and the power did not fail: nothing is lost.
                assert_eq!((self.answers(), self.store.sequence()), (before, last));
                self.settled();
            }
            _ => self.crash(chance),
        }
    }

    fn batch(&mut self, chance: &mut Chance) {
        let mut content = self.content().clone();
        let mut batch = self.store.batch();
        let ids: BTreeSet<u64> = (0..=chance.below(3)).map(|_| chance.below(14)).collect();
        for id in ids.into_iter().map(Id::from) {
            if chance.below(3) == 0 {
                batch.remove(&self.docs, &id);
                content.remove(&id);
            } else {
                let number = chance.below(20) as u32;
                batch.upsert(&self.docs, &id, &vector(number));
                content.insert(id, number);
            }
        }
        let level = if chance.below(3) == 0 { Durability::Os } else { Durability::Sync };
        let sequence = batch.commit(level).unwrap().wait().unwrap();
        assert!(Some(sequence) > self.last, "{sequence} is a number of before {:?}", self.last);
        self.last = Some(sequence);
        self.contents.push(content);
        if level == Durability::Sync {
            self.settled();
        }
    }

    /// Everything so far is durable.
    fn settled(&mut self) {
        let last = self.contents.pop().unwrap();
        self.contents = vec![last];
        // A checkpoint has a number too.
        (self.last, self.durable) = (self.store.sequence(), self.store.sequence());
    }

    fn reopen(&mut self, disk: SimDisk) {
        self.views.clear();
        self.disk = disk;
        // Nothing of the old one is left when the new one is opened: on the same disk it would be locked out.
        let elsewhere = open(&SimDisk::new(9));
        let other = elsewhere.create_collection("docs", self.docs.config().clone()).unwrap();
        (self.store, self.docs) = (elsewhere, other);
        self.store = open(&self.disk);
        self.docs = self.store.collection("docs").unwrap();
    }

    /// The power fails: what was not synced may be lost, from the end.
    fn crash(&mut self, chance: &mut Chance) {
        let mut image = self.disk.after_random_crash(chance.below(1 << 40));
        if chance.below(2) == 0 {
            // And the newest manifest rots: the one before has all it needs.
            let manifests = image.files().filter(|path| path.extension() == Some("man".as_ref()));
            let manifests: Vec<_> = manifests.map(std::path::Path::to_path_buf).collect();
            if let [.., _, _, newest] = &manifests[..] {
                assert!(image.flip_bit(newest, chance.below(90) as usize, 2));
            }
        }
        self.reopen(SimDisk::from_image(&image, chance.below(1 << 40)));
        assert!(self.store.sequence() >= self.durable, "{:?}, {:?}", self.store, self.durable);
        let (found, before) = (self.look(&self.store.view()), self.answers());
        assert!(self.contents.contains(&found), "{found:?} is none of {:?}", self.contents);
        // What was found once is found again.
        let again = self.disk.after_power_loss();
        self.reopen(SimDisk::from_image(&again, 1));
        assert_eq!(self.answers(), before, "what was found once is found again");
        self.contents = vec![found];
        self.settled();
    }

    /// Everything a store says of itself: what was replayed says the same as what was there before.
    fn answers(&self) -> (arrwdb::report::CollectionStatistics, Vec<Vec<(Id, f32)>>) {
        let near = |number| {
            let query = vector(number);
            let hits = self.docs.search(&query).k(7).run().unwrap();
            hits.iter().map(|hit| (hit.id.clone(), hit.distance)).collect()
        };
        // How far the index is is no part of any answer.
        let mut statistics = self.docs.statistics();
        statistics.index = Default::default();
        (statistics, [0, 9, 30].map(near).to_vec())
    }

    /// No new file has a number that one of its kind had.
    fn check_files(&mut self) {
        let now = files(&self.disk);
        for (kind, numbers) in &now {
            let before = self.files.get(kind).and_then(BTreeSet::last);
            let old = |number| self.files.get(kind).is_some_and(|of_kind| of_kind.contains(number));
            let mut new = numbers.iter().filter(|number| !old(*number));
            assert!(new.all(|number| Some(number) > before), "{kind:?}: {numbers:?}, {before:?}");
        }
        self.files = now;
    }

    fn look(&self, view: &View) -> Content {
        let mut content = Content::new();
        for id in view.scan(&self.docs, None).unwrap().ids() {
            let id = id.unwrap();
            let record = view.get(&self.docs, &id).unwrap().unwrap();
            let number = record.vector()[0] as u32 / 7;
            assert_eq!(record.vector(), vector(number), "{id} has a vector that nobody wrote");
            content.insert(id, number);
        }
        content
    }

    fn check(&self) {
        assert_eq!(&self.look(&self.store.view()), self.content());
        for (view, content) in &self.views {
            assert_eq!(&self.look(view), content, "{view:?} changed");
        }
        let statistics = self.docs.statistics();
        let mut unique: Vec<u32> = self.content().values().copied().collect();
        let count = unique.len() as u64;
        unique.sort_unstable();
        unique.dedup();
        assert_eq!((statistics.vectors, statistics.total_references), (count, count));
        assert_eq!(statistics.unique_vectors, unique.len() as u64);
    }
}

#[test]
fn long_lives_lose_nothing_and_mix_up_nothing() {
    for seed in 1..=30_u64 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut chance = Chance::of(seed);
            let mut run = Run::new();
            for _ in 0..STEPS {
                run.step(&mut chance);
                run.check();
                run.check_files();
            }
            // Slots are used again: what lives a long time does not grow.
            run.docs.statistics().vector_file_bytes
        }));
        let bytes = outcome.unwrap_or_else(|_| panic!("seed {seed}"));
        assert!(bytes < 6_000_000, "seed {seed}: {bytes} bytes for 14 vectors of 16384");
    }
}
