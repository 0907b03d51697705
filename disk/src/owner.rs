//! Remembers which process something belongs to. A process that was split off from it (`fork`) has a copy of all its
//! memory and handles, and the same files behind them: were both to write, each would write over the other.

use std::path::Path;

use crate::{Error, Result};

/// The process that made this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    process: u32,
}

impl Owner {
    /// This process.
    pub fn this_process() -> Self {
        Owner { process: std::process::id() }
    }

    /// Whether this process is the owner, and not a copy of it.
    pub fn is_here(self) -> bool {
        std::process::id() == self.process
    }

    /// Refuses a copy of the owner.
    ///
    /// # Errors
    /// [`Error::OtherProcess`], which names the path.
    pub fn check(self, path: &Path) -> Result<()> {
        match self.is_here() {
            true => Ok(()),
            false => Err(Error::OtherProcess { path: path.into(), owner: self.process }),
        }
    }

    /// A process that is not this one, to see what a copy sees.
    #[cfg(test)]
    pub(crate) fn another_process() -> Self {
        Owner { process: std::process::id() ^ 1 }
    }
}
