//! Looks at slots one after the other for one query: by upper planes, sixteen at a time, by both planes where those leave it open,
//! and in full where these do.
//!
//! Promises
//!  1. What it finds is what comparing all of them in full would find, to the bit.
//!  2. It ends early only where the query says so, and notes why.

mod pays;

use std::ops::Range;

use base::Slot;

pub(crate) use self::pays::Pays;
use crate::codes::{CodedQuery, CodesInUse, Limit};
use crate::lanes::{Isa, LANES};
use crate::measure::Compared;
use crate::metric::Off;
use crate::query::Effort;
use crate::slots::{WORD, slots_of};
use crate::top::Top;
use crate::{Error, Incomplete, Measure, Nearest, Neighbour, Query, Vectors};

/// It is looked whether the time is over once in so many words of slots.
pub(crate) const WORDS: usize = 16;

/// Of a word that has so many slots all are looked at as they lie.
const DENSE: u32 = 32;

/// Codes pay for one query as long as less than one of so many vectors is compared in full all the same.
const IN_FULL: u64 = 4;

/// A query, and what was found for it so far.
pub(crate) struct Scan<'s, const CHECK: bool> {
    pub(crate) query: &'s Query<'s>,
    pub(crate) vectors: &'s dyn Vectors,
    pub(crate) target: Compared<'s>,
    by_code: Option<ByCode<'s>>,
    pub(crate) top: Top,
    pub(crate) work: Effort,
    pub(crate) incomplete: Option<Incomplete>,
}

/// What it takes to compare by codes.
struct ByCode<'s> {
    codes: CodesInUse<'s>,
    query: &'s CodedQuery,
    off: Off,
    /// How far vectors may be by now, if not as far as they like.
    limit: Option<Limit>,
}

/// Slots that are looked at together.
#[derive(Default)]
struct Batch {
    slots: [u32; LANES],
    len: usize,
}

impl Batch {
    /// Puts in one more; says whether that was the last there is room for.
    #[inline(always)]
    fn put(&mut self, slot: Slot) -> bool {
        if let Some(place) = self.slots.get_mut(self.len) {
            *place = slot.0;
            self.len += 1;
        }
        self.len == self.slots.len()
    }

    #[inline(always)]
    fn get(&self) -> &[u32] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

impl<'s, const CHECK: bool> Scan<'s, CHECK> {
    #[inline(always)]
    pub(crate) fn new<I: Isa>(
        isa: I,
        (query, vectors): (&'s Query<'s>, &'s dyn Vectors),
        measure: &'s Measure,
        coded: Option<(CodesInUse<'s>, &'s CodedQuery)>,
    ) -> Self {
        let target = measure.target(isa, query.vector);
        let top = Top::new(query);
        let by_code = match (coded, measure.metric()) {
            (Some((codes, query)), Some(metric)) => {
                let off = metric.error(codes.dim());
                Some(ByCode { codes, query, off, limit: None })
            }
            _ => None,
        };
        let (work, incomplete) = (Effort::default(), None);
        let mut scan = Scan { query, vectors, target, by_code, top, work, incomplete };
        scan.note_limit();
        scan
    }

    /// Forgets what was found, and not what it took; answers with what that was.
    pub(crate) fn begin_again(&mut self) -> Top {
        let top = std::mem::replace(&mut self.top, Top::new(self.query));
        self.note_limit();
        top
    }

    pub(crate) fn into_nearest(self) -> Nearest {
        let (incomplete, work) = (self.incomplete, self.work);
        Nearest { neighbours: self.top.into_sorted(), incomplete, work }
    }

    /// Looks at those slots of some words that the query admits, of those that `word` says are there.
    #[inline(always)]
    pub(crate) fn look_at_all<I: Isa>(
        &mut self,
        isa: I,
        words: Range<usize>,
        word: impl Fn(usize) -> u64,
    ) -> Result<(), Error> {
        let mut pays = Pays::new(IN_FULL);
        // What a batch needs is fetched while the one before it is looked at.
        let (mut fetched, mut coming) = (Batch::default(), Batch::default());
        'all: for at in words {
            if at.is_multiple_of(WORDS)
                && self.query.deadline.is_some_and(|deadline| deadline.is_over())
            {
                self.incomplete = Some(Incomplete::Deadline);
                break;
            }
            let admitted = self.query.of_word(at, word(at));
            if admitted.count_ones() >= DENSE && self.query.budget.is_none() {
                self.look_at_word(isa, at, admitted, &mut pays)?;
                continue;
            }
            for slot in slots_of(at, admitted) {
                if self.query.budget.is_some_and(|budget| self.work.looked_at >= budget) {
                    self.incomplete = Some(Incomplete::Budget);
                    break 'all;
                }
                self.work.looked_at += 1;
                if let Some(by_code) = &self.by_code {
                    by_code.codes.fetch(isa, slot.0);
                }
                if coming.put(slot) {
                    self.look_at(isa, &fetched, &mut pays)?;
                    fetched = std::mem::take(&mut coming);
                }
            }
        }
        self.look_at(isa, &fetched, &mut pays)?;
        self.look_at(isa, &coming, &mut pays)
    }

