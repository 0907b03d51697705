//! Filters, what is visible, thresholds, budgets and deadlines: an answer has as many as are wanted, or all there are, or says
//! why not.

use std::sync::atomic::{AtomicUsize, Ordering};

use indexes::{
    Flat, Hnsw, HnswConfig, Incomplete, Index, Memory, Metric, Pool, Query, Slot, SlotSet,
    Strategy, Vectors,
};

use crate::given::{Kind, Random};
use crate::graph::{give_back, graph_of, mean_recall, pool};

const WAYS: [Option<Strategy>; 4] =
    [None, Some(Strategy::Exact), Some(Strategy::Walk), Some(Strategy::Through)];

/// So many slots: any, or of those that are near or far.
fn filter(place: usize, admitted: usize, ranked: &[Slot], random: &mut Random) -> SlotSet {
    let among = (3 * admitted).min(ranked.len());
    let mut slots = match place {
        0 => ranked.to_vec(),
        1 => ranked.iter().take(among).copied().collect(),
        _ => ranked.iter().rev().take(among).copied().collect(),
    };
    for at in 0..admitted {
        let other = at + random.below(slots.len() - at);
        slots.swap(at, other);
    }
    slots.into_iter().take(admitted).collect()
}

#[test]
fn whatever_is_admitted_and_wherever_it_lies_enough_is_found() {
    const COUNT: usize = 16_000;
    for dim in [20, 64] {
        let (memory, vectors) = Kind::Clustered.set(dim, COUNT, 10, 61);
        let graph = graph_of(&memory, Metric::L2);
        let flat = Flat::new(dim, Metric::L2);
        flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
        let mut random = Random(62);
        for place in 0..3 {
            for admitted in [COUNT, 10_000, 6_000, 3_500, 1_500, 600, 60, 6, 1] {
                let mut sums = [0.0; WAYS.len()];
                for vector in &vectors {
                    let all = flat.search(&Query::new(vector).k(COUNT), &memory).expect("found");
                    let ranked: Vec<_> = all.neighbours.iter().map(|it| it.slot).collect();
                    let filter = filter(place, admitted, &ranked, &mut random);
                    for (way, sum) in WAYS.iter().zip(&mut sums) {
                        let query = Query::new(vector).filter(&filter);
                        let query = way.iter().fold(query, |query, way| query.strategy(*way));
                        let found = graph.search(&query, &memory).expect("found");
                        assert_eq!(found.neighbours.len(), admitted.min(10), "{way:?}");
                        assert!(found.neighbours.iter().all(|it| filter.contains(it.slot)));
                        assert_eq!(found.incomplete, None);
                        *sum += mean_recall(&graph, &memory, &Metric::L2.into(), &[query]);
                    }
                }
                let [chosen, exact, walk, through] = sums.map(|sum| sum / vectors.len() as f64);
                let what =
                    format!("{dim}, {admitted} at {place}: {chosen} {exact} {walk} {through}");
                assert!(chosen >= 0.95 && exact == 1.0 && walk >= 0.95 && through >= 0.8, "{what}");
            }
        }
    }
}

/// Many that are the same, and the nearest to a query, hide nothing of what is behind them.
#[test]
fn those_that_are_the_same_hide_nothing_within_a_threshold() {
    const COUNT: usize = 6_000;
    let (mut memory, _) = Kind::Gaussian.set(64, COUNT, 0, 71);
    let one = memory.vector(Slot(0)).expect("it is there").to_vec();
    (0..200).for_each(|slot| memory.set(Slot(slot), &one).expect("it fits"));
    let graph = Hnsw::new(64, Metric::L2, HnswConfig::default().m(4));
    graph.insert_all(memory.slots(), &memory, &pool(1), &mut |_| true).expect("they fit");
    let all = Query::new(&one).k(COUNT).strategy(Strategy::Exact);
    let all = graph.search(&all, &memory).expect("found").neighbours;
    assert!(all[199].distance == 0.0 && all[200].distance > 0.0);
    for (k, near) in [(COUNT, 400), (300, 1_000), (COUNT, 3_000)] {
        let within = all[near].distance;
        let query = Query::new(&one).k(k).within(within).strategy(Strategy::Walk);
        let found = graph.search(&query, &memory).expect("found");
        assert_eq!(found.incomplete, None);
        let wanted = k.min(near + 1);
        assert!(
            found.neighbours.len() * 100 >= wanted * 99,
            "{} of {wanted}",
            found.neighbours.len()
        );
    }
}

