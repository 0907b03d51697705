//! What a search found: ids with their distances, and what they had then.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use indexes::{Incomplete, Metric};

use crate::rows::Seen;
use crate::view::CollectionView;
use crate::{Id, Record, Result};

/// An id whose vector was found. What it had then stays as it is for as long as this is kept.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[3.0, 4.0])?;
/// let hits = docs.search(&[0.0, 0.0]).run()?;
/// assert_eq!((&hits[0].id, hits[0].distance), (&"one".into(), 5.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Hit {
    /// The id.
    pub id: Id,
    /// How far its vector is from the query: the smaller, the nearer.
    pub distance: f32,
    view: Arc<CollectionView>,
    seen: Seen,
}

impl Hit {
    pub(super) fn new(id: Id, distance: f32, view: Arc<CollectionView>, seen: Seen) -> Self {
        Hit { id, distance, view, seen }
    }

    /// How alike it and the query are, the larger the more: the cosine, the inner product, or where a distance is all there
    /// is, `1 / (1 + distance)`.
    pub fn similarity(&self) -> f32 {
        match self.view.collection.about.config.metric() {
            Some(Metric::Cosine) => 1.0 - self.distance,
            Some(Metric::Dot) => -self.distance,
            _ => 1.0 / (1.0 + self.distance),
        }
    }

    /// What the id had when it was found: its vector, where it lies, and its version.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::Cosine))?;
    /// docs.upsert("one", &[3.0, 4.0])?;
    /// let hits = docs.search(&[4.0, 3.0]).run()?;
    /// assert!((hits[0].similarity() - 0.96).abs() < 1e-6);
    /// docs.remove("one")?;
    /// assert_eq!(hits[0].record()?.vector(), [3.0, 4.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the vector is damaged, or what leads to it.
    pub fn record(&self) -> Result<Record> {
        self.view.record(self.id.clone(), &self.seen)
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.distance) == (&other.id, other.distance)
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hit({} at {})", self.id.plain(), self.distance)
    }
}

/// What a search found, the nearest first; equally near ones in the order of their ids.
///
/// It is a slice of [`Hit`]s, and says whether it could be whole.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("near", &[1.0, 0.0])?;
/// docs.upsert("far", &[9.0, 0.0])?;
/// let hits = docs.search(&[0.0, 0.0]).k(10).run()?;
/// assert!(hits.complete() && hits.len() == 2, "these are all there are");
/// for hit in &hits {
///     println!("{} at {}", hit.id, hit.distance);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Hits {
    hits: Vec<Hit>,
}

impl Hits {
    pub(super) fn new(hits: Vec<Hit>) -> Self {
        Hits { hits }
    }

    /// Whether these are all that were asked for, or all there are.
    pub fn complete(&self) -> bool {
        self.reason().is_none()
    }

    /// Why there may be nearer ones; `None` if there are none. An exact search always finds all.
    pub fn reason(&self) -> Option<Incomplete> {
        None
    }
}

impl Deref for Hits {
    type Target = [Hit];

    fn deref(&self) -> &[Hit] {
        &self.hits
    }
}

impl IntoIterator for Hits {
    type Item = Hit;
    type IntoIter = std::vec::IntoIter<Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

impl<'h> IntoIterator for &'h Hits {
    type Item = &'h Hit;
    type IntoIter = std::slice::Iter<'h, Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}
