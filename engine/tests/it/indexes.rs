//! Indexes catch up: what is written is found at once, an index is opened as it was closed, and what became of its image is
//! never an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrwdb::kinds::{HnswConfig, KdTreeConfig, LshConfig};
use arrwdb::report::IndexStatistics;
use arrwdb::{
    Collection, CollectionConfig, Dedup, Durability, Error, Id, IndexConfig, Metric, Store,
    StoreOptions,
};
use disk::sim::Image;
use disk::{Disk, SimDisk};

use crate::chance::Chance;

const DIM: usize = 64;

pub(crate) fn kinds() -> [IndexConfig; 4] {
    [
        IndexConfig::flat(),
        HnswConfig::default().m(8).ef_construction(60).into(),
        KdTreeConfig::default().buffer(128).into(),
        LshConfig::default().tables_from(128).target_recall(1.0).into(),
    ]
}

fn vector(number: u64) -> Vec<f32> {
    let mut chance = Chance::of(number);
    (0..DIM).map(|_| chance.below(1_000) as f32 / 500.0 - 1.0).collect()
}

fn open(disk: &Arc<SimDisk>) -> Store {
    Store::options().stepped().open_on(disk.clone() as Arc<dyn Disk>).unwrap()
}

fn fill(store: &Store, docs: &Collection, numbers: std::ops::Range<u64>) {
    for some in numbers.collect::<Vec<_>>().chunks(100) {
        let mut batch = store.batch();
        some.iter().for_each(|number| _ = batch.upsert(docs, *number, &vector(*number)));
        batch.commit(Durability::Sync).unwrap().wait().unwrap();
    }
}

fn catch_up(store: &Store) {
    while store.step().unwrap() {}
}

fn index(docs: &Collection) -> IndexStatistics {
    docs.statistics().index
}

/// The nearest by looking at all of the numbers that are there.
fn model(there: &[u64], query: &[f32], k: usize) -> Vec<Id> {
    let mut all: Vec<_> = there
        .iter()
        .map(|number| (Metric::L2.distance(query, &vector(*number)), Id::from(*number)))
        .collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
    all.into_iter().take(k).map(|(_, id)| id).collect()
}

/// How many of the ten nearest are found, of a hundred, on average over some queries.
fn recall(docs: &Collection, there: &[u64]) -> f64 {
    let mut found = 0;
    // Hash tables are asked for all that they have: where there is nothing alike, there is no other way.
    let ef = if index(docs).kind == "lsh" { there.len() } else { 200 };
    for number in 0..20 {
        let query = vector(1_000_000 + number);
        let nearest = model(there, &query, 10);
        let hits = docs.search(&query).ef(ef).run().unwrap();
        assert_eq!(hits.len(), there.len().min(10));
        assert!(hits.iter().all(|hit| matches!(hit.id, Id::Number(it) if there.contains(&it))));
        found += hits.iter().filter(|hit| nearest.contains(&hit.id)).count();
    }
    found as f64 / (20 * there.len().min(10)) as f64
}

fn config(index: IndexConfig) -> CollectionConfig {
    CollectionConfig::new(DIM as u32, Metric::L2).index(index)
}

#[test]
fn what_is_written_is_found_before_any_index_has_it_and_afterwards() {
    for kind in kinds() {
        let disk = Arc::new(SimDisk::new(1));
        let store = open(&disk);
        let docs = store.create_collection("docs", config(kind)).unwrap();
        fill(&store, &docs, 0..500);
        let all: Vec<u64> = (0..500).collect();
        assert_eq!((index(&docs).indexed, index(&docs).behind), (0, 500));
        assert_eq!(recall(&docs, &all), 1.0, "what is behind is found exactly");
        catch_up(&store);
        assert_eq!(
            (index(&docs).indexed, index(&docs).behind, index(&docs).inserted),
            (500, 0, 500)
        );
        assert!(recall(&docs, &all) >= 0.99);
        // Half of them are taken away, while a view still sees them.
        let view = store.view();
        for number in 0..250_u64 {
            assert!(docs.remove(number).unwrap());
        }
        let left: Vec<u64> = (250..500).collect();
        for _ in 0..2 {
            assert!(recall(&docs, &left) >= 0.99);
            let seen = view.search(&docs, &vector(7)).unwrap().k(1).run().unwrap();
            assert_eq!(seen[0].id, Id::from(7));
            catch_up(&store);
            assert_eq!(index(&docs).removed, 0, "a view sees them");
        }
        drop(view);
        fill(&store, &docs, 500..510);
        catch_up(&store);
        let found = index(&docs);
        assert_eq!((found.indexed, found.removed, found.leaving), (260, 250, 0));
        assert!(recall(&docs, &(250..510).collect::<Vec<_>>()) >= 0.99);
    }
}

