//! What a store is used wrongly for: each is refused by an error of its own sort, that names what was wrong, where, and
//! what to do; and nothing is changed by it.
//!
//! Elsewhere: `collections::names_that_no_collection_can_have_are_refused` and
//! `behaviour::a_store_is_open_once_and_as_long_as_anything_of_it_lives` have more cases of what is here;
//! `faults::whatever_fails_what_was_promised_is_kept` lets every call find a full disk, and no handle left.

use std::path::Path;
use std::sync::Arc;

use arrwdb::{Collection, CollectionConfig, Durability, Error, ID_BYTES_MAX, Metric, Store};
use base::checksum::Crc32;
use disk::{Access, Disk, Holder, OsDisk, SimDisk};

use crate::child::{REFUSED, Running, Task, refused, task};

fn on(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::options().stepped().log_file_bytes(8_192, 65_536).open_on(disk).unwrap()
}

fn docs(store: &Store, metric: Metric) -> Collection {
    store.create_collection("docs", CollectionConfig::new(2, metric)).unwrap()
}

/// An error is a line that has these words, and has something to do behind a semicolon.
fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert!(text.contains("; ") && !text.contains('\n'), "nothing to do: {text}");
}

/// What the disk said, whichever layers it came through.
pub(crate) fn of_the_disk(error: &Error) -> Option<&disk::Error> {
    fn of_the_log(error: &wal::Error) -> Option<&disk::Error> {
        match error {
            wal::Error::Disk(error) => Some(first(error)),
            wal::Error::Stopped { first } | wal::Error::Unknown { first, .. } => of_the_log(first),
            _ => None,
        }
    }
    fn first(error: &disk::Error) -> &disk::Error {
        if let disk::Error::Stopped { first: before, .. } = error { first(before) } else { error }
    }
    match error {
        Error::Disk(error) => Some(first(error)),
        Error::Log(error) => of_the_log(error),
        Error::Vectors(segments::Error::Disk(error)) => Some(first(error)),
        Error::Vectors(segments::Error::Stopped { first: error, .. }) => Some(first(error)),
        Error::Snapshot(snapshot::Error::Disk(error)) => Some(first(error)),
        Error::Snapshot(snapshot::Error::Stopped { first: error, .. }) => Some(first(error)),
        _ => None,
    }
}

#[test]
fn a_vector_of_another_dimension_is_refused() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store, Metric::L2);
    let error = docs.upsert("a", &[1.0, 2.0, 3.0]).unwrap_err();
    let Error::BadVector { collection, id, source } = &error else { panic!("{error:?}") };
    assert_eq!((collection.as_str(), id), ("docs", &"a".into()));
    let is_typed = matches!(**source, segments::Error::Dimension { found: 3, expected: 2 });
    assert!(is_typed, "{error:?}");
    says(&error, &["id a", "\"docs\"", "has 3 numbers", "give it one of 2"]);
    let error = docs.search(&[1.0]).run().unwrap_err();
    assert!(matches!(error, Error::Vectors(segments::Error::Dimension { .. })), "{error:?}");
    says(&error, &["has 1 numbers", "give it one of 2"]);
    let error = store.create_collection("flat", CollectionConfig::new(0, Metric::L2)).unwrap_err();
    assert!(matches!(error, Error::BadDimension { dim: 0 }), "{error:?}");
    says(&error, &["not 0", "choose a dimension"]);
    assert!(docs.is_empty());
}

#[test]
fn a_number_that_is_not_finite_is_refused() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store, Metric::L2);
    for (number, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let error = docs.upsert(7, &[1.0, number]).unwrap_err();
        let Error::BadVector { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**source, segments::Error::NotFinite(_)), "{error:?}");
        says(&error, &["id 7", "\"docs\"", "number 1 of the vector", word, "leave it out"]);
        let error = docs.search(&[number, 1.0]).run().unwrap_err();
        assert!(matches!(error, Error::Vectors(segments::Error::NotFinite(_))), "{error:?}");
        says(&error, &["number 0 of the vector", word]);
    }
    assert!(docs.is_empty());
}

