//! Lies to a table about the slots it stands on, and takes slots where others are avoided. All of these were
//! findings of the fuzz target `slot_table`, or of writing it.

use std::sync::Arc;

use super::*;
use crate::{Error, Placed, RestingUntil, SlotTable};

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

fn hash() -> VectorHash {
    VectorHash::from_raw(1)
}

/// A list, but for what is said otherwise here.
#[derive(Debug)]
struct Lying {
    slots: SlotList,
    free: u64,
    resting: Option<Slot>,
    key: Option<(u64, Slot)>,
}

impl Lying {
    fn about(slots: SlotList) -> Self {
        let free = slots.free();
        Lying { slots, free, resting: None, key: None }
    }
}

impl SlotBase for Lying {
    fn slots(&self) -> u64 {
        self.slots.slots()
    }

    fn alive(&self) -> u64 {
        self.slots.alive()
    }

    fn references(&self) -> u64 {
        self.slots.references()
    }

    fn known(&self, slot: Slot) -> Result<Option<Known>> {
        self.slots.known(slot)
    }

    fn find(&self, key: u64, is_it: &mut dyn FnMut(Slot) -> Result<bool>) -> Result<Option<Slot>> {
        self.slots.find(key, is_it)
    }

    fn keys(&self) -> u64 {
        self.slots.keys()
    }

    fn key_at(&self, at: u64) -> Result<(u64, Slot)> {
        self.key.map_or(self.slots.key_at(at), Ok)
    }

    fn free(&self) -> u64 {
        self.free
    }

    fn free_at(&self, at: u64) -> Result<Slot> {
        self.slots.free_at(at)
    }

    fn resting(&self) -> u64 {
        self.slots.resting()
    }

    fn resting_at(&self, at: u64) -> Result<Slot> {
        self.resting.map_or(self.slots.resting_at(at), Ok)
    }
}

fn at_rest() -> Option<Known> {
    let life = Life::born(sequence(1)).freed(sequence(2));
    Some(Known { hash: hash(), references: 0, life })
}

fn alive() -> Option<Known> {
    Some(Known { hash: hash(), references: 1, life: Life::born(sequence(1)) })
}

/// A list of slots at rest that had the same slot twice closed it twice in one step. So it was freed twice, and
/// then two vectors were given the same slot.
#[test]
fn a_slot_that_is_listed_at_rest_twice_is_freed_once() {
    let list = SlotList::new([(at_rest(), None), (at_rest(), None)]);
    let lying = Lying { resting: Some(Slot(0)), ..Lying::about(list) };
    let mut table = SlotTable::new(Arc::new(lying)).unwrap();
    let until = RestingUntil { freed: Sequence::new(9), spans: Vec::new() };
    let mut closed = Vec::new();
    let count = table.close((&until, 9), |slot| closed.push(slot), || Sequence::new(9));
    assert_eq!((count.unwrap().closed, closed), (1, vec![Slot(0)]));
    assert_eq!(table.free_closed(Sequence::new(10), 9), 1);
    let mut place = || table.place(None, hash(), sequence(10), |_| Ok(false));
    assert_eq!(place().unwrap(), Placed::Own(Slot(0)));
    assert!(matches!(place(), Err(Error::NoRoom { .. })), "the same slot is given out again");
}

/// A list that says it is longer than there are slots would be gone through for centuries: nothing in it is
/// wrong by itself, since each slot was looked at before.
#[test]
fn counts_that_do_not_add_up_are_refused() {
    let list = || SlotList::new([(None, None), (alive(), Some(7)), (at_rest(), None)]);
    assert!(SlotTable::new(Arc::new(Lying::about(list()))).is_ok());
    for free in [0, 2, u64::MAX - 1, u64::MAX] {
        let lying = Lying { free, ..Lying::about(list()) };
        let refused = SlotTable::new(Arc::new(lying)).unwrap_err();
        assert!(matches!(refused, Error::Inconsistent { .. }), "{free}: {refused}");
    }
}

/// A key of a slot that is not alive, or that is not there, held up the keys of all slots behind it: they were
/// described without, and their vectors never found again.
#[test]
fn a_key_that_leads_astray_is_an_error_and_costs_no_others() {
    for astray in [Slot(0), Slot(2), Slot(900)] {
        let list = SlotList::new([(None, None), (alive(), Some(7)), (at_rest(), None)]);
        let lying = Lying { key: Some((7, astray)), ..Lying::about(list) };
        let mut table = SlotTable::new(Arc::new(lying)).unwrap();
        let refused = table.cut().describe().unwrap_err();
        assert!(matches!(refused, Error::Inconsistent { slot, .. } if slot == astray), "{refused}");
    }
}

/// Slots that were too few in a row, in front of some of a damaged file, were passed over and never given out.
#[test]
fn fresh_slots_leave_those_in_front_of_a_gap_to_others() {
    let mut table = SlotTable::default();
    table.set_room(8);
    table.avoid(2..4);
    assert_eq!(table.take_fresh(3).unwrap(), 4..7);
    let mut place = || table.place(None, hash(), sequence(1), |_| Ok(false)).map(Placed::slot);
    let placed: Vec<Slot> = (0..3).map(|_| place().unwrap()).collect();
    assert_eq!(placed, [Slot(1), Slot(0), Slot(7)]);
}

/// A batch that reached over the slots of a damaged file took back one slot for each it had been given, and not
/// those between: so another one was taken back in the place of the first, which was lost.
#[test]
fn a_batch_that_reached_over_a_gap_is_taken_back_as_a_whole() {
    let mut table = SlotTable::default();
    table.set_room(4);
    table.avoid(1..3);
    for _ in 0..2 {
        table.begin();
        let mut place = || table.place(None, hash(), sequence(1), |_| Ok(false)).map(Placed::slot);
        assert_eq!([place().unwrap(), place().unwrap()], [Slot(0), Slot(3)]);
        assert!(matches!(place(), Err(Error::NoRoom { .. })));
        table.roll_back();
        assert!(table.is_empty());
    }
}
