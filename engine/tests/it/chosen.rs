//! The kind of index that is chosen: by what the collection has, another one as that grows or shrinks, and nobody who searches
//! notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrwdb::kinds::LshConfig;
use arrwdb::{Collection, CollectionConfig, Durability, Id, IndexConfig, Metric, Store};
use disk::{Disk, SimDisk};

use crate::chance::Chance;

/// So many that trees are of no use.
const DIM: u32 = 16;
/// With so many there is a graph: they have no codes.
const GRAPH_FROM: u64 = 300;

fn vector(number: u64) -> Vec<f32> {
    let mut chance = Chance::of(number);
    (0..DIM).map(|_| chance.below(1_000) as f32 / 500.0 - 1.0).collect()
}

fn fill(store: &Store, docs: &Collection, numbers: std::ops::Range<u64>) {
    let mut batch = store.batch();
    numbers.for_each(|number| _ = batch.upsert(docs, number, &vector(number)));
    batch.commit(Durability::Os).unwrap().wait().unwrap();
}

fn config(dim: u32, metric: Metric) -> CollectionConfig {
    CollectionConfig::new(dim, metric).index(IndexConfig::auto())
}

/// How many of ten numbers are the nearest to themselves, and each answer is whole.
fn found(docs: &Collection, numbers: std::ops::Range<u64>) -> u64 {
    let mut chance = Chance::of(numbers.end);
    let mut is_found = || {
        let number = numbers.start + chance.below(numbers.end - numbers.start);
        let hits = docs.search(&vector(number)).k(10).run().unwrap();
        assert_eq!((hits.len(), hits.reason()), (10, None));
        hits[0].id == Id::from(number)
    };
    (0..10).filter(|_| is_found()).count() as u64
}

#[test]
fn what_grows_or_shrinks_is_searched_by_the_kind_that_suits_it() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let open = || Store::options().stepped().open_on(disk.clone()).unwrap();
    let store = open();
    let docs = store.create_collection("docs", config(DIM, Metric::L2)).unwrap();
    let step = |store: &Store| while store.step().unwrap() {};
    let kind = |docs: &Collection| docs.statistics().index.kind;
    assert_eq!((docs.index(), kind(&docs)), (IndexConfig::auto(), "flat"));
    fill(&store, &docs, 0..GRAPH_FROM - 1);
    step(&store);
    assert_eq!((kind(&docs), found(&docs, 0..GRAPH_FROM - 1)), ("flat", 10));
    assert!(docs.statistics().index.chosen.unwrap().contains("fewer than 300"));
    fill(&store, &docs, GRAPH_FROM - 1..GRAPH_FROM);
    // It is built beside the one that serves.
    while kind(&docs) == "flat" {
        assert_eq!(found(&docs, 0..GRAPH_FROM), 10);
        assert!(store.step().unwrap());
    }
    step(&store);
    docs.wait_indexed().unwrap();
    let index = docs.statistics().index;
    assert_eq!((index.kind, index.indexed, index.behind), ("hnsw", GRAPH_FROM, 0));
    assert!(index.chosen.unwrap().contains("a graph is faster"));
    assert!(index.rebuilt.unwrap().contains("a graph is faster"));
    assert!(found(&docs, 0..GRAPH_FROM) >= 9);
    // It is found as it was.
    store.close().unwrap();
    drop((store, docs));
    let store = open();
    let docs = store.collection("docs").unwrap();
    let index = docs.statistics().index;
    assert_eq!((index.kind, index.rebuilt, index.behind), ("hnsw", None, 0));
    assert!(index.chosen.is_some());
    let half = GRAPH_FROM / 2;
    for (left, kept) in [(half, "hnsw"), (half - 1, "flat")] {
        let mut batch = store.batch();
        (0..GRAPH_FROM - left).for_each(|number| _ = batch.remove(&docs, number));
        batch.commit(Durability::Os).unwrap().wait().unwrap();
        step(&store);
        assert_eq!((kind(&docs), docs.len()), (kept, left));
        assert!(found(&docs, GRAPH_FROM - left..GRAPH_FROM) >= 9);
    }
}

