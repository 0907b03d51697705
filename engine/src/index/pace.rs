//! Who waits for whom: wakes the thread that sees to indexes, tells those who wait for them, and lets writes wait where an
//! index is too far behind. Who waits does not leave it to that thread, which runs behind all others, but does the work.
//!
//! Never: keeps time; waits where there is nobody who would do the work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use indexes::Pool;
use parking_lot::{Condvar, Mutex};

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
    told: Mutex<Told>,
    further: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    /// How often it was told.
    times: u64,
    /// What went wrong, if nobody goes on.
    stopped: Option<Error>,
}

impl Progress {
    /// They got further.
    pub(crate) fn tell(&self) {
        self.told.lock().times += 1;
        self.further.notify_all();
    }

    /// Nobody goes on.
    pub(crate) fn stop(&self, why: Error) {
        self.told.lock().stopped.get_or_insert(why);
        self.further.notify_all();
    }

    /// How often it was told by now: to be asked before one looks how far they are.
    fn times(&self) -> Result<u64> {
        let told = self.told.lock();
        told.stopped.clone().map_or(Ok(told.times), Err)
    }

    /// Waits until it was told more often than that.
    fn wait_behind(&self, times: u64) {
        let mut told = self.told.lock();
        while told.times == times && told.stopped.is_none() {
            self.further.wait(&mut told);
        }
    }
}

/// Those who wait for an index, and bring it further themselves meanwhile: the thread that sees to all indexes leaves it to them,
/// since it runs behind others and would hold them up.
#[derive(Debug, Default)]
pub(crate) struct Helpers(Mutex<AtWork>);

#[derive(Debug, Default)]
struct AtWork {
    helpers: usize,
    /// The thread passed the index over.
    was_left: bool,
}

impl Helpers {
    /// Whether somebody is at it. Then the thread is woken when they are done.
    pub(crate) fn are_at_work(&self) -> bool {
        let mut at_work = self.0.lock();
        at_work.was_left |= at_work.helpers > 0;
        at_work.helpers > 0
    }

    fn help<'h>(&'h self, wake: &'h IndexWake) -> Helping<'h> {
        self.0.lock().helpers += 1;
        Helping { helpers: self, wake }
    }
}

/// Somebody helps, for as long as this is there.
struct Helping<'h> {
    helpers: &'h Helpers,
    wake: &'h IndexWake,
}

impl Drop for Helping<'_> {
    fn drop(&mut self) {
        let mut at_work = self.helpers.0.lock();
        at_work.helpers -= 1;
        if at_work.helpers == 0 && std::mem::take(&mut at_work.was_left) {
            drop(at_work);
            self.wake.wake();
        }
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

    /// As many as the machine has cores, for those who wait; nothing, if they cannot be had.
    pub(crate) fn all(&self) -> Option<&Pool> {
        self.of(&self.all, 1)
    }

    /// Half as many, for the thread that runs behind others: as it does so do those that it starts.
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
        self.check_owner()?;
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
                _ = self.wait_for_index(&state, is_near).is_ok();
            }
        }
        Ok(())
    }

    /// Waits until something is so of the index of a collection, and does meanwhile what there is to be done for it: as many
    /// threads as there are cores, which run as whoever waits does.
    fn wait_for_index(
        &self,
        state: &Arc<CollectionState>,
        mut is_so: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let mut helping = None;
        loop {
            let times = self.index_progress.times();
            self.check()?;
            if is_so()? {
                return Ok(());
            }
            let times = times?;
            helping.get_or_insert_with(|| state.indexing.helpers.help(&self.index_wake));
            let helped = self.help_index(state)?;
            if helped == Some(true) {
                continue;
            }
            helping = None;
            match (helped, self.index_wake.thread.get()) {
                // Another one is at it, or something else has to come first.
                (_, Some(_)) => self.index_progress.wait_behind(times),
                (None, None) => drop(state.indexing.work.lock()),
                (Some(_), None) => return Ok(()),
            }
        }
    }

    /// Waits until the index of a collection has all that is visible by now.
    pub(crate) fn wait_indexed(&self, state: &Arc<CollectionState>) -> Result<()> {
        self.check_owner()?;
        // What others go on to write is not waited for: they may never let up.
        let at = self.pins.visible();
        self.wait_for_index(state, || {
            let indexing = &state.indexing;
            if indexing.lacking().is_some() {
                let (name, limit) = (state.about.name.clone(), self.index_memory.unwrap_or(0));
                return Err(Error::IndexMemory { name, limit });
            }
            if let Some(stopped) = indexing.stopped() {
                return Err(stopped.clone());
            }
            Ok(state.has_ended() || indexing.is_caught_up_with(at))
        })
    }
}
