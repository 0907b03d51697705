//! The walk through a graph: from what is near to what is nearer, until nothing is.

use std::cell::RefCell;

use base::Slot;

use super::links::{Ground, Level, NONE, Upper};
use super::near::Near;
use super::nodes::Nodes;
use super::visited::Visited;
use crate::codes::CodedQuery;
use crate::lanes::Isa;
use crate::measure::Compared;
use crate::{Unreadable, Vectors};

/// Says how near slots are: smaller is nearer.
pub(super) trait Scorer {
    /// How near a slot is, for a walk that only looks for the nearest one.
    fn guess<I: Isa>(&self, isa: I, slot: u32) -> f32;

    /// How near a slot is; nothing, if that is beyond `least`, as far as can be seen at a glance.
    fn score<I: Isa>(&self, isa: I, slot: u32, least: Least) -> Option<f32>;

    /// What is beyond this score is not wanted.
    fn least(&self, score: f32) -> Least;

    /// Says that a slot will be asked for soon.
    fn fetch<I: Isa>(&self, isa: I, slot: u32);
}

/// A score beyond which nothing is wanted, and how far off a glance may be there.
#[derive(Clone, Copy)]
pub(super) struct Least {
    score: f32,
    reach: f32,
}

/// By codes.
pub(super) struct ByCode<'s> {
    pub(super) nodes: &'s Nodes,
    pub(super) query: &'s CodedQuery,
    pub(super) dim: usize,
}

/// A glance may be off by so many times what is to be expected: few are more.
const DEVIATIONS: f32 = 2.0;

impl Scorer for ByCode<'_> {
    #[inline(always)]
    fn guess<I: Isa>(&self, isa: I, slot: u32) -> f32 {
        self.nodes.guess(isa, self.query, slot)
    }

    #[inline(always)]
    fn score<I: Isa>(&self, isa: I, slot: u32, least: Least) -> Option<f32> {
        self.nodes.score(isa, self.query, slot, (least.score, least.reach))
    }

    /// The upper plane is off by a vector that points anywhere: of its product with another one a part of the root of the
    /// dimension is to be expected. That other one is the way from the query to the vector, as long as they are apart.
    #[inline(always)]
    fn least(&self, score: f32) -> Least {
        let apart = self.query.apart_at(score);
        Least { score, reach: DEVIATIONS * apart / (self.dim as f32).sqrt() }
    }

    #[inline(always)]
    fn fetch<I: Isa>(&self, isa: I, slot: u32) {
        self.nodes.fetch(isa, slot);
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
        match self.vectors.vector(Slot(slot)) {
            Ok(vector) => self.target.distance(isa, &vector),
            Err(unreadable) => {
                self.failed.borrow_mut().get_or_insert(unreadable);
                f32::INFINITY
            }
        }
    }

    #[inline(always)]
    fn score<I: Isa>(&self, isa: I, slot: u32, _: Least) -> Option<f32> {
        Some(self.guess(isa, slot))
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
    /// How many were scored.
    pub(super) scored: u64,
    /// How many may be, at most.
    pub(super) budget: u64,
}

/// A level of no more nodes is gone through as a whole: greedy walks do not get from one cluster to another where the
/// links are few.
const GONE_THROUGH: usize = 512;

/// Where a search of what is below these levels begins: at the nearest node of each, from one that is small on. `entry`
/// is where it begins if there is none.
#[inline(always)]
pub(super) fn descend<I: Isa>(
    isa: I,
    levels: &[Upper],
    entry: u32,
    scorer: &impl Scorer,
    scored: &mut u64,
) -> u32 {
    let small = levels.iter().position(|level| level.end() <= GONE_THROUGH);
    let (mut node, mut left) = (entry, levels);
    if let Some((level, rest)) = small.and_then(|at| levels.get(..=at)?.split_last()) {
        node = level.below(nearest_of(isa, level, entry, scorer, scored));
        left = rest;
    }
    for level in left.iter().rev() {
        let mut score = scorer.guess(isa, level.slot(node));
        *scored += 1;
        loop {
            let before = node;
            for link in level.links(before) {
                if *link == NONE {
                    break;
                }
                scorer.fetch(isa, level.slot(*link));
            }
            for link in level.links(before) {
                if *link == NONE {
                    break;
                }
                let found = scorer.guess(isa, level.slot(*link));
                *scored += 1;
                if found < score {
                    (score, node) = (found, *link);
                }
            }
            if node == before {
                break;
            }
        }
        node = level.below(node);
    }
    node
}

/// Where a walk of a level begins that nothing is above: at its nearest node if it is small, or at `entry`.
#[inline(always)]
pub(super) fn nearest_of<I: Isa>(
    isa: I,
    level: &Upper,
    entry: u32,
    scorer: &impl Scorer,
    scored: &mut u64,
) -> u32 {
    if level.end() > GONE_THROUGH {
        return entry;
    }
    let (mut nearest, mut least) = (entry, f32::INFINITY);
    for node in 0..level.end() as u32 {
        let slot = level.slot(node);
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

/// Finds the nearest nodes of a level, as many as `room` says, and leaves them in `scratch.near`.
#[inline(always)]
pub(super) fn walk<I: Isa, L: Level>(
    isa: I,
    level: &L,
    entry: u32,
    scorer: &impl Scorer,
    (scratch, room): (&mut Scratch, usize),
) {
    let Scratch { visited, near, fresh, scored, budget } = scratch;
    visited.begin(level.end());
    near.begin(room);
    let mut least = scorer.least(f32::INFINITY);
    if visited.is_new(entry) {
        *scored += 1;
        if let Some(score) = scorer.score(isa, level.slot(entry), least) {
            near.put(score, entry);
        }
    }
    while let Some(at) = near.next().filter(|_| *scored < *budget) {
        fresh.clear();
        for link in level.links(at.node) {
            if *link == NONE {
                break;
            }
            if visited.is_new(*link) {
                scorer.fetch(isa, level.slot(*link));
                fresh.push(*link);
            }
        }
        if let Some(coming) = near.coming() {
            for line in level.links(coming).as_chunks::<16>().0 {
                isa.fetch(line);
            }
        }
        let left = budget.saturating_sub(*scored);
        if fresh.len() as u64 > left {
            fresh.truncate(left as usize);
        }
        *scored += fresh.len() as u64;
        for node in &*fresh {
            let score = scorer.score(isa, level.slot(*node), least);
            if let Some(score) = score.filter(|score| near.wants(*score)) {
                near.put(score, *node);
                least = scorer.least(near.least());
            }
        }
    }
}

/// The ground and the levels above it.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    pub(super) ground: Ground,
    pub(super) levels: Vec<Upper>,
    /// The node of the highest level at which every search begins.
    pub(super) entry: Option<u32>,
}

impl Graph {
    /// How many bytes its links take.
    pub(super) fn bytes(&self) -> usize {
        self.ground.bytes() + self.levels.iter().map(Upper::bytes).sum::<usize>()
    }
}
