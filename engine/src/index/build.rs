//! Builds an index of all that a view sees, some at a time, while others go on, and then of what was written meanwhile.
//!
//! The view is kept for as long as that takes: what it sees stays where it is, and so does what ended since.

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

/// So few vectors that an index does not have yet are no reason to let the one before serve any longer.
const NEAR: usize = 1_024;

/// After so many times that more was written meanwhile than that, it serves all the same: it may never come nearer.
const ROUNDS: usize = 8;

/// An index in the making. It holds no collection: one of its own holds it.
pub(crate) struct Build {
    about: Arc<About>,
    /// The batch that it is of.
    at: Option<Sequence>,
    /// Keeps what was seen then where it is, and all that ended since.
    vectors: segments::View,
    pub(crate) config: IndexConfig,
    /// How often it had been asked for.
    pub(crate) asked: u64,
    why: String,
    /// In no order that has to do with where they lie: a graph that is built by parts is as good then as one that is built at once.
    slots: Vec<Slot>,
    done: usize,
    stage: Stage,
}

enum Stage {
    /// It gets all that the view sees.
    Fills { index: Box<dyn Index>, unreadable: Vec<Slot> },
    /// It gets what was written meanwhile, up to this batch.
    CatchesUp { serving: Box<Serving>, taken: Option<Sequence>, rounds: usize },
    /// What was written meanwhile is not known any more.
    IsLost,
}

/// How it goes on with an index in the making.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Step,
    /// It may serve.
    Serve,
    /// It is of no use.
    Anew,
}

/// What a step goes by.
pub(crate) struct Now<'n> {
    pub(crate) view: &'n CollectionView,
    pub(crate) events: &'n Mutex<Events>,
    /// The last batch that is visible.
    pub(crate) visible: Option<Sequence>,
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
        let stage = Stage::Fills { index, unreadable: Vec::new() };
        Ok(Build { about, at, vectors, config, asked, why, slots, done: 0, stage })
    }

    /// Takes up some more, of what there was and then of what was written since.
    pub(crate) fn step(&mut self, now: &Now<'_>, some: (usize, &Pool)) -> Result<Next> {
        match self.stage {
            Stage::Fills { .. } => self.fill(now, some),
            Stage::CatchesUp { .. } => self.catch_up(now, some),
            Stage::IsLost => Ok(Next::Anew),
        }
    }

    fn fill(&mut self, now: &Now<'_>, (at_most, pool): (usize, &Pool)) -> Result<Next> {
        let Stage::Fills { index, unreadable } = &mut self.stage else { return Ok(Next::Anew) };
        let end = (self.done + at_most).min(self.slots.len());
        let some: SlotSet =
            self.slots.get(self.done..end).unwrap_or_default().iter().copied().collect();
        let vectors = ViewVectors::of(&self.about, &self.vectors);
        if index.insert_all(&some, &vectors, pool, &mut |_| true).is_err() {
            for slot in some.iter() {
                match index.insert(slot, &vectors) {
                    // Taken up before the one that could not be.
                    Ok(()) | Err(indexes::Error::There { .. }) => {}
                    Err(indexes::Error::Unreadable(_) | indexes::Error::NotGivenBack { .. }) => {
                        unreadable.push(slot)
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.done = end;
        if end < self.slots.len() {
            return Ok(Next::Step);
        }
        let filled = std::mem::replace(&mut self.stage, Stage::IsLost);
        let Stage::Fills { index, unreadable } = filled else { return Ok(Next::Anew) };
        let begun = Begun { ends_to: self.at, ..Begun::default() };
        let origin = Origin::Built(self.why.clone());
        let serving = Serving::new((index, self.config), Tail::of(&self.about), (origin, begun));
        if let Some(first) = self.at.or(Some(Sequence::FIRST)) {
            for slot in unreadable {
                serving.tail.add(slot, first);
                serving.tail.is_bad(slot);
            }
        }
        let (serving, taken) = (Box::new(serving), self.at);
        self.stage = Stage::CatchesUp { serving, taken, rounds: 0 };
        self.take_over(now)
    }

    /// Takes up some of what was written meanwhile. What is looked at in full by each search is little when it begins to serve.
    fn catch_up(&mut self, now: &Now<'_>, some: (usize, &Pool)) -> Result<Next> {
        let Stage::CatchesUp { serving, .. } = &self.stage else { return Ok(Next::Anew) };
        let taken = serving.take_up(&mut serving.keeping(), now.view, some)?;
        match taken > 0 && serving.tail.behind() > 0 {
            true => Ok(Next::Step),
            false => self.take_over(now),
        }
    }

    /// Hears of all that is visible by now.
    fn take_over(&mut self, now: &Now<'_>) -> Result<Next> {
        let Stage::CatchesUp { serving, taken, rounds } = &mut self.stage else {
            return Ok(Next::Anew);
        };
        let events = now.events.lock().cut();
        let Some(since) = events.between(*taken, now.visible) else {
            return Ok(Next::Anew);
        };
        serving.begin_with(since, now.visible);
        (*taken, *rounds) = (now.visible, *rounds + 1);
        match serving.tail.behind() <= NEAR || *rounds > ROUNDS {
            true => Ok(Next::Serve),
            false => Ok(Next::Step),
        }
    }

    /// How many there are, and how many are done.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.slots.len(), self.done)
    }

    /// It, when it may serve, the batch it heard of, and what keeps what it knows of where it is until it does serve.
    pub(crate) fn finish(self) -> Option<(Serving, Option<Sequence>, segments::View)> {
        let Stage::CatchesUp { serving, taken, .. } = self.stage else { return None };
        Some((*serving, taken, self.vectors))
    }
}

/// A number that looks random, of a slot.
fn mixed(slot: Slot) -> u64 {
    let mixed = (u64::from(slot.0)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
