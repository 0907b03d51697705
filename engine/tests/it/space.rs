//! What a store takes up: what is removed or overwritten gives its place back after two checkpoints, whether the store
//! lived on, was closed, was killed or lost its power meanwhile.

use std::sync::Arc;

use arrwdb::{CollectionConfig, Durability, Metric, Store, payload};
use disk::harness::{Config, crash_everywhere};
use disk::sim::{Density, Progress};
use disk::{Disk, SimDisk};

/// Four slots in each of the first two segments.
const DIM: u32 = 4_096;
const IDS: u64 = 30;

fn open(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::options().stepped().log_file_bytes(65_536, 1 << 20).open_on(disk).unwrap()
}

fn create() -> (SimDisk, Store) {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    store.create_collection("docs", CollectionConfig::new(DIM, Metric::L2)).unwrap();
    (disk, store)
}

/// Gives all ids vectors that were never there, of which each two are the same.
fn put(store: &Store, round: u64) {
    let docs = store.collection("docs").unwrap();
    let mut batch = store.batch();
    for id in 0..IDS {
        batch.upsert(&docs, id, &[(round * IDS + id / 2) as f32; DIM as usize]);
        batch.payload(payload! { "of" => round as i64, "text" => "x".repeat(4_000) });
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    let counted = docs.statistics();
    let counts = (counted.vectors, counted.total_references, counted.unique_vectors);
    assert_eq!(counts, (IDS, IDS, IDS / 2), "round {round}");
}

fn remove_all(store: &Store) {
    let docs = store.collection("docs").unwrap();
    let mut batch = store.batch();
    for id in 0..IDS {
        batch.remove(&docs, id);
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    let counted = docs.statistics();
    assert_eq!((counted.vectors, counted.total_references, counted.unique_vectors), (0, 0, 0));
}

/// What files of vectors take, and of payloads.
fn bytes(store: &Store) -> (u64, u64) {
    let counted = store.collection("docs").unwrap().statistics();
    (counted.vector_file_bytes, counted.payload_file_bytes)
}

/// Twice what is alive is the least that files of payloads have, and as much again may be dead in them.
const MOST_PAYLOAD_BYTES: u64 = 1 << 20;

/// All bytes of all files.
fn all_bytes(disk: &SimDisk) -> usize {
    let image = disk.contents();
    image.files().map(|path| image.bytes(path).unwrap().len()).sum()
}

/// A way for a store to go on: with its disk, and opened anew or not.
type GoOn = fn(SimDisk, Store) -> (SimDisk, Store);

const WAYS: [(&str, GoOn); 4] = [
    ("living on", |disk, store| (disk, store)),
    ("closed", |disk, store| {
        store.close().unwrap();
        drop(store);
        let store = open(&disk);
        (disk, store)
    }),
    ("killed", |disk, _| {
        let disk = disk.after_kill(3);
        let store = open(&disk);
        (disk, store)
    }),
    ("without power", |disk, _| {
        let disk = SimDisk::from_image(&disk.after_power_loss(), 3);
        let store = open(&disk);
        (disk, store)
    }),
];

#[test]
fn what_was_removed_gives_its_place_back_after_two_checkpoints() {
    for (way, go_on) in WAYS {
        let (mut disk, mut store) = create();
        put(&store, 0);
        store.checkpoint().unwrap();
        let full = bytes(&store);
        for round in 1..6 {
            remove_all(&store);
            (disk, store) = go_on(disk, store);
            store.checkpoint().unwrap();
            (disk, store) = go_on(disk, store);
            store.checkpoint().unwrap();
            put(&store, round);
            let now = bytes(&store);
            assert_eq!(now.0, full.0, "{way}, round {round}: a slot is lost");
            assert!(now.1 <= MOST_PAYLOAD_BYTES, "{way}, round {round}: {now:?}");
        }
    }
}

/// A slot is given back in two steps, the second behind a later batch. A store that was opened, written and closed, and
/// so had one checkpoint in each of its lives, never came to the second: its files grew with each.
#[test]
fn a_store_that_is_overwritten_again_and_again_does_not_grow() {
    for (way, go_on) in WAYS {
        let (mut disk, mut store) = create();
        let mut settled = ((0, 0), 0);
        for round in 0..40 {
            put(&store, round);
            store.checkpoint().unwrap();
            (disk, store) = go_on(disk, store);
            let now = (bytes(&store), all_bytes(&disk));
            if round == 8 {
                settled = now;
            }
            let grown = |((vectors, _), all): ((u64, u64), usize)| {
                let (vectors_now, payloads_now) = now.0;
                // The log is as long as its files are just now; without power, those that are removed come back.
                vectors_now > vectors
                    || payloads_now > MOST_PAYLOAD_BYTES
                    || (way != "without power" && now.1 > all + (2 << 20))
            };
            assert!(round < 8 || !grown(settled), "{way}, round {round}: {now:?}, {settled:?}");
        }
    }
}

/// What freed a slot may be lost as long as no checkpoint has it: then what was in the slot is there again.
#[test]
fn no_slot_is_used_again_while_what_freed_it_can_be_lost() {
    let vector = |number: u64| [number as f32; DIM as usize];
    let (disk, store) = create();
    let docs = store.collection("docs").unwrap();
    for number in 0..4 {
        docs.upsert(number, &vector(number)).unwrap();
    }
    store.checkpoint().unwrap();
    store.checkpoint().unwrap();
    let image = disk.contents();

    let disk = SimDisk::options(3).image(&image).build();
    let store = open(&disk);
    let docs = store.collection("docs").unwrap();
    for number in 4..10 {
        disk.begin(number);
        let mut batch = store.batch();
        batch.upsert(&docs, number % 4, &vector(number));
        batch.commit(Durability::Os).unwrap().wait().unwrap();
    }
    let recover = |disk: &SimDisk, progress: Progress| -> Result<Vec<u64>, String> {
        let store = open(disk);
        let docs = store.collection("docs").map_err(|error| error.to_string())?;
        let get = |id: u64| -> Result<u64, String> {
            let record = docs.get(id).map_err(|error| error.to_string())?.ok_or("an id is lost")?;
            let number = record.vector()[0] as u64;
            let is_whole = record.vector() == vector(number) && number % 4 == id;
            if is_whole { Ok(number) } else { Err(format!("{id} has what was {number}'s")) }
        };
        let found = (0..4).map(get).collect::<Result<Vec<_>, _>>()?;
        let newest = found.iter().max().copied().unwrap_or(0);
        let oldest = found.iter().min().copied().unwrap_or(0);
        let is_one = newest == oldest + 3 && newest <= progress.begun.max(3);
        if is_one { Ok(found) } else { Err(format!("found {found:?} at {progress:?}")) }
    };
    let config = Config { seed: 5, density: Density::thin(), depth: 1 };
    let report = crash_everywhere(&config, &disk.recording(), recover);
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.images > 100, "{report:?}");
}
