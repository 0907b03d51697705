//! What a process takes up whose store is filled and emptied again and again: in a child of its own, so that no other test
//! is counted.

use arrwdb::{CollectionConfig, Durability, Metric, Store, payload};

use crate::child::{Running, Task, refused, task};

const DIM: usize = 64;
const IDS: u64 = 5_000;

/// The memory of this process that is no file.
fn anonymous_bytes() -> u64 {
    let status = format!("/proc/{}/status", std::process::id());
    let read = std::process::Command::new("cat").arg(status).output().unwrap();
    let text = String::from_utf8(read.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

/// Fills a collection with what was never there, and empties it.
fn round(store: &Store, round: u64) {
    let docs = store.collection("docs").unwrap();
    let mut batch = store.batch();
    for id in 0..IDS {
        let vector = [(round * IDS + id) as f32; DIM];
        batch.upsert(&docs, id, &vector).payload(payload! { "round" => round as i64 });
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    while store.step().unwrap() {}
    store.checkpoint().unwrap();
    let mut batch = store.batch();
    for id in 0..IDS {
        batch.remove(&docs, id);
    }
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    store.checkpoint().unwrap();
    store.checkpoint().unwrap();
    while store.step().unwrap() {}
}

#[test]
fn a_store_that_is_filled_and_emptied_again_and_again_takes_no_more_memory() {
    let name = "memory::a_store_that_is_filled_and_emptied_again_and_again_takes_no_more_memory";
    if let Some(task) = task(name) {
        // How far an index is behind depends on what else the machine does, and so does what that takes.
        let store = Store::options().stepped().open(&task.store).unwrap();
        store.create_collection("docs", CollectionConfig::new(DIM as u32, Metric::L2)).unwrap();
        (0..5).for_each(|at| round(&store, at));
        let before = anonymous_bytes();
        (5..30).for_each(|at| round(&store, at));
        let after = anonymous_bytes();
        // What 25 rounds take in vectors alone is 32 MB.
        if after > before + (4 << 20) {
            refused(&format!("{before} bytes after 5 rounds, {after} after 30"));
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let task = Task { store: dir.path().join("store"), batches: 0, word: String::new() };
    let (status, said) = Running::start(name, &task).ended();
    assert!(status.success(), "{said}");
}
