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
//!  4. A sync of the same open file that another thread begins meanwhile waits until it is known
//!     how the first one ended, so that it is not told "done" for bytes that are nowhere.
//!
//!  5. A process that was split off from the one that made it changes nothing: [`Error::OtherProcess`].
//!
//! Another call that was begun before the first failure was known may still reach the disk.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::{Call, Disk, Effect, Error, Hook, Hooked, Owner, Result};

/// Remembers the first failure of a disk that it guards.
#[derive(Debug)]
pub struct Latch {
    /// For messages.
    root: PathBuf,
    first: OnceLock<Arc<Error>>,
    owner: Owner,
}

impl Latch {
    /// Puts a latch in front of a disk; gives the guarded disk, and the latch to ask.
    pub fn guard(disk: Arc<dyn Disk>) -> (Arc<dyn Disk>, Arc<Latch>) {
        let latch = Arc::new(Latch {
            root: disk.root().into(),
            first: OnceLock::new(),
            owner: Owner::this_process(),
        });
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
        if call.effect() == Effect::Looks {
            return Ok(());
        }
        let path = || self.root.join(call.path().unwrap_or("".as_ref()));
        if !self.owner.is_here() {
            return self.owner.check(&path());
        }
        match self.first.get() {
            Some(first) => Err(Error::Stopped { path: path(), first: Arc::clone(first) }),
            None => Ok(()),
        }
    }

    fn after(&self, call: &Call<'_>, outcome: std::result::Result<(), &Error>) {
        let Err(error) = outcome else { return };
        let in_doubt = match call.effect() {
            Effect::Looks => false,
            Effect::Changes => !error.is_clean_refusal(),
            // Refused before the operating system was asked to write or sync: a directory could not be opened for its sync.
            Effect::Writes => !matches!(
                error,
                Error::Outside { .. } | Error::Stopped { .. } | Error::TooManyFiles { .. }
            ),
        };
        if in_doubt {
            // Whoever comes second finds the first one's failure there, and that is the one to keep.
            self.first.get_or_init(|| Arc::new(error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Access, SimDisk};

    #[test]
    fn a_copy_of_the_process_changes_nothing_and_looks_at_everything() {
        let sim: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
        let name = Path::new("a");
        let (file, pending) = sim.create(name).unwrap();
        file.write_at(0, b"parent").unwrap();
        pending.sync(&*sim).unwrap();
        let owner = Owner::another_process();
        let latch = Latch { root: sim.root().into(), first: OnceLock::new(), owner };
        let latch = Arc::new(latch);
        let disk = Hooked::new(sim, Arc::clone(&latch) as Arc<dyn Hook>);
        let file = disk.open(name, Access::ReadWrite).unwrap();
        let mut read = [0; 6];
        file.read_at(0, &mut read).unwrap();
        assert_eq!(&read, b"parent");
        let refusals = [
            file.write_at(0, b"child!"),
            file.set_size(0),
            file.reserve(100),
            file.sync_data(),
            file.sync_all(),
            disk.sync_dir(Path::new("")),
            disk.create(Path::new("b")).map(drop),
            disk.create_dir(Path::new("b")).map(drop),
            disk.rename(name, Path::new("b")).map(drop),
            disk.remove(name).map(drop),
        ];
        for refused in refusals {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::OtherProcess { .. }), "{refused:?}");
            assert!(
                refused.is_clean_refusal() && refused.to_string().contains("fork"),
                "{refused}"
            );
        }
        assert!(latch.first_failure().is_none());
    }
}
