//! The face of the crate: so few types at its root that all of them can be kept in mind.

use arrwdb::{CollectionConfig, Metric, Store, Value, payload};

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

/// What is read owns what it needs: it goes to other threads, and outlives the store's handles.
#[test]
fn what_is_read_crosses_threads_and_outlives_its_handles() {
    fn crosses<T: Send + Sync + 'static>(it: T) -> T {
        it
    }
    let dir = tempfile::tempdir().unwrap();
    let store = crosses(Store::open(dir.path().join("store")).unwrap());
    let config = CollectionConfig::new(2, Metric::L2);
    let docs = crosses(store.create_collection("docs", config).unwrap());
    docs.upsert_with("one", &[1.0, 2.0], payload! { "page" => 1 }).unwrap();
    let view = crosses(store.view());
    let hits = crosses(docs.search(&[1.0, 2.0]).run().unwrap());
    let record = crosses(docs.get("one").unwrap().unwrap());
    let payload = crosses(record.payload().unwrap().unwrap());
    let read = std::thread::spawn(move || {
        drop((store, docs));
        let of_hit = hits[0].record().unwrap();
        let page = payload.get("page").and_then(Value::as_i64);
        (record.vector().to_vec(), of_hit.vector().to_vec(), page, view.number().is_some())
    });
    assert_eq!(read.join().unwrap(), (vec![1.0, 2.0], vec![1.0, 2.0], Some(1), true));
}
