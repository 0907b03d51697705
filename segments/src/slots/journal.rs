//! Takes a batch back that is not to be: its changes one by one, the last first.

use base::Slot;

use super::Life;
use super::delta::Entry;
use super::table::{Ended, SlotTable};

/// What takes back a change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undo {
    Referred(Slot),
    Released(Slot, Ended),
    BornNew(Slot),
    BornAgain(Slot),
    BornTaken(Slot),
}

impl SlotTable {
    /// Begins a batch: what is done from now on can be rolled back.
    pub fn begin(&mut self) {
        self.journal.clear();
    }

    /// Takes back everything since the batch began, last things first.
    pub fn roll_back(&mut self) {
        while let Some(undo) = self.journal.pop() {
            self.undo(undo);
        }
    }

    /// Takes back the last change of the batch.
    pub fn take_back(&mut self) {
        if let Some(undo) = self.journal.pop() {
            self.undo(undo);
        }
    }

    /// Ends a batch: it can no longer be rolled back.
    pub fn keep(&mut self) {
        self.journal.clear();
    }

    pub(super) fn assert_no_batch(&self) {
        assert!(self.journal.is_empty(), "slots are changed in the midst of a batch");
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Referred(slot) => self.count(slot, -1),
            Undo::Released(slot, ended) => {
                if ended == Ended::Yes {
                    self.revive(slot);
                }
                self.count(slot, 1);
            }
            Undo::BornNew(slot) => {
                self.unbear(slot);
                // With those behind it that were passed over, or it would not be the last one.
                self.delta.cut_from(slot);
            }
            Undo::BornAgain(slot) => {
                self.unbear(slot);
                self.delta.free.push(slot);
            }
            Undo::BornTaken(slot) => {
                self.unbear(slot);
                self.taken.insert(slot.0);
            }
        }
    }

    fn unbear(&mut self, slot: Slot) {
        if let Some(entry) = self.delta.entry(slot) {
            let gone = std::mem::replace(entry, Entry::FREE);
            if let Some(key) = gone.key {
                self.delta.by_key.remove(key, slot);
            }
            self.delta.alive = self.delta.alive.saturating_sub(1);
            let references = u64::from(gone.references);
            self.delta.references = self.delta.references.saturating_sub(references);
        }
    }

    fn revive(&mut self, slot: Slot) {
        let last = self.delta.resting.pop_back();
        assert_eq!(last, Some(slot), "what came to rest last is taken back first");
        if let Some(entry) = self.delta.entry(slot) {
            entry.life = entry.life.map(|life| Life::born(life.birth()));
            if let Some(key) = entry.key {
                self.delta.by_key.insert(key, slot);
            }
        } else if let Some((_, end)) = self.delta.counted(slot) {
            *end = None;
        }
        self.delta.alive = self.delta.alive.saturating_add(1);
    }
}