#[test]
fn an_index_is_opened_as_it_was_closed() {
    for kind in kinds() {
        let disk = Arc::new(SimDisk::new(2));
        let store = open(&disk);
        let docs = store.create_collection("docs", config(kind)).unwrap();
        fill(&store, &docs, 0..700);
        (0..50_u64).for_each(|number| assert!(docs.remove(number).unwrap()));
        let there: Vec<u64> = (50..700).collect();
        store.close().unwrap();
        let before = recall(&docs, &there);
        drop((store, docs));

        let store = open(&disk);
        let docs = store.collection("docs").unwrap();
        let found = index(&docs);
        assert_eq!((found.indexed, found.behind, found.inserted, found.replayed), (650, 0, 0, 0));
        assert_eq!((found.kind, found.is_mapped, found.rebuilt), (kind.name(), true, None));
        assert_eq!(recall(&docs, &there), before);
        catch_up(&store);
        assert_eq!((index(&docs).inserted, index(&docs).is_mapped), (0, true));
        // What comes now is found beside it, and then copies it.
        fill(&store, &docs, 700..720);
        assert!(recall(&docs, &(50..720).collect::<Vec<_>>()) >= before - 0.02);
        catch_up(&store);
        let found = index(&docs);
        assert_eq!((found.indexed, found.inserted, found.is_mapped), (670, 20, false));
        assert!(recall(&docs, &(50..720).collect::<Vec<_>>()) >= before - 0.02);
    }
}

#[test]
fn after_a_kill_an_index_catches_up_with_what_happened_since_its_image() {
    for kind in kinds() {
        let disk = Arc::new(SimDisk::new(3));
        let store = open(&disk);
        let docs = store.create_collection("docs", config(kind)).unwrap();
        fill(&store, &docs, 0..400);
        store.close().unwrap();
        drop((store, docs));
        let store = open(&disk);
        let docs = store.collection("docs").unwrap();
        fill(&store, &docs, 400..450);
        store.checkpoint().unwrap();
        (0..30_u64).for_each(|number| assert!(docs.remove(number).unwrap()));
        fill(&store, &docs, 450..460);
        drop((store, docs));

        let store = open(&disk);
        let docs = store.collection("docs").unwrap();
        let found = index(&docs);
        assert_eq!((found.indexed, found.behind, found.replayed), (370, 60, 90), "{found:?}");
        let there: Vec<u64> = (30..460).collect();
        assert!(recall(&docs, &there) >= 0.99);
        catch_up(&store);
        let found = index(&docs);
        assert_eq!((found.indexed, found.inserted, found.removed), (430, 60, 30), "{found:?}");
        assert_eq!(found.rebuilt, None);
        assert!(recall(&docs, &there) >= 0.99);
    }
}

/// The files of images that only an index is in: the newest one is that of the store, and indexes' were made before it.
pub(crate) fn index_images(image: &Image) -> Vec<PathBuf> {
    let images = image.files().filter(|path| path.starts_with("images"));
    let mut images: Vec<_> = images.map(Path::to_path_buf).collect();
    images.sort();
    images.pop();
    images
}

#[test]
fn an_image_that_is_missing_or_damaged_is_told_of_and_built_anew() {
    for kind in kinds() {
        for damage in ["missing", "header", "middle"] {
            let disk = Arc::new(SimDisk::new(4));
            let store = open(&disk);
            let docs = store.create_collection("docs", config(kind)).unwrap();
            fill(&store, &docs, 0..300);
            store.close().unwrap();
            drop((store, docs));
            let mut image = disk.contents();
            for path in index_images(&image) {
                let length = image.bytes(&path).unwrap().len();
                match damage {
                    "missing" => assert!(image.remove(&path)),
                    // It stands twice.
                    "header" => [20, length - 492].into_iter().for_each(|at| {
                        assert!(image.flip_bit(&path, at, 1));
                    }),
                    // In each page behind the table of the file and the header of the index.
                    _ => (16_000..length).step_by(4_096).for_each(|at| {
                        assert!(image.flip_bit(&path, at, 1));
                    }),
                }
            }
            let disk = Arc::new(SimDisk::from_image(&image, 1));
            let store = open(&disk);
            let docs = store.collection("docs").unwrap();
            let there: Vec<u64> = (0..300).collect();
            assert!(recall(&docs, &there) >= 0.99, "{damage}");
            catch_up(&store);
            let found = index(&docs);
            assert_eq!((found.indexed, found.behind), (300, 0), "{damage} {found:?}");
            assert!(found.rebuilt.is_some(), "{damage} {found:?}");
            assert!(recall(&docs, &there) >= 0.99);
            store.close().unwrap();
            drop((store, docs));
            let store = open(&disk);
            let found = index(&store.collection("docs").unwrap());
            assert_eq!((found.indexed, found.is_mapped, found.rebuilt), (300, true, None));
        }
    }
}

