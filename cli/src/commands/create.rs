//! Makes a collection, and the store in front of it where there is none.
//!
//! Promises
//!  1. A collection that cannot be is refused before anything is made.

use arrwdb::{CollectionConfig, Dedup, Metric, Store};
use clap::{Args, ValueEnum};

use crate::failure::Result;
use crate::index_options::{IndexName, IndexNumbers};
use crate::opened;
use crate::options::CollectionArguments;
use crate::output::Output;

/// Makes a collection, and the store too where there is none
///
/// What is chosen here stays so for good, but for the index: see `arrwdb index`.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  arrwdb create ./store docs --dim 384 --metric cosine --index flat
  arrwdb create ./store pages --dim 768 --metric cosine --index hnsw --m 24
  arrwdb create ./store places --dim 3 --metric l2 --index kdtree
  arrwdb create ./store photos --dim 128 --metric l2 --index flat --dedup decimals=6")]
pub(crate) struct Create {
    #[command(flatten)]
    at: CollectionArguments,
    /// How many numbers a vector has: 1 to 65536
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dim: u32,
    /// What near means
    #[arg(long, value_enum)]
    metric: MetricName,
    /// How near vectors are found
    #[arg(long, value_enum)]
    index: IndexName,
    #[command(flatten)]
    numbers: IndexNumbers,
    /// When two vectors are one and kept once: exact (the same bits), decimals=N (the same when rounded to N decimals,
    /// 0 to 12; the first is kept), off (never)
    #[arg(long, value_name = "RULE", default_value = "exact", value_parser = dedup)]
    dedup: Dedup,
}

#[derive(Clone, Copy, ValueEnum)]
enum MetricName {
    /// One less the cosine of the angle
    Cosine,
    /// The Euclidean distance
    L2,
    /// The negative inner product
    Dot,
}

/// A rule as `--dedup` spells it.
fn dedup(word: &str) -> std::result::Result<Dedup, String> {
    let is_possible = |decimals: &u8| *decimals <= Dedup::DECIMALS_MAX;
    let decimals = |digits: &str| digits.parse().ok().filter(is_possible).map(Dedup::Decimals);
    let rule = match (word, word.strip_prefix("decimals=")) {
        ("exact", _) => Some(Dedup::Exact),
        ("off", _) => Some(Dedup::Off),
        (_, Some(digits)) => decimals(digits),
        _ => None,
    };
    rule.ok_or_else(|| "a rule is exact, decimals=0 to decimals=12, or off".to_owned())
}

impl Create {
    pub(crate) fn run(self) -> Result<()> {
        let index = self.numbers.index(Some(self.index))?.unwrap_or_default();
        let metric = match self.metric {
            MetricName::Cosine => Metric::Cosine,
            MetricName::L2 => Metric::L2,
            MetricName::Dot => Metric::Dot,
        };
        let config = CollectionConfig::new(self.dim, metric).index(index).dedup(self.dedup);
        config.validate()?;
        let CollectionArguments { store: path, collection: name } = &self.at;
        let store = Store::open(path)?;
        opened::tell_damage(&store, path);
        store.create_collection(name, config)?;
        store.close()?;
        let mut output = Output::begin();
        output.line(format_args!(
            "collection {name:?} is in {}: {} numbers, {}, {}",
            path.display(),
            self.dim,
            metric.name(),
            index.name(),
        ))?;
        output.finish()
    }
}
