//! What is asked of an index, and what it answers.

use std::cmp::Ordering;
use std::fmt;

use base::Slot;

use crate::slots::{WORD, slots_of};
use crate::{Error, SlotSet};

/// How many neighbours are looked for if nobody says otherwise.
pub const K: usize = 10;

/// What is asked of an index.
///
/// ```
/// use indexes::Query;
///
/// let query = Query::new(&[1.0, 0.0]).k(5).within(0.5);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a query does nothing by itself"]
pub struct Query<'q> {
    pub(crate) vector: &'q [f32],
    pub(crate) k: usize,
    pub(crate) within: Option<f32>,
    pub(crate) filter: Option<&'q SlotSet>,
    pub(crate) visible: Option<Visible<'q>>,
    pub(crate) ties: Ties,
    pub(crate) budget: Option<u64>,
    pub(crate) ef: Option<usize>,
    pub(crate) recall: Option<f32>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) deadline: Option<Deadline<'q>>,
}

/// How a graph is searched, or hash tables are. It chooses by how many slots there are, and how many of them a filter admits; who
/// knows better may say so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Strategy {
    /// Looks at all that is admitted.
    Exact,
    /// Walks by everything, and leaves out what is not admitted. Hash tables are looked up.
    Walk,
    /// Walks by what a filter admits alone, and through the rest to it. Without a filter, and by hash tables, it is the same as a walk.
    Through,
}

/// Says which slots may be shown.
#[derive(Clone, Copy)]
pub(crate) struct Visible<'q>(&'q (dyn Fn(Slot) -> bool + Sync));

impl Visible<'_> {
    /// Those slots of a word that may be shown.
    fn of_word(self, at: usize, word: u64) -> u64 {
        let hidden = slots_of(at, word).filter(|slot| !(self.0)(*slot));
        hidden.fold(word, |word, slot| word & !(1 << (slot.0 as usize % WORD)))
    }
}

/// Says when it is time to end.
#[derive(Clone, Copy)]
pub(crate) struct Deadline<'q>(&'q (dyn Fn() -> bool + Sync));

impl Deadline<'_> {
    pub(crate) fn is_over(self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deadline")
    }
}

impl fmt::Debug for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visible")
    }
}

/// What becomes of slots that are as far as the last one of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Ties {
    /// There are `k` at most: those with the lowest numbers are in.
    #[default]
    Cut,
    /// All are in, for a caller that has an order of its own among them.
    Keep,
}

impl<'q> Query<'q> {
    /// The [`K`] nearest to a vector.
    pub fn new(vector: &'q [f32]) -> Self {
        Query {
            vector,
            k: K,
            within: None,
            filter: None,
            visible: None,
            ties: Ties::Cut,
            budget: None,
            ef: None,
            recall: None,
            strategy: None,
            deadline: None,
        }
    }

    /// So many at most. [`usize::MAX`] asks for all, which makes sense within a distance.
    pub fn k(self, k: usize) -> Self {
        Query { k, ..self }
    }

    /// Only what is not farther than this. A graph looks until most of what it finds is farther; some percent of what lies at the
    /// edge may be missing all the same.
    pub fn within(self, distance: f32) -> Self {
        Query { within: Some(distance), ..self }
    }

    /// Only slots of this set.
    pub fn filter(self, filter: &'q SlotSet) -> Self {
        Query { filter: Some(filter), ..self }
    }

    /// Only slots of which this says that whoever asks may see them: for a view of what there was at some time. It is asked
    /// of those that a walk finds, or, where all are looked at, of all that the filter admits: where it takes long, or hides most of what
    /// there is, a filter is faster.
    pub fn visible(self, visible: &'q (dyn Fn(Slot) -> bool + Sync)) -> Self {
        Query { visible: Some(Visible(visible)), ..self }
    }

    /// What becomes of ties with the last one.
    pub fn ties(self, ties: Ties) -> Self {
        Query { ties, ..self }
    }

    /// So many vectors are looked at, at most: an answer that would have needed more says that it is incomplete. A graph may
    /// look at some hundred more until it is where it begins to count.
    pub fn budget(self, vectors: u64) -> Self {
        Query { budget: Some(vectors), ..self }
    }

    /// Ends when this says that it is time, with what was found by then: an answer that would have needed longer says that it is
    /// incomplete. It is asked now and then, some ten thousand times a second.
    pub fn deadline(self, is_over: &'q (dyn Fn() -> bool + Sync)) -> Self {
        Query { deadline: Some(Deadline(is_over)), ..self }
    }