/// A threshold behind all there is changes nothing, and is no reason to look less far.
#[test]
fn a_threshold_that_is_far_away_is_none() {
    const COUNT: usize = 20_000;
    let (memory, vectors) = Kind::Clustered.set(64, COUNT, 10, 72);
    let graph = graph_of(&memory, Metric::L2);
    for part in [2, 10, 40] {
        let visible = |slot: Slot| slot.0.is_multiple_of(part);
        for vector in &vectors {
            let query = Query::new(vector).k(1).visible(&visible).strategy(Strategy::Walk);
            let without = graph.search(&query, &memory).expect("found");
            let with = graph.search(&query.within(f32::MAX), &memory).expect("found");
            assert_eq!(with.neighbours, without.neighbours);
            assert!(with.work.looked_at >= without.work.looked_at, "it ends too early");
        }
    }
}

/// Filters, thresholds, and what is visible together: all that is near enough is found, whatever the way.
#[test]
fn within_a_threshold_nothing_is_left_out_because_other_things_are_not_to_be_shown() {
    const COUNT: usize = 12_000;
    let (memory, vectors) = Kind::Clustered.set(64, COUNT, 8, 68);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    let mut random = Random(69);
    for slot in (0..COUNT as u32).filter(|slot| slot % 7 == 3).map(Slot) {
        assert!(graph.remove(slot).expect("whole") && flat.remove(slot).expect("whole"));
    }
    let tenth = |slot: Slot| slot.0 % 10 == 1;
    for place in 0..3 {
        for admitted in [600, 3_600, 6_000] {
            for (k, rank) in [(10, 300), (100, 50), (100, 400), (usize::MAX, 400)] {
                for way in WAYS {
                    let (mut there, mut found) = (0, 0);
                    for vector in &vectors {
                        let all = flat.search(&Query::new(vector).k(COUNT), &memory);
                        let all = all.expect("found").neighbours;
                        let ranked: Vec<_> = all.iter().map(|it| it.slot).collect();
                        let filter = filter(place, admitted, &ranked, &mut random);
                        let query = Query::new(vector).k(k).within(all[rank].distance);
                        let query = way.iter().fold(query, |query, way| query.strategy(*way));
                        for query in [query, query.filter(&filter)] {
                            for query in [query, query.visible(&tenth)] {
                                let expected = flat.search(&query, &memory).expect("found");
                                let near = graph.search(&query, &memory).expect("found");
                                assert_eq!(near.incomplete, None);
                                there += expected.neighbours.len();
                                found += near.neighbours.len();
                            }
                        }
                    }
                    let what =
                        format!("{found} of {there}: {admitted} at {place}, {k} {rank} {way:?}");
                    assert!(found as f64 >= 0.98 * there as f64, "{what}");
                }
            }
        }
    }
}

/// A threshold is of use to codes from the beginning, however many are wanted.
#[test]
fn few_are_compared_in_full_where_few_are_near_enough() {
    let (memory, vectors) = Kind::Clustered.set(64, 5_000, 10, 70);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let within = distances(&memory, vector)[20];
        for index in [&graph as &dyn Index, &flat] {
            let query = Query::new(vector).k(usize::MAX).within(within).strategy(Strategy::Exact);
            let found = index.search(&query, &memory).expect("found");
            assert!(found.neighbours.len() >= 21 && found.work.in_full < 500, "{:?}", found.work);
        }
    }
}

