//! The trait: what every index kind can do, and how its image is opened.

use std::io::{self, Write};

use base::Slot;
use bytes::Bytes;

use crate::{
    EfMeasurement, Error, Flat, Hnsw, KdTree, Lsh, Measure, MeasuredEf, Nearest, Pool, Query,
    SlotSet, Vectors,
};

/// A way of finding near neighbours among slots.
///
/// It holds slots and what it needs to find them; the vectors stay where they are, and every call is given them. Slots
/// should lie close: there is room for all below the highest.
///
/// Many may search it while others insert, remove, and let it do what is due.
///
/// Promises: it returns only slots that it has and that the query's filter admits, none twice, with distances that
/// are exact; equally near ones in the order of their slots. An answer that may lack something says so. What was inserted is
/// found, and what was removed is not, by every search that begins after. Never: opens files.
pub trait Index: Send + Sync {
    /// Takes up a slot, whose vector is there.
    ///
    /// # Errors
    /// [`Error::There`]; [`Error::NotGivenBack`]; if its vector cannot be read, or does not fit. Nothing has changed then. If the
    /// vector of a neighbour cannot be read, the slot may count as one that was removed.
    fn insert(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error>;

    /// Takes up many slots at once, on all threads of a pool. `progress` is told how many are done, and says whether to go on;
    /// what was taken up by then stays. Others may search, insert and remove meanwhile.
    ///
    /// A graph depends on the seed and the slots alone, if nobody else changes it meanwhile. A flat index takes up some
    /// thousand at a time, each time all of them or none; so do hash tables, which do what is due then, unless they were stopped, if
    /// at least as many were taken up as there were before: else it is left to [`step`](Index::step).
    ///
    /// ```
    /// use indexes::{Flat, Index, Memory, Metric, Pool, Slot};
    ///
    /// let mut vectors = Memory::new(2);
    /// for slot in 0..100 {
    ///     vectors.set(Slot(slot), &[slot as f32, 1.0])?;
    /// }
    /// let index: Box<dyn Index> = Box::new(Flat::new(2, Metric::L2));
    /// let mut done = 0;
    /// let mut progress = |count| {
    ///     done = count;
    ///     true
    /// };
    /// index.insert_all(vectors.slots(), &vectors, &Pool::here(), &mut progress)?;
    /// assert_eq!((done, index.contains(Slot(99))?), (100, true));
    /// # Ok::<(), indexes::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Index::insert), for any of them. If one of them is there already, or not given back, nothing has changed;
    /// what was taken up before another error stays.
    fn insert_all(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error>;

    /// Gives up a slot: no search that begins after this finds it. Says whether it was there. It takes no time, whatever the
    /// index, and waits for nobody, unless the index lies in an image, which the first change copies; what is left of it is cleared away
    /// by [`step`](Index::step), and until then its vector must stay where it is.
    ///
    /// # Errors
    /// [`Error::BadImage`], if the image that the index lies in is damaged. Nothing has changed then.
    fn remove(&self, slot: Slot) -> Result<bool, Error>;

    /// Does some of what is due after removals, and, in hash tables, after insertions: about as much as looking at so many slots. A slot that was removed is given
    /// back by one of the steps that follow, when nothing refers to it any more and nobody reads it: then, and not before, it may
    /// be inserted again, or its vector be overwritten.
    ///
    /// # Errors
    /// If a vector that was needed cannot be read. The next step goes on behind what it was needed for.
    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error>;

    /// Finds the nearest.
    ///
    /// # Errors
    /// If the query cannot be a vector of the index; if a vector that was needed cannot be read.
    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error>;

    /// Finds the nearest for many, on all threads of a pool: one answer for each query, in their order, with the
    /// neighbours that [`search`](Index::search) finds.
    ///
    /// # Errors
    /// As [`search`](Index::search), for any of them.
    fn search_many(
        &self,
        queries: &[Query<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error>;

    /// Does some of a measurement of how many a search has to have in view ([`Query::ef`]) to find so much of the 10 nearest: as many
    /// as the index is made for, or as many more as that takes, eight times as many at most. Some of its own slots are looked for as if it
    /// did not have them, and what is found is held against what is found with a lot more in view: that takes some thousand
    /// searches in all, whatever there is, and some of them each time. Nothing, as long as it is not done; it begins from the beginning
    /// if what it looked for was removed meanwhile. An index that looks at everything answers at once that none have to be in view,
    /// and so do hash tables, which find out by themselves how far to look.
    ///
    /// ```
    /// use indexes::{EfMeasurement, Hnsw, HnswConfig, Index, Memory, Metric, Pool, Slot};
    ///
    /// let mut vectors = Memory::new(1);
    /// for slot in 0..5_000 {
    ///     vectors.set(Slot(slot), &[slot as f32])?;
    /// }
    /// let pool = Pool::here();
    /// let graph = Hnsw::new(1, Metric::L2, HnswConfig::default().ef_search(20));
    /// graph.insert_all(vectors.slots(), &vectors, &pool, &mut |_| true)?;
    /// let mut measurement = EfMeasurement::new(0.95);
    /// let measured = loop {
    ///     if let Some(measured) = graph.measure_ef(&mut measurement, &vectors, &pool)? {
    ///         break measured;
    ///     }
    /// };
    /// assert!(measured.ef == 20 && measured.recall >= 0.95);
    /// # Ok::<(), indexes::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a vector cannot be read; [`Error::BadImage`].
    fn measure_ef(
        &self,
        measurement: &mut EfMeasurement,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Option<MeasuredEf>, Error> {
        let _looks_at_everything = (measurement, vectors, pool);
        Ok(Some(MeasuredEf { ef: 0, recall: 1.0 }))
    }

    /// Whether it has this slot.
    ///
    /// # Errors
    /// [`Error::BadImage`], if the image that the index lies in is damaged.
    fn contains(&self, slot: Slot) -> Result<bool, Error>;

    /// The slots that were removed and that no step has given back: until one does, none of them can be inserted, and their
    /// vectors must stay where they are. So whoever opens an image knows what is still to come.
    ///
    /// ```
    /// use indexes::{Hnsw, HnswConfig, Index, Measure, Memory, Metric, Slot};
    ///
    /// let mut vectors = Memory::new(2);
    /// let graph = Hnsw::new(2, Metric::L2, HnswConfig::default());
    /// for slot in [Slot(0), Slot(1)] {
    ///     vectors.set(slot, &[slot.0 as f32, 1.0])?;
    ///     graph.insert(slot, &vectors)?;
    /// }
    /// graph.remove(Slot(1))?;
    /// let mut image = Vec::new();
    /// graph.encode(&mut image);
    ///
    /// let opened = indexes::open(image, &Measure::from(Metric::L2))?;
    /// assert!(opened.removed()?.iter().eq([Slot(1)]));
    /// assert!(opened.insert(Slot(1), &vectors).is_err());
    /// while opened.step(&vectors, 1_000)?.more {}
    /// opened.insert(Slot(1), &vectors)?;
    /// # Ok::<(), indexes::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadImage`], if the image that the index lies in is damaged.
    fn removed(&self) -> Result<SlotSet, Error>;

    /// Whether it still lies in the image that it was opened from: until the first change, or until it is
    /// [taken over](Index::take_over).
    ///
    /// ```
    /// use indexes::{Hnsw, HnswConfig, Index, Measure, Metric};
    ///
    /// let mut image = Vec::new();
    /// Hnsw::new(384, Metric::L2, HnswConfig::default()).encode(&mut image);
    /// let index = indexes::open(image, &Measure::from(Metric::L2))?;
    /// assert!(index.is_lent() && index.bytes_to_own() > 0);
    /// index.take_over()?;
    /// assert!(!index.is_lent() && index.bytes_to_own() == 0);
    /// # Ok::<(), indexes::Error>(())
    /// ```
    fn is_lent(&self) -> bool;

    /// Verifies all of the image that it lies in, so that no search has to. `progress` is told how many bytes are
    /// done, and says whether to go on; answers with whether all is verified. There is nothing to do for an index that
    /// lies in none.
    ///
    /// # Errors
    /// [`Error::BadImage`], also of every search from then on.
    fn verify(&self, progress: &mut dyn FnMut(usize) -> bool) -> Result<bool, Error>;

    /// Takes over what lies in an image: verifies all of it, and copies it into memory of its own, so that the first change need
    /// not. Others may search meanwhile, by the image; its bytes are let go of when this returns, or, if somebody still
    /// searches by them then, by one of the steps that follow. There is nothing to do for an index that lies in none.
    ///
    /// # Errors
    /// [`Error::BadImage`], also of every search from then on.
    fn take_over(&self) -> Result<(), Error>;

    /// How many bytes of memory it takes to [take it over](Index::take_over), about: 0, if it does not lie in an image. Nothing
    /// of the image is looked at for that.
    fn bytes_to_own(&self) -> usize;

    /// Writes its image: bytes that [`open`](crate::open) makes the same index of. They are never in memory as a whole. Who
    /// wants to insert, or step, waits until it is done; searches and removals go on. Slots that were removed and
    /// not given back are in it, too, and count as removed when it is opened.
    ///
    /// # Errors
    /// What the writer says.
    fn write(&self, into: &mut dyn Write) -> io::Result<()>;

    /// Appends its image, as [`write`](Index::write) does.
    fn encode(&self, into: &mut Vec<u8>) {
        match self.write(into) {
            Ok(()) => {}
            Err(error) => unreachable!("memory takes all that is written: {error}"),
        }
    }

    /// Figures about it.
    fn statistics(&self) -> Statistics;
}

/// Opens the image of an index, of whatever kind. It is searched where it lies, be that a mapped file (`Bytes::from_owner`):
/// it is verified where it is touched, and copied at the first change, or when it is [taken over](Index::take_over).
///
/// ```
/// use indexes::{Flat, Index, Measure, Metric};
///
/// let mut image = Vec::new();
/// Flat::new(384, Metric::Cosine).encode(&mut image);
/// let index = indexes::open(image, &Measure::from(Metric::Cosine))?;
/// assert_eq!(index.statistics().kind, "flat");
/// # Ok::<(), indexes::Error>(())
/// ```
///
/// # Errors
/// [`Error::BadImage`], for bytes that are no image, or not what was written; [`Error::NewerImage`];
/// [`Error::Measure`], if it was built by another distance.
pub fn open(image: impl Into<Bytes>, measure: &Measure) -> Result<Box<dyn Index>, Error> {
    let image = image.into();
    match image.first_chunk() {
        Some(magic) if *magic == crate::flat::format::MAGIC => {
            Ok(Box::new(Flat::open(image, measure)?))
        }
        Some(magic) if *magic == crate::hnsw::format::MAGIC => {
            Ok(Box::new(Hnsw::open(image, measure)?))
        }
        Some(magic) if *magic == crate::lsh::format::MAGIC => {
            Ok(Box::new(Lsh::open(image, measure)?))
        }
        Some(magic) if *magic == crate::kdtree::format::MAGIC => {
            Ok(Box::new(KdTree::open(image, measure)?))
        }
        _ => Err(Error::BadImage { what: "magic", offset: 0 }),
    }
}

/// What a step did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[must_use = "slots that are given back are told of once"]
#[non_exhaustive]
pub struct Step {
    /// Slots that nothing refers to any more, each of which was removed.
    pub given_back: Vec<Slot>,
    /// Whether there is more to do.
    pub more: bool,
}

/// Figures about an index.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Its kind, by name.
    pub kind: &'static str,
    /// How many slots it has.
    pub slots: usize,
    /// How many numbers a vector has.
    pub dim: usize,
    /// What its vectors are compared with, by name.
    pub measure: String,
    /// How many slots were removed, and are not given back.
    pub removed: usize,
    /// How well it finds what it has: of how many slots that were looked for by their own vectors when it last had finished
    /// what was due, and how many of them were found. Nothing for an index that is exact, and before.
    pub probe: Option<Probe>,
    /// What an index that tunes itself to a recall found out. Nothing for one that does not, or did not yet.
    pub tuned: Option<Tuned>,
    /// How its vectors lie, if it is made of trees.
    pub tree: Option<TreeFigures>,
    /// How many bytes of memory it holds, the vectors not counted.
    pub bytes: usize,
    /// The instruction set that it runs on, by name.
    pub instructions: &'static str,
}

impl Statistics {
    pub(crate) fn new(kind: &'static str, slots: usize, dim: usize, measure: &Measure) -> Self {
        let (measure, instructions) = (measure.name().to_owned(), crate::instructions());
        let (removed, probe, bytes) = (0, None, 0);
        let (tuned, tree) = (None, None);
        Statistics { kind, slots, dim, measure, removed, probe, tuned, tree, bytes, instructions }
    }
}

/// What came of looking for slots by their own vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// How many were looked for.
    pub looked_for: usize,
    /// How many were found, or others that are as near.
    pub found: usize,
    /// How many slots, or parts of a graph, were cut off from where searches begin, and were linked anew.
    pub lost: usize,
}

/// How an index that tunes itself looks for neighbours, so that it finds as much of them as it is made for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tuned {
    /// How many slots it had when it was tuned.
    pub slots: usize,
    /// How many hash tables there are.
    pub tables: usize,
    /// How many functions make a hash.
    pub functions: usize,
    /// Into how many buckets each table is divided.
    pub buckets: usize,
    /// How many vectors a search of the 10 nearest looks at by a few bits, out of the tables.
    pub candidates: usize,
    /// Which share of the 10 nearest that found, on vectors that were held out.
    pub recall: f32,
}

/// How vectors lie in an index that is made of trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TreeFigures {
    /// How many trees there are.
    pub trees: usize,
    /// How many vectors are in none yet, and are all looked at by every search.
    pub buffered: usize,
    /// How many of a hundred vectors of the largest tree are looked at for a query, as samples said when it was built: 0, if it is
    /// too small to say.
    pub percent_visited: u8,
    /// Whether that is so many that the tree is of no use, and all its vectors are looked at.
    pub is_scanned: bool,
}
