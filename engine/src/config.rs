//! Says what a collection is like: chosen when it is made, kept with it, never changed.

use base::Dim;
use indexes::Metric;
use segments::{Decimals, Dedup};

use crate::{Error, Result};

/// How near vectors are found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum IndexConfig {
    /// By looking at all of them: exact.
    #[default]
    Flat,
}

impl IndexConfig {
    /// The exact one.
    pub fn flat() -> Self {
        IndexConfig::Flat
    }

    /// Its name, as the command line knows it.
    pub fn name(self) -> &'static str {
        match self {
            IndexConfig::Flat => "flat",
        }
    }
}

/// What a collection is like.
///
/// ```
/// use arrwdb::{CollectionConfig, Decimals, Dedup, Metric};
///
/// let six = Decimals::new(6).unwrap();
/// let config = CollectionConfig::new(384, Metric::Cosine).dedup(Dedup::Decimals(six));
/// assert_eq!(config.metric(), Metric::Cosine);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CollectionConfig {
    dim: u32,
    metric: Metric,
    index: IndexConfig,
    dedup: Dedup,
}

impl CollectionConfig {
    /// Vectors of so many numbers, compared like this; found exactly, and kept once if they have the same bits.
    pub fn new(dim: u32, metric: Metric) -> Self {
        let (index, dedup) = (IndexConfig::default(), Dedup::default());
        CollectionConfig { dim, metric, index, dedup }
    }

    /// How near vectors are found.
    #[must_use]
    pub fn index(self, index: IndexConfig) -> Self {
        CollectionConfig { index, ..self }
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

    /// What is near.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// How near vectors are found.
    pub fn index_kind(&self) -> IndexConfig {
        self.index
    }

    /// When two vectors are one.
    pub fn dedup_rule(&self) -> Dedup {
        self.dedup
    }

    pub(crate) fn check(&self) -> Result<Dim> {
        Dim::new(self.dim).ok_or(Error::BadDimension { dim: self.dim })
    }

    /// As it is written: metric, index, dedup, decimals.
    pub(crate) fn codes(&self) -> [u8; 4] {
        let metric = match self.metric {
            Metric::L2 => 1,
            Metric::Cosine => 2,
            Metric::Dot => 3,
        };
        let index = match self.index {
            IndexConfig::Flat => 1,
        };
        let (dedup, decimals) = match self.dedup {
            Dedup::Exact => (1, 0),
            Dedup::Decimals(decimals) => (2, decimals.get()),
            Dedup::Off => (3, 0),
        };
        [metric, index, dedup, decimals]
    }

    /// What such codes mean; the field that means nothing otherwise.
    pub(crate) fn of_codes(dim: u32, codes: [u8; 4]) -> std::result::Result<Self, &'static str> {
        let [metric, index, dedup, decimals] = codes;
        let metric = match metric {
            1 => Metric::L2,
            2 => Metric::Cosine,
            3 => Metric::Dot,
            _ => return Err("metric"),
        };
        let index = match index {
            1 => IndexConfig::Flat,
            _ => return Err("index"),
        };
        let dedup = match (dedup, Decimals::new(decimals)) {
            (1, _) if decimals == 0 => Dedup::Exact,
            (2, Some(decimals)) => Dedup::Decimals(decimals),
            (3, _) if decimals == 0 => Dedup::Off,
            _ => return Err("dedup"),
        };
        Dim::new(dim).ok_or("dim")?;
        Ok(CollectionConfig { dim, metric, index, dedup })
    }
}