/// A search that looked at all but one would have to say so: no index makes a secret of what it could not take up.
#[test]
fn a_vector_that_cannot_be_read_is_told_of_whatever_index_is_built_of_the_others() {
    let disk = Arc::new(SimDisk::new(10));
    let store = open(&disk);
    let docs = store.create_collection("docs", config(IndexConfig::flat())).unwrap();
    fill(&store, &docs, 0..500);
    store.close().unwrap();
    drop((store, docs));
    let mut image = disk.contents();
    let is_segment = |path: &&Path| path.extension().is_some_and(|it| it == "seg");
    let first = image.files().filter(is_segment).min().unwrap().to_path_buf();
    assert!(image.flip_bit(&first, 4_096 + 10 * 4 * DIM + 5, 1));
    index_images(&image).iter().for_each(|path| assert!(image.remove(path)));
    let disk = Arc::new(SimDisk::from_image(&image, 1));
    let store = open(&disk);
    let docs = store.collection("docs").unwrap();
    let others: Vec<u64> = (0..500).filter(|number| *number != 10).collect();
    for kind in kinds() {
        docs.set_index(kind).unwrap();
        docs.wait_indexed().unwrap();
        let found = index(&docs);
        assert_eq!((found.kind, found.indexed, found.behind), (kind.name(), 499, 0));
        let unreadable = docs.search(&vector(300)).run().unwrap_err();
        let is_it =
            |error: &Error| matches!(error, Error::Unreadable { id, .. } if *id == Id::from(10));
        assert!(is_it(&unreadable), "{unreadable}");
    }
    assert!(docs.remove(10).unwrap());
    catch_up(&store);
    assert!(recall(&docs, &others) >= 0.99);
}

#[test]
fn writes_wait_for_an_index_that_is_too_far_behind() {
    let disk = Arc::new(SimDisk::new(5));
    let options = StoreOptions::default().stepped().index_lag(100);
    let store = options.open_on(disk as Arc<dyn Disk>).unwrap();
    let docs = store.create_collection("docs", config(kinds()[1])).unwrap();
    for number in 0..400_u64 {
        docs.upsert(number, &vector(number)).unwrap();
        assert!(index(&docs).behind <= 100);
    }
    docs.wait_indexed().unwrap();
    assert_eq!((index(&docs).behind, index(&docs).indexed), (0, 400));
}

#[test]
fn what_is_written_while_an_index_is_built_is_in_it_before_it_serves() {
    let disk = Arc::new(SimDisk::new(5));
    let store = open(&disk);
    let docs = store.create_collection("docs", config(kinds()[1])).unwrap();
    fill(&store, &docs, 0..2_000);
    catch_up(&store);
    docs.rebuild().unwrap();
    while index(&docs).building.is_none_or(|(done, _)| done < 1_500) {
        store.step().unwrap();
    }
    fill(&store, &docs, 2_000..4_000);
    while index(&docs).rebuilt.is_none() {
        store.step().unwrap();
    }
    // Each search looks at all of these, and of the others only at those that are near.
    let found = index(&docs);
    assert!(found.behind <= 1_024, "{found:?}");
    assert!(recall(&docs, &(0..4_000).collect::<Vec<_>>()) >= 0.95);
    catch_up(&store);
    assert_eq!((index(&docs).indexed, index(&docs).behind), (4_000, 0));
}

#[test]
fn an_index_for_which_there_is_no_memory_stays_in_its_image() {
    for kind in kinds() {
        let disk = Arc::new(SimDisk::new(6));
        let store = open(&disk);
        let docs = store.create_collection("docs", config(kind)).unwrap();
        fill(&store, &docs, 0..2_000);
        store.close().unwrap();
        drop((store, docs));
        let limit = 100_000;
        let options = Store::options().stepped().index_memory(limit).index_lag(10);
        let store = options.open_on(disk.clone() as Arc<dyn Disk>).unwrap();
        let docs = store.collection("docs").unwrap();
        fill(&store, &docs, 2_000..2_100);
        catch_up(&store);
        let found = index(&docs);
        assert!(found.lacking.is_some() && found.is_mapped, "{found:?}");
        assert!(found.bytes <= limit as u64, "{found:?}");
        assert_eq!((found.indexed, found.behind), (2_000, 100));
        assert!(recall(&docs, &(0..2_100).collect::<Vec<_>>()) >= 0.95);
        let refused = docs.wait_indexed().unwrap_err();
        assert!(refused.to_string().contains("100000 bytes"), "{refused}");
    }
}

