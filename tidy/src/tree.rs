//! Reads the workspace's files, as the checks see them.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file of the tree.
#[derive(Clone, Debug)]
pub struct Text {
    /// Relative to the root, with forward slashes.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl Text {
    /// A file made up for a test of a check.
    pub fn new(path: &str, text: &str) -> Self {
        Text { path: path.into(), text: text.into() }
    }
}

/// The workspace's root.
///
/// # Panics
/// If this crate is not in a folder of it.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("a crate lies in a folder of the workspace").to_path_buf()
}

/// Every file below the root whose name ends so, sorted by path; what is built or hidden is left
/// out.
///
/// # Panics
/// If one cannot be read, or is not UTF-8.
pub fn files(ending: &str) -> Vec<Text> {
    let root = root();
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(dir) = waiting.pop() {
        let entries =
            fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        for entry in entries {
            let path = entry.expect("a directory that opens can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    waiting.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(read(&root, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file ends in {ending}: the check would be blind");
    found
}

/// One file by its path relative to the root.
///
/// # Panics
/// If it cannot be read, or is not UTF-8.
pub fn file(path: &str) -> Text {
    let root = root();
    read(&root, &root.join(path))
}

fn read(root: &Path, path: &Path) -> Text {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    Text { path: parts.join("/"), text }
}

/// The syntax of a source file.
///
/// # Panics
/// If it is not valid Rust.
pub fn parse(source: &Text) -> syn::File {
    syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path))
}
