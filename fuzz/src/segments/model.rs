//! What a plain map knows of slots: what each that is not free holds, and how it is on its way to be free.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use base::{Sequence, Slot};
use segments::{Ended, Known, Life, RestingUntil, SlotTable, VectorHash};

use super::described::{Held, sequence};

/// What a log would hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record {
    Born(Slot, u64),
    Referred(Slot),
    Released(Slot, Ended),
}

/// What a map can know of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Knows {
    /// All slots.
    All,
    /// Those that were born since a description that lies.
    WhatWasBorn,
}

/// The slots that are not free, or of a description that lies only those that were born since.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) held: BTreeMap<Slot, Held>,
    /// Closed, and the number that was visible then.
    pub(crate) closing: VecDeque<(Slot, u64)>,
    pub(crate) taken: BTreeSet<Slot>,
    pub(crate) avoided: Vec<Range<u64>>,
    knows: Knows,
    /// Whether vectors are looked up at all.
    pub(crate) has_keys: bool,
    pub(crate) log: Vec<(u64, Record)>,
}

impl Model {
    pub(crate) fn new(slots: &[Option<Held>], knows: Knows) -> Self {
        let held = (0..).map(Slot).zip(slots).filter_map(|(slot, held)| Some((slot, (*held)?)));
        Model {
            held: held.collect(),
            closing: VecDeque::new(),
            taken: BTreeSet::new(),
            avoided: Vec::new(),
            knows,
            has_keys: true,
            log: Vec::new(),
        }
    }

    /// Whether it knows all slots.
    pub(crate) fn is_whole(&self) -> bool {
        self.knows == Knows::All
    }

    pub(crate) fn is_alive(&self, slot: Slot) -> bool {
        self.held.get(&slot).is_some_and(|(_, known)| known.is_alive())
    }

    /// The slot in which a vector is found.
    pub(crate) fn sharing(&self, vector: u64) -> Option<Slot> {
        let is_it = |(slot, (held, _)): (&Slot, &Held)| {
            (*held == vector && self.is_alive(*slot)).then_some(*slot)
        };
        self.held.iter().filter(|_| self.has_keys).find_map(is_it)
    }

    /// Whether the slot may be given out, as far as this is known.
    pub(crate) fn is_free(&self, slot: Slot) -> bool {
        let is_avoided = self.avoided.iter().any(|range| range.contains(&u64::from(slot.0)));
        !self.held.contains_key(&slot) && !self.taken.contains(&slot) && !is_avoided
    }

    pub(crate) fn born(&mut self, slot: Slot, vector: u64, number: u64) {
        let (hash, life) = (VectorHash::from_raw(vector), Life::born(sequence(number)));
        self.held.insert(slot, (vector, Known { hash, references: 1, life }));
        self.log.push((number, Record::Born(slot, vector)));
    }

    pub(crate) fn referred(&mut self, slot: Slot, number: u64) {
        if let Some((_, known)) = self.held.get_mut(&slot) {
            known.references += 1;
        }
        self.log.push((number, Record::Referred(slot)));
    }

    pub(crate) fn released(&mut self, slot: Slot, ended: Ended, number: u64) {
        if let Some((_, known)) = self.held.get_mut(&slot) {
            known.references -= 1;
            let is_last = known.references == 0;
            assert_eq!(is_last, ended == Ended::Yes, "{slot} was released: {known:?}");
            if is_last {
                known.life = known.life.freed(sequence(number));
            }
        }
        self.log.push((number, Record::Released(slot, ended)));
    }

    /// A slot was closed, so nobody may need it any more.
    pub(crate) fn closed(&mut self, slot: Slot, until: &RestingUntil, visible: u64) {
        let is_closing = self.closing.iter().any(|(other, _)| *other == slot);
        assert!(!is_closing && !self.taken.contains(&slot), "{slot} is closed twice, or taken");
        let held = self.held.get(&slot);
        assert!(held.is_some() || !self.is_whole(), "{slot} is closed, and was free");
        if let Some((_, Known { life, .. })) = held {
            assert!(life.end().is_some() && life.end() <= until.freed, "{slot} does not rest");
            let meets = until.spans.iter().any(|span| life.meets(*span.start(), *span.end()));
            assert!(!meets, "{slot} is retained");
        }
        self.closing.push_back((slot, visible));
    }

    /// So many slots may be freed, those that were closed first; they are.
    pub(crate) fn free_closed(&mut self, unread: Option<Sequence>, at_most: u32) -> u64 {
        let mut freed = 0;
        while let Some((slot, visible)) = self.closing.front().copied()
            && Sequence::new(visible) < unread
            && freed < u64::from(at_most)
        {
            self.closing.pop_front();
            self.held.remove(&slot);
            freed += 1;
        }
        freed
    }

    /// Holds the table against it.
    pub(crate) fn check(&self, table: &SlotTable) {
        for (slot, (_, known)) in &self.held {
            let found = table.known(*slot).expect("not described by anyone who lies");
            assert_eq!(found, Some(*known), "slot {slot}");
        }
        assert!(table.len() <= table.room(), "slots without room");
        if !self.is_whole() {
            let any = (0..table.len()).filter_map(|slot| u32::try_from(slot).ok());
            return any.for_each(|slot| drop(table.known(Slot(slot))));
        }
        let alive: Vec<_> = self.held.values().filter(|(_, known)| known.is_alive()).collect();
        let references: u64 = alive.iter().map(|(_, known)| u64::from(known.references)).sum();
        let counts = table.counts();
        assert_eq!((counts.alive, counts.references), (alive.len() as u64, references));
        assert_eq!(counts.alive + counts.idle, table.len());
        for slot in (0..table.len() as u32).map(Slot).filter(|it| !self.held.contains_key(it)) {
            assert_eq!(table.known(slot).expect("a true description"), None, "slot {slot}");
        }
    }
}
