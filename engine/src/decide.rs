//! Decides what becomes of a batch, under the sequencer's lock: what each id has now, a slot or a shared one, a new row,
//! what comes to an end.
//!
//! Promises
//!  1. A batch that is refused leaves no trace.
//!  2. What is decided is decided in the order of the batches' numbers, by one thread at a time, for what stands under
//!     each name at that number.
//!  3. No id is in a batch twice.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base::{CollectionId, Sequence};
use segments::{Ended, Placed, Prepared, Writes};

use crate::format::{EndedRow, Outcome};
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::rows::Current;
use crate::wish::{Aimed, If, Wish};
use crate::{Error, Id, Result};

/// What is left to be applied of a batch.
pub(crate) type Kept = Vec<(Arc<CollectionState>, Writes)>;

/// Why a batch was not decided.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A collection needs another segment first.
    Full(Arc<CollectionState>),
    /// A collection was cleared or dropped meanwhile.
    Stale,
    /// It cannot be.
    Because(Error),
}

impl Refused {
    fn by(collection: &Arc<CollectionState>, error: Error) -> Self {
        match error {
            Error::Vectors(segments::Error::NoRoom { .. }) => Refused::Full(Arc::clone(collection)),
            error => Refused::Because(error),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Because(error)
    }
}

impl From<wal::Error> for Refused {
    fn from(error: wal::Error) -> Self {
        Refused::Because(error.into())
    }
}

impl Inner {
    /// Decides what becomes of each wish.
    pub(crate) fn decide(
        &self,
        wishes: &[Aimed<'_>],
        at: Sequence,
    ) -> std::result::Result<(Vec<Outcome>, Kept), Refused> {
        let states = || wishes.iter().filter_map(|aimed| aimed.state.as_ref());
        if states().any(|state| state.has_ended()) {
            return Err(Refused::Stale);
        }
        let mut notes = self.notes.lock();
        notes.check_room(wishes.iter().filter_map(|aimed| aimed.wish.note()))?;
        let mut parts: BTreeMap<CollectionId, Part<'_>> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(wishes.len());
        for aimed in wishes {
            outcomes.push(decide_one(aimed, &mut parts, at)?);
        }
        // From here on nothing can fail.
        let visible = self.pins.visible();
        for (Aimed { wish, state }, outcome) in wishes.iter().zip(&outcomes) {
            match (wish, state) {
                (Wish::Upsert(_, id, ..) | Wish::Remove(_, id, _), Some(state)) => {
                    state.rows.write().apply(at, id, outcome);
                }
                (Wish::Segment(_, file), Some(state)) => state.set.open_segment(*file),
                (Wish::Note(note), _) => notes.set(at, note.clone(), visible),
                _ => {}
            }
        }
        let writes = parts.into_values().map(Part::keep).collect();
        Ok((outcomes, writes))
    }
}

fn decide_one<'a>(
    aimed: &'a Aimed<'_>,
    parts: &mut BTreeMap<CollectionId, Part<'a>>,
    at: Sequence,
) -> std::result::Result<Outcome, Refused> {
    let Aimed { wish, state } = aimed;
    let (Some(state), Wish::Upsert(_, id, ..) | Wish::Remove(_, id, _)) = (state, wish) else {
        return Ok(Outcome::Done(aimed.op().kind()));
    };
    let part = parts.entry(state.id).or_insert_with(|| Part::new(state, at));
    if let Wish::Upsert(_, _, prepared, condition) = wish {
        return part.upsert(id, prepared, *condition).map_err(|error| Refused::by(state, error));
    }
    let condition = if let Wish::Remove(_, _, condition) = wish { *condition } else { If::Any };
    Ok(part.remove(id, condition)?)
}

/// What a batch does to one collection.
struct Part<'c> {
    collection: &'c Arc<CollectionState>,
    batch: segments::Batch<'c>,
    /// The ids that are in it.
    ids: HashSet<&'c Id>,
    next_row: base::Row,
}

impl<'c> Part<'c> {
    fn new(collection: &'c Arc<CollectionState>, at: Sequence) -> Self {
        let next_row = collection.rows.read().next();
        let batch = collection.set.batch(at);
        Part { collection, batch, ids: HashSet::new(), next_row }
    }

    fn upsert(&mut self, id: &'c Id, prepared: &Prepared, condition: If) -> Result<Outcome> {
        let current = self.current(id, condition)?;
        let row = self.next_row;
        let next = row.0.checked_add(1).ok_or(Error::Exhausted { row })?;
        // First the new one: if it is the same vector, its slot stays.
        let placed: Placed = self.batch.place(prepared)?;
        let ended = self.end(current)?;
        self.next_row = base::Row(next);
        Ok(Outcome::Upserted { row, placed, ended })
    }

    fn remove(&mut self, id: &'c Id, condition: If) -> Result<Outcome> {
        let current = self.current(id, condition)?;
        Ok(Outcome::Removed { ended: self.end(current)? })
    }

    /// What an id has, if that is what it has to have.
    fn current(&mut self, id: &'c Id, condition: If) -> Result<Option<Current>> {
        let collection = || self.collection.about.name.clone();
        if !self.ids.insert(id) {
            return Err(Error::TwiceInBatch { collection: collection(), id: id.clone() });
        }
        let current = self.collection.rows.read().current(id)?;
        let found = current.map(|current| current.born);
        match (condition, found) {
            (If::Any, _) | (If::Absent, None) => Ok(current),
            (If::At(expected), found) if found == Some(expected) => Ok(current),
            (If::Absent, Some(version)) => {
                Err(Error::IdExists { collection: collection(), id: id.clone(), version })
            }
            (If::At(expected), found) => {
                let (collection, id) = (collection(), id.clone());
                Err(Error::OtherVersion { collection, id, expected, found })
            }
        }
    }

    fn end(&mut self, current: Option<Current>) -> Result<Option<EndedRow>> {
        let Some(Current { row, slot, .. }) = current else { return Ok(None) };
        let slot_ended: Ended = self.batch.release(slot)?;
        Ok(Some(EndedRow { row, slot, slot_ended }))
    }

    fn keep(self) -> (Arc<CollectionState>, Writes) {
        (Arc::clone(self.collection), self.batch.keep())
    }
}
