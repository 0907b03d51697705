//! Hands a fuzz target the inputs that are kept for it: taken in by the tests of each crate that has targets.
//!
//! Never: part of a fuzzer; makes up an input.

use std::path::Path;

use disk::{Access, Disk, EntryKind, OsDisk};

/// More than this is no small corpus any more.
const INPUT_BYTES_MAX: u64 = 16 * 1_024;

/// Hands a target all its inputs; says which one it was where one panics.
pub(crate) fn replay(name: &str, target: fn(&[u8])) {
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
