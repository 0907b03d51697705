//! Target: a table of slots, on top of a description that tells the truth or does not.
//!
//! Input: a byte that says which, the description, then what is done with the table.
//!
//! Promises
//!  1. Whatever the description says, nothing panics or hangs, and no slot is given out that is alive as far as
//!     the table can know, at rest, taken, avoided, or without room.
//!  2. Of a description that tells the truth, the table says what a plain map says, loses no slot, and a replay
//!     of what was decided makes it again.

use std::sync::Arc;

use base::{Sequence, Slot};
use segments::{
    Cut, Ended, Error, Placed, RestingUntil, SlotBase, SlotList, SlotTable, VectorHash,
};

use super::bytes::Bytes;
use super::described::{DESCRIBED, Hostile, SLOTS, consistent, key_of, sequence};
use super::model::{Knows, Model, Record};

/// Never more room than this.
const ROOM: u64 = 2 * SLOTS as u64;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let what = bytes.u8();
    let has_keys = what & 0x10 == 0;
    let (base, mut model): (Arc<dyn SlotBase>, Model) = match what % 4 {
        0 | 1 => (Arc::new(Hostile::new(&mut bytes)), Model::new(&[], Knows::WhatWasBorn)),
        _ => {
            let slots = consistent(&mut bytes);
            let key = |vector| has_keys.then(|| key_of(vector));
            let described = slots.iter().map(|held| match held {
                Some((vector, known)) => (Some(*known), key(*vector)),
                None => (None, None),
            });
            (Arc::new(SlotList::new(described)), Model::new(&slots, Knows::All))
        }
    };
    model.has_keys = has_keys;
    let mut table = match SlotTable::new(Arc::clone(&base)) {
        Ok(table) => table,
        Err(error) => return assert!(!model.is_whole(), "{error}"),
    };
    if what % 4 == 1 {
        replay_anything(&mut table, &mut bytes);
    }
    let mut run = Run { table, model, number: DESCRIBED + 1, cut: None, base, logged: 0 };
    while !bytes.is_empty() {
        run.op(&mut bytes);
        run.model.check(&run.table);
    }
    if run.model.is_whole() {
        run.check_replay();
        run.check_nothing_is_lost();
    }
}

/// What a log says that knows nothing of the description.
fn replay_anything(table: &mut SlotTable, bytes: &mut Bytes<'_>) {
    table.set_room(ROOM);
    for _ in 0..bytes.below(40) {
        let (what, slot) = (bytes.u8(), Slot(u32::from(bytes.u8()) % (ROOM as u32 + 1)));
        let (vector, number) = (u64::from(what >> 2), sequence(u64::from(bytes.u8() % 16)));
        let ended = if what & 4 == 0 { Ended::No } else { Ended::Yes };
        let hash = VectorHash::from_raw(vector);
        let outcome = match what % 4 {
            0 => table.replay_referred(slot),
            1 => table.replay_released(slot, ended, number),
            _ => table.replay_born(slot, Some(key_of(vector)), hash, number),
        };
        assert!(!outcome.is_err_and(|error| error.to_string().is_empty()));
    }
    table.end_replay();
}

struct Run {
    table: SlotTable,
    model: Model,
    number: u64,
    /// The last cut, with what was held then, and the place in the log that belongs to it.
    cut: Option<(Cut, Model)>,
    /// What the table stands on, and the place in the log that belongs to it.
    base: Arc<dyn SlotBase>,
    logged: usize,
}

impl Run {
    fn op(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.u8() % 16 {
            0 => self.table.set_room(bytes.u64() % (ROOM + 1)),
            1 => self.table.reconsider(),
            2 => self.cut(),
            3 => self.rebase(),
            4 => self.take_fresh(bytes),
            5 => self.give_back(bytes.below(4)),
            6 | 7 => self.close(bytes),
            8 => self.free_closed(bytes),
            9 => {
                let first = u64::from(bytes.u8()) % ROOM;
                let range = first..first + u64::from(bytes.u8() % 4);
                self.table.avoid(range.clone());
                self.model.avoided.push(range);
            }
            _ => self.batch(bytes),
        }
    }

