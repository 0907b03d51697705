//! KD-trees of hardly anything, questions at the edge of what can be asked, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indexes::{
    Distance, Error, Incomplete, Index, KdTree, KdTreeConfig, Lent, Measure, Memory, Metric,
    Nearest, Pool, Query, Slot, SlotSet, Ties, Unreadable, Vectors,
};

use crate::given::{KINDS, Kind};
use crate::graph::{give_back, pool};
use crate::trees::{METRICS, agree, empty, flat_of, small, tree_of};

/// Those of vectors of so many numbers: where there are codes, all is looked at by them.
fn config(dim: usize) -> KdTreeConfig {
    if dim < CODED { small() } else { small().scan_from(0) }
}

/// Vectors of so many numbers have codes.
const CODED: usize = 48;

/// Few numbers, more, so many that all are looked at as they are, and so many that there are codes.
const DIMS: [usize; 5] = [1, 3, 16, 40, CODED];

/// Eighty vectors, and a query.
fn eighty(dim: usize, metric: Metric) -> (KdTree, Memory, Vec<f32>) {
    let (memory, mut queries) = Kind::Gaussian.set(dim, 80, 1, 7);
    (tree_of(&memory, metric, config(dim)), memory, queries.remove(0))
}

fn each(check: impl Fn(KdTree, Memory, Vec<f32>)) {
    for dim in DIMS {
        for metric in METRICS {
            let (tree, memory, query) = eighty(dim, metric);
            check(tree, memory, query);
        }
    }
}

fn slots(found: &Nearest) -> Vec<u32> {
    found.neighbours.iter().map(|it| it.slot.0).collect()
}

struct Zero;

impl Distance for Zero {
    fn name(&self) -> &str {
        "zero"
    }

    fn distance(&self, _: &[f32], _: &[f32]) -> f32 {
        0.0
    }
}

#[test]
fn distances_that_boxes_say_nothing_of_are_refused() {
    let own = Measure::own(Arc::new(Zero)).expect("a good name");
    for measure in [Measure::from(Metric::Dot), own] {
        let refused = KdTree::new(3, measure.clone(), KdTreeConfig::default()).map(drop);
        let text = refused.expect_err("refused").to_string();
        assert!(text.contains("kdtree") && text.contains(measure.name()), "{text}");
    }
}

#[test]
fn configurations_are_brought_into_their_ranges() {
    let wild = KdTreeConfig::default().leaf(0).buffer(usize::MAX).fan_out(0).scan_from(u8::MAX);
    assert_eq!((wild.leaf, wild.buffer, wild.fan_out, wild.scan_from), (1, 1 << 20, 2, 100));
    let mut wild = KdTreeConfig::default();
    (wild.leaf, wild.buffer, wild.fan_out) = (usize::MAX, 0, usize::MAX);
    let tree = empty(3, Metric::L2, wild);
    assert_eq!(tree.config(), KdTreeConfig::default().leaf(1_024).buffer(64).fan_out(64));
}

#[test]
fn nothing_is_found_where_nothing_is_or_is_asked_for() {
    for dim in [0, 1, 3, 20] {
        for metric in METRICS {
            let (tree, memory) = (empty(dim, metric, small()), Memory::new(dim));
            let vector = vec![1.0; dim];
            let found = tree.search(&Query::new(&vector), &memory).expect("found");
            assert_eq!(found, Nearest::default());
            assert!(tree.is_empty() && !tree.step(&memory, 10).expect("nothing is due").more);
        }
    }
    each(|tree, memory, query| {
        let none = Query::new(&query).k(0);
        for none in [none, none.ties(Ties::Keep), none.budget(0)] {
            assert_eq!(tree.search(&none, &memory).expect("found"), Nearest::default());
        }
        assert!((0..80).all(|slot| tree.remove(Slot(slot)).expect("whole")));
        let gone = [Slot(3), Slot(1_000_000), Slot(u32::MAX)];
        assert!(gone.iter().all(|slot| !tree.remove(*slot).expect("whole")) && tree.is_empty());
        let all = Query::new(&query).k(usize::MAX);
        assert_eq!(tree.search(&all, &memory).expect("found").neighbours, []);
        assert_eq!(give_back(&tree, &memory).len(), 80);
        assert_eq!(tree.search(&all, &memory).expect("found").neighbours, []);
        let figures = tree.statistics().tree.expect("it is made of trees");
        assert_eq!((figures.trees, figures.buffered), (0, 0));
    });
}

