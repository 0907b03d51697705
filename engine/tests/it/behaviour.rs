//! What a store does: ids, batches, views, search, checkpoints, closing and opening again.

use std::path::Path;
use std::sync::Arc;

use arrwdb::{
    CollectionConfig, Dedup, Durability, Error, Id, Metric, Sequence, Store, StoreOptions,
    VectorHash, View,
};
use disk::{Disk, SimDisk};

fn options() -> StoreOptions {
    Store::options().stepped().log_file_bytes(8_192, 65_536)
}

fn on(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    options().open_on(disk).unwrap()
}

fn ids(hits: &[arrwdb::Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.id.to_string()).collect()
}

#[test]
fn what_is_written_is_read_and_survives_closing() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let config = CollectionConfig::new(3, Metric::L2);
    let docs = store.create_collection("docs", config.clone()).unwrap();
    docs.upsert("a", &[1.0, 0.0, 0.0]).unwrap();
    docs.upsert(7, &[0.0, 1.0, 0.0]).unwrap();
    docs.upsert("a", &[0.0, 0.0, 1.0]).unwrap();
    assert!(docs.remove(7).unwrap() && !docs.remove(7).unwrap());
    docs.upsert(8, &[0.5, 0.5, -0.0]).unwrap();
    store.close().unwrap();
    drop((store, docs));

    let store = on(&disk);
    let docs = store.collection("docs").unwrap();
    assert_eq!((docs.len(), docs.config()), (2, &config));
    assert_eq!(docs.get("a").unwrap().unwrap().vector(), [0.0, 0.0, 1.0]);
    let record = docs.get(8).unwrap().unwrap();
    assert_eq!(record.vector()[2].to_bits(), (-0.0_f32).to_bits(), "bit for bit");
    assert!(docs.get(7).unwrap().is_none() && docs.get("b").unwrap().is_none());
    docs.upsert("b", &[9.0, 9.0, 9.0]).unwrap();
    assert_eq!(docs.get("b").unwrap().unwrap().vector(), [9.0; 3]);
}

#[test]
fn a_store_that_was_closed_is_opened_without_a_write() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    docs.upsert(1, &[1.0, 2.0]).unwrap();
    store.close().unwrap();
    drop((store, docs));
    let before = disk.contents().sum();
    let store = on(&disk);
    assert_eq!(disk.contents().sum(), before);
    assert_eq!(store.collection("docs").unwrap().len(), 1);
    store.close().unwrap();
    assert_eq!(disk.contents().sum(), before, "nor is it closed with one");
}

#[test]
fn hits_are_exact_and_equal_distances_are_in_the_order_of_ids() {
    let store = on(&SimDisk::new(1));
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    let mut batch = store.batch();
    for number in 0..50_u64 {
        batch.upsert(&docs, number, &[number as f32 / 2.0, 0.0]);
    }
    batch.upsert(&docs, "twin", &[5.0, 0.0]).upsert(&docs, "a", &[5.0, 0.0]);
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    let hits = docs.search(&[5.0, 0.0]).k(5).run().unwrap();
    assert_eq!(ids(&hits), ["10", "a", "twin", "9", "11"]);
    assert_eq!((hits[0].distance, hits[4].distance), (0.0, 0.5));
    assert!(hits.complete());
    let near = docs.search(&[5.0, 0.0]).k(100).within(0.5).run().unwrap();
    assert_eq!(near.len(), 5);
    assert!(matches!(docs.search(&[5.0, 0.0]).k(0).run(), Err(Error::NothingAskedFor)));
    assert_eq!(docs.search(&[5.0, 0.0]).k(1_000).run().unwrap().len(), 52);
    assert!(matches!(docs.search(&[1.0]).run(), Err(Error::Vectors(_))));
    assert!(matches!(docs.search(&[f32::NAN, 0.0]).run(), Err(Error::Vectors(_))));
}

