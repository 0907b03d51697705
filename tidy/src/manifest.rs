//! Reads what a crate's `Cargo.toml` says it depends on, under whatever name and for whatever target.

use toml::{Table, Value};

use crate::tree::{self, Text};

/// What a crate depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dependency {
    /// The package's own name, even where the manifest gives it another.
    pub package: String,
    /// For what.
    pub kind: Kind,
}

/// What a dependency is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The crate's own code, or its build script.
    Code,
    /// Its tests, examples and benchmarks only.
    Tests,
}

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its folder, relative to the root.
    pub folder: String,
    /// Its package name.
    pub package: String,
    /// All it depends on, from the workspace and from outside.
    pub dependencies: Vec<Dependency>,
    /// The whole manifest.
    pub manifest: Table,
}

impl Crate {
    /// Reads a manifest; `shared` is the root's table of workspace dependencies.
    ///
    /// # Panics
    /// If it is not a valid manifest of a package.
    pub fn read(folder: &str, text: &str, shared: &Table) -> Crate {
        let manifest: Table = text.parse().unwrap_or_else(|error| panic!("{folder}: {error}"));
        let package = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{folder}/Cargo.toml names no package"))
            .to_owned();
        let mut dependencies = Vec::new();
        let targets = manifest.get("target").and_then(Value::as_table);
        let for_targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        for section in std::iter::once(&manifest).chain(for_targets) {
            collect(section, shared, &mut dependencies);
        }
        Crate { folder: folder.into(), package, dependencies, manifest }
    }

    /// Whether the crate depends on this package for its code or, if `Tests`, for anything.
    pub fn depends_on(&self, package: &str, kind: Kind) -> bool {
        self.dependencies.iter().any(|found| {
            found.package == package && (found.kind == Kind::Code || kind == Kind::Tests)
        })
    }
}

/// Adds the dependencies of the whole manifest, or of one target's part of it.
fn collect(section: &Table, shared: &Table, into: &mut Vec<Dependency>) {
    let kinds = [
        ("dependencies", Kind::Code),
        ("build-dependencies", Kind::Code),
        ("dev-dependencies", Kind::Tests),
    ];
    for (name, kind) in kinds {
        let Some(table) = section.get(name).and_then(Value::as_table) else {
            continue;
        };
        for (key, value) in table {
            let is_shared = value.get("workspace").and_then(Value::as_bool) == Some(true);
            let value = if is_shared { shared.get(key).unwrap_or(value) } else { value };
            let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
            into.push(Dependency { package: package.into(), kind });
        }
    }
}

/// The workspace as its manifests describe it.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The root manifest.
    pub root: Table,
    /// The member crates, in the order the root names them.
    pub crates: Vec<Crate>,
}

impl Workspace {
    /// Reads the real one.
    ///
    /// # Panics
    /// If a manifest is missing or invalid.
    pub fn read() -> Workspace {
        let Text { text, .. } = tree::file("Cargo.toml");
        let root: Table = text.parse().unwrap_or_else(|error| panic!("Cargo.toml: {error}"));
        let shared = shared_dependencies(&root);
        let crates = names(&root, "members")
            .iter()
            .map(|folder| {
                let manifest = tree::file(&format!("{folder}/Cargo.toml"));
                Crate::read(folder, &manifest.text, &shared)
            })
            .collect();
        Workspace { root, crates }
    }
}

/// The root's `workspace.dependencies`.
pub fn shared_dependencies(root: &Table) -> Table {
    let workspace = root.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    workspace.and_then(Value::as_table).cloned().unwrap_or_default()
}

/// The names the root lists under this key of `workspace`.
pub fn names(root: &Table, key: &str) -> Vec<String> {
    let list = root.get("workspace").and_then(|workspace| workspace.get(key));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_dependency_is_seen() {
        let shared = "d = { package = \"real-d\", version = \"1\" }".parse().unwrap();
        let text = r#"
            [package]
            name = "a"
            [dependencies]
            b = "1"
            renamed = { package = "c", path = "../c" }
            d.workspace = true
            [dev-dependencies]
            e = "1"
            [build-dependencies]
            f = "1"
            [target.'cfg(loom)'.dependencies]
            g = "1"
            [target.'cfg(unix)'.dev-dependencies.h]
            version = "1"
        "#;
        let read = Crate::read("a", text, &shared);
        let mut seen: Vec<_> =
            read.dependencies.iter().map(|found| (found.package.as_str(), found.kind)).collect();
        seen.sort_by_key(|(package, _)| *package);
        let code = ["b", "c", "f", "g", "real-d"].map(|package| (package, Kind::Code));
        let mut expected: Vec<_> =
            code.into_iter().chain(["e", "h"].map(|package| (package, Kind::Tests))).collect();
        expected.sort_by_key(|(package, _)| *package);
        assert_eq!(seen, expected);
    }
}
