//! Lays out what a collection is like: where the log makes it, and in the catalogue of each image.
//! FORMAT.md section 7.1 is the authority; this is where it becomes code.

use base::Dim;
use base::codec::{Decoder, Encoder};
use indexes::{DISTANCE_NAME_BYTES_MAX, Metric, check_distance_name};

use super::{ALIGNMENT, Invalid};
use crate::{CollectionConfig, Dedup, IndexConfig};

/// In the place of a metric: a distance of the caller's own, whose name follows.
const OWN_DISTANCE: u8 = 4;

/// What a collection is like, at a multiple of the alignment.
pub(crate) fn encode_config(config: &CollectionConfig, into: &mut Encoder<'_>) {
    let metric = match config.metric() {
        Some(Metric::L2) => 1,
        Some(Metric::Cosine) => 2,
        Some(Metric::Dot) => 3,
        None => OWN_DISTANCE,
    };
    let index = match config.index_kind() {
        IndexConfig::Flat => 1,
    };
    let (dedup, decimals) = match config.dedup_rule() {
        Dedup::Exact => (1, 0),
        Dedup::Decimals(decimals) => (2, decimals),
        Dedup::Off => (3, 0),
    };
    into.u32(config.dim()).bytes(&[metric, index, dedup, decimals]);
    if metric == OWN_DISTANCE {
        into.text(config.distance_name()).align(ALIGNMENT);
    }
}

/// What such bytes mean.
pub(crate) fn decode_config(from: &mut Decoder<'_>) -> Result<CollectionConfig, Invalid> {
    let dim = from.u32("dim")?;
    let [metric, index, dedup, decimals] = from.array("config")?;
    let config = match metric {
        1 => CollectionConfig::new(dim, Metric::L2),
        2 => CollectionConfig::new(dim, Metric::Cosine),
        3 => CollectionConfig::new(dim, Metric::Dot),
        OWN_DISTANCE => {
            let name = from.text(DISTANCE_NAME_BYTES_MAX, "distance")?;
            from.align(ALIGNMENT, "distance")?;
            check_distance_name(name).map_err(|_| Invalid::Value("distance"))?;
            CollectionConfig::with_distance(dim, name)
        }
        _ => return Err(Invalid::Value("metric")),
    };
    let index = match index {
        1 => IndexConfig::Flat,
        _ => return Err(Invalid::Value("index")),
    };
    let dedup = match (dedup, decimals) {
        (1, 0) => Dedup::Exact,
        (2, decimals) => Dedup::Decimals(decimals),
        (3, 0) => Dedup::Off,
        _ => return Err(Invalid::Value("dedup")),
    };
    dedup.rule().map_err(|_| Invalid::Value("dedup"))?;
    Dim::new(dim).ok_or(Invalid::Value("dim"))?;
    Ok(config.index(index).dedup(dedup))
}