#[test]
fn many_queries_have_the_answers_that_each_has() {
    let store = on(&SimDisk::new(1));
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    let mut batch = store.batch();
    for number in 0..300_u64 {
        batch.upsert(&docs, number, &[(number % 17) as f32, (number % 23) as f32]);
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    let queries: Vec<[f32; 2]> = (0..50).map(|at| [at as f32 / 3.0, 7.5]).collect();
    let each = |query: &[f32; 2]| docs.search(query).k(7).within(9.0).run().unwrap();
    let found = docs.search_batch(&queries).k(7).within(9.0).run().unwrap();
    assert_eq!(found, queries.iter().map(each).collect::<Vec<_>>());
    let view = store.view();
    docs.clear().unwrap();
    assert_eq!(view.search_batch(&docs, &queries).unwrap().k(7).within(9.0).run().unwrap(), found);
    assert!(docs.search_batch(&queries).run().unwrap().iter().all(|hits| hits.is_empty()));
    let wrong = [vec![1.0, 2.0], vec![1.0]];
    assert!(matches!(docs.search_batch(&wrong).run(), Err(Error::Vectors(_))));
    assert!(docs.search_batch::<[f32; 2]>(&[]).run().unwrap().is_empty());
    let hit = &found[0][0];
    assert_eq!(hit.record().unwrap().vector()[0] as u64, u64_of(&hit.id) % 17, "as it was found");
    assert_eq!(hit.similarity(), 1.0 / (1.0 + hit.distance));
}

fn u64_of(id: &Id) -> u64 {
    if let Id::Number(number) = id { *number } else { panic!("{id}") }
}

#[test]
fn metrics_rank_as_they_say() {
    let store = on(&SimDisk::new(1));
    for (metric, expected) in [
        (Metric::L2, ["close", "long", "across"]),
        (Metric::Cosine, ["close", "long", "across"]),
        (Metric::Dot, ["long", "close", "across"]),
    ] {
        let config = CollectionConfig::new(2, metric);
        let docs = store.create_collection(metric.name(), config).unwrap();
        docs.upsert("close", &[1.0, 0.1]).unwrap();
        docs.upsert("long", &[3.0, 1.0]).unwrap();
        docs.upsert("across", &[-2.0, 2.0]).unwrap();
        assert_eq!(ids(&docs.search(&[1.0, 0.0]).run().unwrap()), expected, "{metric:?}");
    }
}

#[test]
fn a_batch_happens_in_all_collections_at_once_or_not_at_all() {
    let store = on(&SimDisk::new(1));
    let one = store.create_collection("one", CollectionConfig::new(2, Metric::L2)).unwrap();
    let two = store.create_collection("two", CollectionConfig::new(3, Metric::Dot)).unwrap();
    let mut batch = store.batch();
    batch.upsert(&one, 1, &[1.0, 2.0]).upsert(&two, 1, &[1.0, 2.0, 3.0]).remove(&one, 9);
    assert_eq!(batch.len(), 3);
    let at = batch.commit(Durability::Sync).unwrap().wait().unwrap();
    assert_eq!(store.sequence(), Some(at));
    let mut batch = store.batch();
    batch.upsert(&one, 2, &[1.0, 2.0]).upsert(&two, 2, &[f32::INFINITY, 0.0, 0.0]);
    let refused = batch.commit(Durability::Sync).unwrap_err();
    assert!(refused.to_string().contains("number 0 of the vector is inf"), "{refused}");
    assert_eq!((one.len(), two.len(), store.sequence()), (1, 1, Some(at)));
    let elsewhere = on(&SimDisk::new(2));
    let mut batch = elsewhere.batch();
    batch.upsert(&one, 3, &[1.0, 2.0]);
    assert!(matches!(batch.commit(Durability::Sync), Err(Error::Foreign { .. })));
}

#[test]
fn a_view_sees_its_number_whatever_happens_meanwhile() {
    let store = on(&SimDisk::new(1));
    let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2)).unwrap();
    docs.upsert(1, &[1.0]).unwrap();
    docs.upsert(2, &[2.0]).unwrap();
    let view = store.view();
    docs.upsert(1, &[10.0]).unwrap();
    docs.remove(2).unwrap();
    store.checkpoint().unwrap();
    docs.upsert(3, &[3.0]).unwrap();
    store.checkpoint().unwrap();
    store.checkpoint().unwrap();
    for number in 10..200 {
        docs.upsert(number, &[number as f32]).unwrap();
    }
    assert_eq!(view.get(&docs, 1).unwrap().unwrap().vector(), [1.0]);
    assert_eq!(view.get(&docs, 2).unwrap().unwrap().vector(), [2.0]);
    assert!(view.get(&docs, 3).unwrap().is_none());
    let seen: Result<Vec<_>, _> = view.scan(&docs, None).unwrap().ids().collect();
    assert_eq!(seen.unwrap(), [Id::from(1), Id::from(2)]);
    assert_eq!((view.count(&docs).unwrap(), docs.len()), (2, 192));
    assert_eq!(ids(&view.search(&docs, &[2.1]).unwrap().run().unwrap()), ["2", "1"]);
    let young = store.create_collection("young", CollectionConfig::new(1, Metric::L2)).unwrap();
    assert!(matches!(view.get(&young, 1), Err(Error::NoCollection { .. })));
    assert_eq!(docs.get(1).unwrap().unwrap().vector(), [10.0]);
}

