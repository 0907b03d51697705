//! Clears away what is left of removed slots, step by step.
//!
//! A removed slot is not found any more, and walks still go by it. A sweep detaches all that were removed when it began, which
//! are *doomed* from then on:
//!
//! 1. Nobody is linked to a doomed slot any more, and the entry is another one (`begin`).
//! 2. Whoever is linked to doomed slots is linked to neighbours of theirs instead (`upkeep/mend.rs`). Behind that no link leads
//!    to any: old ones are gone, and there are no new ones.
//! 3. What no walk could come to any more is linked anew (`upkeep/reach.rs`).
//! 4. When all are gone who might still be on a doomed slot, its code is closed, and when all are gone who might still read
//!    that, the slot is given back.

mod mend;
mod reach;
#[cfg(test)]
mod tests;

use base::Slot;

use self::reach::{Joined, Reach};
use super::Hnsw;
use super::body::Body;
use super::links::Level;
use super::plan::Plan;
use crate::codes::Codes;
use crate::shared::{Closed, Lives, Moment};
use crate::{Error, Index, Probe, Query, SlotSet, Step, Vectors};

/// So many slots are looked for by their own vectors when a sweep is done, and no more than one of so many.
const PROBED: usize = 64;
const PROBED_PART: usize = 32;

/// Looking for one takes as long as looking at so many slots for each that is kept in view, and no more than so many are.
const PROBE: usize = 10;
const PROBE_VIEW: usize = 1_000;

/// Others may write after so much effort at most.
const AT_A_TIME: usize = 1_000;

/// Linking some anew may take the last link from others, though seldom: it is looked so often again.
const ROUNDS: usize = 8;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    sweep: Option<Sweep>,
}

/// The detaching of some slots.
#[derive(Debug)]
struct Sweep {
    doomed: SlotSet,
    /// Their nodes above the ground: on which level, and which.
    upper: Vec<(usize, u32)>,
    /// How many no walk could come to, and how often those were linked anew.
    lost: usize,
    rounds: usize,
    phase: Phase,
}

/// How far it is.
#[derive(Debug)]
enum Phase {
    /// Goes through a level, and is at this node.
    Mending { level: usize, node: u32 },
    /// Finds out what can be come to.
    Reaching(Reach),
    /// Links these anew.
    Joining(Reach, Vec<u32>),
    /// Looks for these by their own vectors.
    Probing(Vec<Slot>, Probe),
    /// Nothing leads to them; some may be on them.
    Leaving(Moment),
    /// Nobody is on them; some may be reading their codes.
    Closing(Closed),
    /// Nobody has anything of them: these are left to be given back.
    Gone(Vec<u32>),
}

/// What an upkeep has of the graph: what may be changed, and the vectors.
#[derive(Clone, Copy)]
struct At<'u> {
    body: &'u Body,
    own: &'u Lives,
    vectors: &'u dyn Vectors,
}

impl Hnsw {
    /// Does about as much as looking at so many slots takes.
    pub(super) fn keep_up(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        crate::vectors::check_dim(vectors, self.dim)?;
        self.bodies.let_go();
        if self.is_lent() && self.body().slots.removed() == 0 {
            return Ok(Step::default());
        }
        let (body, own) = self.own()?;
        let at = At { body, own, vectors };
        let mut upkeep = self.writers.upkeep.lock();
        let mut left = effort.max(1);
        let mut step = Step::default();
        if upkeep.sweep.is_none() && own.removed.len() > 0 {
            upkeep.sweep = Some(self.begin_sweep(at));
        }
        while let Some(sweep) = upkeep.sweep.as_mut().filter(|_| left > 0) {
            // In between others may write.
            let mut some = left.min(AT_A_TIME);
            left -= some;
            let goes_on = self.go_on(sweep, at, &mut some, &mut step.given_back)?;
            left += some;
            match &sweep.phase {
                Phase::Gone(slots) if slots.is_empty() => upkeep.sweep = None,
                _ if goes_on => {}
                _ => break,
            }
        }
        step.more = own.removed.len() > 0;
        Ok(step)
    }

    /// Dooms all slots that are removed. Whoever is taking up slots at this moment is waited for: who begins later sees that they
    /// are doomed, and sets no link to them.
    fn begin_sweep(&self, at: At<'_>) -> Sweep {
        let At { body, own, .. } = at;
        let _alone = self.writers.writing.write();
        let doomed = own.removed.now();
        doomed.iter().for_each(|slot| _ = body.doomed.insert(slot));
        let graph = &body.graph;
        if let Some(entry) = graph.entry() {
            let slot = graph.level(entry.level).map(|level| level.slot::<false>(entry.node));
            if slot.is_none_or(|slot| !own.live.contains(Slot(slot))) {
                let other = graph.highest(|slot| own.live.contains(Slot(slot)));
                graph.move_entry(Some(entry), other);
            }
        }
        let phase = Phase::Mending { level: graph.height(), node: 0 };
        Sweep { doomed, upper: Vec::new(), lost: 0, rounds: 0, phase }
    }

