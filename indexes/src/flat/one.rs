//! The search for one query: by codes first where that pays, in full where it does not.

use std::ops::Range;

use base::Slot;

use super::Kept;
use super::pays::Pays;
use crate::codes::{CodedQuery, Codes, Limit, Sums, beyond, upper_products};
use crate::lanes::{Isa, LANES, Work};
use crate::measure::Compared;
use crate::metric::Off;
use crate::query::Effort;
use crate::slots::{WORD, slots_of};
use crate::top::Top;
use crate::{Error, Incomplete, Nearest, Neighbour, Pool, Query, Vectors};

/// No thread is given fewer words than this, of 64 slots each.
const WORDS_A_THREAD: usize = 128;

/// It is looked whether the time is over once in so many words.
const WORDS: usize = 16;

/// Codes pay for one query as long as less than one of so many vectors is compared in full all the same.
const IN_FULL: u64 = 4;

/// Searches for one, on all threads of a pool.
pub(super) fn search(
    flat: &Kept,
    query: &Query<'_>,
    vectors: &dyn Vectors,
    pool: &Pool,
) -> Result<Nearest, Error> {
    if query.k == 0 {
        return Ok(Nearest::default());
    }
    let coded = flat.codes.as_ref().and_then(|codes| CodedQuery::new(codes.shape(), query.vector));
    let words = query.filter.map_or(usize::MAX, |it| it.words()).min(flat.live.words());
    // What a budget leaves out should not depend on how many threads there are.
    let threads = if query.budget.is_some() { 1 } else { pool.threads() };
    let parts = threads.min(words / WORDS_A_THREAD).max(1);
    let of_part = |part: usize| part * words / parts..(part + 1) * words / parts;
    let found = pool.each((0..parts).map(of_part).collect(), |words| {
        let coded = coded.as_ref();
        flat.instructions.run(Scan { flat, query, vectors, coded, words })
    });
    let mut found = found.into_iter();
    let mut whole = match found.next() {
        Some(first) => first?,
        None => return Ok(Nearest::default()),
    };
    for part in found {
        let part = part?;
        whole.top.merge(part.top);
        whole.work += part.work;
        whole.incomplete = whole.incomplete.or(part.incomplete);
    }
    Ok(Nearest {
        neighbours: whole.top.into_sorted(),
        incomplete: whole.incomplete,
        work: whole.work,
    })
}

/// The search among some words of slots.
struct Scan<'s> {
    flat: &'s Kept,
    query: &'s Query<'s>,
    vectors: &'s dyn Vectors,
    coded: Option<&'s CodedQuery>,
    words: Range<usize>,
}

/// What it found.
struct Found {
    top: Top,
    incomplete: Option<Incomplete>,
    work: Effort,
}

impl Work for Scan<'_> {
    type Answer = Result<Found, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Result<Found, Error> {
        let Scan { flat, query, vectors, coded, words } = self;
        let target = flat.measure.target(isa, query.vector);
        let found = Found { top: Top::new(query), incomplete: None, work: Effort::default() };
        let mut full = Full { vectors, target, found };
        let mut coded = match (coded, &flat.codes, flat.metric()) {
            (Some(query), Some(codes), Some(metric)) => {
                let off = metric.error(flat.dim);
                let limit = Limit::new(query, off, full.found.top.limit());
                Some(ByCode { codes, query, off, limit, pays: Pays::new(IN_FULL) })
            }
            _ => None,
        };
        for at in words {
            if at.is_multiple_of(WORDS) && query.deadline.is_some_and(|deadline| deadline.is_over())
            {
                full.found.incomplete = Some(Incomplete::Deadline);
                break;
            }
            let mut word = flat.admitted(query, at);
            if word == 0 {
                continue;
            }
            if let Some(budget) = query.budget {
                let left = budget - full.found.work.looked_at;
                if u64::from(word.count_ones()) > left {
                    word = lowest(word, left);
                    full.found.incomplete = Some(Incomplete::Budget);
                }
            }
            let before = full.found.work.in_full;
            full.found.work.looked_at += u64::from(word.count_ones());
            match coded.as_mut().and_then(|coded| coded.pays.next().then_some(coded)) {
                Some(coded) => {
                    coded.look(isa, at, word, &mut full)?;
                    let in_full = full.found.work.in_full - before;
                    coded.pays.note(u64::from(word.count_ones()), in_full);
                }
                None => {
                    for slot in slots_of(at, word) {
                        if full.compare(isa, slot)?
                            && let Some(coded) = &mut coded
                        {
                            coded.limit(full.found.top.limit());
                        }
                    }
                }
            }
            if full.found.incomplete.is_some() {
                break;
            }
        }
        Ok(full.found)
    }
}

