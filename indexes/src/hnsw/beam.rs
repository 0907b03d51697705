//! The walk through a graph: from what is near to what is nearer, until nothing is.

use std::cell::RefCell;

use base::Slot;

use super::graph::{Entry, Graph};
use super::links::{Level, NONE};
use super::near::Near;
use super::through::{Through, begin};
use super::visited::Visited;
use crate::codes::{CodedQuery, CodesInUse};
use crate::lanes::{Isa, Work};
use crate::measure::Compared;
use crate::query::Deadline;
use crate::{Unreadable, Vectors};

/// Says how near slots are: smaller is nearer.
pub(super) trait Scorer {
    /// How near a slot is, for a walk that only looks for the nearest one.
    fn guess<I: Isa>(&self, isa: I, slot: u32) -> f32;

    /// What is seen at a glance of how near a slot is; nothing, if that is beyond `least`. More of it will be needed, and
    /// is fetched.
    fn glance<I: Isa>(&self, isa: I, slot: u32, least: Least) -> Option<Seen>;

    /// How near a slot is of which that was seen.
    fn score<I: Isa>(&self, isa: I, slot: u32, seen: Seen) -> f32;

    /// How far what has this score is, in a measure by which twice as far is twice as much; where there is none, always
    /// the same.
    fn far(&self, score: f32) -> f32;

    /// What is beyond this score is not wanted.
    fn least(&self, score: f32) -> Least;

    /// Says that a slot will be asked for soon.
    fn fetch<I: Isa>(&self, isa: I, slot: u32);
}

/// What was seen of a slot: by its code the sum of products, in full how near it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    Sum(i32),
    Score(f32),
}

/// A score beyond which nothing is wanted, and how far off a glance may be there.
#[derive(Clone, Copy)]
pub(super) struct Least {
    score: f32,
    reach: f32,
}

/// By codes, which are to be checked or not.
#[derive(Clone, Copy)]
pub(super) struct ByCode<'s, const CHECK: bool> {
    pub(super) codes: CodesInUse<'s>,
    pub(super) query: &'s CodedQuery,
}

/// A glance may be off by so many times what is to be expected: few are more.
const DEVIATIONS: f32 = 2.0;

impl<const CHECK: bool> Scorer for ByCode<'_, CHECK> {
    #[inline(always)]
    fn guess<I: Isa>(&self, isa: I, slot: u32) -> f32 {
        self.codes.guess::<I, CHECK>(isa, self.query, slot)
    }

    #[inline(always)]
    fn glance<I: Isa>(&self, isa: I, slot: u32, least: Least) -> Option<Seen> {
        let Least { score, reach } = least;
        let sum = self.codes.glance::<I, CHECK>(isa, self.query, slot, (score, reach))?;
        self.codes.fetch_lower(isa, slot);
        Some(Seen::Sum(sum))
    }

    #[inline(always)]
    fn score<I: Isa>(&self, isa: I, slot: u32, seen: Seen) -> f32 {
        match seen {
            Seen::Sum(sum) => self.codes.score::<I, CHECK>(isa, self.query, slot, sum),
            Seen::Score(score) => score,
        }
    }

    #[inline(always)]
    fn far(&self, score: f32) -> f32 {
        self.query.apart_at(score)
    }

    /// The upper plane is off by a vector that points anywhere: of its product with another one a part of the root of the
    /// dimension is to be expected. That other one is the way from the query to the vector, as long as they are apart.
    #[inline(always)]
    fn least(&self, score: f32) -> Least {
        let apart = self.query.apart_at(score);
        Least { score, reach: DEVIATIONS * apart / (self.codes.dim() as f32).sqrt() }
    }

    #[inline(always)]
    fn fetch<I: Isa>(&self, isa: I, slot: u32) {
        self.codes.fetch(isa, slot);
    }
}

/// In full.
pub(super) struct InFull<'s> {
    pub(super) vectors: &'s dyn Vectors,
    pub(super) target: Compared<'s>,
    /// The first vector that could not be read.
    pub(super) failed: RefCell<Option<Unreadable>>,
}

