//! Imports the rows of a file, or goes on with an import that was cut off.

use std::path::PathBuf;
use std::time::Duration;

use arrwdb::{Collection, Durability, Store};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::clock::Stopwatch;
use crate::failure::{Failure, Result};
use crate::import::{Pipeline, Place, Record, Source, Told};
use crate::options::CollectionArguments;
use crate::output::{Output, note};
use crate::{opened, progress, waiting};

/// Imports vectors from a .npy file
///
/// The file holds float32, float64, float16 or uint8 in C order, a vector in each row; it is looked at whole before the
/// first row is written. Every batch happens as a whole and records how far the import is: the same command again goes
/// on behind the last recorded row, whatever ended the one before.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  arrwdb import ./store docs vectors.npy
  arrwdb import ./store docs vectors.npy --ids names.txt --batch 5000
  arrwdb import ./store docs vectors.npy --acks --json")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Import {
    #[command(flatten)]
    at: CollectionArguments,
    /// The vectors
    #[arg(value_name = "FILE.npy")]
    file: PathBuf,
    /// The ids, one for each row: a .npy of integers, or text with one a line, spelled as for `arrwdb get`. Without it,
    /// rows are numbered from one above the highest number that ever was an id in the collection, or from 0
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// How many rows happen at once
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=BATCH_MAX))]
    batch: u32,
    /// When a batch is acknowledged: when it survives the power, or only the process
    #[arg(long, value_enum, default_value = "sync")]
    durability: DurabilityName,
    /// Wait until all rows are in the index. Nothing needs that in order to be found: searches are the faster for it
    #[arg(long)]
    wait_indexed: bool,
    /// Print `acked N` after every batch: rows of this run that are acknowledged. Nothing else but JSON is printed then
    #[arg(long)]
    acks: bool,
    /// Forget how far an earlier import of this file came, and import it anew; without --ids under new ids
    #[arg(long)]
    restart: bool,
    /// End with one line of JSON: {"vectors","seconds","vectors_per_second","bytes_written"}, of this run; with
    /// --wait-indexed "indexing_seconds" too, a part of the seconds: how long was waited for the index
    #[arg(long)]
    json: bool,
}

/// A batch of more rows would hardly be faster, and is held in memory.
const BATCH_MAX: i64 = 1_000_000;

#[derive(Clone, Copy, ValueEnum)]
enum DurabilityName {
    /// It survives the power
    Sync,
    /// It survives the process
    Os,
}

/// The last line of JSON.
#[derive(Serialize)]
struct Answer {
    vectors: u64,
    seconds: f64,
    vectors_per_second: f64,
    /// Of the whole store since it was opened, its closing included.
    bytes_written: u64,
    /// How long was waited for the index, if it was, behind the last row.
    #[serde(skip_serializing_if = "Option::is_none")]
    indexing_seconds: Option<f64>,
}

/// What was done, to be told.
struct Done {
    vectors: u64,
    took: Duration,
    indexing: Option<Duration>,
    bytes_written: u64,
}

impl Import {
    pub(crate) fn run(self) -> Result<()> {
        let store = opened::open(&self.at.store)?;
        let watch = Stopwatch::start();
        let collection = opened::collection(&store, &self.at.store, &self.at.collection)?;
        let dim = collection.config().dim();
        let mut source = Source::open(&self.file, self.ids.as_deref(), dim)?;
        let place = Place::of(collection.name(), source.fingerprint());
        let record = self.begin(&collection, &source, place.load(&store)?)?;
        let mut vectors = 0;
        if record.done == record.rows {
            let (path, rows) = (self.file.display(), record.rows);
            note(format_args!(
                "all {rows} rows of {path} were imported before: there is nothing left to do \
                 (--restart imports them anew)"
            ));
        } else {
            source.check(record.done, self.ids.as_deref())?;
            vectors = self.write(&store, &collection, &mut source, (place, record))?;
        }
        let wait = self.wait_indexed.then(|| waiting::wait_indexed(&collection));
        let indexing = wait.transpose()?;
        store.close()?;
        let (took, bytes_written) = (watch.elapsed(), store.stats().bytes_written);
        self.tell(&Done { vectors, took, indexing, bytes_written })
    }