    /// Goes on with a sweep; says whether it is worth going on at once. If something goes wrong, it goes on behind that the next
    /// time.
    fn go_on(
        &self,
        sweep: &mut Sweep,
        at: At<'_>,
        left: &mut usize,
        given_back: &mut Vec<Slot>,
    ) -> Result<bool, Error> {
        let _beside_others = self.writers.writing.read();
        let Sweep { doomed, upper, lost, rounds, phase } = sweep;
        match phase {
            Phase::Mending { level, node } => {
                if self.mend_some(at, doomed, (level, node), (upper, left))? {
                    *phase = Phase::Reaching(Reach::begin(at, doomed));
                }
            }
            Phase::Reaching(reach) => {
                if reach.go_on(at, left) {
                    let all = reach.lost(at);
                    *phase = match all.is_empty() || *rounds == ROUNDS {
                        true => self.begin_probe(at, *lost),
                        false => Phase::Joining(std::mem::take(reach), all),
                    };
                }
            }
            Phase::Joining(reach, all) => {
                // What a joined slot leads to need not be joined.
                while reach.go_on(at, left)
                    && let Some(slot) = all.pop_if(|_| *left > 0)
                {
                    if !reach.has(slot) {
                        let Joined { linked, took, failed } = self.join(at, slot, (doomed, reach));
                        *left = left.saturating_sub(took);
                        if linked {
                            *lost += 1;
                            reach.add(slot);
                        }
                        failed.map_or(Ok(()), Err)?;
                    }
                }
                if all.is_empty() && reach.go_on(at, left) {
                    *rounds += 1;
                    *phase = Phase::Reaching(Reach::begin(at, doomed));
                }
            }
            Phase::Probing(slots, probe) => {
                while let Some(slot) = slots.pop_if(|_| *left > 0) {
                    *left = left.saturating_sub(PROBE * self.probe_view());
                    self.look_for(at, slot, probe)?;
                }
                if slots.is_empty() {
                    *self.writers.probe.lock() = Some(*probe);
                    for (level, node) in upper.iter() {
                        at.body.graph.level(*level).into_iter().for_each(|it| it.forget(*node));
                    }
                    *phase = Phase::Leaving(self.readers.moment());
                }
            }
            Phase::Leaving(_) | Phase::Closing(_) | Phase::Gone(_) => {
                return Ok(self.let_go(sweep, at, (left, given_back)));
            }
        }
        Ok(true)
    }

    /// Mends some of what is linked to doomed slots, from the top down; says whether that was all.
    fn mend_some(
        &self,
        at: At<'_>,
        doomed: &SlotSet,
        (level, node): (&mut usize, &mut u32),
        (upper, left): (&mut Vec<(usize, u32)>, &mut usize),
    ) -> Result<bool, Error> {
        let end = at.body.graph.level(*level).map_or(0, Level::end).min(u32::MAX as usize) as u32;
        while *node < end && *left > 0 {
            *node += 1;
            let took = self.mend(at, doomed, (*level, *node - 1), upper)?;
            *left = left.saturating_sub(took);
        }
        if *node < end {
            return Ok(false);
        }
        let below = level.checked_sub(1);
        (*level, *node) = (below.unwrap_or(0), if below.is_some() { 0 } else { *node });
        Ok(below.is_none())
    }

    /// Gives back what nothing leads to, once nobody has anything of it; says whether it is worth going on at once.
    fn let_go(
        &self,
        sweep: &mut Sweep,
        at: At<'_>,
        (left, given_back): (&mut usize, &mut Vec<Slot>),
    ) -> bool {
        let Sweep { doomed, upper, phase, .. } = sweep;
        let doomed = || doomed.iter().map(|slot| slot.0);
        let rows = at.body.codes.as_ref().and_then(Codes::own);
        *phase = match std::mem::replace(phase, Phase::Gone(Vec::new())) {
            Phase::Leaving(moment) if !self.readers.are_gone(moment) => {
                *phase = Phase::Leaving(moment);
                return false;
            }
            Phase::Leaving(_) => match rows {
                Some(rows) => Phase::Closing(rows.close(doomed())),
                None => Phase::Gone(doomed().collect()),
            },
            Phase::Closing(closed) => match rows.map(|rows| rows.give_back(closed)) {
                Some(Err(closed)) => {
                    *phase = Phase::Closing(closed);
                    return false;
                }
                _ => Phase::Gone(doomed().collect()),
            },
            Phase::Gone(mut slots) => {
                let graph = &at.body.graph;
                for (level, node) in upper.drain(..) {
                    graph.level(level).into_iter().for_each(|level| level.give_back(node));
                }
                while let Some(slot) = slots.pop_if(|_| *left > 0) {
                    *left -= 1;
                    graph.ground().put(slot, []);
                    at.body.doomed.remove(Slot(slot));
                    at.own.let_go(Slot(slot));
                    given_back.push(Slot(slot));
                }
                Phase::Gone(slots)
            }
            other => other,
        };
        true
    }

    /// Chooses slots to look for.
    fn begin_probe(&self, at: At<'_>, lost: usize) -> Phase {
        let live = &at.own.live;
        let every = live.len().div_ceil(PROBED).max(PROBED_PART);
        Phase::Probing(
            live.iter().step_by(every).collect(),
            Probe { looked_for: 0, found: 0, lost },
        )
    }

    /// How many a walk keeps in view that looks for a slot.
    fn probe_view(&self) -> usize {
        self.config.ef_search.min(PROBE_VIEW)
    }

    /// Looks for a slot by its own vector, by one walk.
    fn look_for(&self, at: At<'_>, slot: Slot, probe: &mut Probe) -> Result<(), Error> {
        if !at.own.live.contains(slot) {
            return Ok(());
        }
        let vector = at.vectors.vector(slot)?;
        let own = self.measure.distance(&vector, &vector);
        let here = at.own.live.len();
        let plan = Plan::once(self.view(self.probe_view()), 1, here);
        let found = self.search_by(&Query::new(&vector).k(1), plan, at.vectors)?;
        probe.looked_for += 1;
        probe.found += found.neighbours.iter().filter(|it| it.distance <= own).count();
        Ok(())
    }
}
