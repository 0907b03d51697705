//! Runs the fuzz targets of the log over the inputs that are kept for them: valid logs, interesting damage,
//! and every input that once was a finding.

use replay::replay;

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
#[path = "../../../fuzz/corpus.rs"]
mod replay;
#[path = "../../../fuzz/src/wal/workload.rs"]
mod workload;

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
