//! A collection: vectors of one dimension under ids, written, read and searched.

use std::fmt;
use std::sync::Arc;

use base::Sequence;
use wal::Level;

use crate::background::Background;
use crate::format::Outcome;
use crate::inner::Inner;
use crate::named::{CollectionState, Named, rows_behind};
use crate::view::CollectionView;
use crate::wish::Wish;
use crate::{
    Batch, CollectionConfig, Durability, Id, IndexConfig, Payload, Record, Result, Scan, Search,
    Store,
};

/// A handle of a collection: vectors of one dimension, under ids.
///
/// Cheap to clone; reads through it see what is visible when they begin. Once the collection is dropped, all that goes
/// through it is refused, also where another one was made of the same name.
///
/// Each write through it is a batch of its own, durable and visible when it returns. A [`Batch`] does many things at
/// once, and at less cost.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// docs.upsert(2, &[3.0, 4.0])?;
/// assert_eq!(docs.get("one")?.unwrap().vector(), [1.0, 2.0]);
/// assert!(docs.remove("one")? && !docs.contains("one")?);
///
/// let same = store.collection("docs")?;
/// assert_eq!((same.name(), same.len()), ("docs", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Collection {
    pub(crate) inner: Arc<Inner>,
    pub(crate) named: Arc<Named>,
    /// Goes on for as long as anybody can write: whoever writes may wait for it.
    _background: Arc<Background>,
}

impl Collection {
    pub(crate) fn new(store: &Store, named: Arc<Named>) -> Self {
        let (inner, background) = (Arc::clone(&store.inner), Arc::clone(&store.background));
        Collection { inner, named, _background: background }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.named.about.name
    }

    /// What it is like, as it was made. By which index it is searched may have changed since: see [`index`](Collection::index).
    pub fn config(&self) -> &CollectionConfig {
        &self.named.about.config
    }

    /// The index that it is to be searched by.
    pub fn index(&self) -> IndexConfig {
        self.named.now().map_or(self.config().index_kind(), |now| now.indexing.wanted())
    }

    /// Lets it be searched by another index, or by the same with other numbers. It is built in the background, and the one that there
    /// is serves until then; [`wait_indexed`](Collection::wait_indexed) waits for it. What is wanted is durable when this returns.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, IndexConfig, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// docs.upsert("one", &[1.0, 2.0])?;
    /// docs.set_index(IndexConfig::hnsw())?;
    /// docs.wait_indexed()?;
    /// assert_eq!(docs.statistics().index.kind, "hnsw");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoCollection`](crate::Error::NoCollection) if it was dropped;
    /// [`Error::UnsuitedIndex`](crate::Error::UnsuitedIndex) if the kind cannot go by what vectors are compared by here; if the
    /// disk failed.
    pub fn set_index(&self, index: impl Into<IndexConfig>) -> Result<()> {
        let (inner, index) = (&self.inner, index.into());
        inner.check_owner()?;
        let _one_at_a_time = inner.ddl.lock();
        let now = self.named.now()?;
        self.config().check_index(index)?;
        let wish = Wish::Index(Arc::clone(&now), index);
        let decided = inner.queue_alone(wish, Level::Sync, None, |_| now.indexing.want(index))?;
        decided.commit.wait()?;
        inner.index_wake.wake();
        inner.check()
    }

    /// Builds the index anew in the background, as it is: the one that there is serves until then.
    ///
    /// # Errors
    /// [`Error::NoCollection`](crate::Error::NoCollection) if it was dropped.
    pub fn rebuild(&self) -> Result<()> {
        self.inner.check_owner()?;
        let now = self.named.now()?;
        now.indexing.want_again();
        self.inner.index_wake.wake();
        Ok(())
    }