/// What a first walk found is in the answer, too, if there is no time for what follows it.
#[test]
fn what_was_found_is_kept_when_there_is_no_time_to_find_more() {
    let (memory, vectors) = Kind::Clustered.set(64, 12_000, 6, 73);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let all = flat.search(&Query::new(vector).k(12_000), &memory).expect("found").neighbours;
        // A few that are near, and others beyond what a walk has in view.
        let (near, far) = (all.iter().take(20).step_by(7), all.iter().skip(2_000));
        let some: SlotSet = near.chain(far).map(|it| it.slot).collect();
        let shown = |slot: Slot| some.contains(slot);
        let query = Query::new(vector);
        for query in [query.filter(&some), query.visible(&shown), query.within(all[900].distance)] {
            let whole = graph.search(&query, &memory).expect("found");
            assert_eq!(whole.neighbours[0], all[0]);
            // Once the nearest was found, it is in every answer.
            let mut was_found = false;
            for budget in (100..whole.work.looked_at + 200).step_by(50) {
                let found = graph.search(&query.budget(budget), &memory).expect("found").neighbours;
                let is_found = found.first() == Some(&all[0]);
                assert!(is_found || !was_found, "{budget} of {}", whole.work.looked_at);
                assert!(found.windows(2).all(|two| two[0] < two[1]));
                was_found = is_found;
            }
            assert!(was_found);
        }
    }
}

/// A walk that does not find what is admitted gives up before it has looked at much more than that.
#[test]
fn no_filter_costs_much_more_than_looking_at_what_it_admits() {
    let (memory, vectors) = Kind::Clustered.set(64, 20_000, 10, 63);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let all = flat.search(&Query::new(vector).k(20_000), &memory).expect("found").neighbours;
        for admitted in [7_100, 10_000] {
            let far: SlotSet = all.iter().rev().take(admitted).map(|it| it.slot).collect();
            let found = graph.search(&Query::new(vector).filter(&far), &memory).expect("found");
            assert_eq!(found.neighbours.len(), 10);
            assert!(found.work.looked_at as usize <= 4 * admitted / 3 + 1_000, "{:?}", found.work);
        }
    }
}

#[test]
fn what_is_not_visible_is_not_shown_and_does_not_count() {
    let (memory, vectors) = Kind::Clustered.set(64, 3_000, 10, 64);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    let indexes: [&dyn Index; 2] = [&graph, &flat];
    let some: SlotSet = memory.slots().iter().filter(|slot| slot.0 % 3 == 0).collect();
    for every in [1, 2, 100, 1_500, 10_000] {
        let visible = |slot: Slot| slot.0 % every == 1;
        let (mut known, mut wanted) = (0, 0);
        for vector in &vectors {
            for (index, filter) in indexes.iter().flat_map(|it| [(it, None), (it, Some(&some))]) {
                let query = Query::new(vector).visible(&visible);
                let query = filter.into_iter().fold(query, |query, filter| query.filter(filter));
                let may =
                    |slot: &Slot| visible(*slot) && filter.is_none_or(|it| it.contains(*slot));
                let there = memory.slots().iter().filter(may).count();
                let found = index.search(&query, &memory).expect("found").neighbours;
                let best = flat.search(&query, &memory).expect("found").neighbours;
                known += best.iter().filter(|it| found.contains(it)).count();
                wanted += best.len();
                let many = index.search_many(&[query; 9], &memory, &pool(2)).expect("found");
                assert!(many.iter().all(|it| it.neighbours == found));
                assert_eq!(found.len(), there.min(10), "one in {every}");
                assert!(found.iter().all(|it| may(&it.slot)));
            }
        }
        assert!(known as f64 >= 0.97 * wanted as f64, "one in {every}: {known} of {wanted}");
    }
}

