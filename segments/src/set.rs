//! The vectors of one collection: their slots, what refers to them, and the files they lie in.
//!
//! A batch is decided under one lock ([`VectorSet::batch`]), which gives out slots and counts references; then the
//! log makes it durable, which is not our affair; then its vectors are written and shown
//! ([`VectorSet::apply`]), and only then may a view have its number. After a crash the log says what was
//! decided ([`Recovery`](crate::Recovery)).
//!
//! Promises
//!  1. No byte of a file is written for a batch before it is applied, except in slots that were never given
//!     out, by a [`Fresh`].
//!  2. Vectors that are one have one slot, also while the first of them is on its way. Whatever their hashes,
//!     two that are not one never share a slot.
//!  3. A slot is rewritten only when nothing that is retained, no view and no index knows of what it held.
//!
//! Never: makes anything durable except on request; chooses file numbers.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::Arc;

use base::{FileId, Sequence, Slot};
use disk::Disk;

use crate::dedup::AsIs;
use crate::file::{Place, VectorFile};
use crate::hash::Keys;
use crate::primitives::{Mutex, MutexGuard, lock};
use crate::sums::Sums;
use crate::{
    Cut, Dedup, Ended, Error, Known, Owner, Pin, Pins, Placed, Reclaimed, RestingUntil, Result,
    SlotBase, SlotCounts, SlotTable, VectorHash, View, check_finite,
};

/// Vectors on their way to their slots.
type Pending = HashMap<u32, Arc<[f32]>, BuildHasherDefault<AsIs>>;

/// The vectors of a collection.
#[derive(Debug)]
pub struct VectorSet {
    pub(crate) file: VectorFile,
    keys: Keys,
    table: Mutex<SlotTable>,
    /// Placed, and not yet in their slots. Locked behind the table, if both are.
    pending: Mutex<Pending>,
    sums: Arc<Sums>,
    pins: Arc<Pins>,
}

/// A vector that was looked at outside any lock.
#[derive(Clone, Debug)]
pub struct Prepared {
    vector: Arc<[f32]>,
    /// Worked out here, or not yet: a hint may spare it.
    hash: Option<VectorHash>,
    hint: Option<VectorHash>,
}

impl Prepared {
    /// The vector.
    pub fn vector(&self) -> &Arc<[f32]> {
        &self.vector
    }
}

impl VectorSet {
    /// An empty set, whose segments will be made on this disk. Their directory has to be there
    /// ([`make_directory`](crate::make_directory)).
    pub fn create(disk: Arc<dyn Disk>, owner: Owner, dedup: Dedup, pins: Arc<Pins>) -> Self {
        Self::empty(VectorFile::new(Place::Disk(disk), owner), dedup, pins)
    }

    /// An empty set in memory.
    pub fn in_memory(owner: Owner, dedup: Dedup, pins: Arc<Pins>) -> Self {
        Self::empty(VectorFile::new(Place::Memory, owner), dedup, pins)
    }

    fn empty(file: VectorFile, dedup: Dedup, pins: Arc<Pins>) -> Self {
        let table = SlotTable::default();
        let sums = Sums::new(Arc::clone(table.base()), HashMap::default());
        Self::of_parts(file, Keys::of(dedup), table, sums, pins)
    }

    pub(crate) fn of_parts(
        file: VectorFile,
        keys: Keys,
        table: SlotTable,
        sums: Sums,
        pins: Arc<Pins>,
    ) -> Self {
        let (table, pending) = (Mutex::new(table), Mutex::new(Pending::default()));
        VectorSet { file, keys, table, pending, sums: Arc::new(sums), pins }
    }

    /// Lets only so many bits of each key count.
    #[cfg(test)]
    pub(crate) fn with_key_bits(mut self, key_bits: u32) -> Self {
        self.keys.bits = key_bits;
        self
    }

    /// Whose vectors these are, and how they lie.
    pub fn owner(&self) -> &Owner {
        self.file.owner()
    }

    /// When two vectors are one here.
    pub fn dedup(&self) -> Dedup {
        self.keys.dedup
    }

    /// The numbers of the segments' files, the first segment's first.
    pub fn files(&self) -> Vec<FileId> {
        self.file.segments().iter().map(|opened| opened.file).collect()
    }

    /// The slots of segments that could not be opened, and why. They are not given out; what they hold is an
    /// error, and the rest is served.
    pub fn broken(&self) -> Vec<(Range<u64>, Error)> {
        self.file.broken()
    }

