//! Collections with a graph: made, filled, searched more or less widely, changed, and what is said of them.

use serde_json::{Value, json};

use super::data::{self, body};
use super::sandbox::{Sandbox, npy, vectors};

const DIM: u32 = 16;

fn docs_with(kind: &str, rows: usize) -> Sandbox {
    let sandbox = Sandbox::with_docs_by(kind, DIM);
    sandbox.vectors("rows.npy", &vectors(rows, DIM as usize));
    sandbox.run(&["import", "store", "docs", "rows.npy", "--wait-indexed"]).done();
    sandbox
}

fn stats(sandbox: &Sandbox) -> Value {
    sandbox.run(&["stats", "store", "--json"]).json()["collections"][0].clone()
}

fn index(sandbox: &Sandbox, words: &[&str]) -> Value {
    sandbox.run(&[&["index", "store", "docs", "--json"], words].concat()).json()
}

#[test]
fn an_import_waits_for_the_index_and_says_how_long() {
    let sandbox = Sandbox::with_docs_by("hnsw", DIM);
    sandbox.vectors("rows.npy", &vectors(300, DIM as usize));
    let ran = sandbox.run(&["import", "store", "docs", "rows.npy", "--wait-indexed"]);
    assert_eq!(ran.err, "", "no bars where there is no terminal");
    let said = ran.done();
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("imported 300 vectors into \"docs\""), "{said}");
    assert!(lines[1].starts_with("all are in the index, "), "{said}");
    // What was imported before may have to be waited for too.
    let words = ["import", "store", "docs", "rows.npy", "--wait-indexed", "--json"];
    let again = sandbox.run(&words).json();
    assert_eq!(again["vectors"], 0);
    assert!(again["indexing_seconds"].as_f64().unwrap() >= 0.0);
    let without = sandbox.run(&["import", "store", "docs", "rows.npy", "--json"]).json();
    assert_eq!(without.get("indexing_seconds"), None);
}

#[test]
fn stats_say_what_the_index_has_and_where_it_lies() {
    let sandbox = docs_with("hnsw", 300);
    let found = stats(&sandbox);
    for (key, expected) in [
        ("index", json!("hnsw")),
        ("serving", json!("hnsw")),
        ("indexed", json!(300)),
        ("behind", json!(0)),
        ("inserted", json!(0)),
        ("replayed", json!(0)),
        ("mapped", json!(true)),
    ] {
        assert_eq!(found[key], expected, "{key}: {found}");
    }
    for key in ["rebuilt", "building", "lacking"] {
        assert_eq!(found.get(key), None, "{found}");
    }
    assert!(found["index_image_bytes"].as_u64().unwrap() > 0, "{found}");
    let said = sandbox.run(&["stats", "store"]).done();
    let told = "hnsw index: 300 indexed, 0 behind; read from its image";
    assert!(said.contains(told), "{said}");
}

#[test]
fn another_index_is_built_and_serves_when_the_command_is_done() {
    let sandbox = docs_with("flat", 300);
    let serves = index(&sandbox, &["--index", "hnsw", "--m", "24"]);
    let expected = (&json!("hnsw"), &json!(300), &json!(true));
    assert_eq!((&serves["index"], &serves["indexed"], &serves["built"]), expected);
    assert_eq!(sandbox.run(&["list", "store", "--json"]).json()[0]["index"], "hnsw");
    let found = stats(&sandbox);
    assert_eq!((&found["serving"], &found["indexed"]), (&json!("hnsw"), &json!(300)), "{found}");
    // The same again is there already, and other numbers are another one.
    assert_eq!(index(&sandbox, &["--index", "hnsw", "--m", "24"])["built"], false);
    assert_eq!(index(&sandbox, &[])["built"], false);
    assert_eq!(index(&sandbox, &["--index", "hnsw", "--ef-construction", "100"])["built"], true);
    assert_eq!(index(&sandbox, &["--index", "flat"])["index"], "flat");
}

#[test]
fn an_index_is_built_anew_when_asked_to() {
    let sandbox = docs_with("hnsw", 300);
    assert_eq!(index(&sandbox, &["--rebuild"])["built"], true);
    let said = sandbox.run(&["index", "store", "docs", "--rebuild"]).done();
    assert!(said.starts_with("the index of \"docs\" was built and serves: hnsw, 300"), "{said}");
    let said = sandbox.run(&["index", "store", "docs"]).done();
    assert!(said.starts_with("the index of \"docs\" is as it was asked for, and serves"), "{said}");
    let found = stats(&sandbox);
    assert_eq!((&found["indexed"], &found["behind"]), (&json!(300), &json!(0)), "{found}");
}

