//! What hash tables find, held against what is there.

use std::sync::atomic::{AtomicUsize, Ordering};

use indexes::{
    Error, Family, Flat, Incomplete, Index, Lsh, LshConfig, Memory, Metric, Pool, Query, Slot,
    SlotSet, Strategy,
};

use crate::given::{Kind, Random};
use crate::graph::{give_back, mean_recall, pool};

pub(crate) fn lsh_with(memory: &Memory, metric: Metric, config: LshConfig) -> Lsh {
    let lsh = Lsh::new(indexes::Vectors::dim(memory), metric, config).expect("a metric");
    lsh.insert_all(memory.slots(), memory, &pool(2), &mut |_| true).expect("they fit");
    lsh
}

/// Tables also of few.
pub(crate) fn few() -> LshConfig {
    LshConfig::default().tables_from(64).num_tables(6)
}

/// What is looked for in the tables, whatever that takes.
pub(crate) fn by_tables(vector: &[f32]) -> Query<'_> {
    Query::new(vector).strategy(Strategy::Walk)
}

/// Vectors that spread in a few directions, as those of real things do, and as many queries as asked for.
pub(crate) fn spread(dim: usize, count: u32, queries: usize, seed: u64) -> (Memory, Vec<Vec<f32>>) {
    let mut random = Random(seed);
    let directions: Vec<_> = (0..8).map(|_| random.vector(dim)).collect();
    let mut one = || {
        let mut vector: Vec<f32> = random.vector(dim).iter().map(|it| it * 0.1).collect();
        for direction in &directions {
            let far = random.gaussian();
            vector.iter_mut().zip(direction).for_each(|(number, it)| *number += far * it);
        }
        vector
    };
    let mut memory = Memory::new(dim);
    (0..count).for_each(|slot| memory.set(Slot(slot), &one()).expect("it fits"));
    let queries = (0..queries).map(|_| one()).collect();
    (memory, queries)
}

fn flat_of(memory: &Memory, metric: Metric) -> Flat {
    let flat = Flat::new(indexes::Vectors::dim(memory), metric);
    flat.insert_all(memory.slots(), memory, &Pool::here(), &mut |_| true).expect("they fit");
    flat
}

/// Also of vectors that it does not have, and by every metric; what is looked at is far from all there is.
#[test]
fn it_finds_as_much_as_it_was_told_to() {
    for family in [Family::CrossPolytope, Family::Hyperplanes] {
        for (dim, metric) in
            [(20, Metric::L2), (64, Metric::Cosine), (64, Metric::L2), (100, Metric::Dot)]
        {
            let (memory, vectors) = spread(dim, 6_000, 200, 81);
            let lsh = lsh_with(&memory, metric, LshConfig::default().family(family));
            for recall in [0.8, 0.9, 0.95] {
                let queries: Vec<_> =
                    vectors.iter().map(|it| by_tables(it).recall(recall)).collect();
                let found = mean_recall(&lsh, &memory, &metric.into(), &queries);
                let near = (found - f64::from(recall)).abs();
                assert!(near < 0.045, "{family:?} {dim} {metric}: {found} of {recall}");
            }
        }
    }
}

