//! What is due: points of removed slots become nobody's, slots are given back, buffers become part of trees, and trees of larger
//! ones.
//!
//! A removed slot is first made to have no point; then, when all are gone who may have seen it, it is given back: what was its point
//! stays where it is until its tree is built anew, and is nobody's.
//!
//! One tree is built at a time, a part of it in each step, from closed buffers and from whole trees, which stay until the new one
//! takes their place. Of points that become nobody's meanwhile the new tree is told before.
//!
//! What is built from: all closed buffers, and each tree that is no larger, by orders of `fan_out`, than all that goes into the new one.
//! So there is one tree of each order at most, and a point is moved about `fan_out / 2` times in each. A tree half of whose points are
//! nobody's is built anew; so is one of which a quarter is, and an open buffer that is a quarter full is closed, when nothing else
//! is due.

use std::mem;
use std::sync::Arc;

use base::Slot;

use super::KdTree;
use super::body::Body;
use super::buffer::Buffer;
use super::build::{Build, Points};
use super::forest::Trees;
use super::leaves::{NONE, point};
use super::sample::judge;
use super::tree::Tree;
use crate::leaving::Leaving;
use crate::shared::Lives;
use crate::{Error, SlotSet, Step};

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    leaving: Option<Leaving>,
    job: Option<Job>,
    /// How much more was done than there was leave for.
    owed: usize,
}

/// A tree in the making.
#[derive(Debug)]
struct Job {
    trees: Vec<Arc<Tree>>,
    buffers: Vec<Arc<Buffer>>,
    phase: Phase,
    /// Slots whose points became nobody's since.
    gone: SlotSet,
}

#[derive(Debug)]
enum Phase {
    /// Points are gathered, of these trees and from this leaf of the first of them, and of all buffers.
    Gather { points: Points, tree: usize, leaf: usize },
    /// They are split.
    Split(Box<Build>),
}

/// When nothing else is due, a buffer of which one of so many places is taken is closed, and a tree of which one of so many points
/// is nobody's is built anew.
const IDLE: usize = 4;

/// A tree is built anew in any case when one of so many of its points is nobody's.
const DEAD: usize = 2;

/// So many leaves are gathered at a time.
const LEAVES: usize = 64;

impl KdTree {
    /// Does some of what is due.
    pub(super) fn keep_up(&self, effort: usize) -> Result<Step, Error> {
        self.bodies.let_go();
        let lent = self.bodies.now();
        if lent.image().is_some() && lent.slots.removed() == 0 {
            return Ok(Step::default());
        }
        drop(lent);
        let (body, own) = self.own()?;
        let _beside_others = self.writers.writing.read();
        let mut upkeep = self.writers.upkeep.lock();
        let mut step = Step::default();
        self.give_back((body, own), &mut upkeep, effort.max(1), &mut step);
        let mut left = effort.max(1).saturating_sub(upkeep.owed);
        upkeep.owed = upkeep.owed.saturating_sub(effort.max(1));
        while left > 0 {
            let Some(job) = upkeep.job.take().or_else(|| self.next_job(body)) else { break };
            let (job, done) = self.go_on(body, job);
            upkeep.job = job;
            upkeep.owed += done.saturating_sub(left);
            left = left.saturating_sub(done);
        }
        step.more = upkeep.job.is_some() || own.removed.len() > 0 || self.is_due(body);
        Ok(step)
    }

    /// Makes points of removed slots nobody's, and gives back those of before that nobody sees any more.
    fn give_back(
        &self,
        (body, own): (&Body, &Lives),
        upkeep: &mut Upkeep,
        most: usize,
        step: &mut Step,
    ) {
        if upkeep.leaving.is_none() && own.removed.len() == 0 {
            return;
        }
        let (codes, readers) = (body.codes.as_ref(), &*self.readers);
        let leaving = upkeep.leaving.take().unwrap_or_else(|| {
            let trees = body.forest.now();
            let slots: Vec<Slot> = own.removed.iter().take(most).collect();
            for slot in &slots {
                body.disown(&trees, *slot);
                if let Some(job) = &mut upkeep.job {
                    job.gone.insert(*slot);
                }
            }
            body.not_in_doubt(slots.len());
            Leaving::begin(slots, codes, readers)
        });
        match leaving.go(codes, readers) {
            Ok(slots) => {
                slots.iter().for_each(|slot| own.let_go(*slot));
                step.given_back = slots;
            }
            Err(leaving) => upkeep.leaving = Some(leaving),
        }
    }

    /// Whether there is something to build.
    fn is_due(&self, body: &Body) -> bool {
        self.choose(&body.forest.now()).is_some()
    }

    /// Begins with what is to be built next, if there is anything.
    fn next_job(&self, body: &Body) -> Option<Job> {
        let trees = body.forest.now();
        let chosen = match self.choose(&trees)? {
            Due::Close => {
                body.forest.close(&trees.open, (self.dim, self.config.buffer));
                self.choose(&body.forest.now())
            }
            due => Some(due),
        };
        match chosen? {
            // Somebody is still writing to one.
            Due::Close => None,
            Due::Build(trees, buffers) => {
                let points = Points::new(self.dim);
                let phase = Phase::Gather { points, tree: 0, leaf: 0 };
                Some(Job { trees, buffers, phase, gone: SlotSet::new() })
            }
        }
    }

