//! Does what is due, step by step: gives slots back, puts what is in no table into some, and finds out how far searches have to look.

use std::sync::Arc;

use base::Slot;

use super::body::{Body, Tables};
use super::building::{At, Building, is_due};
use super::tune::Measuring;
use super::{Lsh, LshConfig};
use crate::leaving::Leaving;
use crate::shared::Lives;
use crate::{Error, Index, Pool, SlotSet, Step, Vectors};

/// With so many times as many slots, or so many times fewer, it has to be measured anew.
const GROWN: usize = 2;
const SHRUNK: usize = 4;

/// So many slots are held out at a time for each thread.
const AT_A_TIME: usize = 8;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    leaving: Option<Leaving>,
    building: Option<Building>,
    measuring: Option<Measuring>,
    /// Slots that are in no table as their vectors could not be read.
    aside: SlotSet,
    /// Slots that are given back, of which nobody was told: something went wrong in that step.
    untold: Vec<Slot>,
    /// What somebody may still search by: so none who searches has to free it.
    retired: Vec<Arc<Tables>>,
}

/// Whether it has to be measured how far to look.
fn is_unmeasured(config: &LshConfig, body: &Body, own: &Lives) -> bool {
    let here = own.live.len();
    body.tables().is_some_and(|tables| match &tables.tuning {
        None => here > 0,
        Some(tuning) => {
            let is_other =
                here > tuning.slots.saturating_mul(GROWN) || here < tuning.slots / SHRUNK;
            tuning.shaped != tables.laid.shape.slots || (is_other && here >= config.tables_from)
        }
    })
}

impl Lsh {
    /// Does about as much as looking at so many slots takes.
    pub(super) fn keep_up(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        crate::vectors::check_dim(vectors, self.dim)?;
        self.bodies.let_go();
        if self.is_lent() && self.body().slots.removed() == 0 {
            return Ok(Step::default());
        }
        let (body, own) = self.own()?;
        let _beside_others = self.writers.writing.read();
        let mut upkeep = self.writers.upkeep.lock();
        let pool = Pool::here();
        let at = At { body, own, vectors, pool: &pool };
        self.give_back(&mut upkeep, at, effort.max(1));
        // Not without end: who gives all the effort there is wants to get slots back as they are.
        let mut left = effort.clamp(1, usize::MAX - 1);
        self.go_on(&mut upkeep, at, &mut left)?;
        let more = own.removed.len() > 0 || self.is_under_way(&upkeep, at);
        Ok(Step { given_back: std::mem::take(&mut upkeep.untold), more })
    }

    /// Does all that is due but giving slots back, on all threads of a pool.
    pub(super) fn settle(&self, vectors: &dyn Vectors, pool: &Pool) -> Result<(), Error> {
        let (body, own) = self.own()?;
        let _beside_others = self.writers.writing.read();
        let mut upkeep = self.writers.upkeep.lock();
        let at = At { body, own, vectors, pool };
        let mut left = usize::MAX;
        while self.is_under_way(&upkeep, at) {
            self.go_on(&mut upkeep, at, &mut left)?;
        }
        Ok(())
    }

    fn is_under_way(&self, upkeep: &Upkeep, at: At<'_>) -> bool {
        let is_begun = upkeep.building.is_some() || upkeep.measuring.is_some();
        is_begun
            || is_due(&self.config, at.body, at.own, &upkeep.aside)
            || is_unmeasured(&self.config, at.body, at.own)
    }

    /// Lets go of slots that were removed.
    fn give_back(&self, upkeep: &mut Upkeep, at: At<'_>, most: usize) {
        let At { body, own, .. } = at;
        let (codes, readers) = (body.codes.as_ref(), &*self.readers);
        if upkeep.leaving.is_none() && own.removed.len() == 0 {
            return;
        }
        let some = || own.removed.iter().take(most).collect();
        let begin = || Leaving::begin(some(), codes, readers);
        let leaving = upkeep.leaving.take().unwrap_or_else(begin);
        match leaving.go(codes, readers) {
            Ok(slots) => {
                for slot in &slots {
                    body.forget(*slot);
                    upkeep.building.iter_mut().for_each(|it| _ = it.since.insert(*slot));
                    own.let_go(*slot);
                }
                upkeep.untold.extend(slots);
            }
            Err(leaving) => upkeep.leaving = Some(leaving),
        }
    }

    /// Goes on with what is under way, and begins what is due.
    fn go_on(&self, upkeep: &mut Upkeep, at: At<'_>, left: &mut usize) -> Result<(), Error> {
        upkeep.retired.retain(|tables| Arc::strong_count(tables) > 1);
        while *left > 0 {
            if upkeep.building.is_none() && upkeep.measuring.is_none() {
                upkeep.building = Building::begin(self, at, &upkeep.aside);
            }
            if let Some(building) = &mut upkeep.building {
                if building.go_on(at, left)?
                    && let Some(building) = upkeep.building.take()
                {
                    upkeep.aside.clone_from(&building.aside);
                    upkeep.retired.extend(building.publish(at));
                }
                continue;
            }
            if upkeep.measuring.is_none() {
                let tables =
                    at.body.tables().filter(|_| is_unmeasured(&self.config, at.body, at.own));
                let Some(tables) = tables else { break };
                upkeep.measuring = Some(Measuring::begin(at.own, tables.laid.shape.slots));
            }
            if let Some(measuring) = &mut upkeep.measuring {
                self.measure(measuring, at, left)?;
                if measuring.is_done()
                    && let Some(measuring) = upkeep.measuring.take()
                {
                    upkeep.retired.extend(self.tune(measuring, at));
                }
            }
        }
        Ok(())
    }

    /// Holds out some slots, and takes note of what is found.
    fn measure(&self, to: &mut Measuring, at: At<'_>, left: &mut usize) -> Result<(), Error> {
        let took = at.own.live.len().saturating_mul(2).max(1);
        let most = (*left / took).clamp(1, AT_A_TIME * at.pool.threads());
        let some = to.next(most);
        let reaches = to.reaches();
        if *left < usize::MAX {
            *left = left.saturating_sub(took.saturating_mul(some.len()));
        }
        let (pin, body) = (self.readers.pin(), self.body());
        let on = self.under(&body, &pin);
        let is_there = |slot: &Slot| at.own.live.contains(*slot);
        let hold_out = |slot| self.hold_out(&on, slot, &reaches, at.vectors);
        let some = some.into_iter().filter(is_there).collect();
        let mut failed = None;
        for found in at.pool.each(some, hold_out) {
            match found {
                Ok(found) => to.note(&found),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Lets searches go by what was found out.
    fn tune(&self, measured: Measuring, at: At<'_>) -> Option<Arc<Tables>> {
        let (tables, tuning) = (at.body.tables()?, measured.finish());
        let Tables { laid, sketches, runs, .. } = &*tables;
        let (laid, sketches) = (Arc::clone(laid), Arc::clone(sketches));
        let tuning = Some(tuning);
        at.body.publish(Tables { laid, sketches, runs: runs.clone(), tuning })
    }
}