impl Scorer for InFull<'_> {
    #[inline(always)]
    fn guess<I: Isa>(&self, isa: I, slot: u32) -> f32 {
        // Whose node was given up has no slot any more.
        if slot == NONE {
            return f32::INFINITY;
        }
        match self.vectors.vector(Slot(slot)) {
            Ok(vector) => self.target.distance(isa, &vector),
            Err(unreadable) => {
                self.failed.borrow_mut().get_or_insert(unreadable);
                f32::INFINITY
            }
        }
    }

    #[inline(always)]
    fn glance<I: Isa>(&self, isa: I, slot: u32, _: Least) -> Option<Seen> {
        Some(Seen::Score(self.guess(isa, slot)))
    }

    #[inline(always)]
    fn score<I: Isa>(&self, isa: I, slot: u32, seen: Seen) -> f32 {
        match seen {
            Seen::Score(score) => score,
            Seen::Sum(_) => self.guess(isa, slot),
        }
    }

    #[inline(always)]
    fn far(&self, score: f32) -> f32 {
        self.target.far(score)
    }

    #[inline(always)]
    fn least(&self, score: f32) -> Least {
        Least { score, reach: 0.0 }
    }

    #[inline(always)]
    fn fetch<I: Isa>(&self, _: I, _: u32) {}
}

/// What a search needs to remember things in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    visited: Visited,
    pub(super) near: Near,
    fresh: Vec<u32>,
    /// Nodes that a filter keeps out.
    others: Vec<u32>,
    seen: Vec<(u32, Seen)>,
    /// How many were scored.
    pub(super) scored: u64,
    /// How many may be, at most.
    pub(super) budget: u64,
    /// Whether a walk ended because its time was over.
    pub(super) is_over: bool,
}

/// It is looked whether the time is over after so many steps.
const STEPS: u32 = 16;

impl Scratch {
    /// Begins to count anew.
    pub(super) fn begin(&mut self, budget: u64) {
        (self.scored, self.budget, self.is_over) = (0, budget, false);
    }
}

/// A level of no more nodes is gone through as a whole: greedy walks do not get from one cluster to another where the
/// links are few.
pub(super) const GONE_THROUGH: usize = 512;

/// Finds out where a search begins on a level: at the nearest node of each level above it, from one that is small on.
pub(super) struct Descend<'s, S, const CHECK: bool> {
    pub(super) graph: &'s Graph,
    pub(super) entry: Entry,
    /// On which level: not above that of the entry.
    pub(super) to: usize,
    pub(super) scorer: &'s S,
    pub(super) scored: &'s mut u64,
}

impl<S: Scorer, const CHECK: bool> Work for Descend<'_, S, CHECK> {
    type Answer = u32;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> u32 {
        let Descend { graph, entry, to, scorer, scored } = self;
        let (mut node, mut left) = (entry.node, entry.level);
        let is_small = |at: &usize| graph.level(*at).is_some_and(|it| it.end() <= GONE_THROUGH);
        let small = (to + 1..=entry.level).find(is_small);
        if let Some((at, level)) = small.and_then(|at| Some((at, graph.level(at)?))) {
            node = level.below::<CHECK>(nearest_of::<I, CHECK>(isa, level, node, scorer, scored));
            left = at - 1;
        }
        while left > to {
            let Some(level) = graph.level(left) else { break };
            let mut score = scorer.guess(isa, level.slot::<CHECK>(node));
            *scored += 1;
            loop {
                let before = node;
                for link in level.links::<CHECK>(before) {
                    scorer.fetch(isa, level.slot::<CHECK>(link));
                }
                for link in level.links::<CHECK>(before) {
                    let found = scorer.guess(isa, level.slot::<CHECK>(link));
                    *scored += 1;
                    if found < score {
                        (score, node) = (found, link);
                    }
                }
                if node == before {
                    break;
                }
            }
            node = level.below::<CHECK>(node);
            left -= 1;
        }
        node
    }
}

/// Where a walk of a level begins that nothing is above: at its nearest node if it is small, or at `entry`.
#[inline(always)]
pub(super) fn nearest_of<I: Isa, const CHECK: bool>(
    isa: I,
    level: &Level,
    entry: u32,
    scorer: &impl Scorer,
    scored: &mut u64,
) -> u32 {
    if level.end() > GONE_THROUGH {
        return entry;
    }
    let (mut nearest, mut least) = (entry, f32::INFINITY);
    for node in 0..level.end() as u32 {
        let slot = level.slot::<CHECK>(node);
        if slot != NONE {
            let score = scorer.guess(isa, slot);
            *scored += 1;
            if score < least {
                (nearest, least) = (node, score);
            }
        }
    }
    nearest
}

/// A walk that finds the nearest nodes of a level, and leaves them in its scratch.
///
/// It goes step by step, so that several can take turns: what one will need is fetched while the others go on.
pub(super) struct Walk<'s, S, const CHECK: bool> {
    level: &'s Level,
    scorer: &'s S,
    scratch: &'s mut Scratch,
    least: Least,
    /// By which part all that is left has to be farther than so many for it to end.
    stop: (f32, usize),
    /// The filter that it walks through.
    through: Option<Through<'s>>,
    /// When it has to end.
    pub(super) deadline: Option<Deadline<'s>>,
    steps: u32,
}

