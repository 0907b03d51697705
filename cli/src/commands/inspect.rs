//! Says what a file of a store is, and what stands in it.

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Result};
use crate::output::Output;

/// Says what a file of a store is: a manifest, an image, a segment of vectors or a file of the log
///
/// Exit code 1 if the file is damaged, as far as it says so itself; what needs the rest of the store to be checked is
/// checked by verify.
#[derive(Args)]
pub(crate) struct Inspect {
    /// The file, in a store or copied out of one
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<()> {
        let found = arrwdb::inspect(&self.file)?;
        let mut output = Output::begin();
        output.line(found.text.trim_end())?;
        output.finish()?;
        if found.is_sound {
            return Ok(());
        }
        Err(Failure::refused(format!("{} is damaged", self.file.display())))
    }
}
