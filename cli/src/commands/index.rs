//! Changes the index of a collection, builds it anew, or waits for it.

use arrwdb::{Collection, IndexConfig};
use clap::Args;
use serde::Serialize;

use crate::failure::Result;
use crate::index_options::{IndexName, IndexNumbers};
use crate::options::{CollectionArguments, JsonOption};
use crate::output::Output;
use crate::{opened, waiting};

/// Changes or rebuilds the index of a collection, and waits until it serves
///
/// The index of before serves until the other one is built. What is asked for with --index is kept before anything is
/// built: whatever ends this command, the next one goes on towards it. Where it is as asked for, it is waited for until it
/// has all vectors, and nothing is built; so it is with neither option.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  arrwdb index ./store docs --index hnsw --m 24
  arrwdb index ./store docs --index lsh --target-recall 0.95
  arrwdb index ./store docs --rebuild")]
pub(crate) struct Index {
    #[command(flatten)]
    at: CollectionArguments,
    /// How near vectors are to be found from now on
    #[arg(long, value_enum)]
    index: Option<IndexName>,
    #[command(flatten)]
    numbers: IndexNumbers,
    /// Build it anew, also where it is as asked for
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    format: JsonOption,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Serves {
    index: &'static str,
    indexed: u64,
    built: bool,
    seconds: f64,
}

impl Index {
    pub(crate) fn run(self) -> Result<()> {
        let wanted = self.numbers.index(self.index)?;
        let store = opened::open(&self.at.store)?;
        let collection = opened::collection(&store, &self.at.store, &self.at.collection)?;
        let built = self.ask(&collection, wanted)?;
        let waited = waiting::wait_indexed(&collection)?;
        let found = collection.statistics().index;
        store.close()?;
        let (index, indexed) = (found.kind, found.indexed);
        let seconds = waited.as_secs_f64();
        let mut output = Output::begin();
        if self.format.json {
            output.json(&Serves { index, indexed, built, seconds })?;
            return output.finish();
        }
        let how = if built { "was built and" } else { "is as it was asked for, and" };
        output.line(format_args!(
            "the index of {:?} {how} serves: {index}, {indexed} different vectors, after {seconds:.2} s",
            self.at.collection
        ))?;
        output.finish()
    }

    /// Asks for what is wanted; says whether an index is built for that.
    fn ask(&self, collection: &Collection, wanted: Option<IndexConfig>) -> Result<bool> {
        match wanted.filter(|wanted| *wanted != collection.index()) {
            // Built anew by that.
            Some(wanted) => collection.set_index(wanted)?,
            None if self.rebuild => collection.rebuild()?,
            None => return Ok(false),
        }
        Ok(true)
    }
}