#[test]
fn a_checkpoint_shortens_the_log_and_changes_no_answer() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", CollectionConfig::new(64, Metric::L2)).unwrap();
    let vector =
        |number: u64| -> Vec<f32> { (0..64).map(|at| (number * 64 + at) as f32).collect() };
    for round in 0..6_u64 {
        for number in 0..100 {
            docs.upsert(number, &vector(number % 7 + round)).unwrap();
        }
        store.checkpoint().unwrap();
    }
    let log_bytes = |disk: &SimDisk| -> usize {
        let image = disk.contents();
        let files = image.files().filter(|path| path.starts_with("wal"));
        files.map(|path| image.bytes(path).unwrap().len()).sum()
    };
    assert!(log_bytes(&disk) < 400_000, "{}", log_bytes(&disk));
    drop((docs, store));
    let store = on(&disk);
    let docs = store.collection("docs").unwrap();
    assert_eq!(docs.len(), 100);
    for number in 0..100 {
        assert_eq!(docs.get(number).unwrap().unwrap().vector(), vector(number % 7 + 5));
    }
}

#[test]
fn checkpoints_are_made_as_the_log_grows() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let store = options().checkpoint_bytes(20_000).open_on(Arc::clone(&disk)).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(64, Metric::L2)).unwrap();
    for number in 0..1_000 {
        docs.upsert(number % 10, &[number as f32; 64]).unwrap();
        store.step().unwrap();
    }
    // Each has an image of the next number; for one of the index there are too few vectors. What the index has yet to hear of is
    // in each, so that they grow.
    let newest = disk.list(Path::new("images")).unwrap().into_iter().map(|it| it.name).max();
    let newest = newest.unwrap().into_string().unwrap();
    let made = newest.trim_end_matches(".img").parse::<u32>().unwrap() - 1;
    assert!((3..30).contains(&made), "{made}");
}

#[test]
fn duplicates_are_kept_once() {
    let store = on(&SimDisk::new(1));
    for (name, dedup, unique) in
        [("exact", Dedup::Exact, 2), ("six", Dedup::Decimals(6), 1), ("off", Dedup::Off, 20)]
    {
        let config = CollectionConfig::new(2, Metric::L2).dedup(dedup);
        let docs = store.create_collection(name, config).unwrap();
        for number in 0..20_u64 {
            let vector = [1.0, if number.is_multiple_of(2) { 0.0 } else { 1e-9 }];
            let mut batch = store.batch();
            batch.upsert_hashed(&docs, number, &vector, VectorHash::of(&[1.0, 0.0]));
            batch.commit(Durability::Os).unwrap().wait().unwrap();
        }
        assert_eq!(docs.len(), 20);
        assert_eq!(docs.statistics().unique_vectors, unique, "{name}");
        assert_eq!(docs.statistics().total_references, 20);
    }
}

#[test]
fn what_cannot_be_is_refused_in_plain_words() {
    let store = on(&SimDisk::new(1));
    let config = CollectionConfig::new(2, Metric::L2);
    let docs = store.create_collection("docs", config.clone()).unwrap();
    let (long, fine) = ("x".repeat(2_000), Dedup::Decimals(13));
    let refusals = [
        store.create_collection("docs", config.clone()).map(drop),
        store.create_collection("", config.clone()).map(drop),
        store.create_collection(&long, config).map(drop),
        store.create_collection("flat", CollectionConfig::new(0, Metric::L2)).map(drop),
        store.create_collection("fine", CollectionConfig::new(2, Metric::L2).dedup(fine)).map(drop),
        store.collection("nothing").map(drop),
        docs.upsert("", &[1.0, 2.0]).map(drop),
        docs.upsert(long.as_str(), &[1.0, 2.0]).map(drop),
        docs.upsert(1, &[1.0]).map(drop),
        docs.upsert(1, &[1.0, f32::NAN]).map(drop),
    ];
    for refused in refusals {
        let words = refused.unwrap_err().to_string();
        assert!(words.len() > 20 && !words.contains("Error"), "{words}");
    }
    assert_eq!(docs.len(), 0);
}