#[test]
fn what_is_asked_for_decides_how_far_it_is_looked() {
    let (memory, vectors) = spread(64, 8_000, 40, 82);
    let config = LshConfig::default();
    let indexes = [config, config.target_recall(0.5), config.probes(3), config.probes(30)];
    let indexes = indexes.map(|config| lsh_with(&memory, Metric::L2, config));
    let looked_at = |lsh: &Lsh, ef: Option<usize>| -> u64 {
        let query = |it| ef.iter().fold(by_tables(it), |query, ef| query.ef(*ef));
        let found = vectors.iter().map(|it| lsh.search(&query(it), &memory).expect("found"));
        found.map(|it| it.work.looked_at).sum()
    };
    let [as_it_is, less, few, more] = indexes.each_ref().map(|lsh| looked_at(lsh, None));
    assert!(less * 2 < as_it_is && few < more, "{less} {as_it_is} {few} {more}");
    let [lsh, ..] = &indexes;
    let with = |ef| looked_at(lsh, Some(ef));
    assert!((40 * 200..40 * 500).contains(&with(200)), "{}", with(200));
    assert!(with(200) < with(2_000));
    // Whoever asks for a recall as well gets that, and who asks for all gets it.
    for vector in &vectors {
        let query = by_tables(vector);
        let expected = lsh.search(&query.recall(0.7), &memory).expect("found");
        assert_eq!(lsh.search(&query.ef(9).recall(0.7), &memory).expect("found"), expected);
        let all = lsh.search(&query.recall(1.0), &memory).expect("found");
        let truth = flat_of(&memory, Metric::L2).search(&query, &memory).expect("found");
        assert_eq!((all.neighbours, all.work.looked_at), (truth.neighbours, 8_000));
    }
    let tuned = lsh.statistics().tuned.expect("there are tables");
    assert_eq!((tuned.slots, tuned.tables), (8_000, 16));
    assert!((0.89..0.99).contains(&tuned.recall) && tuned.candidates < 4_000, "{tuned:?}");
}

#[test]
fn functions_follow_how_many_there_are() {
    let (memory, vectors) = spread(20, 12_500, 30, 83);
    let lsh = Lsh::new(20, Metric::L2, LshConfig::default().tables_from(500)).expect("a metric");
    let mut buckets = Vec::new();
    for (first, end) in [(0, 600), (600, 3_000), (3_000, 12_500)] {
        (first..end).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it is new"));
        assert!(give_back(&lsh, &memory).is_empty());
        let tuned = lsh.statistics().tuned.expect("there are tables");
        assert!((end as usize / 2..=end as usize).contains(&tuned.slots), "{tuned:?}");
        buckets.push(tuned.buckets);
        let queries: Vec<_> = vectors.iter().map(|vector| by_tables(vector)).collect();
        let some: SlotSet = (0..end).map(Slot).collect();
        let queries: Vec<_> = queries.iter().map(|query| query.filter(&some)).collect();
        let recall = mean_recall(&lsh, &memory, &Metric::L2.into(), &queries);
        assert!(recall > 0.84, "{recall} of {end}");
    }
    assert!(buckets.is_sorted() && buckets[0] * 8 < buckets[2], "{buckets:?}");
}

/// What was inserted is found at once, whether steps put it into tables yet or not, and what a step leaves is the same
/// for the same steps.
#[test]
fn what_is_inserted_is_found_at_once_and_the_tables_depend_on_the_steps_alone() {
    let (memory, _) = Kind::Gaussian.set(48, 3_000, 0, 84);
    let build = |threads: usize| {
        let lsh = Lsh::new(48, Metric::Cosine, few().seed(threads as u64 / 8)).expect("a metric");
        let some: SlotSet = (0..1_000).map(Slot).collect();
        lsh.insert_all(&some, &memory, &pool(threads), &mut |_| true).expect("they fit");
        for slot in 1_000..3_000 {
            lsh.insert(Slot(slot), &memory).expect("it is new");
            let vector = indexes::Vectors::vector(&memory, Slot(slot)).expect("there").to_vec();
            let found = lsh.search(&by_tables(&vector).k(1), &memory).expect("found");
            assert_eq!(found.neighbours.first().map(|it| it.slot), Some(Slot(slot)));
            if slot % 3 == 0 {
                assert!(lsh.step(&memory, 5_000).expect("all can be read").given_back.is_empty());
            }
        }
        let mut image = Vec::new();
        lsh.encode(&mut image);
        (lsh, image)
    };
    let (lsh, one) = build(1);
    assert!(build(3).1 == one && build(8).1 != one);
    assert!(give_back(&lsh, &memory).is_empty());
    let is_found = |slot: &u32| {
        let vector = indexes::Vectors::vector(&memory, Slot(*slot)).expect("there").to_vec();
        let found = lsh.search(&by_tables(&vector).k(1), &memory).expect("found");
        found.neighbours.first().is_some_and(|it| it.slot.0 == *slot)
    };
    assert!((0..3_000).all(|slot| is_found(&slot)));
}

