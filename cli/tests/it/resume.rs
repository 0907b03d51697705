//! Imports that are cut off, and go on.
//!
//! A child cannot run away from who reads it: it waits once the pipe is full of acks, so that it is killed in the midst
//! of its work without any waiting for time.

use super::sandbox::{Sandbox, next_line, vectors};

const ROWS: usize = 30_000;

/// Begins an import one row at a time and kills it behind so many acks.
fn cut_off(sandbox: &Sandbox, acks: usize, more: &[&str]) {
    let words = ["import", "store", "docs", "rows.npy", "--batch", "1", "--acks"];
    let words = [&words[..], &["--durability", "os"], more].concat();
    let (mut child, mut lines) = sandbox.start(&words);
    for number in 1..=acks {
        assert_eq!(next_line(&mut lines), Some(format!("acked {number}")));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn begun(acks: usize, more: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with_docs(2);
    sandbox.vectors("rows.npy", &vectors(ROWS, 2));
    cut_off(&sandbox, acks, more);
    sandbox
}

/// Every row is under the id that was given to it.
fn check(sandbox: &Sandbox, id_of: impl Fn(usize) -> String) {
    let rows = vectors(ROWS, 2);
    let some: Vec<_> = (0..ROWS).step_by(997).chain([ROWS - 1]).collect();
    let ids: Vec<_> = some.iter().map(|row| id_of(*row)).collect();
    let mut words = vec!["get", "store", "docs", "--json"];
    words.extend(ids.iter().map(String::as_str));
    for (line, row) in sandbox.run(&words).json_lines().iter().zip(some) {
        let vector = line["vector"].as_array().unwrap();
        let vector: Vec<_> = vector.iter().map(|it| it.as_f64().unwrap() as f32).collect();
        assert_eq!(vector, rows[row], "row {row}");
    }
}

#[test]
fn an_import_goes_on_behind_what_was_acknowledged_and_ends_once() {
    let sandbox = begun(50, &[]);
    let there = usize::try_from(sandbox.count()).unwrap();
    assert!((50..ROWS).contains(&there), "{there}");
    let ran = sandbox.run(&["import", "store", "docs", "rows.npy", "--json"]);
    assert!(ran.err.contains(&format!("behind the {there} of {ROWS} rows")), "{}", ran.err);
    assert_eq!(ran.json()["vectors"], ROWS - there);
    assert_eq!(sandbox.count(), ROWS as u64);
    check(&sandbox, |row| row.to_string());

    let again = sandbox.run(&["import", "store", "docs", "rows.npy", "--json"]);
    assert!(again.err.contains("nothing left to do"), "{}", again.err);
    assert_eq!(again.json()["vectors"], 0);
    assert_eq!(sandbox.count(), ROWS as u64);
}

#[test]
fn an_import_whose_acks_nobody_reads_any_more_ends_and_goes_on_later() {
    let sandbox = Sandbox::with_docs(2);
    sandbox.vectors("rows.npy", &vectors(ROWS, 2));
    let words = ["import", "store", "docs", "rows.npy", "--batch", "1", "--acks"];
    let words = [&words[..], &["--durability", "os"]].concat();
    let (mut child, mut lines) = sandbox.start(&words);
    assert_eq!(next_line(&mut lines), Some("acked 1".to_owned()));
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let there = sandbox.count();
    assert!((1..ROWS as u64).contains(&there), "{there}");
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    assert_eq!(sandbox.count(), ROWS as u64);
}

#[test]
fn a_file_is_known_by_what_is_in_it_and_not_by_its_name() {
    let sandbox = begun(10, &[]);
    sandbox.write("copy.npy", sandbox.read("rows.npy"));
    let ran = sandbox.run(&["import", "store", "docs", "copy.npy"]);
    assert!(ran.err.contains("goes on behind"), "{}", ran.err);
    ran.done();
    assert_eq!(sandbox.count(), ROWS as u64);
}

#[test]
fn an_import_with_ids_goes_on_with_them() {
    let id_of =
        |row: usize| if row.is_multiple_of(2) { format!("row-{row}") } else { format!("{row}") };
    let sandbox = Sandbox::with_docs(2);
    sandbox.vectors("rows.npy", &vectors(ROWS, 2));
    let lines: Vec<_> = (0..ROWS).map(id_of).collect();
    sandbox.write("ids", lines.join("\n"));
    cut_off(&sandbox, 20, &["--ids", "ids"]);
    let import = ["import", "store", "docs", "rows.npy", "--ids", "ids"];
    let ran = sandbox.run(&import);
    assert!(ran.err.contains("goes on behind"), "{}", ran.err);
    ran.done();
    assert_eq!(sandbox.count(), ROWS as u64);
    check(&sandbox, id_of);
    // With other ids it is another import.
    sandbox.write("ids", lines.join("\r\n"));
    let ran = sandbox.run(&import);
    assert!(!ran.err.contains("nothing left"), "{}", ran.err);
    ran.done();
    assert_eq!(sandbox.count(), ROWS as u64);
}

#[test]
fn an_import_is_cut_off_again_and_again_and_loses_nothing() {
    let sandbox = begun(5, &[]);
    for _ in 0..5 {
        let before = sandbox.count();
        cut_off(&sandbox, 7, &[]);
        assert!(sandbox.count() >= before + 7);
    }
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    assert_eq!(sandbox.count(), ROWS as u64);
    check(&sandbox, |row| row.to_string());
}

/// They are others' by now: the rest of the rows goes on above them, and none is there twice.
#[test]
fn where_ids_above_were_written_meanwhile_the_rest_goes_on_above_them() {
    let sandbox = begun(10, &[]);
    let there = usize::try_from(sandbox.count()).unwrap();
    sandbox.vectors("other.npy", &vectors(3, 2));
    sandbox.run(&["import", "store", "docs", "other.npy"]).done();
    cut_off(&sandbox, 5, &[]);
    let import = ["import", "store", "docs", "rows.npy"];
    sandbox.run(&import).done();
    assert_eq!(sandbox.count(), 3 + ROWS as u64);
    check(&sandbox, |row| if row < there { row.to_string() } else { (row + 3).to_string() });
    assert!(sandbox.run(&import).err.contains("nothing left to do"));
    sandbox.run(&[&import[..], &["--restart"]].concat()).done();
    assert_eq!(sandbox.count(), 3 + 2 * ROWS as u64);
}

/// A record that was forgotten would have its file imported twice.
#[test]
fn no_import_is_forgotten_however_many_there_are() {
    let sandbox = Sandbox::with_docs(1);
    for _ in 0..2 {
        for number in 0..70 {
            sandbox.vectors("rows.npy", &[vec![number as f32]]);
            sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
        }
        assert_eq!(sandbox.count(), 70);
    }
}

#[test]
fn a_restart_begins_anew_under_the_given_ids() {
    let sandbox = Sandbox::with_docs(1);
    sandbox.vectors("rows.npy", &vectors(3, 1));
    sandbox.write("ids", "a\nb\nc\n");
    let import = ["import", "store", "docs", "rows.npy", "--ids", "ids", "--restart", "--json"];
    for _ in 0..2 {
        assert_eq!(sandbox.run(&import).json()["vectors"], 3);
    }
    assert_eq!(sandbox.count(), 3);
}

#[test]
fn collections_remember_their_imports_each_for_itself() {
    let sandbox = Sandbox::with_docs(1);
    let long = "x".repeat(255);
    let create = ["create", "store", &long, "--metric", "l2", "--index", "flat", "--dim", "1"];
    sandbox.run(&create).done();
    sandbox.vectors("rows.npy", &vectors(3, 1));
    for name in ["docs", &long] {
        let import = ["import", "store", name, "rows.npy", "--json"];
        assert_eq!(sandbox.run(&import).json()["vectors"], 3, "{name}");
        assert_eq!(sandbox.run(&import).json()["vectors"], 0, "{name}");
    }
}

#[test]
fn a_torn_end_of_the_log_is_told_by_whoever_opens_the_store() {
    let commands: [&[&str]; 4] = [
        &["list", "store"],
        &["import", "store", "docs", "rows.npy"],
        &["search", "store", "docs", "--vector", "[1, 2]"],
        &["create", "store", "photos", "--metric", "l2", "--index", "flat", "--dim", "3"],
    ];
    for words in commands {
        let sandbox = begun(50, &[]);
        sandbox.tear_log();
        let ran = sandbox.run(words);
        let told = ran.err.lines().next().unwrap_or_default();
        assert!(told.starts_with("arrwdb: the log ended in a torn write"), "{}", ran.err);
        assert!(told.contains("store/wal/") && told.contains("offset"), "{told}");
        ran.done();
        let again = sandbox.run(&["list", "store"]);
        assert_eq!(again.err, "", "what was cut off is told once");
        again.done();
    }
}

#[test]
fn a_record_that_is_not_understood_is_refused() {
    let sandbox = Sandbox::with_docs(1);
    sandbox.vectors("rows.npy", &vectors(3, 1));
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    let mut name = None;
    let see = |_, lines: &[String]| {
        let notes = lines.iter().filter_map(|line| line.strip_prefix("note \""));
        name = notes
            .filter_map(|note| note.split('"').next())
            .map(str::to_owned)
            .next()
            .or(name.take());
    };
    arrwdb::Store::options().read_log(sandbox.path("store"), see).unwrap();
    let name = name.unwrap();
    let store = arrwdb::Store::open(sandbox.path("store")).unwrap();
    let mut batch = store.batch();
    batch.note(&name, b"{\"version\":9}");
    batch.commit(arrwdb::Durability::Sync).unwrap().wait().unwrap();
    store.close().unwrap();
    drop(store);
    sandbox.run(&["import", "store", "docs", "rows.npy"]).refused(&["record", &name]);
    assert_eq!(sandbox.count(), 3);
}

/// The first command that opens the store of a process that died recovers it, and the next has nothing to do.
#[test]
fn commands_that_read_leave_a_store_as_it_is() {
    let sandbox = begun(10, &[]);
    let files = |sandbox: &Sandbox| {
        let folders = ["wal", "images", "manifests", "vectors"].map(|it| format!("store/{it}"));
        let names = folders.iter().flat_map(|folder| {
            sandbox.names_in(folder).into_iter().map(move |name| format!("{folder}/{name}"))
        });
        names.map(|name| (sandbox.read(&name), name)).collect::<Vec<_>>()
    };
    sandbox.run(&["list", "store"]).done();
    let before = files(&sandbox);
    for words in [
        &["list", "store"][..],
        &["stats", "store"],
        &["get", "store", "docs", "1"],
        &["search", "store", "docs", "--id", "1"],
        &["verify", "store"],
        &["log", "dump", "store"],
    ] {
        sandbox.run(words).done();
        assert!(files(&sandbox) == before, "{words:?} changed something");
    }
}