/// What is near is asked of vectors, and counted in ids: of those that the view sees.
#[test]
fn ten_thousand_ids_have_one_vector_and_a_view_sees_three_of_them() {
    let store = on(&SimDisk::new(1));
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    let put = |ids: std::ops::Range<u64>| {
        let mut batch = store.batch();
        for id in ids {
            batch.upsert(&docs, id, &[1.0, 2.0]);
        }
        batch.commit(Durability::Sync).unwrap().wait().unwrap();
    };
    docs.upsert("far", &[9.0, 9.0]).unwrap();
    put(0..3);
    let old = store.view();
    put(3..5_000);
    store.checkpoint().unwrap();
    put(5_000..10_000);
    docs.remove(1).unwrap();
    let found = |view: &View, k: usize| {
        let hits = view.search(&docs, &[1.0, 2.0]).unwrap().k(k).within(1.0).run().unwrap();
        assert!(hits.complete());
        ids(&hits)
    };
    let new = store.view();
    for _ in 0..2 {
        assert_eq!(found(&old, 5), ["0", "1", "2"], "k counts ids, and these are all that it sees");
        assert_eq!(found(&new, 5), ["0", "2", "3", "4", "5"]);
        assert_eq!(found(&new, 20_000).len(), 9_999);
        let counted = docs.statistics();
        assert_eq!((counted.total_references, counted.unique_vectors), (10_000, 2));
        let slot = docs.get(0).unwrap().unwrap().slot();
        let of = |view: &View| view.get_by_slot(&docs, &[slot, slot + 100]).unwrap();
        assert_eq!((of(&old)[0].len(), of(&new)[0].len(), of(&new)[1].len()), (3, 9_999, 0));
        store.checkpoint().unwrap();
    }
}

#[test]
fn a_store_is_open_once_and_as_long_as_anything_of_it_lives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    assert!(matches!(Store::options().existing().open(&path), Err(Error::Disk(_))));
    let store = Store::open(&path).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    docs.upsert(1, &[1.0, 2.0]).unwrap();
    assert!(matches!(Store::open(&path), Err(Error::Disk(disk::Error::Locked { .. }))));
    let record = docs.get(1).unwrap().unwrap();
    store.close().unwrap();
    assert!(matches!(docs.upsert(2, &[1.0, 2.0]), Err(Error::Closed)));
    drop((docs, store));
    assert!(Store::open(&path).is_err(), "a vector of it is still lent");
    assert_eq!(record.vector(), [1.0, 2.0]);
    drop(record);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.collection("docs").unwrap().len(), 1);
    assert!(store.sequence() > Some(Sequence::FIRST));
}

#[test]
fn many_threads_write_and_read_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let options = Store::options().checkpoint_bytes(100_000);
    let store = options.open(dir.path().join("data")).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(8, Metric::L2)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (docs, store) = (docs.clone(), store.clone());
            scope.spawn(move || {
                for round in 0..100_u64 {
                    let id = thread * 1_000 + round % 20;
                    let vector = [(id * 100 + round) as f32; 8];
                    let mut batch = store.batch();
                    batch.upsert(&docs, id, &vector);
                    let level = if round % 10 == 0 { Durability::Sync } else { Durability::Os };
                    batch.commit(level).unwrap().wait().unwrap();
                    assert_eq!(docs.get(id).unwrap().unwrap().vector(), vector, "read your writes");
                    if round % 25 == 24 {
                        let hits = docs.search(&vector).k(1).run().unwrap();
                        assert_eq!((hits[0].distance, &hits[0].id), (0.0, &Id::from(id)));
                    }
                    if round == 50 + thread {
                        store.checkpoint().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(docs.len(), 160);
    store.close().unwrap();
    drop((docs, store));
    let store = Store::open(dir.path().join("data")).unwrap();
    let docs = store.collection("docs").unwrap();
    for thread in 0..8_u64 {
        for low in 0..20 {
            let id = thread * 1_000 + low;
            let last = (id * 100 + 80 + low) as f32;
            assert_eq!(docs.get(id).unwrap().unwrap().vector(), [last; 8], "id {id}");
        }
    }
}
