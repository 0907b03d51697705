//! What the command says of itself, and to words that cannot be right.

use super::sandbox::Sandbox;

const COMMANDS: [&str; 12] = [
    "create",
    "import",
    "index",
    "search",
    "bench",
    "get",
    "remove",
    "clear",
    "drop",
    "list",
    "stats",
    "checkpoint",
];

#[test]
fn help_is_shown_when_asked_for_and_when_nothing_is() {
    for words in [&[][..], &["--help"], &["-h"]] {
        let out = Sandbox::new().run(words).done();
        assert!(out.contains("Usage: arrwdb"), "{words:?}: {out}");
        assert!(COMMANDS.iter().all(|command| out.contains(command)), "{words:?}: {out}");
    }
}

#[test]
fn every_command_has_its_own_help() {
    for command in COMMANDS {
        let out = Sandbox::new().run(&[command, "--help"]).done();
        assert!(out.contains(&format!("Usage: arrwdb {command}")), "{out}");
        let has_examples = out.contains("Examples:");
        assert_eq!(
            has_examples,
            ["create", "import", "index", "search"].contains(&command),
            "{out}"
        );
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let out = Sandbox::new().run(&["--version"]).done();
    assert_eq!(out, concat!("arrwdb ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn words_that_cannot_be_right_are_wrong_usage_and_make_nothing() {
    const CREATE: &[&str] =
        &["create", "s", "c", "--dim", "3", "--metric", "l2", "--index", "flat"];
    let long_name = "x".repeat(256);
    let long_id = "x".repeat(1025);
    let with = |words: &[&'static str]| [CREATE, words].concat();
    let wrong: Vec<Vec<&str>> = vec![
        vec!["frob"],
        vec!["--frob"],
        vec!["create", "s", "c"],
        vec!["create", "s", "c", "--dim", "0", "--metric", "l2", "--index", "flat"],
        vec!["create", "s", "c", "--dim", "65537", "--metric", "l2", "--index", "flat"],
        vec!["create", "s", "c", "--dim", "3", "--metric", "l3", "--index", "flat"],
        vec!["create", "s", "c", "--dim", "3", "--metric", "l2", "--index", "tree"],
        vec!["create", "s", "", "--dim", "3", "--metric", "l2", "--index", "flat"],
        vec!["create", "s", &long_name, "--dim", "3", "--metric", "l2", "--index", "flat"],
        with(&["--dedup", "sometimes"]),
        with(&["--dedup", "decimals=13"]),
        with(&["--dedup", "decimals="]),
        with(&["--m", "16"]),
        with(&["--ef-construction", "200"]),
        with(&["--m", "1"]),
        with(&["--m", "257"]),
        with(&["--ef-construction", "0"]),
        vec!["index", "s"],
        vec!["index", "s", "c", "--index", "tree"],
        vec!["index", "s", "c", "--m", "24"],
        vec!["index", "s", "c", "--index", "flat", "--ef-construction", "100"],
        vec!["import", "s", "c"],
        vec!["import", "s", "c", "f", "--batch", "0"],
        vec!["import", "s", "c", "f", "--durability", "maybe"],
        vec!["search", "s", "c"],
        vec!["search", "s", "c", "--vector", "[1]", "--id", "7"],
        vec!["search", "s", "c", "--vector", "[1", "-k", "1"],
        vec!["search", "s", "c", "--vector", "[]"],
        vec!["search", "s", "c", "--vector", "[1e39]"],
        vec!["search", "s", "c", "--vector", "[null]"],
        vec!["search", "s", "c", "--vector", "[1]", "-k", "0"],
        vec!["search", "s", "c", "--vector", "[1]", "--threads", "0"],
        vec!["search", "s", "c", "--vector", "[1]", "--threads", "9999"],
        vec!["search", "s", "c", "--vector", "[1]", "--within", "nan"],
        vec!["search", "s", "c", "--vector", "[1]", "--ef", "0"],
        vec!["search", "s", "c", "--id", ""],
        vec!["bench", "s", "c", "--queries", "q"],
        vec!["bench", "s", "c", "--queries", "q", "--truth", "t", "--ef", "16,x"],
        vec!["get", "s", "c"],
        vec!["get", "s", "c", &long_id],
        vec!["remove", "s", "c", "\"\""],
        vec!["list"],
        vec!["stats", "s", "more"],
    ];
    for words in wrong {
        let sandbox = Sandbox::new();
        sandbox.run(&words).misused(&[]);
        assert!(sandbox.names().is_empty(), "{words:?}");
    }
}

#[test]
fn commands_other_than_create_need_a_store_and_make_none() {
    let commands: [&[&str]; 11] = [
        &["clear", "store", "docs"],
        &["drop", "store", "docs"],
        &["import", "store", "docs", "f.npy"],
        &["index", "store", "docs", "--rebuild"],
        &["search", "store", "docs", "--vector", "[1]"],
        &["bench", "store", "docs", "--queries", "q", "--truth", "t"],
        &["get", "store", "docs", "1"],
        &["remove", "store", "docs", "1"],
        &["list", "store"],
        &["stats", "store", "--json"],
        &["checkpoint", "store"],
    ];
    for words in commands {
        let sandbox = Sandbox::new();
        sandbox.run(words).refused(&["there is no store in store", "create"]);
        assert!(sandbox.names().is_empty(), "{words:?}");
        sandbox.make_directory("store");
        sandbox.run(words).refused(&["there is no store in ", "create"]);
        let file = Sandbox::new();
        file.write("store", "not a directory");
        file.run(words).refused(&["store", "not a directory"]);
    }
}

#[test]
fn commands_need_a_collection_that_is_there() {
    let sandbox = Sandbox::with_docs(1);
    let commands: [&[&str]; 6] = [
        &["import", "store", "photos", "f.npy"],
        &["index", "store", "photos", "--index", "hnsw"],
        &["search", "store", "photos", "--vector", "[1]"],
        &["bench", "store", "photos", "--queries", "q", "--truth", "t"],
        &["get", "store", "photos", "1"],
        &["remove", "store", "photos", "1"],
    ];
    for words in commands {
        sandbox.run(words).refused(&["\"photos\"", "store", "arrwdb list"]);
    }
}

#[test]
fn a_store_that_another_process_has_open_is_left_alone() {
    let sandbox = Sandbox::with_docs(1);
    let store = arrwdb::Store::open(sandbox.path("store")).unwrap();
    let create = ["create", "store", "photos", "--metric", "l2", "--index", "flat", "--dim", "3"];
    sandbox.run(&create).refused(&["locked by another process", "wait"]);
    sandbox.run(&["list", "store"]).refused(&["locked by another process", "wait"]);
    store.close().unwrap();
    drop(store);
    sandbox.run(&["list", "store"]).done();
}
