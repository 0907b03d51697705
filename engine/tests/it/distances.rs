//! Stores of collections that are compared by distances of the caller's own: searched like any others, and not opened
//! without them.

use std::sync::Arc;

use arrwdb::{
    CollectionConfig, DISTANCE_NAME_BYTES_MAX, Distance, Durability, Error, Id, Metric, Store,
    StoreOptions, inspect,
};
use disk::{Disk, OsDisk, SimDisk};

use crate::store::Manhattan;

/// One more, of any name: the number that two vectors begin with says how far they are.
struct Named(String);

impl Distance for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        let (one, other) = (one[0], other[0]);
        if one == other {
            -0.0
        } else if one.max(other) > 100.0 {
            f32::NAN
        } else {
            one.max(other)
        }
    }
}

fn options() -> StoreOptions {
    Store::options().stepped().log_file_bytes(8_192, 65_536)
}

fn named(name: &str) -> Arc<dyn Distance> {
    Arc::new(Named(name.to_owned()))
}

fn open(options: StoreOptions, disk: &SimDisk) -> arrwdb::Result<Store> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    options.open_on(disk)
}

fn vector(number: u64) -> [f32; 3] {
    [number % 17, number % 11, number % 5].map(|number| number as f32 - 2.0)
}

/// All ids by the Manhattan distance, the nearest first.
fn by_hand(count: u64, query: &[f32]) -> Vec<(f32, Id)> {
    let near = |number| (Manhattan.distance(query, &vector(number)), Id::from(number));
    let mut all: Vec<_> = (0..count).map(near).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
    all
}

fn check(store: &Store, count: u64) {
    let blocks = store.collection("blocks").unwrap();
    assert_eq!((blocks.config().metric(), blocks.config().distance_name()), (None, "manhattan"));
    for query in [vector(3), vector(1_000), [0.5, -7.0, 1e9]] {
        let hits = blocks.search(&query).k(usize::MAX).run().unwrap();
        let found: Vec<_> = hits.into_iter().map(|hit| (hit.distance, hit.id)).collect();
        assert_eq!(found, by_hand(count, &query));
        let hits = blocks.search(&query).k(7).within(9.0).run().unwrap();
        let found: Vec<_> = hits.into_iter().map(|hit| (hit.distance, hit.id)).collect();
        let near = by_hand(count, &query).into_iter().filter(|near| near.0 <= 9.0).take(7);
        assert_eq!(found, near.collect::<Vec<_>>());
    }
}