    /// Makes one more segment, durably, and makes room in it. Takes no lock that a batch waits for while it does.
    /// Only one thread at a time may do this, and nothing may refer to the segment's slots that does not also
    /// say that it is there.
    ///
    /// # Errors
    /// As [`Segment::create`](crate::Segment::create); [`Error::NoSlotsLeft`].
    pub fn grow(&self, file: FileId) -> Result<()> {
        self.file.grow(file)?;
        lock(&self.table).set_room(self.file.room());
        Ok(())
    }

    /// How many slots can be given out before another segment is needed, at least.
    pub fn room_left(&self) -> u64 {
        let table = lock(&self.table);
        table.room().saturating_sub(table.len())
    }

    /// Looks at a vector, outside any lock: its length, its numbers, its hash.
    ///
    /// With a hint, the hash is worked out only where the hint leads to no vector that is the same: so what is
    /// there already costs no hashing. A wrong hint costs time.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`].
    pub fn prepare(&self, vector: Arc<[f32]>, hint: Option<VectorHash>) -> Result<Prepared> {
        self.check(&vector)?;
        let hint = hint.filter(|_| self.dedup() == Dedup::Exact);
        let hash = if hint.is_some() { None } else { Some(VectorHash::of(&vector)) };
        Ok(Prepared { vector, hash, hint })
    }

    pub(crate) fn check(&self, vector: &[f32]) -> Result<()> {
        let expected = self.owner().geometry.dim().get() as usize;
        if vector.len() != expected {
            return Err(Error::Dimension { found: vector.len(), expected });
        }
        Ok(check_finite(vector)?)
    }

    /// Begins to decide a batch with this number. Others wait until it is kept or dropped.
    pub fn batch(&self, number: Sequence) -> Batch<'_> {
        let mut table = lock(&self.table);
        table.begin();
        Batch { set: self, table, number, writes: Writes::default(), view: OnceCell::new() }
    }

    /// Writes the vectors of a batch into their slots, and shows them to readers. The batch has to be durable as
    /// far as it ever will be before it is visible, and become visible only after this.
    ///
    /// # Errors
    /// [`Error::Stopped`] and others of a segment that cannot be written: then the batch must not become
    /// visible.
    pub fn apply(&self, writes: &Writes) -> Result<()> {
        self.file.write(writes.by_value.iter().map(|(slot, vector)| (*slot, &**vector)))?;
        self.file.publish(writes.slots());
        let mut pending = lock(&self.pending);
        for slot in writes.slots() {
            pending.remove(&slot.0);
        }
        Ok(())
    }

    /// Makes every write durable that returned before.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync(None)
    }

    /// Takes slots that were never given out, to be written and synced before any batch knows of them.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::NoSlotsLeft`].
    pub fn take_fresh(&self, count: u32) -> Result<Fresh<'_>> {
        let slots = lock(&self.table).take_fresh(count)?;
        let fresh = Fresh { set: self, slots };
        for slot in fresh.slots() {
            self.file.close(slot);
        }
        Ok(fresh)
    }

    /// What is known of a slot; `None` if it is free.
    ///
    /// # Errors
    /// Where the description of the slots cannot be read.
    pub fn known(&self, slot: Slot) -> Result<Option<Known>> {
        lock(&self.table).known(slot)
    }

    /// How many slots there are of each kind.
    pub fn counts(&self) -> SlotCounts {
        lock(&self.table).counts()
    }

    /// How many slots were ever given out: all numbers are below it.
    pub fn slots(&self) -> u64 {
        lock(&self.table).len()
    }

    /// A view at the number of this pin.
    ///
    /// # Panics
    /// If the pin is not one of the pins that this set was made with.
    pub fn view(&self, pin: Pin) -> View {
        assert!(pin.is_of(&self.pins), "a view is pinned where its vectors are");
        // Listed behind the pin: whatever the view sees lies in one of them.
        View::new(pin, self.owner().geometry, self.file.segments(), Arc::clone(&self.sums))
    }

    /// Who reads at which number.
    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Gives slots back that rest: frees those that were closed before, and closes those that `until` and all views
    /// allow; so many `at_most` of each, since batches wait meanwhile. Where either is as many, there may be more.
    ///
    /// # Errors
    /// Where the description of the slots cannot be read.
    pub fn reclaim(&self, until: &RestingUntil, at_most: u32) -> Result<Reclaimed> {
        let mut table = lock(&self.table);
        let unread = self.pins.unread_before();
        let freed = table.free_closed(unread, at_most);
        let until = RestingUntil { freed: until.freed.min(unread), ..until.clone() };
        let close = |slot| self.file.close(slot);
        let closed = table.close((&until, at_most), close, || self.pins.visible())?;
        Ok(Reclaimed { freed, closed })
    }

    /// Lets [`reclaim`](VectorSet::reclaim) look again at slots that a retained span held: one is no longer
    /// retained.
    pub fn reconsider(&self) {
        lock(&self.table).reconsider();
    }

    /// Cuts off what was decided up to now, to describe it while others go on.
    pub fn cut(&self) -> Cut {
        lock(&self.table).cut()
    }

    /// Puts a description of the last cut in the place of what it describes. Everything that was decided
    /// before the cut has to be applied.
    pub fn rebase(&self, base: Arc<dyn SlotBase>) {
        let mut table = lock(&self.table);
        self.sums.rebase(Arc::clone(&base));
        table.rebase(base);
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, SlotTable> {
        lock(&self.table)
    }
}

