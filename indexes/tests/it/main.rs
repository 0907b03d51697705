//! What the index kinds promise, from outside.

mod edges;
mod exact;
mod given;
mod image;
mod large;
mod own;
mod standalone;
