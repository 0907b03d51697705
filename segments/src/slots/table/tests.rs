//! Holds the table of slots against plain maps, with keys of four bits, so that nearly all collide.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// A vector stands for itself; its key has four bits.
fn key(vector: u32) -> u64 {
    u64::from(vector % 16)
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Place(u32),
    Release(usize),
    Reclaim(u64),
    Pin,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..60_u32).prop_map(Op::Place),
        4 => any::<prop::sample::Index>().prop_map(|at| Op::Release(at.index(1 << 16))),
        2 => (0..40_u64).prop_map(Op::Reclaim),
        1 => Just(Op::Pin),
    ]
}

/// What a plain map knows: the vector in each slot, how often it is referred to, and what a view saw.
#[derive(Default)]
struct Model {
    holds: BTreeMap<Slot, u32>,
    references: BTreeMap<u32, u32>,
    resting: BTreeSet<Slot>,
    /// Views, and what was in which slot then.
    views: Vec<(Sequence, BTreeMap<Slot, u32>)>,
}

impl Model {
    /// The slot of a vector that is alive.
    fn slot_of(&self, vector: u32) -> Option<Slot> {
        let alive = self.holds.iter().filter(|(slot, _)| !self.resting.contains(slot));
        alive.into_iter().find(|(_, held)| **held == vector).map(|(slot, _)| *slot)
    }

    fn alive(&self) -> BTreeMap<Slot, u32> {
        let alive = self.holds.iter().filter(|(slot, _)| !self.resting.contains(slot));
        alive.map(|(slot, vector)| (*slot, *vector)).collect()
    }
}

fn place(table: &mut SlotTable, model: &mut Model, vector: u32, at: Sequence) {
    let holds = &model.holds;
    let hash = VectorHash::from_raw(u64::from(vector));
    let is_it = |slot: Slot| holds.get(&slot) == Some(&vector);
    let placed = table.place(Some(key(vector)), hash, at, is_it).unwrap();
    match model.slot_of(vector) {
        Some(slot) => assert_eq!(placed, Placed::Shared(slot)),
        None => {
            let Placed::Own(slot) = placed else { panic!("{placed:?} for a vector not held") };
            assert!(!model.resting.contains(&slot), "a slot at rest was given out");
            for (view, seen) in &model.views {
                assert!(!seen.contains_key(&slot), "rewritten under the view at {view}");
            }
            model.holds.insert(slot, vector);
        }
    }
    *model.references.entry(vector).or_default() += 1;
    assert_eq!(table.hash(placed.slot()), Some(hash));
}

fn release(table: &mut SlotTable, model: &mut Model, at: usize, freed: Sequence) {
    let alive = model.alive();
    let Some((slot, vector)) = alive.iter().nth(at % alive.len().max(1)) else { return };
    table.release(*slot, freed).unwrap();
    let references = model.references.get_mut(vector).unwrap();
    *references -= 1;
    if *references == 0 {
        model.references.remove(vector);
        model.resting.insert(*slot);
        assert_eq!(table.release(*slot, freed), Err(SlotError::NotAlive { slot: *slot }));
    }
}

fn reclaim(table: &mut SlotTable, model: &mut Model) {
    let views = &model.views;
    let unseen = |_, life: Life| views.iter().all(|(view, _)| !life.is_seen_at(Some(*view)));
    for slot in table.reclaim(unseen) {
        assert!(model.resting.remove(&slot), "only slots at rest are reclaimed");
        model.holds.remove(&slot);
    }
}

fn check(table: &SlotTable, model: &Model) {
    let counts = table.counts();
    let references: u64 = model.references.values().map(|count| u64::from(*count)).sum();
    assert_eq!(counts.references, references);
    assert_eq!(counts.alive as usize, model.alive().len());
    assert_eq!(counts.resting as usize, model.resting.len());
    assert_eq!((counts.alive + counts.resting + counts.free) as usize, table.len());
    for (slot, vector) in model.alive() {
        assert_eq!(table.references(slot), model.references[&vector]);
        assert!(table.life(slot).is_some_and(|life| life.end().is_none()));
    }
    for slot in &model.resting {
        assert!(table.life(*slot).is_some_and(|life| life.end().is_some()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn slots_and_counts_are_those_of_a_plain_map(
        ops in prop::collection::vec(any_op(), 0..200),
    ) {
        let (mut table, mut model) = (SlotTable::new(), Model::default());
        for (number, op) in (1..).zip(ops) {
            let at = sequence(number);
            match op {
                Op::Place(vector) => place(&mut table, &mut model, vector, at),
                Op::Release(index) => release(&mut table, &mut model, index, at),
                Op::Pin => model.views.push((at, model.alive())),
                Op::Reclaim(oldest) => {
                    // Views below this number are let go of.
                    model.views.retain(|(view, _)| view.get() > oldest);
                    reclaim(&mut table, &mut model);
                }
            }
            check(&table, &model);
        }
    }
}

#[test]
fn without_a_key_every_vector_has_a_slot_of_its_own() {
    let mut table = SlotTable::new();
    assert!(table.is_empty());
    let hash = VectorHash::from_raw(1);
    for number in 0..3 {
        let placed = table.place(None, hash, sequence(1), |_| true).unwrap();
        assert_eq!(placed, Placed::Own(Slot(number)));
    }
    assert_eq!(table.counts().alive, 3);
    assert_eq!(table.refer(Slot(3)), Err(SlotError::NotAlive { slot: Slot(3) }));
    assert_eq!(table.life(Slot(3)), None);
}

#[test]
fn a_slot_at_rest_is_neither_shared_nor_given_out() {
    let mut table = SlotTable::new();
    let hash = VectorHash::from_raw(1);
    let first = table.place(Some(7), hash, sequence(1), |_| true).unwrap().slot();
    table.release(first, sequence(2)).unwrap();
    let second = table.place(Some(7), hash, sequence(3), |_| true).unwrap();
    assert_eq!(second, Placed::Own(Slot(1)), "not the slot that rests, although it holds the same");
    assert_eq!(table.reclaim(|_, _| false), []);
    let freed = table.reclaim(|slot, life| slot == first && !life.is_seen_at(Some(sequence(2))));
    assert_eq!(freed, [first]);
    assert_eq!(table.hash(first), None);
    let third = table.place(Some(8), hash, sequence(4), |_| true).unwrap();
    assert_eq!(third, Placed::Own(first), "the freed slot is used again");
}
