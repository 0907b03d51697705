//! What cannot be seen from outside: what the tables hold, whatever was done to them.

use std::collections::BTreeMap;

use base::Slot;

use super::{Lsh, LshConfig};
use crate::given::Random;
use crate::{Error, Index, Memory, Metric, Pool, Query, SlotSet, Strategy, Vectors};

/// Every slot that is there is in each table once, or in none and fresh; and nothing else counts.
fn check(lsh: &Lsh) {
    let body = lsh.body();
    let fresh = body.fresh.own().expect("it lies in no image").now();
    let there: SlotSet = body.slots.all().collect();
    assert!(fresh.iter().all(|slot| there.contains(slot)), "what is fresh is there");
    let Some(tables) = body.tables() else { return };
    for table in 0..tables.laid.shape.tables {
        let mut found: BTreeMap<Slot, u32> = fresh.iter().map(|slot| (slot, 1)).collect();
        for run in &tables.runs {
            let void = run.void.own().expect("it lies in no image");
            for bucket in 0..tables.laid.shape.buckets() {
                run.slots.each::<false>(run.bucket::<false>(table, bucket), |slot| {
                    if !void.contains(Slot(slot)) {
                        *found.entry(Slot(slot)).or_default() += 1;
                    }
                });
            }
        }
        assert!(found.values().all(|count| *count == 1), "table {table}: {found:?}");
        assert!(body.slots.iter().all(|slot| found.contains_key(&slot)));
        assert!(found.keys().all(|slot| there.contains(*slot)), "void ones are noted");
    }
    assert!(tables.runs.len() <= 2 && tables.runs.is_sorted_by(|a, b| a.len >= b.len));
}

/// By steps that are short, so that slots come, go, and come back while tables are in the making.
#[test]
fn every_slot_is_in_each_table_once_or_in_none() {
    let config = LshConfig::default().tables_from(64).num_tables(3);
    let lsh = Lsh::new(8, Metric::L2, config).expect("a metric");
    let mut random = Random(7);
    let mut memory = Memory::new(8);
    let (mut live, mut free): (Vec<u32>, Vec<u32>) = (Vec::new(), (0..700).collect());
    for round in 0..6_000 {
        // More and more of them, then fewer.
        let most = if round < 3_000 { 600 } else { 150 };
        if live.len() < most && random.below(5) < 3 {
            let Some(slot) = free.pop() else { continue };
            memory.set(Slot(slot), &random.vector(8)).expect("it fits");
            lsh.insert(Slot(slot), &memory).expect("it is free");
            live.push(slot);
        } else if !live.is_empty() {
            let slot = live.swap_remove(random.below(live.len()));
            assert!(lsh.remove(Slot(slot)).expect("whole"));
        }
        let effort = random.pick(&[1, 200, 2_000, 40_000]);
        for slot in lsh.step(&memory, effort).expect("all are there").given_back {
            assert!(memory.unset(slot));
            // What was just given back comes back first.
            free.push(slot.0);
        }
        if round % 50 == 0 {
            check(&lsh);
        }
    }
    while lsh.step(&memory, 1_000_000).expect("all are there").more {}
    check(&lsh);
    let body = lsh.body();
    let tables = body.tables().expect("there are some");
    let entries: usize = tables.runs.iter().map(|run| run.len).sum();
    assert!(
        entries < 3 * live.len(),
        "{entries} of {}: what is void is left out some time",
        live.len()
    );
}

