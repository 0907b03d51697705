//! What the index kinds promise, from outside.

mod exact;
mod given;
