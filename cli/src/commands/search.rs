//! Finds the nearest vectors to queries, from a file, from the command line, or to those of an id.

use std::path::PathBuf;

use arrwdb::{Collection, Hits, Id, Store};
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::ids::{self, JsonId, Spelled};
use crate::npy::{Floats, Int64File, Npy};
use crate::options::{CollectionArguments, JsonOption, Vector};
use crate::output::{Output, note};
use crate::queries::{self, THREADS_MAX};
use crate::{numbers, opened, options};

/// Finds the nearest vectors to each query
///
/// The nearest come first, equally near ones in the order of their ids. With --json one line a query:
/// {"query","hits":[{"id","distance"}],"complete"}; "query" is its number, from 0.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  arrwdb search ./store docs --vector '[0.1, 0.9, 0.3]' -k 5
  arrwdb search ./store docs --id chunk-17 --ef 200 --json
  arrwdb search ./store docs --queries queries.npy -k 100 --threads 4 --out nearest.npy")]
pub(crate) struct Search {
    #[command(flatten)]
    at: CollectionArguments,
    #[command(flatten)]
    near: Near,
    /// How many hits at most for each query
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// How widely to look, for an index that has it: wider finds more of the nearest and takes longer; flat looks at
    /// everything and ignores it
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    ef: Option<u32>,
    /// Only hits that are not farther than this
    #[arg(long, value_name = "DISTANCE", allow_negative_numbers = true, value_parser = options::distance)]
    within: Option<f32>,
    /// How many threads search
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX))]
    threads: u16,
    /// Write the ids to this file, int64, queries x k, filled up with -1; text ids cannot be in it
    #[arg(long, value_name = "FILE.npy")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: JsonOption,
}

/// What is searched for: exactly one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Near {
    /// Search for each row of this file
    #[arg(long, value_name = "FILE.npy")]
    queries: Option<PathBuf>,
    /// Search for this vector, a JSON array of numbers
    #[arg(long, value_name = "JSON", value_parser = options::vector)]
    vector: Option<Vector>,
    /// Search for the vector that this id has; spelled as for `arrwdb get`
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = ids::parse)]
    id: Option<Id>,
}

/// Queries that are read as they are asked.
enum Source {
    One(Vec<f32>),
    File(Floats),
}

/// How many queries each thread is given before answers are written.
const QUERIES_A_THREAD: usize = 64;

impl Search {
    pub(crate) fn run(self) -> Result<()> {
        opened::reading(&self.at.store, |store| self.read(store))
    }

    fn read(&self, store: &Store) -> Result<()> {
        let collection = opened::collection(store, &self.at.store, &self.at.collection)?;
        let view = store.view();
        let source = self.source(&view, &collection)?;
        let k = usize::try_from(self.k).unwrap_or(usize::MAX);
        let ef = self.ef.map(queries::wide);
        let search = queries::Search { view, collection, k, ef, within: self.within };
        self.answer(&search, source)
    }

    fn source(&self, view: &arrwdb::View, collection: &Collection) -> Result<Source> {
        let dim = collection.config().dim();
        match &self.near {
            Near { queries: Some(path), .. } => {
                Ok(Source::File(Npy::open(path)?.floats()?.expect_dim(dim)?))
            }
            Near { id: Some(id), .. } => match view.get(collection, id)? {
                Some(record) => Ok(Source::One(record.vector().to_vec())),
                None => Err(Failure::refused(format!(
                    "collection {:?} has no {}",
                    collection.name(),
                    Spelled(id)
                ))),
            },
            Near { vector: Some(Vector(vector)), .. } => Ok(Source::One(vector.clone())),
            Near { .. } => Err(Failure::usage("give --queries, --vector or --id")),
        }
    }

    fn answer(&self, search: &queries::Search, mut source: Source) -> Result<()> {
        let threads = usize::from(self.threads);
        let mut answers = Answers::begin(self, source.count())?;
        loop {
            let queries = source.take(threads.saturating_mul(QUERIES_A_THREAD))?;
            if queries.is_empty() {
                return answers.finish();
            }
            for hits in queries::in_order(&queries, threads, |query| search.ask(query))? {
                answers.add(&hits)?;
            }
        }
    }
}

impl Source {
    fn count(&self) -> u64 {
        match self {
            Source::One(_) => 1,
            Source::File(file) => file.rows(),
        }
    }

    /// The next queries, at most so many; none at the end.
    fn take(&mut self, most: usize) -> Result<Vec<Vec<f32>>> {
        match self {
            Source::One(query) if query.is_empty() => Ok(Vec::new()),
            Source::One(query) => Ok(vec![std::mem::take(query)]),
            Source::File(file) => file.some(most),
        }
    }
}

/// Where answers go, one query after the other.
struct Answers<'a> {
    asked: &'a Search,
    output: Output,
    out: Option<Int64File>,
    /// The number of the next query.
    next: u64,
}

/// A line of JSON.
#[derive(Serialize)]
struct Answer<'a> {
    query: u64,
    hits: Vec<Found<'a>>,
    complete: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    id: JsonId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f64>,
}

impl<'a> Answers<'a> {
    fn begin(asked: &'a Search, queries: u64) -> Result<Self> {
        let create = |path: &PathBuf| Int64File::create(path, queries, u64::from(asked.k));
        let out = asked.out.as_ref().map(create).transpose()?;
        Ok(Answers { asked, output: Output::begin(), out, next: 0 })
    }

    fn add(&mut self, hits: &Hits) -> Result<()> {
        let query = self.next;
        self.next += 1;
        if let Some(out) = &mut self.out {
            write_ids(out, query, hits, self.asked.k)?;
        }
        if self.asked.format.json {
            let found = hits
                .iter()
                .map(|hit| Found { id: JsonId(&hit.id), distance: numbers::json(hit.distance) });
            let (hits, complete) = (found.collect(), hits.complete());
            return self.output.json(&Answer { query, hits, complete });
        }
        if self.out.is_some() {
            return Ok(());
        }
        if query == 0 {
            // Not before there is an answer: there may be none.
            self.output.line(format_args!("{:>8} {:<24} {}", "QUERY", "ID", "DISTANCE"))?;
        }
        if hits.is_empty() {
            self.output.line(format_args!("{query:>8} nothing found"))?;
        }
        for hit in hits.iter() {
            let (id, distance) = (Spelled(&hit.id), hit.distance);
            self.output.line(format_args!("{query:>8} {id:<24} {distance}"))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if let (Some(out), Some(path)) = (self.out.take(), &self.asked.out) {
            out.finish()?;
            if !self.asked.format.json {
                note(format_args!("{} answers are in {}", self.next, path.display()));
            }
        }
        self.output.finish()
    }
}

/// One row of `--out`.
fn write_ids(out: &mut Int64File, query: u64, hits: &Hits, k: u32) -> Result<()> {
    let mut left = k;
    for hit in hits.iter() {
        let number = match &hit.id {
            Id::Number(number) => i64::try_from(*number).ok(),
            Id::Uuid(_) | Id::Text(_) => None,
        };
        let number = number.ok_or_else(|| {
            let id = Spelled(&hit.id);
            Failure::refused(format!(
                "id {id}, found for query {query}, is no number of int64, which --out holds alone; \
                 use --json, and nothing was written"
            ))
        })?;
        out.write(number)?;
        left = left.saturating_sub(1);
    }
    for _ in 0..left {
        out.write(-1)?;
    }
    Ok(())
}