    /// How many ids it has, by what was decided; 0 once it is dropped.
    pub fn len(&self) -> u64 {
        self.named.now().map_or(0, |state| state.rows.read().alive())
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The highest number that ever was an id here, if any was, by what was decided: numbers above it are new.
    pub fn highest_number(&self) -> Option<u64> {
        self.named.now().ok().and_then(|state| state.rows.read().highest())
    }

    /// Gives an id a vector and no payload, whatever it had before. Durable and visible when this returns.
    ///
    /// # Errors
    /// If it cannot be a vector of this collection, or the id none; if the disk is full, or failed.
    pub fn upsert(&self, id: impl Into<Id>, vector: &[f32]) -> Result<Sequence> {
        self.write(|batch| batch.upsert(self, id, vector))
    }

    /// Gives an id a vector and a payload, whatever it had before. Durable and visible when this returns.
    ///
    /// # Errors
    /// As [`upsert`](Collection::upsert); [`Error::NotAPayload`](crate::Error::NotAPayload).
    pub fn upsert_with(
        &self,
        id: impl Into<Id>,
        vector: &[f32],
        payload: Payload,
    ) -> Result<Sequence> {
        self.write(|batch| batch.upsert(self, id, vector).payload(payload))
    }

    /// Gives an id another payload, or none, in the place of the one that it has; its vector stays, and no index has anything
    /// to do. Durable and visible when this returns.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Metric, Store, Value, payload};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// docs.upsert_with("one", &[1.0, 2.0], payload! { "page" => 3 })?;
    /// let page = docs.get("one")?.unwrap().payload()?.unwrap();
    /// docs.update_payload("one", payload! { "page" => 4, "lang" => "en" })?;
    /// assert_eq!(page.get("page"), Some(Value::Integer(3)));
    /// docs.update_payload("one", None)?;
    /// assert_eq!(docs.get("one")?.unwrap().payload()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoId`](crate::Error::NoId); [`Error::NotAPayload`](crate::Error::NotAPayload); if the disk is full, or
    /// failed.
    pub fn update_payload(
        &self,
        id: impl Into<Id>,
        payload: impl Into<Option<Payload>>,
    ) -> Result<Sequence> {
        self.write(|batch| batch.update_payload(self, id, payload))
    }

    /// Gives an id a vector that has none. Durable and visible when this returns.
    ///
    /// # Errors
    /// [`Error::IdExists`](crate::Error::IdExists), with the version that is there; as [`upsert`](Collection::upsert).
    pub fn insert(&self, id: impl Into<Id>, vector: &[f32]) -> Result<Sequence> {
        self.write(|batch| batch.insert(self, id, vector))
    }

    /// Gives an id another vector, if nobody did since this version of it. Durable and visible when this returns.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Error, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// docs.insert("one", &[1.0, 2.0])?;
    /// let found = docs.get("one")?.unwrap();
    /// docs.upsert("one", &[3.0, 4.0])?; // somebody else
    /// let late = docs.upsert_if("one", &[5.0, 6.0], found.version());
    /// assert!(matches!(late, Err(Error::OtherVersion { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OtherVersion`](crate::Error::OtherVersion); as [`upsert`](Collection::upsert).
    pub fn upsert_if(
        &self,
        id: impl Into<Id>,
        vector: &[f32],
        version: Sequence,
    ) -> Result<Sequence> {
        self.write(|batch| batch.upsert_if(self, id, vector, version))
    }

    /// Takes an id away, if nobody wrote it since this version of it. Durable and visible when this returns.
    ///
    /// # Errors
    /// [`Error::OtherVersion`](crate::Error::OtherVersion); if the disk failed.
    pub fn remove_if(&self, id: impl Into<Id>, version: Sequence) -> Result<Sequence> {
        self.write(|batch| batch.remove_if(self, id, version))
    }

    /// Takes an id away; says whether it was there. Durable and visible when this returns.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn remove(&self, id: impl Into<Id>) -> Result<bool> {
        let mut batch = Batch::new(Arc::clone(&self.inner));
        batch.remove(self, id);
        let (commit, outcomes) = batch.decide(Durability::Sync)?;
        commit.wait()?;
        Ok(outcomes.iter().any(|it| matches!(it, Outcome::Removed { ended: Some(_) })))
    }

    fn write(&self, put: impl FnOnce(&mut Batch) -> &mut Batch) -> Result<Sequence> {
        let mut batch = Batch::new(Arc::clone(&self.inner));
        put(&mut batch);
        batch.commit(Durability::Sync)?.wait()
    }

    /// Takes all ids away, at once however many there are. Durable and visible when this returns; views from before go on
    /// seeing them. What they took on the disk is given back once no checkpoint that is kept needs it.
    ///
    /// # Errors
    /// [`Error::NoCollection`](crate::Error::NoCollection) if it was dropped; if the disk failed.
    pub fn clear(&self) -> Result<Sequence> {
        let inner = &self.inner;
        inner.check_owner()?;
        let _one_at_a_time = inner.ddl.lock();
        let (now, id) = (self.named.now()?, inner.next_collection());
        let mut kept = Some(inner.empty(id, self.config())?);
        let wish = Wish::Clear(Arc::clone(&now), id);
        let decided = inner.queue_alone(wish, Level::Sync, None, |at| {
            let Some(kept) = kept.take() else { return };
            let (ids, about) = ((id, now.line), Arc::clone(&now.about));
            let rows = rows_behind(&now.rows.read());
            let mut state = inner.state.write();
            // First the new one: a batch that comes meanwhile is for that.
            let with = (rows, now.indexing.wanted());
            state.begin(CollectionState::made(ids, about, kept, with, at));
            state.end(&now, at);
        })?;
        let at = decided.commit.wait()?;
        inner.check()?;
        Ok(at)
    }

