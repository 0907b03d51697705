//! Makes checkpoints as the log grows: a thread around `Inner::checkpoint_if_due`, which is woken when one may be due.
//!
//! Never: decides what is due; keeps a store open that nobody has a handle of; keeps time.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use disk::Owner;
use parking_lot::Mutex;

use crate::inner::Inner;
use crate::{Error, Result};

/// What the thread is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// A checkpoint may be due.
    Look,
    /// Nothing more is to be done.
    Stop,
}

/// The thread, if there is one.
#[derive(Debug)]
pub(crate) struct Background {
    owner: Owner,
    running: Mutex<Option<(Sender<Wake>, JoinHandle<()>)>>,
}

impl Background {
    /// None.
    pub(crate) fn none() -> Self {
        Background { owner: Owner::this_process(), running: Mutex::new(None) }
    }

    /// Starts the thread.
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self> {
        let (wake, woken) = channel();
        inner.wake.get_or_init(|| wake.clone());
        let inner: Weak<Inner> = Arc::downgrade(inner);
        let work = move || {
            while woken.recv() == Ok(Wake::Look) {
                let Some(inner) = inner.upgrade() else { return };
                // A failure is remembered where it happens; a full disk is tried again.
                let _tried = inner.checkpoint_if_due().is_ok();
            }
        };
        let thread = std::thread::Builder::new().name("arrwdb-checkpoint".into()).spawn(work);
        let thread =
            thread.map_err(|source| Error::Log(wal::Error::Thread { source: Arc::new(source) }))?;
        let running = Mutex::new(Some((wake, thread)));
        Ok(Background { owner: Owner::this_process(), running })
    }

    /// Stops it, and waits for what it has begun.
    pub(crate) fn stop(&self) {
        if let Some((wake, thread)) = self.running.lock().take() {
            // If nobody hears it, it has stopped.
            let _heard = wake.send(Wake::Stop).is_ok();
            // It may hold the last handle of the store, and so be what stops itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ended = thread.join().is_ok();
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            // The thread is the other process's: here is nobody to wait for, and nothing to be let go of.
            std::mem::forget(self.running.get_mut().take());
            return;
        }
        self.stop();
    }
}
