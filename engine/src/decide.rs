//! Decides what becomes of a batch, under the sequencer's lock: what each id has now, a slot or a shared one, a place for its
//! payload, a new row, what comes to an end.
//!
//! Promises
//!  1. A batch that is refused leaves no trace.
//!  2. What is decided is decided in the order of the batches' numbers, by one thread at a time, for what stands under
//!     each name at that number.
//!  3. No id is in a batch twice.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base::{CollectionId, Sequence, Slot};
use segments::{Ended, HeapBatch, PayloadPlace, Placed, Prepared, Writes};

use crate::format::{EndedRow, Outcome};
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::rows::Current;
use crate::wish::{Aimed, Bytes, If, Wish};
use crate::{Error, Id, Result};

/// What is left to be applied of a batch in a collection.
pub(crate) struct ToApply {
    pub(crate) collection: Arc<CollectionState>,
    pub(crate) vectors: Writes,
    /// The slots that get a vector, and the vectors.
    pub(crate) born: Vec<(Slot, Arc<[f32]>)>,
    /// In the order in which the places were given out.
    pub(crate) payloads: Vec<(PayloadPlace, Arc<[u8]>)>,
}

/// What a collection has no room for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Room {
    /// One more slot.
    Slot,
    /// A payload's record of so many bytes.
    Payload(u64),
}

/// Why a batch was not decided.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A collection needs another segment first, or another file of payloads.
    Full(Arc<CollectionState>, Room),
    /// A collection was cleared or dropped meanwhile.
    Stale,
    /// It cannot be.
    Because(Error),
}

