//! Says what is to be done with an id, or with a collection: looked at outside any lock, and not decided yet.

use std::sync::Arc;

use base::{CollectionId, FileId, Sequence};
use segments::{HeapFile, Prepared};

use crate::format::Op;
use crate::named::{CollectionState, Named};
use crate::notes::Note;
use crate::{CollectionConfig, Id, IndexConfig, Result};

/// What a batch wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Upsert(Arc<Named>, Id, Prepared, Bytes, If),
    /// Another payload for what is there.
    Update(Arc<Named>, Id, Bytes, If),
    Remove(Arc<Named>, Id, If),
    CreateCollection(CollectionId, String, CollectionConfig),
    Clear(Arc<CollectionState>, CollectionId),
    Drop(Arc<CollectionState>),
    Segment(Arc<CollectionState>, FileId),
    Payloads(Arc<CollectionState>, HeapFile),
    /// Another index, or the same with other numbers.
    Index(Arc<CollectionState>, IndexConfig),
    Cut,
    Note(Note),
}

/// A payload as it is stored, or none.
pub(crate) type Bytes = Option<Arc<[u8]>>;

/// What an id has to have for a batch to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum If {
    /// Whatever there is.
    Any,
    /// Anything.
    Present,
    /// Nothing.
    Absent,
    /// What the batch of this number gave it.
    At(Sequence),
}

/// A wish, and what it is for as things stand.
#[derive(Debug)]
pub(crate) struct Aimed<'w> {
    pub(crate) wish: &'w Wish,
    /// What stands under the name that it is for, if it is for one.
    pub(crate) state: Option<Arc<CollectionState>>,
}

impl Wish {
    /// Finds out what it is for.
    pub(crate) fn aim(&self) -> Result<Aimed<'_>> {
        let state = match self {
            Wish::Upsert(named, ..) | Wish::Update(named, ..) | Wish::Remove(named, ..) => {
                Some(named.now()?)
            }
            Wish::Clear(state, _)
            | Wish::Drop(state)
            | Wish::Segment(state, _)
            | Wish::Payloads(state, _)
            | Wish::Index(state, _) => Some(Arc::clone(state)),
            Wish::CreateCollection(..) | Wish::Cut | Wish::Note(_) => None,
        };
        Ok(Aimed { wish: self, state })
    }

    /// Whether it takes no space but in the log.
    pub(crate) fn frees_space(&self) -> bool {
        matches!(self, Wish::Remove(..) | Wish::Clear(..) | Wish::Drop(_) | Wish::Cut)
    }

    /// The payload that it gives an id.
    pub(crate) fn payload(&self) -> Option<&Arc<[u8]>> {
        match self {
            Wish::Upsert(_, _, _, payload, _) | Wish::Update(_, _, payload, _) => payload.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn note(&self) -> Option<&Note> {
        if let Wish::Note(note) = self { Some(note) } else { None }
    }
}

impl Aimed<'_> {
    /// What the log will say of it.
    pub(crate) fn op(&self) -> Op {
        let collection = self.state.as_ref().map_or(CollectionId(0), |state| state.id);
        match self.wish {
            Wish::Upsert(_, id, prepared, payload, _) => {
                let vector = Arc::clone(prepared.vector());
                Op::Upsert { collection, id: id.clone(), vector, payload: payload.clone() }
            }
            Wish::Update(_, id, payload, _) => {
                Op::Update { collection, id: id.clone(), payload: payload.clone() }
            }
            Wish::Remove(_, id, _) => Op::Remove { collection, id: id.clone() },
            Wish::CreateCollection(collection, name, config) => Op::CreateCollection {
                collection: *collection,
                name: name.clone(),
                config: config.clone(),
            },
            Wish::Clear(_, next) => Op::Clear { collection, next: *next },
            Wish::Drop(_) => Op::DropCollection { collection },
            Wish::Segment(_, file) => Op::Segment { collection, file: *file },
            Wish::Payloads(_, HeapFile { file, base, capacity, .. }) => {
                Op::Payloads { collection, file: *file, base: *base, capacity: *capacity }
            }
            Wish::Index(_, index) => Op::Index { collection, index: *index },
            Wish::Cut => Op::Cut,
            Wish::Note(note) => Op::Note(note.clone()),
        }
    }
}
