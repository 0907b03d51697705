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

use base::Slot;

use self::reach::Reach;
use super::Hnsw;
use super::body::Body;
use super::slots::OwnSlots;
use crate::shared::{Closed, Moment};
use crate::{Error, Probe, Query, SlotSet, Step, Vectors};

/// So many slots are looked for by their own vectors when a sweep is done.
const PROBED: usize = 64;

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
    /// How many had to be linked anew.
    lost: usize,
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
    Joining(Vec<u32>),
    /// Nothing leads to them; some may be on them.
    Leaving(Moment),
    /// Nobody is on them; some may be reading their codes.
    Closing(Closed),
    /// Nobody has anything of them.
    Gone,
}

/// What an upkeep has of the graph: what may be changed, and the vectors.
#[derive(Clone, Copy)]
struct At<'u> {
    body: &'u Body,
    own: &'u OwnSlots,
    vectors: &'u dyn Vectors,
}

impl Hnsw {
    /// Does about as much as looking at so many slots takes.
    pub(super) fn keep_up(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        crate::vectors::check_dim(vectors, self.dim)?;
        if self.image().is_some() && self.first.slots.removed() == 0 {
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
        if let Some(sweep) = &mut upkeep.sweep {
            while left > 0 && self.go_on(sweep, at, &mut left)? {}
            if matches!(sweep.phase, Phase::Gone) {
                let _beside_others = self.writers.writing.read();
                step.given_back = give_back(sweep, at);
                upkeep.sweep = None;
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
        doomed.iter().for_each(|slot| _ = own.doomed.insert(slot));
        let graph = &body.graph;
        if let Some(entry) = graph.entry() {
            let slot = graph.level(entry.level).map(|level| level.slot::<false>(entry.node));
            if slot.is_none_or(|slot| !own.live.contains(Slot(slot))) {
                let other = graph.highest(|slot| own.live.contains(Slot(slot)));
                graph.move_entry(Some(entry), other);
            }
        }
        let phase = Phase::Mending { level: graph.height(), node: 0 };
        Sweep { doomed, upper: Vec::new(), lost: 0, phase }
    }

    /// Goes on with a sweep; says whether it is worth going on at once.
    fn go_on(&self, sweep: &mut Sweep, at: At<'_>, left: &mut usize) -> Result<bool, Error> {
        let beside_others = self.writers.writing.read();
        match &mut sweep.phase {
            Phase::Mending { level, node } => {
                let Some(nodes) = at.body.graph.level(*level) else {
                    *level = level.saturating_sub(1);
                    return Ok(true);
                };
                let end = nodes.end().min(u32::MAX as usize) as u32;
                while *node < end && *left > 0 {
                    let took = self.mend(at, &sweep.doomed, (*level, *node), &mut sweep.upper)?;
                    *left = left.saturating_sub(took);
                    *node += 1;
                }
                if *node >= end {
                    sweep.phase = match level.checked_sub(1) {
                        Some(level) => Phase::Mending { level, node: 0 },
                        None => Phase::Reaching(Reach::begin(at)),
                    };
                }
                Ok(true)
            }
            Phase::Reaching(reach) => {
                if reach.go_on(at, left) {
                    sweep.phase = Phase::Joining(reach.lost(at));
                }
                Ok(true)
            }
            Phase::Joining(lost) => {
                while let Some(slot) = lost.last().filter(|_| *left > 0) {
                    *left = left.saturating_sub(self.config.ef_construction);
                    self.join(at, *slot)?;
                    sweep.lost += 1;
                    lost.pop();
                }
                if lost.is_empty() {
                    drop(beside_others);
                    self.note_probe(at, sweep.lost)?;
                    let _beside_others = self.writers.writing.read();
                    for (level, node) in &sweep.upper {
                        at.body.graph.level(*level).into_iter().for_each(|it| it.forget(*node));
                    }
                    sweep.phase = Phase::Leaving(self.readers.moment());
                }
                Ok(true)
            }
            Phase::Leaving(moment) => {
                let gone = self.readers.are_gone(*moment);
                if gone {
                    let rows = at.body.nodes.as_ref().and_then(|nodes| nodes.own());
                    let close = |rows: &crate::shared::Rows| {
                        rows.close(sweep.doomed.iter().map(|slot| slot.0))
                    };
                    sweep.phase = rows.map(close).map_or(Phase::Gone, Phase::Closing);
                }
                Ok(gone && matches!(sweep.phase, Phase::Closing(_)))
            }
            Phase::Closing(_) => {
                let phase = std::mem::replace(&mut sweep.phase, Phase::Gone);
                let rows = at.body.nodes.as_ref().and_then(|nodes| nodes.own());
                if let (Phase::Closing(closed), Some(rows)) = (phase, rows)
                    && let Err(closed) = rows.give_back(closed)
                {
                    sweep.phase = Phase::Closing(closed);
                }
                Ok(false)
            }
            Phase::Gone => Ok(false),
        }
    }

    /// Looks for some slots by their own vectors.
    fn note_probe(&self, at: At<'_>, lost: usize) -> Result<(), Error> {
        let every = at.own.live.len().div_ceil(PROBED).max(1);
        let mut probe = Probe { looked_for: 0, found: 0, lost };
        for slot in at.own.live.iter().step_by(every) {
            let vector = at.vectors.vector(slot)?;
            let own = self.measure.distance(&vector, &vector);
            let view = self.view(self.config.ef_search);
            let found = self.search_in(&Query::new(&vector).k(1), Some(view), at.vectors)?;
            probe.looked_for += 1;
            probe.found += found.neighbours.iter().filter(|it| it.distance <= own).count();
        }
        *self.writers.probe.lock() = Some(probe);
        Ok(())
    }
}

/// Gives the slots of a sweep back, of which nobody has anything.
fn give_back(sweep: &Sweep, At { body, own, .. }: At<'_>) -> Vec<Slot> {
    for (level, node) in &sweep.upper {
        body.graph.level(*level).into_iter().for_each(|level| level.give_back(*node));
    }
    for slot in sweep.doomed.iter() {
        body.graph.ground().put(slot.0, []);
        own.doomed.remove(slot);
        own.removed.remove(slot);
        own.let_go(slot.0);
    }
    sweep.doomed.iter().collect()
}
