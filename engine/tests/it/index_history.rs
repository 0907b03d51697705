//! An image of an index may be of long ago: slots were given out again since, and history may have taken another way.

use std::sync::Arc;

use arrwdb::kinds::{HnswConfig, KdTreeConfig, LshConfig};
use arrwdb::{Collection, CollectionConfig, Durability, IndexConfig, Metric, Store};
use disk::{Disk, SimDisk};

use crate::chance::Chance;
use crate::indexes::index_images;

/// So few that trees go by the coordinates that they have.
const DIM: usize = 3;

/// All find all there is.
fn kinds() -> [IndexConfig; 4] {
    [
        IndexConfig::flat(),
        HnswConfig::default().ef_search(500).into(),
        KdTreeConfig::default().buffer(64).into(),
        LshConfig::default().tables_from(64).target_recall(1.0).into(),
    ]
}

/// Near to others up to a thousand, and far from those beyond.
fn vector(number: u64) -> Vec<f32> {
    let mut chance = Chance::of(number);
    let far = if number < 1_000 { 0.0 } else { 500.0 };
    (0..DIM).map(|_| far + chance.below(1_000) as f32 / 500.0).collect()
}

fn open(disk: &Arc<SimDisk>) -> (Store, Collection) {
    let store = Store::options().stepped().open_on(disk.clone() as Arc<dyn Disk>).unwrap();
    let docs = store.collection("docs").unwrap();
    (store, docs)
}

fn made(disk: &Arc<SimDisk>, kind: IndexConfig, numbers: std::ops::Range<u64>) -> Store {
    let store = Store::options().stepped().open_on(disk.clone() as Arc<dyn Disk>).unwrap();
    let config = CollectionConfig::new(DIM as u32, Metric::L2).index(kind);
    let docs = store.create_collection("docs", config).unwrap();
    fill(&store, &docs, numbers, Durability::Sync);
    store
}

fn fill(store: &Store, docs: &Collection, numbers: std::ops::Range<u64>, level: Durability) {
    let mut batch = store.batch();
    numbers.for_each(|number| _ = batch.upsert(docs, number, &vector(number)));
    batch.commit(level).unwrap().wait().unwrap();
}

fn catch_up(store: &Store) {
    while store.step().unwrap() {}
}

fn slots(docs: &Collection, numbers: std::ops::Range<u64>) -> Vec<u32> {
    numbers.map(|number| docs.get(number).unwrap().unwrap().slot()).collect()
}

/// Removes so many that a graph is swept, and has no checkpoint need their slots: they are answered with. What is written for that has
/// numbers from `next` on.
fn given_up(store: &Store, docs: &Collection, next: u64) -> Vec<u32> {
    let before = slots(docs, 0..64);
    (0..64_u64).for_each(|number| assert!(docs.remove(number).unwrap()));
    for number in next..next + 4 {
        catch_up(store);
        fill(store, docs, number..number + 1, Durability::Sync);
        store.checkpoint().unwrap();
    }
    before
}

/// How many of these slots those get that are written now.
fn given_out_again(store: &Store, docs: &Collection, before: &[u32]) -> usize {
    fill(store, docs, 1_000..1_064, Durability::Sync);
    slots(docs, 1_000..1_064).iter().filter(|slot| before.contains(slot)).count()
}

/// What is found is what there is, near and far.
fn check(docs: &Collection, there: &[u64], why: &str) {
    for number in [0, 7, 19, 250, 1_003, 1_019] {
        let query = vector(number);
        let mut expected: Vec<_> =
            there.iter().map(|number| Metric::L2.distance(&query, &vector(*number))).collect();
        expected.sort_by(f32::total_cmp);
        let hits = docs.search(&query).k(30).run().unwrap();
        let found: Vec<_> = hits.iter().map(|hit| hit.distance).collect();
        assert_eq!(found, expected[..30], "{why}, near {number}");
    }
}

/// The index in the image has the slot, with what it held before: that is neither found nor in the way of what is there.
#[test]
fn a_slot_that_was_given_out_again_since_the_image_is_what_it_is_now() {
    for kind in kinds() {
        let disk = Arc::new(SimDisk::new(1));
        let store = made(&disk, kind, 0..300);
        store.close().unwrap();
        drop(store);
        let (store, docs) = open(&disk);
        // From here on the index is not the image any more.
        fill(&store, &docs, 300..310, Durability::Sync);
        catch_up(&store);
        let before = given_up(&store, &docs, 310);
        let again = given_out_again(&store, &docs, &before);
        assert!(again >= 50, "{}: {again} were given out again", kind.name());
        drop((store, docs));

        let (store, docs) = open(&disk);
        let there: Vec<u64> = (64..314).chain(1_000..1_064).collect();
        let index = docs.statistics().index;
        assert!(index.is_mapped && index.rebuilt.is_none() && index.replayed > 40, "{index:?}");
        check(&docs, &there, &format!("{}, as it was opened", kind.name()));
        while store.step().unwrap() {
            check(&docs, &there, kind.name());
        }
        check(&docs, &there, &format!("{}, caught up", kind.name()));
    }
}

/// Nothing waits for an index that nobody goes by.
#[test]
fn slots_are_given_out_again_where_the_index_is_damaged_and_there_is_no_memory_for_another() {
    let disk = Arc::new(SimDisk::new(3));
    let store = made(&disk, IndexConfig::kd_tree(), 0..1_000);
    store.close().unwrap();
    drop(store);
    let mut image = disk.contents();
    for path in index_images(&image) {
        let length = image.bytes(&path).unwrap().len();
        (24_576..length.max(4_096) - 4_096)
            .step_by(64)
            .for_each(|at| assert!(image.flip_bit(&path, at, 1)));
    }
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_image(&image, 1));
    let store = Store::options().stepped().index_memory(1).open_on(disk).unwrap();
    let docs = store.collection("docs").unwrap();
    assert_eq!(docs.statistics().index.kind, "kdtree");
    check(&docs, &(0..1_000).collect::<Vec<_>>(), "damaged");
    let before = given_up(&store, &docs, 1_200);
    let index = docs.statistics().index;
    assert!(index.kind == "rows" && index.lacking.is_some(), "{index:?}");
    assert!(index.rebuilt.is_some(), "{index:?}");
    let again = given_out_again(&store, &docs, &before);
    assert!(again >= 50, "{again} were given out again");
}

/// What came behind the cut never happened, and what is before it is of the history that goes on.
#[test]
fn an_image_from_before_anything_new_was_written_behind_a_cut_is_of_this_history() {
    for kind in kinds() {
        let (mut cut, mut seed) = (0, 0);
        while cut < 3 {
            seed += 1;
            let disk = Arc::new(SimDisk::new(2));
            let store = made(&disk, kind, 0..300);
            store.close().unwrap();
            drop(store);
            let (store, docs) = open(&disk);
            for number in 300..310 {
                fill(&store, &docs, number..number + 1, Durability::Os);
            }
            let image = disk.after_random_crash(seed);
            drop((store, docs));
            let disk = Arc::new(SimDisk::from_image(&image, seed));
            let (store, docs) = open(&disk);
            cut += u64::from(store.torn_end().is_some());
            let count = docs.len();
            assert!((300..=310).contains(&count));
            // The image is written before the checkpoint is, which takes the first number of the new branch.
            store.close().unwrap();
            drop((store, docs));
            let (_store, docs) = open(&disk);
            let index = docs.statistics().index;
            assert_eq!(
                (index.indexed, index.behind, index.inserted, index.rebuilt),
                (count, 0, 0, None)
            );
        }
    }
}