/// A batch that is being decided. Dropped, it is as if it had not begun.
#[must_use = "a batch that is not kept is rolled back"]
pub struct Batch<'s> {
    set: &'s VectorSet,
    table: MutexGuard<'s, SlotTable>,
    number: Sequence,
    writes: Writes,
    /// Made when vectors are compared with one in its slot.
    view: OnceCell<View>,
}

/// What a batch wants written. Until it is, its vectors are found, and not in their slots.
#[derive(Debug, Default)]
#[must_use = "vectors that are not written cannot be read"]
pub struct Writes {
    by_value: Vec<(Slot, Arc<[f32]>)>,
    /// Written already, by a `Fresh`.
    written: Vec<Slot>,
}

impl Writes {
    /// Whether there is nothing to be written or shown.
    pub fn is_empty(&self) -> bool {
        self.by_value.is_empty() && self.written.is_empty()
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        self.by_value.iter().map(|(slot, _)| *slot).chain(self.written.iter().copied())
    }
}

impl Batch<'_> {
    /// Finds a place for a vector, and counts a reference to it.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if another segment is needed; [`Error::NoSlotsLeft`], [`Error::TooManyReferences`];
    /// where the description of the slots cannot be read.
    pub fn place(&mut self, prepared: &Prepared) -> Result<Placed> {
        let (slot, is_new) = match self.decide(prepared, None)? {
            Placed::Shared(slot) => return Ok(Placed::Shared(slot)),
            Placed::Own(slot) => (slot, Arc::clone(&prepared.vector)),
        };
        self.set.file.close(slot);
        lock(&self.set.pending).insert(slot.0, Arc::clone(&is_new));
        self.writes.by_value.push((slot, is_new));
        Ok(Placed::Own(slot))
    }

    /// As [`place`](Batch::place), where the vector was written to a slot of its own before, and synced: the one
    /// with this number of the fresh ones.
    ///
    /// # Errors
    /// As [`place`](Batch::place).
    ///
    /// # Panics
    /// If there is no such slot among the fresh ones, or it was placed before.
    pub fn place_fresh(
        &mut self,
        prepared: &Prepared,
        fresh: &Fresh<'_>,
        index: u32,
    ) -> Result<Placed> {
        let placed = self.decide(prepared, Some(fresh.slot(index)))?;
        if let Placed::Own(slot) = placed {
            lock(&self.set.pending).insert(slot.0, Arc::clone(&prepared.vector));
            self.writes.written.push(slot);
        }
        Ok(placed)
    }

    /// Counts one more reference to a slot that is alive.
    ///
    /// # Errors
    /// [`Error::NotAlive`], [`Error::TooManyReferences`]; where the description of the slots cannot be read.
    pub fn refer(&mut self, slot: Slot) -> Result<()> {
        self.table.refer(slot)
    }

    /// Takes a reference away; with the last one the slot comes to rest.
    ///
    /// # Errors
    /// [`Error::NotAlive`]; where the description of the slots cannot be read.
    pub fn release(&mut self, slot: Slot) -> Result<Ended> {
        self.table.release(slot, self.number)
    }

    /// As [`place`](Batch::place), but written and shown at once: for a set of which nothing has to survive.
    pub(crate) fn place_now(&mut self, vector: &[f32], hash: VectorHash) -> Result<Placed> {
        let key = self.set.keys.of_vector(vector, hash);
        let (set, view) = (self.set, &self.view);
        let placed =
            self.table.place(key, hash, self.number, |slot| set.holds(slot, vector, view))?;
        if let Placed::Own(slot) = placed {
            set.file.close(slot);
            set.file.write_one(slot, vector)?;
            set.file.publish([slot].into_iter());
        }
        Ok(placed)
    }

    /// Counts a reference to the slot that a hash leads to, if it holds the vector.
    pub(crate) fn share(&mut self, vector: &[f32], hash: VectorHash) -> Result<Option<Slot>> {
        let shared = self.follow(hash, vector)?;
        if let Some(slot) = shared {
            self.table.refer(slot)?;
        }
        Ok(shared)
    }

    /// Ends the decision: from here on it stands, and has to reach the log and be applied.
    pub fn keep(mut self) -> Writes {
        self.table.keep();
        std::mem::take(&mut self.writes)
    }

    fn decide(&mut self, prepared: &Prepared, fresh: Option<Slot>) -> Result<Placed> {
        let Prepared { vector, hash, hint } = prepared;
        let hash = match (hash, hint) {
            (Some(hash), _) => *hash,
            (None, hint) => {
                if let Some(hint) = hint
                    && let Some(slot) = self.share(vector, *hint)?
                {
                    return Ok(Placed::Shared(slot));
                }
                VectorHash::of(vector)
            }
        };
        let key = self.set.keys.of_vector(vector, hash);
        let (set, view, number) = (self.set, &self.view, self.number);
        let is_it = |slot| set.holds(slot, vector, view);
        match fresh {
            None => self.table.place(key, hash, number, is_it),
            Some(taken) => self.table.place_taken(key, (hash, taken), number, is_it),
        }
    }

    /// The slot that a hint leads to, if it holds the vector.
    fn follow(&self, hint: VectorHash, vector: &[f32]) -> Result<Option<Slot>> {
        let Some(key) = self.set.keys.of_vector(vector, hint) else { return Ok(None) };
        self.table.find(key, |slot| self.set.holds(slot, vector, &self.view))
    }
}

