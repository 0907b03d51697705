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
mod lsh;
mod lsh_edges;
mod lsh_image;
mod lsh_model;
mod own;
mod standalone;
mod tree_edges;
mod tree_image;
mod tree_upkeep;
mod trees;
