//! Readers beside writers beside whoever clears away: what is found was there while it was looked for, and nothing else.
//!
//! Every life of a slot is stamped, before and behind each call, from one clock. A search may find a slot only if one of
//! its lives touches the time that the search took, and only as far as the vector of that life is.
#![expect(clippy::indexing_slicing, reason = "there are as many as are asked for here")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexes::{
    Bytes, Flat, Hnsw, HnswConfig, Index, KdTree, KdTreeConfig, Lent, Lsh, LshConfig, Metric,
    Query, Slot, SlotSet, Strategy, Unreadable, Vectors,
};

use crate::given::{Kind, Random};
use crate::graph::{give_back, walk};

const SLOTS: usize = 600;
const WRITERS: usize = 3;
const READERS: usize = 4;

/// Whose vector is gone has none.
const NONE: usize = usize::MAX;

/// So many slots are given back and not used for a while: whoever still reads their vectors fails.
const IDLE: usize = 40;

/// How often each writer changes something.
const CHANGES: usize = 900;

/// A life of a slot.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// Before it was inserted.
    begins: u64,
    /// Behind its removal.
    ended: u64,
    /// Which of the vectors it had.
    vector: usize,
}

/// What was done, and when.
struct World {
    clock: AtomicU64,
    vectors: Vec<Vec<f32>>,
    /// Which vector each slot has.
    has: Vec<AtomicUsize>,
    lives: Vec<Mutex<Vec<Life>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn new(dim: usize) -> Self {
        let (_, vectors) = Kind::Clustered.set(dim, 1, 2_000, 71);
        World {
            clock: AtomicU64::new(0),
            vectors,
            has: (0..SLOTS).map(|_| AtomicUsize::new(NONE)).collect(),
            lives: (0..SLOTS).map(|_| Mutex::new(Vec::new())).collect(),
        }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn insert(&self, index: &dyn Index, slot: usize, vector: usize) {
        self.has[slot].store(vector, Ordering::SeqCst);
        let life = Life { begins: self.now(), ended: u64::MAX, vector };
        lock(&self.lives[slot]).push(life);
        index.insert(Slot(slot as u32), self).expect("it is free");
    }

    fn remove(&self, index: &dyn Index, slot: usize) {
        // Which life it is, is known before: as soon as the slot is given back, another may begin.
        let at = lock(&self.lives[slot]).len() - 1;
        assert!(index.remove(Slot(slot as u32)).expect("whole"));
        let ended = self.now();
        lock(&self.lives[slot])[at].ended = ended;
    }

    /// Searches, and holds what is found against what was there meanwhile.
    fn look(&self, index: &dyn Index, query: &Query<'_>, vector: &[f32]) -> usize {
        let before = self.now();
        let found = index.search(query, self).expect("found").neighbours;
        let behind = self.now();
        for near in &found {
            let lives = lock(&self.lives[near.slot.0 as usize]).clone();
            let may = lives.iter().filter(|it| it.begins < behind && it.ended > before);
            let far = |life: &Life| Metric::L2.distance(vector, &self.vectors[life.vector]);
            assert!(
                may.clone().any(|life| far(life) == near.distance),
                "{near:?} in {before}..{behind}, of {lives:?}"
            );
        }
        found.len()
    }
}

impl Vectors for World {
    fn dim(&self) -> usize {
        self.vectors[0].len()
    }

    fn vector(&self, slot: Slot) -> Result<Lent<'_>, Unreadable> {
        let has = self.has.get(slot.0 as usize).ok_or_else(|| Unreadable::not_there(slot))?;
        let vector = self.vectors.get(has.load(Ordering::SeqCst));
        Ok(vector.ok_or_else(|| Unreadable::not_there(slot))?.as_slice().into())
    }
}