impl Refused {
    /// The same, with room for all payloads of the batch: one file of them, and not one after the other.
    fn for_all(self, wishes: &[Aimed<'_>]) -> Self {
        let Refused::Full(state, Room::Payload(least)) = self else { return self };
        let of_it = |it: &&Aimed<'_>| it.state.as_ref().is_some_and(|of| Arc::ptr_eq(of, &state));
        let payloads = wishes.iter().filter(of_it).filter_map(|aimed| aimed.wish.payload());
        let bytes = payloads.map(|payload| segments::record_bytes(payload.len())).sum();
        Refused::Full(state, Room::Payload(least.max(bytes)))
    }

    fn by(collection: &Arc<CollectionState>, error: Error) -> Self {
        match error {
            Error::Vectors(segments::Error::NoRoom { .. }) => {
                Refused::Full(Arc::clone(collection), Room::Slot)
            }
            Error::Vectors(segments::Error::HeapFull { wanted }) => {
                Refused::Full(Arc::clone(collection), Room::Payload(wanted))
            }
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
    ) -> std::result::Result<(Vec<Outcome>, Vec<ToApply>), Refused> {
        let states = || wishes.iter().filter_map(|aimed| aimed.state.as_ref());
        if states().any(|state| state.has_ended()) {
            return Err(Refused::Stale);
        }
        let mut notes = self.notes.lock();
        notes.check_room(wishes.iter().filter_map(|aimed| aimed.wish.note()))?;
        let mut parts: BTreeMap<CollectionId, Part<'_>> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(wishes.len());
        for aimed in wishes {
            let decided = decide_one(aimed, &mut parts, at);
            outcomes.push(decided.map_err(|refused| refused.for_all(wishes))?);
        }
        // From here on nothing can fail.
        let visible = self.pins.visible();
        for (Aimed { wish, state }, outcome) in wishes.iter().zip(&outcomes) {
            match (wish, state) {
                (
                    Wish::Upsert(_, id, ..) | Wish::Update(_, id, ..) | Wish::Remove(_, id, _),
                    Some(state),
                ) => {
                    state.rows.write().apply(at, id, outcome);
                    state.indexing.events.lock().note(at, outcome);
                }
                (Wish::Segment(_, file), Some(state)) => state.set.open_segment(*file),
                (Wish::Payloads(_, it), Some(state)) => state.heap.open_file(it.file),
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
    let Aimed { wish, state: Some(state) } = aimed else {
        return Ok(Outcome::Done(aimed.op().kind()));
    };
    let decided = match wish {
        Wish::Upsert(_, id, prepared, payload, condition) => {
            part_of(parts, state, at).upsert(id, prepared, payload, *condition)
        }
        Wish::Update(_, id, payload, condition) => {
            part_of(parts, state, at).update(id, payload, *condition)
        }
        Wish::Remove(_, id, condition) => part_of(parts, state, at).remove(id, *condition),
        _ => return Ok(Outcome::Done(aimed.op().kind())),
    };
    decided.map_err(|error| Refused::by(state, error))
}

fn part_of<'p, 'a>(
    parts: &'p mut BTreeMap<CollectionId, Part<'a>>,
    state: &'a Arc<CollectionState>,
    at: Sequence,
) -> &'p mut Part<'a> {
    parts.entry(state.id).or_insert_with(|| Part::new(state, at))
}

/// What a batch does to one collection.
struct Part<'c> {
    collection: &'c Arc<CollectionState>,
    batch: segments::Batch<'c>,
    /// None where no payload begins or ends.
    heap: Option<HeapBatch<'c>>,
    payloads: Vec<(PayloadPlace, Arc<[u8]>)>,
    /// The ids that are in it.
    ids: HashSet<&'c Id>,
    next_row: base::Row,
}

impl<'c> Part<'c> {
    fn new(collection: &'c Arc<CollectionState>, at: Sequence) -> Self {
        let next_row = collection.rows.read().next();
        let batch = collection.set.batch(at);
        let (heap, payloads, ids) = (None, Vec::new(), HashSet::new());
        Part { collection, batch, heap, payloads, ids, next_row }
    }

    fn heap(&mut self) -> &mut HeapBatch<'c> {
        self.heap.get_or_insert_with(|| self.collection.heap.batch())
    }

    fn upsert(
        &mut self,
        id: &'c Id,
        prepared: &Prepared,
        payload: &Bytes,
        condition: If,
    ) -> Result<Outcome> {
        let current = self.current(id, condition)?;
        let row = self.new_row()?;
        // First the new one: if it is the same vector, its slot stays.
        let placed: Placed = self.batch.place(prepared)?;
        let payload = self.lay(payload)?;
        let ended = self.end(current)?;
        Ok(Outcome::Upserted { row, placed, payload, ended })
    }

    fn update(&mut self, id: &'c Id, payload: &Bytes, condition: If) -> Result<Outcome> {
        let Some(current) = self.current(id, condition)? else {
            let collection = self.collection.about.name.clone();
            return Err(Error::NoId { collection, id: id.clone() });
        };
        let row = self.new_row()?;
        let payload = self.lay(payload)?;
        // The new row refers to the slot in the place of the old one.
        let slot_ended = Ended::No;
        self.end_payload(current.payload);
        let Current { row: old, slot, payload: old_payload, .. } = current;
        let ended = EndedRow { row: old, slot, slot_ended, payload: old_payload };
        Ok(Outcome::Updated { row, payload, ended })
    }

    fn new_row(&mut self) -> Result<base::Row> {
        let row = self.next_row;
        self.next_row = base::Row(row.0.checked_add(1).ok_or(Error::Exhausted { row })?);
        Ok(row)
    }

    /// Finds a place for a payload.
    fn lay(&mut self, payload: &Bytes) -> Result<Option<PayloadPlace>> {
        let Some(bytes) = payload else { return Ok(None) };
        let place = self.heap().reserve(bytes.len())?;
        self.payloads.push((place, Arc::clone(bytes)));
        Ok(Some(place))
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
            (If::Any, _) | (If::Absent, None) | (If::Present, Some(_)) => Ok(current),
            (If::At(expected), found) if found == Some(expected) => Ok(current),
            (If::Absent, Some(version)) => {
                Err(Error::IdExists { collection: collection(), id: id.clone(), version })
            }
            (If::Present, None) => Err(Error::NoId { collection: collection(), id: id.clone() }),
            (If::At(expected), found) => {
                let (collection, id) = (collection(), id.clone());
                Err(Error::OtherVersion { collection, id, expected, found })
            }
        }
    }

    fn end(&mut self, current: Option<Current>) -> Result<Option<EndedRow>> {
        let Some(Current { row, slot, payload, .. }) = current else { return Ok(None) };
        let slot_ended: Ended = self.batch.release(slot)?;
        self.end_payload(payload);
        Ok(Some(EndedRow { row, slot, slot_ended, payload }))
    }

    fn end_payload(&mut self, payload: Option<PayloadPlace>) {
        if let Some(place) = payload {
            self.heap().release(place);
        }
    }

    fn keep(self) -> ToApply {
        if let Some(heap) = self.heap {
            heap.keep();
        }
        let (collection, payloads) = (Arc::clone(self.collection), self.payloads);
        let vectors = self.batch.keep();
        let born = vectors.vectors().map(|(slot, vector)| (slot, Arc::clone(vector))).collect();
        ToApply { collection, vectors, born, payloads }
    }
}
