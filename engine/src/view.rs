//! Reads the store at one number, whatever is written meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base::{CollectionId, Sequence};
use disk::LockGuard;

use crate::inner::{CollectionState, Inner};
use crate::rows::RowsView;
use crate::{Collection, Error, Id, Record, Result, Search};

/// A consistent view of all collections at one number.
#[derive(Clone)]
pub struct View {
    number: Option<Sequence>,
    collections: BTreeMap<CollectionId, CollectionView>,
    /// Held on to also where there is no collection.
    _lock: Arc<LockGuard>,
}

impl View {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        // Held so that no layers are replaced between the pin and their listing.
        let state = inner.state.read();
        let pin = inner.pins.pin();
        let of = |collection: &Arc<CollectionState>| CollectionView {
            rows: collection.rows.read().view(pin.view()),
            vectors: collection.set.view(pin.clone()),
            collection: Arc::clone(collection),
        };
        let collections = state.collections.iter().map(|(id, it)| (*id, of(it))).collect();
        View { number: pin.view(), collections, _lock: Arc::clone(&inner.lock) }
    }

    /// The number of the last batch that it sees; `None` if it sees none.
    pub fn number(&self) -> Option<Sequence> {
        self.number
    }

    /// What an id had.
    ///
    /// # Errors
    /// If its vector is damaged; [`Error::NoCollection`] if the collection is younger than the view.
    pub fn get(&self, collection: &Collection, id: impl Into<Id>) -> Result<Option<Record>> {
        self.of(collection)?.get(id.into())
    }

    /// The vectors that were nearest to this one.
    ///
    /// # Errors
    /// [`Error::NoCollection`] if the collection is younger than the view.
    pub fn search<'q>(&self, collection: &Collection, query: &'q [f32]) -> Result<Search<'q>> {
        Ok(Search::new(self.of(collection)?.clone(), query))
    }

    /// All ids that there were, in no particular order.
    ///
    /// # Errors
    /// If the image is damaged; [`Error::NoCollection`] if the collection is younger than the view.
    pub fn ids(&self, collection: &Collection) -> Result<Vec<Id>> {
        let rows = &self.of(collection)?.rows;
        let mut ids = Vec::new();
        rows.for_each(|seen| {
            ids.extend(rows.id_of(&seen)?);
            Ok(())
        })?;
        Ok(ids)
    }

    fn of(&self, collection: &Collection) -> Result<&CollectionView> {
        let missing = || Error::NoCollection { name: collection.name().to_owned() };
        self.collections.get(&collection.state.id).ok_or_else(missing)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A view of one collection.
#[derive(Clone)]
pub(crate) struct CollectionView {
    pub(crate) collection: Arc<CollectionState>,
    pub(crate) rows: RowsView,
    pub(crate) vectors: segments::View,
}

impl CollectionView {
    /// What is visible now.
    pub(crate) fn of(inner: &Arc<Inner>, collection: &Arc<CollectionState>) -> Self {
        let _no_layers_are_replaced = inner.state.read();
        let pin = inner.pins.pin();
        CollectionView {
            rows: collection.rows.read().view(pin.view()),
            vectors: collection.set.view(pin),
            collection: Arc::clone(collection),
        }
    }

    pub(crate) fn get(&self, id: Id) -> Result<Option<Record>> {
        let Some(current) = self.rows.get(&id)? else { return Ok(None) };
        match self.vectors.pinned(current.slot) {
            Ok(vector) => Ok(Some(Record { id, vector })),
            Err(source) => Err(Error::Unreadable { id, source }),
        }
    }
}
