//! What an index is thought to take before it is built, and how widely a graph is searched that was chosen, measured or not.

use base::{StoreId, Timeline};
use disk::SimDisk;
use indexes::{HnswConfig, MeasuredEf, Memory, Pool};
use snapshot::Branch;

use super::choice::RECALL;
use super::image::IndexFiles;
use super::memory::{FIRST_ROOM, bytes_of};
use super::*;
use crate::{Collection, Durability, Metric, Store};

/// Just more than there is room for before that becomes more than twice as much.
const COUNT: u32 = 3 * FIRST_ROOM as u32 + 100;

/// Numbers that look random.
struct Numbers(u32);

impl Numbers {
    fn vector(&mut self, dim: usize) -> Vec<f32> {
        let mut number = || {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32
        };
        (0..dim).map(|_| number()).collect()
    }
}

fn filled(dim: usize) -> Memory {
    let (mut memory, mut numbers) = (Memory::new(dim), Numbers(1));
    for slot in 0..COUNT {
        memory.set(Slot(slot), &numbers.vector(dim)).expect("it fits");
    }
    memory
}

/// So that a limit on memory is neither passed by much nor keeps from being built what there is room for.
#[test]
fn what_an_index_is_thought_to_take_is_about_what_it_takes() {
    for dim in [3, 64] {
        let memory = filled(dim);
        let config = CollectionConfig::new(dim as u32, Metric::L2);
        for kind in
            [IndexConfig::flat(), IndexConfig::hnsw(), IndexConfig::kd_tree(), IndexConfig::lsh()]
        {
            let index = empty(kind, dim, &Metric::L2.into()).expect("it goes by it");
            let all = memory.slots();
            index.insert_all(all, &memory, &Pool::here(), &mut |_| true).expect("they fit");
            while index.step(&memory, 1 << 16).expect("all can be read").more {}
            let takes = index.statistics().bytes;
            let thought = bytes_of(&config, kind, COUNT as usize);
            let is_near = takes <= thought && thought <= takes * 3 + (64 << 10);
            assert!(is_near, "{} of {dim}: {takes}, thought to be {thought}", kind.name());
        }
    }
}

fn fill(store: &Store, docs: &Collection, ids: std::ops::Range<u64>) {
    let (dim, mut numbers) = (docs.config().dim() as usize, Numbers(ids.start as u32 + 2));
    let mut batch = store.batch();
    ids.for_each(|id| _ = batch.upsert(docs, id, &numbers.vector(dim)));
    batch.commit(Durability::Os).and_then(|commit| commit.wait()).expect("there is room");
}

fn store_of(config: CollectionConfig, count: u64) -> (Store, Collection) {
    let store = Store::options().stepped().open_on(Arc::new(SimDisk::new(1))).expect("it is new");
    let docs = store.create_collection("docs", config).expect("it is new");
    fill(&store, &docs, 0..count);
    docs.wait_indexed().expect("there is memory");
    (store, docs)
}

#[test]
fn when_nothing_else_is_to_be_done_it_is_measured_how_widely_a_graph_has_to_be_searched() {
    let config = CollectionConfig::new(40, Metric::L2).index(IndexConfig::auto());
    let (store, docs) = store_of(config, 2_000);
    let state = docs.named.now().expect("it is there");
    let step = |haste| store.inner.index_step(haste).expect("the disk is whole");
    let measured = || *state.indexing.measured.lock();
    while step(Haste::Beside) {}
    assert_eq!((measured(), state.indexing.ef()), (None, Some(64)));
    // Some at a time, and it goes on where it was when somebody wrote meanwhile.
    (0..40).for_each(|_| assert!(step(Haste::Idle)));
    let is_begun = || state.indexing.work.lock().measurement.is_some();
    docs.upsert(5_000, &Numbers(9).vector(40)).expect("there is room");
    while step(Haste::Beside) {}
    assert!(is_begun() && measured().is_none());
    let mut steps = 0;
    while step(Haste::Idle) {
        steps += 1;
    }
    assert!((10..60).contains(&steps), "{steps}");
    let found = measured().expect("it was measured");
    // What it was built of it did not take up.
    assert_eq!((found.among, found.inserted), (2_001, 1));
    let MeasuredEf { ef, recall } = found.found.expect("all can be read");
    assert!(recall >= RECALL && state.indexing.ef() == Some(ef) && ef >= 64, "{found:?}");
    assert!(docs.statistics().index.chosen.is_some_and(|why| why.contains("among 2001")));
    assert!(!step(Haste::Idle) && !is_begun());
    // What is built anew is another graph, and one that was asked for is searched as it says.
    docs.rebuild().expect("it is open");
    docs.wait_indexed().expect("there is memory");
    assert_eq!(measured(), None);
    while step(Haste::Idle) {}
    assert!(measured().is_some());
    docs.set_index(HnswConfig::default().ef_search(70)).expect("it is open");
    docs.wait_indexed().expect("there is memory");
    while step(Haste::Idle) {}
    assert_eq!((measured(), state.indexing.ef()), (None, None));
}

