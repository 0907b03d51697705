//! A vector store in memory, usable alone: what the files of a store do, without any files.
//!
//! Promises
//!  1. A vector that was added is found in its slot until it was removed as often as it was added.
//!  2. Adding, removing and reading may happen on many threads at a time. Who reads through a view holds up
//!     nobody.
//!
//! Never: survives anything.

use std::fmt;

use base::{CollectionId, Dim, FileId, Sequence, Slot, StoreId};

use crate::primitives::{Mutex, lock};
use crate::{
    Dedup, Element, Ended, Error, Geometry, Known, Owner, PinnedVector, Pins, Placed, RestingUntil,
    Result, SlotCounts, Vector, VectorHash, VectorSet, View,
};

/// Vectors of one dimension, each of them kept once.
///
/// ```
/// use segments::{Dedup, VectorStore};
///
/// let store = VectorStore::new(base::Dim::new(3).unwrap(), Dedup::Exact)?;
/// let slot = store.add(&[1.0, 2.0, 3.0])?;
/// assert_eq!(store.add(&[1.0, 2.0, 3.0])?, slot); // the same vector, the same slot
/// assert_eq!(&store.get(slot)?.unwrap()[..], [1.0, 2.0, 3.0]);
///
/// store.remove(slot)?;
/// assert!(store.get(slot)?.is_some()); // it was added twice
/// store.remove(slot)?;
/// assert!(store.get(slot)?.is_none());
/// # Ok::<(), segments::Error>(())
/// ```
#[derive(Debug)]
pub struct VectorStore {
    set: VectorSet,
    /// The number of the last change, and of the last segment's file. Whoever changes something holds this.
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    number: Sequence,
    file: FileId,
}

/// What a store holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Statistics {
    /// Vectors that are kept.
    pub unique_vectors: u64,
    /// How often they were added, and not removed.
    pub total_references: u64,
    /// Bytes of those vectors.
    pub vector_bytes: u64,
    /// Bytes of the segments they lie in, of which memory is taken as they are filled.
    pub segment_bytes: u64,
}

impl Statistics {
    /// How many vectors each one that is kept stands for; 1 in an empty store.
    pub fn dedup_ratio(&self) -> f64 {
        match self.unique_vectors {
            0 => 1.0,
            unique => self.total_references as f64 / unique as f64,
        }
    }
}

impl VectorStore {
    /// An empty store.
    ///
    /// # Errors
    /// If there is no memory for its first segment.
    pub fn new(dim: Dim, dedup: Dedup) -> Result<Self> {
        let geometry = Geometry::new(dim, Element::F32);
        let owner = Owner { store: StoreId([0; 16]), collection: CollectionId(0), geometry };
        let pins = Pins::new(None);
        let set = VectorSet::in_memory(owner, dedup, pins);
        let writer = Mutex::new(Writer { number: Sequence::FIRST, file: FileId(0) });
        let store = VectorStore { set, writer };
        store.grow(&mut lock(&store.writer))?;
        Ok(store)
    }

    /// Adds a vector, and says in which slot it is. One that is there already is counted once more.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`]; if there are no slots left, or no memory.
    pub fn add(&self, vector: &[f32]) -> Result<Slot> {
        self.set.check(vector)?;
        let hash = VectorHash::of(vector);
        self.place(vector, hash).map(Placed::slot)
    }

    /// As [`add`](VectorStore::add), with the vector's hash, where it is known: one that is there already is
    /// then found without hashing it again. A wrong hash costs time, and nothing else. Of use with
    /// [`Dedup::Exact`] only.
    ///
    /// # Errors
    /// As [`add`](VectorStore::add).
    pub fn add_hashed(&self, vector: &[f32], hash: VectorHash) -> Result<Slot> {
        self.set.check(vector)?;
        if let Some(slot) = self.share(vector, hash)? {
            return Ok(slot);
        }
        self.place(vector, VectorHash::of(vector)).map(Placed::slot)
    }

    /// The vector in a slot, if one is there. It stays as it is for as long as the answer is kept.
    ///
    /// # Errors
    /// None that a store in memory is known to have.
    pub fn get(&self, slot: Slot) -> Result<Option<PinnedVector>> {
        // A pin behind the look might be too late: the slot could be given out again in between.
        let view = self.view();
        match self.is_alive(slot)? {
            true => view.pinned(slot).map(Some),
            false => Ok(None),
        }
    }

    /// The vectors in some slots, as they are at one moment.
    ///
    /// # Errors
    /// As [`get`](VectorStore::get).
    pub fn get_many(&self, slots: &[Slot]) -> Result<Vec<Option<PinnedVector>>> {
        let view = self.view();
        let table = self.set.table();
        let alive: Result<Vec<bool>> = slots
            .iter()
            .map(|slot| Ok(table.known(*slot)?.is_some_and(|it| it.is_alive())))
            .collect();
        drop(table);
        let pinned = |(slot, is_alive): (&Slot, bool)| match is_alive {
            true => view.pinned(*slot).map(Some),
            false => Ok(None),
        };
        slots.iter().zip(alive?).map(pinned).collect()
    }

