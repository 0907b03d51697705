//! KD-trees find what a flat index finds, to the bit, whatever the vectors are like and whatever was done before.
#![expect(clippy::indexing_slicing, reason = "there are as many as are asked for here")]

use indexes::{
    Flat, Index, KdTree, KdTreeConfig, Memory, Metric, Nearest, Neighbour, Pool, Query, Slot,
    SlotSet, Step, Ties, Vectors,
};

use crate::given::{KINDS, Kind, Random};
use crate::graph::{give_back, pool};

/// Those that trees go by.
pub(crate) const METRICS: [Metric; 2] = [Metric::L2, Metric::Cosine];

/// Small ones, so that there are many.
pub(crate) fn small() -> KdTreeConfig {
    KdTreeConfig::default().leaf(8).buffer(64).fan_out(4)
}

pub(crate) fn empty(dim: usize, metric: Metric, config: KdTreeConfig) -> KdTree {
    KdTree::new(dim, metric, config).expect("it goes by it")
}

pub(crate) fn tree_of(memory: &Memory, metric: Metric, config: KdTreeConfig) -> KdTree {
    let tree = empty(memory.dim(), metric, config);
    tree.insert_all(memory.slots(), memory, &Pool::here(), &mut |_| true).expect("they fit");
    tree
}

pub(crate) fn flat_of(memory: &Memory, metric: Metric) -> Flat {
    let flat = Flat::plain(memory.dim(), metric);
    flat.insert_all(memory.slots(), memory, &Pool::here(), &mut |_| true).expect("they fit");
    flat
}

fn bits(found: &Nearest) -> Vec<(Slot, u32)> {
    let bits = |it: &Neighbour| (it.slot, it.distance.to_bits());
    found.neighbours.iter().map(bits).collect()
}

/// Both find the same, alone and together.
pub(crate) fn agree(tree: &dyn Index, flat: &Flat, memory: &Memory, queries: &[Query<'_>]) {
    let many = tree.search_many(queries, memory, &pool(2)).expect("found");
    for (query, many) in queries.iter().zip(many) {
        let found = tree.search(query, memory).expect("found");
        let expected = flat.search(query, memory).expect("found");
        assert_eq!(bits(&found), bits(&expected), "{query:?}");
        assert_eq!(found.incomplete, None, "{query:?}");
        assert_eq!(found, many, "{query:?}");
    }
}

/// Vectors of which many are equally far, or in line, beside those that all tests know.
fn odd(which: usize, dim: usize, count: usize, random: &mut Random) -> Vec<Vec<f32>> {
    let (line, start) = (random.vector(dim), random.vector(dim));
    let vector = |random: &mut Random| match which {
        // A grid.
        0 => (0..dim).map(|_| random.below(4) as f32).collect(),
        // A line, and on it a few places.
        1 => {
            let along = random.below(50) as f32;
            line.iter().zip(&start).map(|(line, start)| start + along * line).collect()
        }
        // Along one axis only.
        2 => {
            let mut vector = start.clone();
            vector[dim / 2] = random.gaussian();
            vector
        }
        // Half of them the same, the others near it.
        _ if random.below(2) == 0 => start.clone(),
        _ => start.iter().map(|it| it + 1e-3 * random.gaussian()).collect(),
    };
    (0..count).map(|_| vector(random)).collect()
}

/// Questions of all kinds about some vectors.
fn questions<'q>(
    queries: &'q [Vec<f32>],
    filters: &'q [SlotSet],
    (memory, metric): (&Memory, Metric),
    random: &mut Random,
) -> Vec<Query<'q>> {
    let mut all = Vec::new();
    for vector in queries {
        let query = Query::new(vector).k(random.pick(&[1, 2, 10, 32, 33, 100, usize::MAX]));
        let query = query.ties(random.pick(&[Ties::Cut, Ties::Cut, Ties::Keep]));
        let near = memory.slots().iter().nth(random.below(memory.len())).expect("one of them");
        let within = metric.distance(vector, &memory.vector(near).expect("it is there"));
        let query = if random.below(3) == 0 { query.within(within) } else { query };
        all.push(match random.below(4) {
            0 => query.filter(&filters[random.below(filters.len())]),
            _ => query,
        });
    }
    all
}

