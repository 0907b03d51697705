//! Makes checkpoints as the log grows, and brings indexes further: a thread around `Inner::checkpoint_if_due`, and one around
//! `Inner::index_step`, which are woken when there may be something to be done.
//!
//! Never: decides what is due; keeps a store open that nobody has a handle of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use disk::Owner;
use parking_lot::Mutex;

use crate::index::Haste;
use crate::inner::Inner;
use crate::{Error, Result};

/// What the thread is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// There may be something to be done.
    Look,
    /// Nothing more is to be done.
    Stop,
}

/// The threads, if there are any.
#[derive(Debug)]
pub(crate) struct Background {
    owner: Owner,
    running: Mutex<Vec<Running>>,
}

/// How a thread is stopped, and waited for.
type Running = (Sender<Wake>, JoinHandle<()>);

/// How long what comes together is waited for before an index takes it up: one by one it would take up one core more.
const GATHERED: Duration = Duration::from_millis(5);

/// After how long without a write what can wait is done.
const IDLE: Duration = Duration::from_secs(1);

impl Background {
    /// None.
    pub(crate) fn none() -> Self {
        Background { owner: Owner::this_process(), running: Mutex::default() }
    }

    /// Starts the threads.
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self> {
        let background = Self::none();
        let checkpoints = spawn("arrwdb-checkpoint", inner, make_checkpoints)?;
        inner.wake.get_or_init(|| checkpoints.0.clone());
        background.running.lock().push(checkpoints);
        let indexes = spawn("arrwdb-index", inner, see_to_indexes)?;
        inner.index_wake.thread.get_or_init(|| indexes.0.clone());
        background.running.lock().push(indexes);
        // What was found may have to catch up.
        inner.index_wake.wake();
        Ok(background)
    }

    /// Stops them, and waits for what they have begun.
    pub(crate) fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        // If nobody hears it, it has stopped.
        running.iter().for_each(|(wake, _)| _ = wake.send(Wake::Stop).is_ok());
        for (_, thread) in running {
            // It may hold the last handle of the store, and so be what stops itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ended = thread.join().is_ok();
            }
        }
    }
}

fn spawn(
    name: &str,
    inner: &Arc<Inner>,
    work: impl FnOnce(&Weak<Inner>, &Receiver<Wake>) + Send + 'static,
) -> Result<Running> {
    let (wake, woken) = channel();
    let inner: Weak<Inner> = Arc::downgrade(inner);
    let thread = std::thread::Builder::new().name(name.into());
    let thread = thread.spawn(move || work(&inner, &woken));
    let thread =
        thread.map_err(|source| Error::Log(wal::Error::Thread { source: Arc::new(source) }))?;
    Ok((wake, thread))
}

fn make_checkpoints(inner: &Weak<Inner>, woken: &Receiver<Wake>) {
    while woken.recv() == Ok(Wake::Look) {
        let Some(inner) = inner.upgrade() else { return };
        // A failure is remembered where it happens; a full disk is tried again.
        let _tried = inner.checkpoint_if_due().is_ok();
    }
}

fn see_to_indexes(inner: &Weak<Inner>, woken: &Receiver<Wake>) {
    // Whoever waits for an index works on it: this one is for what nobody waits for.
    disk::run_behind_others();
    let mut ends = TellsEnd { inner, why: Error::Closed };
    ends.why = follow_indexes(inner, woken);
}

/// Tells those who wait for indexes that nobody goes on: also if something panics.
struct TellsEnd<'i> {
    inner: &'i Weak<Inner>,
    why: Error,
}

impl Drop for TellsEnd<'_> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.index_progress.stop(self.why.clone());
        }
    }
}

/// Brings indexes further until it is stopped; says why it ended.
#[expect(
    clippy::disallowed_methods,
    reason = "when to do what can wait, and how much together, nothing but time can tell; no exact answer depends on it"
)]
fn follow_indexes(inner: &Weak<Inner>, woken: &Receiver<Wake>) -> Error {
    let mut haste = Haste::Idle;
    loop {
        let next = match haste {
            // Nothing is left to be done.
            Haste::Idle => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            _ => woken.recv_timeout(IDLE),
        };
        haste = match next {
            Ok(Wake::Look) => Haste::Beside,
            Err(RecvTimeoutError::Timeout) => Haste::Idle,
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return Error::Closed,
        };
        if haste == Haste::Beside && woken.recv_timeout(GATHERED) == Ok(Wake::Stop) {
            return Error::Closed;
        }
        loop {
            let Some(inner) = inner.upgrade() else { return Error::Closed };
            inner.index_wake.looks();
            // What panics, a distance of the caller's own, say, has stopped the index that asked for it, and no other.
            match catch_unwind(AssertUnwindSafe(|| inner.index_step(haste))) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => break,
                Ok(Err(error)) => return error,
            }
            drop(inner);
            match woken.try_recv() {
                Ok(Wake::Stop) => return Error::Closed,
                Ok(Wake::Look) => haste = Haste::Beside,
                Err(_) => {}
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            // The threads are the other process's: here is nobody to wait for, and nothing to be let go of.
            std::mem::forget(std::mem::take(self.running.get_mut()));
            return;
        }
        self.stop();
    }
}
