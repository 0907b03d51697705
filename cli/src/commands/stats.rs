//! Says what a store holds, and how long it took to open.

use arrwdb::Collection;
use clap::Args;
use serde::Serialize;

use crate::clock::Stopwatch;
use crate::failure::Result;
use crate::opened;
use crate::options::{JsonOption, StoreArgument};
use crate::output::Output;

/// Says what a store holds, and how long it took to open
#[derive(Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    at: StoreArgument,
    #[command(flatten)]
    format: JsonOption,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'a> {
    open_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    collections: Vec<Held<'a>>,
}

#[derive(Serialize)]
struct Held<'a> {
    name: &'a str,
    vectors: u64,
    unique_vectors: u64,
    total_references: u64,
    indexed: u64,
    index: &'static str,
    bytes_on_disk: u64,
}

impl Held<'_> {
    fn of(collection: &Collection) -> Held<'_> {
        let held = collection.statistics();
        Held {
            name: collection.name(),
            vectors: held.vectors,
            unique_vectors: held.unique_vectors,
            total_references: held.total_references,
            // A flat search looks at all there are.
            indexed: held.vectors,
            index: collection.config().index_kind().name(),
            bytes_on_disk: held.vector_file_bytes,
        }
    }
}

impl Stats {
    pub(crate) fn run(self) -> Result<()> {
        let watch = Stopwatch::start();
        let store = opened::open(&self.at.store)?;
        let open_ms = watch.elapsed().as_secs_f64() * 1e3;
        let collections = store.collections();
        let held: Vec<_> = collections.iter().map(Held::of).collect();
        let sequence = store.sequence().map(|sequence| sequence.get());
        store.close()?;
        let mut output = Output::begin();
        if self.format.json {
            output.json(&Answer { open_ms, sequence, collections: held })?;
            return output.finish();
        }
        output.line(format_args!("opened in {open_ms:.1} ms"))?;
        match sequence {
            Some(sequence) => output.line(format_args!("last batch: {sequence}"))?,
            None => output.line("no batch yet")?,
        }
        for held in held {
            output.line(format_args!(
                "{:?}: {} vectors, {} of them different, {} in the {} index, {} bytes of vectors on disk",
                held.name,
                held.vectors,
                held.unique_vectors,
                held.indexed,
                held.index,
                held.bytes_on_disk,
            ))?;
        }
        output.finish()
    }
}
