//! Runs the fuzz targets of payloads, and of images of indexes, over the inputs that are kept for them: `indexes` itself
//! knows of no files.

use replay::replay;

#[path = "../../../fuzz/src/indexes/asked.rs"]
mod asked;
#[path = "../../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../../fuzz/src/indexes/flat.rs"]
mod flat;
#[path = "../../../fuzz/src/indexes/forge.rs"]
mod forge;
#[path = "../../../fuzz/src/indexes/hnsw.rs"]
mod hnsw;
#[path = "../../../fuzz/src/indexes/lsh.rs"]
mod lsh;
#[path = "../../../fuzz/src/engine/payload.rs"]
mod payload;
#[path = "../../../fuzz/src/indexes/real.rs"]
mod real;
#[path = "../../../fuzz/corpus.rs"]
mod replay;
#[path = "../../../fuzz/src/indexes/trees.rs"]
mod trees;

#[test]
fn the_corpus_of_flat_images() {
    replay("flat_image", flat::run);
}

#[test]
fn the_corpus_of_images_of_graphs() {
    replay("hnsw_image", hnsw::run);
}

#[test]
fn the_corpus_of_images_of_hash_tables() {
    replay("lsh_image", lsh::run);
}

#[test]
fn the_corpus_of_images_of_trees() {
    replay("kdtree_image", trees::run);
}

#[test]
fn the_corpus_of_payloads() {
    replay("payload", payload::run);
}

/// A target of nothing finds nothing.
#[test]
fn no_bytes_are_an_input_too() {
    let targets = [flat::run, hnsw::run, lsh::run, trees::run, payload::run];
    targets.iter().for_each(|target| target(&[]));
}
