//! What an index is thought to take before it is built, and how widely a graph is searched that was chosen.

use disk::SimDisk;
use indexes::{Memory, Pool};

use super::*;
use crate::{Durability, Metric, Store};

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

/// Where nobody says how widely, and otherwise as whoever searches says.
#[test]
fn a_graph_that_was_chosen_is_searched_as_widely_as_suits_how_many_there_are() {
    let store = Store::options().stepped().open_on(Arc::new(SimDisk::new(1))).expect("it is new");
    let config = CollectionConfig::new(40, Metric::L2).index(IndexConfig::auto());
    let docs = store.create_collection("docs", config).expect("it is new");
    let (mut numbers, mut batch) = (Numbers(2), store.batch());
    (0..4_000_u64).for_each(|id| _ = batch.upsert(&docs, id, &numbers.vector(40)));
    batch.commit(Durability::Os).and_then(|commit| commit.wait()).expect("there is room");
    docs.wait_indexed().expect("there is memory");
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