/// So many of a word's lowest bits.
fn lowest(word: u64, count: u64) -> u64 {
    let mut left = word;
    for _ in 0..count {
        left &= left.wrapping_sub(1);
    }
    word ^ left
}

/// Compares in full.
struct Full<'s> {
    vectors: &'s dyn Vectors,
    target: Compared<'s>,
    found: Found,
}

impl Full<'_> {
    /// Compares a vector in full; says whether that changed how far others may be.
    #[inline(always)]
    fn compare<I: Isa>(&mut self, isa: I, slot: Slot) -> Result<bool, Error> {
        let vector = self.vectors.vector(slot)?;
        self.found.work.in_full += 1;
        let distance = self.target.distance(isa, &vector);
        Ok(self.found.top.offer(Neighbour { distance, slot }))
    }
}

/// Compares by codes.
struct ByCode<'s> {
    codes: &'s Codes,
    query: &'s CodedQuery,
    off: Off,
    limit: Limit,
    pays: Pays,
}

impl ByCode<'_> {
    #[inline(always)]
    fn limit(&mut self, limit: f32) {
        self.limit = Limit::new(self.query, self.off, limit);
    }

    /// Looks at the slots of a word, and compares in full what their codes do not rule out.
    #[inline(always)]
    fn look<I: Isa>(
        &mut self,
        isa: I,
        at: usize,
        word: u64,
        full: &mut Full<'_>,
    ) -> Result<(), Error> {
        let mut left = 0;
        for part in 0..WORD / LANES {
            let wanted = (word >> (part * LANES)) as u16;
            if wanted != 0 {
                let beyond = self.beyond(isa, at * WORD + part * LANES, wanted);
                left |= u64::from(wanted & !beyond) << (part * LANES);
            }
        }
        if left == 0 {
            return Ok(());
        }
        for slot in slots_of(at, left) {
            self.codes.fetch_fine(isa, slot.0 as usize);
        }
        full.found.work.by_code += u64::from(left.count_ones());
        for slot in slots_of(at, left) {
            if self.codes.is_beyond(isa, self.query, slot.0 as usize, self.limit) {
                continue;
            }
            if full.compare(isa, slot)? {
                self.limit(full.found.top.limit());
            }
        }
        Ok(())
    }

    /// Which of 16 slots are beyond the limit by their upper planes; those not wanted may be said to be, or not.
    #[inline(always)]
    fn beyond<I: Isa>(&self, isa: I, first: usize, wanted: u16) -> u16 {
        let Some(coarse) = self.codes.coarse(first) else { return 0 };
        let planes = self.codes.upper(first, LANES);
        let rows = planes.chunks_exact(self.query.steps());
        let mut sums: Sums = [0; LANES];
        if wanted == u16::MAX {
            for (sum, plane) in sums.iter_mut().zip(rows) {
                *sum = upper_products(isa, plane, self.query);
            }
        } else {
            for (lane, (sum, plane)) in sums.iter_mut().zip(rows).enumerate() {
                if wanted >> lane & 1 != 0 {
                    *sum = upper_products(isa, plane, self.query);
                }
            }
        }
        beyond(isa, self.query.coarse(), &coarse, isa.wholes(&sums), self.limit)
    }
}