    /// All vectors, as they are at one moment.
    ///
    /// # Errors
    /// As [`get`](VectorStore::get).
    pub fn all(&self) -> Result<AllVectors> {
        let view = self.view();
        let table = self.set.table();
        let mut slots = Vec::new();
        for slot in (0..table.len()).filter_map(|slot| u32::try_from(slot).ok()).map(Slot) {
            slots.extend(table.known(slot)?.filter(Known::is_alive).map(|_| slot));
        }
        Ok(AllVectors { view, slots })
    }

    /// A view: reads without a lock, and keeps what is there from being overwritten. A vector that was removed
    /// before may still be found in it, or another one in its place; [`get`](VectorStore::get) knows better.
    pub fn view(&self) -> View {
        self.set.view(self.set.pins().pin())
    }

    /// Takes a vector away that was added once; says whether that was the last time.
    ///
    /// # Errors
    /// [`Error::NotAlive`] if there is none.
    pub fn remove(&self, slot: Slot) -> Result<Ended> {
        let mut writer = lock(&self.writer);
        let mut batch = self.set.batch(writer.number);
        let ended = batch.release(slot)?;
        let _nothing_to_write = batch.keep();
        self.show(&mut writer)?;
        Ok(ended)
    }

    /// Takes all vectors away. Views keep what they see.
    ///
    /// # Errors
    /// If there is no memory for the first segment of an empty store.
    pub fn clear(&mut self) -> Result<()> {
        *self = VectorStore::new(self.set.owner().geometry.dim(), self.set.dedup())?;
        Ok(())
    }

    /// What the store holds.
    pub fn statistics(&self) -> Statistics {
        let SlotCounts { alive, references, .. } = self.set.counts();
        let geometry = &self.set.owner().geometry;
        let segments = 0..u32::try_from(self.set.files().len()).unwrap_or(u32::MAX);
        Statistics {
            unique_vectors: alive,
            total_references: references,
            vector_bytes: alive * geometry.vector_bytes() as u64,
            segment_bytes: segments.map(|segment| geometry.file_bytes(segment)).sum(),
        }
    }

    fn is_alive(&self, slot: Slot) -> Result<bool> {
        Ok(self.set.known(slot)?.is_some_and(|known| known.is_alive()))
    }

    fn share(&self, vector: &[f32], hash: VectorHash) -> Result<Option<Slot>> {
        if self.set.dedup() != Dedup::Exact {
            return Ok(None);
        }
        let mut writer = lock(&self.writer);
        let mut batch = self.set.batch(writer.number);
        let shared = batch.share(vector, hash)?;
        let _nothing_to_write = batch.keep();
        self.show(&mut writer)?;
        Ok(shared)
    }

    fn place(&self, vector: &[f32], hash: VectorHash) -> Result<Placed> {
        let mut writer = lock(&self.writer);
        loop {
            let mut batch = self.set.batch(writer.number);
            match batch.place_now(vector, hash) {
                Ok(placed) => {
                    let _nothing_to_write = batch.keep();
                    self.show(&mut writer)?;
                    return Ok(placed);
                }
                Err(Error::NoRoom { .. }) => {
                    drop(batch);
                    self.make_room(&mut writer)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets views see what was changed.
    fn show(&self, writer: &mut Writer) -> Result<()> {
        self.set.pins().advance(writer.number);
        writer.number = writer.number.next().ok_or(Error::NoSlotsLeft)?;
        Ok(())
    }

    /// Slots that nobody sees any more, or else another segment.
    fn make_room(&self, writer: &mut Writer) -> Result<()> {
        let all = RestingUntil { freed: self.set.pins().visible(), spans: Vec::new() };
        let mut freed = self.set.reclaim(&all, u32::MAX)?.freed;
        // Who comes from here on finds closed what was closed now.
        self.show(writer)?;
        freed += self.set.reclaim(&RestingUntil::default(), u32::MAX)?.freed;
        if freed > 0 { Ok(()) } else { self.grow(writer) }
    }

    fn grow(&self, writer: &mut Writer) -> Result<()> {
        writer.file = FileId(writer.file.0 + 1);
        self.set.grow(writer.file)
    }
}

/// The vectors of a store at one moment, by slot.
#[derive(Debug)]
pub struct AllVectors {
    view: View,
    slots: Vec<Slot>,
}

impl AllVectors {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slots and what is in them.
    pub fn iter(&self) -> impl Iterator<Item = Result<(Slot, Vector<'_>)>> {
        self.slots.iter().map(|slot| Ok((*slot, self.view.vector(*slot)?)))
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { unique_vectors, total_references, vector_bytes, segment_bytes } = self;
        write!(
            f,
            "{unique_vectors} vectors, referred to {total_references} times; {vector_bytes} bytes of vectors \
             in segments of {segment_bytes}"
        )
    }
}
