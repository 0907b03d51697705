//! `verify`, `inspect` and `log`: what is sound, what is damaged, and what is no store; and the demonstration.

use crate::sandbox::Sandbox;

/// A closed store with ten vectors.
fn store() -> Sandbox {
    let sandbox = Sandbox::with_docs(3);
    let rows: Vec<Vec<f32>> = (0..10).map(|row| vec![row as f32, 1.0, 2.0]).collect();
    sandbox.vectors("base.npy", &rows);
    sandbox.run(&["import", "store", "docs", "base.npy", "--batch", "4"]).done();
    sandbox
}

/// The last file in a folder of the store, and its bytes.
fn last(sandbox: &Sandbox, folder: &str) -> (String, Vec<u8>) {
    let folder = format!("store/{folder}");
    let name = sandbox.names_in(&folder).pop().unwrap();
    let name = format!("{folder}/{name}");
    let bytes = sandbox.read(&name);
    (name, bytes)
}

#[test]
fn a_sound_store_is_said_to_be_sound() {
    let sandbox = store();
    assert!(sandbox.run(&["verify", "store"]).done().starts_with("sound: "));
    let answer = sandbox.run(&["verify", "store", "--json"]).json();
    assert_eq!(answer, serde_json::json!({ "sound": true, "problems": [] }));
}

#[test]
fn damage_is_told_with_file_and_offset_and_exit_code_1() {
    let sandbox = store();
    for (folder, at) in [("vectors", 4_096 + 16 + 3), ("images", 4_100), ("manifests", 50)] {
        let (name, bytes) = last(&sandbox, folder);
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        sandbox.write(&name, damaged);
        let ran = sandbox.run(&["verify", "store", "--json"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(answer["sound"], false);
        let problem = &answer["problems"][0];
        assert_eq!(format!("store/{}", problem["file"].as_str().unwrap()), name);
        assert!(!problem["affects"].as_str().unwrap().is_empty());
        assert!(ran.err.contains("damaged"), "{}", ran.err);
        if folder == "vectors" {
            assert_eq!(problem["offset"], 4_096 + 16);
            assert!(problem["affects"].as_str().unwrap().contains("the vector of 1,"), "{problem}");
        } else {
            let looked = sandbox.run(&["inspect", &name]);
            assert!(folder == "images" || looked.code == Some(1), "{looked:?}");
        }
        sandbox.write(&name, bytes);
    }
    sandbox.run(&["verify", "store"]).done();
}

/// What may be a torn write and may be damage is not called sound; opening the store decides for the first.
#[test]
fn an_end_of_the_log_in_doubt_is_told() {
    let sandbox = Sandbox::with_docs(3);
    sandbox.kill_an_import();
    sandbox.tear_log();
    let ran = sandbox.run(&["verify", "store", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["torn_end"]["in_doubt"], true);
    assert_eq!(answer["problems"][0]["offset"], answer["torn_end"]["offset"]);
    sandbox.run(&["list", "store"]).done();
    sandbox.run(&["verify", "store"]).done();
}

/// Exit code 1 would say that something is damaged.
#[test]
fn what_cannot_be_checked_is_another_exit_code() {
    let sandbox = store();
    sandbox.make_directory("empty");
    for path in ["none", "empty", "base.npy"] {
        let ran = sandbox.run(&["verify", path]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(path) && ran.out.is_empty(), "{ran:?}");
        for words in [["log", "dump", path], ["log", "tail", path]] {
            let ran = sandbox.run(&words);
            assert!(ran.code == Some(1) && ran.err.contains(path), "{ran:?}");
        }
    }
    assert_eq!(sandbox.names_in("empty"), [""; 0], "looking leaves nothing behind");
    if cfg!(target_os = "linux") {
        let ran = sandbox.run_into("/dev/full", &["verify", "store"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[test]
fn each_kind_of_file_says_what_it_is() {
    let sandbox = store();
    for (folder, words) in [
        ("manifests", "checkpoint, up to batch"),
        ("images", "of section 1.rows"),
        ("vectors", "for vectors of 3 numbers"),
        ("wal", "header: timeline"),
    ] {
        let (name, bytes) = last(&sandbox, folder);
        let out = sandbox.run(&["inspect", &name]).done();
        assert!(out.contains(words), "{out}");
        // Copied out, and under another name.
        sandbox.write("copy", bytes);
        assert_eq!(sandbox.run(&["inspect", "copy"]).done(), out);
    }
    for (path, words) in [("base.npy", "no manifest, image"), ("none", "none"), ("store", "store")]
    {
        let ran = sandbox.run(&["inspect", path]);
        assert!(ran.code == Some(1) && ran.err.contains(words), "{ran:?}");
    }
}

#[test]
fn the_log_is_shown_whole_or_its_end() {
    let sandbox = store();
    let all = sandbox.run(&["log", "dump", "store"]).done();
    assert!(all.starts_with("batch 1\n  create collection docs, 3 numbers, l2\n"), "{all}");
    assert!(all.contains("  docs: upsert 9, 3 numbers: row 10, own slot 9\n"), "{all}");
    let last = sandbox.run(&["log", "tail", "store", "-n", "2"]).done();
    assert!(all.ends_with(&last), "{last}");
    assert_eq!(last.lines().filter(|line| line.starts_with("batch ")).count(), 2);
    assert_eq!(sandbox.run(&["log", "tail", "store", "-n", "0"]).done(), "");
}

/// It fails if any of its steps is not as it says.
#[test]
fn the_demonstration_does_what_it_says() {
    let out = Sandbox::new().run(&["demo"]).done();
    for words in
        ["100 of 100 answers", "none that was acknowledged missing", "60000 vectors", "In sum"]
    {
        assert!(out.contains(words), "{out}");
    }
}