/// Vectors without numbers are all the same.
#[test]
fn no_numbers_are_no_hindrance() {
    let mut memory = Memory::new(0);
    (0..200).for_each(|slot| memory.set(Slot(slot), &[]).expect("it fits"));
    let tree = tree_of(&memory, Metric::L2, small());
    memory.set(Slot(200), &[]).expect("it fits");
    tree.insert(Slot(200), &memory).expect("it is new");
    for _ in 0..2 {
        let found = tree.search(&Query::new(&[]).k(3), &memory).expect("found");
        assert_eq!(slots(&found), [0, 1, 2]);
        let mut image = Vec::new();
        tree.encode(&mut image);
        let opened = indexes::open(image, &Metric::L2.into()).expect("its own image");
        assert_eq!(
            slots(&opened.search(&Query::new(&[]).k(3), &memory).expect("found")),
            [0, 1, 2]
        );
        assert!(tree.remove(Slot(7)).is_ok());
        give_back(&tree, &memory);
    }
}

#[test]
fn one_vector_is_an_index() {
    for dim in [1, 2, 16, 300] {
        for metric in METRICS {
            let mut memory = Memory::new(dim);
            memory.set(Slot(5), &vec![1.0; dim]).expect("it fits");
            for tree in [tree_of(&memory, metric, small().leaf(1)), empty(dim, metric, small())] {
                if tree.is_empty() {
                    tree.insert(Slot(5), &memory).expect("it is new");
                }
                let query = vec![0.5; dim];
                let found = tree.search(&Query::new(&query).k(usize::MAX), &memory);
                assert_eq!(slots(&found.expect("found")), [5]);
                assert!(tree.contains(Slot(5)).expect("whole"));
                let both = [tree.remove(Slot(5)), tree.remove(Slot(5))];
                assert_eq!(both.map(|it| it.expect("whole")), [true, false]);
                let found = tree.search(&Query::new(&query), &memory).expect("found");
                assert_eq!(found.neighbours, []);
            }
        }
    }
}

#[test]
fn every_kind_of_vector_is_found_by_itself() {
    for kind in KINDS {
        for dim in [1, 3, 9, CODED] {
            let (memory, _) = kind.set(dim, 300, 0, 31);
            for metric in METRICS {
                let tree = tree_of(&memory, metric, config(dim));
                let flat = flat_of(&memory, metric);
                let vectors: Vec<Vec<f32>> = (0..300)
                    .step_by(20)
                    .map(|slot| memory.vector(Slot(slot)).expect("it is there").to_vec())
                    .collect();
                for k in [1, 10, 300, 301, usize::MAX] {
                    let queries: Vec<_> = vectors.iter().map(|it| Query::new(it).k(k)).collect();
                    agree(&tree, &flat, &memory, &queries);
                }
            }
        }
    }
}

#[test]
fn what_is_removed_is_not_found_until_it_is_back() {
    each(|tree, memory, query| {
        let ask = || tree.search(&Query::new(&query).k(80), &memory).expect("found").neighbours;
        let all = ask();
        let nearest = all[0].slot;
        assert!(tree.remove(nearest).expect("whole") && !tree.contains(nearest).expect("whole"));
        assert_eq!(ask(), all[1..]);
        assert_eq!(tree.statistics().removed, 1);
        let again = tree.insert(nearest, &memory);
        assert!(matches!(again, Err(Error::NotGivenBack { slot }) if slot == nearest));
        assert_eq!(give_back(&tree, &memory), [nearest]);
        assert_eq!(ask(), all[1..]);
        tree.insert(nearest, &memory).expect("it was given back");
        assert_eq!(ask(), all);
        // Elsewhere than it was, and nowhere else.
        assert!(tree.remove(nearest).expect("whole"));
        give_back(&tree, &memory);
        let mut moved = memory.clone();
        moved.set(nearest, &vec![-3.0; query.len()]).expect("it fits");
        tree.insert(nearest, &moved).expect("it was given back");
        let found = tree.search(&Query::new(&query).k(100), &moved).expect("found").neighbours;
        assert_eq!(found.iter().filter(|it| it.slot == nearest).count(), 1);
    });
}

