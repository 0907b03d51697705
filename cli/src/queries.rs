//! Asks many queries on several threads.
//!
//! Promises
//!  1. Answers come in the order of their queries, and the first failure in that order is the one that is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use arrwdb::{Collection, Hits, View};

use crate::failure::{Failure, Result};

/// Threads beyond this many would wait for each other.
pub(crate) const THREADS_MAX: i64 = 1_024;

/// Where and how is searched.
pub(crate) struct Search {
    pub(crate) view: View,
    pub(crate) collection: Collection,
    pub(crate) k: usize,
    /// How widely, where an index has it; as the collection says, if nobody does.
    pub(crate) ef: Option<usize>,
    pub(crate) within: Option<f32>,
}

impl Search {
    pub(crate) fn ask(&self, query: &[f32]) -> Result<Hits> {
        let mut search = self.view.search(&self.collection, query)?.k(self.k);
        if let Some(ef) = self.ef {
            search = search.ef(ef);
        }
        if let Some(within) = self.within {
            search = search.within(within);
        }
        Ok(search.run()?)
    }
}

/// An `--ef`, as a search takes it.
pub(crate) fn wide(ef: u32) -> usize {
    usize::try_from(ef).unwrap_or(usize::MAX)
}

/// What `work` answers to each of the queries, in their order.
pub(crate) fn in_order<T: Send>(
    queries: &[Vec<f32>],
    threads: usize,
    work: impl Fn(&[f32]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    if threads <= 1 || queries.len() <= 1 {
        return queries.iter().map(|query| work(query)).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(query) = queries.get(number) else { return done };
            done.push((number, work(query)));
        }
    };
    let mut answers = thread::scope(|scope| {
        let started = (0..threads.min(queries.len()))
            .map(|_| thread::Builder::new().spawn_scoped(scope, take))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| Failure::system("no more threads can be started", &error))?;
        let joined = started.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        Ok::<Vec<_>, Failure>(joined.flatten().collect())
    })?;
    answers.sort_unstable_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
