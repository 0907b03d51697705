//! Who waits for an index does the work on it: the store's own thread runs behind all others, and might not come to it. What
//! panics meanwhile is told of, and stops nothing but that index.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrwdb::{Collection, CollectionConfig, Distance, Durability, Error, IndexConfig, Store};
use disk::{Disk, SimDisk};
use tempfile::TempDir;

const DIM: usize = 4;

/// Notes which threads ask for it, and panics when it is told to.
#[derive(Default)]
struct Asked {
    by: Mutex<BTreeSet<String>>,
    panics: AtomicBool,
}

impl Distance for Asked {
    fn name(&self) -> &str {
        "asked"
    }

    fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        assert!(!self.panics.load(Ordering::Relaxed), "it was told to");
        let name = std::thread::current().name().unwrap_or("one of the test").to_owned();
        self.by.lock().unwrap().insert(name);
        one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum()
    }
}

fn vector(number: u64) -> [f32; DIM] {
    [7, 31, 101, 1_009].map(|prime| (number * prime % 9_973) as f32)
}

/// A store with threads of its own, on a disk that goes with the directory.
fn open() -> (Arc<Asked>, Store, TempDir) {
    let (asked, dir) = (Arc::new(Asked::default()), tempfile::tempdir().unwrap());
    let options = Store::options().distance(Arc::clone(&asked) as Arc<dyn Distance>);
    let store = options.open(dir.path()).unwrap();
    (asked, store, dir)
}

fn config() -> CollectionConfig {
    CollectionConfig::with_distance(DIM as u32, "asked").index(IndexConfig::hnsw())
}

fn fill(store: &Store, docs: &Collection, count: u64) {
    let mut batch = store.batch();
    (0..count).for_each(|number| _ = batch.upsert(docs, number, &vector(number)));
    batch.commit(Durability::Os).unwrap().wait().unwrap();
}

#[test]
fn who_waits_does_not_leave_it_to_the_thread_that_runs_behind_others() {
    let (asked, store, _dir) = open();
    let config = config();
    let docs = store.create_collection("docs", config).unwrap();
    fill(&store, &docs, 3_000);
    // Far more than one turn of that thread, and so it is not done before anybody waits.
    docs.wait_indexed().unwrap();
    let index = docs.statistics().index;
    assert_eq!((index.indexed, index.behind), (3_000, 0));
    let by = asked.by.lock().unwrap().clone();
    assert!(by.iter().any(|name| name != "arrwdb-index"), "{by:?}");
    store.close().unwrap();
}

#[test]
fn an_index_goes_on_for_whoever_writes_though_nobody_has_the_store_itself_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::options().index_lag(500).open(dir.path()).unwrap();
    let config = CollectionConfig::new(DIM as u32, arrwdb::Metric::L2).index(IndexConfig::hnsw());
    let docs = store.create_collection("docs", config).unwrap();
    fill(&store, &docs, 1_000);
    let mut batch = store.batch();
    (1_000..2_000).for_each(|number| _ = batch.upsert(&docs, number, &vector(number)));
    drop(store);
    batch.commit(Durability::Os).unwrap().wait().unwrap();
    // It waits, as there are too many, and has somebody to wait for.
    docs.upsert(2_000, &vector(2_000)).unwrap();
    assert!(docs.statistics().index.behind <= 501);
    docs.wait_indexed().unwrap();
    assert_eq!(docs.statistics().index.indexed, 2_001);
}

#[test]
fn what_panics_on_the_stores_own_thread_stops_no_other_index() {
    let (asked, store, _dir) = open();
    let config = config();
    let docs = store.create_collection("docs", config.clone()).unwrap();
    let others = store.create_collection("others", config).unwrap();
    asked.panics.store(true, Ordering::Relaxed);
    fill(&store, &docs, 300);
    while docs.statistics().index.stopped.is_none() {
        std::thread::yield_now();
    }
    asked.panics.store(false, Ordering::Relaxed);
    fill(&store, &others, 300);
    others.wait_indexed().unwrap();
    assert_eq!(others.statistics().index.indexed, 300);
    let refused = docs.wait_indexed().unwrap_err();
    assert!(matches!(&refused, Error::IndexPanicked { name } if name == "docs"), "{refused}");
    store.close().unwrap();
    // What has all there is has it still, though nobody goes on with it.
    others.wait_indexed().unwrap();
}

#[test]
fn what_panics_stops_that_index_and_is_told_of() {
    let asked = Arc::new(Asked::default());
    let options = Store::options().stepped().distance(Arc::clone(&asked) as Arc<dyn Distance>);
    let disk = SimDisk::new(1);
    let store = options.clone().open_on(Arc::new(disk.clone()) as Arc<dyn Disk>).unwrap();
    let config = config();
    let docs = store.create_collection("docs", config.clone()).unwrap();
    let others = store.create_collection("others", config).unwrap();
    fill(&store, &docs, 300);
    asked.panics.store(true, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| docs.wait_indexed())).is_err());
    asked.panics.store(false, Ordering::Relaxed);

    let refused = docs.wait_indexed().unwrap_err();
    assert!(matches!(&refused, Error::IndexPanicked { name } if name == "docs"), "{refused}");
    assert_eq!(docs.statistics().index.stopped, Some(refused.to_string()));
    // Nothing that was written is missing, writes go on, and so do other collections.
    docs.upsert(300, &vector(300)).unwrap();
    for number in [0, 150, 300] {
        assert_eq!(docs.search(&vector(number)).k(1).run().unwrap()[0].id, number.into());
    }
    fill(&store, &others, 100);
    others.wait_indexed().unwrap();
    assert_eq!(others.statistics().index.indexed, 100);

    store.close().unwrap();
    drop((store, docs, others));
    let store = options.open_on(Arc::new(disk) as Arc<dyn Disk>).unwrap();
    let docs = store.collection("docs").unwrap();
    docs.wait_indexed().unwrap();
    assert_eq!(docs.statistics().index.indexed, 301);
}