/// Vectors in a collection of a metric, and in one of the distance: made before the checkpoint or behind it.
fn fill(disk: &SimDisk, checkpoint: Checkpoint) {
    let store = open(options().distance(Arc::new(Manhattan)), disk).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(3, Metric::L2)).unwrap();
    docs.upsert("before", &[1.0, 2.0, 3.0]).unwrap();
    let config = CollectionConfig::with_distance(3, "manhattan");
    let blocks = store.create_collection("blocks", config).unwrap();
    let mut batch = store.batch();
    for number in 0..60 {
        batch.upsert(&blocks, number, &vector(number));
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    if checkpoint != Checkpoint::Never {
        store.checkpoint().unwrap();
    }
    for number in 60..90 {
        blocks.upsert(number, &vector(number)).unwrap();
    }
    docs.upsert("behind", &[4.0, 5.0, 6.0]).unwrap();
    if checkpoint == Checkpoint::Last {
        store.close().unwrap();
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Checkpoint {
    /// All of it is in the log.
    Never,
    /// Some of it is in an image.
    Between,
    /// All of it is in an image, and the store was closed.
    Last,
}

/// Whether the name is in the log, in an image, or in both.
#[test]
fn the_name_is_kept_and_without_the_distance_nothing_is_opened_or_changed() {
    for checkpoint in [Checkpoint::Never, Checkpoint::Between, Checkpoint::Last] {
        let disk = SimDisk::new(1);
        fill(&disk, checkpoint);
        let before = disk.contents().sum();
        let others = options().distance(named("manhattan ")).distance(named("Manhattan"));
        for options in [options(), options().existing(), others] {
            let error = open(options, &disk).unwrap_err();
            let words = error.to_string();
            let Error::DistanceMissing { path, collection, distance } = error else {
                panic!("{checkpoint:?}: {words}")
            };
            assert_eq!((&*path, &*collection, &*distance), (disk.root(), "blocks", "manhattan"));
            assert!(words.contains("\"blocks\"") && words.contains("\"manhattan\""), "{words}");
            assert_eq!(disk.contents().sum(), before, "{checkpoint:?}: nothing is changed");
        }
        let at: Arc<dyn Disk> = Arc::new(disk.clone());
        let found = options().verify_on(at, |_, _| ()).unwrap();
        assert!(found.is_sound() && found.bytes > 0, "{found:?}");
        let given = options().existing().distance(named("other")).distance(Arc::new(Manhattan));
        let store = open(given, &disk).unwrap();
        check(&store, 90);
        let docs = store.collection("docs").unwrap();
        assert_eq!((docs.len(), docs.config().metric()), (2, Some(Metric::L2)));
        assert!(store.verify().unwrap().is_sound());
    }
}

#[test]
fn it_is_asked_for_again_however_often_the_store_is_opened() {
    let disk = SimDisk::new(1);
    fill(&disk, Checkpoint::Never);
    for round in 0..3 {
        let store = open(options().distance(Arc::new(Manhattan)), &disk).unwrap();
        check(&store, 90 + round);
        let blocks = store.collection("blocks").unwrap();
        blocks.upsert(90 + round, &vector(90 + round)).unwrap();
        store.close().unwrap();
        drop((blocks, store));
        assert!(matches!(open(options(), &disk), Err(Error::DistanceMissing { .. })));
    }
}

#[test]
fn what_is_no_number_is_no_hit_and_there_is_one_zero() {
    let store = open(options().distance(named("first")), &SimDisk::new(1)).unwrap();
    let config = CollectionConfig::with_distance(1, "first");
    let docs = store.create_collection("docs", config).unwrap();
    for (id, number) in [("z", 1.0), ("far", 101.0), ("b", 0.0), ("c", 2.0), ("a", 1.0)] {
        docs.upsert(id, &[number]).unwrap();
    }
    let found = |query: f32| -> Vec<(String, u32)> {
        let hits = docs.search(&[query]).run().unwrap();
        hits.iter().map(|hit| (hit.id.to_string(), hit.distance.to_bits())).collect()
    };
    let hit = |id: &str, distance: f32| (id.to_owned(), distance.to_bits());
    assert_eq!(found(1.0), [hit("a", 0.0), hit("z", 0.0), hit("b", 1.0), hit("c", 2.0)]);
    assert_eq!(found(101.0), [hit("far", 0.0)]);
    assert_eq!(found(0.0), [hit("b", 0.0), hit("a", 1.0), hit("z", 1.0), hit("c", 2.0)]);
}

#[test]
fn distances_with_impossible_names_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |options: StoreOptions| {
        let path = dir.path().join("store");
        let error = options.clone().open(&path).unwrap_err();
        let made = OsDisk::options().open(&path).is_ok();
        assert!(!made, "no directory is made");
        let disk = SimDisk::new(1);
        let before = disk.contents().sum();
        assert_eq!(open(options, &disk).unwrap_err().to_string(), error.to_string());
        assert_eq!(disk.contents().sum(), before);
        error
    };
    let long = "x".repeat(DISTANCE_NAME_BYTES_MAX + 1);
    for (name, expected) in [
        ("", "the name of a distance is empty"),
        (&long, "the name of a distance has 65 bytes, where 64 are the most"),
        ("l2", "l2 is the name of a metric"),
        ("dot", "dot is the name of a metric"),
    ] {
        // Also in front of one that can be.
        let error = refused(options().distance(named(name)).distance(named("a")));
        let Error::BadDistanceName { name: found, why } = error else { panic!("{error}") };
        assert_eq!((&*found, &*why), (name, expected));
    }
    let twice = options().distance(named("a")).distance(named("b")).distance(named("a"));
    assert!(matches!(refused(twice), Error::DistanceTwice { name } if name == "a"));
}

#[test]
fn no_collection_is_made_of_a_distance_that_was_not_given() {
    let longest = "x".repeat(DISTANCE_NAME_BYTES_MAX);
    let disk = SimDisk::new(1);
    let store = open(options().distance(named("a")).distance(named(&longest)), &disk).unwrap();
    let create = |name: &str| {
        store.create_collection("docs", CollectionConfig::with_distance(2, name)).map(drop)
    };
    let before = disk.contents().sum();
    let missing = create("A").unwrap_err();
    assert!(missing.is_clean_refusal());
    let Error::DistanceMissing { collection, distance, .. } = missing else { panic!("{missing}") };
    assert_eq!((&*collection, &*distance), ("docs", "A"));
    for name in ["", "cosine", &format!("{longest}x")] {
        assert!(matches!(create(name), Err(Error::BadDistanceName { .. })), "{name}");
    }
    assert_eq!((disk.contents().sum(), store.sequence()), (before, None), "nothing is made");
    create(&longest).unwrap();
    assert_eq!(store.collection("docs").unwrap().config().distance_name(), longest);
}

/// Whoever only looks needs no distance.
#[test]
fn a_store_is_looked_at_without_the_distance() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::options().distance(Arc::new(Manhattan)).open(&path).unwrap();
    let config = CollectionConfig::with_distance(2, "manhattan");
    store.create_collection("blocks", config).unwrap().upsert(1, &[1.0, 2.0]).unwrap();
    store.close().unwrap();
    drop(store);
    assert!(matches!(Store::open(&path), Err(Error::DistanceMissing { .. })));
    assert!(Store::options().verify(&path, |_, _| ()).unwrap().is_sound());
    let mut lines = Vec::new();
    Store::options().read_log(&path, |_, seen| lines.extend_from_slice(seen)).unwrap();
    assert_eq!(lines[0], "create collection blocks, 2 numbers, manhattan");
    for folder in ["manifests", "images", "vectors", "wal"] {
        let disk = OsDisk::options().open(&path).unwrap();
        for entry in disk.list(folder.as_ref()).unwrap() {
            let found = inspect(path.join(folder).join(&entry.name)).unwrap();
            assert!(found.is_sound, "{}", found.text);
        }
    }
}