/// Whatever is in the tables of those that are gone, or were replaced, does not keep what is there from being found.
#[test]
fn what_comes_and_goes_leaves_nothing_behind() {
    let (mut memory, vectors) = spread(32, 2_000, 1_000, 85);
    let lsh = lsh_with(&memory, Metric::L2, few());
    let queries: Vec<_> = vectors.iter().take(40).map(|vector| by_tables(vector)).collect();
    for round in 0..6_u32 {
        let gone: Vec<_> = (0..2_000).filter(|slot| slot % 6 == round || slot % 5 == 1).collect();
        gone.iter().for_each(|slot| assert!(lsh.remove(Slot(*slot)).expect("whole")));
        let recall = mean_recall(&lsh, &memory, &Metric::L2.into(), &queries);
        assert!(recall > 0.8, "{recall} before they are given back");
        let given_back = give_back(&lsh, &memory);
        assert!(given_back.iter().map(|slot| slot.0).eq(gone.iter().copied()));
        for (slot, vector) in gone.iter().zip(vectors.iter().cycle().skip(round as usize * 50)) {
            // Another one than was there.
            memory.set(Slot(*slot), vector).expect("it fits");
            lsh.insert(Slot(*slot), &memory).expect("it was given back");
        }
        assert!(give_back(&lsh, &memory).is_empty());
        let recall = mean_recall(&lsh, &memory, &Metric::L2.into(), &queries);
        assert!(recall > 0.84, "{recall} in round {round}");
    }
    let mut image = Vec::new();
    lsh.encode(&mut image);
    let fresh = lsh_with(&memory, Metric::L2, few());
    let mut other = Vec::new();
    fresh.encode(&mut other);
    assert!(image.len() < other.len() * 2, "{} and {}", image.len(), other.len());
    (0..2_000).for_each(|slot| assert!(lsh.remove(Slot(slot)).expect("whole")));
    assert_eq!(give_back(&lsh, &memory).len(), 2_000);
    assert!(lsh.is_empty());
    for query in &queries {
        assert!(lsh.search(query, &memory).expect("found").neighbours.is_empty());
    }
    lsh.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they were given back");
    let recall = mean_recall(&lsh, &memory, &Metric::L2.into(), &queries);
    assert!(recall > 0.84, "{recall} when all are there again");
}

/// What was given back is in the tables for a while, and gathered: it must not count as what was looked at.
#[test]
fn as_much_is_found_after_many_were_replaced_as_in_an_index_of_what_is_there() {
    let (mut memory, vectors) = spread(32, 6_000, 1_900, 92);
    let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
    let (queries, others) = vectors.split_at(400);
    let gone: Vec<_> = (0..6_000).step_by(4).map(Slot).collect();
    gone.iter().for_each(|slot| assert!(lsh.remove(*slot).expect("whole")));
    assert_eq!(give_back(&lsh, &memory), gone);
    for (slot, vector) in gone.iter().zip(others) {
        memory.set(*slot, vector).expect("it fits");
        lsh.insert(*slot, &memory).expect("it was given back");
    }
    assert!(give_back(&lsh, &memory).is_empty());
    let mut image = Vec::new();
    lsh.encode(&mut image);
    let opened = Lsh::open(image, &Metric::L2.into()).expect("its own image");
    let fresh = lsh_with(&memory, Metric::L2, LshConfig::default());
    for recall in [0.7, 0.8, 0.9] {
        let queries: Vec<_> = queries.iter().map(|it| by_tables(it).recall(recall)).collect();
        let [replaced, opened, fresh] = [&lsh, &opened, &fresh]
            .map(|lsh| mean_recall(lsh, &memory, &Metric::L2.into(), &queries));
        let least = fresh - 0.02;
        assert!(replaced > least && opened > least, "{recall}: {replaced} {opened} {fresh}");
    }
}

