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

/// To make tables of one takes as long as looking at so many.
const TENDED: usize = 128;

/// An index in the making. It holds no collection: one of its own holds it.
pub(crate) struct Build {
    pub(crate) of: BuildOf,
    /// In no order that has to do with where they lie: a graph that is built by parts is as good then as one that is built at once.
    slots: Vec<Slot>,
    done: usize,
    stage: Stage,
}

/// What is built, and of what.
pub(crate) struct BuildOf {
    about: Arc<About>,
    /// The batch that it is of.
    at: Option<Sequence>,
    /// Keeps what was seen then where it is, and all that ended since.
    vectors: segments::View,
    pub(crate) config: IndexConfig,
    /// How often it had been asked for.
    pub(crate) asked: u64,
    why: String,
}

enum Stage {
    Fills(Filling),
    CatchesUp(CatchingUp),
}

/// It gets all that the view sees.
struct Filling {
    index: Box<dyn Index>,
    unreadable: Vec<Slot>,
}

/// It gets what was written meanwhile.
struct CatchingUp {
    serving: Box<Serving>,
    /// It heard of all up to this batch.
    taken: Option<Sequence>,
    rounds: usize,
}

/// How it goes on with an index in the making.
pub(crate) enum Next {
    Step(Build),
    Serve(Box<Built>),
    /// What was written meanwhile is not known any more: it is of no use.
    Anew,
}

/// An index that may serve.
pub(crate) struct Built {
    pub(crate) serving: Box<Serving>,
    /// It heard of all up to this batch.
    pub(crate) taken: Option<Sequence>,
    /// Keeps what it knows of where it is until it does serve.
    pub(crate) keeps: segments::View,
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
        f.debug_struct("Build").field("config", &self.of.config).field("done", &self.done).finish()
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
        let stage = Stage::Fills(Filling { index, unreadable: Vec::new() });
        Ok(Build { of: BuildOf { about, at, vectors, config, asked, why }, slots, done: 0, stage })
    }

    /// Takes up some more, of what there was and then of what was written since.
    pub(crate) fn step(self, now: &Now<'_>, some: (usize, &Pool)) -> Result<Next> {
        let Build { of, slots, done, stage } = self;
        let catching_up = match stage {
            Stage::Fills(mut filling) => {
                let end = (done + some.0).min(slots.len());
                filling.fill(&of, (slots.get(done..end).unwrap_or_default(), some.1))?;
                if end < slots.len() || filling.tend(&of, some.0)? {
                    let stage = Stage::Fills(filling);
                    return Ok(Next::Step(Build { of, slots, done: end, stage }));
                }
                filling.filled(&of)
            }
            Stage::CatchesUp(catching_up) => {
                if catching_up.take_up(now, some)? {
                    let stage = Stage::CatchesUp(catching_up);
                    return Ok(Next::Step(Build { of, slots, done, stage }));
                }
                catching_up
            }
        };
        Ok(match catching_up.hear(now) {
            None => Next::Anew,
            Some(CatchingUp { serving, taken, rounds })
                if serving.tail.behind() <= NEAR || rounds > ROUNDS =>
            {
                Next::Serve(Box::new(Built { serving, taken, keeps: of.vectors }))
            }
            Some(catching_up) => {
                let (done, stage) = (slots.len(), Stage::CatchesUp(catching_up));
                Next::Step(Build { of, slots, done, stage })
            }
        })
    }

    /// How many there are, and how many are done.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.slots.len(), self.done)
    }
}

impl Filling {
    /// Takes up some of what the view sees.
    fn fill(&mut self, of: &BuildOf, (some, pool): (&[Slot], &Pool)) -> Result<()> {
        let some: SlotSet = some.iter().copied().collect();
        let vectors = ViewVectors::of(&of.about, &of.vectors);
        if self.index.insert_all(&some, &vectors, pool, &mut |_| true).is_ok() {
            return Ok(());
        }
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
        Ok(())
    }

    /// Does some of what is due for what it took up, about as much as taking up so many takes; says whether there is more. Tables and
    /// trees are there when it begins to serve.
    fn tend(&mut self, of: &BuildOf, count: usize) -> Result<bool> {
        if !of.config.tends_to_what_is_new() {
            return Ok(false);
        }
        let vectors = ViewVectors::of(&of.about, &of.vectors);
        match self.index.step(&vectors, count.saturating_mul(TENDED)) {
            Ok(step) => Ok(step.more),
            // It goes on behind that.
            Err(indexes::Error::Unreadable(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// What it is when it has all of that.
    fn filled(self, of: &BuildOf) -> CatchingUp {
        let begun = Begun { ends_to: of.at, ..Begun::default() };
        let origin = Origin::Built(of.why.clone());
        let index = (self.index, of.config);
        let serving = Serving::new(index, Tail::of(&of.about), (origin, begun));
        for slot in self.unreadable {
            serving.tail.add(slot, of.at.unwrap_or(Sequence::FIRST));
            serving.tail.is_bad(slot);
        }
        CatchingUp { serving: Box::new(serving), taken: of.at, rounds: 0 }
    }
}

impl CatchingUp {
    /// Takes up some of what was written meanwhile; says whether there is more. What is looked at in full by each search is little
    /// when it begins to serve.
    fn take_up(&self, now: &Now<'_>, some: (usize, &Pool)) -> Result<bool> {
        let serving = &self.serving;
        let taken = serving.take_up(&mut serving.keeping(), now.view, some)?;
        Ok(taken > 0 && serving.tail.behind() > 0)
    }

    /// Hears of all that is visible by now; nothing, if that is not known any more.
    fn hear(mut self, now: &Now<'_>) -> Option<Self> {
        let events = now.events.lock().cut();
        self.serving.begin_with(events.between(self.taken, now.visible)?, now.visible);
        Some(CatchingUp { taken: now.visible, rounds: self.rounds + 1, ..self })
    }
}

/// A number that looks random, of a slot.
fn mixed(slot: Slot) -> u64 {
    let mixed = (u64::from(slot.0)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
