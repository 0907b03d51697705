//! Knows which row each id had at which batch: an image's rows, and what happened since.
//!
//! A row is one version of an id: its vector's slot and the place of its payload, from the batch that bore it up to the one
//! that ended it. Every write of an id takes a new row. What was decided is noted at once, with the number of its batch; a view at an
//! earlier number does not see it.
//!
//! Promises
//!  1. A view at a number sees all batches up to it and none behind, for as long as it lives, whatever is decided,
//!     cut or described meanwhile.
//!  2. The same outcomes make the same rows, decided or replayed; replaying them does not read the image.
//!  3. From a slot to the rows that have it takes as long as there are such rows, whatever else there is.
//!
//! Never: decides what an id gets; touches a vector.

mod base;
mod delta;
mod ordered;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use ::base::{Row, Sequence, Slot};
use parking_lot::RwLock;
use segments::PayloadPlace;

pub(crate) use base::{RowBase, RowList};
use delta::{Delta, OfSlot};
pub(crate) use ordered::Ordered;

use crate::format::{EndedRow, Outcome};
use crate::{Id, Result};

/// What an id has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Current {
    pub(crate) row: Row,
    pub(crate) slot: Slot,
    pub(crate) payload: Option<PayloadPlace>,
    /// The batch that gave it that.
    pub(crate) born: Sequence,
}

/// The rows of a collection.
#[derive(Debug)]
pub(crate) struct Rows {
    base: Arc<dyn RowBase>,
    /// What happened since, the oldest first: the last one goes on, the others were cut off.
    layers: Vec<Arc<RwLock<Delta>>>,
    next: Row,
    /// The highest number that ever was an id.
    highest: Option<u64>,
    alive: u64,
}

/// The rows as one number sees them.
#[derive(Clone, Debug)]
pub(crate) struct RowsView {
    at: Option<Sequence>,
    base: Arc<dyn RowBase>,
    layers: Vec<Arc<RwLock<Delta>>>,
}

/// Where a row is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Base(u64),
    Layer(usize),
}

/// A row that a view sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) row: Row,
    pub(crate) slot: Slot,
    pub(crate) place: Place,
}

impl Rows {
    /// The rows of an image, of which the next new one has this number; and the highest id that was a number.
    pub(crate) fn new(base: Arc<dyn RowBase>, next: Row, highest: Option<u64>) -> Self {
        let alive = base.rows();
        Rows { base, layers: vec![Arc::default()], next, highest, alive }.begun()
    }

    fn begun(self) -> Self {
        if let Some(delta) = self.layers.last() {
            delta.write().begin(self.next);
        }
        self
    }

    /// The number that the next row gets.
    pub(crate) fn next(&self) -> Row {
        self.next
    }

    /// The highest number that ever was an id, if any was.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// How many rows are alive by what was decided.
    pub(crate) fn alive(&self) -> u64 {
        self.alive
    }

    /// What an id has by what was decided, visible or not.
    pub(crate) fn current(&self, id: &Id) -> Result<Option<Current>> {
        find(&self.layers, &*self.base, id, |_| true)
    }

    /// Notes what was decided about an id by the batch of this number.
    pub(crate) fn apply(&mut self, at: Sequence, id: &Id, outcome: &Outcome) {
        let Some(delta) = self.layers.last() else { return };
        let mut delta = delta.write();
        match *outcome {
            Outcome::Upserted { row, placed, payload, ended } => {
                self.alive += u64::from(ended.is_none());
                delta.born(id, Current { row, slot: placed.slot(), payload, born: at });
                delta.ended(ended.map(|ended| ended.row), at);
                self.next = self.next.max(Row(row.0.saturating_add(1)));
                if let Id::Number(number) = id {
                    self.highest = self.highest.max(Some(*number));
                }
            }
            Outcome::Updated { row, payload, ended } => {
                delta.born(id, Current { row, slot: ended.slot, payload, born: at });
                delta.ended(Some(ended.row), at);
                self.next = self.next.max(Row(row.0.saturating_add(1)));
            }
            Outcome::Removed { ended: Some(EndedRow { row, .. }) } => {
                self.alive = self.alive.saturating_sub(1);
                delta.removed(id, at);
                delta.ended(Some(row), at);
            }
            Outcome::Removed { ended: None } | Outcome::Done(_) => {}
        }
    }

    /// The rows as a view at this number sees them. It has to be visible, and not older than the image.
    pub(crate) fn view(&self, at: Option<Sequence>) -> RowsView {
        RowsView { at, base: Arc::clone(&self.base), layers: self.layers.clone() }
    }

    /// Sets apart what was decided up to the batch of this number, to be described.
    pub(crate) fn cut(&mut self, at: Option<Sequence>) -> RowsView {
        let view = self.view(at);
        let delta = Arc::<RwLock<Delta>>::default();
        delta.write().begin(self.next);
        self.layers.push(delta);
        view
    }

    /// Puts a description of the last cut in the place of what it describes.
    pub(crate) fn rebase(&mut self, base: Arc<dyn RowBase>) {
        let last = self.layers.len().saturating_sub(1);
        self.layers.drain(..last);
        self.base = base;
    }
}

impl RowsView {
    /// The number at which it reads.
    pub(crate) fn at(&self) -> Option<Sequence> {
        self.at
    }

    /// What an id has.
    pub(crate) fn get(&self, id: &Id) -> Result<Option<Current>> {
        find(&self.layers, &*self.base, id, |at| Some(at) <= self.at)
    }

