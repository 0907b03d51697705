//! What a graph finds, held against what is there.

use std::sync::Arc;

use indexes::{
    Distance, Flat, Hnsw, HnswConfig, Incomplete, Index, Measure, Memory, Metric, Nearest, Pool,
    Query, Slot, SlotSet, Strategy,
};

use crate::given::{Kind, Random};

pub(crate) fn pool(threads: usize) -> Pool {
    Pool::new(threads.try_into().expect("not 0")).expect("threads")
}

/// What is looked for by a walk, however few there are.
pub(crate) fn walk(vector: &[f32]) -> Query<'_> {
    Query::new(vector).strategy(Strategy::Walk)
}

/// A graph of all vectors.
pub(crate) fn graph_of(memory: &Memory, measure: impl Into<Measure>) -> Hnsw {
    let dim = indexes::Vectors::dim(memory);
    let graph = Hnsw::new(dim, measure, HnswConfig::default());
    graph.insert_all(memory.slots(), memory, &pool(2), &mut |_| true).expect("they fit");
    graph
}

/// Steps until nothing is due; all that was given back, in order.
pub(crate) fn give_back(index: &dyn Index, vectors: &dyn indexes::Vectors) -> Vec<Slot> {
    let mut all = Vec::new();
    loop {
        let step = index.step(vectors, 1_000).expect("all can be read");
        all.extend(step.given_back);
        if !step.more {
            all.sort_unstable();
            return all;
        }
    }
}

/// Which share of what is there was found; distances that are the same count as well as the slots.
fn recall(found: &Nearest, truth: &Nearest) -> f64 {
    let Some(last) = truth.neighbours.last() else { return 1.0 };
    let near = found.neighbours.iter().filter(|it| it.distance <= last.distance).count();
    near as f64 / truth.neighbours.len() as f64
}

