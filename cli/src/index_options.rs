//! Which index is asked for, as arguments spell it.
//!
//! Promises
//!  1. Kinds that are not there yet, and numbers that a kind does not have, are refused before anything is opened.

use arrwdb::{HnswConfig, IndexConfig};
use clap::{Args, ValueEnum};

use crate::failure::{Failure, Result};

/// The kinds of index, with those that are to come.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IndexName {
    /// Looks at every vector: exact
    Flat,
    /// A graph of near neighbours: finds most of the nearest, and is much faster where there are many
    Hnsw,
    /// Not there yet
    Lsh,
    /// Not there yet
    Kdtree,
    /// Not there yet
    Auto,
}

/// The numbers of a graph.
#[derive(Args)]
pub(crate) struct GraphOptions {
    /// Links of a vector in the graph, 2 to 256; for --index hnsw alone, 16 if nobody says otherwise
    #[arg(long, value_name = "LINKS", value_parser = clap::value_parser!(u16).range(2..=256))]
    m: Option<u16>,
    /// How widely links are looked for; for --index hnsw alone, 200 if nobody says otherwise
    #[arg(long, value_name = "CANDIDATES", value_parser = clap::value_parser!(u16).range(1..))]
    ef_construction: Option<u16>,
}

impl GraphOptions {
    /// Whether any of them was given.
    pub(crate) fn are_given(&self) -> bool {
        self.m.is_some() || self.ef_construction.is_some()
    }

    /// The index of this kind, with these numbers.
    pub(crate) fn index(&self, name: IndexName) -> Result<IndexConfig> {
        if self.are_given() && name != IndexName::Hnsw {
            return Err(misplaced());
        }
        let name = match name {
            IndexName::Flat => return Ok(IndexConfig::Flat),
            IndexName::Hnsw => return Ok(self.graph().into()),
            IndexName::Lsh => "lsh",
            IndexName::Kdtree => "kdtree",
            IndexName::Auto => "auto",
        };
        Err(Failure::refused(format!(
            "index kind {name} does not exist yet; flat and hnsw do, and nothing was changed"
        )))
    }

    fn graph(&self) -> HnswConfig {
        let config = HnswConfig::default();
        let config = self.m.map_or(config, |m| config.m(m.into()));
        self.ef_construction.map_or(config, |ef| config.ef_construction(ef.into()))
    }
}

/// They were given for another kind, or for none.
pub(crate) fn misplaced() -> Failure {
    Failure::usage("--m and --ef-construction are for --index hnsw alone; leave them out")
}
