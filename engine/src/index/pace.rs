//! Who waits for whom: wakes the thread that sees to indexes, tells those who wait for them, and lets writes wait where an
//! index is too far behind.
//!
//! Never: keeps time; waits where there is nobody who would do the work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use indexes::Pool;
use parking_lot::{Condvar, Mutex};

use super::work::Haste;
use crate::background::Wake;
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::options::Threads;
use crate::wish::Wish;
use crate::{Error, Result};

/// Wakes the thread that sees to indexes: once for all that comes until it looks.
#[derive(Debug, Default)]
pub(crate) struct IndexWake {
    pub(crate) thread: OnceLock<Sender<Wake>>,
    is_woken: AtomicBool,
}

impl IndexWake {
    /// There is something to be done.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get()
            && !self.is_woken.swap(true, Ordering::AcqRel)
        {
            // If nobody hears it, the store is being closed.
            _ = thread.send(Wake::Look).is_ok();
        }
    }

    /// It is being looked at: what comes from now on is to be told again.
    pub(crate) fn looks(&self) {
        self.is_woken.store(false, Ordering::Release);
    }
}

/// Tells those who wait for indexes that these got further.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    waiting: AtomicUsize,
    /// What went wrong, if nobody goes on.
    stopped: Mutex<Option<Error>>,
    further: Condvar,
}

impl Progress {
    /// They got further.
    pub(crate) fn tell(&self) {
        // Locked, so that nobody looks, is told nothing, and then begins to wait.
        let _nobody_begins = self.stopped.lock();
        self.further.notify_all();
    }

    /// Nobody goes on.
    pub(crate) fn stop(&self, why: Error) {
        self.stopped.lock().get_or_insert(why);
        self.further.notify_all();
    }

    /// Whether somebody waits.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until something is so, which is asked each time they got further.
    fn wait_until(&self, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut stopped = self.stopped.lock();
        let answer = loop {
            match is_so() {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
            if let Some(why) = &*stopped {
                break Err(why.clone());
            }
            self.further.wait(&mut stopped);
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

/// Threads that indexes are built and changed with. They are started when they are first needed.
#[derive(Debug)]
pub(crate) struct Pools {
    threads: Threads,
    half: OnceLock<Option<Pool>>,
    all: OnceLock<Option<Pool>>,
}

impl Pools {
    /// Some, or none: then whoever asks works alone.
    pub(crate) fn new(threads: Threads) -> Self {
        Pools { threads, half: OnceLock::new(), all: OnceLock::new() }
    }

    /// As many as the machine has cores; nothing, if they cannot be had.
    pub(crate) fn all(&self) -> Option<&Pool> {
        self.of(&self.all, 1)
    }

    /// Half as many.
    pub(crate) fn half(&self) -> Option<&Pool> {
        self.of(&self.half, 2)
    }

    fn of<'p>(&self, pool: &'p OnceLock<Option<Pool>>, part: usize) -> Option<&'p Pool> {
        if self.threads == Threads::Nobody {
            return None;
        }
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = NonZeroUsize::new(cores / part).unwrap_or(NonZeroUsize::MIN);
        pool.get_or_init(|| Pool::new(threads).ok()).as_ref()
    }
}

impl Inner {
    /// Waits until no index that these are for is too far behind. Where there is no thread that would see to that, it is done
    /// here.
    pub(crate) fn wait_for_indexes(&self, wishes: &[Wish]) -> Result<()> {
        let mut last = None;
        for wish in wishes {
            let Wish::Upsert(named, ..) = wish else { continue };
            if last.is_some_and(|last| std::ptr::eq(last, Arc::as_ptr(named))) {
                continue;
            }
            last = Some(Arc::as_ptr(named));
            let state = named.now()?;
            if state.indexing.behind() >= self.index_lag {
                let is_near = || Ok(state.has_ended() || state.indexing.behind() < self.index_lag);
                // If nobody goes on, there is nothing to wait for.
                _ = self.wait_for_index(is_near).is_ok();
            }
        }
        Ok(())
    }

    /// Waits until something is so of an index.
    pub(crate) fn wait_for_index(&self, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        if self.index_wake.thread.get().is_some() {
            self.index_wake.wake();
            return self.index_progress.wait_until(|| {
                self.check()?;
                is_so()
            });
        }
        while !is_so()? {
            self.check()?;
            if !self.index_step(Haste::Waiting)? {
                break;
            }
        }
        Ok(())
    }

    /// Waits until the index of a collection has all that is visible by now.
    pub(crate) fn wait_indexed(&self, state: &CollectionState) -> Result<()> {
        self.check_owner()?;
        self.wait_for_index(|| {
            let indexing = &state.indexing;
            if indexing.lacking().is_some() {
                let (name, limit) = (state.about.name.clone(), self.index_memory.unwrap_or(0));
                return Err(Error::IndexMemory { name, limit });
            }
            if let Some(stopped) = indexing.stopped() {
                return Err(stopped.clone());
            }
            Ok(state.has_ended() || indexing.is_caught_up())
        })
    }
}
