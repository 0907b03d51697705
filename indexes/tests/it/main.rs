//! What the index kinds promise, from outside.

mod beside;
mod edges;
mod exact;
mod filters;
mod given;
mod graph;
mod graph_edges;
mod graph_image;
mod graph_recall;
mod image;
mod large;
mod own;
mod standalone;
mod tree_edges;
mod tree_image;
mod tree_upkeep;
mod trees;
