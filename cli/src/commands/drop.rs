//! Takes a collection away, with all it holds.

use clap::Args;
use serde::Serialize;

use crate::failure::Result;
use crate::opened;
use crate::options::{CollectionArguments, JsonOption};
use crate::output::Output;

/// Takes a collection away for good, with all it holds
///
/// Its files are removed once no checkpoint that is kept needs them: two checkpoints later.
#[derive(Args)]
pub(crate) struct Drop {
    #[command(flatten)]
    at: CollectionArguments,
    #[command(flatten)]
    format: JsonOption,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Dropped {
    dropped: String,
}

impl Drop {
    pub(crate) fn run(self) -> Result<()> {
        let store = opened::open(&self.at.store)?;
        // For the message where there is none.
        opened::collection(&store, &self.at.store, &self.at.collection)?;
        store.drop_collection(&self.at.collection)?;
        store.close()?;
        let mut output = Output::begin();
        if self.format.json {
            output.json(&Dropped { dropped: self.at.collection })?;
        } else {
            output.line(format_args!("dropped {:?}", self.at.collection))?;
        }
        output.finish()
    }
}
