//! Gathers what is to happen at once, and commits it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base::Sequence;
use segments::VectorHash;
use wal::Level;

use crate::inner::Inner;
use crate::notes::Note;
use crate::wish::{If, Wish};
use crate::{Collection, Error, Id, Payload, Result};

/// When a batch is acknowledged.
///
/// The one costs a sync of the disk, which all who commit at the same time share; the other a write. Whoever loads much
/// commits batches at [`Os`](Durability::Os), and [syncs](crate::Store::sync) once behind them.
///
/// ```
/// # use arrwdb::{CollectionConfig, Durability, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// for number in 0..100 {
///     let mut batch = store.batch();
///     batch.upsert(&docs, number, &[number as f32, 0.0]);
///     batch.commit(Durability::Os)?.wait()?;
/// }
/// store.sync()?; // now all of them survive the power
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Durability {
    /// When it survives the power.
    #[default]
    Sync,
    /// When it survives the process. It is made durable soon after, or with the next batch that is.
    Os,
}

impl Durability {
    pub(crate) fn level(self) -> Level {
        match self {
            Durability::Sync => Level::Sync,
            Durability::Os => Level::Os,
        }
    }
}

/// What is to happen at once, in one collection or several.
///
/// ```
/// # use arrwdb::{CollectionConfig, Durability, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// let mut batch = store.batch();
/// batch.upsert(&docs, "one", &[1.0, 2.0]).upsert(&docs, 2, &[3.0, 4.0]);
/// batch.remove(&docs, "three");
/// batch.commit(Durability::Sync)?.wait()?; // or .await, on any runtime
/// assert_eq!(docs.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a batch does nothing before it is committed"]
pub struct Batch {
    inner: Arc<Inner>,
    wishes: Vec<Wish>,
    /// What is wrong with the first thing that cannot be done.
    refused: Option<Error>,
}

impl Batch {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Batch { inner, wishes: Vec::new(), refused: None }
    }

    /// Gives an id a vector and no payload, whatever it had before; [`payload`](Batch::payload) behind it gives it one.
    /// What is wrong with it is told by [`commit`](Batch::commit).
    pub fn upsert(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        vector: &[f32],
    ) -> &mut Self {
        self.prepare((collection, id.into(), If::Any), vector, None)
    }

    /// Gives an id a vector that has none. If it has one when its turn comes, nothing of the batch happens, and
    /// [`commit`](Batch::commit) says so: [`Error::IdExists`].
    pub fn insert(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        vector: &[f32],
    ) -> &mut Self {
        self.prepare((collection, id.into(), If::Absent), vector, None)
    }

    /// Gives an id another vector, if it still has [that version](crate::Record::version) when its turn comes; otherwise
    /// nothing of the batch happens, and [`commit`](Batch::commit) says so: [`Error::OtherVersion`].
    pub fn upsert_if(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        vector: &[f32],
        version: Sequence,
    ) -> &mut Self {
        self.prepare((collection, id.into(), If::At(version)), vector, None)
    }

    /// As [`upsert`](Batch::upsert), with the hash of the vector where it is known: one that is there already is then
    /// not hashed again. A wrong hash costs time, and nothing else.
    pub fn upsert_hashed(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        vector: &[f32],
        hash: VectorHash,
    ) -> &mut Self {
        self.prepare((collection, id.into(), If::Any), vector, Some(hash))
    }

    fn prepare(
        &mut self,
        (collection, id, condition): (&Collection, Id, If),
        vector: &[f32],
        hint: Option<VectorHash>,
    ) -> &mut Self {
        let wish = self.admit(collection, &id).and_then(|()| {
            let prepared = collection.named.now()?.set.prepare(Arc::from(vector), hint);
            let prepared = prepared.map_err(|source| Error::BadVector {
                collection: collection.name().to_owned(),
                id: id.clone(),
                source: Box::new(source),
            })?;
            Ok(Wish::Upsert(Arc::clone(&collection.named), id, prepared, None, condition))
        });
        self.add(wish)
    }

    /// One more wish, or what is wrong with it: the first of those is told.
    fn add(&mut self, wish: Result<Wish>) -> &mut Self {
        match wish {
            Ok(wish) => self.wishes.push(wish),
            Err(error) => drop(self.refused.get_or_insert(error)),
        }
        self
    }

    /// Gives what was put in just before this a payload.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Durability, Metric, Store, payload};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// let mut batch = store.batch();
    /// batch.upsert(&docs, "one", &[1.0, 2.0]).payload(payload! { "lang" => "en", "page" => 3 });
    /// batch.insert(&docs, "two", &[3.0, 4.0]);
    /// batch.commit(Durability::Sync)?.wait()?;
    /// assert!(docs.get("one")?.unwrap().payload()?.is_some());
    /// assert!(docs.get("two")?.unwrap().payload()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It is an error ([`Error::NotAPayload`]) where nothing was put in, or something that has no vector.
    pub fn payload(&mut self, payload: Payload) -> &mut Self {
        let last = self.wishes.last_mut();
        let put = match last {
            _ if self.refused.is_some() => return self,
            Some(Wish::Upsert(_, id, _, has, _)) => encoded(id, &payload).map(|it| *has = Some(it)),
            _ => Err(Error::NotAPayload {
                id: None,
                what: "there is no vector before it in the batch that it could be for".to_owned(),
            }),
        };
        put.unwrap_or_else(|error| self.refused = Some(error));
        self
    }

    /// Gives an id another payload, or none, in the place of the one that it has; its vector stays. An id that is not there
    /// is an error ([`Error::NoId`]), and nothing of the batch happens then.
    pub fn update_payload(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        payload: impl Into<Option<Payload>>,
    ) -> &mut Self {
        self.update((collection, id.into(), If::Present), payload.into())
    }

    /// As [`update_payload`](Batch::update_payload), if the id still has
    /// [that version](crate::Record::version) when its turn comes; otherwise nothing of the batch happens, and
    /// [`commit`](Batch::commit) says so: [`Error::OtherVersion`].
    pub fn update_payload_if(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        payload: impl Into<Option<Payload>>,
        version: Sequence,
    ) -> &mut Self {
        self.update((collection, id.into(), If::At(version)), payload.into())
    }

    fn update(
        &mut self,
        (collection, id, condition): (&Collection, Id, If),
        payload: Option<Payload>,
    ) -> &mut Self {
        let wish = self.admit(collection, &id).and_then(|()| {
            let bytes = payload.map(|payload| encoded(&id, &payload)).transpose()?;
            Ok(Wish::Update(Arc::clone(&collection.named), id, bytes, condition))
        });
        self.add(wish)
    }

    /// Takes an id away; one that is not there is no error.
    pub fn remove(&mut self, collection: &Collection, id: impl Into<Id>) -> &mut Self {
        self.take_away(collection, id.into(), If::Any)
    }

    /// Takes an id away, if it still has [that version](crate::Record::version) when its turn comes; otherwise nothing of
    /// the batch happens, and [`commit`](Batch::commit) says so: [`Error::OtherVersion`].
    pub fn remove_if(
        &mut self,
        collection: &Collection,
        id: impl Into<Id>,
        version: Sequence,
    ) -> &mut Self {
        self.take_away(collection, id.into(), If::At(version))
    }

    fn take_away(&mut self, collection: &Collection, id: Id, condition: If) -> &mut Self {
        let admitted = self.admit(collection, &id);
        self.add(admitted.map(|()| Wish::Remove(Arc::clone(&collection.named), id, condition)))
    }

    /// Keeps a small value by name, or takes it away if it is empty. It is set exactly if the batch is: so whoever
    /// feeds a store can note in the same batch how far it got, and goes on there after a crash.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Durability, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// let mut batch = store.batch();
    /// batch.upsert(&docs, "one", &[1.0, 2.0]).note("offset in the feed", &17_u64.to_le_bytes());
    /// batch.commit(Durability::Sync)?.wait()?;
    /// assert_eq!(store.note("offset in the feed").as_deref(), Some(&17_u64.to_le_bytes()[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn note(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let note = Note { name: name.into(), value: value.into() };
        self.add(note.check().map(|()| Wish::Note(note)))
    }

    /// How many things are to happen.
    pub fn len(&self) -> usize {
        self.wishes.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// Queues the batch for the log. It happens as a whole or not at all, at the latest when somebody waits for it.
    ///
    /// # Errors
    /// What is wrong with the first thing that cannot be done: then nothing is. [`Error::TwiceInBatch`],
    /// [`Error::IdExists`], [`Error::OtherVersion`]; if the disk is full; after a failure of the disk.
    pub fn commit(self, durability: Durability) -> Result<Commit> {
        self.decide(durability).map(|(commit, _)| commit)
    }

    pub(crate) fn decide(
        self,
        durability: Durability,
    ) -> Result<(Commit, Vec<crate::format::Outcome>)> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let decided = self.inner.commit(&self.wishes, durability.level())?;
        Ok((Commit { inner: self.inner, commit: decided.commit }, decided.outcomes))
    }

    fn admit(&self, collection: &Collection, id: &Id) -> Result<()> {
        if !Arc::ptr_eq(&self.inner, &collection.inner) {
            return Err(Error::Foreign { name: collection.name().to_owned() });
        }
        id.check()
    }
}

