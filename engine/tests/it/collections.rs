//! Clearing and dropping collections: what handles and views see, and what becomes of their files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arrwdb::{Collection, CollectionConfig, Durability, Error, Id, Metric, Store, payload};
use disk::{Call, Disk, Hook, Hooked, SimDisk};

const DIM: usize = 256;

fn on(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::options().stepped().log_file_bytes(8_192, 1 << 20).open_on(disk).unwrap()
}

fn config() -> CollectionConfig {
    CollectionConfig::new(DIM as u32, Metric::L2)
}

fn fill(store: &Store, docs: &Collection, from: u64) {
    let mut batch = store.batch();
    for number in from..from + 200 {
        batch.upsert(docs, number, &[number as f32; DIM]);
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
}

fn ids(docs: &Collection) -> Vec<Id> {
    docs.scan(None).unwrap().ids().collect::<Result<_, _>>().unwrap()
}

fn vector_files(disk: &SimDisk) -> usize {
    disk.list(Path::new("vectors")).unwrap().len()
}

#[test]
fn a_cleared_collection_is_empty_and_goes_on_under_the_same_handle() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", config()).unwrap();
    fill(&store, &docs, 0);
    let (view, kept) = (store.view(), docs.get(3).unwrap().unwrap());
    let at = docs.clear().unwrap();
    assert_eq!((docs.len(), ids(&docs), store.sequence()), (0, vec![], Some(at)));
    assert_eq!(docs.highest_number(), Some(199), "numbers above it are new, still");
    assert!(docs.search(&[0.0; DIM]).run().unwrap().is_empty());
    docs.insert(3, &[7.0; DIM]).unwrap();
    assert_eq!(ids(&docs), [Id::from(3)]);
    assert_eq!((view.count(&docs).unwrap(), kept.vector()), (200, &[3.0; DIM][..]));
    for _ in 0..3 {
        store.checkpoint().unwrap();
    }
    assert_eq!(view.get(&docs, 3).unwrap().unwrap().vector(), [3.0; DIM], "whatever is removed");
    drop((store, docs, view, kept));
    let store = on(&disk);
    let docs = store.collection("docs").unwrap();
    assert_eq!((ids(&docs), docs.highest_number()), (vec![Id::from(3)], Some(199)));
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn batches_that_were_prepared_before_are_for_what_is_there_when_their_turn_comes() {
    let store = on(&SimDisk::new(1));
    let docs = store.create_collection("docs", config()).unwrap();
    fill(&store, &docs, 0);
    let mut batch = store.batch();
    batch.upsert(&docs, 1, &[9.0; DIM]).remove(&docs, 2);
    docs.clear().unwrap();
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    assert_eq!(ids(&docs), [Id::from(1)]);
    let mut batch = store.batch();
    batch.upsert(&docs, 1, &[9.0; DIM]);
    store.drop_collection("docs").unwrap();
    assert!(matches!(batch.commit(Durability::Sync), Err(Error::NoCollection { .. })));
}

#[test]
fn a_dropped_collection_is_gone_for_its_handles_and_its_name_is_free() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", config()).unwrap();
    fill(&store, &docs, 0);
    store.checkpoint().unwrap();
    let view = store.view();
    store.drop_collection("docs").unwrap();
    let is_gone = |error: Error| matches!(error, Error::NoCollection { name } if name == "docs");
    assert!(is_gone(store.collection("docs").unwrap_err()));
    assert!(is_gone(store.drop_collection("docs").unwrap_err()));
    assert!(is_gone(docs.upsert(1, &[1.0; DIM]).unwrap_err()));
    assert!(is_gone(docs.clear().unwrap_err()));
    assert!(is_gone(docs.get(1).unwrap_err()));
    assert!(is_gone(docs.search(&[1.0; DIM]).run().unwrap_err()));
    assert!(is_gone(docs.scan(None).unwrap_err()));
    assert_eq!((docs.len(), docs.statistics().vectors), (0, 0));
    let other = store.create_collection("docs", CollectionConfig::new(1, Metric::Dot)).unwrap();
    other.upsert("one", &[1.0]).unwrap();
    assert!(is_gone(docs.get(1).unwrap_err()), "another collection has other handles");
    assert_eq!(view.count(&docs).unwrap(), 200);
    assert!(is_gone(view.count(&other).unwrap_err()));
    drop((store, docs, other, view));
    let store = on(&disk);
    assert_eq!(ids(&store.collection("docs").unwrap()), [Id::from("one")]);
}

#[test]
fn what_was_cleared_and_dropped_takes_no_room_once_no_checkpoint_needs_it() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", config()).unwrap();
    let mut files = Vec::new();
    for round in 0..6 {
        fill(&store, &docs, round);
        let more = store.create_collection("more", config()).unwrap();
        fill(&store, &more, round);
        store.checkpoint().unwrap();
        docs.clear().unwrap();
        store.drop_collection("more").unwrap();
        store.checkpoint().unwrap();
        store.checkpoint().unwrap();
        files.push(vector_files(&disk));
    }
    assert_eq!(files, [0; 6]);
    assert_eq!(store.stats().vector_file_bytes, 0);
}

