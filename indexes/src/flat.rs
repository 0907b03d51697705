//! Flat: looks at all vectors, and is exact. What the other kinds find is judged by it.
//!
//! One query is compared with each vector by its code first (`codes.rs`), and in full only with those that the code
//! cannot rule out: about a seventh of the bytes are read, and the answer is the same to the bit as that of a scan
//! that compares all in full (`flat/one.rs`). Many queries are compared with 16 vectors at a time, as matrices are
//! multiplied, so that what was read serves them all (`flat/many.rs`).
//!
//! Where codes prove little, as among vectors that are all equally far, a search notices and compares in full.

pub(crate) mod format;
mod many;
mod one;
mod pays;

use std::ops::RangeInclusive;

use base::Slot;
use parking_lot::RwLock;

use crate::codes::{Codes, DIM_MAX};
use crate::lanes::Instructions;
use crate::query::check;
use crate::vectors::check_dim;
use crate::{
    Error, Index, Measure, Metric, Nearest, Pool, Query, SlotSet, Statistics, Step, Vectors,
};

/// An index that looks at all vectors.
///
/// ```
/// use indexes::{Flat, Index, Memory, Metric, Query, Slot};
///
/// let mut vectors = Memory::new(2);
/// let mut flat = Flat::new(2, Metric::L2);
/// for (slot, vector) in [[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]].iter().enumerate() {
///     let slot = Slot(slot as u32);
///     vectors.set(slot, vector)?;
///     flat.insert(slot, &vectors)?;
/// }
/// let nearest = flat.search(&Query::new(&[0.0, 0.0]).k(2), &vectors)?;
/// assert_eq!(nearest.neighbours[1].distance, 5.0);
/// # Ok::<(), indexes::Error>(())
/// ```
#[derive(Debug)]
pub struct Flat {
    dim: usize,
    measure: Measure,
    kept: RwLock<Kept>,
}

/// What it keeps. Searches wait for who changes it, and changes for searches: both are short, as nothing is searched in order to
/// change anything.
#[derive(Debug)]
struct Kept {
    dim: usize,
    measure: Measure,
    live: SlotSet,
    codes: Option<Codes>,
    /// Slots that were removed, and are not given back.
    removed: SlotSet,
    instructions: Instructions,
}

/// Its name.
pub(crate) const KIND: &str = "flat";

/// Vectors of fewer numbers are compared in full: their codes would not be much shorter. So are those of more than
/// codes can prove anything of.
const CODED: RangeInclusive<usize> = 48..=DIM_MAX;

impl Flat {
    /// An empty index of vectors of so many numbers. By a metric it makes codes of them, from 48 numbers on and up
    /// to 65,536.
    pub fn new(dim: usize, measure: impl Into<Measure>) -> Self {
        let measure = measure.into();
        let metric = measure.metric().filter(|_| CODED.contains(&dim));
        let codes = metric.map(|metric| Codes::new(dim, metric));
        Flat::of(dim, measure, SlotSet::new(), codes)
    }

    /// One that makes no codes: it takes hardly any memory, and compares all vectors in full.
    pub fn plain(dim: usize, measure: impl Into<Measure>) -> Self {
        Flat::of(dim, measure.into(), SlotSet::new(), None)
    }

    fn of(dim: usize, measure: Measure, live: SlotSet, codes: Option<Codes>) -> Self {
        let (removed, instructions) = (SlotSet::new(), Instructions::best());
        let kept = Kept { dim, measure: measure.clone(), live, codes, removed, instructions };
        Flat { dim, measure, kept: RwLock::new(kept) }
    }

    /// Takes up many slots at once, on all threads of a pool.
    ///
    /// # Errors
    /// As [`insert`](Index::insert), for any of them.
    pub fn insert_all(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let mut kept = self.kept.write();
        slots.iter().try_for_each(|slot| kept.check_free(slot))?;
        match &mut kept.codes {
            Some(codes) => codes.set_all(slots, vectors, pool)?,
            None => slots.iter().try_for_each(|slot| check(&vectors.vector(slot)?, self.dim))?,
        }
        kept.live.extend(slots.iter());
        Ok(())
    }

    /// The index whose image this is.
    ///
    /// # Errors
    /// As [`open`](crate::open).
    pub fn decode(image: &[u8], measure: &Measure) -> Result<Self, Error> {
        format::decode(image, measure)
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether it has this slot.
    pub fn contains(&self, slot: Slot) -> bool {
        self.kept.read().live.contains(slot)
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.kept.read().live.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Kept {
    fn metric(&self) -> Option<Metric> {
        self.measure.metric()
    }

    /// Looks whether a slot may be taken up.
    fn check_free(&self, slot: Slot) -> Result<(), Error> {
        match (self.live.contains(slot), self.removed.contains(slot)) {
            (true, _) => Err(Error::There { slot }),
            (_, true) => Err(Error::NotGivenBack { slot }),
            _ => Ok(()),
        }
    }

    /// The slots of a word that a query may find.
    #[inline(always)]
    fn admitted(&self, query: &Query<'_>, word: usize) -> u64 {
        let live = self.live.word(word);
        let admitted = query.filter.map_or(live, |filter| live & filter.word(word));
        match query.visible {
            None => admitted,
            Some(visible) => visible.of_word(word, admitted),
        }
    }
}

impl Index for Flat {
    fn insert(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let mut kept = self.kept.write();
        kept.check_free(slot)?;
        let vector = vectors.vector(slot)?;
        check(&vector, self.dim)?;
        if let Some(codes) = &mut kept.codes {
            codes.set(slot, &vector);
        }
        kept.live.insert(slot);
        Ok(())
    }

    fn remove(&self, slot: Slot) -> Result<bool, Error> {
        let mut kept = self.kept.write();
        let there = kept.live.remove(slot);
        if there {
            kept.removed.insert(slot);
        }
        Ok(there)
    }

    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        check_dim(vectors, self.dim)?;
        // Nobody searches now who began before they were removed.
        let mut kept = self.kept.write();
        let given_back: Vec<Slot> = kept.removed.iter().take(effort.max(1)).collect();
        given_back.iter().for_each(|slot| _ = kept.removed.remove(*slot));
        Ok(Step { given_back, more: !kept.removed.is_empty() })
    }

    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        one::search(&self.kept.read(), query, vectors, &Pool::here())
    }

    fn search_many(
        &self,
        queries: &[Query<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        queries.iter().try_for_each(|query| query.check(self.dim))?;
        check_dim(vectors, self.dim)?;
        many::search(&self.kept.read(), queries, vectors, pool)
    }

    fn encode(&self, into: &mut Vec<u8>) {
        format::encode(&self.kept.read(), into);
    }

    fn statistics(&self) -> Statistics {
        let kept = self.kept.read();
        let codes = kept.codes.as_ref().map_or(0, Codes::bytes);
        Statistics {
            removed: kept.removed.len(),
            bytes: codes + kept.live.words() * size_of::<u64>(),
            ..Statistics::new(KIND, kept.live.len(), self.dim, &self.measure)
        }
    }
}
