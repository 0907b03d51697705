//! Says what a collection is like: chosen when it is made, kept with it, never changed.

use std::sync::Arc;

use base::Dim;
use indexes::{BadName, HnswConfig, KdTreeConfig, LshConfig, Metric, check_distance_name};

use crate::{Dedup, Error, Result};

/// How near vectors are found.
///
/// ```
/// use arrwdb::kinds::HnswConfig;
/// use arrwdb::{CollectionConfig, IndexConfig, Metric};
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
    /// By trees: exact, and much faster than looking at all where vectors have few numbers, up to about ten. By
    /// [`Metric::L2`] and [`Metric::Cosine`].
    KdTree(KdTreeConfig),
    /// By hash tables, tuned to a recall: fills faster than a graph. By each metric, and by no distance of the caller's own.
    Lsh(LshConfig),
    /// By whichever of them suits what a collection has at the moment; as that grows, by another, and a graph is searched more widely.
    /// [`IndexStatistics`](crate::report::IndexStatistics) tells which, and why.
    Auto,
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

    /// Trees, as they are if nobody says otherwise.
    pub fn kd_tree() -> Self {
        KdTreeConfig::default().into()
    }

    /// Hash tables, as they are if nobody says otherwise.
    pub fn lsh() -> Self {
        LshConfig::default().into()
    }

    /// Whichever suits best.
    pub fn auto() -> Self {
        IndexConfig::Auto
    }

    /// Its name, as the command line knows it.
    pub fn name(self) -> &'static str {
        match self {
            IndexConfig::Flat => Self::FLAT,
            IndexConfig::Hnsw(_) => "hnsw",
            IndexConfig::KdTree(_) => "kdtree",
            IndexConfig::Lsh(_) => "lsh",
            IndexConfig::Auto => "auto",
        }
    }

    /// Whether there can be such an index of vectors that are compared by a metric, or by a distance of the caller's own.
    pub(crate) fn suits(self, metric: Option<Metric>) -> bool {
        match self {
            IndexConfig::Flat | IndexConfig::Hnsw(_) | IndexConfig::Auto => true,
            IndexConfig::KdTree(_) => matches!(metric, Some(Metric::L2 | Metric::Cosine)),
            IndexConfig::Lsh(_) => metric.is_some(),
        }
    }

    /// Whether its steps also see to what it took up, and not only to what was removed.
    pub(crate) fn tends_to_what_is_new(self) -> bool {
        matches!(self, IndexConfig::KdTree(_) | IndexConfig::Lsh(_))
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

impl From<KdTreeConfig> for IndexConfig {
    fn from(config: KdTreeConfig) -> Self {
        let KdTreeConfig { leaf, buffer, fan_out, scan_from, .. } = config;
        let config = config.leaf(leaf).buffer(buffer).fan_out(fan_out).scan_from(scan_from);
        IndexConfig::KdTree(config)
    }
}

impl From<LshConfig> for IndexConfig {
    fn from(config: LshConfig) -> Self {
        let LshConfig { num_tables, functions, probes, target_recall, tables_from, .. } = config;
        let config = config.num_tables(num_tables).target_recall(target_recall);
        let config = config.tables_from(tables_from);
        let config = functions.into_iter().fold(config, LshConfig::functions);
        IndexConfig::Lsh(probes.into_iter().fold(config, LshConfig::probes))
    }
}

impl PartialEq for IndexConfig {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (IndexConfig::Flat, IndexConfig::Flat) | (IndexConfig::Auto, IndexConfig::Auto) => true,
            (IndexConfig::KdTree(one), IndexConfig::KdTree(other)) => one == other,
            // Recall is a number from 0 to 1 here, and never -0.
            (IndexConfig::Lsh(one), IndexConfig::Lsh(other)) => one == other,
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

    /// Says whether there can be such a collection, before anything is made.
    ///
    /// ```
    /// use arrwdb::{CollectionConfig, IndexConfig, Metric};
    ///
    /// let config = CollectionConfig::new(3, Metric::Dot);
    /// assert!(config.validate().is_ok());
    /// assert!(config.index(IndexConfig::kd_tree()).validate().is_err());
    /// ```
    ///
    /// # Errors
    /// As [`Store::create_collection`](crate::Store::create_collection), as far as it depends on this alone.
    pub fn validate(&self) -> Result<()> {
        self.check().map(drop)
    }

    /// Refuses an index that there cannot be of such vectors.
    pub(crate) fn check_index(&self, index: IndexConfig) -> Result<()> {
        if index.suits(self.metric()) {
            return Ok(());
        }
        let (kind, distance) = (index.name(), self.distance_name().to_owned());
        Err(Error::UnsuitedIndex { kind, distance })
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
        self.check_index(self.index)?;
        Dim::new(self.dim).ok_or(Error::BadDimension { dim: self.dim })
    }
}
