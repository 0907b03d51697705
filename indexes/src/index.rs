//! The trait: what every index kind can do, and how its image is opened.

use base::Slot;
use bytes::Bytes;

use crate::{Error, Flat, Hnsw, Measure, Nearest, Pool, Query, Vectors};

/// A way of finding near neighbours among slots.
///
/// It holds slots and what it needs to find them; the vectors stay where they are, and every call is given them. Slots
/// should lie close: there is room for all below the highest.
///
/// Promises: it returns only slots that it has and that the query's filter admits, none twice, with distances that
/// are exact; equally near ones in the order of their slots. An answer that may lack something says so. Never: opens
/// files.
pub trait Index: Send + Sync {
    /// Takes up a slot, whose vector is there.
    ///
    /// # Errors
    /// [`Error::There`]; if its vector cannot be read, or does not fit. Nothing has changed then.
    fn insert(&mut self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error>;

    /// Gives up a slot: nothing in the index refers to it when this returns. Says whether it was there.
    ///
    /// # Errors
    /// [`Error::BadImage`], if the image that the index lies in is damaged. Nothing has changed then.
    fn remove(&mut self, slot: Slot) -> Result<bool, Error>;

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

    /// Its image: bytes that [`open`](crate::open) makes the same index of. It adds them to what is there.
    fn encode(&self, into: &mut Vec<u8>);

    /// Figures about it.
    fn statistics(&self) -> Statistics;
}

/// Opens the image of an index, of whatever kind. One that can be searched where it lies (a graph) keeps it, be it a
/// mapped file (`Bytes::from_owner`): it is verified where it is touched, and copied at the first change.
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
            Ok(Box::new(Flat::decode(&image, measure)?))
        }
        Some(magic) if *magic == crate::hnsw::format::MAGIC => {
            Ok(Box::new(Hnsw::open(image, measure)?))
        }
        _ => Err(Error::BadImage { what: "magic", offset: 0 }),
    }
}

/// Figures about an index.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    /// How many bytes of memory it holds, the vectors not counted.
    pub bytes: usize,
    /// The instruction set that it runs on, by name.
    pub instructions: &'static str,
}

impl Statistics {
    pub(crate) fn new(kind: &'static str, slots: usize, dim: usize, measure: &Measure) -> Self {
        let (measure, instructions) = (measure.name().to_owned(), crate::instructions());
        Statistics { kind, slots, dim, measure, bytes: 0, instructions }
    }
}