#[test]
fn what_is_as_far_as_the_threshold_is_in() {
    each(|tree, memory, query| {
        let ask = |query: Query<'_>| tree.search(&query, &memory).expect("found").neighbours;
        let all = ask(Query::new(&query).k(80));
        let third = all[2].distance;
        // In one dimension there are two directions.
        if all[3].distance == third {
            return;
        }
        for k in [20, 80, usize::MAX] {
            let within = |distance: f32| ask(Query::new(&query).k(k).within(distance)).len();
            assert_eq!((within(third), within(third.next_down())), (3, 2));
            assert_eq!((within(f32::NEG_INFINITY), within(f32::NAN), within(-1.0)), (0, 0, 0));
            assert_eq!((within(f32::INFINITY), within(f32::MAX)), (k.min(80), k.min(80)));
        }
    });
}

#[test]
fn a_query_that_is_no_vector_of_the_index_is_refused() {
    each(|tree, memory, query| {
        let refused = |vector: &[f32]| {
            let query = Query::new(vector);
            let together = tree.search_many(&[query; 9], &memory, &Pool::here()).map(drop);
            let alone = tree.search(&query, &memory).map(drop);
            assert_eq!(format!("{alone:?}"), format!("{together:?}"));
            alone.expect_err("refused")
        };
        let (dim, longer) = (query.len(), [&query[..], &[0.0]].concat());
        assert!(matches!(refused(&[]), Error::Dimension { found: 0, expected } if expected == dim));
        assert!(matches!(refused(&longer), Error::Dimension { found, .. } if found == dim + 1));
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut vector = query.clone();
            vector[dim - 1] = number;
            assert!(matches!(refused(&vector), Error::NotFinite { at } if at == dim - 1));
        }
        let elsewhere = Memory::new(dim + 1);
        let refused = tree.search(&Query::new(&query), &elsewhere);
        assert!(matches!(refused, Err(Error::Dimension { .. })));
        assert!(matches!(tree.step(&elsewhere, 1), Err(Error::Dimension { .. })));
    });
}

/// One vector, whatever it is like.
struct Anything(Vec<f32>);

impl Vectors for Anything {
    fn dim(&self) -> usize {
        3
    }

    fn vector(&self, _: Slot) -> Result<Lent<'_>, Unreadable> {
        Ok(self.0.as_slice().into())
    }
}

#[test]
fn a_slot_is_taken_up_once_and_only_with_its_vector() {
    each(|tree, memory, query| {
        let before = tree.search(&Query::new(&query).k(100), &memory).expect("found");
        let some = |these: &[u32]| -> SlotSet { these.iter().map(|slot| Slot(*slot)).collect() };
        let all = |these: &[u32], memory: &Memory| {
            tree.insert_all(&some(these), memory, &pool(2), &mut |_| true)
        };
        assert!(matches!(tree.insert(Slot(3), &memory), Err(Error::There { slot: Slot(3) })));
        assert!(matches!(all(&[90, 3], &memory), Err(Error::There { slot: Slot(3) })));
        for refused in [tree.insert(Slot(80), &memory), all(&[80, 81], &memory)] {
            assert!(matches!(refused, Err(Error::Unreadable(Unreadable { slot: Slot(80), .. }))));
        }
        let last = tree.insert(Slot(u32::MAX), &memory);
        assert!(matches!(last, Err(Error::Full)));
        let other = Memory::new(query.len() + 1);
        assert!(matches!(tree.insert(Slot(90), &other), Err(Error::Dimension { .. })));
        assert!(matches!(all(&[90], &other), Err(Error::Dimension { .. })));
        let behind = tree.search(&Query::new(&query).k(100), &memory).expect("found");
        assert_eq!((tree.len(), behind), (80, before));
        assert_eq!(tree.statistics().removed, 0);
    });
    for vector in [vec![0.0, f32::NAN, 1.0], vec![f32::INFINITY, 0.0, 0.0], vec![1.0; 2]] {
        let (vectors, tree) = (Anything(vector), empty(3, Metric::L2, small()));
        let one = tree.insert(Slot(2), &vectors).expect_err("it does not fit").to_string();
        let slots = SlotSet::from_iter([Slot(2)]);
        let all = tree.insert_all(&slots, &vectors, &Pool::here(), &mut |_| true);
        assert_eq!((all.map_err(|it| it.to_string()), tree.len()), (Err(one), 0));
    }
}