    /// What an id has. Its payload is not looked at.
    ///
    /// # Errors
    /// If its vector is damaged, or what leads to it; [`Error::NoCollection`](crate::Error::NoCollection) if the
    /// collection was dropped.
    pub fn get(&self, id: impl Into<Id>) -> Result<Option<Record>> {
        self.view()?.get(id.into())
    }

    /// What each of these ids has, all at the same moment and in the order in which they were asked for.
    ///
    /// # Errors
    /// As [`get`](Collection::get), with the first that is damaged.
    pub fn get_many<I: Into<Id>>(
        &self,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Option<Record>>> {
        let view = self.view()?;
        ids.into_iter().map(|id| view.get(id.into())).collect()
    }

    /// What the ids have whose vectors lie in these [slots](Record::slot): for each slot all of them, in the order of ids,
    /// and all at the same moment. Takes as long as there are such ids, however many others there are.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// docs.upsert("one", &[1.0, 2.0])?;
    /// docs.upsert("the same", &[1.0, 2.0])?;
    /// let slot = docs.get("one")?.unwrap().slot();
    /// let sharing = docs.get_by_slot(&[slot])?.remove(0);
    /// assert_eq!(sharing.iter().map(|it| it.id().to_string()).collect::<Vec<_>>(), ["one", "the same"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Collection::get), with the first that is damaged.
    pub fn get_by_slot(&self, slots: &[u32]) -> Result<Vec<Vec<Record>>> {
        self.view()?.get_by_slot(slots)
    }

    /// Waits until the index has all that is visible by now, and is the one that is wanted. Nothing needs it in order to be found: an
    /// index that is behind makes searches slower, and no answer poorer.
    ///
    /// Whoever waits does the work, on all cores; where nobody does, a thread does it that runs behind all others and on half of them.
    ///
    /// # Errors
    /// [`Error::IndexMemory`](crate::Error::IndexMemory) if there is no memory for that;
    /// [`Error::IndexPanicked`](crate::Error::IndexPanicked) if a distance of the caller's own did, before;
    /// [`Error::NoCollection`](crate::Error::NoCollection) if the collection was dropped; if the store was closed, or the disk
    /// failed.
    pub fn wait_indexed(&self) -> Result<()> {
        self.inner.wait_indexed(&self.named.now()?)
    }

    /// Whether an id has anything.
    ///
    /// # Errors
    /// As [`get`](Collection::get); the vector is not looked at.
    pub fn contains(&self, id: impl Into<Id>) -> Result<bool> {
        self.view()?.contains(&id.into())
    }

    /// All there is at this moment in the order of ids; behind one of them, if one is given.
    ///
    /// # Errors
    /// As [`get`](Collection::get).
    pub fn scan(&self, after: Option<&Id>) -> Result<Scan> {
        Scan::begin(self.view()?, after)
    }

    /// The nearest vectors to this one.
    pub fn search<'q>(&self, query: &'q [f32]) -> Search<&'q [f32]> {
        Search::new(self.view(), query)
    }

    /// The nearest vectors to each of these, all at the same moment, found on all cores.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
    /// docs.upsert("one", &[1.0])?;
    /// docs.upsert("two", &[2.0])?;
    /// let found = docs.search_batch(&[[0.0], [3.0]]).k(1).run()?;
    /// assert_eq!(found[0][0].id, "one".into());
    /// assert_eq!(found[1][0].id, "two".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn search_batch<'q, Q: AsRef<[f32]>>(&self, queries: &'q [Q]) -> Search<Vec<&'q [f32]>> {
        Search::new(self.view(), queries.iter().map(AsRef::as_ref).collect())
    }

    /// What is visible now.
    pub(crate) fn view(&self) -> Result<CollectionView> {
        CollectionView::of(&self.inner, &self.named)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("name", &self.name()).finish_non_exhaustive()
    }
}
