//! The kernels: each is written once, over the operations of `lanes`.

pub(crate) mod sums;
pub(crate) mod tiles;