/// Inserts what is free and removes what is not, and finds what it just inserted.
fn write(world: &World, index: &dyn Index, free: &Mutex<VecDeque<usize>>, seed: u64) {
    let mut random = Random(seed);
    let mut mine = Vec::new();
    let (mut inserted, mut found) = (0, 0);
    let mut changes = 0;
    while changes < CHANGES {
        let slot =
            if mine.len() < 100 || random.below(2) == 0 { lock(free).pop_front() } else { None };
        match slot {
            Some(slot) => {
                let vector = random.below(world.vectors.len());
                world.insert(index, slot, vector);
                mine.push(slot);
                let query = walk(&world.vectors[vector]).k(20);
                let all = index.search(&query.recall(1.0), world).expect("found").neighbours;
                let near = all.last().is_some_and(|last| all.len() == 20 && last.distance == 0.0);
                let it = Slot(slot as u32);
                assert!(
                    near || all.iter().any(|it| it.slot.0 as usize == slot),
                    "{slot} is missed"
                );
                let some = index.search(&query, world).expect("found").neighbours;
                inserted += 1;
                found += usize::from(near || some.iter().any(|near| near.slot == it));
            }
            None if mine.is_empty() => {
                std::thread::yield_now();
                continue;
            }
            None => {
                let slot = mine.swap_remove(random.below(mine.len()));
                world.remove(index, slot);
            }
        }
        changes += 1;
    }
    assert!(found * 100 >= inserted * 95, "of {inserted} that were inserted {found} are found");
}

