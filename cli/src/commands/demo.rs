//! Shows what arrwDB does, in a temporary directory that is gone afterwards.

use clap::Args;

use crate::demo;
use crate::failure::Result;

/// Shows in a few seconds what arrwDB does: loads, searches, kills a writer, recovers, checks
///
/// Everything happens in a temporary directory, which is removed at the end.
#[derive(Args)]
pub(crate) struct Demo {}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        demo::run()
    }
}
