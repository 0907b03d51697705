//! Writing on a condition, and what a batch may not have.

use std::sync::Arc;

use arrwdb::{Collection, CollectionConfig, Durability, Error, Id, Metric, Store};
use disk::{Disk, SimDisk};

fn store(disk: &SimDisk) -> (Store, Collection) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = Store::options().stepped().open_on(disk).unwrap();
    let docs = match store.collection("docs") {
        Ok(docs) => docs,
        Err(_) => store.create_collection("docs", CollectionConfig::new(1, Metric::L2)).unwrap(),
    };
    (store, docs)
}

fn number(docs: &Collection, id: &str) -> Option<f32> {
    docs.get(id).unwrap().map(|record| record.vector()[0])
}

#[test]
fn what_is_to_be_new_is_refused_where_it_is_there() {
    let disk = SimDisk::new(1);
    let (store, docs) = store(&disk);
    let version = docs.insert("a", &[1.0]).unwrap();
    match docs.insert("a", &[2.0]) {
        Err(Error::IdExists { collection, id, version: found }) => {
            assert_eq!((collection.as_str(), id, found), ("docs", Id::from("a"), version));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(number(&docs, "a"), Some(1.0));
    docs.remove("a").unwrap();
    docs.insert("a", &[3.0]).unwrap();
    // Also what the image has.
    store.checkpoint().unwrap();
    let refused = docs.insert("a", &[4.0]).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("id a of collection \"docs\" exists already, since batch"), "{text}");
    assert!(refused.is_clean_refusal());
    assert_eq!(number(&docs, "a"), Some(3.0));
}

#[test]
fn who_was_too_slow_overwrites_nobody() {
    let disk = SimDisk::new(1);
    let (store, docs) = store(&disk);
    docs.upsert("a", &[1.0]).unwrap();
    for after in ["nothing", "a checkpoint"] {
        if after == "a checkpoint" {
            store.checkpoint().unwrap();
        }
        let read = docs.get("a").unwrap().unwrap();
        let at = docs.upsert_if("a", &[2.0], read.version()).unwrap();
        assert!(at > read.version());
        assert_eq!(docs.get("a").unwrap().unwrap().version(), at);
        match docs.upsert_if("a", &[3.0], read.version()) {
            Err(Error::OtherVersion { expected, found, .. }) => {
                assert_eq!((expected, found), (read.version(), Some(at)), "after {after}");
            }
            other => panic!("{other:?}"),
        }
        assert!(docs.remove_if("a", read.version()).is_err());
        assert_eq!(number(&docs, "a"), Some(2.0));
    }
    let version = docs.get("a").unwrap().unwrap().version();
    docs.remove_if("a", version).unwrap();
    let gone = docs.upsert_if("a", &[4.0], version).unwrap_err();
    assert!(matches!(gone, Error::OtherVersion { found: None, .. }), "{gone}");
    assert!(gone.to_string().contains("id a of collection \"docs\" is not there"), "{gone}");
}

#[test]
fn a_version_is_the_same_after_opening_again() {
    let disk = SimDisk::new(1);
    let (first, docs) = store(&disk);
    let versions = [docs.upsert("a", &[1.0]).unwrap(), docs.upsert("b", &[1.0]).unwrap()];
    first.checkpoint().unwrap();
    let later = docs.upsert("b", &[2.0]).unwrap();
    drop((first, docs));
    let (_store, docs) = store(&disk);
    assert_eq!(docs.get("a").unwrap().unwrap().version(), versions[0]);
    assert_eq!(docs.get("b").unwrap().unwrap().version(), later);
    docs.upsert_if("a", &[3.0], versions[0]).unwrap();
}

#[test]
fn one_condition_that_does_not_hold_refuses_the_whole_batch() {
    let disk = SimDisk::new(1);
    let (store, docs) = store(&disk);
    let version = docs.upsert("a", &[1.0]).unwrap();
    docs.upsert("b", &[1.0]).unwrap();
    let mut batch = store.batch();
    batch.upsert_if(&docs, "a", &[2.0], version).insert(&docs, "c", &[2.0]);
    batch.insert(&docs, "b", &[2.0]).note("far", b"2");
    let before = store.sequence();
    assert!(matches!(batch.commit(Durability::Sync), Err(Error::IdExists { .. })));
    assert_eq!(
        (number(&docs, "a"), number(&docs, "b"), number(&docs, "c")),
        (Some(1.0), Some(1.0), None)
    );
    assert_eq!((store.sequence(), store.note("far")), (before, None));
    assert_eq!(docs.statistics().unique_vectors, 1, "nothing is left of its vectors");
}

#[test]
fn an_id_is_in_a_batch_once() {
    let disk = SimDisk::new(1);
    let (store, docs) = store(&disk);
    let more = store.create_collection("more", CollectionConfig::new(1, Metric::L2)).unwrap();
    let put = |second: &dyn Fn(&mut arrwdb::Batch)| {
        let mut batch = store.batch();
        batch.upsert(&docs, "a", &[1.0]).upsert(&more, "a", &[1.0]);
        second(&mut batch);
        batch.commit(Durability::Sync).map(drop)
    };
    put(&|_| ()).unwrap();
    let twice: [&dyn Fn(&mut arrwdb::Batch); 3] = [
        &|batch| _ = batch.upsert(&docs, "a", &[2.0]),
        &|batch| _ = batch.remove(&docs, "a"),
        &|batch| _ = batch.remove(&more, "x").remove(&more, "x"),
    ];
    for second in twice {
        let refused = put(second).unwrap_err();
        assert!(matches!(refused, Error::TwiceInBatch { .. }), "{refused}");
        assert!(refused.to_string().contains("is in the batch twice"), "{refused}");
    }
}

#[test]
fn of_many_that_add_one_at_once_none_is_lost() {
    let disk = SimDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let store = Store::options().open_on(disk).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2)).unwrap();
    docs.insert("sum", &[0.0]).unwrap();
    let add = || {
        for _ in 0..25 {
            loop {
                let sum = docs.get("sum").unwrap().unwrap();
                match docs.upsert_if("sum", &[sum.vector()[0] + 1.0], sum.version()) {
                    Ok(_) => break,
                    Err(Error::OtherVersion { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(add))));
    assert_eq!(number(&docs, "sum"), Some(200.0));
}
