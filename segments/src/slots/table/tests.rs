//! Holds the table of slots against plain maps, with keys of four bits, so that nearly all collide: batches kept
//! and rolled back, slots reclaimed under views and retained spans, cuts and descriptions of them, and the same
//! again from a log.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::RestingUntil;

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// A vector stands for itself; its key has four bits.
fn key(vector: u64) -> u64 {
    vector % 16
}

fn hash(vector: u64) -> VectorHash {
    VectorHash::from_raw(vector)
}

#[derive(Clone, Debug)]
enum Op {
    /// Vectors placed and slots released, and whether the batch is kept.
    Batch(Vec<Step>, Kept),
    Reclaim,
    /// Retains what is visible now, for good or until it is let go of.
    Retain,
    LetGo(usize),
    Fresh(u32),
    Cut,
    Rebase,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kept {
    Yes,
    No,
}

#[derive(Clone, Debug)]
enum Step {
    Place(u64),
    Refer(usize),
    Release(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..60_u64).prop_map(Step::Place),
        1 => (0..1_000_usize).prop_map(Step::Refer),
        4 => (0..1_000_usize).prop_map(Step::Release),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let kept = prop_oneof![3 => Just(Kept::Yes), 1 => Just(Kept::No)];
    prop_oneof![
        8 => (prop::collection::vec(any_step(), 1..6), kept).prop_map(|(steps, kept)| Op::Batch(steps, kept)),
        4 => Just(Op::Reclaim),
        1 => Just(Op::Retain),
        1 => (0..10_usize).prop_map(Op::LetGo),
        1 => (1..4_u32).prop_map(Op::Fresh),
        1 => Just(Op::Cut),
        1 => Just(Op::Rebase),
    ]
}

/// What is known of a slot that is not free.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Held {
    vector: u64,
    references: u32,
    life: Life,
}

/// What a log would hold of a batch.
#[derive(Clone, Copy, Debug)]
enum Record {
    Born(Slot, u64),
    Referred(Slot),
    Released(Slot, Ended),
}

#[derive(Clone, Default)]
struct Model {
    held: BTreeMap<Slot, Held>,
    number: u64,
    retained: Vec<u64>,
    /// What was decided since the description of the last cut was taken up, and what it was then.
    log: Vec<(u64, Record)>,
}

impl Model {
    fn alive(&self) -> Vec<(Slot, Held)> {
        let alive = self.held.iter().filter(|(_, held)| held.life.end().is_none());
        alive.map(|(slot, held)| (*slot, *held)).collect()
    }

    fn nth_alive(&self, at: usize) -> Option<Slot> {
        let alive = self.alive();
        Some(alive.get(at.checked_rem(alive.len())?)?.0)
    }
}

/// A table and its model, and the last cut with the model of then.
struct Pair {
    table: SlotTable,
    model: Model,
    cut: Option<(crate::Cut, Model)>,
    /// The last description that was taken up, with the place in the log that belongs to it.
    base: SlotList,
    base_len: usize,
}