#[test]
fn a_kind_that_does_not_suit_changes_nothing() {
    let sandbox = Sandbox::new();
    let words = ["create", "store", "docs", "--dim", "3", "--metric", "dot", "--index", "hnsw"];
    sandbox.run(&words).done();
    let told = ["index of kind kdtree cannot go by the distance dot", "flat and hnsw can"];
    sandbox.run(&["index", "store", "docs", "--index", "kdtree"]).refused(&told);
    assert_eq!(stats(&sandbox)["index"], "hnsw");
}

#[test]
fn each_kind_can_be_had_instead_of_another() {
    // So few that what is chosen for them is to look at all.
    let sandbox = docs_with("hnsw", 200);
    for (kind, serving, more) in [
        ("lsh", "lsh", &["--target-recall", "0.95", "--tables", "8"][..]),
        ("kdtree", "kdtree", &[]),
        ("flat", "flat", &[]),
        ("auto", "flat", &[]),
    ] {
        assert_eq!(index(&sandbox, &[&["--index", kind], more].concat())["index"], serving);
        let found = stats(&sandbox);
        assert_eq!((&found["index"], &found["serving"]), (&json!(kind), &json!(serving)));
        assert_eq!((&found["indexed"], &found["behind"]), (&json!(200), &json!(0)), "{found}");
        assert_eq!(found["chosen"].is_string(), kind == "auto", "{found}");
    }
}

#[test]
fn numbers_of_hash_tables_are_for_hash_tables_alone() {
    let sandbox = docs_with("flat", 10);
    for words in [&["--probes", "3"][..], &["--index", "hnsw", "--tables", "3"]] {
        let words = [&["index", "store", "docs"], words].concat();
        sandbox.run(&words).misused(&["are for --index lsh alone"]);
    }
    let far = ["index", "store", "docs", "--index", "lsh", "--target-recall", "1.5"];
    sandbox.run(&far).misused(&["a number from 0 to 1"]);
}

#[test]
fn the_wider_a_graph_is_searched_the_more_is_found() {
    let sandbox = Sandbox::new();
    let data = data::l2(&sandbox);
    let dim = data.dim.to_string();
    let create = ["create", "store", "docs", "--metric", "l2", "--index", "hnsw", "--dim", &dim];
    sandbox.run(&[&create[..], &["--m", "4", "--ef-construction", "20"]].concat()).done();
    // So many are built in no time by an unoptimised program too.
    let base = sandbox.read(data.base.to_str().unwrap());
    let rows = body(&base).len() / (4 * data.dim as usize);
    let some = rows.min(2_000);
    let bytes = &body(&base)[..some * 4 * data.dim as usize];
    sandbox.write("some.npy", npy("<f4", &[some, data.dim as usize], bytes));
    sandbox.run(&["import", "store", "docs", "some.npy", "--wait-indexed"]).done();
    let queries = data.queries.to_str().unwrap();
    let found = |words: &[&str]| -> Vec<Value> {
        let search = ["search", "store", "docs", "--queries", queries, "--json"];
        let lines = sandbox.run(&[&search[..], words].concat()).json_lines();
        lines.into_iter().map(|line| line["hits"].clone()).collect()
    };
    let (narrow, wide, wider) =
        (found(&["--ef", "10"]), found(&["--ef", "400"]), found(&["--ef", "2000"]));
    let same = |one: &[Value], other: &[Value]| {
        one.iter().zip(other).filter(|(one, other)| one == other).count()
    };
    assert!(same(&narrow, &wider) < same(&wide, &wider), "the same however widely it looks");
}

#[test]
fn a_bench_has_an_entry_for_each_ef() {
    let sandbox = docs_with("hnsw", 200);
    let rows = vectors(200, DIM as usize);
    sandbox.vectors("queries.npy", &rows[..2]);
    let truth: Vec<u8> = [0_i64, 1].iter().flat_map(|it| it.to_le_bytes()).collect();
    sandbox.write("truth.npy", npy("<i8", &[2, 1], &truth));
    let words =
        ["bench", "store", "docs", "--queries", "queries.npy", "--truth", "truth.npy", "-k", "1"];
    let bench = |more: &[&str]| sandbox.run(&[&words[..], more].concat());
    let entries = bench(&["--ef", "16,64", "--json"]).json();
    let efs: Vec<_> = entries.as_array().unwrap().iter().map(|it| &it["ef"]).collect();
    assert_eq!(json!(efs), json!([16, 64]));
    assert!(entries.as_array().unwrap().iter().all(|it| it["recall"] == 1.0), "{entries}");
    let entries = bench(&["--json"]).json();
    assert_eq!(entries[0].get("ef"), None, "as the collection says");
    let said = bench(&["--ef", "16,64"]).done();
    assert!(said.contains("ef  16\n") && said.contains("ef  64\n"), "{said}");
}