    /// Looks at these slots, all of which are there and may be in the answer. They count as looked at already.
    #[inline(always)]
    pub(crate) fn look_at_these<I: Isa>(&mut self, isa: I, slots: &[u32]) -> Result<(), Error> {
        let mut pays = Pays::new(IN_FULL);
        let mut fetched = Batch::default();
        for some in slots.chunks(LANES) {
            let mut coming = Batch::default();
            for slot in some {
                if let Some(by_code) = &self.by_code {
                    by_code.codes.fetch(isa, *slot);
                }
                coming.put(Slot(*slot));
            }
            self.look_at(isa, &fetched, &mut pays)?;
            fetched = coming;
        }
        self.look_at(isa, &fetched, &mut pays)
    }

    /// Looks at the slots of a batch.
    #[inline(always)]
    fn look_at<I: Isa>(&mut self, isa: I, batch: &Batch, pays: &mut Pays) -> Result<(), Error> {
        let slots = batch.get();
        let left = match self.limited().filter(|_| pays.next()) {
            Some((codes, query, limit)) => !codes.are_beyond::<I, CHECK>(isa, query, slots, limit),
            None => {
                for slot in slots {
                    self.compare(isa, Slot(*slot))?;
                }
                return Ok(());
            }
        };
        let left = slots.iter().enumerate().filter(|(lane, _)| left >> lane & 1 != 0);
        self.look_closer(isa, left.map(|(_, slot)| Slot(*slot)), (slots.len(), pays))
    }

    /// Looks at some slots of a word.
    #[inline(always)]
    fn look_at_word<I: Isa>(
        &mut self,
        isa: I,
        at: usize,
        word: u64,
        pays: &mut Pays,
    ) -> Result<(), Error> {
        self.work.looked_at += u64::from(word.count_ones());
        for part in 0..WORD / LANES {
            let first = at * WORD + part * LANES;
            let wanted = u64::from((word >> (part * LANES)) as u16) << (part * LANES);
            let left = match self.limited().filter(|_| pays.next()) {
                Some((codes, query, limit)) => {
                    let beyond =
                        codes.sixteen_are_beyond::<I, CHECK>(isa, query, first as u32, limit);
                    wanted & !(u64::from(beyond) << (part * LANES))
                }
                None => {
                    for slot in slots_of(at, wanted) {
                        self.compare(isa, slot)?;
                    }
                    continue;
                }
            };
            self.look_closer(isa, slots_of(at, left), (wanted.count_ones() as usize, pays))?;
        }
        Ok(())
    }

    /// Compares those in full that both planes do not rule out, of so many that were looked at.
    #[inline(always)]
    fn look_closer<I: Isa>(
        &mut self,
        isa: I,
        slots: impl Iterator<Item = Slot> + Clone,
        (looked_at, pays): (usize, &mut Pays),
    ) -> Result<(), Error> {
        if let Some(by_code) = &self.by_code {
            slots.clone().for_each(|slot| by_code.codes.fetch_lower(isa, slot.0));
        }
        let before = self.work.in_full;
        for slot in slots {
            self.judge(isa, slot)?;
        }
        pays.note(looked_at as u64, self.work.in_full - before);
        Ok(())
    }

    /// Compares a slot in full, unless its codes rule it out; answers with how far it is if they do not.
    #[inline(always)]
    pub(crate) fn judge<I: Isa>(&mut self, isa: I, slot: Slot) -> Result<Option<f32>, Error> {
        if let Some((codes, query, limit)) = self.limited() {
            self.work.by_code += 1;
            if codes.is_beyond::<I, CHECK>(isa, query, slot.0, limit) {
                return Ok(None);
            }
        }
        self.compare(isa, slot).map(Some)
    }

    /// Compares a slot in full; answers with how far it is.
    #[inline(always)]
    fn compare<I: Isa>(&mut self, isa: I, slot: Slot) -> Result<f32, Error> {
        let vector = self.vectors.vector(slot)?;
        self.work.in_full += 1;
        let distance = self.target.distance(isa, &vector);
        if self.top.offer(Neighbour { distance, slot }) {
            self.note_limit();
        }
        Ok(distance)
    }

    /// Takes note of how far vectors may be by now.
    #[inline(always)]
    fn note_limit(&mut self) {
        if let Some(by_code) = &mut self.by_code {
            let distance = self.top.limit();
            let limit = || Limit::new(by_code.query, by_code.off, distance);
            by_code.limit = (distance < f32::INFINITY).then(limit);
        }
    }

    /// What can be ruled out by codes, if there is anything.
    #[inline(always)]
    fn limited(&self) -> Option<(CodesInUse<'s>, &'s CodedQuery, Limit)> {
        let ByCode { codes, query, limit, .. } = self.by_code.as_ref()?;
        Some((*codes, query, (*limit)?))
    }
}
