//! What an id has, and going through all of them in order.

use std::fmt;
use std::ops::Deref;

use std::sync::Arc;

use base::{Sequence, Slot};
use segments::{HeapView, PayloadPlace, PinnedPayload, PinnedVector};

use crate::rows::{Current, Ordered, Seen};
use crate::view::CollectionView;
use crate::{Error, Id, Payload, Result};

/// What an id has: it stays as it is for as long as this is kept.
///
/// The vector is not copied: it is lent where it lies, in a file that is mapped, and nothing is written over it meanwhile.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// let version = docs.upsert("one", &[1.0, 2.0])?;
/// let record = docs.get("one")?.unwrap();
/// docs.upsert("one", &[3.0, 4.0])?;
/// assert_eq!((record.version(), record.vector()), (version, &[1.0, 2.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Record {
    id: Id,
    version: Sequence,
    slot: Slot,
    vector: PinnedVector,
    /// Where it is, and what lends it.
    payload: Option<(PayloadPlace, HeapView)>,
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

    /// The slot that its vector lies in: ids that share a vector [have the same](crate::Collection::get_by_slot). Once
    /// nobody has the vector any more, and nobody can come to see it, the slot is given to another one.
    pub fn slot(&self) -> u32 {
        self.slot.0
    }

    /// Its vector, where it lies.
    pub fn vector(&self) -> &[f32] {
        self.vector.deref()
    }

    /// Its payload, read where it lies; `None` if it was given none. It is read, and checked, only when it is asked for.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Durability, Metric, Store, Value, payload};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
    /// docs.upsert_with("one", &[1.0, 2.0], payload! { "lang" => "en" })?;
    /// let payload = docs.get("one")?.unwrap().payload()?.unwrap();
    /// assert_eq!(payload.get("lang"), Some(Value::Text("en")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it is damaged.
    pub fn payload(&self) -> Result<Option<Payload>> {
        let unreadable = |source| Error::Unreadable { id: self.id.clone(), source };
        let Some((place, payloads)) = &self.payload else { return Ok(None) };
        let place = *place;
        let bytes = payloads.get(place).map_err(unreadable)?;
        let bad =
            |_| unreadable(segments::Error::BadPlace { place, what: "it leads to no payload" });
        Payload::from_bytes(Arc::new(Lent(bytes))).map(Some).map_err(bad)
    }
}

/// The bytes of a payload, where they lie.
struct Lent(PinnedPayload);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
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
        let current = self.rows.get(&id)?;
        current.map(|current| self.read(id, current)).transpose()
    }

    /// What a row has that this view sees, under this id.
    pub(crate) fn record(&self, id: Id, seen: &Seen) -> Result<Record> {
        let missing = || Error::BadImage { section: "rows".to_owned(), what: "a row is gone" };
        let current = self.rows.has(seen)?.ok_or_else(missing)?;
        self.read(id, current)
    }

    fn read(&self, id: Id, current: Current) -> Result<Record> {
        let Current { slot, payload, born: version, .. } = current;
        let payload = payload.map(|place| (place, self.payloads.clone()));
        match self.vectors.pinned(slot) {
            Ok(vector) => Ok(Record { id, version, slot, vector, payload }),
            Err(source) => Err(Error::Unreadable { id, source }),
        }
    }

    /// What the ids have whose vectors lie in these slots, in the order of ids for each.
    pub(crate) fn get_by_slot(&self, slots: &[u32]) -> Result<Vec<Vec<Record>>> {
        let of_slot = |slot: &u32| {
            let mut found = Vec::new();
            self.rows.rows_of(Slot(*slot), |seen| {
                found.extend(self.rows.id_of(&seen)?.map(|id| (id, seen)));
                Ok(())
            })?;
            found.sort_by(|one, other| one.0.cmp(&other.0));
            found.into_iter().map(|(id, seen)| self.record(id, &seen)).collect()
        };
        slots.iter().map(of_slot).collect()
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
