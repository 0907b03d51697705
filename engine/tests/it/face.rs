//! The face of the crate: so few types at its root that all of them can be kept in mind.

const ROOT: &str = include_str!("../../src/lib.rs");

/// What is more than these, or what few name, belongs into a module.
const TYPES_MAX: usize = 25;
/// These begin as a type does, and are a trait and an alias.
const NO_TYPES: [&str; 2] = ["Distance", "Result"];

/// The names that stand in `pub use`, as they are known outside.
fn exported(root: &str) -> Vec<&str> {
    let uses = root.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let paths = uses.flat_map(|it| {
        let (_, paths) = it.split_once('{').unwrap_or(("", it));
        paths.trim_end_matches('}').split(',').map(str::trim)
    });
    let names = paths.filter_map(|path| path.rsplit([' ', ':']).next());
    names.filter(|name| !name.is_empty()).collect()
}

fn types(root: &str) -> Vec<&str> {
    let is_constant = |name: &str| !name.contains(char::is_lowercase);
    let is_type = |name: &&str| {
        name.starts_with(char::is_uppercase) && !is_constant(name) && !NO_TYPES.contains(name)
    };
    exported(root).into_iter().filter(is_type).collect()
}

#[test]
fn few_types_stand_at_the_root() {
    let types = types(ROOT);
    for known in ["Store", "Collection", "Search", "Sequence", "Error"] {
        assert!(types.contains(&known), "{known} is not found among {types:?}");
    }
    assert!(types.len() <= TYPES_MAX, "{} types, at most {TYPES_MAX}: {types:?}", types.len());
    assert!(!exported(ROOT).contains(&"*"), "what a star stands for is not counted");
    let made_here = ["pub struct ", "pub enum ", "pub type "];
    let is_made_here = |line: &&str| made_here.iter().any(|made| line.starts_with(made));
    let made: Vec<_> = ROOT.lines().filter(is_made_here).collect();
    assert_eq!(made, ["pub struct Readme;"], "what is made here is not counted");
}

#[test]
fn names_are_read_however_they_are_spelled() {
    let text = "\npub use a::One;\n/// Text; {Five}.\npub use b::{Two as Six, say, NAME_MAX,\n    Result,\n};\npub use c::*;\n";
    assert_eq!(exported(text), ["One", "Six", "say", "NAME_MAX", "Result", "*"]);
    assert_eq!(types(text), ["One", "Six"]);
}
