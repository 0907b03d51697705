//! Keeps the documents from pointing at files that are not there.

use crate::tree::Text;

/// Endings of the names that are taken for paths when they stand in backticks with a slash.
const ENDINGS: &[&str] = &[".rs", ".toml", ".md", ".txt", ".sh"];

/// Complains of every path a document names that does not exist, given what does.
pub fn check(documents: &[Text], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for document in documents {
        for (at, line) in document.text.lines().enumerate() {
            for path in linked(line).chain(quoted(line)).filter(|path| !exists(path)) {
                complaints.push(format!("{}:{}: names {path}", document.path, at + 1));
            }
        }
    }
    complaints
}

/// Targets of links that lead to a file, less the part behind `#`.
fn linked(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = targets.filter_map(|target| target.split('#').next());
    paths.filter(|path| !path.is_empty() && !path.contains("://"))
}

/// What stands in backticks and looks like a path.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|it| {
        let plain = !it.contains([' ', '<', '*', '{']);
        plain && it.contains('/') && ENDINGS.iter().any(|ending| it.ends_with(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_quoted_paths_to_nowhere_are_named() {
        let text = "See [the map](ARCHITECTURE.md#map), `disk/src/seam.rs` and `disk/src/gone.rs`.\n\
                    Not paths: `a/b`, `cargo run x/y.rs`, `<crate>/format.rs`, [up](#top).\n\
                    [gone](GONE.md)";
        let exists = |path: &str| ["ARCHITECTURE.md", "disk/src/seam.rs"].contains(&path);
        let complaints = check(&[Text::new("README.md", text)], exists);
        assert_eq!(
            complaints,
            ["README.md:1: names disk/src/gone.rs", "README.md:3: names GONE.md"]
        );
    }
}
