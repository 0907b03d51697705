//! Takes all ids of a collection away.

use clap::Args;
use serde::Serialize;

use crate::failure::Result;
use crate::opened;
use crate::options::{CollectionArguments, JsonOption};
use crate::output::Output;

/// Takes all ids of a collection and their vectors away, at once; the collection stays
#[derive(Args)]
pub(crate) struct Clear {
    #[command(flatten)]
    at: CollectionArguments,
    #[command(flatten)]
    format: JsonOption,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Cleared {
    removed: u64,
}

impl Clear {
    pub(crate) fn run(self) -> Result<()> {
        let store = opened::open(&self.at.store)?;
        let collection = opened::collection(&store, &self.at.store, &self.at.collection)?;
        let removed = collection.len();
        collection.clear()?;
        store.close()?;
        let mut output = Output::begin();
        if self.format.json {
            output.json(&Cleared { removed })?;
        } else {
            output.line(format_args!("cleared {:?}: {removed} ids", self.at.collection))?;
        }
        output.finish()
    }
}
