//! Runs the fuzz targets of images and manifests over the inputs that are kept for them: valid files,
//! interesting damage, and every input that once was a finding.

use replay::replay;

#[path = "../../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../../fuzz/src/snapshot/image.rs"]
mod image;
#[path = "../../../fuzz/src/snapshot/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/corpus.rs"]
mod replay;

#[test]
fn the_corpus_of_images() {
    replay("snapshot_image", image::run);
}

#[test]
fn the_corpus_of_manifests() {
    replay("snapshot_manifest", manifest::run);
}

/// A target of nothing finds nothing.
#[test]
fn no_bytes_are_an_input_too() {
    [image::run, manifest::run].iter().for_each(|target| target(&[]));
}
