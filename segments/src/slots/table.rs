//! Counts what refers to each slot, and knows which are free, which are resting, and which hold what: a
//! description made at some moment, and what changed since.
//!
//! State of a slot: free -> alive ([`place`](SlotTable::place)) -> resting (its last reference is released)
//! -> closing ([`close`](SlotTable::close), nobody begins to read it any more) -> free
//! ([`free_closed`](SlotTable::free_closed), nobody reads it).
//!
//! Promises
//!  1. Every slot ever given out is in exactly one of these states.
//!  2. A vector is never found in a slot that rests: it may be rewritten before the batch that would share it
//!     is durable.
//!  3. A batch that is rolled back leaves everything as it was.
//!  4. Whatever the description says, a slot that it says is alive, or that changed since, is not given out.
//!
//! Never: touches a vector; looks at a file. Whose the slots are, and that only one at a time changes them, is
//! the sequencer's affair.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::Arc;

use base::{Sequence, Slot};

use super::delta::{Change, Delta, Entry};
use super::journal::Undo;
use super::rest::Rest;
use super::{Known, Life, SlotBase, SlotList};
use crate::dedup::AsIs;
use crate::{Error, Result, VectorHash};

/// Numbers of slots.
pub(super) type Slots = HashSet<u32, BuildHasherDefault<AsIs>>;

/// The slots of a collection, and what is known of each.
#[derive(Debug)]
pub struct SlotTable {
    pub(super) base: Arc<dyn SlotBase>,
    /// What changed between `base` and the last cut, until a description of then takes the place of both.
    pub(super) frozen: Option<Arc<Delta>>,
    pub(super) delta: Delta,
    /// How much of the lists of `base` and `frozen` was not looked at yet.
    pub(super) left: Left,
    pub(super) rest: Rest,
    /// How many slots there is room for.
    pub(super) room: u64,
    /// Slots that have no room, since their file is damaged.
    pub(super) avoided: Vec<Range<u64>>,
    /// Slots that are being written and that no batch knows of yet.
    pub(super) taken: Slots,
    pub(super) journal: Vec<Undo>,
    problems: Vec<Error>,
}

/// How many problems are remembered.
const PROBLEMS_MAX: usize = 16;

/// How much is left of the lists that are only read.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Left {
    pub(super) base_free: u64,
    pub(super) base_resting: u64,
    pub(super) frozen_free: usize,
    pub(super) frozen_resting: usize,
}

/// Whether the last reference to a slot was released.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Something still refers to it.
    No,
    /// Nothing does: the slot rests.
    Yes,
}

/// Where a vector is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// In a slot that holds it already.
    Shared(Slot),
    /// In a slot of its own, where it has to be written.
    Own(Slot),
}

impl Placed {
    /// The slot.
    pub fn slot(self) -> Slot {
        match self {
            Placed::Shared(slot) | Placed::Own(slot) => slot,
        }
    }
}

/// How many slots there are of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SlotCounts {
    /// Slots that hold a vector: unique vectors.
    pub alive: u64,
    /// What refers to them.
    pub references: u64,
    /// Slots that were given out and hold nothing: at rest, or free.
    pub idle: u64,
    /// Those of the idle that came to rest since the last cut and were not closed since: what the next checkpoint
    /// would release.
    pub resting: u64,
}

impl Default for SlotTable {
    fn default() -> Self {
        Self::of(Arc::new(SlotList::default()))
    }
}

impl SlotTable {
    /// The slots as they are described, and no room for more.
    ///
    /// # Errors
    /// If the description is of more slots than there can be, or of other ones than it counts.
    pub fn new(base: Arc<dyn SlotBase>) -> Result<Self> {
        let inconsistent = |what| Err(Error::Inconsistent { slot: Slot(u32::MAX), what });
        if base.slots() > SLOTS_MAX {
            return inconsistent("the last of more slots than there can be");
        }
        // Whoever goes through a list comes to its end.
        let idle = base.free().checked_add(base.resting());
        let all = idle.and_then(|idle| idle.checked_add(base.alive()));
        if all != Some(base.slots()) || base.keys() > base.alive() {
            return inconsistent("the last of fewer slots than are counted, or of more");
        }
        Ok(Self::of(base))
    }

