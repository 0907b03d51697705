//! Finds where a source file lifts a lint that the workspace sets.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Meta};

use crate::tree::{Text, parse};

/// Lint levels that let something through.
const LIFTING: &[&str] = &["expect", "allow", "warn"];

/// The words of all attributes that lift a lint, for the whole file or a part of it: the names of the
/// lints among them.
pub fn lifted(source: &Text) -> Vec<String> {
    struct Lifted(Vec<String>);
    impl Visit<'_> for Lifted {
        fn visit_attribute(&mut self, attribute: &Attribute) {
            let Meta::List(list) = &attribute.meta else {
                return;
            };
            let words = words(list.tokens.clone());
            let named = |word: &str| list.path.is_ident(word) || words.iter().any(|it| it == word);
            if LIFTING.iter().any(|level| named(level)) {
                self.0.extend(words);
            }
        }
    }
    let mut lifted = Lifted(Vec::new());
    lifted.visit_file(&parse(source));
    lifted.0
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lint_lifted_in_any_form_is_found() {
        let planted = [
            "#![expect(clippy::dbg_macro, reason = \"speed\")]",
            "#[allow(clippy::dbg_macro)]\nfn f() {}",
            "#[allow(\n    dead_code,\n    clippy::dbg_macro,\n)]\nfn f() {}",
            "#![cfg_attr(all(), allow(clippy::dbg_macro))]",
            "mod a { impl A { #[warn(clippy::dbg_macro)] fn f() {} } }",
        ];
        for text in planted {
            let found = lifted(&Text::new("a.rs", text));
            assert!(found.iter().any(|word| word == "dbg_macro"), "{text}");
        }
        let kept = "// #[allow(dead_code)]\n#![forbid(unsafe_code)]\n#[derive(Debug)] struct A;";
        assert_eq!(lifted(&Text::new("a.rs", kept)), [""; 0]);
    }
}
