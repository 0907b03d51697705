//! A search among points: which are near so far, and how far something may be by now.
//!
//! Promises
//!  1. What it ends with is what comparing everything would, to the bit, unless it says that it is incomplete.
//!  2. It ends early only where the query says so, and notes why.

use base::Slot;

use super::best::Best;
use super::leaves::{NONE, OwnersRow};
use super::space::Asked;
use crate::lanes::{Isa, LANES, Work};
use crate::query::Effort;
use crate::slots::Slots;
use crate::{Error, Incomplete, Nearest, Neighbour, Query};

/// It is looked whether the time is over once in so many points.
const POINTS: u64 = 1_024;

/// So many of sixteen points are taken note of together.
const MANY: u32 = 8;

/// Whether a slot that owns a point may have been removed, or never have been there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owned {
    /// It is there.
    Surely,
    /// It has to be looked up.
    Perhaps,
}

/// A search, and what it found so far.
pub(super) struct Seek<'s> {
    query: &'s Query<'s>,
    asked: Asked<'s>,
    slots: &'s Slots,
    owned: Owned,
    best: Best,
    /// The square that points may be far by now.
    pub(super) limit: f32,
    work: Effort,
    pub(super) incomplete: Option<Incomplete>,
    /// When it is next looked whether the time is over.
    next: u64,
}

/// Takes note of those of sixteen points that are near enough, by their squares. Compiled once for each set of instructions, and
/// not for each number of dimensions.
pub(super) struct Note<'n, 's> {
    pub(super) seek: &'n mut Seek<'s>,
    pub(super) sixteen: Sixteen<'n>,
    pub(super) squares: [f32; LANES],
    pub(super) near: u16,
}

impl Work for Note<'_, '_> {
    type Answer = Result<(), Error>;

    #[inline(always)]
    fn run<I: Isa>(self, _: I) -> Self::Answer {
        self.seek.note(self.sixteen, &self.squares, self.near)
    }
}

/// Sixteen points that lie together, and whose they are.
#[derive(Clone, Copy)]
pub(super) struct Sixteen<'r> {
    pub(super) numbers: &'r [u8],
    pub(super) owners: OwnersRow<'r>,
    /// The first of them.
    pub(super) first: usize,
}

impl<'s> Seek<'s> {
    pub(super) fn new(
        query: &'s Query<'s>,
        asked: Asked<'s>,
        (slots, owned): (&'s Slots, Owned),
    ) -> Self {
        let best = Best::new(query);
        let limit = asked.limit(best.limit());
        let (work, incomplete) = (Effort::default(), None);
        Seek { query, asked, slots, owned, best, limit, work, incomplete, next: 0 }
    }

    pub(super) fn into_nearest(self) -> Nearest {
        let (incomplete, work) = (self.incomplete, self.work);
        Nearest { neighbours: self.best.into_sorted(), incomplete, work }
    }

    /// Of so many points those that may be looked at, which are counted; notes why not all. From then on there are none.
    #[inline]
    pub(super) fn allowed(&mut self, count: usize) -> usize {
        let mut allowed = count;
        if self.query.budget.is_some() || self.query.deadline.is_some() {
            allowed = self.limited(count);
        }
        self.work.looked_at += allowed as u64;
        allowed
    }

    #[cold]
    fn limited(&mut self, count: usize) -> usize {
        if self.incomplete.is_some() {
            return 0;
        }
        let mut allowed = count;
        if let Some(budget) = self.query.budget {
            let left = budget.saturating_sub(self.work.looked_at);
            if left < count as u64 {
                self.incomplete = Some(Incomplete::Budget);
                allowed = left as usize;
            }
        }
        if let Some(deadline) = self.query.deadline
            && self.work.looked_at >= self.next
        {
            self.next = self.work.looked_at + POINTS;
            if deadline.is_over() {
                self.incomplete = Some(Incomplete::Deadline);
                allowed = 0;
            }
        }
        allowed
    }

    #[inline(always)]
    fn note(
        &mut self,
        sixteen: Sixteen<'_>,
        squares: &[f32; LANES],
        mut near: u16,
    ) -> Result<(), Error> {
        let is_first = near.count_ones() >= MANY && self.best.may_begin();
        // In an image of which nobody vouches one of them may be there twice.
        if is_first && self.owned == Owned::Surely && self.begin(sixteen, squares, near) {
            return Ok(());
        }
        while near != 0 {
            let lane = near.trailing_zeros() as usize;
            near &= near - 1;
            let square = squares.get(lane).copied().unwrap_or(f32::INFINITY);
            // Those before may have made the limit narrower.
            if square > self.limit {
                continue;
            }
            self.note_one(sixteen, lane, square)?;
        }
        Ok(())
    }

    /// Takes note of many of the first points that are seen at all, if their squares say how far they are.
    #[inline(always)]
    fn begin(
        &mut self,
        Sixteen { owners, first, .. }: Sixteen<'_>,
        squares: &[f32; LANES],
        near: u16,
    ) -> bool {
        let Some(distances) = self.asked.distances(squares) else { return false };
        let mut seen = [Neighbour { distance: f32::NAN, slot: Slot(NONE) }; LANES];
        for (lane, (seen, distance)) in seen.iter_mut().zip(distances).enumerate() {
            let slot = Slot(owners.get(first + lane));
            let is_near = near >> lane & 1 != 0;
            if is_near && slot != Slot(NONE) && self.query.admits(slot) {
                self.work.in_full += 1;
                *seen = Neighbour { distance, slot };
            }
        }
        self.best.begin(seen);
        self.limit = self.asked.limit(self.best.limit());
        true
    }

    /// Takes note of a point that is near enough.
    #[inline(always)]
    fn note_one(
        &mut self,
        Sixteen { numbers, owners, first }: Sixteen<'_>,
        lane: usize,
        square: f32,
    ) -> Result<(), Error> {
        let slot = Slot(owners.get(first + lane));
        let is_there = || self.owned == Owned::Surely || self.slots.has(slot);
        if slot == Slot(NONE) || !is_there() || !self.query.admits(slot) {
            return Ok(());
        }
        self.work.in_full += 1;
        let distance = self.asked.distance(square, (numbers, lane), slot.0)?;
        if self.best.offer(Neighbour { distance, slot }) {
            self.limit = self.asked.limit(self.best.limit());
        }
        Ok(())
    }
}
