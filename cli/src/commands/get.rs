//! Shows the vectors of ids, and says which id is not there.

use arrwdb::Store;
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::ids::{JsonId, Spelled};
use crate::opened;
use crate::options::{CollectionArguments, IdArguments, JsonOption};
use crate::output::Output;

/// Shows the vectors of ids, one line each; exit code 1 if one of them is not there
#[derive(Args)]
pub(crate) struct Get {
    #[command(flatten)]
    at: CollectionArguments,
    #[command(flatten)]
    which: IdArguments,
    #[command(flatten)]
    format: JsonOption,
}

/// A line of JSON. There are no payloads yet.
#[derive(Serialize)]
struct Found<'a> {
    id: JsonId<'a>,
    vector: Vec<f64>,
}

impl Get {
    pub(crate) fn run(self) -> Result<()> {
        opened::reading(&self.at.store, |store| self.read(store))
    }

    fn read(&self, store: &Store) -> Result<()> {
        let collection = opened::collection(store, &self.at.store, &self.at.collection)?;
        let view = store.view();
        let (mut output, mut missing) = (Output::begin(), Vec::new());
        for id in &self.which.ids {
            let Some(record) = view.get(&collection, id)? else {
                missing.push(Spelled(id).to_string());
                continue;
            };
            if self.format.json {
                let vector = record.vector().iter().copied().map(f64::from).collect();
                output.json(&Found { id: JsonId(id), vector })?;
            } else {
                output.line(format_args!("{}  {:?}", Spelled(id), record.vector()))?;
            }
        }
        output.finish()?;
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(", ");
        Err(Failure::refused(format!("collection {:?} has no {missing}", collection.name())))
    }
}