impl Pair {
    fn new() -> Self {
        let mut table = SlotTable::default();
        table.set_room(10_000);
        let (model, base) = (Model::default(), SlotList::default());
        Pair { table, model, cut: None, base, base_len: 0 }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Batch(steps, kept) => self.batch(steps, *kept),
            Op::Reclaim => self.reclaim(),
            Op::Retain => self.model.retained.push(self.model.number),
            Op::LetGo(at) => {
                let retained = &mut self.model.retained;
                if let Some(at) = at.checked_rem(retained.len()) {
                    retained.remove(at);
                    self.table.reconsider();
                }
            }
            Op::Fresh(count) => self.fresh(*count),
            Op::Cut => {
                let cut = self.table.cut();
                assert_eq!(
                    cut.totals(),
                    (self.table.counts().alive, self.table.counts().references)
                );
                self.cut = Some((cut, self.model.clone()));
            }
            Op::Rebase => {
                if let Some((cut, model)) = self.cut.take() {
                    self.base = cut.describe().unwrap();
                    self.base_len = model.log.len();
                    assert_eq!(self.base, described(&model, cut.len()));
                    self.table.rebase(Arc::new(self.base.clone()));
                }
            }
        }
    }

    fn batch(&mut self, steps: &[Step], kept: Kept) {
        let before = self.model.clone();
        let counts = self.table.counts();
        self.model.number += 1;
        self.table.begin();
        for step in steps {
            self.step(step);
        }
        match kept {
            Kept::Yes => self.table.keep(),
            Kept::No => {
                self.table.roll_back();
                self.model = before;
                let after = self.table.counts();
                assert_eq!((after.alive, after.references), (counts.alive, counts.references));
                assert_eq!(after.resting, counts.resting);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let (table, model) = (&mut self.table, &mut self.model);
        let number = model.number;
        match step {
            Step::Place(vector) => {
                let held = &model.held;
                let is_it = |slot: Slot| Ok(held[&slot].vector == *vector);
                let at = sequence(number);
                let placed = table.place(Some(key(*vector)), hash(*vector), at, is_it).unwrap();
                let slot = placed.slot();
                let sharing = model.alive().into_iter().find(|(_, held)| held.vector == *vector);
                if let Some((sharing, _)) = sharing {
                    assert_eq!(placed, Placed::Shared(sharing));
                    model.held.get_mut(&slot).unwrap().references += 1;
                    model.log.push((number, Record::Referred(slot)));
                } else {
                    assert_eq!(placed, Placed::Own(slot));
                    assert_eq!(model.held.get(&slot), None, "{slot} is given out, and not free");
                    let life = Life::born(sequence(number));
                    model.held.insert(slot, Held { vector: *vector, references: 1, life });
                    model.log.push((number, Record::Born(slot, *vector)));
                }
            }
            Step::Refer(at) => {
                let Some(slot) = model.nth_alive(*at) else { return };
                table.refer(slot).unwrap();
                model.held.get_mut(&slot).unwrap().references += 1;
                model.log.push((number, Record::Referred(slot)));
            }
            Step::Release(at) => {
                let Some(slot) = model.nth_alive(*at) else { return };
                let held = model.held.get_mut(&slot).unwrap();
                held.references -= 1;
                let ended = if held.references == 0 { Ended::Yes } else { Ended::No };
                if ended == Ended::Yes {
                    held.life = held.life.freed(sequence(number));
                }
                assert_eq!(table.release(slot, sequence(number)).unwrap(), ended);
                model.log.push((number, Record::Released(slot, ended)));
                if ended == Ended::Yes {
                    let refused = table.release(slot, sequence(number)).unwrap_err();
                    assert!(matches!(refused, Error::NotAlive { slot: it } if it == slot));
                    table.refer(slot).unwrap_err();
                }
            }
        }
    }

    /// Nobody reads at a number below that of the batch before the last.
    fn reclaim(&mut self) {
        let visible = Sequence::new(self.model.number);
        let freed = Sequence::new(self.model.number.saturating_sub(1));
        let span = |at: &u64| Sequence::new(*at).map(|at| at..=at);
        let spans = self.model.retained.iter().filter_map(span).collect();
        let until = RestingUntil { freed, spans };
        let mut closed = Vec::new();
        self.table.close((&until, u32::MAX), |slot| closed.push(slot), || visible).unwrap();
        for slot in closed {
            let life = self.model.held[&slot].life;
            assert!(life.end().is_some() && life.end() <= freed, "{slot} is closed too early");
            let views = self.model.retained.iter().map(|at| Sequence::new(*at));
            assert!(views.into_iter().all(|view| !life.is_seen_at(view)), "{slot} is retained");
        }
        // Everybody who was there is gone.
        let before = self.table.rest.closing();
        let freed = self.table.free_closed(Sequence::new(self.model.number + 1), u32::MAX);
        assert_eq!(freed as usize, before.len());
        for slot in before {
            assert!(self.model.held.remove(&slot).is_some());
        }
    }

    fn fresh(&mut self, count: u32) {
        let taken = self.table.take_fresh(count).unwrap();
        let slots: Vec<_> = taken.map(|slot| Slot(slot as u32)).collect();
        assert_eq!(slots.len(), count as usize);
        assert!(slots.iter().all(|slot| !self.model.held.contains_key(slot)));
        // One of them is placed, the others are given back.
        self.model.number += 1;
        self.table.begin();
        let (vector, at) = (1_000 + u64::from(slots[0].0), sequence(self.model.number));
        let none = |_| Ok(false);
        let placed = self.table.place_taken(Some(key(vector)), (hash(vector), slots[0]), at, none);
        assert_eq!(placed.unwrap(), Placed::Own(slots[0]));
        self.table.keep();
        let held = Held { vector, references: 1, life: Life::born(at) };
        self.model.held.insert(slots[0], held);
        self.model.log.push((self.model.number, Record::Born(slots[0], vector)));
        for slot in slots {
            self.table.give_back(slot);
        }
    }

    fn check(&self) {
        let (table, model) = (&self.table, &self.model);
        let alive = model.alive();
        let counts = table.counts();
        assert_eq!(counts.alive as usize, alive.len());
        let references: u64 = alive.iter().map(|(_, held)| u64::from(held.references)).sum();
        assert_eq!(counts.references, references);
        assert_eq!(counts.alive + counts.idle, table.len());
        for slot in (0..table.len()).map(|slot| Slot(slot as u32)) {
            let held = model.held.get(&slot).map(known);
            assert_eq!(table.known(slot).unwrap(), held, "slot {slot}");
        }
        for (slot, held) in alive {
            let is_it = |it| Ok(it == slot);
            assert_eq!(table.find(key(held.vector), is_it).unwrap(), Some(slot));
        }
    }

    /// Once nothing is retained and nobody reads, every slot is alive or free.
    fn check_drained(&mut self) {
        self.model.retained.clear();
        self.table.reconsider();
        self.model.number += 1;
        self.reclaim();
        assert_eq!(self.table.counts().resting, 0);
        for slot in (0..self.table.len()).map(|slot| Slot(slot as u32)) {
            let known = self.table.known(slot).unwrap();
            assert!(known.is_none_or(|known| known.is_alive()), "slot {slot} rests for ever");
        }
        self.check();
        give_out_all(&mut self.table);
    }

    /// The description that was last taken up, and the log behind it, make the same table.
    fn check_replay(&self) {
        let mut again = SlotTable::new(Arc::new(self.base.clone())).unwrap();
        again.set_room(10_000);
        for (number, record) in &self.model.log[self.base_len..] {
            let at = sequence(*number);
            match *record {
                Record::Born(slot, vector) => {
                    again.replay_born(slot, Some(key(vector)), hash(vector), at).unwrap();
                }
                Record::Referred(slot) => again.replay_referred(slot).unwrap(),
                Record::Released(slot, ended) => again.replay_released(slot, ended, at).unwrap(),
            }
        }
        again.end_replay();
        let (live, replayed) = (self.table.counts(), again.counts());
        assert_eq!((live.alive, live.references), (replayed.alive, replayed.references));
        for slot in (0..again.len().max(self.table.len())).map(|slot| Slot(slot as u32)) {
            let (live, replayed) = (self.table.known(slot).unwrap(), again.known(slot).unwrap());
            // What became free meanwhile rests again: a replay does not know that nobody reads.
            let rests = replayed.is_some_and(|known| !known.is_alive());
            assert!(
                live == replayed || (live.is_none() && rests),
                "{slot}: {live:?}, {replayed:?}"
            );
        }
        // Every slot that is not alive comes to be given out again, each once.
        let all = RestingUntil { freed: Sequence::new(u64::MAX), spans: Vec::new() };
        again.close((&all, u32::MAX), |_| (), || None).unwrap();
        again.free_closed(Some(Sequence::FIRST), u32::MAX);
        give_out_all(&mut again);
    }
}

/// Every slot that is not alive is given out, each once.
fn give_out_all(table: &mut SlotTable) {
    table.room = table.len();
    for _ in table.counts().alive..table.len() {
        table.place(None, hash(9), sequence(u64::MAX), |_| Ok(false)).unwrap();
    }
    assert_eq!(table.counts().alive, table.len());
    let full = table.place(None, hash(9), sequence(u64::MAX), |_| Ok(false)).unwrap_err();
    assert!(matches!(full, Error::NoRoom { .. }), "{full}");
}

fn known(held: &Held) -> Known {
    Known { hash: hash(held.vector), references: held.references, life: held.life }
}

fn described(model: &Model, len: u64) -> SlotList {
    let slots = (0..len).map(|slot| model.held.get(&Slot(slot as u32)));
    SlotList::new(slots.map(|held| (held.map(known), held.map(|held| key(held.vector)))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn slots_and_counts_are_those_of_a_plain_map(ops in prop::collection::vec(any_op(), 0..120)) {
        let mut pair = Pair::new();
        for op in &ops {
            pair.run(op);
            pair.check();
        }
        pair.check_replay();
        pair.check_drained();
    }
}

#[test]
fn without_a_key_every_vector_has_a_slot_of_its_own() {
    let mut table = SlotTable::default();
    table.set_room(3);
    assert!(table.is_empty());
    for number in 0..3 {
        let placed = table.place(None, hash(1), sequence(1), |_| Ok(true)).unwrap();
        assert_eq!(placed, Placed::Own(Slot(number)));
    }
    let full = table.place(None, hash(1), sequence(1), |_| Ok(true)).unwrap_err();
    assert!(matches!(full, Error::NoRoom { slots: 3, wanted: 4 }), "{full}");
    assert_eq!(table.counts().alive, 3);
    assert!(matches!(table.refer(Slot(3)), Err(Error::NotAlive { slot: Slot(3) })));
    assert_eq!(table.known(Slot(3)).unwrap(), None);
}

#[test]
fn a_slot_is_given_out_again_in_two_steps() {
    let mut table = SlotTable::default();
    table.set_room(10);
    let first = table.place(Some(7), hash(1), sequence(1), |_| Ok(true)).unwrap().slot();
    table.release(first, sequence(2)).unwrap();
    let second = table.place(Some(7), hash(1), sequence(3), |_| Ok(true)).unwrap();
    assert_eq!(second, Placed::Own(Slot(1)), "not the slot that rests, although it holds the same");
    table.keep();
    let until = |freed| RestingUntil { freed: Sequence::new(freed), spans: Vec::new() };
    let close = |table: &mut SlotTable, freed: u64| {
        table
            .close((&until(freed), 9), |slot| assert_eq!(slot, first), || Sequence::new(3))
            .unwrap()
    };
    assert_eq!(close(&mut table, 1), 0, "somebody still reads at 1");
    assert_eq!(close(&mut table, 2), 1);
    assert_eq!(close(&mut table, 2), 0, "once");
    assert_eq!(table.free_closed(Sequence::new(3), 9), 0, "somebody was there when it was closed");
    assert_eq!(table.free_closed(Sequence::new(4), 9), 1);
    assert_eq!(table.known(first).unwrap(), None);
    let third = table.place(Some(8), hash(2), sequence(5), |_| Ok(true)).unwrap();
    assert_eq!(third, Placed::Own(first), "the freed slot is used again");
}

#[test]
fn slots_of_a_damaged_file_are_not_given_out() {
    let list = SlotList::new((0..4).map(|_| (None, None)));
    let mut table = SlotTable::new(Arc::new(list)).unwrap();
    table.set_room(8);
    table.avoid(2..6);
    let mut place = || table.place(None, hash(1), sequence(1), |_| Ok(false)).map(Placed::slot);
    let placed: Vec<u32> = (0..4).map(|_| place().unwrap().0).collect();
    assert_eq!(placed, [1, 0, 6, 7]);
    assert!(matches!(place(), Err(Error::NoRoom { .. })));
    assert!(matches!(table.take_fresh(1), Err(Error::NoRoom { .. })));
}

/// A description is made while a bulk batch is being written: to it those slots are free.
#[test]
fn slots_that_were_taken_are_not_given_out_by_a_new_description() {
    let mut table = SlotTable::default();
    table.set_room(4);
    assert_eq!(table.take_fresh(2).unwrap(), 0..2);
    let cut = table.cut();
    table.rebase(Arc::new(cut.describe().unwrap()));
    let mut place = || table.place(None, hash(1), sequence(1), |_| Ok(false)).map(Placed::slot);
    assert_eq!((place().unwrap(), place().unwrap()), (Slot(2), Slot(3)));
    assert!(matches!(place(), Err(Error::NoRoom { .. })));
    table.give_back(Slot(0));
    assert_eq!(table.place(None, hash(1), sequence(1), |_| Ok(false)).unwrap().slot(), Slot(0));
    let none = |_| Ok(false);
    let placed = table.place_taken(None, (hash(1), Slot(1)), sequence(1), none).unwrap();
    assert_eq!(placed, Placed::Own(Slot(1)));
}

#[test]
fn references_are_counted_up_to_the_last_that_fits() {
    let life = Life::born(sequence(1));
    let full = Known { hash: hash(1), references: u32::MAX, life };
    let list = SlotList::new([(Some(full), Some(1))]);
    let mut table = SlotTable::new(Arc::new(list)).unwrap();
    let refused = table.place(Some(1), hash(1), sequence(2), |_| Ok(true)).unwrap_err();
    assert!(matches!(refused, Error::TooManyReferences { slot: Slot(0) }), "{refused}");
    table.release(Slot(0), sequence(2)).unwrap();
    table.place(Some(1), hash(1), sequence(2), |_| Ok(true)).unwrap();
    assert_eq!(table.counts().references, u64::from(u32::MAX));
}
