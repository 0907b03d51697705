//! Runs the fuzz target of images of indexes over the inputs that are kept for it: `indexes` itself knows of no files.

use replay::replay;

#[path = "../../../fuzz/src/indexes/flat.rs"]
mod flat;
#[path = "../../../fuzz/corpus.rs"]
mod replay;

#[test]
fn the_corpus_of_flat_images() {
    replay("flat_image", flat::run);
}

/// A target of nothing finds nothing.
#[test]
fn no_bytes_are_an_input_too() {
    flat::run(&[]);
}
