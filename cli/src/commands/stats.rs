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
    bytes_on_disk: u64,
    /// The index that is wanted.
    index: &'static str,
    /// Ids that it finds: all if it is not behind, else at least so many.
    indexed: u64,
    /// What searches go by.
    serving: &'static str,
    behind: u64,
    inserted: u64,
    replayed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt: Option<String>,
    /// Vectors that an index has which is being built, and how many it will have.
    #[serde(skip_serializing_if = "Option::is_none")]
    building: Option<(u64, u64)>,
    /// Bytes of memory without which it cannot catch up.
    #[serde(skip_serializing_if = "Option::is_none")]
    lacking: Option<u64>,
    /// Why it is of this kind, where that is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<String>,
    /// Which share of the nearest hash tables find, as they found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    recall: Option<f32>,
    mapped: bool,
    /// How many of a hundred vectors trees would look at, where that is so many that all are looked at instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned: Option<u8>,
    index_memory_bytes: u64,
    index_image_bytes: u64,
}

impl Held<'_> {
    fn of(collection: &Collection) -> Held<'_> {
        let held = collection.statistics();
        let index = held.index;
        // It counts different vectors, each of which has an id at least; where it has them all, it finds all ids.
        let has_all = index.behind == 0 && index.indexed == held.unique_vectors;
        Held {
            name: collection.name(),
            vectors: held.vectors,
            unique_vectors: held.unique_vectors,
            total_references: held.total_references,
            bytes_on_disk: held.vector_file_bytes,
            index: collection.index().name(),
            indexed: if has_all { held.vectors } else { index.indexed },
            serving: index.kind,
            behind: index.behind,
            inserted: index.inserted,
            replayed: index.replayed,
            rebuilt: index.rebuilt,
            building: index.building,
            lacking: index.lacking,
            chosen: index.chosen,
            recall: index.recall,
            mapped: index.is_mapped,
            scanned: index.scanned,
            index_memory_bytes: index.bytes,
            index_image_bytes: index.image_bytes,
        }
    }

    fn tell(&self, output: &mut Output) -> Result<()> {
        output.line(format_args!(
            "{:?}: {} vectors, {} of them different, {} bytes of vectors on disk",
            self.name, self.vectors, self.unique_vectors, self.bytes_on_disk,
        ))?;
        let place = if self.mapped { "read from its image" } else { "in memory" };
        output.line(format_args!(
            "  {} index: {} indexed, {} behind; {place}, {} bytes in memory, {} bytes of image",
            self.index, self.indexed, self.behind, self.index_memory_bytes, self.index_image_bytes,
        ))?;
        if let Some(why) = &self.chosen {
            output.line(format_args!("  {} was chosen: {why}", self.serving))?;
        } else if self.serving != self.index {
            output.line(format_args!("  searched by {} until it is there", self.serving))?;
        }
        if let Some((done, all)) = self.building {
            output.line(format_args!("  being built: {done} of {all}"))?;
        }
        if self.replayed > 0 {
            let replayed = self.replayed;
            output.line(format_args!("  {replayed} changes were newer than its image"))?;
        }
        if let Some(percent) = self.scanned {
            output.line(format_args!(
                "  trees would look at {percent} % here: instead all vectors are looked at"
            ))?;
        }
        if let Some(recall) = self.recall {
            output.line(format_args!("  it finds {recall:.3} of the nearest, as it measured"))?;
        }
        if let Some(why) = &self.rebuilt {
            output.line(format_args!("  built anew: {why}"))?;
        }
        if let Some(lacking) = self.lacking {
            output.line(format_args!("  it lacks {lacking} bytes of memory to catch up"))?;
        }
        Ok(())
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
            held.tell(&mut output)?;
        }
        output.finish()
    }
}
