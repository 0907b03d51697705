//! Makes a checkpoint when it is asked for one.

use clap::Args;
use serde::Serialize;

use crate::failure::Result;
use crate::opened;
use crate::options::{JsonOption, StoreArgument};
use crate::output::Output;

/// Makes a checkpoint: the next opening has no log to replay
#[derive(Args)]
pub(crate) struct Checkpoint {
    #[command(flatten)]
    at: StoreArgument,
    #[command(flatten)]
    format: JsonOption,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Made {
    sequence: u64,
}

impl Checkpoint {
    pub(crate) fn run(self) -> Result<()> {
        let store = opened::open(&self.at.store)?;
        let sequence = store.checkpoint()?.get();
        store.close()?;
        let mut output = Output::begin();
        if self.format.json {
            output.json(&Made { sequence })?;
        } else {
            output.line(format_args!("checkpoint of all up to batch {sequence}"))?;
        }
        output.finish()
    }
}