impl VectorSet {
    /// Whether the vector in a slot, or on its way there, is one with this one. The slot has to be alive, and
    /// the table locked.
    fn holds(&self, slot: Slot, vector: &[f32], view: &OnceCell<View>) -> Result<bool> {
        if let Some(pending) = lock(&self.pending).get(&slot.0) {
            return Ok(self.keys.dedup.are_one(pending, vector));
        }
        let view = view.get_or_init(|| self.view(self.pins.pin()));
        match view.vector(slot) {
            Ok(found) => Ok(self.keys.dedup.are_one(&found, vector)),
            Err(error @ (Error::Description { .. } | Error::Inconsistent { .. })) => Err(error),
            // What cannot be read is not known to be the same: the vector gets a slot of its own.
            Err(_) => Ok(false),
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut pending = lock(&self.set.pending);
        // Nothing is left here of a batch that was kept.
        for slot in self.writes.slots() {
            pending.remove(&slot.0);
        }
        self.table.roll_back();
    }
}

/// Slots that were never given out. Those that no batch places are given back when this is dropped.
#[derive(Debug)]
pub struct Fresh<'s> {
    set: &'s VectorSet,
    slots: Range<u64>,
}

impl Fresh<'_> {
    /// The slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        self.slots.clone().map_while(|slot| u32::try_from(slot).ok()).map(Slot)
    }

    /// Writes vectors into the slots, from the one with this number on.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`]; those of a segment that cannot be written.
    ///
    /// # Panics
    /// If there are fewer slots.
    pub fn write<'v>(
        &self,
        first: u32,
        vectors: impl IntoIterator<Item = &'v [f32]>,
    ) -> Result<()> {
        let mut failed = None;
        let mut index = first;
        let vectors = vectors.into_iter().map_while(|vector| {
            failed = self.set.check(vector).err();
            let slot = self.slot(index);
            index += 1;
            failed.is_none().then_some((slot, vector))
        });
        self.set.file.write(vectors)?;
        failed.map_or(Ok(()), Err)
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn sync(&self) -> Result<()> {
        self.set.file.sync(Some(self.slots.clone()))
    }

    fn slot(&self, index: u32) -> Slot {
        let slot = self.slots().nth(index as usize);
        assert!(slot.is_some(), "fresh slot {index} of {:?}", self.slots);
        slot.unwrap_or(Slot(u32::MAX))
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.set.table);
        for slot in self.slots() {
            table.give_back(slot);
        }
    }
}

#[cfg(test)]
mod tests;
