//! Runs the fuzz targets of segments over the inputs that are kept for them: what is valid, interesting lies, and
//! every input that once was a finding.

use std::path::Path;

use disk::{Access, Disk, EntryKind, OsDisk};

#[path = "../../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../../fuzz/src/segments/described.rs"]
mod described;
#[path = "../../../fuzz/src/segments/header.rs"]
mod header;
#[path = "../../../fuzz/src/segments/model.rs"]
mod model;
#[path = "../../../fuzz/src/segments/table.rs"]
mod table;

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
fn the_corpus_of_headers() {
    replay("segment_header", header::run);
}

#[test]
fn the_corpus_of_slots() {
    replay("slot_table", table::run);
}

/// A target of nothing finds nothing.
#[test]
fn no_bytes_are_an_input_too() {
    [header::run, table::run].iter().for_each(|target| target(&[]));
}
