//! Many searches: on all threads of a pool, several on each at the same time.
//!
//! A walk waits for memory most of its time. So a thread does several, step by step in turns, and what one has asked for
//! comes while the others go on.

use super::Hnsw;
use super::beam::{ByCode, Scratch, Walks};
use super::body::InUse;
use super::plan::{Plan, View, Way};
use super::search::{Finish, Judge, begin};
use crate::codes::CodedQuery;
use crate::lanes::{Isa, Work};
use crate::{Error, Nearest, Pool, Query, Vectors};

/// So many searches take turns.
const TURNS: usize = 4;

impl Hnsw {
    /// Finds the nearest for many, as [`search_with`](Hnsw::search_with) does for one, on all threads of a pool.
    ///
    /// # Errors
    /// As [`search_with`](Hnsw::search_with), for any of them.
    pub fn search_many_with(
        &self,
        queries: &[Query<'_>],
        ef: usize,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        self.search_all(queries, |_| Ok(Some(self.view(ef))), vectors, pool)
    }

    /// Finds the nearest for many, looking as far for each as is said.
    pub(super) fn search_all(
        &self,
        queries: &[Query<'_>],
        view: impl Fn(&Query<'_>) -> Result<Option<View>, Error> + Sync,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        let some = |queries: &[Query<'_>]| self.search_some(queries, &view, vectors);
        let found = pool.each(queries.chunks(TURNS).collect(), some);
        Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Answers a few queries in turns.
    fn search_some(
        &self,
        queries: &[Query<'_>],
        view: &impl Fn(&Query<'_>) -> Result<Option<View>, Error>,
        vectors: &dyn Vectors,
    ) -> Result<Vec<Nearest>, Error> {
        let (pin, body) = (self.readers.pin(), self.body());
        let on = self.under(&body, &pin);
        let mut together = Vec::new();
        for query in queries {
            match (self.plan_search(query, view(query)?, vectors)?, on.coded(query)) {
                (Some(plan), Some(coded)) if plan.way == Way::Walk => {
                    together.push((query, plan, coded))
                }
                _ => {
                    let search = |query| self.search_in(query, view(query)?, vectors);
                    return queries.iter().map(search).collect();
                }
            }
        }
        let mut scratches: Vec<Scratch> = together.iter().map(|_| self.lend_scratch()).collect();
        let turns = Turns { on, vectors, queries: &together, scratches: &mut scratches };
        let found = self.instructions.run(turns);
        scratches.into_iter().for_each(|scratch| self.take_back(scratch));
        body.check()?;
        found
    }
}

/// Searches that take turns.
struct Turns<'s> {
    on: InUse<'s>,
    vectors: &'s dyn Vectors,
    queries: &'s [(&'s Query<'s>, Plan, CodedQuery)],
    scratches: &'s mut [Scratch],
}

impl Work for Turns<'_> {
    type Answer = Result<Vec<Nearest>, Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        match self.on.is_sure {
            true => self.search::<I, false>(isa),
            false => self.search::<I, true>(isa),
        }
    }
}

impl Turns<'_> {
    #[inline(always)]
    fn search<I: Isa, const CHECK: bool>(self, isa: I) -> Result<Vec<Nearest>, Error> {
        let Turns { on, vectors, queries, scratches } = self;
        let Some(codes) = on.codes else { return Ok(Vec::new()) };
        let mut scorers = Vec::with_capacity(queries.len());
        for (_, _, query) in queries {
            scorers.push(ByCode::<CHECK> { codes, query });
        }
        let mut judges = Vec::with_capacity(queries.len());
        for (query, plan, coded) in queries {
            judges.push(Judge::<CHECK>::new(isa, (on, query, vectors), Some(coded), *plan));
        }
        let mut walks = Vec::with_capacity(queries.len());
        for (at, scratch) in scratches.iter_mut().enumerate() {
            let (Some((query, plan, _)), Some(judge)) = (queries.get(at), judges.get(at)) else {
                break;
            };
            let Some(scorer) = scorers.get(at) else { break };
            scratch.begin(judge.budget());
            walks.extend(begin::<I, _, CHECK>(isa, (on, *plan, query), scorer, scratch));
        }
        isa.enter(Walks(&mut walks));
        let mut found = Vec::with_capacity(queries.len());
        for (judge, scratch) in judges.into_iter().zip(scratches) {
            found.push(isa.enter(Finish { judge, scratch })?);
        }
        Ok(found)
    }
}