    /// How a graph should be searched.
    pub fn strategy(self, strategy: Strategy) -> Self {
        Query { strategy: Some(strategy), ..self }
    }

    /// How many neighbours a graph keeps in view, in the place of
    /// [`HnswConfig::ef_search`](crate::HnswConfig::ef_search): at least 1, and the more, the surer and the slower. If a
    /// [`recall`](Query::recall) is asked for, too, that decides. Out of hash tables so many slots are gathered, which are more
    /// than a graph has in view by far: some percent of all there are. An index that looks at everything has no use for it.
    ///
    /// ```
    /// use indexes::{Hnsw, HnswConfig, Index, Memory, Metric, Pool, Query, Slot};
    ///
    /// let mut vectors = Memory::new(1);
    /// for slot in 0..5_000 {
    ///     vectors.set(Slot(slot), &[slot as f32])?;
    /// }
    /// let graph = Hnsw::new(1, Metric::L2, HnswConfig::default());
    /// graph.insert_all(vectors.slots(), &vectors, &Pool::here(), &mut |_| true)?;
    /// let looked_at = |ef| {
    ///     let found = graph.search(&Query::new(&[7.2]).k(1).ef(ef), &vectors)?;
    ///     Ok::<u64, indexes::Error>(found.work.looked_at)
    /// };
    /// assert!(looked_at(10)? < looked_at(100)?);
    /// # Ok::<(), indexes::Error>(())
    /// ```
    pub fn ef(self, ef: usize) -> Self {
        Query { ef: Some(ef.max(1)), ..self }
    }

    /// So much of what is nearest should be found, from 0 to 1: an approximate index that was calibrated looks no further
    /// than that takes. With 1, and where it is not known how to reach it, everything is looked at. A graph that was not calibrated,
    /// or has grown or shrunk to another size since, answers with [`Error::NotCalibrated`]; hash tables find out by themselves.
    pub fn recall(self, recall: f32) -> Self {
        Query { recall: Some(recall), ..self }
    }

    /// Whether a slot may be in the answer.
    #[inline]
    pub(crate) fn admits(&self, slot: Slot) -> bool {
        self.filter.is_none_or(|filter| filter.contains(slot))
            && self.visible.is_none_or(|Visible(visible)| visible(slot))
    }

    /// Those slots of a word that may be in the answer.
    #[inline(always)]
    pub(crate) fn of_word(&self, at: usize, word: u64) -> u64 {
        let admitted = self.filter.map_or(word, |filter| word & filter.word(at));
        self.visible.map_or(admitted, |visible| visible.of_word(at, admitted))
    }

    pub(crate) fn check(&self, dim: usize) -> Result<(), Error> {
        check(self.vector, dim)
    }
}

/// Looks whether this can be a vector of an index.
pub(crate) fn check(vector: &[f32], dim: usize) -> Result<(), Error> {
    if vector.len() != dim {
        return Err(Error::Dimension { found: vector.len(), expected: dim });
    }
    match vector.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(Error::NotFinite { at }),
        None => Ok(()),
    }
}

/// A slot that was found.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// How far its vector is from the query.
    pub distance: f32,
    /// It.
    pub slot: Slot,
}

impl Ord for Neighbour {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then_with(|| self.slot.cmp(&other.slot))
    }
}

impl PartialOrd for Neighbour {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Neighbour {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Neighbour {}

/// What was found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Nearest {
    /// The nearest first; equally near ones in the order of their slots.
    pub neighbours: Vec<Neighbour>,
    /// Why there may be nearer ones; nothing, if the index promises that there are none.
    pub incomplete: Option<Incomplete>,
    /// What it took.
    pub work: Effort,
}

/// Why an answer may lack something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Incomplete {
    /// As many vectors were looked at as the query allowed.
    Budget,
    /// The time was over.
    Deadline,
}

/// What a search took.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Effort {
    /// How many vectors were looked at, be it by a few of their bits.
    pub looked_at: u64,
    /// Of how many of them all bits of their codes were asked.
    pub by_code: u64,
    /// How many were compared in full.
    pub in_full: u64,
}

impl std::ops::AddAssign for Effort {
    fn add_assign(&mut self, other: Effort) {
        self.looked_at += other.looked_at;
        self.by_code += other.by_code;
        self.in_full += other.in_full;
    }
}
