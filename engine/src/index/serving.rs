//! An index that searches go by, and what it has yet to catch up with.
//!
//! Slots come to the tail when their batch is applied, and go from there into the index when somebody has the time. A slot
//! whose last row has ended stays in either for as long as a view may see it; then it is removed from the index, and rests
//! until that has let go of it.
//!
//! Promises
//!  1. A slot that a view sees is in the tail or in the index, at every moment: it is put into the one before it is taken
//!     out of the other. So who looks at the tail first, and then at the index, misses none.
//!  2. What [`Serving::detached`] says does not go back: of what ended by then the index has nothing any more.
//!
//! Never: decides what a view sees; an answer may hold slots that it does not.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use base::{Sequence, Slot};
use indexes::{Index, Nearest, Pool, Query, SlotSet, Vectors};
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::Origin;
use super::events::{Event, Events, What};
use super::lend::ViewVectors;
use super::tail::Tail;
use super::work::Haste;
use crate::view::CollectionView;
use crate::{IndexConfig, Result};

/// How many ends are seen to at a time.
const ENDS: usize = 65_536;

/// From so many slots on they are taken up together.
const TOGETHER: usize = 64;

/// A graph is swept when one in so many of its slots was removed.
const SWEPT: usize = 8;

/// And not before there are so many.
const SWEPT_MIN: usize = 64;

/// About how many slots a step of a sweep looks at.
const EFFORT: usize = 4_096;

/// An index in use.
pub(crate) struct Serving {
    pub(crate) index: Box<dyn Index>,
    /// What it was built by.
    pub(crate) config: IndexConfig,
    pub(crate) tail: Tail,
    /// Where it comes from.
    pub(crate) origin: Origin,
    keeping: Mutex<Keeping>,
    /// The number of the batch up to which what ended is detached; 0 for none.
    detached: AtomicU64,
    /// Slots that were given out again, of which the index has what they held before.
    reborn: RwLock<SlotSet>,
    /// How many slots it took up, and removed, since it is here.
    inserted: AtomicU64,
    removed: AtomicU64,
    /// How many slots it has that ended, and how many of those are not removed.
    leaving: AtomicU64,
    unremoved: AtomicU64,
    warmed: AtomicUsize,
    /// Whether the index may have more to do for what it took up.
    is_step_due: AtomicBool,
    /// Of how many events it was told when it began.
    pub(crate) replayed: u64,
    /// What was found to be wrong with the image that it lies in.
    broken: OnceLock<String>,
}

/// What those know who change the index: one at a time.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// What ended up to this batch was seen to.
    ends_to: Option<Sequence>,
    /// Slots that the index has and that ended, with the batch they did.
    leaving: HashMap<Slot, Sequence>,
    /// Those of them that are yet to be removed: an index that lies in an image is only changed when there is time.
    to_remove: Vec<Slot>,
}

