//! Runs the fuzz targets of segments over the inputs that are kept for them: what is valid, interesting lies, and
//! every input that once was a finding.

use replay::replay;

#[path = "../../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../../fuzz/src/segments/described.rs"]
mod described;
#[path = "../../../fuzz/src/segments/header.rs"]
mod header;
#[path = "../../../fuzz/src/segments/model.rs"]
mod model;
#[path = "../../../fuzz/src/segments/payloads.rs"]
mod payloads;
#[path = "../../../fuzz/corpus.rs"]
mod replay;
#[path = "../../../fuzz/src/segments/table.rs"]
mod table;

#[test]
fn the_corpus_of_headers() {
    replay("segment_header", header::run);
}

#[test]
fn the_corpus_of_payloads() {
    replay("payloads", payloads::run);
}

#[test]
fn the_corpus_of_slots() {
    replay("slot_table", table::run);
}

/// A target of nothing finds nothing.
#[test]
fn no_bytes_are_an_input_too() {
    [header::run, payloads::run, table::run].iter().for_each(|target| target(&[]));
}
