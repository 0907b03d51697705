//! Lays out what a collection is like: where the log makes it, and in the catalogue of each image.
//! FORMAT.md section 7.1 is the authority; this is where it becomes code.

use base::Dim;
use base::codec::{Decoder, Encoder};
use indexes::{
    DISTANCE_NAME_BYTES_MAX, Family, HnswConfig, KdTreeConfig, LshConfig, Metric,
    check_distance_name,
};

use super::{ALIGNMENT, Invalid};
use crate::{CollectionConfig, Dedup, IndexConfig};

/// The kinds of indexes.
const FLAT: u8 = 1;
const HNSW: u8 = 2;
const KD_TREE: u8 = 3;
const LSH: u8 = 4;
const AUTO: u8 = 5;

/// What vectors are hashed by.
const CROSS_POLYTOPE: u32 = 0;
const HYPERPLANES: u32 = 1;

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
    let (dedup, decimals) = match config.dedup_rule() {
        Dedup::Exact => (1, 0),
        Dedup::Decimals(decimals) => (2, decimals),
        Dedup::Off => (3, 0),
    };
    let index = kind_of(config.index_kind());
    into.u32(config.dim()).bytes(&[metric, index, dedup, decimals]);
    if metric == OWN_DISTANCE {
        into.text(config.distance_name()).align(ALIGNMENT);
    }
    encode_index(config.index_kind(), into);
}

fn kind_of(config: IndexConfig) -> u8 {
    match config {
        IndexConfig::Flat => FLAT,
        IndexConfig::Hnsw(_) => HNSW,
        IndexConfig::KdTree(_) => KD_TREE,
        IndexConfig::Lsh(_) => LSH,
        IndexConfig::Auto => AUTO,
    }
}

/// Which index there is, and what it is built by, at a multiple of the alignment.
pub(crate) fn encode_kind(config: IndexConfig, into: &mut Encoder<'_>) {
    into.u8(kind_of(config)).align(ALIGNMENT);
    encode_index(config, into);
}

/// What an index is built by: nothing, if it is flat, or chosen as is best.
fn encode_index(config: IndexConfig, into: &mut Encoder<'_>) {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    match config {
        IndexConfig::Flat | IndexConfig::Auto => {}
        IndexConfig::Hnsw(it) => {
            into.u32(number(it.m)).u32(number(it.ef_construction)).u32(number(it.ef_search));
            into.u32(number(it.max_level)).f32(it.stop).u32(0).u64(it.seed);
        }
        IndexConfig::KdTree(it) => {
            into.u32(number(it.leaf)).u32(number(it.buffer)).u32(number(it.fan_out));
            into.u32(it.scan_from.into());
        }
        IndexConfig::Lsh(it) => {
            let family =
                if it.family == Family::Hyperplanes { HYPERPLANES } else { CROSS_POLYTOPE };
            into.u32(family).u32(number(it.num_tables));
            // None is 0: there is always one at least.
            into.u32(number(it.functions.unwrap_or(0))).u32(number(it.probes.unwrap_or(0)));
            into.f32(it.target_recall).u32(number(it.tables_from)).u64(it.seed);
        }
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
    let index = decode_index(index, from)?;
    let dedup = match (dedup, decimals) {
        (1, 0) => Dedup::Exact,
        (2, decimals) => Dedup::Decimals(decimals),
        (3, 0) => Dedup::Off,
        _ => return Err(Invalid::Value("dedup")),
    };
    dedup.rule().map_err(|_| Invalid::Value("dedup"))?;
    Dim::new(dim).ok_or(Invalid::Value("dim"))?;
    if !index.suits(config.metric()) {
        return Err(Invalid::Value("index"));
    }
    Ok(config.index(index).dedup(dedup))
}

/// Which index such bytes mean.
pub(crate) fn decode_kind(from: &mut Decoder<'_>) -> Result<IndexConfig, Invalid> {
    let kind = from.u8("index")?;
    from.align(ALIGNMENT, "index")?;
    decode_index(kind, from)
}

fn decode_index(kind: u8, from: &mut Decoder<'_>) -> Result<IndexConfig, Invalid> {
    match kind {
        FLAT => Ok(IndexConfig::Flat),
        HNSW => decode_graph(from),
        KD_TREE => decode_trees(from),
        LSH => decode_tables(from),
        AUTO => Ok(IndexConfig::Auto),
        _ => Err(Invalid::Value("index")),
    }
}

fn decode_graph(from: &mut Decoder<'_>) -> Result<IndexConfig, Invalid> {
    let mut number = |what| Ok::<_, Invalid>(from.u32(what)? as usize);
    let (m, ef_construction) = (number("m")?, number("ef construction")?);
    let (ef_search, max_level) = (number("ef search")?, number("levels")?);
    let stop = from.f32("stop")?;
    from.zeros(4, "reserved")?;
    let seed = from.u64("seed")?;
    let config = HnswConfig::default().m(m).ef_construction(ef_construction);
    let config = config.ef_search(ef_search).max_level(max_level).stop(stop).seed(seed);
    let index = IndexConfig::from(config);
    // What is out of bounds nothing writes.
    let is_as_read = (config.m, config.ef_construction, config.ef_search)
        == (m, ef_construction, ef_search)
        && config.stop.to_bits() == stop.to_bits()
        && index == IndexConfig::Hnsw(config);
    is_as_read.then_some(index).ok_or(Invalid::Value("index"))
}

fn decode_trees(from: &mut Decoder<'_>) -> Result<IndexConfig, Invalid> {
    let mut number = |what| Ok::<_, Invalid>(from.u32(what)? as usize);
    let (leaf, buffer, fan_out) = (number("leaf")?, number("buffer")?, number("fan out")?);
    let scan_from = u8::try_from(number("scan")?).map_err(|_| Invalid::Value("scan"))?;
    let config = KdTreeConfig::default().leaf(leaf).buffer(buffer).fan_out(fan_out);
    let config = config.scan_from(scan_from);
    let is_as_read = (config.leaf, config.buffer, config.fan_out, config.scan_from)
        == (leaf, buffer, fan_out, scan_from);
    is_as_read.then(|| config.into()).ok_or(Invalid::Value("index"))
}

fn decode_tables(from: &mut Decoder<'_>) -> Result<IndexConfig, Invalid> {
    let family = match from.u32("family")? {
        CROSS_POLYTOPE => Family::CrossPolytope,
        HYPERPLANES => Family::Hyperplanes,
        _ => return Err(Invalid::Value("family")),
    };
    let mut number = |what| Ok::<_, Invalid>(from.u32(what)? as usize);
    let (tables, functions, probes) = (number("tables")?, number("functions")?, number("probes")?);
    let (functions, probes) = (some(functions), some(probes));
    let recall = from.f32("recall")?;
    let tables_from = from.u32("tables from")? as usize;
    let config = LshConfig::default().family(family).num_tables(tables).target_recall(recall);
    let config = config.tables_from(tables_from).seed(from.u64("seed")?);
    let config = functions.into_iter().fold(config, LshConfig::functions);
    let config = probes.into_iter().fold(config, LshConfig::probes);
    let is_as_read = (config.num_tables, config.functions, config.probes, config.tables_from)
        == (tables, functions, probes, tables_from)
        && config.target_recall.to_bits() == recall.to_bits();
    is_as_read.then(|| config.into()).ok_or(Invalid::Value("index"))
}

/// A number that stands for none if it is 0.
fn some(number: usize) -> Option<usize> {
    Some(number).filter(|number| *number > 0)
}
