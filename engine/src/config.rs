//! Says what a collection is like: chosen when it is made, kept with it, never changed.

use std::sync::Arc;

use base::Dim;
use indexes::{BadName, HnswConfig, Metric, check_distance_name};

use crate::{Dedup, Error, Result};

/// How near vectors are found.
///
/// ```
/// use arrwdb::{CollectionConfig, HnswConfig, IndexConfig, Metric};
///
/// let config = CollectionConfig::new(384, Metric::Cosine).index(IndexConfig::hnsw());
/// assert_eq!(config.index_kind().name(), "hnsw");
/// let denser = config.index(HnswConfig::default().m(24).ef_construction(300));
/// assert_eq!(CollectionConfig::new(384, Metric::Cosine).index_kind(), IndexConfig::Flat);
/// # let _ = denser;
/// ```
#[derive(Clone, Copy, Default, Debug)]
#[non_exhaustive]
pub enum IndexConfig {
    /// By looking at all of them: exact.
    #[default]
    Flat,
    /// By a graph of near neighbours: most of the nearest, and much faster where there are many.
    Hnsw(HnswConfig),
}

impl IndexConfig {
    /// The name of the exact one.
    pub(crate) const FLAT: &str = "flat";

    /// The exact one.
    pub fn flat() -> Self {
        IndexConfig::Flat
    }

    /// A graph, as it is if nobody says otherwise.
    pub fn hnsw() -> Self {
        HnswConfig::default().into()
    }

    /// Its name, as the command line knows it.
    pub fn name(self) -> &'static str {
        match self {
            IndexConfig::Flat => Self::FLAT,
            IndexConfig::Hnsw(_) => "hnsw",
        }
    }
}

impl From<HnswConfig> for IndexConfig {
    fn from(config: HnswConfig) -> Self {
        // Its fields may have been set to anything.
        let HnswConfig { m, ef_construction, ef_search, stop, .. } = config;
        let config = config.m(m).ef_construction(ef_construction).ef_search(ef_search).stop(stop);
        IndexConfig::Hnsw(config.max_level(config.max_level.min(HNSW_LEVEL_MAX)))
    }
}

impl PartialEq for IndexConfig {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (IndexConfig::Flat, IndexConfig::Flat) => true,
            (IndexConfig::Hnsw(one), IndexConfig::Hnsw(other)) => {
                let but_stop = |it: &HnswConfig| it.stop(f32::INFINITY);
                one.stop.to_bits() == other.stop.to_bits() && but_stop(one) == but_stop(other)
            }
            _ => false,
        }
    }
}

impl Eq for IndexConfig {}

/// There are no more levels in any graph.
const HNSW_LEVEL_MAX: usize = 64;

/// What a collection is like. It stays so for as long as the collection is there.
///
/// ```
/// use arrwdb::{CollectionConfig, Dedup, Metric};
///
/// let config = CollectionConfig::new(384, Metric::Cosine).dedup(Dedup::Decimals(6));
/// assert_eq!(config.metric(), Some(Metric::Cosine));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectionConfig {
    dim: u32,
    compared: Compared,
    index: IndexConfig,
    dedup: Dedup,
}

/// What vectors are compared by.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Compared {
    Metric(Metric),
    /// A distance of the caller's own, by its name.
    Own(Arc<str>),
}

impl CollectionConfig {
    /// Vectors of so many numbers, compared like this; found exactly, and kept once if they have the same bits.
    pub fn new(dim: u32, metric: Metric) -> Self {
        Self::compared_by(dim, Compared::Metric(metric))
    }

    /// The same, compared by the distance of this name: one that the store was opened with, now and each time behind
    /// this. See [`StoreOptions::distance`](crate::StoreOptions::distance).
    pub fn with_distance(dim: u32, name: &str) -> Self {
        Self::compared_by(dim, Compared::Own(name.into()))
    }

    fn compared_by(dim: u32, compared: Compared) -> Self {
        let (index, dedup) = (IndexConfig::default(), Dedup::default());
        CollectionConfig { dim, compared, index, dedup }
    }

    /// How near vectors are found.
    #[must_use]
    pub fn index(self, index: impl Into<IndexConfig>) -> Self {
        CollectionConfig { index: index.into(), ..self }
    }

    /// When two vectors are one.
    #[must_use]
    pub fn dedup(self, dedup: Dedup) -> Self {
        CollectionConfig { dedup, ..self }
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> u32 {
        self.dim
    }

    /// What is near; `None` if a distance of the caller's own says so.
    pub fn metric(&self) -> Option<Metric> {
        match &self.compared {
            Compared::Metric(metric) => Some(*metric),
            Compared::Own(_) => None,
        }
    }

    /// The name of the metric, or that of the distance of the caller's own. No two have the same.
    pub fn distance_name(&self) -> &str {
        match &self.compared {
            Compared::Metric(metric) => metric.name(),
            Compared::Own(name) => name,
        }
    }

    /// How near vectors are found.
    pub fn index_kind(&self) -> IndexConfig {
        self.index
    }

    /// When two vectors are one.
    pub fn dedup_rule(&self) -> Dedup {
        self.dedup
    }

    /// The same, as the vectors know it.
    pub(crate) fn rule(&self) -> Result<segments::Dedup> {
        self.dedup.rule()
    }

    pub(crate) fn check(&self) -> Result<Dim> {
        if let Compared::Own(name) = &self.compared {
            let bad = |why: BadName| Error::BadDistanceName {
                name: name.to_string(),
                why: why.to_string(),
            };
            check_distance_name(name).map_err(bad)?;
        }
        self.rule()?;
        Dim::new(self.dim).ok_or(Error::BadDimension { dim: self.dim })
    }
}