/// Whatever else a manifest may name for a collection: it is told what is wrong with it.
#[test]
fn an_image_of_something_else_is_passed_over() {
    let disk = Arc::new(SimDisk::new(1));
    let store = Store::options().stepped().open_on(disk.clone()).expect("it is new");
    let ids = ["one", "two"].map(|name| {
        let config = CollectionConfig::new(2, Metric::L2);
        let docs = store.create_collection(name, config).expect("it is new");
        docs.upsert(1, &[1.0, 2.0]).expect("there is room");
        docs.named.now().expect("it is there").id
    });
    store.close().expect("the disk is whole");
    let (inner, measure) = (&store.inner, Metric::L2.into());
    let images = find_images(&inner.index_images());
    let [own, others] = ids.map(|id| *images.get(&id).expect("it was closed"));
    let last = inner.pins.visible();
    let found = |store, image, (timelines, last): (&[Branch], _)| {
        let images = IndexFiles::from([(ids[0], image)]);
        match Found::of((&*disk, store), (&images, ids[0]), &measure, (timelines, last)) {
            Found::Whole(_) => "whole".to_owned(),
            Found::PassedOver(why) => why,
            Found::None => "none".to_owned(),
        }
    };
    let history = &inner.timelines[..];
    assert_eq!(found(inner.store, own, (history, last)), "whole");
    let of_another = "it is of another collection";
    assert_eq!(found(inner.store, others, (history, last)), of_another);
    let timeline = Timeline::new(inner.timeline.get() ^ 1).expect("not 0");
    let another = [Branch { timeline, first: Sequence::FIRST, parent: None }];
    assert_eq!(found(inner.store, own, (&another, last)), "it is of another history");
    let more = found(inner.store, own, (history, Some(Sequence::FIRST)));
    assert_eq!(more, "it has more than the store remembers");
    let why = found(StoreId([9; 16]), own, (history, last));
    assert!(!["whole", "none"].contains(&&*why), "{why}");
}

#[test]
fn when_nobody_writes_an_image_is_verified_and_one_is_written_for_less() {
    let disk = Arc::new(SimDisk::new(1));
    let open = || Store::options().stepped().open_on(disk.clone()).expect("it is whole");
    let store = open();
    let docs = store.create_collection("docs", CollectionConfig::new(64, Metric::L2));
    fill(&store, &docs.expect("it is new"), 0..1_000);
    store.close().expect("the disk is whole");
    drop(store);
    let store = open();
    let docs = store.collection("docs").expect("it is there");
    let state = docs.named.now().expect("it is there");
    let serving = || state.indexing.serving().expect("it serves");
    let step = |haste| while store.inner.index_step(haste).expect("the disk is whole") {};
    step(Haste::Beside);
    assert_eq!(serving().warmed(), 0);
    step(Haste::Idle);
    assert!(serving().warmed() > 0 && serving().index.is_lent());
    let image = state.indexing.image();
    fill(&store, &docs, 1_000..1_300);
    step(Haste::Beside);
    assert_eq!((state.indexing.image(), serving().tail.behind()), (image, 0));
    step(Haste::Idle);
    assert_ne!(state.indexing.image(), image);
}

/// Otherwise whoever waits might do so for ever where others go on to write.
#[test]
fn what_came_later_is_not_waited_for() {
    let (_store, docs) = store_of(CollectionConfig::new(40, Metric::L2), 10);
    let state = docs.named.now().expect("it is there");
    let tail = &state.indexing.serving().expect("it serves").tail;
    let at = |number| Sequence::new(number);
    tail.add(Slot(1_000), at(50).expect("not 0"));
    tail.add(Slot(999), at(60).expect("not 0"));
    let is_caught_up = |number| state.indexing.is_caught_up_with(at(number));
    assert_eq!([49, 50, 60].map(is_caught_up), [true, false, false]);
    tail.take(Slot(1_000));
    assert_eq!([49, 50, 59, 60].map(is_caught_up), [true, true, true, false]);
    // What no index can take up is not waited for either.
    tail.is_bad(Slot(999));
    assert!(is_caught_up(60) && tail.behind() == 0);
}

/// Where nobody says how widely, and otherwise as whoever searches says.
#[test]
fn a_graph_that_was_chosen_is_searched_as_widely_as_suits_how_many_there_are() {
    let config = CollectionConfig::new(40, Metric::L2).index(IndexConfig::auto());
    let (_store, docs) = store_of(config, 4_000);
    let mut numbers = Numbers(3);
    let queries: Vec<_> = (0..40).map(|_| numbers.vector(40)).collect();
    let ids = |query: &[f32], ef: Option<usize>| -> Vec<_> {
        let search = docs.search(query).k(10);
        let hits = ef.into_iter().fold(search, |search, ef| search.ef(ef)).run().expect("whole");
        hits.iter().map(|hit| hit.id.clone()).collect()
    };
    let state = docs.named.now().expect("it is there");
    assert_eq!((docs.statistics().index.kind, state.indexing.ef()), ("hnsw", Some(64)));
    let found = |chosen: usize, ef| -> Vec<_> {
        state.indexing.ef.store(chosen, Ordering::Relaxed);
        queries.iter().map(|query| ids(query, ef)).collect()
    };
    let (narrow, wide) = (found(10, None), found(1_000, None));
    assert!(narrow != wide);
    assert_eq!((found(1_000, Some(10)), found(10, Some(1_000))), (narrow, wide));
}
