//! The search for many queries: 16 vectors at a time are multiplied with all of them.
//!
//! First by codes (`Coded`): the products are whole numbers, and what they do not rule out is looked at as for one
//! query. Where codes rule out too little, or there are none, by floats (`Floats`): a product of theirs is off by a
//! known part of both lengths, and what that does not rule out is compared in full. Either way answers are those of
//! a scan that compares everything in full.

mod coded;
mod floats;

use base::Slot;

use super::{InUse, one};
use crate::codes::{CodedQuery, Limit};
use crate::lanes::{Isa, LANES, Work};
use crate::measure::Compared;
use crate::metric::Off;
use crate::query::Effort;
use crate::scan::WORDS;
use crate::slots::WORD;
use crate::top::Top;
use crate::{Error, Incomplete, Metric, Nearest, Neighbour, Pool, Query, Vectors};

/// From so many queries on they are dealt with together.
const TOGETHER: usize = 8;

/// So many are dealt with at a time, at most: their packed numbers should stay in a second-level cache.
const AT_A_TIME: usize = 512;

/// Searches for all of them, on all threads of a pool.
pub(super) fn search(
    on: InUse<'_>,
    queries: &[Query<'_>],
    vectors: &dyn Vectors,
    pool: &Pool,
) -> Result<Vec<Nearest>, Error> {
    let together = |query: &Query<'_>| query.budget.is_none() && query.k > 0;
    let metric = on.flat.measure.metric().filter(|_| queries.iter().all(together));
    let Some(metric) = metric.filter(|_| queries.len() >= TOGETHER) else {
        return one_by_one(on, queries, vectors, pool);
    };
    // Every thread gets as many parts as the others, and all parts are about as large.
    let parts = queries.len().div_ceil(AT_A_TIME).next_multiple_of(pool.threads());
    let at_a_time = queries.len().div_ceil(parts).max(TOGETHER);
    let parts: Vec<_> = queries.chunks(at_a_time).collect();
    let found =
        pool.each(parts, |queries| on.flat.instructions.run(Many { on, queries, vectors, metric }));
    let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Each by itself: the threads share them, or, if there are few, the vectors.
fn one_by_one(
    on: InUse<'_>,
    queries: &[Query<'_>],
    vectors: &dyn Vectors,
    pool: &Pool,
) -> Result<Vec<Nearest>, Error> {
    if queries.len() < pool.threads() {
        return queries.iter().map(|query| one::search(on, query, vectors, pool)).collect();
    }
    let alone = |query| one::search(on, query, vectors, &Pool::here());
    pool.each(queries.iter().collect(), alone).into_iter().collect()
}

/// The search for some queries among all slots.
struct Many<'s> {
    on: InUse<'s>,
    queries: &'s [Query<'s>],
    vectors: &'s dyn Vectors,
    metric: Metric,
}

/// A query, and what was found for it.
struct Asked<'s> {
    query: &'s Query<'s>,
    target: Compared<'s>,
    coded: Option<CodedQuery>,
    /// The limit of its codes, if it has any.
    limit: Option<Limit>,
    floats: floats::Asked,
    top: Top,
    work: Effort,
    incomplete: Option<Incomplete>,
    /// Those slots of a word that it admits.
    word: u64,
}

impl Asked<'_> {
    /// Takes note of which slots of a word it admits, of those that are there.
    #[inline(always)]
    fn begin(&mut self, at: usize, live: u64) {
        if at.is_multiple_of(WORDS)
            && self.query.deadline.is_some_and(|deadline| deadline.is_over())
        {
            self.incomplete = Some(Incomplete::Deadline);
        }
        self.word = if self.incomplete.is_some() { 0 } else { self.query.of_word(at, live) };
    }

    /// Takes note of how far vectors may be by now.
    #[inline(always)]
    fn limit(&mut self, metric: Metric, off: Off) {
        let distance = self.top.limit();
        self.limit = self.coded.as_ref().map(|coded| Limit::new(coded, off, distance));
        self.floats.limit(metric, off, distance);
    }
}

