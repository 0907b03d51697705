//! Ties every byte layout in code to the document that specifies it.
//!
//! The bytes on disk are described in FORMAT.md and laid out by the `format.rs` of each crate, and by
//! what lies in a `format` folder beside it. At its end FORMAT.md lists a hash of each such file; who
//! changes one is sent to the document.

use base::checksum::Xxh3;

use crate::tree::Text;

/// Where the hashes begin in FORMAT.md.
const HEADING: &str = "## Layout hashes";

/// Complains of every `format.rs` whose hash does not stand in FORMAT.md, and of every hash there
/// that belongs to no file.
pub fn check(document: &Text, sources: &[Text]) -> Vec<String> {
    let Some((_, hashes)) = document.text.split_once(HEADING) else {
        return vec![format!("{}: the section \"{HEADING}\" is missing", document.path)];
    };
    // A row of the table: a path and its hash, each in backticks.
    let listed: Vec<_> = hashes
        .lines()
        .filter_map(|line| {
            let mut quoted = line.split('`').skip(1).step_by(2);
            Some((quoted.next()?, quoted.next()?))
        })
        .collect();
    let mut complaints = Vec::new();
    let is_layout = |source: &&Text| {
        let in_folder = source.path.contains("/format/") && !source.path.ends_with("/tests.rs");
        in_folder || source.path.ends_with("/format.rs")
    };
    for source in sources.iter().filter(is_layout) {
        let hash = format!("{:016x}", Xxh3::of(source.text.as_bytes()));
        let row = format!("| `{}` | `{hash}` |", source.path);
        match listed.iter().find(|(path, _)| *path == source.path) {
            None => {
                complaints.push(format!("{}: specify it in FORMAT.md and add {row}", source.path))
            }
            Some((_, known)) if *known != hash => complaints.push(format!(
                "{}: changed; bring FORMAT.md up to date, then its hash: {row}",
                source.path
            )),
            Some(_) => {}
        }
    }
    for (path, _) in listed {
        if !sources.iter().any(|source| source.path == path) {
            complaints.push(format!("FORMAT.md: lists {path}, which is not there"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: &str = "pub const SIZE: usize = 48;\n";

    fn document(rows: &str) -> Text {
        Text::new("FORMAT.md", &format!("# Bytes\n\n{HEADING}\n\n{rows}\n"))
    }

    #[test]
    fn a_layout_without_its_hash_is_named_with_the_row_to_add() {
        let sources = [Text::new("wal/src/format.rs", LAYOUT)];
        let complaints = check(&document(""), &sources);
        let (_, row) = complaints[0].split_once("add ").unwrap();
        assert_eq!(check(&document(row), &sources), [""; 0]);

        let changed = [Text::new("wal/src/format.rs", "pub const SIZE: usize = 56;\n")];
        let complaints = check(&document(row), &changed);
        assert!(complaints[0].starts_with("wal/src/format.rs: changed"), "{complaints:?}");
        assert_eq!(check(&document(row), &[]).len(), 1, "the file was deleted");
    }

    #[test]
    fn a_layout_in_a_folder_is_one_too() {
        let sources = [Text::new("wal/src/format/record.rs", LAYOUT)];
        assert_eq!(check(&document(""), &sources).len(), 1);
        let tests = [Text::new("wal/src/format/tests.rs", "")];
        assert_eq!(check(&document(""), &tests), [""; 0]);
    }

    #[test]
    fn a_document_without_the_section_is_named() {
        assert_eq!(check(&Text::new("FORMAT.md", "# Bytes\n"), &[]).len(), 1);
    }
}