/// How far an index is, when it begins to serve.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun {
    /// What ended up to this batch was seen to.
    pub(crate) ends_to: Option<Sequence>,
    /// Slots that it has and that ended, with the batch they did.
    pub(crate) leaving: Vec<(Slot, Sequence)>,
    /// Slots that were alive then and that it does not have, with the batch that bore them.
    pub(crate) missing: Vec<(Slot, Sequence)>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Serving {
    /// An index that is as far as this.
    pub(crate) fn new(
        (index, config): (Box<dyn Index>, IndexConfig),
        tail: Tail,
        (origin, begun): (Origin, Begun),
    ) -> Self {
        let Begun { ends_to, leaving, missing } = begun;
        missing.into_iter().for_each(|(slot, born)| tail.add(slot, born));
        let leaving: HashMap<Slot, Sequence> = leaving.into_iter().collect();
        let keeping = Keeping { ends_to, leaving, to_remove: Vec::new() };
        let detached = AtomicU64::new(number(keeping.detached()));
        Serving {
            index,
            config,
            tail,
            origin,
            keeping: Mutex::new(keeping),
            detached,
            reborn: RwLock::default(),
            inserted: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            unremoved: AtomicU64::new(0),
            warmed: AtomicUsize::new(0),
            is_step_due: AtomicBool::new(true),
            replayed: 0,
            broken: OnceLock::new(),
        }
        .begun()
    }

    /// Whether it is a graph.
    pub(crate) fn is_graph(&self) -> bool {
        matches!(self.config, IndexConfig::Hnsw(_))
    }

    /// Finds out which of those that are leaving the index still counts as its own.
    fn begun(self) -> Self {
        let mut keeping = self.keeping.lock();
        let has = |slot: &Slot| self.told(self.index.contains(*slot)).unwrap_or(false);
        let Keeping { leaving, to_remove, .. } = &mut *keeping;
        to_remove.extend(leaving.keys().filter(|slot| has(slot)));
        to_remove.sort_unstable();
        self.show(&keeping);
        drop(keeping);
        self
    }

    /// Takes over what happened behind the batch that it begins with. No view that goes by it reads at a number before
    /// `seen`: what ended behind that is seen to later.
    pub(crate) fn begin_with(
        &mut self,
        events: impl Iterator<Item = Event>,
        seen: Option<Sequence>,
    ) {
        let mut keeping = self.keeping.lock();
        let is_left = |event: &Event| event.what == What::Born || Some(event.at) <= seen;
        let mut count = 0;
        for event in events.filter(is_left) {
            count += 1;
            self.note(&mut keeping, event);
        }
        keeping.ends_to = keeping.ends_to.max(seen);
        self.show(&keeping);
        drop(keeping);
        self.replayed += count;
    }

    /// Notes what became of a slot that no view is left to see otherwise.
    fn note(&self, keeping: &mut Keeping, Event { at, slot, what }: Event) {
        let has = || self.told(self.index.contains(slot)).unwrap_or(false);
        match what {
            // The one that the index has may be of before, and is leaving then.
            What::Born if keeping.leaving.contains_key(&slot) => {
                if has() {
                    self.reborn.write().insert(slot);
                }
                self.tail.add(slot, at);
            }
            What::Born if !has() => self.tail.add(slot, at),
            What::Born => {}
            What::Ended => {
                // It can be in both: taken up with others, before one of them could not be.
                self.tail.take(slot);
                if has() && !keeping.leaving.contains_key(&slot) {
                    keeping.leaving.insert(slot, at);
                    keeping.to_remove.push(slot);
                }
            }
        }
    }

    /// Sees to what ended up to a batch, which no view is left to see. Says whether there is more.
    pub(crate) fn see_to_ends(
        &self,
        keeping: &mut Keeping,
        events: &Mutex<Events>,
        unread: Option<Sequence>,
    ) -> bool {
        let mut ends: Vec<Event> = Vec::new();
        let mut up_to = unread;
        match events.lock().between(keeping.ends_to, unread) {
            None => {
                // It cannot know any more what it should let go of.
                self.broken.get_or_init(|| "what it was to catch up with was forgotten".to_owned());
                return false;
            }
            Some(between) => {
                for end in between.filter(|event| event.what == What::Ended) {
                    // Those of one batch are seen to together.
                    if let Some(last) = ends.last().filter(|last| last.at != end.at)
                        && ends.len() >= ENDS
                    {
                        up_to = Some(last.at);
                        break;
                    }
                    ends.push(end);
                }
            }
        }
        let more = up_to != unread;
        for end in ends {
            self.note(keeping, end);
        }
        keeping.ends_to = keeping.ends_to.max(up_to);
        if !self.index.is_lent() {
            self.remove_ended(keeping);
        }
        self.show(keeping);
        more
    }

    /// Lets others know how far it is.
    fn show(&self, keeping: &Keeping) {
        self.leaving.store(keeping.leaving.len() as u64, Ordering::Relaxed);
        self.unremoved.store(keeping.to_remove.len() as u64, Ordering::Relaxed);
        self.detached.store(number(keeping.detached()), Ordering::Release);
    }

    fn remove_ended(&self, keeping: &mut Keeping) {
        for slot in std::mem::take(&mut keeping.to_remove) {
            match self.told(self.index.remove(slot)) {
                Some(true) => _ = self.removed.fetch_add(1, Ordering::Relaxed),
                Some(false) => {}
                None => return,
            }
        }
        // Whoever asks the index from now on does not find them there.
        self.reborn.write().clear();
    }

    /// Finds the nearest of what the index has, of those that may be seen. What was given out again is in the tail; what the index has
    /// of such a slot is of before.
    pub(crate) fn search(
        &self,
        query: Query<'_>,
        sees: Option<&(dyn Fn(Slot) -> bool + Sync)>,
        vectors: &dyn Vectors,
    ) -> std::result::Result<Nearest, indexes::Error> {
        let reborn = self.reborn.read().clone();
        let seen = |slot| !reborn.contains(slot) && sees.is_none_or(|sees| sees(slot));
        match sees.is_none() && reborn.is_empty() {
            true => self.index.search(&query, vectors),
            false => self.index.search(&query.visible(&seen), vectors),
        }
    }

    /// Makes codes of some vectors of the tail that have none; says whether there is more.
    pub(crate) fn code_some(&self, view: &CollectionView, at_most: usize) -> bool {
        let uncoded = self.tail.uncoded(at_most, view.rows.at());
        for (slot, born) in &uncoded {
            match view.vectors.vector(*slot) {
                Ok(vector) => self.tail.add_with(*slot, *born, &vector),
                Err(_) => self.tail.is_bad(*slot),
            }
        }
        uncoded.len() == at_most
    }

    /// Whether there is something to be done for which the index has to be our own. An index that lies in its image is not copied
    /// for a few that ended.
    pub(crate) fn wants_to_change(&self, keeping: &Keeping) -> bool {
        let is_much = |ended: usize| match self.index.is_lent() {
            true => is_much(ended, self.index.statistics().slots),
            false => ended > 0,
        };
        self.tail.behind() > 0 || is_much(keeping.to_remove.len())
    }

    /// Takes up some of the tail that the view sees. Says how many.
    ///
    /// # Errors
    /// If something other than their vectors is wrong.
    pub(crate) fn take_up(
        &self,
        keeping: &mut Keeping,
        view: &CollectionView,
        (at_most, pool): (usize, &Pool),
    ) -> Result<usize> {
        self.remove_ended(keeping);
        let is_free = |slot| !keeping.leaving.contains_key(&slot);
        let slots = self.tail.next((at_most, view.rows.at()), is_free);
        let count = slots.len();
        if count > 0 {
            self.is_step_due.store(true, Ordering::Relaxed);
        }
        let vectors = ViewVectors::new(view);
        let together = || self.index.insert_all(&slots, &vectors, pool, &mut |_| true);
        if count >= TOGETHER && together().is_ok() {
            slots.iter().for_each(|slot| _ = self.tail.take(slot));
            self.inserted.fetch_add(count as u64, Ordering::Relaxed);
            return Ok(count);
        }
        self.take_up_each(&slots, &vectors)?;
        Ok(count)
    }

    /// Takes them up one by one; what cannot be read stays in the tail.
    fn take_up_each(&self, slots: &SlotSet, vectors: &ViewVectors<'_>) -> Result<()> {
        for slot in slots.iter() {
            match self.index.insert(slot, vectors) {
                Ok(()) => _ = self.inserted.fetch_add(1, Ordering::Relaxed),
                // Taken up with others, before one of them could not be.
                Err(indexes::Error::There { .. }) => {}
                Err(indexes::Error::Unreadable(_) | indexes::Error::NotGivenBack { .. }) => {
                    self.tail.is_bad(slot);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            self.tail.take(slot);
        }
        Ok(())
    }

    /// Whether enough was removed to be cleared away: anything, if nothing else is to be done, or there is nothing to mend.
    pub(crate) fn is_to_be_swept(&self, haste: Haste) -> bool {
        let statistics = self.index.statistics();
        if self.config.tends_to_what_is_new()
            && self.is_step_due.load(Ordering::Relaxed)
            && !self.index.is_lent()
        {
            // It takes long, and goes on when the store is opened again.
            return haste != Haste::Closing;
        }
        let removed = statistics.removed;
        let is_easy =
            matches!(haste, Haste::Idle | Haste::Waiting) || statistics.kind == IndexConfig::FLAT;
        removed > 0 && is_easy && !self.index.is_lent() || is_much(removed, statistics.slots)
    }

    /// Clears away some of what was removed; says whether there is more, and how much was given back. A vector that cannot be read
    /// is passed over.
    pub(crate) fn sweep(&self, keeping: &mut Keeping, view: &CollectionView) -> (bool, usize) {
        let swept = match self.index.step(&ViewVectors::new(view), EFFORT) {
            Ok(step) => {
                self.is_step_due.store(step.more, Ordering::Relaxed);
                step.given_back.iter().for_each(|slot| _ = keeping.leaving.remove(slot));
                (step.more, step.given_back.len())
            }
            Err(indexes::Error::Unreadable(_)) => (true, 0),
            Err(error) => {
                self.told::<()>(Err(error));
                (false, 0)
            }
        };
        self.show(keeping);
        swept
    }

    /// What those know who change the index.
    pub(crate) fn keeping(&self) -> MutexGuard<'_, Keeping> {
        self.keeping.lock()
    }

    /// The same, if nobody is at it.
    pub(crate) fn try_keeping(&self) -> Option<MutexGuard<'_, Keeping>> {
        self.keeping.try_lock()
    }

    /// The batch up to which the index has nothing any more of what ended.
    pub(crate) fn detached(&self) -> Option<Sequence> {
        Sequence::new(self.detached.load(Ordering::Acquire))
    }

    /// Remembers that the image is damaged, if that is what was wrong.
    pub(crate) fn told<T>(&self, answer: std::result::Result<T, indexes::Error>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.is_broken(&error);
                None
            }
        }
    }

    /// The same, of an error.
    pub(crate) fn is_broken(&self, error: &indexes::Error) {
        if matches!(error, indexes::Error::BadImage { .. }) {
            self.broken.get_or_init(|| error.to_string());
        }
    }

    /// What is wrong with the image that it lies in, if anything is: nobody goes by it any more.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// How many slots it has that no id has any more.
    pub(crate) fn leaving(&self) -> u64 {
        self.leaving.load(Ordering::Relaxed)
    }

    /// How many of those count as its own still.
    pub(crate) fn unremoved(&self) -> u64 {
        self.unremoved.load(Ordering::Relaxed)
    }

    /// So many bytes of its image were looked at, so that searches find them in memory.
    pub(crate) fn warmed(&self) -> usize {
        self.warmed.load(Ordering::Relaxed)
    }

    /// The same, from now on.
    pub(crate) fn is_warm_to(&self, bytes: usize) {
        self.warmed.store(bytes, Ordering::Relaxed);
    }

    /// How many slots it took up and removed since it is here.
    pub(crate) fn changes(&self) -> (u64, u64) {
        (self.inserted.load(Ordering::Relaxed), self.removed.load(Ordering::Relaxed))
    }
}

impl Keeping {
    /// The batch up to which nothing is left of what ended.
    fn detached(&self) -> Option<Sequence> {
        let first = self.leaving.values().min();
        let before = |first: &Sequence| Sequence::new(first.get() - 1);
        first.map_or(self.ends_to, |first| before(first).min(self.ends_to))
    }

    /// What ended up to this batch was seen to.
    pub(crate) fn ends_to(&self) -> Option<Sequence> {
        self.ends_to
    }

    /// Slots that the index has and that ended, in order.
    pub(crate) fn leaving(&self) -> Vec<(Slot, Sequence)> {
        let mut leaving: Vec<_> = self.leaving.iter().map(|(slot, at)| (*slot, *at)).collect();
        leaving.sort_unstable();
        leaving
    }
}

/// Whether so many of these slots are worth the work.
fn is_much(removed: usize, slots: usize) -> bool {
    removed >= SWEPT_MIN && removed * SWEPT >= slots
}

fn number(at: Option<Sequence>) -> u64 {
    at.map_or(0, Sequence::get)
}

#[cfg(test)]
mod tests;
