//! Takes ids away, all at once or none.

use std::collections::HashSet;

use arrwdb::{Durability, Error};
use clap::Args;
use serde::Serialize;

use crate::failure::Result;
use crate::ids::{JsonId, Spelled};
use crate::opened;
use crate::options::{CollectionArguments, IdArguments, JsonOption};
use crate::output::Output;

/// Takes ids and their vectors away, in one batch that is durable when this ends
///
/// For each it says whether it was there; one that was not is no failure, and the exit code is 0.
#[derive(Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    at: CollectionArguments,
    #[command(flatten)]
    which: IdArguments,
    #[command(flatten)]
    format: JsonOption,
}

/// A line of JSON.
#[derive(Serialize)]
struct Removed<'a> {
    id: JsonId<'a>,
    removed: bool,
}

impl Remove {
    pub(crate) fn run(self) -> Result<()> {
        let store = opened::open(&self.at.store)?;
        let collection = opened::collection(&store, &self.at.store, &self.at.collection)?;
        let view = store.view();
        let (mut batch, mut seen, mut told) = (store.batch(), HashSet::new(), Vec::new());
        for id in &self.which.ids {
            // The store is ours alone, so that what is there now is what the batch finds.
            let was_there = match view.get(&collection, id) {
                Ok(record) => record.is_some(),
                // Damaged, but there: taking it away is what helps.
                Err(Error::Unreadable { .. }) => true,
                Err(error) => return Err(error.into()),
            };
            let is_first = seen.insert(id);
            if is_first {
                batch.remove(&collection, id);
            }
            told.push((id, was_there && is_first));
        }
        batch.commit(Durability::Sync)?.wait()?;
        drop(view);
        store.close()?;
        let mut output = Output::begin();
        for (id, removed) in told {
            if self.format.json {
                output.json(&Removed { id: JsonId(id), removed })?;
            } else {
                let what = if removed { "removed" } else { "was not there" };
                output.line(format_args!("{}  {what}", Spelled(id)))?;
            }
        }
        output.finish()
    }
}