    /// Where the import begins, or goes on.
    fn begin(
        &self,
        collection: &Collection,
        source: &Source,
        known: Option<Record>,
    ) -> Result<Record> {
        if let Some(known) = known.filter(|_| !self.restart) {
            return self.go_on(collection, source, known);
        }
        let rows = source.rows();
        let mut record = Record::begun(None, rows);
        if self.ids.is_none() && rows > 0 {
            let first = collection.highest_number().map_or(Some(0), |it| it.checked_add(1));
            record.first = first.filter(|first| first.checked_add(rows - 1).is_some());
            if record.first.is_none() {
                return Err(Failure::refused(format!(
                    "collection {:?} has no {rows} numbers left above its highest id; give ids with \
                     --ids",
                    collection.name()
                )));
            }
        }
        Ok(record)
    }

    fn go_on(&self, collection: &Collection, source: &Source, mut known: Record) -> Result<Record> {
        let path = self.file.display();
        if known.rows != source.rows() {
            return Err(Failure::refused(format!(
                "{path} has {} rows, and the record of its import {}; --restart imports it anew",
                source.rows(),
                known.rows
            )));
        }
        if known.done == known.rows {
            return Ok(known);
        }
        let (highest, expected) = (collection.highest_number(), known.end());
        if known.first.is_some() && highest != expected {
            // Ids above those given so far are others' by now: the rest goes on above them.
            let next = highest.map_or(Some(0), |highest| highest.checked_add(1));
            let first = next.and_then(|next| next.checked_sub(known.done));
            known.first = first.filter(|first| first.checked_add(known.rows - 1).is_some());
            let Some(next) = next.filter(|_| known.first.is_some()) else {
                return Err(Failure::refused(format!(
                    "collection {:?} has not enough numbers left above its highest id for the rest of \
                     {path}; give ids with --ids",
                    collection.name()
                )));
            };
            note(format_args!(
                "ids above those of the rows of {path} were written since: its rows from {} on (from 0) \
                 get ids from {next} on",
                known.done
            ));
        }
        note(format_args!(
            "goes on behind the {} of {} rows of {path} that were imported",
            known.done, known.rows
        ));
        Ok(known)
    }

    fn write(
        &self,
        store: &Store,
        collection: &Collection,
        source: &mut Source,
        (place, record): (Place, Record),
    ) -> Result<u64> {
        let next = record.first.map(|first| first.saturating_add(record.done));
        source.go_to(record.done, next)?;
        let bar = progress::bar("importing", record.rows);
        bar.set_position(record.done);
        let batch = usize::try_from(self.batch).unwrap_or(usize::MAX);
        let durability = match self.durability {
            DurabilityName::Sync => Durability::Sync,
            DurabilityName::Os => Durability::Os,
        };
        let told = if self.acks { Told::Acks } else { Told::Nobody };
        let pipeline = Pipeline { store, collection, place, batch, durability };
        let imported = pipeline.run(source, record, told, &bar);
        bar.finish_and_clear();
        let vectors = imported.rows;
        let path = self.file.display();
        imported.ended.map(|()| vectors).map_err(|failure| {
            failure.about(format_args!(
                "{path}: {vectors} rows of this run were acknowledged, and the same command goes on \
                 behind those that are there"
            ))
        })
    }

    fn tell(&self, done: &Done) -> Result<()> {
        let Done { vectors, took, indexing, bytes_written } = *done;
        let (seconds, indexing_seconds) = (took.as_secs_f64(), indexing.map(|it| it.as_secs_f64()));
        let per_second = vectors as f64 / seconds.max(1e-9);
        let mut output = Output::begin();
        if self.json {
            output.json(&Answer {
                vectors,
                seconds,
                vectors_per_second: per_second,
                bytes_written,
                indexing_seconds,
            })?;
            return output.finish();
        }
        if self.acks {
            return output.finish();
        }
        if vectors > 0 {
            output.line(format_args!(
                "imported {vectors} vectors into {:?} in {seconds:.2} s ({per_second:.0} a second)",
                self.at.collection
            ))?;
        }
        if let Some(indexing) = indexing_seconds {
            output
                .line(format_args!("all are in the index, {indexing:.2} s behind the last row"))?;
        }
        output.finish()
    }
}