#[test]
fn through_a_filter_all_that_are_wanted_are_found() {
    for dim in [20, 64] {
        let (memory, vectors) = spread(dim, 5_000, 10, 86);
        let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
        for each in [1, 2, 10, 100, 1_000, 4_999, 5_001] {
            let some: SlotSet =
                memory.slots().iter().filter(|it| it.0 % each == each / 2).collect();
            let asked: [&dyn Fn(_) -> _; 2] = [&Query::new, &by_tables];
            let queries = asked.map(|asked| {
                vectors.iter().map(|it| asked(it).filter(&some).k(7)).collect::<Vec<_>>()
            });
            let [by_itself, told_to] =
                queries.each_ref().map(|it| mean_recall(&lsh, &memory, &Metric::L2.into(), it));
            // Of few that are admitted the nearest are farther than any that tables are measured by: by itself it looks at them all.
            let least = if each <= 2 { 0.85 } else { 0.5 };
            assert!(by_itself > 0.85 && told_to > least, "one in {each}: {by_itself} {told_to}");
            let queries = queries.concat();
            for query in &queries {
                let found = lsh.search(query, &memory).expect("found");
                assert_eq!(found.neighbours.len(), some.len().min(7));
                assert!(found.neighbours.iter().all(|it| some.contains(it.slot)));
            }
            // Where few are admitted, it is exact without being told so.
            for query in vectors.iter().map(|it| Query::new(it).filter(&some)) {
                let exact = lsh.search(&query.recall(1.0), &memory).expect("found");
                let found = lsh.search(&query, &memory).expect("found");
                assert!(some.len() > 500 || found.neighbours == exact.neighbours);
            }
        }
    }
}

#[test]
fn what_is_not_visible_is_not_shown_and_does_not_count() {
    let (memory, vectors) = spread(64, 3_000, 10, 87);
    let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
    let flat = flat_of(&memory, Metric::L2);
    let some: SlotSet = memory.slots().iter().filter(|slot| slot.0 % 3 == 0).collect();
    for every in [1, 2, 100, 1_500, 10_000] {
        let visible = |slot: Slot| slot.0 % every == 1 % every;
        let (mut known, mut wanted) = (0, 0);
        for vector in &vectors {
            let query = by_tables(vector).visible(&visible);
            for query in [query, query.filter(&some)] {
                let best = flat.search(&query, &memory).expect("found").neighbours;
                let found = lsh.search(&query, &memory).expect("found").neighbours;
                assert_eq!(found.len(), best.len(), "one in {every}");
                assert!(found.iter().all(|it| visible(it.slot)));
                assert!(found.is_sorted_by(|one, next| one < next), "none is found twice");
                let many = lsh.search_many(&[query; 3], &memory, &pool(2)).expect("found");
                assert!(many.iter().all(|it| it.neighbours == found));
                known += best.iter().filter(|it| found.contains(it)).count();
                wanted += best.len();
            }
        }
        assert!(known as f64 >= 0.84 * wanted as f64, "one in {every}: {known} of {wanted}");
    }
}

#[test]
fn within_a_threshold_nearly_all_are_found() {
    for dim in [20, 64] {
        let (memory, vectors) = spread(dim, 4_000, 20, 88);
        let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
        let flat = flat_of(&memory, Metric::L2);
        for (k, rank) in
            [(usize::MAX, 0), (usize::MAX, 5), (usize::MAX, 300), (usize::MAX, 3_500), (10, 200)]
        {
            let (mut there, mut found) = (0, 0);
            for vector in &vectors {
                let all = flat.search(&Query::new(vector).k(4_000), &memory).expect("found");
                let within = all.neighbours[rank].distance;
                let query = by_tables(vector).k(k).within(within);
                let near = lsh.search(&query, &memory).expect("found");
                assert_eq!(near.incomplete, None);
                assert!(near.neighbours.iter().all(|it| it.distance <= within));
                assert!(near.neighbours.is_sorted_by(|one, next| one < next));
                there += k.min(rank + 1);
                found += near.neighbours.len();
            }
            assert!(found * 100 >= there * 97, "{dim} {k} {rank}: {found} of {there}");
        }
    }
}

