//! Chooses the kind of index that suits what a collection has, where nobody did: [`IndexConfig::Auto`].
//!
//! Never: chooses hash tables. Where they find as much as a graph, they are slower; they are for who writes much and searches
//! little, and that nobody can tell from a collection.

use indexes::{HnswConfig, MeasuredEf};

use super::memory::CODED;
use crate::{CollectionConfig, IndexConfig};

/// Up to how many numbers a vector has, trees rule out enough to be better than a graph.
const TREES_TO: u32 = 10;

/// Among vectors of so few numbers a graph finds nearly all with less in view than among others.
const EF_OF_FEW: usize = 24;

/// So much of the ten nearest a graph that was chosen is to find.
pub(super) const RECALL: f32 = 0.95;

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

/// What was measured of how much of a graph has to be in view.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Measured {
    /// How many vectors there were, and how many the graph had taken up.
    pub(crate) among: u64,
    pub(crate) inserted: u64,
    /// Nothing, if it could not be measured.
    pub(crate) found: Option<MeasuredEf>,
}

impl Measured {
    /// Whether it may be of others by now: as many were taken up since as there were, or half of them are gone.
    pub(crate) fn is_past(&self, count: u64, inserted: u64) -> bool {
        inserted.saturating_sub(self.inserted) > self.among || count < self.among / 2
    }
}

/// The index that suits so many vectors of a collection, of which `now` is the one that serves. What was chosen once stays until there
/// are half as many: at the border nothing is built to and fro.
pub(crate) fn choose(
    config: &CollectionConfig,
    count: u64,
    (now, measured): (Option<IndexConfig>, Option<Measured>),
) -> Choice {
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
    let (ef, by) = ef_for(graph, count, measured);
    let why = format!(
        "with {from} vectors or more a graph is faster than looking at all; {ef} are in view{by}"
    );
    Choice { index: graph.into(), why, ef: Some(ef) }
}

/// The graph for vectors of so many numbers.
fn graph(dim: u32) -> HnswConfig {
    let graph = HnswConfig::default();
    if dim <= TREES_TO { graph.ef_search(EF_OF_FEW) } else { graph }
}

/// How much a search of this graph is to have in view, and how that is known.
fn ef_for(graph: HnswConfig, count: u64, measured: Option<Measured>) -> (usize, String) {
    let by_count = ef_of(graph, count);
    match measured {
        Some(Measured { among, found: Some(MeasuredEf { ef, recall }), .. }) => {
            let grown = by_count as f64 / ef_of(graph, among) as f64;
            let by = format!(", as with {ef} a recall of {recall:.3} was measured among {among}");
            (((ef as f64 * grown).round() as usize).max(graph.ef_search), by)
        }
        _ => (by_count, String::new()),
    }
}

/// The same before it was measured. With the same in view a search would find less the more there is to be found among.
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
            let choice = choose(config, *count, (now, None));
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
            let of =
                |count| choose(&CollectionConfig::new(dim, Metric::Dot), count, (None, None)).ef;
            [3_000, 20_000, 40_000, 200_000, 1_000_000].map(of)
        };
        assert_eq!(efs(384), [None, Some(64), Some(74), Some(96), Some(118)]);
        assert_eq!(efs(2), [Some(24), Some(24), Some(28), Some(36), Some(44)]);
        // What was chosen once is not another graph for that.
        let config = CollectionConfig::new(384, Metric::Dot);
        let small = choose(&config, 20_000, (None, None));
        assert_eq!(choose(&config, 1_000_000, (Some(small.index), None)).index, small.index);
    }

    #[test]
    fn what_was_measured_decides_and_grows_as_much() {
        let config = CollectionConfig::new(384, Metric::Dot);
        let found = Some(MeasuredEf { ef: 70, recall: 0.9561 });
        let measured = |found| Measured { among: 40_000, inserted: 30_000, found };
        let with = |found, count| choose(&config, count, (None, Some(measured(found))));
        let efs = [5_000, 20_000, 40_000, 80_000].map(|count| with(found, count).ef);
        assert_eq!(efs, [Some(64), Some(64), Some(70), Some(79)]);
        let why = with(found, 80_000).why;
        assert!(why.contains("79 are in view, as with 70 a recall of 0.956 was measured among"));
        assert_eq!(with(None, 80_000), choose(&config, 80_000, (None, None)));
        // It is another graph when all of it is new, or half of it gone.
        let is_past = |count, inserted| measured(found).is_past(count, inserted);
        assert!(!is_past(40_000, 70_000) && is_past(40_000, 70_001));
        assert!(!is_past(20_000, 30_000) && is_past(19_999, 30_000));
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
