//! Which index is asked for, as arguments spell it.
//!
//! Promises
//!  1. Numbers that a kind does not have are refused before anything is opened.

use arrwdb::IndexConfig;
use arrwdb::kinds::{HnswConfig, LshConfig};
use clap::{Args, ValueEnum};

use crate::failure::{Failure, Result};

/// The kinds of index.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IndexName {
    /// Looks at every vector: exact
    Flat,
    /// A graph of near neighbours: finds most of the nearest, and is much faster where there are many
    Hnsw,
    /// Hash tables, tuned to a recall: filled faster than a graph, and searched more slowly
    Lsh,
    /// Trees: exact, and much faster than flat where vectors have few numbers; for cosine and l2
    Kdtree,
    /// Whichever of them suits what the collection has at the moment
    Auto,
}

/// The numbers of a graph, and those of hash tables.
#[derive(Args)]
pub(crate) struct IndexNumbers {
    /// Links of a vector in the graph, 2 to 256; for --index hnsw alone, 16 if nobody says otherwise
    #[arg(long, value_name = "LINKS", value_parser = clap::value_parser!(u16).range(2..=256))]
    m: Option<u16>,
    /// How widely links are looked for; for --index hnsw alone, 200 if nobody says otherwise
    #[arg(long, value_name = "CANDIDATES", value_parser = clap::value_parser!(u16).range(1..))]
    ef_construction: Option<u16>,
    /// Which share of the nearest a search should find, 0 to 1; for --index lsh alone, 0.9 if nobody says otherwise
    #[arg(long, value_name = "SHARE", value_parser = share)]
    target_recall: Option<f32>,
    /// How many hash tables there are, 1 to 256; for --index lsh alone, 16 if nobody says otherwise
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    tables: Option<u16>,
    /// How many functions make the hash of a table, 1 to 22; for --index lsh alone, as many as suit the number of vectors if
    /// nobody says otherwise
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=22))]
    functions: Option<u16>,
    /// How many buckets of each table a search looks at; for --index lsh alone, as many as the recall takes if nobody says
    /// otherwise
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    probes: Option<u32>,
}

fn share(word: &str) -> std::result::Result<f32, String> {
    let share = word.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}

impl IndexNumbers {
    fn are_of_graph(&self) -> bool {
        self.m.is_some() || self.ef_construction.is_some()
    }

    fn are_of_tables(&self) -> bool {
        self.target_recall.is_some()
            || self.tables.is_some()
            || self.functions.is_some()
            || self.probes.is_some()
    }

    /// The index of this kind, with these numbers; without a kind there can be none.
    pub(crate) fn index(&self, name: Option<IndexName>) -> Result<Option<IndexConfig>> {
        if self.are_of_graph() && name != Some(IndexName::Hnsw) {
            let text = "--m and --ef-construction are for --index hnsw alone; leave them out";
            return Err(Failure::usage(text));
        }
        if self.are_of_tables() && name != Some(IndexName::Lsh) {
            let text = "--target-recall, --tables, --functions and --probes are for --index lsh alone; leave them out";
            return Err(Failure::usage(text));
        }
        Ok(name.map(|name| match name {
            IndexName::Flat => IndexConfig::flat(),
            IndexName::Hnsw => self.graph().into(),
            IndexName::Lsh => self.hash_tables().into(),
            IndexName::Kdtree => IndexConfig::kd_tree(),
            IndexName::Auto => IndexConfig::auto(),
        }))
    }

    fn graph(&self) -> HnswConfig {
        let config = HnswConfig::default();
        let config = self.m.map_or(config, |m| config.m(m.into()));
        self.ef_construction.map_or(config, |ef| config.ef_construction(ef.into()))
    }

    fn hash_tables(&self) -> LshConfig {
        let config = LshConfig::default();
        let config = self.target_recall.map_or(config, |recall| config.target_recall(recall));
        let config = self.tables.map_or(config, |tables| config.num_tables(tables.into()));
        let config = self.functions.map_or(config, |count| config.functions(count.into()));
        let probes = |count: u32| config.probes(usize::try_from(count).unwrap_or(usize::MAX));
        self.probes.map_or(config, probes)
    }
}
