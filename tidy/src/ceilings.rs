//! Keeps files and functions from growing without end: a ratchet.
//!
//! Above its ceiling a file or function must stand in `tidy/ratchet.txt` with its size, and may only
//! shrink from there. Inline tests do not count towards a file's size, but once they are long may not
//! outgrow the code they test: then they move to a file of their own.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Item, ItemFn, ItemMod, Meta, Signature, TraitItemFn};

use crate::tree::{Text, parse};

/// Lines of a file, without its inline tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of inline tests that may stand in any file, even if its code is shorter.
const INLINE_TEST_LINES_MAX: usize = 80;
/// Lines of a function, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Something that has a size: `path` for a file, `path::name` for a function.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Measured {
    name: String,
    lines: usize,
    ceiling: usize,
}

/// Complains of everything above its ceiling that is not listed with just its size, and of every
/// listed name that need not be. A line of the list: a name, a space, a number; `#` begins a comment.
pub fn check(sources: &[Text], list: &Text) -> Vec<String> {
    let (listed, mut complaints) = parse_list(list);
    let measured: Vec<_> = sources.iter().flat_map(measure).collect();
    let above: Vec<_> = measured.iter().filter(|it| it.lines > it.ceiling).collect();
    for Measured { name, lines, ceiling } in &above {
        match listed.iter().find(|(listed, _)| listed == name) {
            Some((_, most)) if lines > most => {
                complaints.push(format!("{name}: grew from {most} to {lines} lines; split it"));
            }
            Some((_, most)) if lines < most => {
                complaints.push(format!("{name}: shrank from {most} to {lines} lines; list it so"));
            }
            Some(_) => {}
            None => complaints.push(format!("{name}: {lines} lines, at most {ceiling}; split it")),
        }
    }
    for (name, _) in listed {
        if !above.iter().any(|it| it.name == name) {
            complaints.push(format!("{name}: below its ceiling now; take it off the list"));
        }
    }
    complaints.extend(sources.iter().filter_map(check_inline_tests));
    complaints
}

fn parse_list(list: &Text) -> (Vec<(String, usize)>, Vec<String>) {
    let (mut listed, mut complaints) = (Vec::new(), Vec::new());
    let lines = list.text.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.rsplit_once(' ').map(|(name, lines)| (name, lines.parse())) {
            Some((name, Ok(lines))) => listed.push((name.to_owned(), lines)),
            _ => complaints.push(format!("{}: not a name and a number: {line}", list.path)),
        }
    }
    (listed, complaints)
}

fn measure(source: &Text) -> Vec<Measured> {
    let syntax = parse(source);
    let lines = source.text.lines().count() - inline_test_lines(&syntax.items);
    let file = Measured { name: source.path.clone(), lines, ceiling: FILE_LINES_MAX };
    let mut functions = Functions { path: &source.path, found: vec![file] };
    functions.visit_file(&syntax);
    functions.found
}

fn check_inline_tests(source: &Text) -> Option<String> {
    let tests = inline_test_lines(&parse(source).items);
    let code = source.text.lines().count() - tests;
    (tests > INLINE_TEST_LINES_MAX && tests > code).then(|| {
        let path = &source.path;
        format!("{path}: {tests} lines of inline tests for {code} of code; give them a file")
    })
}

/// How many lines the test modules take that are written out in the file itself.
fn inline_test_lines(items: &[Item]) -> usize {
    let lines = items.iter().map(|item| match item {
        Item::Mod(module) if is_for_tests(&module.attrs) => lines_of_module(module),
        _ => 0,
    });
    lines.sum()
}

/// From `mod` to its closing brace; 0 for a module that is a file of its own.
fn lines_of_module(module: &ItemMod) -> usize {
    let Some((braces, _)) = &module.content else {
        return 0;
    };
    lines(module.mod_token.span, braces.span.close())
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

fn lines(first: Span, last: Span) -> usize {
    last.end().line + 1 - first.start().line
}

/// Collects every function of a file, wherever it stands.
struct Functions<'a> {
    path: &'a str,
    found: Vec<Measured>,
}

impl Functions<'_> {
    fn add(&mut self, signature: &Signature, block: &Block) {
        let lines = lines(signature.fn_token.span, block.brace_token.span.close());
        let name = format!("{}::{}", self.path, signature.ident);
        self.found.push(Measured { name, lines, ceiling: FUNCTION_LINES_MAX });
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    call();\n".repeat(lines - 2))
    }

    fn complaints(text: &str, list: &str) -> Vec<String> {
        check(&[Text::new("a.rs", text)], &Text::new("ratchet.txt", list))
    }

    #[test]
    fn what_stays_below_its_ceiling_is_left_alone() {
        assert_eq!(complaints(&function(FUNCTION_LINES_MAX), ""), [""; 0]);
        assert_eq!(complaints(&"// a line\n".repeat(FILE_LINES_MAX), ""), [""; 0]);
    }

    #[test]
    fn a_function_or_file_above_its_ceiling_is_named_wherever_it_stands() {
        let long = function(FUNCTION_LINES_MAX + 1);
        let places = [
            long.clone(),
            format!("impl A {{\n{long}}}\n"),
            format!("trait A {{\n{long}}}\n"),
            format!("mod a {{\n{long}}}\n"),
            format!("fn outer() {{\n{long}}}\n"),
        ];
        for text in places {
            let complaints = complaints(&text, "");
            assert!(
                complaints.iter().any(|it| it == "a.rs::long: 71 lines, at most 70; split it"),
                "{complaints:?}"
            );
        }
        let file = "// a line\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(complaints(&file, ""), ["a.rs: 501 lines, at most 500; split it"]);
    }

    #[test]
    fn what_is_listed_may_only_shrink() {
        let long = function(80);
        assert_eq!(complaints(&long, "# why\na.rs::long 80\n"), [""; 0]);
        assert_eq!(
            complaints(&long, "a.rs::long 79"),
            ["a.rs::long: grew from 79 to 80 lines; split it"]
        );
        assert_eq!(
            complaints(&long, "a.rs::long 81"),
            ["a.rs::long: shrank from 81 to 80 lines; list it so"]
        );
        assert_eq!(
            complaints(&function(70), "a.rs::long 80"),
            ["a.rs::long: below its ceiling now; take it off the list"]
        );
        assert_eq!(complaints("", "a.rs"), ["ratchet.txt: not a name and a number: a.rs"]);
    }

    #[test]
    fn inline_tests_do_not_count_but_may_not_outgrow_the_code() {
        // The attribute of the test module is a line of the file.
        let code = "// a line\n".repeat(FILE_LINES_MAX - 1);
        let tests =
            |lines| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// a test\n".repeat(lines));
        assert_eq!(complaints(&format!("{code}{}", tests(100)), ""), [""; 0]);
        let complaints = complaints(&format!("{code}{}", tests(FILE_LINES_MAX)), "");
        assert_eq!(
            complaints,
            ["a.rs: 502 lines of inline tests for 500 of code; give them a file"]
        );
    }
}
