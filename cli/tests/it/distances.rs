//! A store of a program that has a distance of its own: commands cannot open it and say why, and those that only look do.

use std::sync::Arc;

use arrwdb::{CollectionConfig, Distance, Store};
use serde_json::json;

use crate::sandbox::Sandbox;

struct Manhattan;

impl Distance for Manhattan {
    fn name(&self) -> &str {
        "manhattan"
    }

    fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum()
    }
}

#[test]
fn what_cannot_be_opened_without_a_distance_says_so_and_can_be_looked_at() {
    let sandbox = Sandbox::with_docs(2);
    let options = Store::options().existing().distance(Arc::new(Manhattan));
    let store = options.open(sandbox.path("store")).unwrap();
    let config = CollectionConfig::with_distance(2, "manhattan");
    store.create_collection("blocks", config).unwrap().upsert(1, &[1.0, 2.0]).unwrap();
    store.close().unwrap();
    drop(store);

    let create = ["create", "store", "more", "--metric", "l2", "--index", "flat", "--dim", "2"];
    for words in [
        &["list", "store", "--json"][..],
        &["stats", "store"],
        &["get", "store", "docs", "1"],
        &["remove", "store", "docs", "1"],
        &["checkpoint", "store"],
        &create,
    ] {
        let ran = sandbox.run(words);
        assert_eq!(ran.out, "");
        ran.refused(&[
            "/store is compared",
            "\"blocks\"",
            "\"manhattan\"",
            "open the store by a program",
        ]);
    }
    assert_eq!(sandbox.run(&["verify", "store", "--json"]).json()["sound"], json!(true));
    let log = sandbox.run(&["log", "dump", "store"]).done();
    assert!(log.contains("create collection blocks, 2 numbers, manhattan"), "{log}");
    for name in sandbox.names_in("store/images") {
        sandbox.run(&["inspect", &format!("store/images/{name}")]).done();
    }
}
