//! Finds the nearest vectors by looking at all of them.
//!
//! Promises
//!  1. The answer is exact: the `k` nearest rows, or all there are, by distance and then by id.
//!  2. What is no number is never near: a distance of the caller's own may say so.
//!  3. A vector that is not what was written is an error, and never a hit.

use std::collections::BinaryHeap;
use std::ops::Deref;

use crate::rows::Seen;
use crate::view::CollectionView;
use crate::{Error, Id, Result};

/// How many hits there are if nobody says otherwise.
const K: usize = 10;

/// A search that is being put together.
#[must_use = "a search does nothing before it is run"]
pub struct Search<'q> {
    view: CollectionView,
    query: &'q [f32],
    k: usize,
    within: Option<f32>,
}

/// A vector that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit {
    /// Its id.
    pub id: Id,
    /// How far it is from the query.
    pub distance: f32,
}

/// What a search found, the nearest first; equally near ones in the order of their ids.
#[derive(Clone, PartialEq, Debug)]
pub struct Hits {
    hits: Vec<Hit>,
}

impl Hits {
    /// Whether these are all that were asked for, or all there are: an exact search always says yes.
    pub fn complete(&self) -> bool {
        true
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

impl<'q> Search<'q> {
    pub(crate) fn new(view: CollectionView, query: &'q [f32]) -> Self {
        Search { view, query, k: K, within: None }
    }

    /// How many hits at most: 10.
    pub fn k(self, k: usize) -> Self {
        Search { k, ..self }
    }

    /// Only what is not farther than this.
    pub fn within(self, distance: f32) -> Self {
        Search { within: Some(distance), ..self }
    }

    /// Searches.
    ///
    /// # Errors
    /// If the query cannot be a vector of the collection; if a vector is damaged.
    pub fn run(self) -> Result<Hits> {
        let Search { view, query, k, within } = &self;
        let expected = view.collection.config.dim() as usize;
        if query.len() != expected {
            let error = segments::Error::Dimension { found: query.len(), expected };
            return Err(error.into());
        }
        segments::check_finite(query).map_err(segments::Error::from)?;
        let measure = &view.collection.measure;
        let mut nearest = Nearest { k: *k, heap: BinaryHeap::new() };
        // Rows of the same vector often follow each other.
        let mut last = None;
        view.rows.for_each(|seen| {
            let distance = match last {
                Some((slot, distance)) if slot == seen.slot => distance,
                _ => match view.vectors.vector(seen.slot) {
                    // One's own distance may be the negative zero, which is as far as the other.
                    Ok(vector) => measure.distance(query, &vector) + 0.0,
                    Err(source) => return Err(self.unreadable(&seen, source)),
                },
            };
            last = Some((seen.slot, distance));
            let is_far = within.is_some_and(|within| distance > within);
            if distance.is_nan() || is_far || !nearest.wants(distance) {
                return Ok(());
            }
            nearest.extend(view.rows.id_of(&seen)?.map(|id| Near { distance, id }));
            Ok(())
        })?;
        Ok(Hits { hits: nearest.into_hits() })
    }

    fn unreadable(&self, seen: &Seen, source: segments::Error) -> Error {
        match self.view.rows.id_of(seen) {
            Ok(Some(id)) => Error::Unreadable { id, source },
            _ => Error::Vectors(source),
        }
    }
}

/// The nearest so far, the farthest of them on top.
struct Nearest {
    k: usize,
    heap: BinaryHeap<Near>,
}

#[derive(PartialEq)]
struct Near {
    distance: f32,
    id: Id,
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
    /// Whether something at this distance may be among them; at the same as the farthest, its id decides.
    fn wants(&self, distance: f32) -> bool {
        let farthest = self.heap.peek().map(|near| near.distance);
        self.heap.len() < self.k || farthest.is_some_and(|farthest| distance <= farthest)
    }

    fn extend(&mut self, near: Option<Near>) {
        self.heap.extend(near);
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    fn into_hits(self) -> Vec<Hit> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|Near { distance, id }| Hit { id, distance }).collect()
    }
}
