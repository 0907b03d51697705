//! A search: what the tables say is likely to be near is gathered, most of it is passed over by sketches, and the rest is looked at by codes
//! and compared in full. What is in no table yet is looked at as well.
//!
//! Where that would be most of what there is, or a filter leaves little, or it found too few, all that is admitted is looked at
//! instead, exactly (`scan.rs`). So an answer always has `k` neighbours, or all there are.

use std::sync::Arc;

use base::Slot;

use super::Lsh;
use super::body::{Body, Tables};
use super::gather::{From, Gathered, Reach};
use super::plan::Plan;
use crate::bodies::Now;
use crate::codes::{CodedQuery, CodesInUse};
use crate::lanes::{Isa, Work};
use crate::scan::Scan;
use crate::shared::Pin;
use crate::slots::{Slots, WORD};
use crate::{Error, Incomplete, K, Nearest, Query, Vectors};

/// So many of what was gathered are looked at by their codes for each neighbour that is wanted, and one of so many of all.
const KEPT: usize = 12;
const KEPT_PART: usize = 48;

/// What found too little is followed by a search that looks so many times as far.
const MORE: usize = 4;

/// Looking at a bucket takes as long as looking at so many slots in order, and reading so many slots in one as at one.
const CELL: usize = 2;
const READ: usize = 4;

/// It, for as long as somebody has a pin.
#[derive(Clone)]
pub(super) struct InUse<'p> {
    pub(super) lsh: &'p Lsh,
    pub(super) slots: &'p Slots,
    pub(super) codes: Option<CodesInUse<'p>>,
    /// What is in no table yet, by words; taken before the tables, so that what moves meanwhile is in one of them.
    pub(super) fresh: Vec<u64>,
    pub(super) tables: Option<Arc<Tables>>,
    /// Whether nothing of it lies in an image that was not verified.
    pub(super) is_sure: bool,
}

impl Lsh {
    /// It, to be searched under a pin.
    pub(super) fn under<'p>(&'p self, body: &'p Now<'_, Body>, pin: &'p Pin<'_>) -> InUse<'p> {
        let Body { slots, codes, fresh, .. } = &**body;
        let words = if fresh.len() > 0 { slots.words() } else { 0 };
        let fresh = (0..words).map(|at| fresh.word::<true>(at)).collect();
        let codes = codes.as_ref().map(|codes| codes.under(pin));
        let (tables, is_sure) = (body.tables(), body.is_sure());
        InUse { lsh: self, slots, codes, fresh, tables, is_sure }
    }

    /// Answers a query.
    pub(super) fn search_one(
        &self,
        query: &Query<'_>,
        vectors: &dyn Vectors,
    ) -> Result<Nearest, Error> {
        let (pin, body) = (self.readers.pin(), self.body());
        body.check()?;
        let on = self.under(&body, &pin);
        let found = match self.plan(&on, query) {
            Some(plan) => self.with_scratch(|scratch| {
                let coded = on.codes.and_then(|it| CodedQuery::new(it.shape(), query.vector));
                let coded = coded.as_ref();
                self.instructions.run(Search { on: &on, query, vectors, coded, plan, scratch })
            }),
            None => Ok(Nearest::default()),
        };
        body.check()?;
        found
    }
}

/// What a search remembers things in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) gathered: Gathered,
    near: Vec<u32>,
    shown: Vec<u32>,
    /// What was looked at by its codes, where that was not enough.
    looked_at: Vec<u32>,
}

pub(super) struct Search<'s> {
    pub(super) on: &'s InUse<'s>,
    pub(super) query: &'s Query<'s>,
    pub(super) vectors: &'s dyn Vectors,
    pub(super) coded: Option<&'s CodedQuery>,
    pub(super) plan: Plan,
    pub(super) scratch: &'s mut Scratch,
}

impl Work for Search<'_> {
    type Answer = Result<Nearest, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        match self.on.is_sure {
            true => self.search::<I, false>(isa),
            false => self.search::<I, true>(isa),
        }
    }
}

impl Search<'_> {
    #[inline(always)]
    fn search<I: Isa, const CHECK: bool>(self, isa: I) -> Result<Nearest, Error> {
        let Search { on, query, vectors, coded, plan, scratch } = self;
        let coded = on.codes.zip(coded);
        let scan = Scan::<CHECK>::new(isa, (query, vectors), &on.lsh.measure, coded);
        let mut look = Look { on, scan, scratch };
        match (plan, on.tables.as_deref()) {
            (Plan::Tables { reach, admitted, is_forced }, Some(tables)) => {
                look.look_up(isa, tables, reach, (admitted, is_forced))?;
            }
            _ => look.exact(isa)?,
        }
        Ok(look.scan.into_nearest())
    }
}

/// How many of what was gathered are looked at by their codes: where it was so many, and so many neighbours are wanted.
pub(super) fn kept(gathered: usize, k: usize) -> usize {
    k.max(K).saturating_mul(KEPT).saturating_add(gathered / KEPT_PART)
}

/// Looks at all slots of some words: one piece of code for whoever does.
struct All<'a, 's, const CHECK: bool> {
    scan: &'a mut Scan<'s, CHECK>,
    word: &'a dyn Fn(usize) -> u64,
    end: usize,
}

impl<const CHECK: bool> Work for All<'_, '_, CHECK> {
    type Answer = Result<(), Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        self.scan.look_at_all(isa, 0..self.end, self.word)
    }
}

