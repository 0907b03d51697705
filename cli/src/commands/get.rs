//! Shows the vectors and payloads of ids, and says which id is not there.

use arrwdb::Store;
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::ids::{JsonId, Spelled};
use crate::opened;
use crate::options::{CollectionArguments, IdArguments, JsonOption};
use crate::output::Output;
use crate::payload::JsonPayload;

/// Shows the vectors and payloads of ids, one line each; exit code 1 if one of them is not there
#[derive(Args)]
pub(crate) struct Get {
    #[command(flatten)]
    at: CollectionArguments,
    #[command(flatten)]
    which: IdArguments,
    #[command(flatten)]
    format: JsonOption,
}

/// A line of JSON.
#[derive(Serialize)]
struct Found<'a> {
    id: JsonId<'a>,
    vector: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<JsonPayload>,
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
                let payload = record.payload()?.map(JsonPayload);
                output.json(&Found { id: JsonId(id), vector, payload })?;
            } else {
                let payload = record.payload()?.map(|it| format!("  {it}")).unwrap_or_default();
                output.line(format_args!("{}  {:?}{payload}", Spelled(id), record.vector()))?;
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
