//! How the kinds of indexes can be set, where their defaults are not what is wanted.
//!
//! Each becomes an [`IndexConfig`](crate::IndexConfig), which is what a collection is made with, and what
//! [`Collection::set_index`](crate::Collection::set_index) takes.
//!
//! ```
//! use arrwdb::kinds::{HnswConfig, KdTreeConfig, LshConfig};
//! use arrwdb::{CollectionConfig, IndexConfig, Metric};
//!
//! let graph = HnswConfig::default().m(24).ef_construction(300).ef_search(100);
//! let pages = CollectionConfig::new(384, Metric::Cosine).index(graph);
//! let trees = KdTreeConfig::default().leaf(48);
//! let places = CollectionConfig::new(3, Metric::L2).index(trees);
//! let tables = LshConfig::default().target_recall(0.95);
//! let stream = CollectionConfig::new(384, Metric::Dot).index(tables);
//! let kinds = [pages, places, stream].map(|config| config.index_kind().name());
//! assert_eq!(kinds, ["hnsw", "kdtree", "lsh"]);
//! # let _: IndexConfig = trees.into();
//! ```

/// By what hash tables are made: see [`LshConfig`].
pub use indexes::Family;
/// How a graph is built, and how much of it a search keeps in view: see [`IndexConfig::hnsw`](crate::IndexConfig::hnsw).
pub use indexes::HnswConfig;
/// How trees are built: see [`IndexConfig::kd_tree`](crate::IndexConfig::kd_tree).
pub use indexes::KdTreeConfig;
/// How hash tables are made and looked through: see [`IndexConfig::lsh`](crate::IndexConfig::lsh).
pub use indexes::LshConfig;