    fn of(base: Arc<dyn SlotBase>) -> Self {
        let delta = Delta::new(base.slots(), base.alive(), base.references());
        let left = Left::of(&*base, None);
        let room = base.slots();
        SlotTable {
            base,
            frozen: None,
            delta,
            left,
            rest: Rest::default(),
            room,
            avoided: Vec::new(),
            taken: Slots::default(),
            journal: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// What is described below all that changed.
    pub(crate) fn base(&self) -> &Arc<dyn SlotBase> {
        &self.base
    }

    /// Finds a place for a vector, and counts a reference to it. `is_it` compares with the vector in a slot:
    /// the same key says nothing yet. Without a key it always gets a slot of its own.
    ///
    /// # Errors
    /// [`Error::NoRoom`], [`Error::NoSlotsLeft`], [`Error::TooManyReferences`], what `is_it` returns, and
    /// where the description cannot be read or contradicts itself; nothing has changed then.
    pub fn place(
        &mut self,
        key: Option<u64>,
        hash: VectorHash,
        born: Sequence,
        is_it: impl FnMut(Slot) -> Result<bool>,
    ) -> Result<Placed> {
        if let Some(slot) = self.share(key, is_it)? {
            return Ok(Placed::Shared(slot));
        }
        let len = self.len();
        let slot = self.take()?;
        self.bear(slot, Entry { hash, key, references: 1, life: Some(Life::born(born)) });
        let is_new = u64::from(slot.0) >= len;
        self.journal.push(if is_new { Undo::BornNew(slot) } else { Undo::BornAgain(slot) });
        Ok(Placed::Own(slot))
    }

    /// As [`place`](SlotTable::place), with a slot of its own that was taken and written before.
    ///
    /// # Errors
    /// As [`place`](SlotTable::place).
    ///
    /// # Panics
    /// If the slot was not taken.
    pub fn place_taken(
        &mut self,
        key: Option<u64>,
        (hash, taken): (VectorHash, Slot),
        born: Sequence,
        is_it: impl FnMut(Slot) -> Result<bool>,
    ) -> Result<Placed> {
        if let Some(slot) = self.share(key, is_it)? {
            return Ok(Placed::Shared(slot));
        }
        assert!(self.taken.remove(&taken.0), "slot {taken} was taken before it is placed");
        self.bear(taken, Entry { hash, key, references: 1, life: Some(Life::born(born)) });
        self.journal.push(Undo::BornTaken(taken));
        Ok(Placed::Own(taken))
    }

    /// Finds a slot that is alive under a key and of which `is_it` says yes.
    ///
    /// # Errors
    /// What `is_it` returns, and where the description cannot be read.
    pub fn find(
        &self,
        key: u64,
        mut is_it: impl FnMut(Slot) -> Result<bool>,
    ) -> Result<Option<Slot>> {
        let mut failed = None;
        let mut ask = |slot| {
            is_it(slot).unwrap_or_else(|error| {
                failed = Some(error);
                true
            })
        };
        let delta = &self.delta;
        let mut found = delta.by_key.find(key, &mut ask);
        if found.is_none()
            && let Some(frozen) = &self.frozen
        {
            found = frozen.by_key.find(key, |slot| delta.keeps_alive(slot) && ask(slot));
        }
        match failed {
            Some(error) => return Err(error),
            None if found.is_some() => return Ok(found),
            None => {}
        }
        let frozen = self.frozen.as_deref();
        let (is_there, end) =
            (|slot| frozen.is_none_or(|frozen| frozen.keeps_alive(slot)), self.base.slots());
        self.base.find(key, &mut |slot| {
            let is_candidate = u64::from(slot.0) < end && delta.keeps_alive(slot) && is_there(slot);
            // What is under a key and not alive is passed over: nobody could share it.
            let is_alive = || self.known(slot).map(|known| known.is_some_and(|it| it.is_alive()));
            Ok(is_candidate && is_alive()? && is_it(slot)?)
        })
    }

    /// Counts one more reference to a slot that is alive.
    ///
    /// # Errors
    /// [`Error::NotAlive`], [`Error::TooManyReferences`], and where the description cannot be read; nothing
    /// has changed then.
    pub fn refer(&mut self, slot: Slot) -> Result<()> {
        let known = self.alive(slot)?;
        if known.references == u32::MAX {
            return Err(Error::TooManyReferences { slot });
        }
        self.count(slot, 1);
        self.journal.push(Undo::Referred(slot));
        Ok(())
    }

    /// Takes a reference away. With the last one the slot comes to rest, and the batch that took it is the end
    /// of its life.
    ///
    /// # Errors
    /// [`Error::NotAlive`], and where the description cannot be read; nothing has changed then.
    pub fn release(&mut self, slot: Slot, freed: Sequence) -> Result<Ended> {
        let known = self.alive(slot)?;
        if freed < known.life.birth() {
            return Err(Error::Inconsistent { slot, what: "freed before it was born" });
        }
        let ended = if known.references == 1 { Ended::Yes } else { Ended::No };
        self.count(slot, -1);
        if ended == Ended::Yes {
            self.end(slot, freed);
        }
        self.journal.push(Undo::Released(slot, ended));
        Ok(ended)
    }

    /// What is known of a slot; `None` if it is free, or was never given out.
    ///
    /// # Errors
    /// Where the description cannot be read, or contradicts what changed since.
    pub fn known(&self, slot: Slot) -> Result<Option<Known>> {
        if u64::from(slot.0) >= self.len() {
            return Ok(None);
        }
        let layers = [Some(&self.delta), self.frozen.as_deref()];
        known_through(slot, layers.into_iter().flatten(), &*self.base)
    }

    /// How many slots were ever given out: all numbers are below it.
    pub fn len(&self) -> u64 {
        self.delta.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots there are of each kind.
    pub fn counts(&self) -> SlotCounts {
        let Delta { alive, references, .. } = self.delta;
        let resting = self.delta.resting.len() + self.rest.count_since_cut();
        // A description that lies about itself must not make this overflow.
        let idle = self.len().saturating_sub(alive);
        SlotCounts { alive, references, idle, resting: resting as u64 }
    }

    fn share(
        &mut self,
        key: Option<u64>,
        is_it: impl FnMut(Slot) -> Result<bool>,
    ) -> Result<Option<Slot>> {
        let Some(key) = key else { return Ok(None) };
        let found = self.find(key, is_it)?;
        if let Some(slot) = found {
            self.refer(slot)?;
        }
        Ok(found)
    }

    fn alive(&self, slot: Slot) -> Result<Known> {
        let known = self.known(slot)?.filter(Known::is_alive).ok_or(Error::NotAlive { slot })?;
        match known.references {
            0 => Err(Error::Inconsistent { slot, what: "alive, and nothing refers to it" }),
            _ => Ok(known),
        }
    }

    /// What was found to contradict itself, and was passed over: the first of it.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    pub(super) fn note(&mut self, problem: Error) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// Lets a slot hold a vector that one thing refers to.
    pub(super) fn bear(&mut self, slot: Slot, entry: Entry) {
        self.delta.set(slot, entry);
        if let Some(key) = entry.key {
            self.delta.by_key.insert(key, slot);
        }
        self.delta.alive = self.delta.alive.saturating_add(1);
        let references = u64::from(entry.references);
        self.delta.references = self.delta.references.saturating_add(references);
    }

    /// Counts references to a slot that is alive.
    pub(super) fn count(&mut self, slot: Slot, more: i64) {
        if let Some(entry) = self.delta.entry(slot) {
            let references = i64::from(entry.references) + more;
            entry.references = u32::try_from(references).unwrap_or(entry.references);
        } else if let Some((counted, _)) = self.delta.counted(slot) {
            *counted += more;
        }
        self.delta.references = self.delta.references.saturating_add_signed(more);
    }

    /// Lets a slot rest to which nothing refers any more.
    pub(super) fn end(&mut self, slot: Slot, freed: Sequence) {
        if let Some(entry) = self.delta.entry(slot) {
            entry.life = entry.life.map(|life| life.freed(freed));
            if let Some(key) = entry.key {
                self.delta.by_key.remove(key, slot);
            }
        } else if let Some((_, end)) = self.delta.counted(slot) {
            *end = Some(freed);
        }
        self.delta.resting.push_back(slot);
        self.delta.alive = self.delta.alive.saturating_sub(1);
    }
}

/// Slots have numbers of 32 bits.
pub(super) const SLOTS_MAX: u64 = 1 << 32;

impl Left {
    pub(super) fn of(base: &dyn SlotBase, frozen: Option<&Delta>) -> Self {
        let (free, resting) = frozen.map_or((0, 0), |it| (it.free.len(), it.resting.len()));
        Left {
            base_free: base.free(),
            base_resting: base.resting(),
            frozen_free: free,
            frozen_resting: resting,
        }
    }
}

/// What is known of a slot through changes, the newest first, on top of a description.
pub(super) fn known_through<'d>(
    slot: Slot,
    newest_first: impl Iterator<Item = &'d Delta>,
    base: &dyn SlotBase,
) -> Result<Option<Known>> {
    let (mut more, mut freed) = (0_i64, None);
    let mut found = None;
    for delta in newest_first {
        match delta.change(slot) {
            None => {}
            Some(Change::Counted { more: counted, freed: end }) => {
                more = more.saturating_add(counted);
                freed = freed.or(end);
            }
            Some(Change::Whole(entry)) => {
                found = Some(entry.known());
                break;
            }
        }
    }
    let found = match found {
        Some(found) => found,
        None if u64::from(slot.0) < base.slots() => base.known(slot)?,
        None => None,
    };
    if (more, freed) == (0, None) {
        return Ok(found);
    }
    let inconsistent = |what| Err(Error::Inconsistent { slot, what });
    let Some(Known { hash, references, life }) = found else {
        return inconsistent("counted, and was free");
    };
    let Ok(references) = u32::try_from(i64::from(references).saturating_add(more)) else {
        return inconsistent("counted below nothing, or beyond what can be");
    };
    match freed {
        None => Ok(Some(Known { hash, references, life })),
        Some(_) if references > 0 => inconsistent("freed while something referred to it"),
        Some(freed) if life.end().is_some() || freed < life.birth() => {
            inconsistent("freed when it was not alive")
        }
        Some(freed) => Ok(Some(Known { hash, references, life: life.freed(freed) })),
    }
}

#[cfg(test)]
mod tests;
