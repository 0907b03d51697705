//! The search for one query, and for many: in all trees, the largest first, and in what is in none yet; or among all slots, by
//! their codes, where trees are of no use.

use std::sync::Arc;

use super::InUse;
use super::body::Body;
use super::forest::Trees;
use super::kernel::with_kernel;
use super::seek::{Owned, Seek};
use super::space::Asked;
use super::tree::Way;
use super::walk::{Look, Where};
use crate::codes::CodedQuery;
use crate::lanes::{Isa, Work};
use crate::scan::Scan;
use crate::{Error, Nearest, Pool, Query, Vectors};

/// A thread is given so many queries at a time.
const AT_A_TIME: usize = 64;

/// No more than so many are thought to be within a threshold.
const WITHIN: usize = 100;

/// What a search goes by, as it is when it begins.
struct There {
    owned: Owned,
    trees: Arc<Trees>,
}

impl There {
    fn now(on: InUse<'_>) -> Self {
        // First what may be in doubt, then the trees: what was made nobody's meanwhile is seen.
        let owned = if on.body.is_sure_of_owners() { Owned::Surely } else { Owned::Perhaps };
        There { owned, trees: on.body.forest.now() }
    }

    /// Whether most of it, at least, would be looked at as a whole.
    fn is_scanned(&self) -> bool {
        self.trees.trees.first().is_some_and(|largest| largest.judged.way == Way::Scan)
    }
}

/// Searches for one.
pub(super) fn one(
    on: InUse<'_>,
    query: &Query<'_>,
    vectors: &dyn Vectors,
) -> Result<Nearest, Error> {
    one_in(on, &There::now(on), query, vectors)
}

fn one_in(
    on: InUse<'_>,
    there: &There,
    query: &Query<'_>,
    vectors: &dyn Vectors,
) -> Result<Nearest, Error> {
    // What is no number, or below 0, nothing is within.
    let none = query.within.is_some_and(|within| within.is_nan() || within < 0.0);
    if query.k == 0 || none {
        return Ok(Nearest::default());
    }
    if admits_few(on.body, query) || (on.codes.is_some() && there.is_scanned()) {
        let coded = on.codes.and_then(|codes| CodedQuery::new(codes.shape(), query.vector));
        return on.index.instructions.run(Listed { on, query, vectors, coded: coded.as_ref() });
    }
    everywhere(on, there, query, vectors)
}

/// Searches for many, on all threads of a pool.
pub(super) fn many(
    on: InUse<'_>,
    queries: &[Query<'_>],
    vectors: &dyn Vectors,
    pool: &Pool,
) -> Result<Vec<Nearest>, Error> {
    let at_a_time = queries.len().div_ceil(pool.threads()).clamp(1, AT_A_TIME);
    let some = |queries: &[Query<'_>]| {
        // What was there when they began is looked at by all of them.
        let there = There::now(on);
        let one = |query| one_in(on, &there, query, vectors);
        queries.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let found = pool.each(queries.chunks(at_a_time).collect(), some);
    let mut all = Vec::with_capacity(queries.len());
    for some in found {
        all.extend(some?);
    }
    Ok(all)
}

/// Whether it is faster to look at what a filter admits than to look for it among the rest: with a part `p` of `n` admitted,
/// a tree has to be searched for as much as `k / p`, and `p n` would have to be looked at.
fn admits_few(body: &Body, query: &Query<'_>) -> bool {
    let Some(filter) = query.filter else { return false };
    let admitted = filter.len();
    let wanted = query.within.map_or(query.k, |_| query.k.min(WITHIN));
    let square = admitted.saturating_mul(admitted);
    square <= wanted.saturating_mul(body.slots.len()) && admitted < body.slots.len()
}

/// Looks at all that is admitted, by codes, if there are any.
struct Listed<'s> {
    on: InUse<'s>,
    query: &'s Query<'s>,
    vectors: &'s dyn Vectors,
    coded: Option<&'s CodedQuery>,
}

impl Work for Listed<'_> {
    type Answer = Result<Nearest, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Listed { on, query, vectors, coded } = self;
        let slots = &on.body.slots;
        let words = query.filter.map_or(usize::MAX, |filter| filter.words()).min(slots.words());
        let coded = on.codes.zip(coded);
        let mut scan = Scan::<true>::new(isa, (query, vectors), &on.index.measure, coded);
        scan.look_at_all(isa, 0..words, |at| slots.word::<true>(at))?;
        Ok(scan.into_nearest())
    }
}

/// Looks for what is near, everywhere.
fn everywhere(
    on: InUse<'_>,
    There { owned, trees }: &There,
    query: &Query<'_>,
    vectors: &dyn Vectors,
) -> Result<Nearest, Error> {
    let asked = Asked::new(on.index.space, query.vector, vectors);
    let mut seek = Seek::new(query, asked, (&on.body.slots, *owned));
    let mut moved = Vec::new();
    let point = on.index.space.moved(query.vector, &mut moved);
    let look = Look { seek: &mut seek, place: Where::Everywhere(trees) };
    with_kernel(on.index.instructions, point, look)?;
    let mut found = seek.into_nearest();
    if on.is_lent {
        only_once(&mut found);
    }
    Ok(found)
}

/// Leaves out what is there a second time: only an image of which nobody vouches has a slot twice.
fn only_once(found: &mut Nearest) {
    let mut seen = crate::SlotSet::new();
    let mut slots: Vec<_> = found.neighbours.iter().map(|it| it.slot).collect();
    slots.sort_unstable();
    if slots.windows(2).any(|two| two.first() == two.last()) {
        found.neighbours.retain(|it| seen.insert(it.slot));
    }
}