/// As the documentation of `Metric::Cosine` has it.
#[test]
fn a_vector_without_a_direction_is_kept_and_is_at_distance_one_from_everything() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store, Metric::Cosine);
    docs.upsert("none", &[0.0, 0.0]).unwrap();
    docs.upsert("some", &[3.0, 4.0]).unwrap();
    assert_eq!(docs.get("none").unwrap().unwrap().vector(), [0.0, 0.0]);
    for (query, expected) in [([3.0, 4.0], [0.0, 1.0]), ([0.0, 0.0], [1.0, 1.0])] {
        let hits = docs.search(&query).run().unwrap();
        assert_eq!([hits[0].distance, hits[1].distance], expected, "{query:?}");
    }
}

#[test]
fn an_id_that_is_empty_or_too_long_is_refused() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store, Metric::L2);
    for bytes in [0, ID_BYTES_MAX + 1] {
        let error = docs.upsert("x".repeat(bytes), &[1.0, 2.0]).unwrap_err();
        assert!(matches!(error, Error::BadId { bytes: found } if found == bytes), "{error:?}");
        says(&error, &[&format!("1 to {ID_BYTES_MAX} bytes, not {bytes}"), "choose another id"]);
    }
    docs.upsert("x".repeat(ID_BYTES_MAX), &[1.0, 2.0]).unwrap();
}

#[test]
fn an_id_that_is_in_a_batch_twice_is_refused() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store, Metric::L2);
    let mut batch = store.batch();
    batch.upsert(&docs, "a", &[1.0, 2.0]).upsert(&docs, "a", &[3.0, 4.0]);
    let error = batch.commit(Durability::Sync).unwrap_err();
    let Error::TwiceInBatch { collection, id } = &error else { panic!("{error:?}") };
    assert_eq!((collection.as_str(), id), ("docs", &"a".into()));
    says(&error, &["id a", "\"docs\"", "put it into two batches"]);
    assert!(docs.is_empty());
}

#[test]
fn a_collection_that_is_not_there_is_refused() {
    let store = on(&SimDisk::new(1));
    for error in [store.collection("nix").unwrap_err(), store.drop_collection("nix").unwrap_err()] {
        assert!(matches!(&error, Error::NoCollection { name } if name == "nix"), "{error:?}");
        says(&error, &["\"nix\"", "check its name"]);
    }
}

#[test]
fn a_name_with_a_slash_is_refused() {
    let store = on(&SimDisk::new(1));
    let config = CollectionConfig::new(2, Metric::L2);
    let error = store.create_collection("a/b", config).unwrap_err();
    assert!(matches!(&error, Error::BadName { name, .. } if name == "a/b"), "{error:?}");
    says(&error, &["\"a/b\"", "slash", "choose another one"]);
}

#[test]
fn a_search_for_nothing_is_refused() {
    let store = on(&SimDisk::new(1));
    let error = docs(&store, Metric::L2).search(&[1.0, 2.0]).k(0).run().unwrap_err();
    assert!(matches!(error, Error::NothingAskedFor), "{error:?}");
    says(&error, &["k is 0", "ask for 1 or more"]);
}

#[test]
fn a_second_opening_in_the_same_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    let holder = match of_the_disk(&error) {
        Some(disk::Error::Locked { holder, .. }) => holder,
        _ => panic!("{error:?}"),
    };
    assert_eq!(*holder, Holder::ThisProcess);
    says(&error, &[dir.path().to_str().unwrap(), "this process", "close the handle"]);
}

#[test]
fn a_second_opening_in_another_process_is_refused() {
    const TEST: &str = "misuse::a_second_opening_in_another_process_is_refused";
    if let Some(task) = task(TEST) {
        let error = Store::open(&task.store).unwrap_err();
        let holder = match of_the_disk(&error) {
            Some(disk::Error::Locked { holder, .. }) => holder,
            _ => panic!("{error:?}"),
        };
        assert_eq!(*holder, Holder::AnotherProcess);
        says(&error, &[task.store.to_str().unwrap(), "another process", "stop it"]);
        refused("as it should be");
    }
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path()).unwrap();
    let task = Task { store: dir.path().into(), batches: 0, word: String::new() };
    let (status, words) = Running::start(TEST, &task).ended();
    assert_eq!(status.code(), Some(REFUSED), "{words}");
}

