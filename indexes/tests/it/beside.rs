//! Readers beside writers beside whoever clears away: what is found was there while it was looked for, and nothing else.
//!
//! Every life of a slot is stamped, before and behind each call, from one clock. A search may find a slot only if one of
//! its lives touches the time that the search took, and only as far as the vector of that life is.
#![expect(clippy::indexing_slicing, reason = "there are as many as are asked for here")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexes::{
    Flat, Hnsw, HnswConfig, Index, Lent, Metric, Query, Slot, SlotSet, Unreadable, Vectors,
};

use crate::given::{Kind, Random};
use crate::graph::give_back;

const DIM: usize = 64;
const SLOTS: usize = 600;
const WRITERS: usize = 3;
const READERS: usize = 4;

/// How often each writer changes something.
const CHANGES: usize = 700;

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
    fn new() -> Self {
        let (_, vectors) = Kind::Clustered.set(DIM, 1, 2_000, 71);
        World {
            clock: AtomicU64::new(0),
            vectors,
            has: (0..SLOTS).map(|_| AtomicUsize::new(0)).collect(),
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
        assert!(index.remove(Slot(slot as u32)).expect("whole"));
        let ended = self.now();
        lock(&self.lives[slot]).last_mut().expect("it was inserted").ended = ended;
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
        DIM
    }

    fn vector(&self, slot: Slot) -> Result<Lent<'_>, Unreadable> {
        let has = self.has.get(slot.0 as usize).ok_or_else(|| Unreadable::not_there(slot))?;
        Ok(self.vectors[has.load(Ordering::SeqCst)].as_slice().into())
    }
}

/// Inserts what is free and removes what is not, and finds what it just inserted.
fn write(world: &World, index: &dyn Index, free: &Mutex<VecDeque<usize>>, seed: u64) {
    let mut random = Random(seed);
    let mut mine = Vec::new();
    let (mut inserted, mut found) = (0, 0);
    for _ in 0..CHANGES {
        let slot =
            if mine.len() < 100 || random.below(2) == 0 { lock(free).pop_front() } else { None };
        match slot {
            Some(slot) => {
                let vector = random.below(world.vectors.len());
                world.insert(index, slot, vector);
                mine.push(slot);
                let query = Query::new(&world.vectors[vector]).k(20);
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
            None if mine.is_empty() => std::thread::yield_now(),
            None => {
                let slot = mine.swap_remove(random.below(mine.len()));
                world.remove(index, slot);
            }
        }
    }
    assert!(found * 100 >= inserted * 95, "of {inserted} that were inserted {found} are found");
}

fn stress(index: &dyn Index) {
    let world = World::new();
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
                    let query = Query::new(vector).k(10);
                    world.look(index, &query, vector);
                    let some = index.search(&query.visible(&visible), world).expect("found");
                    assert!(some.neighbours.iter().all(|it| shown.contains(it.slot)));
                    looked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let clearing = scope.spawn(|| {
            let mut given_back = 0;
            while !done.load(Ordering::SeqCst) {
                let step = index.step(&world, 300).expect("all can be read");
                given_back += step.given_back.len();
                lock(&free).extend(step.given_back.iter().map(|slot| slot.0 as usize));
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
        assert!(clearing.join().is_ok_and(|given_back| given_back > SLOTS));
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
        let found = index.search(&Query::new(vector).k(1), world).expect("found").neighbours;
        missed += usize::from(found.first().is_none_or(|it| it.distance > 0.0));
    }
    assert!(missed <= 3, "{missed} are missed");
}

#[test]
fn a_graph_shows_what_is_there_to_many_while_many_change_it() {
    stress(&Hnsw::new(DIM, Metric::L2, HnswConfig::default().m(8).ef_construction(60)));
}

#[test]
fn a_flat_index_shows_what_is_there_to_many_while_many_change_it() {
    stress(&Flat::new(DIM, Metric::L2));
}

#[test]
fn a_graph_in_an_image_is_searched_while_it_is_changed_first() {
    let world = World::new();
    let graph = Hnsw::new(DIM, Metric::L2, HnswConfig::default());
    (0..SLOTS).for_each(|slot| world.insert(&graph, slot, slot));
    (0..SLOTS).step_by(7).for_each(|slot| world.remove(&graph, slot));
    let mut image = Vec::new();
    graph.encode(&mut image);
    for _ in 0..20 {
        let opened = Hnsw::open(image.clone(), &Metric::L2.into()).expect("its own image");
        assert_eq!(opened.statistics().removed, SLOTS.div_ceil(7));
        let given_back = std::thread::scope(|scope| {
            for reader in 0..4 {
                let (world, opened) = (&world, &opened);
                scope.spawn(move || {
                    for at in 0..40 {
                        let vector = &world.vectors[at * 31 + reader];
                        assert_eq!(world.look(opened, &Query::new(vector), vector), 10);
                    }
                });
            }
            scope.spawn(|| give_back(&opened, &world)).join().expect("it goes on")
        });
        assert_eq!(given_back.len(), SLOTS.div_ceil(7));
    }
}