    /// What should be built next, or done before.
    fn choose(&self, trees: &Trees) -> Option<Due> {
        let settled = trees.closed.iter().take_while(|buffer| buffer.is_settled());
        let closed: Vec<Arc<Buffer>> = settled.cloned().collect();
        if !closed.is_empty() {
            return Some(Due::Build(self.with_smaller(trees, None, &closed), closed));
        }
        let of = |tree: Option<&Arc<Tree>>| {
            Some(Due::Build(self.with_smaller(trees, Some(tree?), &[]), Vec::new()))
        };
        let is_level = |two: &&[Arc<Tree>]| {
            two.first().map(|tree| self.order(tree)) == two.last().map(|tree| self.order(tree))
        };
        let level = trees.trees.windows(2).rfind(is_level).and_then(<[_]>::last);
        let dying = |part| trees.trees.iter().rfind(|tree| is_dying(tree, part));
        if let Some(due) = of(level.or_else(|| dying(DEAD))) {
            return Some(due);
        }
        if !trees.closed.is_empty() {
            return None;
        }
        let is_due = trees.open.alive() >= self.config.buffer / IDLE;
        if is_due { Some(Due::Close) } else { of(dying(IDLE)) }
    }

    /// A tree, if there is one, and all others that are no larger, by order, than what is built from then.
    fn with_smaller(
        &self,
        trees: &Trees,
        first: Option<&Arc<Tree>>,
        buffers: &[Arc<Buffer>],
    ) -> Vec<Arc<Tree>> {
        let mut points = buffers.iter().map(|buffer| buffer.alive()).sum::<usize>();
        points += first.map_or(0, |tree| tree.alive());
        let mut chosen: Vec<_> = first.cloned().into_iter().collect();
        for tree in trees.trees.iter().rev() {
            let is_in = chosen.iter().any(|it| Arc::ptr_eq(it, tree));
            if !is_in && self.order(tree) <= self.order_of(points) {
                points += tree.alive();
                chosen.push(Arc::clone(tree));
            }
        }
        chosen
    }

    fn order(&self, tree: &Tree) -> u32 {
        self.order_of(tree.points())
    }

    /// Of which order so many points are: one more is so many times as many.
    fn order_of(&self, points: usize) -> u32 {
        (points / self.config.buffer).max(1).ilog(self.config.fan_out)
    }

    /// Goes on with a tree in the making; answers with it, if it is not done, and with how much was looked at.
    fn go_on(&self, body: &Body, mut job: Job) -> (Option<Job>, usize) {
        match &mut job.phase {
            Phase::Gather { points, tree, leaf } => {
                if let Some(from) = job.trees.get(*tree) {
                    let end = (*leaf + LEAVES).min(from.shape.leaves());
                    let before = points.len();
                    from.each_point(*leaf..end, |_, (numbers, lane), owner| {
                        if owner != NONE {
                            points.push(point(numbers, self.dim, lane), owner);
                        }
                    });
                    let done = (points.len() - before).max(LEAVES);
                    (*tree, *leaf) =
                        if end == from.shape.leaves() { (*tree + 1, 0) } else { (*tree, end) };
                    return (Some(job), done);
                }
                let mut points = mem::replace(points, Points::new(self.dim));
                for buffer in &job.buffers {
                    buffer.each_point(|numbers, owner| {
                        points.rows.extend_from_slice(numbers);
                        points.rows.push(owner);
                    });
                }
                let done = job.buffers.iter().map(|buffer| buffer.len()).sum::<usize>() + 1;
                if points.len() == 0 {
                    self.put(body, &job, None);
                    return (None, done);
                }
                job.phase = Phase::Split(Box::new(Build::new(points, self.config.leaf)));
                (Some(job), done)
            }
            Phase::Split(build) => match build.advance() {
                Some(done) => (Some(job), done),
                None => {
                    let Phase::Split(build) = mem::replace(&mut job.phase, nothing(self.dim))
                    else {
                        unreachable!("it was split")
                    };
                    let mut tree = build.into_tree();
                    tree.judged = judge(self, &tree);
                    let done = tree.points();
                    self.put(body, &job, Some(tree));
                    (None, done)
                }
            },
        }
    }

    /// Puts a tree, if anything is left of it, in the place of what it was built from.
    fn put(&self, body: &Body, job: &Job, tree: Option<Tree>) {
        if let Some(tree) = &tree {
            tree.each_point(0..tree.shape.leaves(), |at, _, owner| {
                if job.gone.contains(Slot(owner)) {
                    // It may be there again, in a buffer, where it is noted.
                    tree.disown(at, owner);
                } else {
                    body.note(owner, at as u32);
                }
            });
        }
        let tree = tree.map(Arc::new);
        body.forest.change(|now| {
            let is_old = |it: &&Arc<Tree>| job.trees.iter().any(|old| Arc::ptr_eq(old, it));
            let stay = now.trees.iter().filter(|it| !is_old(it)).chain(&tree).cloned().collect();
            let is_done = |it: &&Arc<Buffer>| job.buffers.iter().any(|old| Arc::ptr_eq(old, it));
            let closed = now.closed.iter().filter(|it| !is_done(it)).cloned().collect();
            let trees = Trees::new(stay, (self.dim, self.config.buffer));
            Some(Trees { closed, open: Arc::clone(&now.open), ..trees })
        });
    }
}

/// Whether one of so many of a tree's points is nobody's.
fn is_dying(tree: &Tree, part: usize) -> bool {
    let dead = tree.points() - tree.alive();
    dead > 0 && dead * part >= tree.points()
}

/// What is to be done next.
enum Due {
    /// The open buffer is to be closed.
    Close,
    /// A tree is to be built of these.
    Build(Vec<Arc<Tree>>, Vec<Arc<Buffer>>),
}

fn nothing(dim: usize) -> Phase {
    Phase::Gather { points: Points::new(dim), tree: 0, leaf: 0 }
}
