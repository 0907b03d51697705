//! Imports with counted ids and with given ones, and what they say.

use serde_json::Value;

use super::sandbox::{Sandbox, npy, vectors};

fn ids_of(sandbox: &Sandbox, k: &str) -> Vec<Value> {
    let words = ["search", "store", "docs", "--vector", "[0]", "-k", k, "--json"];
    let hits = sandbox.run(&words).json()["hits"].as_array().unwrap().clone();
    hits.into_iter().map(|hit| hit["id"].clone()).collect()
}

#[test]
fn rows_are_numbered_on_from_the_highest_that_ever_was() {
    let sandbox = Sandbox::with_docs(1);
    sandbox.vectors("one.npy", &[vec![1.0], vec![2.0]]);
    sandbox.vectors("two.npy", &[vec![3.0]]);
    sandbox.run(&["import", "store", "docs", "one.npy"]).done();
    assert_eq!(ids_of(&sandbox, "9"), [0, 1]);
    sandbox.run(&["remove", "store", "docs", "1"]).done();
    sandbox.run(&["import", "store", "docs", "two.npy"]).done();
    assert_eq!(ids_of(&sandbox, "9"), [0, 2], "an id that was is not given out again");
}

#[test]
fn acks_count_the_rows_of_the_run_and_json_ends_it() {
    let sandbox = Sandbox::with_docs(3);
    sandbox.vectors("rows.npy", &vectors(25, 3));
    for durability in ["sync", "os"] {
        let words = ["import", "store", "docs", "rows.npy", "--restart", "--batch", "10", "--acks"];
        let words =
            [&words[..], &["--json", "--wait-indexed", "--durability", durability]].concat();
        let out = sandbox.run(&words).done();
        let (acks, json) = out.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(acks, "acked 10\nacked 20\nacked 25");
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["vectors"], 25);
        let seconds = |key: &str| json[key].as_f64().unwrap();
        assert!(
            seconds("seconds") > seconds("indexing_seconds") && seconds("indexing_seconds") > 0.0
        );
        assert!(json["bytes_written"].as_u64().unwrap() >= 25 * 3 * 4);
        assert!(json["vectors_per_second"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(sandbox.count(), 50);
}

#[test]
fn people_are_told_in_a_line() {
    let sandbox = Sandbox::with_docs(3);
    sandbox.vectors("rows.npy", &vectors(25, 3));
    let ran = sandbox.run(&["import", "store", "docs", "rows.npy"]);
    assert_eq!(ran.err, "", "no bars where there is no terminal");
    assert!(ran.done().starts_with("imported 25 vectors into \"docs\""));
    sandbox.vectors("rows.npy", &vectors(30, 3));
    let acks = sandbox.run(&["import", "store", "docs", "rows.npy", "--acks"]).done();
    assert_eq!(acks, "acked 30\n");
}

#[test]
fn an_empty_file_is_imported_at_once() {
    let sandbox = Sandbox::with_docs(3);
    sandbox.write("rows.npy", npy("<f4", &[0, 3], &[]));
    let ran = sandbox.run(&["import", "store", "docs", "rows.npy", "--json"]);
    assert_eq!(ran.json()["vectors"], 0);
}

#[test]
fn ids_come_from_numbers_and_from_lines() {
    let rows = vectors(3, 1);
    let numbers = |descr: &str, data: Vec<u8>| npy(descr, &[3], &data);
    let files: [(Vec<u8>, [Value; 3]); 4] = [
        (numbers("<i8", [7_i64, 0, 9].map(i64::to_le_bytes).concat()), [7, 0, 9].map(Value::from)),
        (
            numbers("<u8", [u64::MAX, 0, 9].map(u64::to_le_bytes).concat()),
            [u64::MAX, 0, 9].map(Value::from),
        ),
        (numbers("<i4", [7_i32, 0, 9].map(i32::to_le_bytes).concat()), [7, 0, 9].map(Value::from)),
        (b"x y\r\n\"9\"\r\n9".to_vec(), ["x y".into(), "9".into(), 9.into()]),
    ];
    for (file, expected) in files {
        let sandbox = Sandbox::with_docs(1);
        sandbox.vectors("rows.npy", &rows);
        sandbox.write("ids", file);
        sandbox
            .run(&["import", "store", "docs", "rows.npy", "--ids", "ids", "--batch", "2"])
            .done();
        let words: Vec<String> = expected.iter().map(Value::to_string).collect();
        let get = ["get", "store", "docs", &words[0], &words[1], &words[2], "--json"];
        let found = sandbox.run(&get).json_lines();
        for ((line, id), row) in found.iter().zip(&expected).zip(&rows) {
            assert_eq!(&line["id"], id);
            assert_eq!(line["vector"][0].as_f64().unwrap() as f32, row[0]);
        }
    }
}

#[test]
fn of_rows_with_the_same_id_the_last_counts() {
    let sandbox = Sandbox::with_docs(1);
    let rows: Vec<Vec<f32>> = (0..7).map(|row| vec![row as f32]).collect();
    sandbox.vectors("rows.npy", &rows);
    sandbox.write("ids", "1\n2\n1\n3\n3\n3\n2\n");
    sandbox.run(&["import", "store", "docs", "rows.npy", "--ids", "ids"]).done();
    let found = sandbox.run(&["get", "store", "docs", "1", "2", "3", "--json"]).json_lines();
    let vectors: Vec<_> = found.iter().map(|line| line["vector"][0].as_f64().unwrap()).collect();
    assert_eq!((vectors, sandbox.count()), (vec![2.0, 6.0, 5.0], 3));
}

#[test]
fn ids_that_do_not_fit_their_rows_are_refused_whole() {
    let negative = [7_i64, -1, 9].map(i64::to_le_bytes).concat();
    let wrong: Vec<(Vec<u8>, &[&str])> = vec![
        (b"1\n2\n".to_vec(), &["2 ids for 3 rows"]),
        (b"1\n2\n3\n4\n".to_vec(), &["4 ids for 3 rows"]),
        (b"1\n\n3\n".to_vec(), &["line 2", "1 to 1024 bytes"]),
        (b"1\n\xff\n3\n".to_vec(), &["line 2", "UTF-8"]),
        ([b"1\n", &[b'x'; 2_000][..], b"\n3\n"].concat(), &["line 2", "2000"]),
        (vec![b'x'; 100_000], &["line of more than"]),
        (Vec::new(), &["0 ids"]),
        (npy("<i8", &[3], &negative), &["-1"]),
        (npy("<f4", &[3], &[0; 12]), &["float32"]),
        (npy("<i8", &[2], &[0; 16]), &["2 ids for 3 rows"]),
        (npy("<i8", &[3, 2], &[0; 48]), &["2 numbers in a row"]),
        (npy("<i8", &[3, 0], &[]), &["0 numbers in a row"]),
    ];
    for (file, parts) in wrong {
        let sandbox = Sandbox::with_docs(1);
        sandbox.vectors("rows.npy", &vectors(3, 1));
        sandbox.write("ids", file);
        let import = ["import", "store", "docs", "rows.npy", "--ids", "ids", "--batch", "1"];
        sandbox.run(&import).refused(&[&["ids"], parts].concat());
        assert_eq!(sandbox.count(), 0);
    }
}

#[test]
fn where_no_numbers_are_left_counted_ids_are_refused() {
    let sandbox = Sandbox::with_docs(1);
    sandbox.vectors("rows.npy", &vectors(3, 1));
    sandbox.write("ids", format!("{}\n1\n2\n", u64::MAX - 2));
    sandbox.run(&["import", "store", "docs", "rows.npy", "--ids", "ids"]).done();
    let import = ["import", "store", "docs", "rows.npy"];
    sandbox.run(&import).refused(&["no 3 numbers left", "--ids"]);
    assert_eq!(sandbox.count(), 3);
    sandbox.vectors("rows.npy", &vectors(2, 1));
    sandbox.run(&import).done();
    sandbox.run(&["get", "store", "docs", &u64::MAX.to_string()]).done();
    let again = ["import", "store", "docs", "rows.npy"];
    assert!(sandbox.run(&again).err.contains("nothing left"), "the last number is no obstacle");
    assert_eq!(sandbox.count(), 5);
}