/// What is the same for all of them.
#[derive(Clone, Copy)]
struct Common<'s> {
    on: InUse<'s>,
    vectors: &'s dyn Vectors,
    metric: Metric,
    off: Off,
}

/// 16 slots, of which some are there, and admitted by one of the queries at least.
#[derive(Clone, Copy)]
struct Sixteen {
    first: usize,
    live: u16,
}

impl Sixteen {
    /// Those that a query admits.
    #[inline(always)]
    fn admitted(self, asked: &Asked<'_>) -> u16 {
        (asked.word >> (self.first % WORD)) as u16
    }
}

impl Common<'_> {
    /// Compares a query with some of 16 slots in full.
    #[inline(always)]
    fn compare<I: Isa>(&self, isa: I, asked: &mut Asked<'_>, slot: usize) -> Result<(), Error> {
        let slot = Slot(slot as u32);
        let vector = self.vectors.vector(slot)?;
        asked.work.in_full += 1;
        let distance = asked.target.distance(isa, &vector);
        if asked.top.offer(Neighbour { distance, slot }) {
            asked.limit(self.metric, self.off);
        }
        Ok(())
    }
}

/// The numbers of the bits of a word of 16.
#[inline(always)]
fn bits(word: u16) -> impl Iterator<Item = usize> {
    let mut left = word;
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            bit
        })
    })
}

impl<'s> Work for Many<'s> {
    type Answer = Result<Vec<Nearest>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Many { on, queries, vectors, metric } = self;
        let common = Common { on, vectors, metric, off: metric.error(on.flat.dim) };
        let shape = on.codes.map(|codes| codes.shape());
        let mut all = Vec::with_capacity(queries.len());
        for query in queries {
            let mut asked = Asked {
                query,
                target: on.flat.measure.target(isa, query.vector),
                coded: shape.and_then(|shape| CodedQuery::new(shape, query.vector)),
                limit: None,
                floats: floats::Asked::new(metric, query.vector),
                top: Top::new(query),
                work: Effort::default(),
                incomplete: None,
                word: 0,
            };
            asked.limit(metric, common.off);
            all.push(asked);
        }
        match (I::WIDE, on.is_sure) {
            (true, true) => look::<I, 12, false>(isa, common, &mut all)?,
            (true, false) => look::<I, 12, true>(isa, common, &mut all)?,
            (false, true) => look::<I, 6, false>(isa, common, &mut all)?,
            (false, false) => look::<I, 6, true>(isa, common, &mut all)?,
        }
        let answer = |asked: Asked<'_>| Nearest {
            neighbours: asked.top.into_sorted(),
            incomplete: asked.incomplete,
            work: asked.work,
        };
        Ok(all.into_iter().map(answer).collect())
    }
}

/// Looks at all slots, 16 at a time, for all queries.
#[inline(always)]
fn look<I: Isa, const QUERIES: usize, const CHECK: bool>(
    isa: I,
    common: Common<'_>,
    all: &mut [Asked<'_>],
) -> Result<(), Error> {
    let mut coded = coded::Coded::<QUERIES>::new(common, all);
    let mut floats = floats::Floats::<QUERIES>::new(common, all);
    for word in 0..common.on.slots.words() {
        let live = common.on.slots.word::<CHECK>(word);
        all.iter_mut().for_each(|asked| asked.begin(word, live));
        let live = all.iter().fold(0, |some, asked| some | asked.word);
        for part in 0..WORD / LANES {
            let live = (live >> (part * LANES)) as u16;
            if live == 0 {
                continue;
            }
            let sixteen = Sixteen { first: word * WORD + part * LANES, live };
            match coded.as_mut().and_then(|coded| coded.next().then_some(coded)) {
                Some(coded) => coded.look::<I, CHECK>(isa, common, sixteen, all)?,
                None => floats.look(isa, common, sixteen, all)?,
            }
        }
    }
    Ok(())
}
