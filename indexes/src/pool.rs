//! Threads for work that many can share: building, and searching for many.

use std::num::NonZeroUsize;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::Error;

/// A pool of threads of its own: work in it does not wait for that of others, nor they for it. Asked by a thread of another pool of
/// rayon's, it leaves all the work to that thread.
///
/// ```
/// use indexes::Pool;
///
/// assert_eq!(Pool::here().threads(), 1);
/// assert!(Pool::all_cores()?.threads() >= 1);
/// # Ok::<(), indexes::Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    threads: Option<rayon::ThreadPool>,
}

impl Pool {
    /// No threads but the one that asks.
    pub fn here() -> Self {
        Pool { threads: None }
    }

    /// So many threads. One is the one that asks.
    ///
    /// # Errors
    /// [`Error::NoThreads`].
    pub fn new(threads: NonZeroUsize) -> Result<Self, Error> {
        if threads.get() == 1 {
            return Ok(Pool::here());
        }
        let name = |at| format!("arrwdb-indexes-{at}");
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).thread_name(name);
        let threads = builder.build().map_err(|source| Error::NoThreads(Box::new(source)))?;
        Ok(Pool { threads: Some(threads) })
    }

    /// A thread for each core.
    ///
    /// # Errors
    /// [`Error::NoThreads`].
    pub fn all_cores() -> Result<Self, Error> {
        Pool::new(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.threads.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// Does something with each of these, and answers in their order.
    pub(crate) fn each<T: Send, A: Send>(
        &self,
        items: Vec<T>,
        work: impl Fn(T) -> A + Sync + Send,
    ) -> Vec<A> {
        // A thread of somebody else's pool would do other work of that pool while it waits here, which may want what this one holds.
        let is_of_another = |threads: &rayon::ThreadPool| {
            rayon::current_thread_index().is_some() && threads.current_thread_index().is_none()
        };
        match &self.threads {
            Some(threads) if items.len() > 1 && !is_of_another(threads) => {
                threads.install(|| items.into_par_iter().with_max_len(1).map(work).collect())
            }
            _ => items.into_iter().map(work).collect(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;
    use std::thread::{ThreadId, current};

    use super::*;

    fn threads(pool: &Pool) -> HashSet<ThreadId> {
        pool.each((0..64).collect(), |_: u32| current().id()).into_iter().collect()
    }

    #[test]
    fn a_thread_of_somebody_elses_pool_does_nothing_else_meanwhile() {
        let pool = Pool::new(NonZeroUsize::new(2).unwrap()).unwrap();
        assert!(!threads(&pool).contains(&current().id()));
        let others = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let own = others.install(|| threads(&pool) == HashSet::from([current().id()]));
        assert!(own, "it works by itself");
    }
}
