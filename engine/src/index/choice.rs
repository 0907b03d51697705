//! Chooses the kind of index that suits what a collection has, where nobody did: [`IndexConfig::Auto`].
//!
//! Never: chooses hash tables. Where they find as much as a graph, they are slower; they are for who writes much and searches
//! little, and that nobody can tell from a collection.

use indexes::HnswConfig;

use super::CODED;
use crate::{CollectionConfig, IndexConfig};

/// Up to how many numbers a vector has, trees rule out enough to be better than a graph.
const TREES_TO: u32 = 10;

/// Among vectors of so few numbers a graph finds nearly all with less in view than among others.
const EF_OF_FEW: usize = 24;

/// Up to so many vectors a graph finds nearly all with as much in view as it has from the beginning.
const EF_GROWS_FROM: u64 = 20_000;

/// Each time there are twice as many it takes this part of that more.
const EF_GROWS_BY: f64 = 0.15;

/// From how many vectors on a graph is faster than looking at the codes of all.
const GRAPH_FROM: u64 = 4_000;

/// The same where they have no codes: they are read as they are, which takes longer.
const UNCODED_GRAPH_FROM: u64 = 300;

/// From how many on it is where a distance of the caller's own is called for each vector that is looked at.
const OWN_GRAPH_FROM: u64 = 1_000;

/// What was chosen, and why.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Choice {
    pub(crate) index: IndexConfig,
    pub(crate) why: String,
    /// How much a search has in view that does not say how much itself, if it is a graph.
    pub(crate) ef: Option<usize>,
}

/// The index that suits so many vectors of a collection, of which `now` is the one that serves. What was chosen once stays until there
/// are half as many: at the border nothing is built to and fro.
pub(crate) fn choose(config: &CollectionConfig, count: u64, now: Option<IndexConfig>) -> Choice {
    let trees = IndexConfig::kd_tree();
    if config.dim() <= TREES_TO && trees.suits(config.metric()) {
        let why =
            format!("{} numbers a vector are few enough for trees to rule out most", config.dim());
        return Choice { index: trees, why, ef: None };
    }
    let from = match config.metric() {
        Some(_) if !CODED.contains(&config.dim()) => UNCODED_GRAPH_FROM,
        Some(_) => GRAPH_FROM,
        None => OWN_GRAPH_FROM,
    };
    let from = if matches!(now, Some(IndexConfig::Hnsw(_))) { from / 2 } else { from };
    if count < from {
        let why =
            format!("fewer than {from} vectors are as soon looked at as searched for in a graph");
        return Choice { index: IndexConfig::Flat, why, ef: None };
    }
    let graph = match now {
        Some(IndexConfig::Hnsw(graph)) => graph,
        _ => graph(config.dim()),
    };
    let ef = ef_of(graph, count);
    let why = format!(
        "with {from} vectors or more a graph is faster than looking at all; {ef} are in view"
    );
    Choice { index: graph.into(), why, ef: Some(ef) }
}

/// The graph for vectors of so many numbers.
fn graph(dim: u32) -> HnswConfig {
    let graph = HnswConfig::default();
    if dim <= TREES_TO { graph.ef_search(EF_OF_FEW) } else { graph }
}

/// How much a search of this graph is to have in view. With the same it would find less the more there is to be found among.
fn ef_of(graph: HnswConfig, count: u64) -> usize {
    let doublings = (count.max(EF_GROWS_FROM) as f64 / EF_GROWS_FROM as f64).log2();
    (graph.ef_search as f64 * (1.0 + EF_GROWS_BY * doublings)).round() as usize
}

#[cfg(test)]
mod tests {
    use indexes::Metric;

    use super::*;

    fn kinds(config: &CollectionConfig, counts: &[u64]) -> Vec<&'static str> {
        let mut now = None;
        let mut chosen = |count: &u64| {
            let choice = choose(config, *count, now);
            assert!(!choice.why.is_empty());
            now = Some(choice.index);
            choice.index.name()
        };
        counts.iter().map(&mut chosen).collect()
    }

    #[test]
    fn a_growing_collection_gets_a_graph_and_keeps_it_until_it_has_half_as_many() {
        let counts = [0, 3_999, 4_000, 2_000, 1_999, 3_999, 1_000_000];
        let expected = ["flat", "flat", "hnsw", "hnsw", "flat", "flat", "hnsw"];
        for metric in [Metric::L2, Metric::Cosine, Metric::Dot] {
            assert_eq!(kinds(&CollectionConfig::new(384, metric), &counts), expected);
        }
        for (dim, metric) in [(2, Metric::Dot), (11, Metric::L2), (47, Metric::Cosine)] {
            let expected = ["flat", "flat", "hnsw", "hnsw", "flat"];
            let counts = [0, 299, 300, 150, 149];
            assert_eq!(kinds(&CollectionConfig::new(dim, metric), &counts), expected);
        }
        let own = CollectionConfig::with_distance(2, "own");
        assert_eq!(
            kinds(&own, &[0, 999, 1_000, 500, 499]),
            ["flat", "flat", "hnsw", "hnsw", "flat"]
        );
    }

    #[test]
    fn the_more_there_are_the_more_is_in_view() {
        let efs = |dim| {
            let of = |count| choose(&CollectionConfig::new(dim, Metric::Dot), count, None).ef;
            [3_000, 20_000, 40_000, 200_000, 1_000_000].map(of)
        };
        assert_eq!(efs(384), [None, Some(64), Some(74), Some(96), Some(118)]);
        assert_eq!(efs(2), [Some(24), Some(24), Some(28), Some(36), Some(44)]);
        // What was chosen once is not another graph for that.
        let config = CollectionConfig::new(384, Metric::Dot);
        let small = choose(&config, 20_000, None);
        assert_eq!(choose(&config, 1_000_000, Some(small.index)).index, small.index);
    }

    #[test]
    fn few_numbers_get_trees_where_there_can_be_any() {
        for (dim, metric, expected) in [
            (2, Metric::L2, "kdtree"),
            (10, Metric::Cosine, "kdtree"),
            (11, Metric::L2, "flat"),
            (2, Metric::Dot, "flat"),
        ] {
            assert_eq!(kinds(&CollectionConfig::new(dim, metric), &[10]), [expected], "{dim}");
        }
    }
}