    fn batch(&mut self, bytes: &mut Bytes<'_>) {
        let (before, counts) = (self.model.clone(), self.table.counts());
        self.number += 1;
        self.table.begin();
        let what = bytes.u8();
        for _ in 0..what % 8 {
            self.step(bytes);
        }
        if what & 0x18 != 0 {
            return self.table.keep();
        }
        self.table.roll_back();
        self.model = before;
        let after = self.table.counts();
        if self.model.is_whole() {
            assert_eq!((after.alive, after.references), (counts.alive, counts.references));
            assert_eq!(after.resting, counts.resting);
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let (what, number) = (bytes.u8(), sequence(self.number));
        let slot = Slot(u32::from(what >> 2) % (self.table.len() as u32 + 1));
        let (table, model) = (&mut self.table, &mut self.model);
        match what % 4 {
            0 => {
                let (known, outcome) = (model.is_alive(slot), table.refer(slot));
                assert!(!model.is_whole() || known == outcome.is_ok(), "{slot}: {outcome:?}");
                if outcome.is_ok() {
                    model.referred(slot, self.number);
                }
            }
            1 => {
                let (known, outcome) = (model.is_alive(slot), table.release(slot, number));
                assert!(!model.is_whole() || known == outcome.is_ok(), "{slot}: {outcome:?}");
                if let Ok(ended) = outcome {
                    model.released(slot, ended, self.number);
                }
            }
            2 => self.place(u64::from(what >> 2) % 60, None),
            _ => {
                let taken = self.model.taken.iter().nth(usize::from(what >> 6)).copied();
                self.place(u64::from(bytes.u8() % 60), taken);
            }
        }
    }

    fn place(&mut self, vector: u64, taken: Option<Slot>) {
        let (table, model) = (&mut self.table, &mut self.model);
        let all = (0..table.len()).filter_map(|slot| u32::try_from(slot).ok()).map(Slot);
        let used: Vec<Slot> = all.filter(|slot| !matches!(table.known(*slot), Ok(None))).collect();
        let held = &model.held;
        let is_it = |slot: Slot| {
            let coin = (u64::from(slot.0) + vector).is_multiple_of(3);
            Ok(held.get(&slot).map_or(coin, |(other, _)| *other == vector))
        };
        let (key, number) = (model.has_keys.then(|| key_of(vector)), sequence(self.number));
        let hash = VectorHash::from_raw(vector);
        let placed = match taken {
            None => table.place(key, hash, number, is_it),
            Some(taken) => table.place_taken(key, (hash, taken), number, is_it),
        };
        let sharing = model.sharing(vector);
        match placed {
            Ok(Placed::Shared(slot)) => {
                assert!(sharing == Some(slot) || !model.is_whole(), "{slot} is not {sharing:?}");
                assert!(used.contains(&slot), "{slot} is shared, and free");
                model.referred(slot, self.number);
            }
            Ok(Placed::Own(slot)) => {
                assert!(sharing.is_none() || !model.is_whole(), "{sharing:?} is not shared");
                assert!(!used.contains(&slot), "{slot} is given out, and not free");
                assert!(u64::from(slot.0) < table.room(), "{slot} has no room");
                assert!(taken.is_none_or(|taken| taken == slot && model.taken.remove(&taken)));
                assert!(taken.is_some() || model.is_free(slot), "{slot} is given out");
                model.born(slot, vector, self.number);
            }
            Err(Error::NoRoom { .. }) if model.is_whole() => {
                let mut all = (0..table.room() as u32).map(Slot);
                assert!(!all.any(|slot| model.is_free(slot)), "a slot that is free is lost");
            }
            Err(error) => assert!(!model.is_whole(), "{error}"),
        }
    }

    fn take_fresh(&mut self, bytes: &mut Bytes<'_>) {
        let len = self.table.len();
        let Ok(slots) = self.table.take_fresh(u32::from(bytes.u8() % 5)) else { return };
        assert!(slots.start >= len && slots.end <= self.table.room());
        for slot in slots.map(|slot| Slot(slot as u32)) {
            assert!(self.model.is_free(slot), "{slot} is taken, and not free");
            self.model.taken.insert(slot);
        }
    }

    fn give_back(&mut self, at: usize) {
        let slot = self.model.taken.iter().nth(at).copied();
        if let Some(slot) = slot {
            self.model.taken.remove(&slot);
            self.table.give_back(slot);
        }
    }

    fn close(&mut self, bytes: &mut Bytes<'_>) {
        let [freed, first, span, at_most] = bytes.array();
        let spans = (span & 1 != 0)
            .then(|| sequence(u64::from(first))..=sequence(u64::from(first) + u64::from(span)));
        let freed = Sequence::new(u64::from(freed).min(self.number));
        let until = RestingUntil { freed, spans: spans.into_iter().collect() };
        self.close_until(&until, u32::from(at_most));
    }

    fn close_until(&mut self, until: &RestingUntil, at_most: u32) {
        let visible = self.number;
        let mut closed = Vec::new();
        let outcome =
            self.table.close((until, at_most), |slot| closed.push(slot), || Sequence::new(visible));
        if let Ok(done) = outcome {
            assert_eq!(done.closed, closed.len() as u64);
        }
        assert!(outcome.is_ok() || !self.model.is_whole(), "{outcome:?}");
        closed.into_iter().for_each(|slot| self.model.closed(slot, until, visible));
        // Somebody else reads at a later number.
        self.number += 1;
    }

    fn free_closed(&mut self, bytes: &mut Bytes<'_>) {
        let unread = Sequence::new(self.number.saturating_sub(bytes.u8().into()));
        let at_most = u32::from(bytes.u8());
        let freed = self.table.free_closed(unread, at_most);
        assert_eq!(freed, self.model.free_closed(unread, at_most));
    }

    fn cut(&mut self) {
        let cut = self.table.cut();
        let counts = self.table.counts();
        assert_eq!(
            (cut.len(), cut.totals()),
            (self.table.len(), (counts.alive, counts.references))
        );
        self.cut = Some((cut, self.model.clone()));
    }

    fn rebase(&mut self) {
        let Some((cut, model)) = &self.cut else { return };
        let list = match cut.describe() {
            Ok(list) => list,
            Err(error) => return assert!(!model.is_whole(), "{error}"),
        };
        assert_eq!(list.slots(), cut.len());
        for slot in (0..cut.len() as u32).map(Slot) {
            let known = list.known(slot).expect("in memory");
            assert_eq!(cut.known(slot).expect("it was described"), known);
            let held = model.held.get(&slot).map(|(_, known)| *known);
            assert!(held == known || (held.is_none() && !model.is_whole()), "slot {slot}");
        }
        for (slot, (vector, known)) in model.held.iter().filter(|_| model.has_keys) {
            let found = list.find(key_of(*vector), &mut |found| Ok(found == *slot));
            assert_eq!(found.expect("in memory"), known.is_alive().then_some(*slot));
        }
        self.logged = model.log.len();
        self.base = Arc::new(list);
        self.table.rebase(cut, Arc::clone(&self.base));
        self.cut = None;
    }

    /// What the table stands on, and the log behind it, make the same table.
    fn check_replay(&self) {
        let mut again = SlotTable::new(Arc::clone(&self.base)).expect("a true description");
        again.set_room(ROOM);
        for (number, record) in self.model.log.iter().skip(self.logged) {
            let number = sequence(*number);
            let outcome = match *record {
                Record::Born(slot, vector) => {
                    let key = self.model.has_keys.then(|| key_of(vector));
                    again.replay_born(slot, key, VectorHash::from_raw(vector), number)
                }
                Record::Referred(slot) => again.replay_referred(slot),
                Record::Released(slot, ended) => again.replay_released(slot, ended, number),
            };
            outcome.expect("it was decided so");
        }
        again.end_replay();
        let (counts, replayed) = (self.table.counts(), again.counts());
        assert_eq!((counts.alive, counts.references), (replayed.alive, replayed.references));
        for slot in (0..again.len().max(self.table.len()) as u32).map(Slot) {
            let held = self.model.held.get(&slot).map(|(_, known)| *known);
            let replayed = again.known(slot).expect("a true description");
            // What became free meanwhile rests again.
            let rests = replayed.is_some_and(|known| !known.is_alive());
            assert!(replayed == held || (held.is_none() && rests), "slot {slot}: {replayed:?}");
        }
    }

    /// Once nobody reads, every slot that is not alive is given out once.
    fn check_nothing_is_lost(&mut self) {
        while !self.model.taken.is_empty() {
            self.give_back(0);
        }
        self.table.reconsider();
        let until = RestingUntil { freed: Sequence::new(self.number), spans: Vec::new() };
        self.close_until(&until, u32::MAX);
        let unread = Sequence::new(self.number + 1);
        let freed = self.table.free_closed(unread, u32::MAX);
        assert_eq!(freed, self.model.free_closed(unread, u32::MAX));
        self.model.check(&self.table);
        let rests = self.model.held.values().any(|(_, known)| !known.is_alive());
        assert!(!rests, "a slot rests for ever");
        self.model.has_keys = false;
        for vector in 0..=ROOM {
            self.place(vector, None);
        }
        self.model.check(&self.table);
    }
}
