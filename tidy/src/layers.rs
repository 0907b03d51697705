//! Holds the dependency arrows between the crates: these, and no others.

use crate::manifest::{Crate, Workspace, names};

/// One layer: its folder, its package, and the folders below it that it may depend on.
type Layer = (&'static str, &'static str, &'static [&'static str]);

/// Every crate of the workspace, the lowest first. `wal`, `segments` and `snapshot` are strangers to
/// each other, and `indexes` knows of no file: only `engine` has met them all.
const LAYERS: &[Layer] = &[
    ("base", "arrwdb-base", &[]),
    ("disk", "arrwdb-disk", &["base"]),
    ("wal", "arrwdb-wal", &["base", "disk"]),
    ("segments", "arrwdb-segments", &["base", "disk"]),
    ("snapshot", "arrwdb-snapshot", &["base", "disk"]),
    ("indexes", "arrwdb-indexes", &["base"]),
    ("engine", "arrwdb", &["base", "disk", "wal", "segments", "snapshot", "indexes"]),
    ("cli", "arrwdb-cli", &["base", "disk", "engine"]),
    (
        "benches",
        "arrwdb-benches",
        &["base", "disk", "wal", "segments", "snapshot", "indexes", "engine"],
    ),
    ("tidy", "arrwdb-tidy", &["base"]),
];

/// Workspaces of their own, so that no command given at the root builds a peer or a fuzzer.
const APART: &[&str] = &["benches/compare", "fuzz"];

/// Complains of every arrow that is not in the table, tests' arrows included.
pub fn check(workspace: &Workspace) -> Vec<String> {
    let mut complaints = Vec::new();
    let folders: Vec<_> = workspace.crates.iter().map(|found| found.folder.as_str()).collect();
    let expected: Vec<_> = LAYERS.iter().map(|(folder, _, _)| *folder).collect();
    if folders != expected {
        complaints.push(format!("Cargo.toml: members are {folders:?}, the layers {expected:?}"));
    }
    let apart = names(&workspace.root, "exclude");
    if apart != APART {
        complaints.push(format!("Cargo.toml: excludes {apart:?}, and should {APART:?}"));
    }
    for found in &workspace.crates {
        complaints.extend(check_crate(found));
    }
    complaints
}

fn check_crate(found: &Crate) -> Vec<String> {
    let folder = &found.folder;
    let Some((_, package, allowed)) = LAYERS.iter().find(|(name, _, _)| name == folder) else {
        return vec![format!("{folder}: not in the table of layers (tidy/src/layers.rs)")];
    };
    let mut complaints = Vec::new();
    if found.package != *package {
        complaints.push(format!("{folder}: its package is {}, not {package}", found.package));
    }
    for (other, package, _) in LAYERS {
        let named = found.dependencies.iter().any(|found| found.package == *package);
        if named && !allowed.contains(other) {
            complaints.push(format!("{folder}: must not depend on {other}"));
        }
    }
    for key in ["version", "edition", "rust-version", "license", "publish"] {
        let value = found.manifest.get("package").and_then(|package| package.get(key));
        if value.and_then(|value| value.get("workspace")).is_none() {
            complaints.push(format!("{folder}: {key}.workspace = true is missing"));
        }
    }
    if found.manifest.get("lints").and_then(|lints| lints.get("workspace")).is_none() {
        complaints.push(format!("{folder}: [lints] workspace = true is missing"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Table;

    const BASE: &str = "
        [package]
        name = \"arrwdb-wal\"
        version.workspace = true
        edition.workspace = true
        rust-version.workspace = true
        license.workspace = true
        publish.workspace = true
        [lints]
        workspace = true
    ";

    fn complaints(more: &str) -> Vec<String> {
        check_crate(&Crate::read("wal", &format!("{BASE}{more}"), &Table::new()))
    }

    #[test]
    fn arrows_down_are_allowed() {
        let down = "[dependencies]\narrwdb-base.path = \"../base\"\nx = \"1\"";
        assert_eq!(complaints(down), [""; 0]);
    }

    #[test]
    fn arrows_sideways_and_up_are_not_in_whatever_disguise() {
        let planted = [
            "[dependencies]\narrwdb-segments.path = \"../segments\"",
            "[dev-dependencies]\narrwdb-segments.path = \"../segments\"",
            "[dependencies]\nslots = { package = \"arrwdb-segments\", path = \"../segments\" }",
            "[target.'cfg(unix)'.dependencies]\narrwdb-segments.path = \"../segments\"",
        ];
        for violation in planted {
            assert_eq!(complaints(violation), ["wal: must not depend on segments"], "{violation}");
        }
        let up = "[dependencies]\narrwdb.path = \"../engine\"";
        assert_eq!(complaints(up), ["wal: must not depend on engine"]);
    }

    #[test]
    fn a_crate_that_leaves_the_shared_settings_is_named() {
        let alone = Crate::read("wal", "[package]\nname = \"arrwdb-wal\"", &Table::new());
        assert_eq!(check_crate(&alone).len(), 6);
        let stranger = Crate::read("util", "[package]\nname = \"util\"", &Table::new());
        assert_eq!(check_crate(&stranger).len(), 1);
    }

    #[test]
    fn the_table_itself_only_points_down() {
        for (at, (folder, _, allowed)) in LAYERS.iter().enumerate() {
            for other in *allowed {
                let below = LAYERS.iter().position(|(name, _, _)| name == other);
                assert!(below.is_some_and(|below| below < at), "{folder} -> {other}");
            }
        }
    }
}