/// Of `count` slots all, every second one, a few, and none.
fn filters(count: usize) -> Vec<SlotSet> {
    let every = |each: usize| (0..count).step_by(each).map(|slot| Slot(slot as u32)).collect();
    vec![every(1), every(2), every(count.div_ceil(5)), SlotSet::new()]
}

#[test]
fn what_a_tree_finds_is_what_there_is_to_the_bit() {
    let mut random = Random(1);
    for kind in KINDS {
        for dim in [1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 32] {
            let count = 1 + random.below(900);
            let (memory, queries) = kind.set(dim, count, 12, random.next());
            let filters = filters(count);
            for metric in METRICS {
                let flat = flat_of(&memory, metric);
                let questions = questions(&queries, &filters, (&memory, metric), &mut random);
                for config in [small(), KdTreeConfig::default(), small().scan_from(0)] {
                    agree(&tree_of(&memory, metric, config), &flat, &memory, &questions);
                }
            }
        }
    }
}

/// Where a tree is of no use and vectors have codes, these are gone by; where it is of use, they are not.
#[test]
fn many_numbers_are_no_exception() {
    let mut random = Random(3);
    for (kind, dim) in
        [(Kind::Gaussian, 48), (Kind::Clustered, 64), (Kind::Ties, 50), (Kind::Repeated, 100)]
    {
        let (memory, queries) = kind.set(dim, 2_500, 12, random.next());
        let filters = filters(2_500);
        for metric in METRICS {
            let flat = flat_of(&memory, metric);
            let questions = questions(&queries, &filters, (&memory, metric), &mut random);
            for scan_from in [0, 100] {
                let tree = tree_of(&memory, metric, small().scan_from(scan_from));
                let is_scanned = tree.statistics().tree.expect("it has one").is_scanned;
                assert_eq!(is_scanned, scan_from == 0);
                agree(&tree, &flat, &memory, &questions);
                let found = tree.search(&Query::new(&queries[0]), &memory).expect("found");
                assert!(is_scanned || found.work.by_code == 0, "{:?}", found.work);
            }
        }
    }
    let (memory, queries) = Kind::Gaussian.set(64, 4_000, 1, 7);
    let tree = tree_of(&memory, Metric::L2, KdTreeConfig::default());
    let work = tree.search(&Query::new(&queries[0]), &memory).expect("found").work;
    assert!(work.looked_at == 4_000 && work.by_code > 0 && work.in_full < 2_000, "{work:?}");
}

#[test]
fn grids_lines_and_doubles_are_no_exception() {
    let mut random = Random(2);
    for which in 0..4 {
        for dim in [1, 2, 3, 6, 16, 20] {
            let mut memory = Memory::new(dim);
            let vectors = odd(which, dim, 700, &mut random);
            for (slot, vector) in (0..).zip(&vectors) {
                memory.set(Slot(3 * slot), vector).expect("it fits");
            }
            let queries = [odd(which, dim, 10, &mut random), vectors[..10].to_vec()].concat();
            let filters = filters(2_100);
            for metric in METRICS {
                let questions = questions(&queries, &filters, (&memory, metric), &mut random);
                let tree = tree_of(&memory, metric, small());
                agree(&tree, &flat_of(&memory, metric), &memory, &questions);
            }
        }
    }
}

/// What was done, and what of it a tree still has to let go of.
struct Life {
    tree: Box<dyn Index>,
    flat: Flat,
    memory: Memory,
    kept: SlotSet,
    metric: Metric,
}

