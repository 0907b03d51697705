//! What an id has, and going through all of them in order.

use std::fmt;
use std::ops::Deref;

use base::{Sequence, Slot};
use segments::PinnedVector;

use crate::rows::{Current, Ordered, Seen};
use crate::view::CollectionView;
use crate::{Error, Id, Result};

/// What an id has: it stays as it is for as long as this is kept.
pub struct Record {
    id: Id,
    version: Sequence,
    vector: PinnedVector,
}

impl Record {
    /// The id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The batch that gave it what it has: whoever writes it again
    /// [if it is still that](crate::Collection::upsert_if) overwrites nobody else.
    pub fn version(&self) -> Sequence {
        self.version
    }

    /// Its vector, where it lies.
    pub fn vector(&self) -> &[f32] {
        self.vector.deref()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("vector", &self.vector())
            .finish()
    }
}

impl CollectionView {
    pub(crate) fn get(&self, id: Id) -> Result<Option<Record>> {
        let Some(Current { slot, born, .. }) = self.rows.get(&id)? else { return Ok(None) };
        self.read(id, born, slot).map(Some)
    }

    /// What a row has that this view sees, under this id.
    pub(crate) fn record(&self, id: Id, seen: &Seen) -> Result<Record> {
        // A row that is seen was born.
        let born = self.rows.born_at(seen)?.unwrap_or(Sequence::FIRST);
        self.read(id, born, seen.slot)
    }

    fn read(&self, id: Id, version: Sequence, slot: Slot) -> Result<Record> {
        match self.vectors.pinned(slot) {
            Ok(vector) => Ok(Record { id, version, vector }),
            Err(source) => Err(Error::Unreadable { id, source }),
        }
    }

    pub(crate) fn contains(&self, id: &Id) -> Result<bool> {
        self.rows.get(id).map(|current| current.is_some())
    }
}

/// All that a collection had at one moment, in the order of ids, whatever is written meanwhile.
///
/// ```
/// # use arrwdb::{CollectionConfig, Id, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
/// for number in 0..5 {
///     docs.upsert(number, &[number as f32])?;
/// }
/// let page: Vec<Id> = docs.scan(Some(&Id::from(1)))?.ids().take(2).collect::<Result<_, _>>()?;
/// assert_eq!(page, [Id::from(2), Id::from(3)]);
/// let sum: f32 = docs.scan(None)?.map(|it| it.map(|it| it.vector()[0])).sum::<Result<_, _>>()?;
/// assert_eq!(sum, 10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a scan reads nothing before it is gone through"]
pub struct Scan {
    view: CollectionView,
    ordered: Ordered,
}

impl Scan {
    pub(crate) fn begin(view: CollectionView, after: Option<&Id>) -> Result<Self> {
        let ordered = Ordered::begin(view.rows.clone(), after)?;
        Ok(Scan { view, ordered })
    }

    /// The ids alone: no vector is looked at.
    pub fn ids(self) -> impl Iterator<Item = Result<Id>> {
        let mut ordered = self.ordered;
        std::iter::from_fn(move || ordered.next().map(|next| next.map(|(id, _)| id)).transpose())
    }

    fn read(&mut self) -> Result<Option<Record>> {
        let Some((id, seen)) = self.ordered.next()? else { return Ok(None) };
        self.view.record(id, &seen).map(Some)
    }
}

impl Iterator for Scan {
    type Item = Result<Record>;

    /// The next one. What is damaged is an error in its place, and what is behind it comes all the same.
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").finish_non_exhaustive()
    }
}
