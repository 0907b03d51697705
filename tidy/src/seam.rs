//! Keeps files, maps and the clock behind the seam: every crate's `clippy.toml` refuses them.
//!
//! Clippy reads the file nearest to a crate and no other, so each crate has one, and each repeats
//! the thresholds that all share. The root's file is the pattern the others are held against.

use toml::{Table, Value};

use crate::lints::lifted;
use crate::tree::Text;

/// Crates that may touch what the seam hides: the seam itself, and what is no part of the store.
const EXEMPT: &[&str] = &["disk", "benches", "tidy"];

/// Files of the other crates that may all the same, each with the reason.
const PLACES: &[(&str, &str)] = &[
    ("cli/src/clock.rs", "tells the user how long a command took; nothing is decided by it"),
    ("cli/src/user_files.rs", "the user's own files, which are none of the store's"),
    ("cli/tests/it/sandbox.rs", "makes the files that commands are given, and looks at theirs"),
    ("engine/src/background.rs", "waits a while for what can wait: no answer depends on it"),
];

/// The least the pattern must refuse; it refuses more.
const BANNED_METHODS: &[&str] = &[
    "std::fs::create_dir",
    "std::fs::exists",
    "std::fs::metadata",
    "std::fs::read",
    "std::fs::read_dir",
    "std::fs::read_to_string",
    "std::fs::remove_file",
    "std::fs::rename",
    "std::fs::write",
    "std::os::unix::fs::symlink",
    "std::path::Path::exists",
    "std::path::Path::metadata",
    "std::sync::Condvar::wait_timeout",
    "std::sync::mpsc::Receiver::recv_timeout",
    "std::thread::park_timeout",
    "std::thread::sleep",
    "std::time::Instant::elapsed",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];
const BANNED_TYPES: &[&str] = &[
    "memmap2::Mmap",
    "memmap2::MmapMut",
    "memmap2::MmapOptions",
    "memmap2::MmapRaw",
    "std::fs::File",
    "std::fs::OpenOptions",
];

const METHODS: &str = "disallowed-methods";
const TYPES: &str = "disallowed-types";

/// Complains of every crate whose `clippy.toml` is missing, has other thresholds, or bans less.
///
/// `pattern` is the root's file; `files` are the crates' own, by their paths.
pub fn check(folders: &[&str], pattern: &Text, files: &[Text]) -> Vec<String> {
    let mut complaints = Vec::new();
    let root = parse(pattern);
    for (key, banned) in [(METHODS, BANNED_METHODS), (TYPES, BANNED_TYPES)] {
        let present = paths(&root, key);
        let missing = banned.iter().filter(|path| !present.iter().any(|it| it == *path));
        complaints.extend(missing.map(|path| format!("clippy.toml: {key} lacks {path}")));
    }
    for folder in folders {
        let path = format!("{folder}/clippy.toml");
        let Some(file) = files.iter().find(|file| file.path == path) else {
            complaints.push(format!("{path} is missing: copy the root's"));
            continue;
        };
        let own = parse(file);
        if thresholds(&own) != thresholds(&root) {
            complaints.push(format!("{path}: its thresholds are not those of the root's"));
        }
        let exempt = EXEMPT.contains(folder);
        for key in [METHODS, TYPES] {
            if !exempt && own.get(key) != root.get(key) {
                complaints.push(format!("{path}: {key} are not those of the root's"));
            }
        }
    }
    complaints
}

/// Lints, and groups of them, whose lifting would open the seam.
const GUARDS: &[&str] = &["disallowed_methods", "disallowed_types", "all", "style"];

/// Complains of every file outside the exempt crates that lifts the bans for itself without being
/// named, and of every name that no longer needs to be.
pub fn check_sources(folders: &[&str], sources: &[Text]) -> Vec<String> {
    check_places(folders, sources, PLACES)
}

fn check_places(folders: &[&str], sources: &[Text], places: &[(&str, &str)]) -> Vec<String> {
    let guarded = folders.iter().filter(|folder| !EXEMPT.contains(folder));
    let guarded: Vec<_> = guarded.map(|folder| format!("{folder}/")).collect();
    let of_guarded = |source: &&Text| guarded.iter().any(|it| source.path.starts_with(it));
    let opens = |source: &&Text| lifted(source).iter().any(|it| GUARDS.contains(&it.as_str()));
    let open = sources.iter().filter(of_guarded).filter(opens);
    let open: Vec<_> = open.map(|source| source.path.as_str()).collect();
    let unnamed = open.iter().filter(|path| !places.iter().any(|(place, _)| place == *path));
    let unneeded = places.iter().filter(|(place, _)| !open.contains(place));
    let mut complaints: Vec<_> = unnamed
        .map(|path| format!("{path}: lifts the bans that keep the seam shut; see tidy/src/seam.rs"))
        .collect();
    complaints.extend(unneeded.map(|(place, _)| {
        format!("{place}: does not lift the bans; take its name out of tidy/src/seam.rs")
    }));
    complaints
}