/// A manifest that is damaged leads back to the one before, whose collections have to be there with all their files.
#[test]
fn the_checkpoint_before_has_what_was_cleared_since() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = store.create_collection("docs", config()).unwrap();
    fill(&store, &docs, 0);
    store.checkpoint().unwrap();
    docs.clear().unwrap();
    docs.upsert("new", &[1.0; DIM]).unwrap();
    // The process ends; the next one finds in the log that the image's vectors are no more, and makes a checkpoint.
    drop((store, docs));
    let store = on(&disk);
    store.checkpoint().unwrap();
    drop(store);
    let manifests = disk.list(Path::new("manifests")).unwrap();
    let newest = manifests.iter().map(|it| Path::new("manifests").join(&it.name)).max().unwrap();
    let mut image = disk.contents();
    assert!(image.flip_bit(&newest, 40, 3));
    let store = on(&SimDisk::options(2).image(&image).build());
    assert!(store.passed_over_manifest().is_some());
    assert_eq!(ids(&store.collection("docs").unwrap()), [Id::from("new")]);
    assert!(store.verify().unwrap().problems.iter().all(|it| it.file.starts_with("manifests")));
}

#[test]
fn names_that_no_collection_can_have_are_refused() {
    let store = on(&SimDisk::new(1));
    let long = "x".repeat(256);
    for (name, why) in [
        ("", "empty"),
        (long.as_str(), "255"),
        ("a/b", "slash"),
        ("a\\b", "slash"),
        ("a\nb", "control"),
    ] {
        let refused = store.create_collection(name, config()).unwrap_err();
        assert!(matches!(refused, Error::BadName { .. }), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    store.create_collection(&"x".repeat(255), config()).unwrap();
}

/// Who clears beside others that write: each batch is there as a whole, or was cleared as a whole.
#[test]
fn who_writes_beside_clearing_has_whole_batches() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let store = Store::options().open_on(disk).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2)).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let (store, docs) = (&store, &docs);
            scope.spawn(move || {
                for round in 0..50_u64 {
                    let mut batch = store.batch();
                    for part in 0..3 {
                        batch.upsert(docs, writer * 1_000 + round * 10 + part, &[round as f32]);
                    }
                    batch.commit(Durability::Os).unwrap().wait().unwrap();
                }
            });
        }
        for _ in 0..20 {
            docs.clear().unwrap();
            let view = store.view();
            let all: Vec<_> = view.scan(&docs, None).unwrap().ids().map(Result::unwrap).collect();
            assert!(all.len().is_multiple_of(3), "{all:?}");
            assert_eq!(view.count(&docs).unwrap(), all.len() as u64);
        }
    });
    assert!(store.verify().unwrap().is_sound());
}

/// Holds up who makes a file of vectors or payloads, and sees when a manifest is published and the log pruned.
#[derive(Debug, Default)]
struct Gate(AtomicU8);

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const SOMEBODY_WAITS: u8 = 2;
const PUBLISHED: u8 = 3;
const PRUNES: u8 = 4;

impl Gate {
    /// Goes on to the next state, if this is the one it is in.
    fn step(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn await_state(&self, state: u8) {
        while self.0.load(Ordering::SeqCst) != state {
            std::thread::yield_now();
        }
    }
}

impl Hook for Gate {
    fn before(&self, call: &Call<'_>) -> disk::Result<()> {
        let is_made = matches!(call, Call::Create { path } if path.starts_with("vectors"));
        if is_made && self.step(CLOSED, SOMEBODY_WAITS) {
            self.await_state(OPEN);
        }
        Ok(())
    }

    fn after(&self, call: &Call<'_>, _: std::result::Result<(), &disk::Error>) {
        if matches!(call, Call::Rename { to, .. } if to.starts_with("manifests")) {
            self.step(SOMEBODY_WAITS, PUBLISHED);
        }
        if matches!(call, Call::List { dir } if dir.starts_with("wal")) {
            self.step(PUBLISHED, PRUNES);
        }
    }
}

/// A checkpoint that is about to take away what nobody needs waits for who makes a file, and meanwhile a collection ends
/// which that checkpoint and the one before it have.
#[test]
fn what_ends_while_files_are_looked_through_keeps_its_own() {
    let (disk, gate) = (SimDisk::new(1), Arc::new(Gate::default()));
    let hooked = Hooked::new(Arc::new(disk.clone()), Arc::clone(&gate) as Arc<dyn Hook>);
    let options = Store::options().stepped().log_file_bytes(8_192, 1 << 20);
    let store = options.open_on(Arc::new(hooked)).unwrap();
    let [ends, grows] =
        ["ends", "grows"].map(|name| store.create_collection(name, config()).unwrap());
    fill(&store, &ends, 0);
    ends.upsert_with("it", &[1.0; DIM], payload! { "page" => 1 }).unwrap();
    store.checkpoint().unwrap();
    store.checkpoint().unwrap();
    let before = vector_files(&disk);
    gate.0.store(CLOSED, Ordering::SeqCst);
    std::thread::scope(|scope| {
        scope.spawn(|| fill(&store, &grows, 0));
        gate.await_state(SOMEBODY_WAITS);
        scope.spawn(|| store.checkpoint().unwrap());
        gate.await_state(PRUNES);
        // It comes to where it waits in a moment; should it not, nothing is tested.
        (0..10_000).for_each(|_| std::thread::yield_now());
        store.drop_collection("ends").unwrap();
        gate.0.store(OPEN, Ordering::SeqCst);
    });
    assert!(vector_files(&disk) > before, "nothing was taken away");
    assert!(store.verify().unwrap().is_sound());
    for _ in 0..3 {
        store.checkpoint().unwrap();
    }
    assert_eq!(vector_files(&disk), before - 1, "as many as the other has, and no payloads");
}