struct Look<'s, const CHECK: bool> {
    on: &'s InUse<'s>,
    scan: Scan<'s, CHECK>,
    scratch: &'s mut Scratch,
}

impl<const CHECK: bool> Look<'_, CHECK> {
    /// Looks at all that is admitted.
    #[inline(always)]
    fn exact<I: Isa>(&mut self, isa: I) -> Result<(), Error> {
        let slots = self.on.slots;
        let (word, end) = (&|at| slots.word::<CHECK>(at), slots.words());
        isa.enter(All { scan: &mut self.scan, word, end })
    }

    /// Looks up in the tables, farther and farther until it found enough.
    #[inline(always)]
    fn look_up<I: Isa>(
        &mut self,
        isa: I,
        tables: &Tables,
        mut reach: Reach,
        (admitted, is_forced): (usize, bool),
    ) -> Result<(), Error> {
        let InUse { slots, fresh, .. } = self.on;
        let Query { vector, filter, deadline, budget, .. } = *self.scan.query;
        if !fresh.is_empty() {
            let word = &|at: usize| fresh.get(at).map_or(0, |it| it & slots.word::<CHECK>(at));
            isa.enter(All { scan: &mut self.scan, word, end: fresh.len() })?;
        }
        self.scratch.gathered.begin(tables, vector, slots.words() * WORD);
        for (at, word) in fresh.iter().enumerate() {
            let these = crate::slots::slots_of(at, *word);
            these.for_each(|slot| self.scratch.gathered.pass_over(slot.0));
        }
        let from = From { tables, slots, filter, deadline };
        self.scratch.looked_at.clear();
        while self.scan.incomplete.is_none() {
            let before = self.scratch.gathered.slots.len();
            let left =
                budget.map_or(u64::MAX, |most| most.saturating_sub(self.scan.work.looked_at));
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            reach.admitted = before.saturating_add(left);
            let is_over = self.scratch.gathered.go_on::<I, CHECK>(isa, from, reach);
            let Gathered { slots: gathered, .. } = &self.scratch.gathered;
            let spent = gathered.len() >= reach.admitted;
            self.scan.work.looked_at += (gathered.len() - before) as u64;
            self.judge(isa)?;
            if is_over || spent {
                let why = if is_over { Incomplete::Deadline } else { Incomplete::Budget };
                self.scan.incomplete = Some(why);
                break;
            }
            if self.is_done(reach, admitted) {
                break;
            }
            reach.slots = reach.slots.saturating_mul(MORE);
            reach.cells = reach.cells.saturating_mul(MORE);
            if self.is_dear(reach, (admitted, is_forced)) {
                return self.exact_instead(isa);
            }
        }
        Ok(())
    }

    /// Looks at all that is admitted, as what was found is too little.
    #[inline(always)]
    fn exact_instead<I: Isa>(&mut self, isa: I) -> Result<(), Error> {
        let before = self.scan.begin_again();
        self.exact(isa)?;
        if self.scan.incomplete.is_some() {
            // Some of it may have been found twice.
            let mut all = [self.scan.begin_again().into_sorted(), before.into_sorted()].concat();
            all.sort_unstable();
            all.dedup();
            all.into_iter().for_each(|it| _ = self.scan.top.offer(it));
        }
        Ok(())
    }

    /// Looks at what differs by the fewest bits, and may be shown.
    #[inline(always)]
    fn judge<I: Isa>(&mut self, isa: I) -> Result<(), Error> {
        let Scratch { gathered, near, shown, looked_at } = &mut *self.scratch;
        let query = self.scan.query;
        let wanted = kept(gathered.count, query.k);
        let mut keep = wanted;
        loop {
            gathered.nearest(gathered.limit(keep), near);
            shown.clear();
            for slot in near.iter().map(|slot| Slot(*slot)) {
                if self.on.slots.contains::<CHECK>(slot) && query.admits(slot) {
                    shown.push(slot.0);
                }
            }
            // Some may have been removed, or be hidden.
            if shown.len() >= wanted - wanted / 4 || near.len() == gathered.slots.len() {
                break;
            }
            keep = keep.saturating_mul(2);
        }
        if !looked_at.is_empty() {
            looked_at.sort_unstable();
            shown.retain(|slot| looked_at.binary_search(slot).is_err());
        }
        looked_at.extend_from_slice(shown);
        self.scan.look_at_these(isa, shown)
    }

    /// Whether what was found is an answer, where it was looked so far.
    fn is_done(&self, reach: Reach, admitted: usize) -> bool {
        let (found, query) = (self.scan.top.len(), self.scan.query);
        if found >= query.k.min(admitted) {
            return true;
        }
        // Where all within a threshold are asked for, it must be looked as far as it takes to find twice as many.
        let enough = || self.on.reach(WITHIN, 2 * found + K);
        query.within.is_some() && enough().is_some_and(|enough| reach.slots >= enough)
    }

    /// Whether looking at all that is admitted takes less than to look so far.
    fn is_dear(&self, reach: Reach, (admitted, is_forced): (usize, bool)) -> bool {
        let gathered = &self.scratch.gathered;
        let took = CELL * gathered.cell_count + gathered.read / READ;
        gathered.is_all || !is_forced && (reach.slots >= admitted || took >= admitted)
    }
}

/// Of what is within a threshold so much should be found.
const WITHIN: f32 = 0.99;