fn parse(file: &Text) -> Table {
    file.text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path))
}

/// All settings but the bans.
fn thresholds(file: &Table) -> Table {
    file.iter()
        .filter(|(key, _)| *key != METHODS && *key != TYPES)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The paths a list of bans names.
fn paths(file: &Table, key: &str) -> Vec<String> {
    let list = file.get(key).and_then(Value::as_array).into_iter().flatten();
    let path = |ban: &Value| ban.get("path").and_then(Value::as_str).map(str::to_owned);
    list.filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern() -> String {
        let bans = |paths: &[&str]| {
            let bans: Vec<_> =
                paths.iter().map(|path| format!("{{ path = \"{path}\" }}")).collect();
            bans.join(", ")
        };
        let (methods, types) = (bans(BANNED_METHODS), bans(BANNED_TYPES));
        format!("too-many-lines-threshold = 70\n{METHODS} = [{methods}]\n{TYPES} = [{types}]\n")
    }

    fn complaints(folder: &str, own: &str) -> Vec<String> {
        let file = Text::new(&format!("{folder}/clippy.toml"), own);
        check(&[folder], &Text::new("clippy.toml", &pattern()), &[file])
    }

    #[test]
    fn a_copy_of_the_pattern_is_right() {
        assert_eq!(complaints("wal", &pattern()), [""; 0]);
        assert_eq!(complaints("disk", "too-many-lines-threshold = 70"), [""; 0]);
    }

    #[test]
    fn a_missing_file_another_threshold_and_a_lifted_ban_are_named() {
        let none = check(&["wal"], &Text::new("clippy.toml", &pattern()), &[]);
        assert_eq!(none, ["wal/clippy.toml is missing: copy the root's"]);
        let laxer = pattern().replace("70", "700");
        assert_eq!(complaints("wal", &laxer).len(), 1);
        assert_eq!(complaints("disk", "too-many-lines-threshold = 700").len(), 1);
        let lifted = pattern().replace("{ path = \"std::fs::write\" }, ", "");
        assert_eq!(complaints("wal", &lifted).len(), 1);
        assert_eq!(complaints("wal", "too-many-lines-threshold = 70").len(), 2);
    }

    #[test]
    fn a_ban_lifted_in_a_source_file_is_named() {
        let opened = "#[expect(clippy::disallowed_methods, reason = \"just once\")]\nfn f() {}";
        let complaints =
            |path: &str| check_places(&["wal", "disk"], &[Text::new(path, opened)], &[]);
        assert_eq!(
            complaints("wal/src/a.rs"),
            ["wal/src/a.rs: lifts the bans that keep the seam shut; see tidy/src/seam.rs"]
        );
        assert_eq!(complaints("wal/tests/it/a.rs").len(), 1);
        assert_eq!(complaints("disk/src/a.rs"), [""; 0]);
    }

    #[test]
    fn a_named_file_may_lift_the_bans_and_must() {
        let places = [("wal/src/a.rs", "a test")];
        let complaints =
            |path: &str, text: &str| check_places(&["wal"], &[Text::new(path, text)], &places);
        let opened = "#![expect(clippy::disallowed_types, reason = \"just once\")]";
        assert_eq!(complaints("wal/src/a.rs", opened), [""; 0]);
        let unneeded =
            "wal/src/a.rs: does not lift the bans; take its name out of tidy/src/seam.rs";
        assert_eq!(complaints("wal/src/a.rs", "fn f() {}"), [unneeded]);
        assert_eq!(complaints("wal/src/b.rs", opened).len(), 2, "a name is for one file only");
    }

    #[test]
    fn a_ban_lifted_everywhere_at_once_is_named() {
        let lifted = pattern().replace("{ path = \"std::fs::write\" }, ", "");
        let file = Text::new("wal/clippy.toml", &lifted);
        let complaints = check(&["wal"], &Text::new("clippy.toml", &lifted), &[file]);
        assert_eq!(complaints, ["clippy.toml: disallowed-methods lacks std::fs::write"]);
    }
}
