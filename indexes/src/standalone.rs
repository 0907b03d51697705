//! An index and its vectors, in memory: the crate used alone.

use std::collections::BTreeSet;

use base::Slot;

use crate::{
    Error, Flat, Hnsw, HnswConfig, Index, KdTree, KdTreeConfig, Measure, Memory, Neighbour, Pool,
    Query, SlotSet, Statistics, Vectors,
};

/// An index and its vectors, in memory.
///
/// ```
/// use indexes::{Metric, Standalone};
///
/// let mut index = Standalone::flat(2, Metric::Cosine);
/// let north = index.add(&[0.0, 1.0])?;
/// let east = index.add(&[1.0, 0.0])?;
/// let nearest = index.search(&[0.1, 1.0], 10, None)?;
/// assert_eq!([nearest[0].slot, nearest[1].slot], [north, east]);
/// assert_eq!(index.search(&[0.1, 1.0], 10, Some(0.5))?.len(), 1);
/// assert!(index.remove(east)?);
/// assert_eq!(index.size(), 1);
/// # Ok::<(), indexes::Error>(())
/// ```
pub struct Standalone {
    kind: Kind,
    dim: usize,
    measure: Measure,
    index: Box<dyn Index>,
    vectors: Memory,
    /// Slots below the highest that have no vector.
    free: BTreeSet<Slot>,
    /// Slots that were removed, and whose vectors the index still goes by.
    removed: SlotSet,
}

/// Removals are cleared away when they are more than one of so many, and at once where there are only a few vectors.
const CLEARED: usize = 8;
const FEW: usize = 1_000;

/// A step does so much at a time.
const EFFORT: usize = 1 << 16;

/// What the index is rebuilt as.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Flat,
    Hnsw(HnswConfig),
    KdTree(KdTreeConfig),
}

impl Kind {
    /// An index of none.
    fn empty(self, dim: usize, measure: &Measure) -> Result<Box<dyn Index>, Error> {
        Ok(match self {
            Kind::Flat => Box::new(Flat::new(dim, measure.clone())),
            Kind::Hnsw(config) => Box::new(Hnsw::new(dim, measure.clone(), config)),
            Kind::KdTree(config) => Box::new(KdTree::new(dim, measure.clone(), config)?),
        })
    }

    /// How much is done of what is due with each vector that is added.
    fn pace(self) -> usize {
        match self {
            Kind::Flat | Kind::Hnsw(_) => 0,
            // As much as it takes to build trees of them in the end.
            Kind::KdTree(_) => 128,
        }
    }

    /// An index of all these.
    fn build(
        self,
        measure: &Measure,
        slots: &SlotSet,
        vectors: &Memory,
        pool: &Pool,
    ) -> Result<Box<dyn Index>, Error> {
        let index = self.empty(vectors.dim(), measure)?;
        index.insert_all(slots, vectors, pool, &mut |_| true)?;
        Ok(index)
    }
}

impl std::fmt::Debug for Standalone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Standalone").field(&self.statistics()).finish()
    }
}

impl Standalone {
    /// An empty flat index of vectors of so many numbers.
    pub fn flat(dim: usize, measure: impl Into<Measure>) -> Self {
        Standalone::of_any(Kind::Flat, dim, measure.into())
    }

    /// An empty graph of vectors of so many numbers.
    ///
    /// ```
    /// use indexes::{HnswConfig, Metric, Pool, Slot, Standalone};
    ///
    /// let mut index = Standalone::hnsw(2, Metric::L2, HnswConfig::default());
    /// for number in 0..1_000_u16 {
    ///     index.add(&[f32::from(number), 1.0])?;
    /// }
    /// assert_eq!(index.search(&[700.2, 1.0], 1, None)?[0].slot, Slot(700));
    /// # Ok::<(), indexes::Error>(())
    /// ```
    pub fn hnsw(dim: usize, measure: impl Into<Measure>, config: HnswConfig) -> Self {
        Standalone::of_any(Kind::Hnsw(config), dim, measure.into())
    }

    /// An empty KD-tree of vectors of so many numbers.
    ///
    /// ```
    /// use indexes::{KdTreeConfig, Metric, Slot, Standalone};
    ///
    /// let mut index = Standalone::kdtree(2, Metric::L2, KdTreeConfig::default())?;
    /// for number in 0..1_000_u16 {
    ///     index.add(&[f32::from(number), 1.0])?;
    /// }
    /// assert_eq!(index.search(&[700.2, 1.0], 1, None)?[0].slot, Slot(700));
    /// # Ok::<(), indexes::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsuited`].
    pub fn kdtree(
        dim: usize,
        measure: impl Into<Measure>,
        config: KdTreeConfig,
    ) -> Result<Self, Error> {
        Standalone::empty(Kind::KdTree(config), dim, measure.into())
    }

