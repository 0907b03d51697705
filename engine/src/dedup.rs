//! Says when two vectors of a collection are one, and are kept once.

use segments::Decimals;

use crate::{Error, Result};

/// When two vectors of a collection are one, and are kept once. Each id has a vector all the same.
///
/// Zero and the negative zero are the same number and have not the same bits: to [`Dedup::Exact`] they are two.
///
/// ```
/// use arrwdb::{CollectionConfig, Dedup, Error, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// let config = CollectionConfig::new(2, Metric::L2);
/// let docs = store.create_collection("docs", config.clone().dedup(Dedup::Decimals(3)))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// docs.upsert("other", &[1.0, 2.0001])?;
/// assert_eq!((docs.len(), docs.statistics().unique_vectors), (2, 1));
///
/// let refused = store.create_collection("more", config.dedup(Dedup::Decimals(13))).unwrap_err();
/// assert!(matches!(refused, Error::BadDecimals { decimals: 13 }));
/// assert_eq!(refused.to_string(), "vectors are told apart by 0 to 12 decimals, not 13");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Dedup {
    /// When they have the same bits.
    #[default]
    Exact,
    /// When their numbers are the same, rounded to so many decimals: 0 to 12. What is stored, and comes back, is the
    /// first of them. More than 12 are refused when a collection is made.
    Decimals(u8),
    /// Never.
    Off,
}

impl Dedup {
    /// The most decimals: vectors that differ behind those are hardly the same.
    pub const DECIMALS_MAX: u8 = Decimals::MAX;

    /// As the vectors know it.
    pub(crate) fn rule(self) -> Result<segments::Dedup> {
        match self {
            Dedup::Exact => Ok(segments::Dedup::Exact),
            Dedup::Decimals(decimals) => Decimals::new(decimals)
                .map(segments::Dedup::Decimals)
                .ok_or(Error::BadDecimals { decimals }),
            Dedup::Off => Ok(segments::Dedup::Off),
        }
    }
}
