//! Says what a test found, and what it could not do, past the capture of test output.

use std::io::Write;
use std::path::Path;

use disk::{Access, Disk, OsDisk};

/// Figures that are there to be seen.
pub(crate) fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "engine: {words}").unwrap();
}

/// Says that a test could not do its work here. It passes, but `.ci/run` lists it.
pub(crate) fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
    if let Some(list) = std::env::var_os("ARRWDB_SKIPPED") {
        let list = Path::new(&list);
        let disk = OsDisk::open(list.parent().unwrap()).unwrap();
        let file = disk.open(Path::new(list.file_name().unwrap()), Access::ReadWrite).unwrap();
        file.write_at(file.size().unwrap(), format!("{test}: {why}\n").as_bytes()).unwrap();
    }
}
