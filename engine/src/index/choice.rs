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
}

/// The index that suits so many vectors of a collection, of which `now` is the one that serves. What was chosen once stays until there
/// are half as many: at the border nothing is built to and fro.
pub(crate) fn choose(config: &CollectionConfig, count: u64, now: Option<IndexConfig>) -> Choice {
    let trees = IndexConfig::kd_tree();
    if config.dim() <= TREES_TO && trees.suits(config.metric()) {
        let why =
            format!("{} numbers a vector are few enough for trees to rule out most", config.dim());
        return Choice { index: trees, why };
    }
    let from = match config.metric() {
        Some(_) if !CODED.contains(&config.dim()) => UNCODED_GRAPH_FROM,
        Some(_) => GRAPH_FROM,
        None => OWN_GRAPH_FROM,
    };
    let is_graph = matches!(now, Some(IndexConfig::Hnsw(_)));
    let from = if is_graph { from / 2 } else { from };
    match count >= from {
        true => Choice {
            index: now.filter(|_| is_graph).unwrap_or_else(|| graph(config.dim())),
            why: format!("with {from} vectors or more a graph is faster than looking at all"),
        },
        false => Choice {
            index: IndexConfig::Flat,
            why: format!(
                "fewer than {from} vectors are as soon looked at as searched for in a graph"
            ),
        },
    }
}

/// The graph for vectors of so many numbers.
fn graph(dim: u32) -> IndexConfig {
    match dim <= TREES_TO {
        true => HnswConfig::default().ef_search(EF_OF_FEW).into(),
        false => IndexConfig::hnsw(),
    }
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