    /// How many ids have anything.
    pub(crate) fn count(&self) -> u64 {
        let of_layer = |delta: &Arc<RwLock<Delta>>| {
            let delta = delta.read();
            (delta.born_by(self.at).count() as u64, delta.ended_by(self.at).count() as u64)
        };
        let changes = self.layers.iter().map(of_layer);
        // Each row is born once, and ended once at most.
        changes.fold(self.base.rows(), |count, (born, ended)| (count + born).saturating_sub(ended))
    }

    /// Goes through all rows, those of the image first, each in the order of their numbers.
    pub(crate) fn for_each(&self, mut see: impl FnMut(Seen) -> Result<()>) -> Result<()> {
        let mut died: HashSet<Row> = HashSet::new();
        let mut born = Vec::new();
        for (number, delta) in self.layers.iter().enumerate() {
            let delta = delta.read();
            died.extend(delta.ended_by(self.at));
            let place = Place::Layer(number);
            born.extend(delta.born_by(self.at).map(|(row, slot)| Seen { row, slot, place }));
        }
        for at in 0..self.base.rows() {
            let Current { row, slot, .. } = self.base.row_at(at)?;
            if !died.contains(&row) {
                see(Seen { row, slot, place: Place::Base(at) })?;
            }
        }
        born.into_iter().filter(|seen| !died.contains(&seen.row)).try_for_each(see)
    }

    /// Goes through the rows of a slot, the last one first: those that were born since, then those of the image.
    /// Nothing is allocated. For a slot of one row each layer is locked once, or twice while there are several.
    pub(crate) fn rows_of(
        &self,
        slot: Slot,
        mut see: impl FnMut(Seen) -> Result<()>,
    ) -> Result<()> {
        self.walk(slot, |seen| see(seen).map(ControlFlow::Continue))
    }

    /// Whether there is any row of a slot.
    pub(crate) fn sees(&self, slot: Slot) -> Result<bool> {
        let mut is_seen = false;
        self.walk(slot, |_| {
            is_seen = true;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(is_seen)
    }

    /// Goes through the rows of a slot until who looks at them has enough. No layer is locked while they look.
    fn walk(&self, slot: Slot, mut see: impl FnMut(Seen) -> Result<ControlFlow<()>>) -> Result<()> {
        let of_base = |at| self.base.of_slot(slot, at).map(|(has, before)| (at, has.row, before));
        // The image is read first, so that each layer is asked for its own rows and about that one at once.
        let mut next = self.base.last_of(slot)?.map(of_base).transpose()?;
        let mut last_is_ended = false;
        for (number, delta) in self.layers.iter().enumerate().rev() {
            let mut own = {
                let delta = delta.read();
                last_is_ended |= next.is_some_and(|(_, row, _)| delta.is_ended(row, self.at));
                delta.last_of(slot, self.at)
            };
            while let Some(OfSlot { row, before }) = own {
                let seen = Seen { row, slot, place: Place::Layer(number) };
                if !self.is_ended_in(number + 1, row) && see(seen)?.is_break() {
                    return Ok(());
                }
                own = before.and_then(|before| delta.read().of_slot(before, self.at));
            }
        }
        let mut is_ended = last_is_ended;
        while let Some((at, row, before)) = next {
            let seen = Seen { row, slot, place: Place::Base(at) };
            if !is_ended && see(seen)?.is_break() {
                return Ok(());
            }
            next = before.map(of_base).transpose()?;
            is_ended = next.is_some_and(|(_, row, _)| self.is_ended_in(0, row));
        }
        Ok(())
    }

    /// Whether a row was ended in a layer, from one of them on.
    fn is_ended_in(&self, first: usize, row: Row) -> bool {
        self.layers.iter().skip(first).any(|delta| delta.read().is_ended(row, self.at))
    }

    /// The id of a row that this view sees.
    pub(crate) fn id_of(&self, seen: &Seen) -> Result<Option<Id>> {
        match seen.place {
            Place::Base(at) => self.base.id_at(at).map(Some),
            Place::Layer(number) => {
                Ok(self.layers.get(number).and_then(|delta| delta.read().id_of(seen.row)))
            }
        }
    }

    /// What a row has that this view sees.
    pub(crate) fn has(&self, seen: &Seen) -> Result<Option<Current>> {
        match seen.place {
            Place::Base(at) => self.base.row_at(at).map(Some),
            Place::Layer(number) => {
                Ok(self.layers.get(number).and_then(|delta| delta.read().has(seen.row)))
            }
        }
    }
}

/// What an id has by the newest of its changes that counts.
fn find(
    layers: &[Arc<RwLock<Delta>>],
    base: &dyn RowBase,
    id: &Id,
    counts: impl Fn(Sequence) -> bool,
) -> Result<Option<Current>> {
    if let Some((_, found)) = newest(layers, id, counts) {
        return Ok(found);
    }
    base.find(id)?.map(|at| base.row_at(at)).transpose()
}

/// What became of an id since the image by the newest of its changes that counts, and the layer that has that.
fn newest(
    layers: &[Arc<RwLock<Delta>>],
    id: &Id,
    counts: impl Fn(Sequence) -> bool,
) -> Option<(usize, Option<Current>)> {
    let of_layer = |(number, delta): (usize, &Arc<RwLock<Delta>>)| {
        delta.read().newest(id, &counts).map(|found| (number, found))
    };
    layers.iter().enumerate().rev().find_map(of_layer)
}

#[cfg(test)]
mod tests;