/// The mean recall of some queries, and that distances are true and in order.
pub(crate) fn mean_recall(
    graph: &dyn Index,
    memory: &Memory,
    measure: &Measure,
    queries: &[Query<'_>],
) -> f64 {
    let dim = indexes::Vectors::dim(memory);
    let flat = Flat::plain(dim, measure.clone());
    let slots: SlotSet =
        memory.slots().iter().filter(|slot| graph.contains(*slot).expect("whole")).collect();
    flat.insert_all(&slots, memory, &Pool::here(), &mut |_| true).expect("they fit");
    let mut sum = 0.0;
    for query in queries {
        let found = graph.search(query, memory).expect("found");
        let truth = flat.search(query, memory).expect("found");
        assert_eq!((found.neighbours.len(), found.incomplete), (truth.neighbours.len(), None));
        assert!(found.neighbours.is_sorted());
        sum += recall(&found, &truth);
    }
    sum / queries.len() as f64
}

#[test]
fn it_finds_nearly_all_of_what_is_near() {
    for dim in [3, 16, 64, 200] {
        for metric in Metric::ALL {
            for kind in [Kind::Gaussian, Kind::Clustered] {
                // An inner product of vectors of all lengths is what graphs are worst at.
                let least = if metric == Metric::Dot || dim > 64 { 0.8 } else { 0.95 };
                let (memory, vectors) = kind.set(dim, 3_000, 50, 21);
                let graph = graph_of(&memory, metric);
                let queries: Vec<_> = vectors.iter().map(|vector| walk(vector)).collect();
                let recall = mean_recall(&graph, &memory, &metric.into(), &queries);
                assert!(recall >= least, "{kind:?}, {metric}, {dim}: {recall}");
                let many = graph.search_many(&queries, &memory, &pool(3)).expect("found");
                for (found, query) in many.iter().zip(&queries) {
                    assert_eq!(*found, graph.search(query, &memory).expect("found"));
                }
            }
        }
    }
}

#[test]
fn one_by_one_it_becomes_as_good_as_all_at_once() {
    let (memory, vectors) = Kind::Clustered.set(64, 2_000, 50, 22);
    let queries: Vec<_> = vectors.iter().map(|vector| walk(vector)).collect();
    let graph = Hnsw::new(64, Metric::Cosine, HnswConfig::default());
    memory.slots().iter().for_each(|slot| graph.insert(slot, &memory).expect("it is new"));
    let recall = mean_recall(&graph, &memory, &Metric::Cosine.into(), &queries);
    assert!(recall >= 0.97, "{recall}");
}

#[test]
fn the_same_seed_makes_the_same_graph_on_any_number_of_threads() {
    let (memory, _) = Kind::Clustered.set(64, 4_000, 0, 23);
    let image = |threads, seed| {
        let graph = Hnsw::new(64, Metric::L2, HnswConfig::default().seed(seed));
        graph.insert_all(memory.slots(), &memory, &pool(threads), &mut |_| true).expect("they fit");
        let mut image = Vec::new();
        graph.encode(&mut image);
        image
    };
    let one = image(1, 7);
    assert!(one == image(2, 7) && one == image(4, 7));
    assert!(one != image(1, 8));
}

#[test]
fn what_is_removed_is_gone_and_the_rest_is_still_found() {
    let (memory, vectors) = Kind::Clustered.set(64, 1_500, 40, 24);
    let graph = graph_of(&memory, Metric::L2);
    let queries: Vec<_> = vectors.iter().map(|vector| walk(vector)).collect();
    let mut random = Random(5);
    while graph.len() > 500 {
        let slot = Slot(random.below(1_500) as u32);
        let there = graph.contains(slot).expect("whole");
        assert_eq!(
            (graph.remove(slot).expect("whole"), graph.contains(slot).expect("whole")),
            (there, false)
        );
    }
    let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
    assert!(recall >= 0.95, "{recall} while they are in the graph");
    let gone = give_back(&graph, &memory);
    assert_eq!((gone.len(), graph.statistics().removed), (1_000, 0));
    let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
    assert!(recall >= 0.95, "{recall} when they are not");
    gone.into_iter().for_each(|slot| graph.insert(slot, &memory).expect("it was given back"));
    let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
    assert!(recall >= 0.95, "{recall}");
    memory.slots().iter().for_each(|slot| assert!(graph.remove(slot).expect("whole")));
    for given_back in [0, 1_500] {
        assert!(graph.is_empty() && graph.degree().expect("whole") == 0.0);
        for query in &queries {
            assert_eq!(graph.search(query, &memory).expect("found").neighbours, []);
        }
        if given_back > 0 {
            assert_eq!(give_back(&graph, &memory).len(), given_back);
        }
    }
    graph.insert(Slot(9), &memory).expect("it was given back");
    let found = graph.search(&walk(&vectors[0]), &memory).expect("found");
    assert_eq!(found.neighbours.iter().map(|it| it.slot.0).collect::<Vec<_>>(), [9]);
    let others: SlotSet = memory.slots().iter().filter(|slot| slot.0 != 9).collect();
    graph.insert_all(&others, &memory, &pool(2), &mut |_| true).expect("they were given back");
    let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
    assert!(recall >= 0.95, "{recall} when all are there again");
}

#[test]
fn a_filter_never_leaves_too_few() {
    let (memory, vectors) = Kind::Clustered.set(64, 5_000, 20, 25);
    let graph = graph_of(&memory, Metric::Cosine);
    for each in [1, 2, 3, 10, 100, 1_000, 4_999] {
        let some: SlotSet = memory.slots().iter().filter(|slot| slot.0 % each == 0).collect();
        let queries: Vec<_> =
            vectors.iter().map(|vector| Query::new(vector).k(20).filter(&some)).collect();
        let recall = mean_recall(&graph, &memory, &Metric::Cosine.into(), &queries);
        assert!(recall >= 0.95, "one in {each}: {recall}");
        for query in &queries {
            let found = graph.search(query, &memory).expect("found");
            assert!(found.neighbours.iter().all(|it| some.contains(it.slot)));
        }
    }
}

#[test]
fn within_a_threshold_all_are_found() {
    let (memory, vectors) = Kind::Clustered.set(64, 3_000, 20, 26);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    for vector in &vectors {
        for rank in [0, 5, 300, 2_900] {
            let all = flat.search(&Query::new(vector).k(3_000), &memory).expect("found");
            let within = all.neighbours.get(rank).expect("so many").distance;
            let query = Query::new(vector).k(usize::MAX).within(within);
            let found = graph.search(&query, &memory).expect("found").neighbours.len();
            assert!(found as f64 >= 0.97 * (rank + 1) as f64, "{found} of {}", rank + 1);
        }
    }
}

#[test]
fn a_budget_that_is_too_small_says_so() {
    let (memory, vectors) = Kind::Clustered.set(64, 3_000, 20, 27);
    let graph = graph_of(&memory, Metric::L2);
    for vector in &vectors {
        let whole = graph.search(&walk(vector), &memory).expect("found");
        let enough = walk(vector).budget(whole.work.looked_at + 1);
        assert_eq!(graph.search(&enough, &memory).expect("found").neighbours, whole.neighbours);
        for budget in [0, 1, 40, 200] {
            let found = graph.search(&walk(vector).budget(budget), &memory).expect("found");
            assert_eq!(found.incomplete, Some(Incomplete::Budget));
            // Walking down the levels is not cut short.
            assert!(found.work.looked_at < budget + 200, "{:?}", found.work);
        }
    }
}

#[test]
fn it_looks_at_little_and_compares_hardly_anything_in_full() {
    let (memory, vectors) = Kind::Clustered.set(200, 10_000, 50, 28);
    let graph = graph_of(&memory, Metric::Cosine);
    let mut sums = [0; 3];
    for vector in &vectors {
        let work = graph.search(&walk(vector), &memory).expect("found").work;
        let parts = [work.looked_at, work.by_code, work.in_full];
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part / 50);
    }
    let [looked_at, by_code, in_full] = sums;
    assert!(looked_at < 2_500 && by_code < 100 && in_full < 30, "{sums:?}");
}

struct Manhattan;

impl Distance for Manhattan {
    fn name(&self) -> &str {
        "manhattan"
    }

    fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum()
    }
}

#[test]
fn it_works_by_a_distance_of_the_callers_own() {
    let measure = Measure::own(Arc::new(Manhattan)).expect("a good name");
    let (memory, vectors) = Kind::Clustered.set(64, 2_000, 30, 29);
    let graph = graph_of(&memory, measure.clone());
    let queries: Vec<_> = vectors.iter().map(|vector| walk(vector)).collect();
    let recall = mean_recall(&graph, &memory, &measure, &queries);
    assert!(recall >= 0.95, "{recall}");
}
