//! A search by codes finds what one that compares everything finds, to the bit: one query and many, whatever the
//! vectors are like.

use indexes::{Flat, Index, Memory, Metric, Nearest, Neighbour, Pool, Query, Slot, SlotSet, Ties, Vectors};

use crate::given::{KINDS, Kind, Random};

/// The oracle: compares everything, and sorts.
fn plainly(metric: Metric, memory: &Memory, query: &Query<'_>, asked: &Asked<'_>) -> Vec<Neighbour> {
    let _ = query;
    let mut all: Vec<_> = memory
        .slots()
        .iter()
        .filter(|slot| asked.filter.is_none_or(|filter| filter.contains(*slot)))
        .map(|slot| {
            let vector = memory.vector(slot).expect("it is there");
            Neighbour { distance: metric.distance(asked.vector, &vector), slot }
        })
        .filter(|it| asked.within.is_none_or(|within| it.distance <= within))
        .collect();
    all.sort();
    let last = asked.k.checked_sub(1).and_then(|at| all.get(at)).map(|it| it.distance);
    match last {
        Some(last) if asked.ties == Ties::Keep => all.retain(|it| it.distance <= last),
        _ => all.truncate(asked.k),
    }
    all
}

struct Asked<'q> {
    vector: &'q [f32],
    k: usize,
    within: Option<f32>,
    filter: Option<&'q SlotSet>,
    ties: Ties,
}

impl<'q> Asked<'q> {
    fn query(&self) -> Query<'q> {
        let query = Query::new(self.vector).k(self.k).ties(self.ties);
        let query = self.within.into_iter().fold(query, |query, within| query.within(within));
        self.filter.into_iter().fold(query, |query, filter| query.filter(filter))
    }
}

/// Fails where an answer differs from the oracle's, by as much as a bit.
fn check(found: &Nearest, expected: &[Neighbour], what: impl Fn() -> String) {
    let bits = |it: &Neighbour| (it.slot, it.distance.to_bits());
    let pairs = found.neighbours.iter().zip(expected);
    if let Some((found, expected)) = pairs.clone().find(|(a, b)| bits(a) != bits(b)) {
        panic!("{}: {found:?} instead of {expected:?}", what());
    }
    let lengths = (found.neighbours.len(), expected.len());
    assert_eq!((lengths.0, found.incomplete), (lengths.1, None), "{}", what());
}

/// Goes through cases until so many queries were asked; answers with how many that were.
fn go_through(kind: Kind, cases: usize, dims: &[usize]) -> usize {
    let mut asked_for = 0;
    let mut random = Random(kind as u64);
    let pool = Pool::new(3.try_into().expect("not 0")).expect("threads");
    while asked_for < cases {
        let dim = dims[random.below(dims.len())];
        let count = 1 + random.below(300);
        let (memory, vectors) = kind.set(dim, count, 24, random.next());
        let filters = [2, 7].map(|each| {
            (0..count as u32).filter(|slot| slot % each == 1).map(Slot).collect::<SlotSet>()
        });
        for metric in Metric::ALL {
            let mut flat = Flat::new(dim, metric);
            flat.insert_all(memory.slots(), &memory, &Pool::here()).expect("they fit");
            let asked: Vec<_> = vectors
                .iter()
                .map(|vector| {
                    let some = memory.vector(Slot(random.below(count) as u32)).expect("there");
                    let near = metric.distance(vector, &some);
                    Asked {
                        vector,
                        k: [0, 1, 2, 10, 50, 1_000][random.below(6)],
                        within: [None, None, Some(near)][random.below(3)],
                        filter: [None, None, Some(&filters[0]), Some(&filters[1])][random.below(4)],
                        ties: [Ties::Cut, Ties::Keep][random.below(2)],
                    }
                })
                .collect();
            let mut all = Vec::new();
            for asked in &asked {
                let expected = plainly(metric, &memory, &asked.query(), asked);
                let found = flat.search(&asked.query(), &memory).expect("found");
                check(&found, &expected, || format!("one: {kind:?}, {metric}, {dim}, k {}", asked.k));
                all.push(expected);
            }
            // None may be for nothing, or all are dealt with one by one.
            let queries: Vec<_> = asked.iter().map(Asked::query).collect();
            let some: Vec<_> = (0..queries.len()).filter(|at| asked[*at].k > 0).collect();
            let together: Vec<_> = some.iter().map(|at| queries[*at]).collect();
            for pool in [&Pool::here(), &pool] {
                let found = flat.search_many(&together, &memory, pool).expect("found");
                for (found, at) in found.iter().zip(&some) {
                    let (k, within) = (asked[*at].k, asked[*at].within);
                    check(found, &all[*at], || {
                        format!("many: {kind:?}, {metric}, {dim}, k {k}, within {within:?}")
                    });
                }
                assert_eq!(found.len(), some.len());
            }
            asked_for += asked.len() + some.len();
        }
    }
    asked_for
}

#[test]
fn codes_never_change_an_answer() {
    let cases: usize = KINDS.iter().map(|kind| go_through(*kind, 9_100, &[48, 50, 100, 128, 200])).sum();
    assert!(cases >= 100_000, "{cases}");
}

#[test]
fn products_of_floats_never_change_an_answer() {
    let cases: usize = KINDS.iter().map(|kind| go_through(*kind, 1_000, &[1, 2, 3, 17, 40])).sum();
    assert!(cases >= 10_000, "{cases}");
}
