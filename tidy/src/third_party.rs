//! Lists every dependency from outside: who may use it, and what it spares us.

use crate::manifest::{Kind, Workspace, shared_dependencies};

/// A package from outside, one of the crates that may use it, for code or tests only, and why.
type Use = (&'static str, &'static str, Kind, &'static str);

/// A crate that needs another package adds a row, with what the package replaces.
const USES: &[Use] = &[
    ("crc32fast", "base", Kind::Code, "CRC-32 by the processor's own instructions, at 50 GB/s"),
    ("xxhash-rust", "base", Kind::Code, "XXH3, streaming and one-shot"),
    ("bytemuck", "segments", Kind::Code, "floats as bytes and back, checked, without unsafe code"),
    ("proptest", "base", Kind::Tests, "random inputs that shrink to the shortest that fails"),
    ("getrandom", "disk", Kind::Code, "random bytes of the operating system, on each of them"),
    ("memmap2", "disk", Kind::Code, "maps on Linux, macOS and Windows"),
    ("parking_lot", "disk", Kind::Code, "locks that do not poison, and are made at compile time"),
    ("rustix", "disk", Kind::Code, "the Linux calls the standard library lacks, memory-safe"),
    ("proptest", "disk", Kind::Tests, "random sequences of calls against a model"),
    ("tempfile", "disk", Kind::Tests, "directories on the real disk that vanish after the test"),
    ("crossbeam-queue", "wal", Kind::Code, "the commit queue: committers push, the leader pops"),
    ("loom", "segments", Kind::Code, "every order of readers and a writer, under --cfg loom only"),
    ("loom", "wal", Kind::Code, "every order of events in the commit path, under --cfg loom only"),
    (
        "rkyv",
        "snapshot",
        Kind::Code,
        "manifest bodies, checked before any of their links is followed",
    ),
    ("proptest", "snapshot", Kind::Tests, "random manifests and sections, and random bytes"),
    ("tempfile", "snapshot", Kind::Tests, "an image on the real disk that vanishes after the test"),
    ("proptest", "wal", Kind::Tests, "random records, and random bytes in their place"),
    ("proptest", "segments", Kind::Tests, "random slots of random dimensions, and random bytes"),
    (
        "crossbeam-queue",
        "indexes",
        Kind::Code,
        "what searches remember things in, handed from one to the next",
    ),
    (
        "crossbeam-utils",
        "indexes",
        Kind::Code,
        "a calibration that takes the place of another one while some search",
    ),
    ("rustix", "indexes", Kind::Code, "asks Linux for large pages"),
    ("bytemuck", "indexes", Kind::Code, "atomics that are zeros as the system's fresh pages are"),
    (
        "bytes",
        "indexes",
        Kind::Code,
        "images that lie in whatever owns them, a mapped file or memory",
    ),
    ("parking_lot", "indexes", Kind::Code, "locks that do not poison, and are a byte each"),
    ("loom", "indexes", Kind::Code, "every order of readers and writers, under --cfg loom only"),
    ("rayon", "indexes", Kind::Code, "threads that share work by taking it from each other"),
    ("proptest", "indexes", Kind::Tests, "random vectors and numbers against plain sums"),
    ("parking_lot", "engine", Kind::Code, "locks that do not poison, and let many read"),
    (
        "rkyv",
        "engine",
        Kind::Code,
        "payloads, read where they lie, checked before any of their links is followed",
    ),
    ("proptest", "engine", Kind::Tests, "random batches against plain maps"),
    ("tempfile", "engine", Kind::Tests, "stores on the real disk that vanish after the test"),
    ("libc", "engine", Kind::Tests, "fork, as programs do it that load us"),
    (
        "rustix",
        "engine",
        Kind::Tests,
        "the call that shuts a file system down, and its number; limits, and waiting for a process",
    ),
    ("clap", "cli", Kind::Code, "arguments, their help, and what is wrong with them"),
    ("indicatif", "cli", Kind::Code, "progress bars, where there is a terminal to draw them on"),
    ("serde", "cli", Kind::Code, "answers in JSON as types, each field in its place"),
    ("serde_json", "cli", Kind::Code, "reads and writes JSON"),
    (
        "tempfile",
        "cli",
        Kind::Code,
        "the directory of the demonstration, which vanishes at its end",
    ),
    (
        "tempfile",
        "benches",
        Kind::Tests,
        "a directory on the real disk that vanishes after the run",
    ),
    ("proc-macro2", "tidy", Kind::Code, "line numbers of what syn has parsed"),
    ("syn", "tidy", Kind::Code, "finds functions and test modules as the compiler would"),
    ("toml", "tidy", Kind::Code, "reads manifests and clippy.toml as cargo does"),
];

/// Complains of every package that is used without a row, and of every row without a use.
pub fn check(workspace: &Workspace) -> Vec<String> {
    check_against(workspace, USES)
}

fn check_against(workspace: &Workspace, uses: &[Use]) -> Vec<String> {
    let mut complaints = Vec::new();
    let ours: Vec<_> = workspace.crates.iter().map(|found| found.package.as_str()).collect();
    for found in &workspace.crates {
        let outside = found.dependencies.iter().filter(|it| !ours.contains(&it.package.as_str()));
        for used in outside {
            let allowed = uses.iter().any(|(package, folder, kind, _)| {
                *package == used.package
                    && *folder == found.folder
                    && (*kind == used.kind || *kind == Kind::Code)
            });
            if !allowed {
                complaints.push(format!(
                    "{}: {} ({:?}) has no row in tidy/src/third_party.rs",
                    found.folder, used.package, used.kind
                ));
            }
        }
    }
    for (package, folder, kind, _) in uses {
        let user = workspace.crates.iter().find(|found| found.folder == *folder);
        if !user.is_some_and(|user| user.depends_on(package, *kind)) {
            complaints.push(format!("{folder}: no longer uses {package}; remove its row"));
        }
    }
    for key in shared_dependencies(&workspace.root).keys() {
        let used = |kind| workspace.crates.iter().any(|found| found.depends_on(key, kind));
        if !used(Kind::Tests) && !ours.contains(&key.as_str()) {
            complaints.push(format!("Cargo.toml: nobody uses {key}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Crate;
    use toml::Table;

    fn workspace(dependencies: &str) -> Workspace {
        let manifest = format!("[package]\nname = \"arrwdb-wal\"\n{dependencies}");
        let crates = vec![Crate::read("wal", &manifest, &Table::new())];
        Workspace { root: Table::new(), crates }
    }

    const ROW: &[Use] = &[("memmap2", "wal", Kind::Code, "a test")];

    #[test]
    fn a_package_without_a_row_is_named() {
        let planted = workspace("[dependencies]\nmemmap2 = \"0.9\"");
        assert_eq!(check_against(&planted, ROW), [""; 0]);
        assert_eq!(check_against(&planted, &[]).len(), 1);
        let elsewhere = &[("memmap2", "disk", Kind::Code, "a test")];
        assert_eq!(check_against(&planted, elsewhere).len(), 2, "a row is for one crate only");
        let for_tests = &[("memmap2", "wal", Kind::Tests, "a test")];
        assert_eq!(check_against(&planted, for_tests).len(), 1, "tests do not cover code");
    }

    #[test]
    fn a_row_without_a_use_is_named() {
        let complaints = check_against(&workspace(""), ROW);
        assert_eq!(complaints, ["wal: no longer uses memmap2; remove its row"]);
    }
}
