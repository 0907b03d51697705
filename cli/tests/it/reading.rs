//! What is shown of a store, and what is taken out of it.

use serde_json::{Value, json};

use super::sandbox::Sandbox;

/// Four ids, two of which have the same vector: 0, the text "0", a word, and a text with a space.
fn four() -> Sandbox {
    let sandbox = Sandbox::with_docs(2);
    let rows = [[1.0, 2.0], [1.0, 2.0], [0.1, -5.5], [7.0, 0.0]];
    sandbox.vectors("rows.npy", &rows.map(|row| row.to_vec()));
    sandbox.write("ids.txt", "0\n\"0\"\nword\ntwo words\n");
    sandbox.run(&["import", "store", "docs", "rows.npy", "--ids", "ids.txt"]).done();
    sandbox
}

#[test]
fn get_shows_vectors_as_they_were_imported() {
    let sandbox = four();
    let ids = ["get", "store", "docs", "word", "0", "\"0\"", "two words"];
    let found = sandbox.run(&[&ids[..], &["--json"]].concat()).json_lines();
    let expected = [
        json!({"id": "word", "vector": [f64::from(0.1_f32), -5.5]}),
        json!({"id": 0, "vector": [1.0, 2.0]}),
        json!({"id": "0", "vector": [1.0, 2.0]}),
        json!({"id": "two words", "vector": [7.0, 0.0]}),
    ];
    assert_eq!(found, expected);
    let lines = sandbox.run(&ids).done();
    let expected =
        "word  [0.1, -5.5]\n0  [1.0, 2.0]\n\"0\"  [1.0, 2.0]\n\"two words\"  [7.0, 0.0]\n";
    assert_eq!(lines, expected);
}

#[test]
fn get_shows_what_is_there_and_says_which_id_is_not() {
    let ran = four().run(&["get", "store", "docs", "1", "word", "words", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["id"], "word");
    ran.refused(&["\"docs\"", "1, words"]);
}

#[test]
fn remove_says_for_each_id_whether_it_was_there() {
    let sandbox = four();
    let told = sandbox.run(&["remove", "store", "docs", "word", "1", "0", "0", "--json"]);
    let expected = [
        json!({"id": "word", "removed": true}),
        json!({"id": 1, "removed": false}),
        json!({"id": 0, "removed": true}),
        json!({"id": 0, "removed": false}),
    ];
    assert_eq!(told.json_lines(), expected);
    assert_eq!(sandbox.count(), 2);
    let told = sandbox.run(&["remove", "store", "docs", "word", "\"0\""]).done();
    assert_eq!(told, "word  was not there\n\"0\"  removed\n");
    sandbox.run(&["get", "store", "docs", "\"0\""]).refused(&["\"0\""]);
    sandbox.run(&["get", "store", "docs", "two words"]).done();
}

#[test]
fn stats_count_vectors_and_what_they_share() {
    let sandbox = four();
    let stats = sandbox.run(&["stats", "store", "--json"]).json();
    assert!(stats["open_ms"].as_f64().unwrap() >= 0.0);
    assert!(stats["sequence"].as_u64().unwrap() >= 2);
    let docs = &stats["collections"][0];
    assert!(docs["bytes_on_disk"].as_u64().unwrap() >= 4 * 2 * 4);
    let mut counts = docs.clone();
    let sizes = ["bytes_on_disk", "index_image_bytes", "index_memory_bytes"];
    let sizes = sizes.map(|it| counts.as_object_mut().unwrap().remove(it).unwrap());
    assert!(sizes.iter().all(Value::is_u64), "{docs}");
    // So little may be copied when it is opened.
    assert!(counts.as_object_mut().unwrap().remove("mapped").unwrap().is_boolean());
    let expected = json!({
        "name": "docs", "vectors": 4, "unique_vectors": 3, "total_references": 4, "index": "flat",
        "indexed": 4, "serving": "flat", "behind": 0, "inserted": 0, "replayed": 0,
    });
    assert_eq!(counts, expected);
    let said = sandbox.run(&["stats", "store"]).done();
    assert!(said.contains("4 vectors, 3 of them different"), "{said}");
    assert!(said.contains("flat index: 4 indexed, 0 behind; "), "{said}");
}

#[test]
fn a_checkpoint_says_up_to_which_batch_it_is() {
    let sandbox = four();
    let sequence = || {
        let stats = sandbox.run(&["stats", "store", "--json"]).json();
        stats["sequence"].as_u64().unwrap()
    };
    let before = sequence();
    let made = sandbox.run(&["checkpoint", "store", "--json"]).json();
    assert_eq!(made.as_object().unwrap().len(), 1);
    let made = made["sequence"].as_u64().unwrap();
    assert!(before <= made && made <= sequence(), "{before} {made}");
    let said = sandbox.run(&["checkpoint", "store"]).done();
    assert!(said.starts_with("checkpoint of all up to batch "), "{said}");
    assert_eq!(sandbox.count(), 4);
}

#[test]
fn a_collection_is_cleared_and_dropped() {
    let sandbox = four();
    let said = sandbox.run(&["clear", "store", "docs"]).done();
    assert_eq!((said.as_str(), sandbox.count()), ("cleared \"docs\": 4 ids\n", 0));
    assert_eq!(sandbox.run(&["clear", "store", "docs", "--json"]).json(), json!({ "removed": 0 }));
    let dropped = sandbox.run(&["drop", "store", "docs", "--json"]).json();
    assert_eq!(dropped, json!({ "dropped": "docs" }));
    sandbox.run(&["drop", "store", "docs"]).refused(&["docs"]);
    let stats = sandbox.run(&["stats", "store", "--json"]).json();
    assert_eq!(stats["collections"], json!([]));
}