#[test]
fn removed_slots_leave_no_gap_in_an_answer() {
    let (memory, vectors) = Kind::Clustered.set(64, 3_000, 20, 65);
    let graph = graph_of(&memory, Metric::L2);
    let filter: SlotSet = memory.slots().iter().filter(|slot| slot.0 % 4 != 0).collect();
    let queries: Vec<_> =
        vectors.iter().flat_map(|it| [Query::new(it), Query::new(it).filter(&filter)]).collect();
    for _ in 0..4 {
        let gone: Vec<_> = memory.slots().iter().filter(|slot| slot.0 % 5 != 1).collect();
        gone.iter().for_each(|slot| assert!(graph.remove(*slot).expect("whole")));
        let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
        assert!(recall >= 0.95, "{recall} before they are given back");
        assert_eq!(give_back(&graph, &memory), gone);
        let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
        assert!(recall >= 0.95, "{recall} behind it");
        let gone: SlotSet = gone.into_iter().collect();
        graph.insert_all(&gone, &memory, &pool(2), &mut |_| true).expect("they were given back");
    }
}

#[test]
fn when_the_time_is_over_it_says_so() {
    let (memory, vectors) = Kind::Gaussian.set(64, 20_000, 1, 66);
    let graph = Hnsw::new(64, Metric::L2, HnswConfig::default());
    graph.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    let query = Query::new(&vectors[0]);
    for index in [&graph as &dyn Index, &flat] {
        for query in [query, query.recall(1.0)] {
            let whole = index.search(&query, &memory).expect("found");
            let never = || false;
            let again = index.search(&query.deadline(&never), &memory).expect("found");
            assert_eq!((&again.neighbours, again.incomplete), (&whole.neighbours, None));
            let over = || true;
            let found = index.search(&query.deadline(&over), &memory).expect("found");
            assert_eq!(found.incomplete, Some(Incomplete::Deadline));
            assert!(found.work.looked_at < whole.work.looked_at / 2);
            let asked = AtomicUsize::new(0);
            let third = || asked.fetch_add(1, Ordering::SeqCst) == 2;
            let found = index.search(&query.deadline(&third), &memory).expect("found");
            assert_eq!(found.incomplete, Some(Incomplete::Deadline));
            assert!(!found.neighbours.is_empty());
            let many = index.search_many(&[query.deadline(&over); 9], &memory, &Pool::here());
            let many = many.expect("found");
            assert!(many.iter().all(|it| it.incomplete == Some(Incomplete::Deadline)));
        }
    }
}

/// Within a distance a flat index finds what there is, and a graph nearly all of it, looking at no more than it may.
#[test]
fn within_a_distance_nearly_all_is_found() {
    let (memory, vectors) = Kind::Clustered.set(64, 5_000, 20, 67);
    let graph = graph_of(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    for rank in [0, 4, 49, 499, 4_000] {
        let (mut there, mut found) = (0, 0);
        for vector in &vectors {
            let by_hand = distances(&memory, vector);
            let within = by_hand[rank];
            // A stated budget: no walk costs more than to look at all, which may follow.
            let query = Query::new(vector).k(usize::MAX).within(within).budget(7_500);
            let exactly = flat.search(&query.budget(u64::MAX), &memory).expect("found").neighbours;
            let expected: Vec<f32> = by_hand.into_iter().filter(|it| *it <= within).collect();
            assert_eq!(exactly.iter().map(|it| it.distance).collect::<Vec<_>>(), expected);
            let near = graph.search(&query, &memory).expect("found");
            assert_eq!(near.incomplete, None);
            assert!(near.neighbours.iter().all(|it| it.distance <= within));
            there += exactly.len();
            found += near.neighbours.len();
        }
        assert!(found as f64 >= 0.99 * there as f64, "{found} of {there}");
    }
}

/// How far all are, in order.
fn distances(memory: &Memory, vector: &[f32]) -> Vec<f32> {
    let far = |slot| Metric::L2.distance(vector, &memory.vector(slot).expect("it is there"));
    let mut all: Vec<f32> = memory.slots().iter().map(far).collect();
    all.sort_by(f32::total_cmp);
    all
}
