//! Small values that change with the vectors of their batch, and the highest number that was an id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrwdb::{
    Collection, CollectionConfig, Durability, Error, Metric, NOTE_BYTES_MAX, NOTE_NAME_BYTES_MAX,
    Store,
};
use disk::harness::{Config, crash_everywhere};
use disk::sim::{Density, Progress};
use disk::{Disk, SimDisk};

use crate::store::{open, options};

fn new_store(disk: &SimDisk) -> (Store, Collection) {
    let at: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = options().open_on(at).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    (store, docs)
}

fn put(store: &Store, docs: &Collection, number: u64) {
    let mut batch = store.batch();
    batch.upsert(docs, number, &[number as f32, 0.0]).note("how far", &number.to_le_bytes());
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
}

fn how_far(store: &Store) -> Option<u64> {
    store.note("how far").map(|note| u64::from_le_bytes(note.try_into().unwrap()))
}

#[test]
fn notes_and_the_highest_number_survive_the_log_and_the_image() {
    let disk = SimDisk::new(1);
    let (store, docs) = new_store(&disk);
    assert_eq!((docs.highest_number(), store.note("how far")), (None, None));
    put(&store, &docs, 7);
    docs.upsert("text", &[1.0, 1.0]).unwrap();
    docs.upsert(u64::MAX - 1, &[1.0, 1.0]).unwrap();
    docs.remove(u64::MAX - 1).unwrap();
    let check = |store: &Store| {
        let docs = store.collection("docs").unwrap();
        assert_eq!((docs.highest_number(), how_far(store)), (Some(u64::MAX - 1), Some(7)));
    };
    check(&store);
    drop((store, docs));
    let store = open(&disk).unwrap();
    check(&store);
    store.close().unwrap();
    drop(store);
    let store = open(&disk).unwrap();
    check(&store);
    let mut batch = store.batch();
    batch.note("how far", b"");
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    assert_eq!(how_far(&store), None);
    store.close().unwrap();
    drop(store);
    assert_eq!(how_far(&open(&disk).unwrap()), None);
}

#[test]
fn a_note_is_there_exactly_if_its_batch_is() {
    let disk = SimDisk::new(1);
    let (store, docs) = new_store(&disk);
    for number in 1..=6 {
        disk.begin(number);
        match number {
            3 => drop(store.checkpoint().unwrap()),
            _ => put(&store, &docs, number),
        }
        disk.acknowledge(number);
    }
    let recover = |disk: &SimDisk, Progress { acknowledged, .. }: Progress| {
        let open = |disk: &SimDisk| -> Result<_, Error> {
            let at: Arc<dyn Disk> = Arc::new(disk.clone());
            let store = options().open_on(at)?;
            Ok((how_far(&store), store.collection("docs").map_or(0, |docs| docs.len())))
        };
        let (note, rows) = open(disk).map_err(|error| error.to_string())?;
        let expected = match note {
            None => 0,
            Some(number) => number - u64::from(number > 3),
        };
        let is_durable = note.unwrap_or(0) >= if acknowledged == 3 { 2 } else { acknowledged };
        if rows == expected && is_durable {
            Ok(rows)
        } else {
            Err(format!("{note:?} and {rows} rows, {acknowledged} acknowledged"))
        }
    };
    let config = Config { seed: 5, density: Density::thin(), depth: 1 };
    let report = crash_everywhere(&config, &disk.recording(), recover);
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.images > 100, "{report:?}");
}

#[test]
fn what_cannot_be_a_note_is_refused_and_leaves_nothing() {
    let (store, docs) = new_store(&SimDisk::new(1));
    let longest = "n".repeat(NOTE_NAME_BYTES_MAX);
    let most = vec![1; NOTE_BYTES_MAX];
    for (name, value) in
        [("", &b"x"[..]), (&format!("{longest}n"), b"x"), ("a", &[&most[..], b"x"].concat())]
    {
        let mut batch = store.batch();
        batch.upsert(&docs, 1, &[1.0, 2.0]).note(name, value);
        let refused = batch.commit(Durability::Sync).unwrap_err();
        assert!(matches!(refused, Error::BadNote { .. }), "{refused}");
    }
    let set = |name: &str| {
        let mut batch = store.batch();
        batch.upsert(&docs, name, &[1.0, 2.0]).note(name, &most);
        batch.commit(Durability::Sync).and_then(|commit| commit.wait())
    };
    for number in 0..15 {
        set(&format!("note {number}")).unwrap();
    }
    let refused = set(&longest).unwrap_err();
    assert!(matches!(refused, Error::TooManyNotes { .. }) && refused.is_clean_refusal());
    assert_eq!((docs.len(), store.note(&longest)), (15, None));
    set("note 3").unwrap();
}

/// Looking up what is visible and then the note is too late: meanwhile the version that was visible may be dropped.
#[test]
fn a_note_that_is_always_there_is_always_found() {
    let (store, docs) = new_store(&SimDisk::new(1));
    put(&store, &docs, 1);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !is_over.load(Ordering::Relaxed) {
                let now = how_far(&store).expect("it is set again and again, and never taken away");
                assert!(now >= last, "{now} behind {last}");
                last = now;
            }
        });
        for number in 2..20_000_u64 {
            let mut batch = store.batch();
            batch.note("how far", &number.to_le_bytes());
            batch.commit(Durability::Os).unwrap().wait().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}
