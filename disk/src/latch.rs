//! Turns the first failed write or sync into "nothing more is written".
//!
//! Why: after a failed sync the operating system may have thrown the unwritten bytes away and
//! marked them clean, so that the next sync answers "done" for bytes that are nowhere. The only
//! honest answer is to stop, and to let recovery look at what is really there.
//!
//! State: open -> latched [`Latch::after`], once, for good.
//!
//! Promises
//!  1. A write, a cut or a sync that fails latches, whatever the operating system's reason.
//!  2. A change of names or a reservation latches only if it leaves the disk in doubt; a clean
//!     refusal ([`Error::is_clean_refusal`]: the disk is full, the name is taken) does not.
//!  3. From then on every call that would change the disk is refused with [`Error::Stopped`], which
//!     carries the first failure; calls that only look go through.
//!
//!  4. A sync of the same open file that another thread begins meanwhile waits until it is known
//!     how the first one ended, so that it is not told "done" for bytes that are nowhere.
//!
//! Another call that was begun before the first failure was known may still reach the disk.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::{Call, Disk, Effect, Error, Hook, Hooked, Result};

/// Remembers the first failure of a disk that it guards.
#[derive(Debug)]
pub struct Latch {
    /// For messages.
    root: PathBuf,
    first: OnceLock<Arc<Error>>,
}

impl Latch {
    /// Puts a latch in front of a disk; gives the guarded disk, and the latch to ask.
    pub fn guard(disk: Arc<dyn Disk>) -> (Arc<dyn Disk>, Arc<Latch>) {
        let latch = Arc::new(Latch { root: disk.root().into(), first: OnceLock::new() });
        let hook: Arc<dyn Hook> = Arc::clone(&latch) as _;
        (Arc::new(Hooked::new(disk, hook)), latch)
    }

    /// The failure after which nothing was written any more, if there was one.
    pub fn first_failure(&self) -> Option<&Error> {
        self.first.get().map(Arc::as_ref)
    }
}

impl Hook for Latch {
    fn before(&self, call: &Call<'_>) -> Result<()> {
        match self.first.get() {
            Some(first) if call.effect() != Effect::Looks => {
                let path = self.root.join(call.path().unwrap_or("".as_ref()));
                Err(Error::Stopped { path, first: Arc::clone(first) })
            }
            _ => Ok(()),
        }
    }

    fn after(&self, call: &Call<'_>, outcome: std::result::Result<(), &Error>) {
        let Err(error) = outcome else { return };
        let in_doubt = match call.effect() {
            Effect::Looks => false,
            Effect::Changes => !error.is_clean_refusal(),
            // Refused before the operating system was asked.
            Effect::Writes => !matches!(error, Error::Outside { .. } | Error::Stopped { .. }),
        };
        if in_doubt {
            // Whoever comes second finds the first one's failure there, and that is the one to keep.
            self.first.get_or_init(|| Arc::new(error.clone()));
        }
    }
}