#[test]
fn a_budget_that_is_too_small_says_so() {
    for dim in DIMS {
        for metric in METRICS {
            let (memory, queries) = Kind::Gaussian.set(dim, 3_000, 3, 7);
            let tree = tree_of(&memory, metric, config(dim));
            for vector in &queries {
                let query = Query::new(vector);
                let whole = tree.search(&query, &memory).expect("found");
                assert!(whole.incomplete.is_none() && whole.work.looked_at <= 3_000);
                let enough = tree.search(&query.budget(whole.work.looked_at), &memory);
                assert_eq!(enough.expect("found"), whole);
                for budget in [0, 1, whole.work.looked_at / 2, whole.work.looked_at - 1] {
                    let some = tree.search(&query.budget(budget), &memory).expect("found");
                    assert_eq!(some.incomplete, Some(Incomplete::Budget), "{budget}");
                    assert_eq!(some.work.looked_at, budget);
                    let most = (budget as usize).min(10);
                    assert!(some.neighbours.len() == most && some.neighbours.is_sorted());
                    let many = tree.search_many(&[query.budget(budget); 9], &memory, &pool(2));
                    assert!(many.expect("found").iter().all(|it| *it == some));
                }
            }
        }
    }
}

#[test]
fn when_the_time_is_over_it_says_so() {
    for (dim, scan_from) in [(16, 0), (16, 100), (CODED, 0)] {
        let (memory, queries) = Kind::Gaussian.set(dim, 20_000, 1, 66);
        let query = Query::new(&queries[0]);
        let config = KdTreeConfig::default().scan_from(scan_from);
        let tree = tree_of(&memory, Metric::L2, config);
        let whole = tree.search(&query, &memory).expect("found");
        let never = || false;
        assert_eq!(tree.search(&query.deadline(&never), &memory).expect("found"), whole);
        let over = || true;
        let found = tree.search(&query.deadline(&over), &memory).expect("found");
        assert_eq!((found.incomplete, found.work.looked_at), (Some(Incomplete::Deadline), 0));
        let asked = AtomicUsize::new(0);
        let third = || asked.fetch_add(1, Ordering::SeqCst) == 2;
        let found = tree.search(&query.deadline(&third), &memory).expect("found");
        assert_eq!((found.incomplete, found.neighbours.len()), (Some(Incomplete::Deadline), 10));
        assert!(found.work.looked_at < whole.work.looked_at / 2);
    }
}

/// Neither in the trees and buffers beside the one where it was over, nor in the rest of that.
#[test]
fn when_the_time_is_over_nothing_more_is_looked_at() {
    for scan_from in [100, 0] {
        let (memory, queries) = Kind::Gaussian.set(4, 12_000, 1, 67);
        let tree = empty(4, Metric::L2, small().scan_from(scan_from));
        let most: SlotSet = (0..8_000).map(Slot).collect();
        tree.insert_all(&most, &memory, &Pool::here(), &mut |_| true).expect("they fit");
        (8_000..10_000).for_each(|slot| tree.insert(Slot(slot), &memory).expect("it is new"));
        assert!(give_back(&tree, &memory).is_empty());
        // Full buffers, of which nobody made a tree yet.
        (10_000..12_000).for_each(|slot| tree.insert(Slot(slot), &memory).expect("it is new"));
        assert!(tree.statistics().tree.is_some_and(|it| it.trees > 1));
        let query = Query::new(&queries[0]);
        assert!(tree.search(&query, &memory).expect("found").work.looked_at > 2_048);
        for asks in [0, 1] {
            let asked = AtomicUsize::new(0);
            let once = || asked.fetch_add(1, Ordering::SeqCst) == asks;
            let found = tree.search(&query.deadline(&once), &memory).expect("found");
            assert_eq!(found.incomplete, Some(Incomplete::Deadline));
            let most = asks as u64 * (1_024 + 64);
            assert!(found.work.looked_at <= most, "{:?} of {most}", found.work);
            assert_eq!(asked.into_inner(), asks + 1, "it is over");
        }
    }
}

