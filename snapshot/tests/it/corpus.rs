//! Runs the fuzz targets of images and manifests over the inputs that are kept for them: valid files,
//! interesting damage, and every input that once was a finding.

use std::path::Path;

use disk::{Access, Disk, EntryKind, OsDisk};

#[path = "../../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../../fuzz/src/snapshot/image.rs"]
mod image;
#[path = "../../../fuzz/src/snapshot/manifest.rs"]
mod manifest;

/// More than this is no small corpus any more.
const INPUT_BYTES_MAX: u64 = 10 * 1_024;

/// Hands a target all its inputs; says which one it was where one panics.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let disk = OsDisk::options().allow_network().open(&corpus).unwrap();
    let mut inputs = 0;
    for entry in disk.list(Path::new("")).unwrap() {
        assert_eq!(entry.kind, EntryKind::File, "{entry:?}");
        let input = disk.open(Path::new(&entry.name), Access::Read).unwrap();
        let size = input.size().unwrap();
        assert!(size <= INPUT_BYTES_MAX, "{entry:?}: {size} bytes");
        let mut bytes = vec![0; size as usize];
        input.read_at(0, &mut bytes).unwrap();
        println!("{name}: {}", entry.name.display());
        target(&bytes);
        inputs += 1;
    }
    assert!(inputs >= 5, "only {inputs} inputs in {}", corpus.display());
}

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