    fn empty(kind: Kind, dim: usize, measure: Measure) -> Result<Self, Error> {
        let index = kind.empty(dim, &measure)?;
        let (vectors, free, removed) = (Memory::new(dim), BTreeSet::new(), SlotSet::new());
        Ok(Standalone { kind, dim, measure, index, vectors, free, removed })
    }

    /// One of a kind that is known to go by this distance.
    fn of_any(kind: Kind, dim: usize, measure: Measure) -> Self {
        match Standalone::empty(kind, dim, measure) {
            Ok(empty) => empty,
            Err(error) => unreachable!("it goes by it: {error}"),
        }
    }

    /// Adds a vector; answers with the slot it has from now on: the lowest free one. That of a removed vector is free when it is
    /// cleared away, which is done when there are some.
    ///
    /// # Errors
    /// [`Error::Dimension`]; [`Error::NotFinite`]; [`Error::Full`].
    pub fn add(&mut self, vector: &[f32]) -> Result<Slot, Error> {
        let slot = match self.free.first() {
            Some(slot) => *slot,
            None => Slot(u32::try_from(self.vectors.len()).map_err(|_| Error::Full)?),
        };
        self.vectors.set(slot, vector)?;
        self.index.insert(slot, &self.vectors)?;
        self.free.remove(&slot);
        if self.kind.pace() > 0 {
            self.step(self.kind.pace())?;
        }
        Ok(slot)
    }

    /// Removes a vector; says whether it was there.
    ///
    /// # Errors
    /// None that is expected: nothing of it lies in an image.
    pub fn remove(&mut self, slot: Slot) -> Result<bool, Error> {
        let there = self.index.remove(slot)?;
        if there {
            self.removed.insert(slot);
        }
        if self.size() < FEW || self.removed.len() > self.size() / CLEARED {
            self.clear_away()?;
        }
        Ok(there)
    }

    /// Clears away what is left of removed vectors.
    fn clear_away(&mut self) -> Result<(), Error> {
        while !self.removed.is_empty() {
            self.step(EFFORT)?;
        }
        Ok(())
    }

    /// Does some of what is due.
    fn step(&mut self, effort: usize) -> Result<(), Error> {
        for slot in self.index.step(&self.vectors, effort)?.given_back {
            self.removed.remove(slot);
            self.vectors.unset(slot);
            self.free.insert(slot);
        }
        Ok(())
    }

    /// The vector in a slot, if there is one.
    pub fn get(&self, slot: Slot) -> Option<Vec<f32>> {
        let there = !self.removed.contains(slot);
        there.then(|| self.vectors.vector(slot).ok().map(|vector| vector.to_vec()))?
    }

    /// The `k` nearest, the nearest first: those that are not farther than the threshold, if there is one.
    ///
    /// # Errors
    /// [`Error::Dimension`]; [`Error::NotFinite`].
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        threshold: Option<f32>,
    ) -> Result<Vec<Neighbour>, Error> {
        let query = Query::new(query).k(k);
        let query = threshold.into_iter().fold(query, |query, within| query.within(within));
        Ok(self.index.search(&query, &self.vectors)?.neighbours)
    }

    /// How many vectors there are.
    pub fn size(&self) -> usize {
        self.vectors.len() - self.removed.len()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Standalone::of_any(self.kind, self.dim, self.measure.clone());
    }

    /// Builds the index anew, on all threads of a pool. What it finds stays the same where it is exact.
    ///
    /// # Errors
    /// None that is expected: every vector fitted when it was added.
    pub fn rebuild(&mut self, pool: &Pool) -> Result<(), Error> {
        self.clear_away()?;
        let slots = self.vectors.slots();
        self.index = self.kind.build(&self.measure, slots, &self.vectors, pool)?;
        Ok(())
    }

    /// Figures about the index.
    pub fn statistics(&self) -> Statistics {
        self.index.statistics()
    }

    /// The index itself, to ask it for more, together with [`vectors`](Standalone::vectors).
    pub fn index(&self) -> &dyn Index {
        self.index.as_ref()
    }

    /// Its vectors, and those that were removed and are not cleared away.
    pub fn vectors(&self) -> &Memory {
        &self.vectors
    }
}
