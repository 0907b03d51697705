//! Runs the fuzz targets of the log over the inputs that are kept for them: valid logs, interesting damage,
//! and every input that once was a finding.

use std::path::Path;

use disk::{Access, Disk, EntryKind, OsDisk};

#[path = "../../../fuzz/src/bytes.rs"]
mod bytes;
#[path = "../../../fuzz/src/wal/directory.rs"]
mod directory;
#[path = "../../../fuzz/src/wal/file.rs"]
mod file;
#[path = "../../../fuzz/src/wal/forge.rs"]
mod forge;
#[path = "../../../fuzz/src/wal/oracle.rs"]
mod oracle;
#[path = "../../../fuzz/src/wal/record.rs"]
mod record;
#[path = "../../../fuzz/src/wal/workload.rs"]
mod workload;

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
fn the_corpus_of_records() {
    replay("wal_record", record::run);
}

#[test]
fn the_corpus_of_files() {
    replay("wal_file", file::run);
}

#[test]
fn the_corpus_of_directories() {
    replay("wal_directory", directory::run);
}

/// A target of nothing finds nothing.
#[test]
fn no_bytes_are_an_input_too() {
    [record::run, file::run, directory::run].iter().for_each(|target| target(&[]));
}