/// Makes the newest manifest one of a later version, whole by its sum.
fn make_newer(store: &OsDisk) {
    let manifests = store.list(Path::new("manifests")).unwrap();
    let newest = manifests.iter().map(|it| Path::new("manifests").join(&it.name)).max().unwrap();
    let file = store.open(&newest, Access::ReadWrite).unwrap();
    let mut header = [0; 128];
    file.read_at(0, &mut header).unwrap();
    header[8] = 9;
    let mut sum = Crc32::new();
    sum.update(&header[..12]);
    sum.update(&header[16..]);
    header[12..16].copy_from_slice(&sum.sum().to_le_bytes());
    file.write_at(0, &header).unwrap();
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.close().unwrap();
    drop(store);
    make_newer(&OsDisk::open(dir.path()).unwrap());
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Snapshot(snapshot::Error::Damaged { .. })), "{error:?}");
    let path = dir.path().join("manifests");
    says(&error, &[path.to_str().unwrap(), "format 9", "newer arrwDB", "open it with"]);
}

#[test]
fn a_directory_of_another_program_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(dir.path()).unwrap();
    let (_file, pending) = disk.create(Path::new("thesis.txt")).unwrap();
    pending.sync(&disk).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::NotEmpty { found, .. } if found == "thesis.txt"), "{error:?}");
    says(&error, &[dir.path().to_str().unwrap(), "\"thesis.txt\"", "choose an empty directory"]);
    let error = Store::options().existing().open(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::NoStore { .. }), "{error:?}");
    says(&error, &[dir.path().to_str().unwrap(), "check the path"]);
    let left: Vec<_> = disk.list(Path::new("")).unwrap();
    assert_eq!(left.len(), 1, "nothing was made there: {left:?}");
}

/// Whoever puts a note beside a store can open it all the same.
#[test]
fn a_store_with_a_stranger_beside_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let disk = OsDisk::open(dir.path()).unwrap();
    disk.create(Path::new("readme.txt")).unwrap().1.sync(&disk).unwrap();
    drop(Store::open(dir.path()).unwrap());
}

#[test]
fn a_full_disk_refuses_and_goes_on_once_there_is_room() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", CollectionConfig::new(256, Metric::L2)).unwrap();
    docs.upsert(0, &[0.5; 256]).unwrap();
    disk.set_capacity(200_000);
    let write = |id: u64| docs.upsert(id, &[id as f32; 256]);
    let (last, error) = (1..5_000).find_map(|id| write(id).err().map(|error| (id, error))).unwrap();
    assert!(matches!(of_the_disk(&error), Some(disk::Error::Full { .. })), "{error:?}");
    assert!(error.is_clean_refusal());
    says(&error, &["no space is left", "free some and try again"]);
    assert_eq!(docs.len(), last, "what was acknowledged, and nothing of what was refused");
    disk.set_capacity(u64::MAX);
    write(last).unwrap();
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn a_store_that_was_closed_is_written_no_more() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store, Metric::L2);
    store.close().unwrap();
    for error in [docs.upsert(1, &[1.0, 2.0]).unwrap_err(), store.close().unwrap_err()] {
        assert!(matches!(error, Error::Closed), "{error:?}");
        says(&error, &["closed", "open it again"]);
    }
}

/// What was acknowledged is there, whoever waited for it or not; the store is locked as long as anything of it is there.
#[test]
fn the_last_handle_may_be_dropped_without_closing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let docs = docs(&store, Metric::L2);
    docs.upsert("synced", &[1.0, 0.0]).unwrap();
    let queue = |id: &str| {
        let mut batch = store.batch();
        batch.upsert(&docs, id, &[2.0, 0.0]);
        batch.commit(Durability::Os).unwrap()
    };
    queue("written").wait().unwrap();
    drop(queue("left alone"));
    let late = queue("waited for when the store is gone");
    let view = store.view();
    let hit = docs.search(&[1.0, 0.0]).run().unwrap()[0].clone();
    drop((store, docs));
    let is_locked = || {
        let error = Store::open(dir.path()).map(drop).unwrap_err();
        matches!(of_the_disk(&error), Some(disk::Error::Locked { .. }))
    };
    assert!(is_locked(), "a batch is on its way");
    late.wait().unwrap();
    assert!(is_locked(), "a view is there");
    drop(view);
    assert!(is_locked(), "a hit is there");
    drop(hit);
    let store = Store::open(dir.path()).unwrap();
    let docs = store.collection("docs").unwrap();
    for id in ["synced", "written", "waited for when the store is gone"] {
        assert!(docs.contains(id).unwrap(), "{id}");
    }
    // It was before one that was waited for.
    assert!(docs.contains("left alone").unwrap());
    assert!(store.verify().unwrap().is_sound());
}
