//! Decides a batch: which vectors get slots of their own, which share one, and what is released.
//!
//! Promises
//!  1. A batch that is not kept leaves no trace.
//!  2. A vector that is on its way to its slot is found there by whoever comes next.
//!
//! Never: writes to a file, except for a set of which nothing has to survive.

use std::cell::OnceCell;
use std::sync::Arc;

use base::{Sequence, Slot};

use crate::primitives::{MutexGuard, lock};
use crate::{Dedup, Ended, Error, Placed, Result, SlotTable, VectorHash, VectorSet, View, Written};

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

    /// The hash of the vector, for a log that only names it; `None` if a hint was given.
    pub fn hash(&self) -> Option<VectorHash> {
        self.hash
    }
}

impl VectorSet {
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

    /// Begins to decide a batch with this number. Others wait until it is kept or dropped.
    pub fn batch(&self, number: Sequence) -> Batch<'_> {
        let mut table = self.table();
        table.begin();
        Batch { set: self, table, number, writes: Writes::default(), view: OnceCell::new() }
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
    pub(crate) by_value: Vec<(Slot, Arc<[f32]>)>,
    /// Written already, by a `Fresh`.
    written: Vec<(Slot, Arc<[f32]>)>,
}

impl Writes {
    /// Whether there is nothing to be written or shown.
    pub fn is_empty(&self) -> bool {
        self.by_value.is_empty() && self.written.is_empty()
    }

    /// The vectors, and the slots they are for.
    pub fn vectors(&self) -> impl Iterator<Item = (Slot, &Arc<[f32]>)> {
        self.by_value.iter().chain(&self.written).map(|(slot, vector)| (*slot, vector))
    }
}

impl Batch<'_> {
    /// Finds a place for a vector, and counts a reference to it.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if another segment is needed; [`Error::NoSlotsLeft`], [`Error::TooManyReferences`];
    /// where the description of the slots cannot be read.
    pub fn place(&mut self, prepared: &Prepared) -> Result<Placed> {
        let placed = self.decide(prepared, None)?;
        if let Placed::Own(slot) = placed {
            self.claim(slot)?;
            self.expect(slot, prepared);
            self.writes.by_value.push((slot, Arc::clone(&prepared.vector)));
        }
        Ok(placed)
    }

    /// As [`place`](Batch::place), where the vector was written to a slot of its own before, and synced: the one with
    /// this number of those that were written.
    ///
    /// # Errors
    /// As [`place`](Batch::place).
    ///
    /// # Panics
    /// If there is no such one, it was placed before, or was written for another set.
    pub fn place_written(&mut self, written: &Written<'_>, index: u32) -> Result<Placed> {
        let (slot, prepared) = written.of(self.set, index);
        let placed = self.decide(prepared, Some(slot))?;
        if let Placed::Own(slot) = placed {
            self.expect(slot, prepared);
            self.writes.written.push((slot, Arc::clone(&prepared.vector)));
        }
        Ok(placed)
    }

    /// Takes a slot that was given out, if readers cannot have it.
    fn claim(&mut self, slot: Slot) -> Result<()> {
        if self.set.file.claim(slot) {
            return Ok(());
        }
        self.table.take_back();
        self.table.avoid(u64::from(slot.0)..u64::from(slot.0) + 1);
        Err(Error::Inconsistent { slot, what: "free, and open to readers" })
    }

    /// Lets the next batch find a vector that is on its way.
    fn expect(&self, slot: Slot, prepared: &Prepared) {
        lock(&self.set.pending).insert(slot.0, Arc::clone(&prepared.vector));
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
            self.claim(slot)?;
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
        // It may have been prepared for another set.
        self.set.check_length(vector)?;
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
        let view = view.get_or_init(|| self.reading(None));
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
        for (slot, _) in self.writes.vectors() {
            pending.remove(&slot.0);
        }
        self.table.roll_back();
    }
}