#[test]
fn a_budget_that_is_too_small_says_so() {
    let (memory, vectors) = spread(64, 5_000, 20, 89);
    let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
    (0..40).for_each(|slot| assert!(lsh.remove(Slot(slot)).expect("whole")));
    give_back(&lsh, &memory);
    // Some are in no table.
    (0..40).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it was given back"));
    for vector in &vectors {
        for query in [by_tables(vector), Query::new(vector).recall(1.0)] {
            let whole = lsh.search(&query, &memory).expect("found");
            let enough = query.budget(whole.work.looked_at + 1);
            assert_eq!(lsh.search(&enough, &memory).expect("found").neighbours, whole.neighbours);
            for budget in [0, 1, 39, 40, 41, 90] {
                let found = lsh.search(&query.budget(budget), &memory).expect("found");
                assert_eq!(found.incomplete, Some(Incomplete::Budget), "{budget}");
                assert!(found.work.looked_at <= budget, "{:?}", found.work);
            }
        }
    }
}

#[test]
fn when_the_time_is_over_it_says_so() {
    let (memory, vectors) = spread(64, 8_000, 1, 90);
    let lsh = lsh_with(&memory, Metric::L2, LshConfig::default());
    // What gathers slots has found nothing before it compares them, and asks once before that.
    let ways = [(by_tables(&vectors[0]), 1, 0), (Query::new(&vectors[0]).recall(1.0), 2, 1)];
    for (query, asks, finds) in ways {
        let whole = lsh.search(&query, &memory).expect("found");
        let never = || false;
        let again = lsh.search(&query.deadline(&never), &memory).expect("found");
        assert_eq!((&again.neighbours, again.incomplete), (&whole.neighbours, None));
        let over = || true;
        let found = lsh.search(&query.deadline(&over), &memory).expect("found");
        assert_eq!(found.incomplete, Some(Incomplete::Deadline));
        assert!(found.work.looked_at < whole.work.looked_at / 2);
        let asked = AtomicUsize::new(0);
        let later = || asked.fetch_add(1, Ordering::SeqCst) == asks;
        let found = lsh.search(&query.deadline(&later), &memory).expect("found");
        assert_eq!(found.incomplete, Some(Incomplete::Deadline));
        assert!(found.neighbours.len() >= finds);
    }
}

/// What the tables are for: little is looked at, hardly anything of it by codes, and next to nothing in full.
#[test]
fn it_looks_at_little_and_compares_hardly_anything_in_full() {
    let (memory, vectors) = spread(200, 10_000, 40, 91);
    let lsh = lsh_with(&memory, Metric::Cosine, LshConfig::default());
    let mut sums = [0; 3];
    for vector in &vectors {
        let work = lsh.search(&by_tables(vector), &memory).expect("found").work;
        let parts = [work.looked_at, work.by_code, work.in_full];
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part / 40);
    }
    let [looked_at, by_code, in_full] = sums;
    assert!(looked_at < 3_000 && by_code < 200 && in_full < 40, "{sums:?}");
}

#[test]
fn a_distance_of_the_callers_own_is_refused() {
    struct Nowhere;
    impl indexes::Distance for Nowhere {
        fn name(&self) -> &str {
            "nowhere"
        }

        fn distance(&self, _: &[f32], _: &[f32]) -> f32 {
            0.0
        }
    }
    let measure = indexes::Measure::own(std::sync::Arc::new(Nowhere)).expect("a good name");
    let refused = Lsh::new(3, measure, LshConfig::default()).map(drop);
    assert!(
        matches!(&refused, Err(Error::Unsuited { kind: "lsh", measure }) if measure == "nowhere")
    );
    let said = refused.expect_err("refused").to_string();
    assert!(said.contains("nowhere") && said.contains("flat and hnsw"), "{said}");
}
