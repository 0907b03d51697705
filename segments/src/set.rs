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

use std::any::Any;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::{FileId, Slot};
use disk::Disk;

use crate::dedup::AsIs;
use crate::file::{Place, VectorFile};
use crate::format::HeaderState;
use crate::hash::Keys;
use crate::primitives::{Mutex, MutexGuard, lock};
use crate::sums::Sums;
use crate::view::Held;
use crate::{
    Cut, Dedup, Error, Known, Owner, Pin, Pins, Reclaimed, RestingUntil, Result, SlotBase,
    SlotCounts, SlotTable, VectorHash, View, Writes, check_finite,
};

/// Vectors on their way to their slots.
type Pending = HashMap<u32, Arc<[f32]>, BuildHasherDefault<AsIs>>;

/// The vectors of a collection.
#[derive(Debug)]
pub struct VectorSet {
    pub(crate) file: VectorFile,
    pub(crate) keys: Keys,
    pub(crate) table: Mutex<SlotTable>,
    /// Placed, and not yet in their slots. Locked behind the table, if both are.
    pub(crate) pending: Mutex<Pending>,
    sums: Arc<Sums>,
    pins: Arc<Pins>,
    /// Slots that were taken and not placed, to be given back when the table is locked next.
    pub(crate) given_back: Mutex<Vec<Slot>>,
    /// Whether there are any.
    pub(crate) gives_back: AtomicBool,
    held: Option<Held>,
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
        let (given_back, sums) = (Mutex::new(Vec::new()), Arc::new(sums));
        let gives_back = AtomicBool::new(false);
        VectorSet { file, keys, table, pending, sums, pins, given_back, gives_back, held: None }
    }

    /// Lets every view hold on to something, the lock on the store: that nobody else writes to the files of this set is
    /// what lending their bytes rests on.
    #[must_use]
    pub fn holding(mut self, lock: Arc<dyn Any + Send + Sync>) -> Self {
        self.held = Some(lock);
        self
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

    /// The numbers of the segments' files, the first segment's first: of those whose slots are given out.
    pub fn files(&self) -> Vec<FileId> {
        self.file.announced()
    }

    /// The same with the one, if there is one, that was made and whose slots are not given out yet.
    pub fn files_made(&self) -> Vec<FileId> {
        self.file.segments().iter().map(|opened| opened.file).collect()
    }

    /// The slots of segments that could not be opened, and why. They are not given out; what they hold is an
    /// error, and the rest is served.
    pub fn broken(&self) -> Vec<(Range<u64>, Error)> {
        self.file.broken()
    }

    /// Makes one more segment, durably, without giving out its slots yet: whatever refers to them has first to say
    /// that the segment is there. Says in which file it is: of this number, or of another where a segment was made
    /// before and not announced since. Takes no lock that a batch waits for.
    ///
    /// # Errors
    /// As [`Segment::create`](crate::Segment::create); [`Error::NoSlotsLeft`].
    pub fn make_segment(&self, file: FileId) -> Result<FileId> {
        self.file.grow(file)
    }

    /// Gives out the slots of the segment that was made in this file, from now on.
    pub fn open_segment(&self, file: FileId) {
        let mut table = self.table();
        self.file.announce(file);
        table.set_room(self.file.room());
    }

    /// Makes one more segment and gives out its slots at once.
    ///
    /// # Errors
    /// As [`make_segment`](VectorSet::make_segment).
    pub fn grow(&self, file: FileId) -> Result<()> {
        self.open_segment(self.make_segment(file)?);
        Ok(())
    }

    /// Whether there is room for so many vectors, if none of them is there already.
    pub fn has_room_for(&self, count: u32) -> bool {
        self.table().has_room_for(count)
    }

    /// What a vector with this hash is looked up by here, for a log that only names it.
    pub fn key_of(&self, vector: &[f32], hash: VectorHash) -> Option<u64> {
        self.keys.of_vector(vector, hash)
    }

    /// The files of segments of which a part of the header is damaged, and the rest can be read.
    pub fn damaged_headers(&self) -> Vec<PathBuf> {
        let segments = self.file.segments();
        let opened = segments.iter().filter_map(|opened| opened.segment.as_ref().ok());
        let damaged = opened.filter(|segment| segment.header_state() == HeaderState::Damaged);
        damaged.map(|segment| segment.path()).collect()
    }

    pub(crate) fn check(&self, vector: &[f32]) -> Result<()> {
        self.check_length(vector)?;
        Ok(check_finite(vector)?)
    }

    pub(crate) fn check_length(&self, vector: &[f32]) -> Result<()> {
        let expected = self.owner().geometry.dim().get() as usize;
        match vector.len() {
            found if found == expected => Ok(()),
            found => Err(Error::Dimension { found, expected }),
        }
    }

    /// Writes the vectors of a batch into their slots, and shows them to readers. The batch has to be durable as
    /// far as it ever will be before it is visible, and become visible only after this.
    ///
    /// # Errors
    /// [`Error::Stopped`] and others of a segment that cannot be written: then the batch must not become
    /// visible.
    ///
    /// # Panics
    /// If it is not a batch of this set, or its number became visible before: its slots may be others' by now.
    pub fn apply(&self, writes: Writes) -> Result<()> {
        let is_expected = {
            let pending = lock(&self.pending);
            let is_ours = |(slot, vector): (Slot, &Arc<[f32]>)| {
                pending.get(&slot.0).is_some_and(|expected| Arc::ptr_eq(expected, vector))
            };
            writes.vectors().all(is_ours)
        };
        assert!(
            is_expected,
            "a batch is applied once, to the set that decided it, before it is visible"
        );
        self.file.write(writes.by_value.iter().map(|(slot, vector)| (*slot, &**vector)))?;
        self.file.publish(writes.vectors().map(|(slot, _)| slot));
        let mut pending = lock(&self.pending);
        for (slot, _) in writes.vectors() {
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

    /// What is known of a slot; `None` if it is free.
    ///
    /// # Errors
    /// Where the description of the slots cannot be read.
    pub fn known(&self, slot: Slot) -> Result<Option<Known>> {
        self.table().known(slot)
    }

    /// How many slots there are of each kind.
    pub fn counts(&self) -> SlotCounts {
        self.table().counts()
    }

    /// How many slots were ever given out: all numbers are below it.
    pub fn slots(&self) -> u64 {
        self.table().len()
    }

    /// A view at the number of this pin.
    ///
    /// # Panics
    /// If the pin is not one of the pins that this set was made with.
    pub fn view(&self, pin: Pin) -> View {
        assert!(pin.is_of(&self.pins), "a view is pinned where its vectors are");
        // Listed behind the pin: whatever the view sees lies in one of them.
        self.reading(Some(pin))
    }

    /// A view with this pin; without one it may lend only slots that are alive, while the table is locked.
    pub(crate) fn reading(&self, pin: Option<Pin>) -> View {
        let sums = (Arc::clone(&self.sums), self.held.clone());
        View::new(pin, self.owner().geometry, self.file.segments(), sums)
    }

    /// Who reads at which number.
    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Gives slots back that rest: frees those that were closed before, and closes those that `until` and all views
    /// allow. Looks at so many `at_most`, since batches wait meanwhile.
    ///
    /// # Errors
    /// None: what cannot be read is passed over and told by [`problems`](VectorSet::problems).
    pub fn reclaim(&self, until: &RestingUntil, at_most: u32) -> Result<Reclaimed> {
        let mut table = self.table();
        let unread = self.pins.unread_before();
        let freed = table.free_closed(unread, at_most);
        let until = RestingUntil { freed: until.freed.min(unread), ..until.clone() };
        let close = |slot| self.file.close(slot);
        let closed = table.close((&until, at_most), close, || self.pins.visible())?;
        Ok(Reclaimed { freed, more: closed.more || freed == u64::from(at_most), ..closed })
    }

    /// Lets [`reclaim`](VectorSet::reclaim) look again at slots that a retained span held: one is no longer
    /// retained.
    pub fn reconsider(&self) {
        self.table().reconsider();
    }

    /// Cuts off what was decided up to now, to describe it while others go on.
    pub fn cut(&self) -> Cut {
        self.table().cut()
    }

    /// Puts a description of the last cut in the place of what it describes. Everything that was decided
    /// before the cut has to be applied.
    ///
    /// # Panics
    /// If it is another cut, or the description is of another number of slots.
    pub fn rebase(&self, cut: &Cut, base: Arc<dyn SlotBase>) {
        let mut table = self.table();
        table.rebase(cut, Arc::clone(&base));
        self.sums.rebase(base);
    }

    /// What was found to contradict itself in the description of the slots, and was passed over.
    pub fn problems(&self) -> Vec<Error> {
        self.table().problems().to_vec()
    }

    /// The table, with what was given back meanwhile.
    pub(crate) fn table(&self) -> MutexGuard<'_, SlotTable> {
        let mut table = lock(&self.table);
        if self.gives_back.swap(false, Ordering::Acquire) {
            for slot in std::mem::take(&mut *lock(&self.given_back)) {
                table.give_back(slot);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests;
