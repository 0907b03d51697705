//! Finds the nearest vectors: by the index and what that does not have yet (`search/by_index.rs`), or, where there is no index to
//! go by, by looking at all rows.
//!
//! Promises
//!  1. The answer is of the rows that the view sees: the `k` nearest, or all there are, by distance and then by id; exactly,
//!     unless the index is one that may miss some.
//!  2. What is no number is never near: a distance of the caller's own may say so.
//!  3. A vector that is not what was written is an error where it is needed, and never a hit.

mod by_index;
mod hits;

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::rows::Seen;
use crate::view::CollectionView;
use crate::{Error, Id, Result};

pub use hits::{Hit, Hits};

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    k: usize,
    within: Option<f32>,
    ef: Option<usize>,
}

/// If nobody says otherwise.
const WANTED: Wanted = Wanted { k: 10, within: None, ef: None };

/// A search that is being put together: for one vector, or for each of several.
///
/// What is wanted is said in front of [`run`](Search::run), and is the same for all of them.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
/// for number in 0..5 {
///     docs.upsert(number, &[number as f32])?;
/// }
/// let hits = docs.search(&[1.2]).k(3).within(1.0).run()?;
/// assert_eq!([&hits[0].id, &hits[1].id], [&1.into(), &2.into()]);
/// assert_eq!(hits.len(), 2);
///
/// let answers = docs.search_batch(&[[1.2], [3.9]]).k(1).run()?;
/// assert_eq!([&answers[0][0].id, &answers[1][0].id], [&1.into(), &4.into()]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a search does nothing before it is run"]
pub struct Search<Q> {
    /// Or why there is none.
    view: Result<CollectionView>,
    queries: Q,
    wanted: Wanted,
}

impl<Q> Search<Q> {
    pub(crate) fn new(view: Result<CollectionView>, queries: Q) -> Self {
        Search { view, queries, wanted: WANTED }
    }

    /// How many hits at most, for each vector: 10.
    pub fn k(mut self, k: usize) -> Self {
        self.wanted.k = k;
        self
    }

    /// Only what is not farther than this.
    pub fn within(mut self, distance: f32) -> Self {
        self.wanted.within = Some(distance);
        self
    }

    /// How many neighbours a graph keeps in view, in the place of what it was made with: with more it finds more of the nearest,
    /// and takes longer. An exact index finds all of them anyway.
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, IndexConfig, Metric, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// let config = CollectionConfig::new(1, Metric::L2).index(IndexConfig::hnsw());
    /// let docs = store.create_collection("docs", config)?;
    /// docs.upsert("one", &[1.0])?;
    /// let hits = docs.search(&[1.2]).k(1).ef(200).run()?;
    /// assert_eq!(hits[0].id, "one".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ef(mut self, ef: usize) -> Self {
        self.wanted.ef = Some(ef);
        self
    }
}

impl Search<&[f32]> {
    /// Searches.
    ///
    /// # Errors
    /// If the query cannot be a vector of the collection; [`Error::NothingAskedFor`] if `k` is 0; if a vector is damaged;
    /// [`Error::NoCollection`] if the collection was dropped.
    pub fn run(self) -> Result<Hits> {
        self.wanted.find(&Arc::new(self.view?), self.queries)
    }
}

impl Search<Vec<&[f32]>> {
    /// Searches on all cores: an answer for each query, in their order.
    ///
    /// # Errors
    /// As for one, for the first query for which there is one.
    pub fn run(self) -> Result<Vec<Hits>> {
        let Search { view, queries, wanted } = self;
        let view = Arc::new(view?);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = cores.min(queries.len());
        if threads <= 1 {
            return queries.iter().map(|query| wanted.find(&view, query)).collect();
        }
        let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(queries.len())));
        let work = || {
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(query) = queries.get(at)
            {
                let found = wanted.find(&view, query);
                all.lock().push((at, found));
            }
        };
        std::thread::scope(|scope| {
            // This thread is one of them.
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        let mut all = all.into_inner();
        all.sort_unstable_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, found)| found).collect()
    }
}

impl Wanted {
    fn find(self, view: &Arc<CollectionView>, query: &[f32]) -> Result<Hits> {
        let expected = view.collection.about.config.dim() as usize;
        if query.len() != expected {
            let error = segments::Error::Dimension { found: query.len(), expected };
            return Err(error.into());
        }
        segments::check_finite(query).map_err(segments::Error::from)?;
        if self.k == 0 {
            return Err(Error::NothingAskedFor);
        }
        let by_index = view.serving.as_ref().filter(|serving| serving.broken().is_none());
        if let Some(serving) = by_index
            && let Some(nearest) = by_index::find(self, (view, serving), query)?
        {
            return Ok(nearest.into_hits(view));
        }
        self.by_rows(view, query)
    }

    /// Looks at all there is.
    fn by_rows(self, view: &Arc<CollectionView>, query: &[f32]) -> Result<Hits> {
        let mut nearest = Nearest::new(self);
        let measure = &view.collection.about.measure;
        // Rows of the same vector often follow each other.
        let mut last = None;
        view.rows.for_each(|seen| {
            let distance = match last {
                Some((slot, distance)) if slot == seen.slot => distance,
                _ => match view.vectors.vector(seen.slot) {
                    Ok(vector) => measure.distance(query, &vector),
                    Err(source) => return Err(unreadable(view, &seen, source)),
                },
            };
            last = Some((seen.slot, distance));
            nearest.see(view, distance, seen)
        })?;
        Ok(nearest.into_hits(view))
    }
}

fn unreadable(view: &CollectionView, seen: &Seen, source: segments::Error) -> Error {
    match view.rows.id_of(seen) {
        Ok(Some(id)) => Error::Unreadable { id, source },
        _ => Error::Vectors(source),
    }
}

/// The nearest so far, the farthest of them on top.
struct Nearest {
    wanted: Wanted,
    heap: BinaryHeap<Near>,
}

struct Near {
    distance: f32,
    id: Id,
    seen: Seen,
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then_with(|| self.id.cmp(&other.id))
    }
}

impl Nearest {
    fn new(wanted: Wanted) -> Self {
        Nearest { wanted, heap: BinaryHeap::new() }
    }

    /// Whether something at this distance may be among them; at the same as the farthest, its id decides.
    fn wants(&self, distance: f32) -> bool {
        let Wanted { k, within, .. } = self.wanted;
        let is_near = within.is_none_or(|within| distance <= within) && !distance.is_nan();
        let farthest = self.heap.peek().map(|near| near.distance);
        is_near && (self.heap.len() < k || farthest.is_some_and(|farthest| distance <= farthest))
    }

    /// A row was found at this distance.
    fn see(&mut self, view: &CollectionView, distance: f32, seen: Seen) -> Result<()> {
        if self.wants(distance) {
            let id = view.rows.id_of(&seen)?;
            self.heap.extend(id.map(|id| Near { distance, id, seen }));
            if self.heap.len() > self.wanted.k {
                self.heap.pop();
            }
        }
        Ok(())
    }

    fn into_hits(self, view: &Arc<CollectionView>) -> Hits {
        let hit = |Near { distance, id, seen }| Hit::new(id, distance, Arc::clone(view), seen);
        Hits::new(self.heap.into_sorted_vec().into_iter().map(hit).collect())
    }
}