fn stress(index: &dyn Index, dim: usize, effort: usize) {
    let world = World::new(dim);
    let free: Mutex<VecDeque<usize>> = Mutex::new((0..SLOTS).collect());
    let done = AtomicBool::new(false);
    let looked = AtomicUsize::new(0);
    let shown: SlotSet = (0..SLOTS as u32).filter(|slot| slot % 3 != 0).map(Slot).collect();
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (world, done, looked, shown) = (&world, &done, &looked, &shown);
            scope.spawn(move || {
                let mut random = Random(reader as u64);
                let visible = |slot: Slot| shown.contains(slot);
                while !done.load(Ordering::SeqCst) {
                    let vector = &world.vectors[random.below(world.vectors.len())];
                    let query = walk(vector).k(10);
                    world.look(index, &query, vector);
                    let ways = [Strategy::Exact, Strategy::Walk, Strategy::Through];
                    let way = ways[random.below(ways.len())];
                    for query in [query.visible(&visible), query.filter(shown).strategy(way)] {
                        let some = index.search(&query, world).expect("found");
                        assert!(some.neighbours.iter().all(|it| shown.contains(it.slot)));
                    }
                    looked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let clearing = scope.spawn(|| {
            let (mut given_back, mut idle) = (0, VecDeque::new());
            while !done.load(Ordering::SeqCst) {
                let step = index.step(&world, effort).expect("all can be read");
                given_back += step.given_back.len();
                for slot in step.given_back.iter().map(|slot| slot.0 as usize) {
                    world.has[slot].store(NONE, Ordering::SeqCst);
                    idle.push_back(slot);
                }
                let used = idle.len().saturating_sub(IDLE);
                lock(&free).extend(idle.drain(..used));
                std::thread::yield_now();
            }
            given_back
        });
        let writers: Vec<_> = (0..WRITERS as u64)
            .map(|writer| {
                let (world, free) = (&world, &free);
                scope.spawn(move || write(world, index, free, 100 + writer))
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(written.into_iter().all(|it| it.is_ok()));
        let given_back = clearing.join().expect("all can be read");
        assert!(given_back > SLOTS, "{given_back}");
    });
    assert!(looked.into_inner() > 100);
    check_rest(&world, index);
}

/// When all is quiet, what is there is what was not removed, and it is found.
fn check_rest(world: &World, index: &dyn Index) {
    give_back(index, world);
    let alive =
        |slot: &usize| lock(&world.lives[*slot]).last().is_some_and(|it| it.ended == u64::MAX);
    let alive: Vec<usize> = (0..SLOTS).filter(alive).collect();
    let statistics = index.statistics();
    assert_eq!((statistics.slots, statistics.removed), (alive.len(), 0));
    let all = Query::new(&world.vectors[0]).k(SLOTS);
    let found = index.search(&all, world).expect("found").neighbours;
    let mut slots: Vec<_> = found.iter().map(|it| it.slot.0 as usize).collect();
    slots.sort_unstable();
    assert_eq!(slots, alive);
    let mut missed = 0;
    for slot in alive {
        let vector = &world.vectors[world.has[slot].load(Ordering::SeqCst)];
        let found = index.search(&walk(vector).k(1), world).expect("found").neighbours;
        missed += usize::from(found.first().is_none_or(|it| it.distance > 0.0));
    }
    assert!(missed <= 3, "{missed} are missed");
}

#[test]
fn a_graph_shows_what_is_there_to_many_while_many_change_it() {
    let graph = Hnsw::new(64, Metric::L2, HnswConfig::default().m(8).ef_construction(60));
    stress(&graph, 64, 300);
}

/// Without codes a walk reads vectors.
#[test]
fn so_does_a_graph_that_has_no_codes() {
    stress(
        &Hnsw::new(8, Metric::L2, HnswConfig::default().m(8).ef_construction(40)),
        8,
        usize::MAX,
    );
}

#[test]
fn a_flat_index_shows_what_is_there_to_many_while_many_change_it() {
    stress(&Flat::new(64, Metric::L2), 64, 300);
}

/// With tables also of few, so that there is always something to be made.
fn lsh(dim: usize) -> Lsh {
    let config = LshConfig::default().tables_from(64).num_tables(4);
    Lsh::new(dim, Metric::L2, config).expect("a metric")
}

#[test]
fn hash_tables_show_what_is_there_to_many_while_many_change_them() {
    stress(&lsh(64), 64, 3_000);
}

/// Without codes vectors are read.
#[test]
fn so_do_hash_tables_that_have_no_codes() {
    stress(&lsh(8), 8, usize::MAX);
}

/// Buffers are small, so that trees come and go all the while.
fn tree(dim: usize) -> KdTree {
    let config = KdTreeConfig::default().leaf(8).buffer(64).fan_out(2);
    KdTree::new(dim, Metric::L2, config).expect("it goes by it")
}

#[test]
fn trees_show_what_is_there_to_many_while_many_change_them() {
    stress(&tree(3), 3, 100);
}

/// By codes, wherever trees might be of use.
#[test]
fn so_do_trees_that_are_of_no_use() {
    let config = KdTreeConfig::default().leaf(8).buffer(64).fan_out(2).scan_from(0);
    stress(&KdTree::new(64, Metric::L2, config).expect("it goes by it"), 64, 3_000);
}

/// Nobody waits for a search that is under way, and it waits for nobody.
#[test]
fn a_search_holds_up_nobody_who_changes_the_index() {
    for index in [
        &Hnsw::new(64, Metric::L2, HnswConfig::default()) as &dyn Index,
        &Flat::new(64, Metric::L2),
        &Flat::plain(64, Metric::L2),
        &lsh(64),
        &tree(64),
    ] {
        let world = World::new(64);
        (0..300).for_each(|slot| world.insert(index, slot, slot));
        let asked = AtomicUsize::new(0);
        let visible = |slot: Slot| {
            match asked.fetch_add(1, Ordering::SeqCst) {
                0 => (300..310).for_each(|slot| world.insert(index, slot, slot)),
                1 => (0..10).for_each(|slot| world.remove(index, slot)),
                // What is read is not given back.
                2 => (0..50).for_each(|_| {
                    assert_eq!(index.step(&world, usize::MAX).expect("whole").given_back, []);
                }),
                _ => {}
            }
            slot.0.is_multiple_of(2)
        };
        let query = Query::new(&world.vectors[5]).visible(&visible);
        let found = index.search(&query, &world).expect("found").neighbours;
        assert!(found.len() == 10 && asked.into_inner() > 10);
        assert_eq!(give_back(index, &world).len(), 10);
        let all = index.search(&Query::new(&world.vectors[5]).k(SLOTS), &world).expect("found");
        let mut slots: Vec<_> = all.neighbours.iter().map(|it| it.slot.0).collect();
        slots.sort_unstable();
        assert_eq!(slots, (10..310).collect::<Vec<_>>());
    }
}

#[test]
fn what_lies_in_an_image_is_searched_while_it_is_changed_first() {
    let graph = Hnsw::new(64, Metric::L2, HnswConfig::default());
    let flat = Flat::new(64, Metric::L2);
    for index in [&graph as &dyn Index, &flat, &lsh(64), &tree(64)] {
        let world = World::new(64);
        (0..SLOTS).for_each(|slot| world.insert(index, slot, slot));
        (0..SLOTS).step_by(7).for_each(|slot| world.remove(index, slot));
        let mut image = Vec::new();
        index.encode(&mut image);
        for _ in 0..20 {
            let opened = indexes::open(image.clone(), &Metric::L2.into()).expect("its own image");
            let opened = opened.as_ref();
            assert_eq!(opened.statistics().removed, SLOTS.div_ceil(7));
            let given_back = std::thread::scope(|scope| {
                for reader in 0..4 {
                    let world = &world;
                    scope.spawn(move || {
                        for at in 0..40 {
                            let vector = &world.vectors[at * 31 + reader];
                            assert_eq!(world.look(opened, &walk(vector), vector), 10);
                        }
                    });
                }
                scope.spawn(|| give_back(opened, &world)).join().expect("it goes on")
            });
            assert_eq!(given_back.len(), SLOTS.div_ceil(7));
        }
    }
}

/// The bytes of an image, and whether they are still there.
struct Mapped(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who searches by an image keeps it, also while others take it over and change what they took; and nobody else does.
#[test]
fn an_image_is_let_go_of_when_nobody_searches_by_it_any_more() {
    let graph = Hnsw::new(64, Metric::L2, HnswConfig::default());
    let flat = Flat::new(64, Metric::L2);
    for index in [&graph as &dyn Index, &flat, &lsh(64), &tree(64)] {
        let world = World::new(64);
        (0..300).for_each(|slot| world.insert(index, slot, slot));
        let mut image = Vec::new();
        index.encode(&mut image);
        let there = Arc::new(AtomicUsize::new(2));
        let is_there = || there.load(Ordering::SeqCst);
        let [opened, other] = [0, 1].map(|_| {
            let mapped = Bytes::from_owner(Mapped(image.clone(), Arc::clone(&there)));
            indexes::open(mapped, &Metric::L2.into()).expect("its own image")
        });
        let asked = AtomicUsize::new(0);
        let visible = |_: Slot| {
            if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                // By another thread, as whoever serves searches does.
                std::thread::scope(|scope| _ = scope.spawn(|| opened.take_over().expect("whole")));
                assert!(!opened.is_lent() && is_there() == 2);
                (300..310).for_each(|slot| world.insert(opened.as_ref(), slot, slot));
                (0..5).for_each(|slot| world.remove(opened.as_ref(), slot));
                assert!(opened.step(&world, 100).is_ok() && is_there() == 2);
            }
            true
        };
        let query = Query::new(&world.vectors[5]).visible(&visible);
        let expected = index.search(&Query::new(&world.vectors[5]), &world).expect("found");
        // It does not matter to it what was changed meanwhile.
        let found = opened.search(&query, &world).expect("found");
        assert_eq!((found.neighbours, is_there()), (expected.neighbours.clone(), 2));
        assert!(opened.step(&world, 100).is_ok() && is_there() == 1);
        // Where nobody searches it goes at once.
        other.take_over().expect("whole");
        assert_eq!(is_there(), 0);
        assert_eq!(other.search(&Query::new(&world.vectors[5]), &world).expect("found"), expected);
    }
}