/// What was there before others took its place is kept for who still searches by it, and no longer.
#[test]
fn tables_that_were_replaced_are_let_go_of() {
    let config = LshConfig::default().tables_from(64).num_tables(3);
    let lsh = Lsh::new(4, Metric::Cosine, config).expect("a metric");
    let mut memory = Memory::new(4);
    let mut random = Random(8);
    (0..400).for_each(|slot| memory.set(Slot(slot), &random.vector(4)).expect("it fits"));
    let take_up = |slots: SlotSet| {
        lsh.insert_all(&slots, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    };
    take_up((0..100).map(Slot).collect());
    let before = lsh.body().tables().expect("there are some");
    let weak = std::sync::Arc::downgrade(&before);
    take_up((100..400).map(Slot).collect());
    assert!(lsh.step(&memory, 1).is_ok() && before.runs[0].len == 100);
    assert!(lsh.body().tables().is_some_and(|now| now.runs[0].len == 400));
    drop(before);
    assert!(weak.upgrade().is_some(), "who searches frees nothing");
    assert!(lsh.step(&memory, 1).is_ok() && weak.upgrade().is_none());
}

/// All tables are made anew while a vector that is in the old ones cannot be read: its slot is told of as before, and not passed over
/// in silence. Once it can be read again, the next tables have it.
#[test]
fn what_cannot_be_read_while_all_tables_are_made_anew_stays_in_the_index() {
    let config = LshConfig::default().tables_from(64).num_tables(3);
    let lsh = Lsh::new(8, Metric::L2, config).expect("a metric");
    let (mut memory, mut random) = (Memory::new(8), Random(9));
    (0..500).for_each(|slot| memory.set(Slot(slot), &random.vector(8)).expect("it fits"));
    let first: SlotSet = (0..100).map(Slot).collect();
    lsh.insert_all(&first, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    let vector = memory.vector(Slot(5)).expect("it is there").to_vec();
    [5, 7].map(Slot).iter().for_each(|slot| assert!(memory.unset(*slot)));
    (100..420).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it is new"));
    let (mut told, mut goes_on) = (0, true);
    while goes_on && told < 1_000 {
        match lsh.step(&memory, 3_000) {
            Ok(step) => goes_on = step.more,
            // One of them is given back before the tables are there.
            Err(Error::Unreadable(_)) if told == 0 => {
                told = 1;
                assert!(lsh.remove(Slot(7)).expect("whole"));
            }
            Err(_) => told += 1,
        }
    }
    assert!(told > 0 && !goes_on && !lsh.contains(Slot(7)).expect("whole"));
    let shaped = lsh.body().tables().map(|tables| tables.laid.shape.slots);
    assert!(shaped.is_some_and(|shaped| shaped > 400), "they were made anew");
    check(&lsh);
    let query = Query::new(&vector).k(1).strategy(Strategy::Walk).ef(20);
    assert!(matches!(lsh.search(&query, &memory), Err(Error::Unreadable(_))));
    memory.set(Slot(5), &vector).expect("it fits");
    let found = lsh.search(&query, &memory).expect("found").neighbours;
    assert_eq!(found.first().map(|it| it.slot), Some(Slot(5)));
    (420..500).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it is new"));
    while lsh.step(&memory, 1_000_000).expect("all are there").more {}
    check(&lsh);
    assert_eq!(lsh.body().fresh.len(), 0);
}

/// So that who takes up some of many does not wait until tables of all are made, and who fills an index has tables at the end.
#[test]
fn taking_up_a_few_makes_no_tables_and_taking_up_as_many_as_there_are_does() {
    let config = LshConfig::default().tables_from(64).num_tables(3);
    let lsh = Lsh::new(8, Metric::L2, config).expect("a metric");
    let (mut memory, mut random) = (Memory::new(8), Random(10));
    (0..2_000).for_each(|slot| memory.set(Slot(slot), &random.vector(8)).expect("it fits"));
    for (first, end, fresh) in [(0, 300, 0), (300, 301, 1), (301, 600, 300), (600, 1_300, 0)] {
        let slots: SlotSet = (first..end).map(Slot).collect();
        lsh.insert_all(&slots, &memory, &Pool::here(), &mut |_| true).expect("they fit");
        assert_eq!(lsh.body().fresh.len(), fresh, "{first} to {end}");
        check(&lsh);
    }
    let before = lsh.body().tables().expect("there are some");
    let slots: SlotSet = (1_300..2_000).map(Slot).collect();
    lsh.insert_all(&slots, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    let now = lsh.body().tables().expect("there are some");
    assert!(std::sync::Arc::ptr_eq(&before, &now), "steps do it");
    while lsh.step(&memory, 10_000).expect("all are there").more {}
    assert_eq!(lsh.body().fresh.len(), 0);
    check(&lsh);
}