impl Life {
    fn insert(&mut self, slot: Slot, vector: &[f32]) {
        if self.kept.contains(slot) {
            return;
        }
        self.memory.set(slot, vector).expect("it fits");
        for index in [self.tree.as_ref(), &self.flat] {
            index.insert(slot, &self.memory).expect("it is free");
        }
        self.kept.insert(slot);
    }

    fn insert_all<'v>(&mut self, vectors: impl Iterator<Item = (Slot, &'v Vec<f32>)>) {
        let mut all = SlotSet::new();
        for (slot, vector) in vectors {
            if self.kept.insert(slot) {
                self.memory.set(slot, vector).expect("it fits");
                all.insert(slot);
            }
        }
        for index in [self.tree.as_ref(), &self.flat] {
            index.insert_all(&all, &self.memory, &pool(2), &mut |_| true).expect("they are free");
        }
    }

    fn remove(&mut self, slot: Slot) {
        let there = self.tree.remove(slot).expect("whole");
        assert_eq!(there, self.flat.remove(slot).expect("whole"));
        give_back(&self.flat, &self.memory);
    }

    fn take_back(&mut self, step: Step) {
        for slot in step.given_back {
            assert!(self.kept.remove(slot) && self.memory.unset(slot));
        }
    }

    fn reopen(&mut self) {
        let mut image = Vec::new();
        self.tree.encode(&mut image);
        let removed = self.tree.removed().expect("whole");
        self.tree = indexes::open(image, &self.metric.into()).expect("its own image");
        assert_eq!(self.tree.removed().expect("whole"), removed);
    }
}

/// Inserts, removals, steps of any size, many at once, and images, in any order: at each moment both find the same.
#[test]
fn at_each_moment_of_its_life_it_finds_what_there_is() {
    for (seed, kind) in (0..).zip([Kind::Clustered, Kind::Ties, Kind::Gaussian, Kind::Repeated]) {
        for (dim, metric, at_first) in [
            (2, Metric::L2, 0),
            (3, Metric::Cosine, 0),
            (8, Metric::L2, 0),
            (48, Metric::L2, 2_100),
        ] {
            let mut random = Random(seed ^ 0x77);
            let (_, vectors) = kind.set(dim, 1, 500, seed);
            let mut life = Life {
                tree: Box::new(empty(dim, metric, small().scan_from(35 * (at_first == 0) as u8))),
                flat: Flat::plain(dim, metric),
                memory: Memory::new(dim),
                kept: SlotSet::new(),
                metric,
            };
            // So many that it is found out of what use a tree is.
            let many = (1_000..1_000 + at_first).zip(vectors.iter().cycle());
            life.insert_all(many.map(|(slot, vector)| (Slot(slot), vector)));
            for step in 0..1_500 {
                let (slot, vector) = (Slot(random.below(700) as u32), &vectors[step % 500]);
                match random.below(100) {
                    0..55 => life.insert(slot, vector),
                    55..80 => life.remove(slot),
                    80..97 => {
                        let effort = random.pick(&[1, 10, 100, 1_000]);
                        let done =
                            life.tree.step(&life.memory, effort).expect("no vector is needed");
                        life.take_back(done);
                    }
                    97 => life.insert_all((700..900).map(|slot| (Slot(slot), vector))),
                    98 => (700..900).map(Slot).for_each(|slot| life.remove(slot)),
                    _ => life.reopen(),
                }
                if step % 10 == 0 && !life.memory.is_empty() {
                    let filters = filters(900);
                    let queries = &vectors[step % 400..step % 400 + 2];
                    let about = (&life.memory, metric);
                    let questions = questions(queries, &filters, about, &mut random);
                    agree(life.tree.as_ref(), &life.flat, &life.memory, &questions);
                    assert_eq!(life.tree.statistics().slots, life.flat.len());
                }
            }
            let removed = life.tree.removed().expect("whole");
            assert_eq!(
                give_back(life.tree.as_ref(), &life.memory),
                removed.iter().collect::<Vec<_>>()
            );
        }
    }
}