#[test]
fn what_is_not_visible_is_not_shown_and_does_not_count() {
    for (metric, dim) in METRICS.into_iter().flat_map(|metric| [(metric, 4), (metric, CODED)]) {
        let (memory, vectors) = Kind::Clustered.set(dim, 3_000, 5, 64);
        let (tree, flat) = (tree_of(&memory, metric, config(dim)), flat_of(&memory, metric));
        let some: SlotSet = memory.slots().iter().filter(|slot| slot.0 % 3 == 0).collect();
        for every in [1, 2, 100, 1_500, 10_000] {
            let visible = |slot: Slot| slot.0 % every == 1;
            let shown = |query: Query<'_>| {
                assert!(
                    slots(&tree.search(&query, &memory).expect("found"))
                        .iter()
                        .all(|slot| visible(Slot(*slot)))
                );
            };
            for vector in &vectors {
                let query = Query::new(vector).visible(&visible);
                shown(query);
                agree(&tree, &flat, &memory, &[query, query.filter(&some), query.k(40)]);
            }
        }
    }
}

/// Through every part of a filter, from all to none.
#[test]
fn a_filter_may_admit_any_part() {
    for dim in [3, CODED] {
        let (memory, vectors) = Kind::Clustered.set(dim, 4_000, 4, 63);
        let tree = tree_of(&memory, Metric::L2, config(dim));
        let flat = flat_of(&memory, Metric::L2);
        for part in [1, 2, 3, 10, 50, 200, 1_000, 3_999] {
            let some = (0..8_000).filter(|slot| slot % part == part - 1).map(Slot);
            let some: SlotSet = some.collect();
            for vector in &vectors {
                let query = Query::new(vector).filter(&some);
                let queries = [query, query.k(1), query.k(200), query.k(usize::MAX)];
                agree(&tree, &flat, &memory, &queries);
            }
        }
        // What is admitted by few is not looked for among all.
        let few = SlotSet::from_iter([Slot(17), Slot(90), Slot(5_000)]);
        let found = tree.search(&Query::new(&vectors[0]).filter(&few), &memory).expect("found");
        assert_eq!((found.work.looked_at, found.neighbours.len()), (2, 2));
    }
}

#[test]
fn ties_are_in_the_order_of_their_slots_and_kept_if_asked_for() {
    for dim in [1, 2, 5, 40, CODED] {
        let (mut memory, tree) = (Memory::new(dim), empty(dim, Metric::L2, config(dim)));
        for slot in [9, 4, 70, 2, 300] {
            let number = if slot == 300 { 0.5 } else { 1.0 };
            memory.set(Slot(slot), &vec![number; dim]).expect("it fits");
            tree.insert(Slot(slot), &memory).expect("it is new");
        }
        let query = vec![0.5; dim];
        let ask = |query: Query<'_>| slots(&tree.search(&query, &memory).expect("found"));
        assert_eq!(ask(Query::new(&query).k(3)), [300, 2, 4]);
        assert_eq!(ask(Query::new(&query).k(3).ties(Ties::Keep)), [300, 2, 4, 9, 70]);
        assert_eq!(ask(Query::new(&query).k(1).ties(Ties::Keep)), [300]);
    }
}

