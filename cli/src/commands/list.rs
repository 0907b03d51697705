//! Lists the collections of a store, and what they are like.

use arrwdb::{Collection, Dedup, Store};
use clap::Args;
use serde::Serialize;

use crate::failure::Result;
use crate::opened;
use crate::options::{JsonOption, StoreArgument};
use crate::output::Output;

/// Lists the collections of a store
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    at: StoreArgument,
    #[command(flatten)]
    format: JsonOption,
}

/// One of an array in JSON.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    dim: u32,
    metric: &'a str,
    index: &'static str,
    dedup: String,
    vectors: u64,
}

impl Listed<'_> {
    fn of(collection: &Collection) -> Listed<'_> {
        let config = collection.config();
        let dedup = match config.dedup_rule() {
            Dedup::Exact => "exact".to_owned(),
            Dedup::Decimals(decimals) => format!("decimals={}", decimals),
            Dedup::Off => "off".to_owned(),
        };
        Listed {
            name: collection.name(),
            dim: config.dim(),
            metric: config.distance_name(),
            index: collection.index().name(),
            dedup,
            vectors: collection.len(),
        }
    }
}

impl List {
    pub(crate) fn run(self) -> Result<()> {
        opened::reading(&self.at.store, |store| self.read(store))
    }

    fn read(&self, store: &Store) -> Result<()> {
        let collections = store.collections();
        let listed: Vec<_> = collections.iter().map(Listed::of).collect();
        let mut output = Output::begin();
        if self.format.json {
            output.json(&listed)?;
            return output.finish();
        }
        let (a, b, c, d, e, f) = ("NAME", "DIM", "METRIC", "INDEX", "DEDUP", "VECTORS");
        output.line(format_args!("{a:<24} {b:>6} {c:<7} {d:<7} {e:<11} {f:>12}"))?;
        for Listed { name, dim, metric, index, dedup, vectors } in listed {
            // A name may hold anything: quoted and escaped where it is not plain.
            let name = format!("{name:?}");
            output.line(format_args!(
                "{name:<24} {dim:>6} {metric:<7} {index:<7} {dedup:<11} {vectors:>12}"
            ))?;
        }
        output.finish()
    }
}
