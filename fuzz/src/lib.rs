//! One fuzz target for each parser of bytes from disk, as a plain function of bytes.
//!
//! The fuzzers in `fuzz_targets` hand them what they make up; the tests of the crate in question hand
//! them the inputs that are kept in `corpus`. So the targets need no fuzzer, and are checked by every
//! run of the tests.
//!
//! Promises
//!  1. Whatever the bytes, a parser answers with a value or a typed error; it never panics, hangs, or
//!     reserves more than its input justifies. A target panics where that or more is not kept.
//!  2. The same bytes do the same: nothing here depends on a clock, on chance or on the machine.

#![forbid(unsafe_code)]

mod bytes;

mod engine {
    use crate::bytes;

    pub(crate) mod payload;
}

mod indexes {
    use crate::bytes;

    pub(crate) mod asked;
    pub(crate) mod flat;
    pub(crate) mod forge;
    pub(crate) mod hnsw;
    pub(crate) mod lsh;
    pub(crate) mod real;
    pub(crate) mod trees;
}

mod segments {
    use crate::bytes;

    pub(crate) mod described;
    pub(crate) mod header;
    pub(crate) mod model;
    pub(crate) mod payloads;
    pub(crate) mod table;
}

mod snapshot {
    use crate::bytes;

    pub(crate) mod image;
    pub(crate) mod manifest;
}

mod wal {
    use crate::bytes;

    pub(crate) mod directory;
    pub(crate) mod file;
    pub(crate) mod forge;
    pub(crate) mod oracle;
    pub(crate) mod record;
    pub(crate) mod workload;
}

/// One record of a log, and one header of a log file.
pub fn wal_record(data: &[u8]) {
    wal::record::run(data);
}

/// Log files made up byte by byte or record by record, sums and all.
pub fn wal_file(data: &[u8]) {
    wal::file::run(data);
}

/// A log that was written, crashed, and then damaged.
pub fn wal_directory(data: &[u8]) {
    wal::directory::run(data);
}

/// The header of a segment.
pub fn segment_header(data: &[u8]) {
    segments::header::run(data);
}

/// Files of payloads: a header, a record, or the list that a catalogue has of them.
pub fn payloads(data: &[u8]) {
    segments::payloads::run(data);
}

/// A table of slots on top of a description that tells the truth or does not.
pub fn slot_table(data: &[u8]) {
    segments::table::run(data);
}

/// An image, damaged or made up, sums and all.
pub fn snapshot_image(data: &[u8]) {
    snapshot::image::run(data);
}

/// Manifests that were published and damaged, or made up, sums and all.
pub fn snapshot_manifest(data: &[u8]) {
    snapshot::manifest::run(data);
}

/// The image of a flat index.
pub fn flat_image(data: &[u8]) {
    indexes::flat::run(data);
}

/// The image of a graph, damaged or made up, sums and all.
pub fn hnsw_image(data: &[u8]) {
    indexes::hnsw::run(data);
}

/// The image of hash tables, damaged or made up, sums and all.
pub fn lsh_image(data: &[u8]) {
    indexes::lsh::run(data);
}

/// The image of a KD-tree, damaged or made up, sums and all.
pub fn kdtree_image(data: &[u8]) {
    indexes::trees::run(data);
}

/// A payload, damaged or made up.
pub fn payload(data: &[u8]) {
    engine::payload::run(data);
}