/// What waits to be taken up takes memory until it is.
#[test]
fn what_waits_for_an_index_is_no_reason_not_to_take_it_up() {
    for kind in [IndexConfig::flat(), HnswConfig::default().m(8).into()] {
        let fill = |options: StoreOptions| {
            let store = options.open_on(Arc::new(SimDisk::new(9))).unwrap();
            let docs = store.create_collection("docs", config(kind)).unwrap();
            fill(&store, &docs, 0..500);
            catch_up(&store);
            index(&docs)
        };
        // About half of it are codes of what waited.
        let takes = fill(Store::options().stepped()).bytes as usize;
        let found = fill(Store::options().stepped().index_memory(takes * 7 / 10));
        assert_eq!((found.indexed, found.behind, found.lacking), (500, 0, None), "{found:?}");
    }
}

#[test]
fn ids_that_share_a_vector_are_one_slot_of_the_index_and_all_are_found() {
    for kind in kinds() {
        let disk = Arc::new(SimDisk::new(7));
        let store = open(&disk);
        let docs = store.create_collection("docs", config(kind).dedup(Dedup::Exact)).unwrap();
        fill(&store, &docs, 0..100);
        for id in 1_000..1_030_u64 {
            docs.upsert(id, &vector(7)).unwrap();
        }
        catch_up(&store);
        assert_eq!(index(&docs).indexed, 100);
        let hits = docs.search(&vector(7)).k(12).run().unwrap();
        let ids: Vec<_> = hits.iter().map(|hit| hit.id.clone()).collect();
        let wanted = [7].into_iter().chain(1_000..1_011).map(|id: u64| Id::from(id));
        assert_eq!(ids, wanted.collect::<Vec<_>>());
        store.close().unwrap();
    }
}

#[test]
fn another_index_is_built_beside_the_one_that_serves_and_is_what_is_found_again() {
    let disk = Arc::new(SimDisk::new(8));
    let store = open(&disk);
    let docs = store.create_collection("docs", config(IndexConfig::flat())).unwrap();
    let there: Vec<u64> = (0..3_000).collect();
    fill(&store, &docs, 0..3_000);
    catch_up(&store);
    for wanted in [kinds()[1], IndexConfig::flat(), HnswConfig::default().m(6).into()] {
        docs.set_index(wanted).unwrap();
        assert_eq!(docs.index(), wanted);
        store.step().unwrap();
        let found = index(&docs);
        assert!(found.building.is_some() && found.kind != wanted.name(), "{found:?}");
        assert!(recall(&docs, &there) >= 0.9);
        docs.wait_indexed().unwrap();
        assert_eq!((index(&docs).kind, index(&docs).indexed), (wanted.name(), 3_000));
        docs.rebuild().unwrap();
        catch_up(&store);
        assert!(recall(&docs, &there) >= 0.9);
    }
    store.close().unwrap();
    drop((store, docs));
    let store = open(&disk);
    let docs = store.collection("docs").unwrap();
    catch_up(&store);
    let found = index(&docs);
    assert_eq!((found.indexed, found.inserted, found.is_mapped), (3_000, 0, true), "{found:?}");
    assert_eq!((found.rebuilt, found.building), (None, None));
    assert_eq!(docs.index(), HnswConfig::default().m(6).into());
}

#[test]
fn an_index_for_which_there_is_no_memory_is_not_built() {
    let disk = Arc::new(SimDisk::new(9));
    let options = Store::options().stepped().index_memory(1_000_000);
    let store = options.open_on(disk as Arc<dyn Disk>).unwrap();
    let docs = store.create_collection("docs", config(IndexConfig::flat())).unwrap();
    fill(&store, &docs, 0..3_000);
    catch_up(&store);
    docs.set_index(kinds()[1]).unwrap();
    catch_up(&store);
    let found = index(&docs);
    assert!(found.lacking.is_some() && found.kind == "flat", "{found:?}");
    assert!(docs.wait_indexed().is_err());
    assert_eq!(recall(&docs, &(0..3_000).collect::<Vec<_>>()), 1.0);
}
