//! Checks what keeps the workspace's layout and style true, so that no reader has to.
//!
//! Owns: the dependency arrows, the seam's bans, the ceilings, the ties between documents and code.
//! Every check is a function from what is there to a list of complaints, each naming the place and
//! what to do; `tests/it` runs them all over the real tree, and each over a planted violation.
//!
//! Never: changes a file; needs the network, or any tool but the toolchain.

#![forbid(unsafe_code)]

pub mod ceilings;
pub mod documents;
pub mod headers;
pub mod layers;
pub mod layouts;
pub mod lints;
pub mod manifest;
pub mod required;
pub mod seam;
pub mod third_party;
pub mod tree;
pub mod unsafe_places;
