//! Sees to it that every source file says what it is, under a name that says it too.

use crate::tree::Text;

/// Names that say nothing: what is in such a file has a better one.
const EMPTY_NAMES: &[&str] =
    &["utils", "util", "helpers", "common", "misc", "manager", "types", "core"];

/// A header shorter than this says nothing either.
const FEWEST_BYTES: usize = 30;

/// Complains of every source file without a proper header, with an empty name, or with characters
/// outside ASCII, which can look like others.
pub fn check(sources: &[Text]) -> Vec<String> {
    sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Text) -> Vec<String> {
    let path = &source.path;
    let mut complaints = Vec::new();
    let header: Vec<_> = source.text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let paragraph: Vec<_> =
        header.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    let first = paragraph.join(" ");
    if first.len() < FEWEST_BYTES || !first.ends_with(['.', ':']) {
        complaints.push(format!("{path}: must begin with a //! sentence that says what it is for"));
    }
    let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".rs")).unwrap_or(path);
    if EMPTY_NAMES.contains(&stem) {
        complaints.push(format!("{path}: the name says nothing; find the noun"));
    }
    let outside = |line: &str| !line.is_ascii();
    if let Some(at) = source.text.lines().position(outside) {
        complaints.push(format!("{path}:{}: a character outside ASCII", at + 1));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "//! Replays the log after an unknown shutdown.\n\nfn f() {}\n";

    #[test]
    fn a_header_of_one_sentence_is_enough() {
        assert_eq!(check(&[Text::new("wal/src/replay.rs", GOOD)]), [""; 0]);
        let two_lines = "//! Replays the log after an unknown\n//! shutdown.\n";
        assert_eq!(check(&[Text::new("wal/src/replay.rs", two_lines)]), [""; 0]);
    }

    #[test]
    fn files_without_a_sentence_are_named() {
        let no_header = ["fn f() {}\n", "//! Log.\n", "", "// Replays the log after a shutdown.\n"];
        for text in no_header.into_iter().chain(["//! the log and everything about it, somehow\n"])
        {
            assert_eq!(check(&[Text::new("wal/src/replay.rs", text)]).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn empty_names_and_foreign_characters_are_named() {
        assert_eq!(check(&[Text::new("wal/src/utils.rs", GOOD)]).len(), 1);
        let foreign = format!("{GOOD}// \u{fc}\n");
        let complaints = check(&[Text::new("wal/src/replay.rs", &foreign)]);
        assert_eq!(complaints, ["wal/src/replay.rs:4: a character outside ASCII"]);
    }
}
