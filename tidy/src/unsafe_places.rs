//! Keeps `unsafe` to the few modules that are named here, and forbids it for good elsewhere.

use crate::lints::lifted;
use crate::tree::Text;

/// Modules that may lift the workspace's ban, each with the reason it cannot do without.
const PLACES: &[(&str, &str)] = &[
    ("disk/src/region.rs", "maps files and lends their bytes"),
    ("engine/tests/it/fork.rs", "splits a process in two, to see what the copy can do"),
    ("engine/tests/it/shutdown.rs", "shuts a file system down, to see what is left"),
    ("indexes/src/lanes/avx2.rs", "instructions that not every processor has"),
    ("indexes/src/lanes/avx512.rs", "instructions that not every processor has"),
    ("indexes/src/lanes/neon.rs", "instructions that not every processor has"),
    ("indexes/src/shared/line.rs", "says that cache lines may be zero, and shared"),
    ("indexes/src/shared/pages.rs", "advises the system how to keep memory"),
    ("indexes/src/shared/pieces.rs", "finds a row in a few instructions"),
    ("indexes/src/shared/rows.rs", "lends bytes that nobody writes to meanwhile, without a lock"),
    ("segments/src/heap/lent.rs", "lends payloads, which are never written again"),
    ("segments/src/view.rs", "lends vectors that nobody writes to meanwhile"),
    ("snapshot/src/lent.rs", "lends bytes of images, which are never written again"),
];

/// Crates that hold such a module now or are planned to; all others forbid it in their first file.
const CRATES: &[&str] = &["disk", "segments", "snapshot", "indexes"];

/// Complains of every file that lifts the ban and is not named, of every name that no longer
/// needs to be, and of every crate that does not forbid what it never needs.
pub fn check(folders: &[&str], sources: &[Text]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let named = PLACES.iter().any(|(path, _)| *path == source.path);
        match (lifted(source).iter().any(|lint| lint == "unsafe_code"), named) {
            (true, false) => complaints.push(format!(
                "{}: lifts the ban on unsafe code without being named in tidy/src/unsafe_places.rs",
                source.path
            )),
            (false, true) => {
                complaints.push(format!("{}: needs no unsafe code; remove its name", source.path));
            }
            _ => {}
        }
    }
    for folder in folders.iter().filter(|folder| !CRATES.contains(folder)) {
        let firsts = [format!("{folder}/src/lib.rs"), format!("{folder}/src/main.rs")];
        let of_crate = sources.iter().filter(|source| firsts.contains(&source.path));
        for source in of_crate.filter(|source| !forbids(source)) {
            complaints.push(format!("{}: must say #![forbid(unsafe_code)]", source.path));
        }
    }
    complaints
}

fn forbids(source: &Text) -> bool {
    source.text.lines().any(|line| line == "#![forbid(unsafe_code)]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_lifted_in_any_form_is_named() {
        let planted = [
            "#![expect(unsafe_code, reason = \"speed\")]",
            "#[allow(unsafe_code)]\nfn f() {}",
            "#[allow(\n    dead_code,\n    unsafe_code,\n)]\nfn f() {}",
            "#![cfg_attr(all(), allow(unsafe_code))]",
        ];
        for text in planted {
            let complaints = check(&[], &[Text::new("wal/src/queue.rs", text)]);
            assert_eq!(complaints.len(), 1, "{text}");
        }
        let talk = "// #[allow(unsafe_code)]\n#![forbid(unsafe_code)]\n";
        assert_eq!(check(&["wal"], &[Text::new("wal/src/lib.rs", talk)]), [""; 0]);
    }

    #[test]
    fn a_crate_that_does_not_forbid_it_is_named() {
        let complaints = check(&["wal", "disk"], &[Text::new("wal/src/lib.rs", "mod log;")]);
        assert_eq!(complaints, ["wal/src/lib.rs: must say #![forbid(unsafe_code)]"]);
    }

    #[test]
    fn a_name_that_is_no_longer_needed_is_named() {
        let complaints = check(&[], &[Text::new("disk/src/region.rs", "fn f() {}")]);
        assert_eq!(complaints, ["disk/src/region.rs: needs no unsafe code; remove its name"]);
    }
}
