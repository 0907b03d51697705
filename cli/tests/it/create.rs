//! Collections that are made, and those that are not.

use serde_json::json;

use super::sandbox::Sandbox;

#[test]
fn a_collection_is_as_it_was_asked_for() {
    let sandbox = Sandbox::new();
    let create = |name: &str, words: &[&str]| {
        sandbox.run(&[&["create", "store", name, "--index", "flat"], words].concat())
    };
    let said = create("docs", &["--dim", "384", "--metric", "cosine"]).done();
    assert!(said.contains("\"docs\"") && said.contains("store"), "{said}");
    create("photos", &["--dim", "2", "--metric", "l2", "--dedup", "decimals=6"]).done();
    create("songs", &["--dim", "65536", "--metric", "dot", "--dedup", "off"]).done();
    let of = |name: &str, dim: u32, metric: &str, dedup: &str| json!({"name": name, "dim": dim, "metric": metric, "index": "flat", "dedup": dedup, "vectors": 0});
    assert_eq!(
        sandbox.run(&["list", "store", "--json"]).json(),
        json!([
            of("docs", 384, "cosine", "exact"),
            of("photos", 2, "l2", "decimals=6"),
            of("songs", 65536, "dot", "off"),
        ])
    );
    let lines = sandbox.run(&["list", "store"]).done();
    assert_eq!(lines.lines().count(), 4, "{lines}");
    create("docs", &["--dim", "3", "--metric", "l2"]).refused(&["\"docs\" already"]);
}

#[test]
fn a_collection_has_the_index_it_was_asked_for() {
    let sandbox = Sandbox::new();
    let words = ["create", "store", "docs", "--dim", "3", "--metric", "l2", "--index", "hnsw"];
    let graph = ["--m", "16", "--ef-construction", "200"];
    let said = sandbox.run(&[&words[..], &graph].concat()).done();
    assert!(said.trim_end().ends_with("hnsw"), "{said}");
    assert_eq!(sandbox.run(&["list", "store", "--json"]).json()[0]["index"], "hnsw");
}

#[test]
fn a_kind_of_index_that_does_not_suit_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let words = ["create", "store", "docs", "--dim", "3", "--metric", "dot", "--index", "kdtree"];
    sandbox.run(&words).refused(&["index of kind kdtree cannot go by the distance dot"]);
    assert!(sandbox.names().is_empty());
}