/// A payload as it is stored.
fn encoded(id: &Id, payload: &Payload) -> Result<Arc<[u8]>> {
    let bytes = payload.encoded().map_err(|refused| Error::NotAPayload {
        id: Some(id.clone()),
        what: refused.to_string(),
    })?;
    Ok(Arc::from(&*bytes))
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A batch that has a number, and is on its way. Dropped, it is committed all the same.
///
/// It can be waited for or awaited, on any runtime. Those that are queued before the first is waited for share a sync.
///
/// ```
/// # use arrwdb::{CollectionConfig, Durability, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// let mut commits = Vec::new();
/// for number in 0..3 {
///     let mut batch = store.batch();
///     batch.upsert(&docs, number, &[number as f32, 0.0]);
///     commits.push(batch.commit(Durability::Sync)?);
/// }
/// assert!(commits[0].sequence() < commits[1].sequence());
/// for commit in commits {
///     commit.wait()?;
/// }
/// assert_eq!(docs.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a batch that nobody waits for is committed, but nobody knows when"]
pub struct Commit {
    inner: Arc<Inner>,
    commit: wal::Commit,
}

impl Commit {
    /// The batch's number.
    pub fn sequence(&self) -> Sequence {
        self.commit.sequence()
    }

    /// Waits until the batch is as durable as was asked for, and visible.
    ///
    /// # Errors
    /// If the disk failed: then it is not known whether the batch is there when the store is opened again.
    pub fn wait(self) -> Result<Sequence> {
        let sequence = self.commit.wait()?;
        self.inner.check()?;
        Ok(sequence)
    }
}

impl Future for Commit {
    type Output = Result<Sequence>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.commit).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(answer) => Poll::Ready(
                answer.map_err(Error::from).and_then(|at| self.inner.check().map(|()| at)),
            ),
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("sequence", &self.sequence()).finish_non_exhaustive()
    }
}