#[test]
fn taking_up_many_can_be_stopped_and_what_was_taken_up_stays() {
    let (memory, _) = Kind::Gaussian.set(3, 40_000, 0, 15);
    let tree = empty(3, Metric::L2, KdTreeConfig::default());
    let mut told = Vec::new();
    let mut progress = |done| {
        told.push(done);
        done < 10_000
    };
    tree.insert_all(memory.slots(), &memory, &Pool::here(), &mut progress).expect("stopped");
    assert_eq!((told, tree.len()), (vec![8_192, 16_384], 16_384));
    let has = |slot: &Slot| tree.contains(*slot).expect("whole");
    let rest: SlotSet = memory.slots().iter().filter(|slot| !has(slot)).collect();
    tree.insert_all(&rest, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    assert!(tree.len() == 40_000 && memory.slots().iter().all(|slot| has(&slot)));
    // What comes before what is not there stays, in portions.
    let mut memory = memory;
    assert!(memory.unset(Slot(30_000)));
    let tree = empty(3, Metric::L2, KdTreeConfig::default());
    let all = (0..40_000).map(Slot).collect();
    let broken = tree.insert_all(&all, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(broken, Err(Error::Unreadable(_))) && tree.len() == 3 * 8_192);
    assert_eq!(tree.statistics().removed, 0);
}

/// Whatever goes wrong half-way, no slot is there, and each can be taken up the next time: also the code of one that was made.
#[test]
fn what_was_not_taken_up_can_be() {
    let (mut memory, _) = Kind::Gaussian.set(48, 8_300, 0, 16);
    let tree = empty(48, Metric::L2, KdTreeConfig::default());
    let all: SlotSet = (0..8_300).map(Slot).collect();
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let progress = &mut |_| panic!("somebody else's mistake");
        _ = tree.insert_all(&all, &memory, &Pool::here(), progress).is_ok();
    }));
    assert!(panics.is_err() && tree.is_empty());
    // In the second portion, behind some of which codes are made.
    let last = memory.vector(Slot(8_299)).expect("it is there").to_vec();
    assert!(memory.unset(Slot(8_299)));
    let broken = tree.insert_all(&all, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(broken, Err(Error::Unreadable(_))) && tree.len() == 8_192);
    memory.set(Slot(8_299), &last).expect("it fits");
    let rest = (8_192..8_300).map(Slot).collect();
    tree.insert_all(&rest, &memory, &Pool::here(), &mut |_| true).expect("they are free");
    assert_eq!(tree.len(), 8_300);
    let work = tree.search(&Query::new(&last).k(1), &memory).expect("found").work;
    assert!(work.by_code > 0 && work.in_full < 4_000, "{work:?}");
}

/// Boxes rule out little where there are many dimensions: all is looked at then, and that is said.
#[test]
fn a_tree_that_is_of_no_use_is_noticed() {
    for (dim, is_scanned) in [(2, false), (3, false), (24, true)] {
        let (memory, queries) = Kind::Gaussian.set(dim, 8_000, 5, 5);
        let tree = tree_of(&memory, Metric::L2, KdTreeConfig::default());
        let figures = tree.statistics().tree.expect("it is made of trees");
        assert_eq!((figures.trees, figures.buffered), (1, 0));
        assert_eq!(figures.is_scanned, is_scanned, "{dim}: {figures:?}");
        assert_eq!(figures.is_scanned, figures.percent_visited > 35, "{dim}: {figures:?}");
        for vector in &queries {
            let found = tree.search(&Query::new(vector), &memory).expect("found");
            assert_eq!(found.work.looked_at == 8_000, is_scanned, "{dim}");
            assert!(is_scanned || found.work.looked_at < 800, "{dim}: {:?}", found.work);
        }
    }
}

#[test]
fn statistics_say_what_it_is() {
    let (tree, ..) = eighty(3, Metric::Cosine);
    let statistics = tree.statistics();
    assert_eq!((statistics.kind, statistics.slots, statistics.dim), ("kdtree", 80, 3));
    assert_eq!(statistics.measure, "cosine");
    assert!(statistics.bytes > 80 * 16);
    let flat = flat_of(&Memory::new(3), Metric::L2).statistics();
    assert_eq!(flat.tree, None);
}
