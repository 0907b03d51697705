//! Keeps `unsafe` to the few modules that are named here, and forbids it for good elsewhere.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Meta};

use crate::tree::{Text, parse};

/// Modules that may lift the workspace's ban, each with the reason it cannot do without.
const PLACES: &[(&str, &str)] = &[("disk/src/region.rs", "maps files and lends their bytes")];

/// Crates that hold such a module now or are planned to; all others forbid it in their first file.
const CRATES: &[&str] = &["disk", "segments", "indexes"];

/// Complains of every file that lifts the ban and is not named, of every name that no longer
/// needs to be, and of every crate that does not forbid what it never needs.
pub fn check(folders: &[&str], sources: &[Text]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let named = PLACES.iter().any(|(path, _)| *path == source.path);
        match (lifts(source), named) {
            (true, false) => complaints.push(format!(
                "{}: lifts the ban on unsafe code without being named in tidy/src/unsafe_places.rs",
                source.path
            )),
            (false, true) => {
                complaints.push(format!(
                    "{}: needs no unsafe code; remove its name",
                    source.path
                ));
            }
            _ => {}
        }
    }
    for folder in folders.iter().filter(|folder| !CRATES.contains(folder)) {
        let firsts = [
            format!("{folder}/src/lib.rs"),
            format!("{folder}/src/main.rs"),
        ];
        let of_crate = sources
            .iter()
            .filter(|source| firsts.contains(&source.path));
        for source in of_crate.filter(|source| !forbids(source)) {
            complaints.push(format!("{}: must say #![forbid(unsafe_code)]", source.path));
        }
    }
    complaints
}

/// Whether a file sets the lint for itself or a part of it to anything but "forbidden".
fn lifts(source: &Text) -> bool {
    struct Lifting(bool);
    impl Visit<'_> for Lifting {
        fn visit_attribute(&mut self, attribute: &Attribute) {
            let Meta::List(list) = &attribute.meta else {
                return;
            };
            let words = words(list.tokens.clone());
            let named = |word: &str| list.path.is_ident(word) || words.iter().any(|it| it == word);
            let lifted = LIFTING.iter().any(|level| named(level));
            self.0 |= lifted && words.iter().any(|word| word == "unsafe_code");
        }
    }
    let mut lifting = Lifting(false);
    lifting.visit_file(&parse(source));
    lifting.0
}

/// Lint levels that let something through.
const LIFTING: &[&str] = &["expect", "allow", "warn"];

/// The words of an attribute, those in nested brackets included.
fn words(tokens: TokenStream) -> Vec<String> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(word) => vec![word.to_string()],
            TokenTree::Group(group) => words(group.stream()),
            _ => Vec::new(),
        })
        .collect()
}

fn forbids(source: &Text) -> bool {
    source
        .text
        .lines()
        .any(|line| line == "#![forbid(unsafe_code)]")
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
        assert_eq!(
            check(&["wal"], &[Text::new("wal/src/lib.rs", talk)]),
            [""; 0]
        );
    }

    #[test]
    fn a_crate_that_does_not_forbid_it_is_named() {
        let complaints = check(&["wal", "disk"], &[Text::new("wal/src/lib.rs", "mod log;")]);
        assert_eq!(
            complaints,
            ["wal/src/lib.rs: must say #![forbid(unsafe_code)]"]
        );
    }

    #[test]
    fn a_name_that_is_no_longer_needed_is_named() {
        let complaints = check(&[], &[Text::new("disk/src/region.rs", "fn f() {}")]);
        assert_eq!(
            complaints,
            ["disk/src/region.rs: needs no unsafe code; remove its name"]
        );
    }
}