/// How many of the ten nearest are found of twenty vectors, in percent.
fn recall(docs: &Collection, count: u64) -> u64 {
    let mut found = 0;
    for number in count..count + 20 {
        let query = vector(number);
        let mut all: Vec<_> =
            (0..count).map(|other| Metric::L2.distance(&query, &vector(other))).collect();
        all.sort_by(f32::total_cmp);
        let hits = docs.search(&query).k(10).run().unwrap();
        found += hits.iter().filter(|hit| hit.distance <= all[9]).count() as u64;
    }
    found * 100 / (20 * 10)
}

#[test]
fn hash_tables_find_as_much_as_before_until_the_graph_is_there_that_was_chosen() {
    const MANY: u64 = 3_000;
    let store = Store::options().stepped().open_on(Arc::new(SimDisk::new(5))).unwrap();
    let tables = LshConfig::default().tables_from(512);
    let docs = store.create_collection("docs", config(DIM, Metric::L2).index(tables)).unwrap();
    fill(&store, &docs, 0..MANY);
    while store.step().unwrap() {}
    let before = recall(&docs, MANY);
    assert!((80..100).contains(&before), "{before}");
    docs.set_index(IndexConfig::auto()).unwrap();
    let mut steps = 0;
    while docs.statistics().index.kind == "lsh" {
        assert!(store.step().unwrap());
        if steps % 8 == 0 {
            let found = recall(&docs, MANY);
            assert!(found + 5 >= before, "{found} of a hundred, {before} before");
        }
        steps += 1;
    }
    assert!(steps > 8 && docs.statistics().index.kind == "hnsw");
    assert!(recall(&docs, MANY) >= 95);
}

#[test]
fn few_numbers_are_searched_by_trees_unless_there_can_be_none() {
    let store = Store::options().stepped().open_on(Arc::new(SimDisk::new(2))).unwrap();
    for (name, metric, kind) in [
        ("near", Metric::L2, "kdtree"),
        ("turned", Metric::Cosine, "kdtree"),
        ("dot", Metric::Dot, "flat"),
    ] {
        let docs = store.create_collection(name, config(2, metric)).unwrap();
        docs.upsert(1, &[3.0, 4.0]).unwrap();
        while store.step().unwrap() {}
        assert_eq!(docs.statistics().index.kind, kind);
        assert_eq!(docs.search(&[3.0, 4.0]).k(3).run().unwrap().len(), 1);
    }
}

/// Somebody writes, somebody searches, and nobody waits for the other index to be there: not for a graph where there are more and
/// more, and not for a flat index where few are left.
#[test]
fn answers_are_whole_while_another_kind_takes_over() {
    const MANY: u64 = 5_000;
    let store = Store::options().open_on(Arc::new(SimDisk::new(3))).unwrap();
    let docs = store.create_collection("docs", config(DIM, Metric::Cosine)).unwrap();
    let written = AtomicU64::new(0);
    let grow = || {
        for first in (0..MANY).step_by(200) {
            fill(&store, &docs, first..first + 200);
            written.store(first + 200, Ordering::Release);
        }
    };
    search_beside((&docs, "hnsw"), grow, || 0..written.load(Ordering::Acquire));
    let index = docs.statistics().index;
    assert_eq!((index.indexed, index.behind), (MANY, 0));
    let left = MANY - 100..MANY;
    let shrink = || {
        for first in (0..left.start).step_by(100) {
            let mut batch = store.batch();
            (first..first + 100).for_each(|number| _ = batch.remove(&docs, number));
            batch.commit(Durability::Os).unwrap().wait().unwrap();
        }
    };
    search_beside((&docs, "flat"), shrink, || left.clone());
    let index = docs.statistics().index;
    assert_eq!((index.indexed, index.behind), (100, 0));
}

/// Searches for what is there until something is done and another kind of index has it; nearly all is found.
fn search_beside(
    (docs, kind): (&Collection, &str),
    work: impl FnOnce() + Send,
    there: impl Fn() -> std::ops::Range<u64>,
) {
    let (mut asked, mut right) = (0, 0);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            work();
            docs.wait_indexed().unwrap();
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) || docs.statistics().index.kind != kind {
            let there = there();
            if !there.is_empty() {
                right += found(docs, there);
                asked += 10;
            }
        }
    });
    assert!(asked > 0 && right * 100 >= asked * 98, "{right} of {asked}");
}
