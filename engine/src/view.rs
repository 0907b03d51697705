//! Reads the store at one number, whatever is written meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base::{CollectionId, Sequence};
use disk::LockGuard;
use segments::{HeapView, Pin};

use crate::index::Serving;
use crate::inner::Inner;
use crate::named::{CollectionState, Named};
use crate::rows::RowsView;
use crate::{Collection, Error, Id, Record, Result, Scan, Search};

/// A consistent view of all collections at one number, whatever is written meanwhile.
///
/// What it sees stays on the disk for as long as it lives: a view that is kept for long keeps room from being used again.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// let view = store.view();
/// docs.clear()?;
/// assert_eq!((docs.len(), view.count(&docs)?), (0, 1));
/// let hits = view.search(&docs, &[1.0, 2.0])?.k(1).run()?;
/// assert_eq!(hits[0].distance, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        let of =
            |state: &Arc<CollectionState>| (state.line, CollectionView::at(state, pin.clone()));
        let collections = state.at(pin.view()).map(of).collect();
        View { number: pin.view(), collections, _lock: Arc::clone(&inner.lock) }
    }

    /// The number of the last batch that it sees; `None` if it sees none.
    pub fn number(&self) -> Option<Sequence> {
        self.number
    }

    /// What an id had.
    ///
    /// # Errors
    /// If its vector is damaged; [`Error::NoCollection`] if the view does not see the collection.
    pub fn get(&self, collection: &Collection, id: impl Into<Id>) -> Result<Option<Record>> {
        self.of(collection)?.get(id.into())
    }

    /// The vectors that were nearest to this one.
    ///
    /// # Errors
    /// [`Error::NoCollection`] if the view does not see the collection.
    pub fn search<'q>(
        &self,
        collection: &Collection,
        query: &'q [f32],
    ) -> Result<Search<&'q [f32]>> {
        Ok(Search::new(Ok(self.of(collection)?.clone()), query))
    }

    /// The vectors that were nearest to each of these, found on all cores.
    ///
    /// # Errors
    /// [`Error::NoCollection`] if the view does not see the collection.
    pub fn search_batch<'q, Q: AsRef<[f32]>>(
        &self,
        collection: &Collection,
        queries: &'q [Q],
    ) -> Result<Search<Vec<&'q [f32]>>> {
        let queries = queries.iter().map(AsRef::as_ref).collect();
        Ok(Search::new(Ok(self.of(collection)?.clone()), queries))
    }

    /// What each of these ids had, in the order in which they are asked for.
    ///
    /// # Errors
    /// As [`get`](View::get), with the first that is damaged.
    pub fn get_many<I: Into<Id>>(
        &self,
        collection: &Collection,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Option<Record>>> {
        let view = self.of(collection)?;
        ids.into_iter().map(|id| view.get(id.into())).collect()
    }

    /// What the ids had whose vectors lie in these [slots](Record::slot): for each slot all of them, in the order of ids.
    ///
    /// # Errors
    /// As [`get`](View::get), with the first that is damaged.
    pub fn get_by_slot(&self, collection: &Collection, slots: &[u32]) -> Result<Vec<Vec<Record>>> {
        self.of(collection)?.get_by_slot(slots)
    }

    /// Whether an id had anything.
    ///
    /// # Errors
    /// If the image is damaged; [`Error::NoCollection`] if the view does not see the collection.
    pub fn contains(&self, collection: &Collection, id: impl Into<Id>) -> Result<bool> {
        self.of(collection)?.contains(&id.into())
    }

    /// How many ids there were.
    ///
    /// # Errors
    /// [`Error::NoCollection`] if the view does not see the collection.
    pub fn count(&self, collection: &Collection) -> Result<u64> {
        Ok(self.of(collection)?.rows.count())
    }

    /// All there was, in the order of ids; behind one of them, if one is given.
    ///
    /// # Errors
    /// If the image is damaged; [`Error::NoCollection`] if the view does not see the collection.
    pub fn scan(&self, collection: &Collection, after: Option<&Id>) -> Result<Scan> {
        Scan::begin(self.of(collection)?.clone(), after)
    }

    fn of(&self, collection: &Collection) -> Result<&CollectionView> {
        let missing = || Error::NoCollection { name: collection.name().to_owned() };
        self.collections.get(&collection.named.line).ok_or_else(missing)
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
    pub(crate) payloads: HeapView,
    /// The index that it is searched by; none where there are only the rows to go by.
    pub(crate) serving: Option<Arc<Serving>>,
}

impl CollectionView {
    /// What is visible now.
    pub(crate) fn of(inner: &Arc<Inner>, named: &Named) -> Result<Self> {
        let _no_layers_are_replaced = inner.state.read();
        let pin = inner.pins.pin();
        let state = named.at(pin.view())?;
        Ok(Self::at(&state, pin))
    }

    /// The same of what stands, or stood, under its name.
    pub(crate) fn of_state(inner: &Inner, state: &Arc<CollectionState>) -> Self {
        let _no_layers_are_replaced = inner.state.read();
        Self::at(state, inner.pins.pin())
    }

    fn at(state: &Arc<CollectionState>, pin: Pin) -> Self {
        CollectionView {
            rows: state.rows.read().view(pin.view()),
            vectors: state.set.view(pin),
            payloads: state.heap.view(),
            serving: state.indexing.serving(),
            collection: Arc::clone(state),
        }
    }
}
