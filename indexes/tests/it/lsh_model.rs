//! Whatever is done to hash tables, in whatever order: they have what a plain set has, and find what a flat index finds, where all is asked for.

use std::collections::{BTreeMap, BTreeSet};

use indexes::{Family, Flat, Index, Lsh, LshConfig, Measure, Memory, Metric, Pool, Query, Slot};
use proptest::prelude::*;

use crate::given::Random;
use crate::graph::pool;
use crate::lsh::by_tables;

#[derive(Clone, Debug)]
enum Change {
    Insert(u32),
    InsertMany(u32, u32),
    Remove(u32),
    RemoveMany(u32, u32),
    Step(usize),
    /// Closes it, and opens its image.
    Reopen,
    TakeOver,
}

fn change() -> impl Strategy<Value = Change> {
    let slot = 0..300_u32;
    prop_oneof![
        4 => slot.clone().prop_map(Change::Insert),
        2 => (slot.clone(), 1..80_u32).prop_map(|(first, count)| Change::InsertMany(first, count)),
        3 => slot.clone().prop_map(Change::Remove),
        1 => (slot, 1..80_u32).prop_map(|(first, count)| Change::RemoveMany(first, count)),
        4 => (0..20_000_usize).prop_map(Change::Step),
        1 => Just(Change::Reopen),
        1 => Just(Change::TakeOver),
    ]
}

struct World {
    dim: usize,
    metric: Metric,
    lsh: Box<dyn Index>,
    memory: Memory,
    live: BTreeSet<u32>,
    removed: BTreeSet<u32>,
    random: Random,
}

impl World {
    fn new(dim: usize, metric: Metric, family: Family) -> Self {
        let config = LshConfig::default().tables_from(40).num_tables(3).family(family);
        let lsh = Box::new(Lsh::new(dim, metric, config).expect("a metric"));
        let (live, removed) = (BTreeSet::new(), BTreeSet::new());
        World { dim, metric, lsh, memory: Memory::new(dim), live, removed, random: Random(4) }
    }

    fn is_free(&self, slot: &u32) -> bool {
        !self.live.contains(slot) && !self.removed.contains(slot)
    }

    fn put(&mut self, slot: u32) {
        let vector = self.random.vector(self.dim);
        self.memory.set(Slot(slot), &vector).expect("it fits");
    }

    fn change(&mut self, change: &Change) {
        match *change {
            Change::Insert(slot) => {
                if self.is_free(&slot) {
                    self.put(slot);
                }
                let done = self.lsh.insert(Slot(slot), &self.memory);
                assert_eq!(done.is_ok(), self.is_free(&slot));
                if done.is_ok() {
                    self.live.insert(slot);
                }
            }
            Change::InsertMany(first, count) => {
                let free: Vec<_> = (first..first + count).filter(|it| self.is_free(it)).collect();
                free.iter().for_each(|slot| self.put(*slot));
                let slots = free.iter().map(|slot| Slot(*slot)).collect();
                let all = self.lsh.insert_all(&slots, &self.memory, &pool(2), &mut |_| true);
                all.expect("they are free");
                self.live.extend(free);
            }
            Change::Remove(slot) => self.remove(slot),
            Change::RemoveMany(first, count) => {
                (first..first + count).for_each(|it| self.remove(it))
            }
            Change::Step(effort) => {
                for slot in self.lsh.step(&self.memory, effort).expect("all are there").given_back {
                    assert!(self.removed.remove(&slot.0) && self.memory.unset(slot));
                }
            }
            Change::Reopen => {
                let mut image = Vec::new();
                self.lsh.encode(&mut image);
                self.lsh = indexes::open(image, &Measure::from(self.metric)).expect("its own");
            }
            Change::TakeOver => self.lsh.take_over().expect("whole"),
        }
    }

    fn remove(&mut self, slot: u32) {
        let there = self.live.remove(&slot);
        assert_eq!(self.lsh.remove(Slot(slot)).expect("whole"), there);
        if there {
            self.removed.insert(slot);
        }
    }

    fn check(&mut self) {
        let has = |slot: &u32| self.lsh.contains(Slot(*slot)).expect("whole");
        assert!((0..400).filter(has).eq(self.live.iter().copied()));
        let removed = self.lsh.removed().expect("whole");
        assert!(removed.iter().map(|slot| slot.0).eq(self.removed.iter().copied()));
        let figures = self.lsh.statistics();
        assert_eq!((figures.slots, figures.removed), (self.live.len(), self.removed.len()));
        let flat = Flat::plain(self.dim, self.metric);
        let live = self.live.iter().map(|slot| Slot(*slot)).collect();
        flat.insert_all(&live, &self.memory, &Pool::here(), &mut |_| true).expect("they fit");
        let vector = self.random.vector(self.dim);
        let truth =
            flat.search(&Query::new(&vector).k(400), &self.memory).expect("found").neighbours;
        let far: BTreeMap<_, _> = truth.iter().map(|it| (it.slot, it.distance)).collect();
        for query in [Query::new(&vector), by_tables(&vector), by_tables(&vector).ef(20)] {
            let found = self.lsh.search(&query.k(5), &self.memory).expect("found").neighbours;
            assert!(
                found.len() == truth.len().min(5) && found.is_sorted_by(|one, next| one < next)
            );
            assert!(found.iter().all(|it| far.get(&it.slot) == Some(&it.distance)));
        }
        let all = Query::new(&vector).k(7).recall(1.0);
        let found = self.lsh.search(&all, &self.memory).expect("found").neighbours;
        assert_eq!(found, truth.get(..7).unwrap_or(&truth));
        // Every one of them is in a table, or looked at because it is in none.
        for slot in self.live.iter().step_by(5) {
            let own = indexes::Vectors::vector(&self.memory, Slot(*slot)).expect("there").to_vec();
            let query = by_tables(&own).k(1);
            let found = self.lsh.search(&query, &self.memory).expect("found").neighbours;
            let nearest = flat.search(&query, &self.memory).expect("found").neighbours;
            // By inner products others may be nearer, and need not be where it is.
            assert!(self.metric == Metric::Dot || found == nearest, "{slot} is missed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn they_do_what_a_plain_set_would(
        changes in prop::collection::vec(change(), 1..60),
        dim in prop::sample::select(vec![5, 50]),
        metric in prop::sample::select(Metric::ALL.to_vec()),
        family in prop::sample::select(vec![Family::CrossPolytope, Family::Hyperplanes]),
    ) {
        let mut world = World::new(dim, metric, family);
        for (at, change) in changes.iter().enumerate() {
            world.change(change);
            if at % 8 == 7 {
                world.check();
            }
        }
        world.check();
    }
}
