//! The search for one query, on all threads of a pool.

use std::ops::Range;

use super::InUse;
use crate::codes::CodedQuery;
use crate::lanes::{Isa, Work};
use crate::query::Effort;
use crate::scan::Scan;
use crate::top::Top;
use crate::{Error, Incomplete, Nearest, Pool, Query, Vectors};

/// No thread is given fewer words than this, of 64 slots each.
const WORDS_A_THREAD: usize = 128;

/// Searches for one, on all threads of a pool.
pub(super) fn search(
    on: InUse<'_>,
    query: &Query<'_>,
    vectors: &dyn Vectors,
    pool: &Pool,
) -> Result<Nearest, Error> {
    if query.k == 0 {
        return Ok(Nearest::default());
    }
    let coded = on.codes.and_then(|codes| CodedQuery::new(codes.shape(), query.vector));
    let words = query.filter.map_or(usize::MAX, |it| it.words()).min(on.slots.words());
    // What a budget leaves out should not depend on how many threads there are.
    let threads = if query.budget.is_some() { 1 } else { pool.threads() };
    let parts = threads.min(words / WORDS_A_THREAD).max(1);
    let of_part = |part: usize| part * words / parts..(part + 1) * words / parts;
    let found = pool.each((0..parts).map(of_part).collect(), |words| {
        let coded = coded.as_ref();
        on.flat.instructions.run(Part { on, query, vectors, coded, words })
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
struct Part<'s> {
    on: InUse<'s>,
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

impl Work for Part<'_> {
    type Answer = Result<Found, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Result<Found, Error> {
        match self.on.is_sure {
            true => self.search::<I, false>(isa),
            false => self.search::<I, true>(isa),
        }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn search<I: Isa, const CHECK: bool>(self, isa: I) -> Result<Found, Error> {
        let Part { on, query, vectors, coded, words } = self;
        let coded = on.codes.zip(coded);
        let mut scan = Scan::<CHECK>::new(isa, (query, vectors), &on.flat.measure, coded);
        scan.look_at_all(isa, words, |at| on.slots.word::<CHECK>(at))?;
        Ok(Found { top: scan.top, incomplete: scan.incomplete, work: scan.work })
    }
}
