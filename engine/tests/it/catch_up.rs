//! Long runs from a seed: whatever is written, stepped, viewed, closed, killed, crashed and changed to another index, each
//! search finds what looking at all would, for now and for every view that is kept.
//!
//! With so few vectors a graph finds all of them, so that its answers are held against the same.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrwdb::kinds::{HnswConfig, KdTreeConfig, LshConfig};
use arrwdb::{Collection, CollectionConfig, Durability, Id, IndexConfig, Metric, Store, View};
use disk::{Disk, SimDisk};

use crate::chance::Chance;

const STEPS: u32 = 120;
/// Of so many ids and different vectors.
const IDS: u64 = 60;
const VECTORS: u64 = 40;

type Content = BTreeMap<u64, u64>;

struct Run {
    dim: u32,
    disk: SimDisk,
    store: Store,
    docs: Collection,
    content: Content,
    views: Vec<(View, Content)>,
}

fn open(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::options().stepped().open_on(disk).unwrap()
}

fn index(chance: &mut Chance) -> IndexConfig {
    match chance.below(7) {
        0 => IndexConfig::flat(),
        1 => IndexConfig::auto(),
        // So few that trees and tables are made of them all the same.
        2 => KdTreeConfig::default().leaf(4).buffer(64).fan_out(2).into(),
        3 => LshConfig::default().tables_from(16).num_tables(4).target_recall(1.0).into(),
        4 => HnswConfig::default().m(4).ef_construction(40).ef_search(300).into(),
        _ => HnswConfig::default().m(6).ef_construction(30).ef_search(300).seed(7).into(),
    }
}

/// Several lie equally far from others, and so do ids that share one.
fn vector(dim: u32, number: u64) -> Vec<f32> {
    let mut chance = Chance::of(number / 2);
    let sign = if number.is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..dim).map(|_| sign * (chance.below(9) as f32 - 4.0)).collect()
}

impl Run {
    fn new(chance: &mut Chance) -> Run {
        // Of so few numbers no codes are made, and of so many there are.
        let dim = if chance.below(2) == 0 { 3 } else { 64 };
        let disk = SimDisk::new(1);
        let store = open(&disk);
        let config = CollectionConfig::new(dim, Metric::L2).index(index(chance));
        let docs = store.create_collection("docs", config).unwrap();
        Run { dim, disk, store, docs, content: Content::new(), views: Vec::new() }
    }

    fn reopen(&mut self, disk: SimDisk) {
        self.views.clear();
        self.disk = disk;
        // What is held by the one before lies on another disk, or is closed.
        self.store = open(&self.disk);
        self.docs = self.store.collection("docs").unwrap();
    }

    fn step(&mut self, chance: &mut Chance) {
        match chance.below(30) {
            0..=13 => self.batch(chance),
            14..=17 => _ = self.store.step().unwrap(),
            18 => while self.store.step().unwrap() {},
            19 => self.docs.wait_indexed().unwrap(),
            20 => drop(self.store.checkpoint().unwrap()),
            21 | 22 => self.views.push((self.store.view(), self.content.clone())),
            23 => drop(self.views.pop()),
            24 => {
                self.store.close().unwrap();
                self.reopen(self.disk.after_kill(0));
                let index = self.docs.statistics().index;
                assert_eq!(index.inserted, 0);
                if index.building.is_none() {
                    let there = self.docs.statistics().unique_vectors;
                    assert_eq!((index.indexed, index.behind), (there, 0), "{index:?}");
                }
            }
            25 => self.reopen(self.disk.after_kill(chance.below(1 << 40))),
            26 => {
                let image = self.disk.after_random_crash(chance.below(1 << 40));
                self.reopen(SimDisk::from_image(&image, chance.below(1 << 40)));
            }
            27 => self.docs.set_index(index(chance)).unwrap(),
            28 => self.docs.rebuild().unwrap(),
            _ => {
                if chance.below(4) == 0 {
                    self.docs.clear().unwrap();
                    self.content.clear();
                }
            }
        }
    }

    fn batch(&mut self, chance: &mut Chance) {
        let mut batch = self.store.batch();
        let mut changed = self.content.clone();
        let first = chance.below(IDS);
        for at in 0..1 + chance.below(12) {
            let id = (first + 7 * at) % IDS;
            if chance.below(3) == 0 {
                batch.remove(&self.docs, id);
                changed.remove(&id);
            } else {
                let number = chance.below(VECTORS);
                batch.upsert(&self.docs, id, &vector(self.dim, number));
                changed.insert(id, number);
            }
        }
        batch.commit(Durability::Sync).unwrap().wait().unwrap();
        self.content = changed;
    }

    fn nearest(&self, content: &Content, query: &[f32], k: usize) -> Vec<(Id, f32)> {
        let far = |number| Metric::L2.distance(query, &vector(self.dim, number));
        let mut all: Vec<_> =
            content.iter().map(|(id, number)| (Id::from(*id), far(*number))).collect();
        all.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
        all.truncate(k);
        all
    }

    fn check(&self, chance: &mut Chance) {
        let query = vector(self.dim, chance.below(VECTORS + 20));
        let k = 1 + chance.below(15) as usize;
        let found = self.docs.search(&query).k(k).ef(300).run().unwrap();
        let found: Vec<_> = found.iter().map(|hit| (hit.id.clone(), hit.distance)).collect();
        assert_eq!(found, self.nearest(&self.content, &query, k), "{:?}", self.docs.statistics());
        for (view, content) in &self.views {
            let found = view.search(&self.docs, &query).unwrap().k(k).ef(300).run().unwrap();
            let found: Vec<_> = found.iter().map(|hit| (hit.id.clone(), hit.distance)).collect();
            assert_eq!(found, self.nearest(content, &query, k), "as {view:?} saw it");
        }
    }
}

#[test]
fn each_search_finds_what_looking_at_all_would() {
    for seed in 0..60_u64 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut chance = Chance::of(seed);
            let mut run = Run::new(&mut chance);
            for _ in 0..STEPS {
                run.step(&mut chance);
                run.check(&mut chance);
            }
            assert!(run.store.verify().unwrap().is_sound());
        }));
        outcome.unwrap_or_else(|_| panic!("seed {seed}"));
    }
}