impl<'s, S: Scorer, const CHECK: bool> Walk<'s, S, CHECK> {
    /// Begins at a node, with room for so many.
    pub(super) fn new(
        level: &'s Level,
        entry: u32,
        scorer: &'s S,
        (scratch, room): (&'s mut Scratch, usize),
    ) -> Self {
        scratch.visited.begin(level.end());
        scratch.near.begin(room);
        scratch.visited.mark_one(entry, &mut scratch.fresh);
        let least = scorer.least(f32::INFINITY);
        let (stop, through, deadline) = ((f32::INFINITY, 0), None, None);
        Walk { level, scorer, scratch, least, stop, through, deadline, steps: 0 }
    }

    /// Ends where all that is left is farther than the `k` nearest by more than this part.
    pub(super) fn stop_at(&mut self, part: f32, k: usize) {
        self.stop = (part, k);
    }

    /// Goes by those alone that a filter admits, and begins anew.
    #[inline(always)]
    pub(super) fn go_through<I: Isa>(&mut self, isa: I, through: Through<'s>, entry: u32) {
        let Scratch { visited, fresh, others, .. } = &mut *self.scratch;
        visited.begin(self.level.end());
        let on = (self.level, entry);
        self.through = Some(through);
        let by = (&through, self.scorer);
        begin::<I, S, CHECK>(isa, by, on, visited, (fresh, others));
    }

    /// Never comes to this node, which is not the one where it begins.
    pub(super) fn pass_over(&mut self, node: u32) {
        self.scratch.visited.mark_one(node, &mut Vec::new());
    }

    /// Scores what the last step found, and finds what is next to the nearest of it all; says whether there is more to do.
    #[inline(always)]
    fn step<I: Isa>(&mut self, isa: I) -> bool {
        let Walk { level, scorer, scratch, least, stop: (part, k), through, deadline, steps } =
            self;
        let Scratch { visited, near, fresh, others, seen, scored, budget, is_over } =
            &mut **scratch;
        let left = budget.saturating_sub(*scored);
        if fresh.len() as u64 > left {
            fresh.truncate(left as usize);
        }
        *scored += fresh.len() as u64;
        seen.clear();
        for node in &*fresh {
            let glanced = scorer.glance(isa, level.slot::<CHECK>(*node), *least);
            seen.extend(glanced.map(|glanced| (*node, glanced)));
        }
        for (node, glanced) in &*seen {
            let score = scorer.score(isa, level.slot::<CHECK>(*node), *glanced);
            if near.wants(score) {
                near.put(score, *node);
            }
        }
        *least = scorer.least(near.least());
        fresh.clear();
        let Some(at) = near.next().filter(|_| *scored < *budget) else { return false };
        if *part < f32::INFINITY
            && let Some(kth) = k.checked_sub(1).and_then(|before| near.sorted().get(before))
            && scorer.far(at.score) > (1.0 + *part) * scorer.far(kth.score)
        {
            return false;
        }
        *steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEPS) && deadline.is_some_and(|deadline| deadline.is_over()) {
            *is_over = true;
            return false;
        }
        match through {
            None => visited.mark(level.links::<CHECK>(at.node), fresh),
            Some(through) => {
                through.mark::<I, CHECK>(isa, (*level, at.node), visited, (fresh, others));
            }
        }
        for node in &*fresh {
            scorer.fetch(isa, level.slot::<CHECK>(*node));
        }
        if let Some(coming) = near.coming() {
            level.fetch(isa, coming);
        }
        true
    }
}

/// Walks that take turns until all are done.
pub(super) struct Walks<'w, 's, S, const CHECK: bool>(pub(super) &'w mut [Walk<'s, S, CHECK>]);

impl<S: Scorer, const CHECK: bool> Work for Walks<'_, '_, S, CHECK> {
    type Answer = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let mut walks = self.0;
        while !walks.is_empty() {
            let mut at = 0;
            while at < walks.len() {
                let Some(walk) = walks.get_mut(at) else { break };
                if walk.step(isa) {
                    at += 1;
                } else {
                    // Those that are done come last.
                    let last = walks.len() - 1;
                    walks.swap(at, last);
                    walks = walks.split_at_mut(last).0;
                }
            }
        }
    }
}
