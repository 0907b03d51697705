//! A search by codes finds what one that compares everything finds, to the bit: one query and many, in a flat index and in a graph
//! that looks at everything, whatever the vectors are like.

use indexes::{
    Flat, Hnsw, HnswConfig, Index, Memory, Metric, Nearest, Neighbour, Pool, Query, Slot, SlotSet,
    Strategy, Ties, Vectors,
};

use crate::given::{KINDS, Kind, Random};

/// What is asked.
#[derive(Clone, Copy, Debug)]
struct Asked<'q> {
    vector: &'q [f32],
    k: usize,
    within: Option<f32>,
    filter: Option<&'q SlotSet>,
    ties: Ties,
}

impl<'q> Asked<'q> {
    fn query(&self) -> Query<'q> {
        let query = Query::new(self.vector).k(self.k).ties(self.ties).strategy(Strategy::Exact);
        let query = self.within.into_iter().fold(query, |query, within| query.within(within));
        self.filter.into_iter().fold(query, |query, filter| query.filter(filter))
    }

    /// The oracle: compares everything, and sorts.
    fn plainly(&self, metric: Metric, memory: &Memory) -> Vec<Neighbour> {
        let mut all: Vec<_> = memory
            .slots()
            .iter()
            .filter(|slot| self.filter.is_none_or(|filter| filter.contains(*slot)))
            .map(|slot| {
                let vector = memory.vector(slot).expect("it is there");
                Neighbour { distance: metric.distance(self.vector, &vector), slot }
            })
            .filter(|it| self.within.is_none_or(|within| it.distance <= within))
            .collect();
        all.sort();
        let last = self.k.checked_sub(1).and_then(|at| all.get(at)).map(|it| it.distance);
        match last {
            Some(last) if self.ties == Ties::Keep => all.retain(|it| it.distance <= last),
            _ => all.truncate(self.k),
        }
        all
    }
}

/// Fails where an answer differs from the oracle's, by as much as a bit.
fn check(found: &Nearest, expected: &[Neighbour], what: impl Fn() -> String) {
    let bits = |it: &Neighbour| (it.slot, it.distance.to_bits());
    let mut pairs = found.neighbours.iter().zip(expected);
    if let Some((found, expected)) = pairs.find(|(a, b)| bits(a) != bits(b)) {
        panic!("{}: {found:?} instead of {expected:?}", what());
    }
    let (lengths, whole) = ((found.neighbours.len(), expected.len()), found.incomplete.is_none());
    assert!(lengths.0 == lengths.1 && whole, "{}: {lengths:?}, {found:?}", what());
}

/// One query after the other, then all that are for something together, on one thread and on three.
fn check_all(
    index: &dyn Index,
    metric: Metric,
    memory: &Memory,
    all: &[Asked<'_>],
    pool: &Pool,
) -> usize {
    for asked in all {
        let found = index.search(&asked.query(), memory).expect("found");
        check(&found, &asked.plainly(metric, memory), || format!("one: {metric}, {asked:?}"));
    }
    let all: Vec<_> = all.iter().filter(|asked| asked.k > 0).collect();
    let queries: Vec<_> = all.iter().map(|asked| asked.query()).collect();
    for pool in [&Pool::here(), pool] {
        let found = index.search_many(&queries, memory, pool).expect("found");
        assert_eq!(found.len(), all.len());
        for (found, asked) in found.iter().zip(&all) {
            check(found, &asked.plainly(metric, memory), || format!("many: {metric}, {asked:?}"));
        }
    }
    2 * all.len()
}

/// Goes through so many queries; answers with how many that were.
fn go_through(kind: Kind, cases: usize, dims: &[usize]) -> usize {
    let mut asked_for = 0;
    let mut random = Random(kind as u64);
    let pool = Pool::new(3.try_into().expect("not 0")).expect("threads");
    while asked_for < cases {
        let (dim, count) = (random.pick(dims), 1 + random.below(300));
        let (memory, vectors) = kind.set(dim, count, 24, random.next());
        let some = |each, rest| {
            (0..count as u32).filter(|slot| slot % each == rest).map(Slot).collect::<SlotSet>()
        };
        let filters = [some(2, 1), some(7, 3)];
        let filters = [None, None, Some(&filters).map(|[a, _]| a), Some(&filters).map(|[_, b]| b)];
        for metric in Metric::ALL {
            let flat = Flat::new(dim, metric);
            flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true)
                .expect("they fit");
            let ask = |vector| {
                let slot = Slot(random.below(count) as u32);
                let near = metric.distance(vector, &memory.vector(slot).expect("it is there"));
                Asked {
                    vector,
                    k: random.pick(&[0, 1, 2, 10, 50, 1_000]),
                    within: random.pick(&[None, None, Some(near)]),
                    filter: random.pick(&filters),
                    ties: random.pick(&[Ties::Cut, Ties::Keep]),
                }
            };
            let all: Vec<_> = vectors.iter().map(Vec::as_slice).map(ask).collect();
            asked_for += all.len() + check_all(&flat, metric, &memory, &all, &pool);
            let graph = Hnsw::new(dim, metric, HnswConfig::default().m(2).ef_construction(1));
            graph.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
            asked_for += all.len() + check_all(&graph, metric, &memory, &all, &pool);
        }
    }
    asked_for
}

#[test]
fn codes_never_change_an_answer() {
    let dims = [48, 50, 100, 128, 200];
    let cases: usize = KINDS.iter().map(|kind| go_through(*kind, 9_100, &dims)).sum();
    assert!(cases >= 100_000, "{cases}");
}

#[test]
fn products_of_floats_never_change_an_answer() {
    let cases: usize = KINDS.iter().map(|kind| go_through(*kind, 1_000, &[1, 2, 3, 17, 40])).sum();
    assert!(cases >= 10_000, "{cases}");
}

/// Where all numbers are the same, each addition of a sum is rounded to the same side, so that it is as far off as
/// sums can be.
#[test]
fn sums_that_are_always_rounded_the_same_way_change_no_answer() {
    let mut random = Random(6);
    for round in 0..60 {
        let (dim, metric) = (random.pick(&[1_000, 4_096]), random.pick(&Metric::ALL));
        let vector = vec![1.0 + random.part() as f32; dim];
        let mut memory = Memory::new(dim);
        memory.set(Slot(3), &vector).expect("it fits");
        let within = metric.distance(&vector, &vector);
        let query = Query::new(&vector).within(within);
        for flat in [Flat::new(dim, metric), Flat::plain(dim, metric)] {
            flat.insert(Slot(3), &memory).expect("it is new");
            let found = flat.search_many(&[query; 8], &memory, &Pool::here()).expect("found");
            let whole = found.iter().all(|it| it.neighbours.len() == 1);
            assert!(whole, "round {round}: {metric} {dim}, {}", vector[0]);
        }
    }
}
