//! Builds an index of all that a view sees, some at a time, while others go on.
//!
//! The view is kept for as long as that takes: what it sees stays where it is, and what happened since is caught up with
//! when the index begins to serve.

use std::sync::Arc;

use base::{Sequence, Slot};
use indexes::{Index, Pool, SlotSet};
use parking_lot::Mutex;

use super::events::Events;
use super::lend::ViewVectors;
use super::serving::{Begun, Serving};
use super::tail::Tail;
use super::{Origin, empty};
use crate::named::About;
use crate::view::CollectionView;
use crate::{IndexConfig, Result};

/// How many slots are taken up in a step.
const STEP: usize = 2_048;

/// An index in the making. It holds no collection: one of its own holds it.
pub(crate) struct Build {
    about: Arc<About>,
    /// The batch that it is as far as.
    at: Option<Sequence>,
    /// Keeps what was seen then where it is.
    vectors: segments::View,
    pub(crate) config: IndexConfig,
    /// How often it had been asked for.
    pub(crate) asked: u64,
    why: String,
    index: Box<dyn Index>,
    /// In no order that has to do with where they lie: a graph that is built by parts is as good then as one that is built at once.
    slots: Vec<Slot>,
    done: usize,
    unreadable: Vec<Slot>,
}

impl std::fmt::Debug for Build {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Build").field("config", &self.config).field("done", &self.done).finish()
    }
}

impl Build {
    /// Begins: finds out what there is.
    pub(crate) fn begin(
        view: &CollectionView,
        (config, asked): (IndexConfig, u64),
        why: String,
    ) -> Result<Self> {
        let mut there = SlotSet::new();
        view.rows.for_each(|seen| {
            there.insert(seen.slot);
            Ok(())
        })?;
        let mut slots: Vec<Slot> = there.iter().collect();
        slots.sort_by_cached_key(|slot| (mixed(*slot), *slot));
        let about = Arc::clone(&view.collection.about);
        let index = empty(config, about.config.dim() as usize, &about.measure)?;
        let (at, vectors) = (view.rows.at(), view.vectors.clone());
        let (done, unreadable) = (0, Vec::new());
        Ok(Build { about, at, vectors, config, asked, why, index, slots, done, unreadable })
    }

    /// Takes up some more; says whether that was all.
    pub(crate) fn step(&mut self, pool: &Pool) -> Result<bool> {
        let end = (self.done + STEP).min(self.slots.len());
        let some: SlotSet =
            self.slots.get(self.done..end).unwrap_or_default().iter().copied().collect();
        let vectors = ViewVectors::of(&self.about, &self.vectors);
        if self.index.insert_all(&some, &vectors, pool, &mut |_| true).is_err() {
            for slot in some.iter() {
                match self.index.insert(slot, &vectors) {
                    // Taken up before the one that could not be.
                    Ok(()) | Err(indexes::Error::There { .. }) => {}
                    Err(indexes::Error::Unreadable(_) | indexes::Error::NotGivenBack { .. }) => {
                        self.unreadable.push(slot)
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.done = end;
        Ok(end == self.slots.len())
    }

    /// How many there are, and how many are done.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.slots.len(), self.done)
    }

    /// It, as it begins to serve once it has the events behind the view, and what keeps what it knows of where it is until it
    /// does; nothing, if those events are not known any more. All are taken over that are visible by now.
    pub(crate) fn finish(
        self,
        events: &Mutex<Events>,
        visible: Option<Sequence>,
    ) -> Option<(Serving, segments::View)> {
        let Build { about, at, vectors, config, why, index, unreadable, .. } = self;
        let tail = Tail::of(&about);
        let begun = Begun { ends_to: at, ..Begun::default() };
        let mut serving = Serving::new((index, config), tail, (Origin::Built(why), begun));
        if let Some(first) = at.or(Some(Sequence::FIRST)) {
            for slot in unreadable {
                serving.tail.add(slot, first);
                serving.tail.is_bad(slot);
            }
        }
        let since = events.lock().cut();
        serving.begin_with(since.between(at, visible)?, visible);
        Some((serving, vectors))
    }
}

/// A number that looks random, of a slot.
fn mixed(slot: Slot) -> u64 {
    let mixed = (u64::from(slot.0)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
