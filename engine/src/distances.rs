//! Keeps the distances of the caller's own that a store was opened with, and finds the one that a collection is for.

use std::path::Path;
use std::sync::Arc;

use indexes::{BadName, Distance, Measure};

use crate::{CollectionConfig, Error, Result};

/// Distances of the caller's own. No two have the same name, and none that of a metric.
#[derive(Clone, Default, Debug)]
pub(crate) struct Distances {
    own: Vec<Measure>,
}

impl Distances {
    /// One more.
    pub(crate) fn with(mut self, distance: Arc<dyn Distance>) -> Result<Self> {
        let name = distance.name().to_owned();
        if self.named(&name).is_some() {
            return Err(Error::DistanceTwice { name });
        }
        let bad = |why: BadName| Error::BadDistanceName { name, why: why.to_string() };
        self.own.push(Measure::own(distance).map_err(bad)?);
        Ok(self)
    }

    /// What the vectors of a collection are compared with, in the store of this directory.
    pub(crate) fn measure(
        &self,
        store: &Path,
        collection: &str,
        config: &CollectionConfig,
    ) -> Result<Measure> {
        let own = || self.named(config.distance_name()).cloned();
        let missing = || Error::DistanceMissing {
            path: store.to_path_buf(),
            collection: collection.to_owned(),
            distance: config.distance_name().to_owned(),
        };
        config.metric().map(Measure::from).or_else(own).ok_or_else(missing)
    }

    fn named(&self, name: &str) -> Option<&Measure> {
        self.own.iter().find(|measure| measure.name() == name)
    }
}
