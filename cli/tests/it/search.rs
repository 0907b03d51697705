//! Searches from a file, a vector and an id, and where their answers go.

use serde_json::{Value, json};

use super::data::{self, body, distance};
use super::sandbox::{Sandbox, npy};

/// Ids 0 to 4 at 0, 1, 2, 3 and 4.
fn line() -> Sandbox {
    let sandbox = Sandbox::with_docs(1);
    let rows: Vec<_> = (0_u8..5).map(|number| vec![f32::from(number)]).collect();
    sandbox.vectors("rows.npy", &rows);
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    sandbox
}

fn search(sandbox: &Sandbox, words: &[&str]) -> super::sandbox::Ran {
    sandbox.run(&[&["search", "store", "docs"], words].concat())
}

#[test]
fn answers_are_a_line_for_each_query_nearest_first() {
    let sandbox = line();
    let expected = json!({
        "query": 0,
        "hits": [{"id": 1, "distance": f64::from(0.9_f32 - 0.8)}, {"id": 0, "distance": 1.0}],
        "complete": true,
    });
    let found = search(&sandbox, &["--vector", "[1.0]", "-k", "2", "--json"]).json();
    assert_eq!(found["query"], expected["query"]);
    assert_eq!(found["complete"], true);
    assert_eq!(found["hits"], json!([{"id": 1, "distance": 0.0}, {"id": 0, "distance": 1.0}]));

    sandbox.vectors("queries.npy", &[vec![4.0], vec![-7.0], vec![2.0]]);
    for threads in ["1", "2", "64"] {
        let words = ["--queries", "queries.npy", "-k", "1", "--threads", threads, "--json"];
        let found = search(&sandbox, &words).json_lines();
        let ids: Vec<_> = found.iter().map(|it| (&it["query"], &it["hits"][0]["id"])).collect();
        assert_eq!(json!(ids), json!([[0, 4], [1, 0], [2, 2]]));
    }
}

#[test]
fn distances_in_json_are_the_very_numbers() {
    let sandbox = Sandbox::with_docs(3);
    let (one, query) = ([0.1_f32, 0.2, 0.3], [0.7_f32, -0.3, 1.0e-3]);
    sandbox.vectors("rows.npy", &[one.to_vec()]);
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    let found = search(&sandbox, &["--vector", "[0.7, -0.3, 1.0e-3]", "--json"]).json();
    let told = found["hits"][0]["distance"].as_f64().unwrap();
    let expected = arrwdb::Metric::L2.distance(&query, &one);
    assert_eq!((told as f32).to_bits(), expected.to_bits());
    assert_eq!(told, f64::from(expected));
}

#[test]
fn an_id_is_searched_for_by_its_vector() {
    let sandbox = line();
    let found = search(&sandbox, &["--id", "3", "-k", "1", "--json"]).json();
    assert_eq!(found["hits"], json!([{"id": 3, "distance": 0.0}]));
    search(&sandbox, &["--id", "9"]).refused(&["\"docs\"", "9"]);
    search(&sandbox, &["--id", "\"3\""]).refused(&["\"3\""]);
}

#[test]
fn within_leaves_out_what_is_farther() {
    let sandbox = line();
    let words = ["--vector", "[0]", "--within", "2", "--ef", "64", "--json"];
    let ids: Vec<Value> = search(&sandbox, &words).json()["hits"].as_array().unwrap().clone();
    assert_eq!(ids.len(), 3);
    let none = search(&sandbox, &["--vector", "[0]", "--within", "-1", "--json"]).json();
    assert_eq!(none, json!({"query": 0, "hits": [], "complete": true}));
}

#[test]
fn people_see_columns() {
    let said = search(&line(), &["--vector", "[0]", "-k", "2"]).done();
    let words: Vec<Vec<_>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words, [["QUERY", "ID", "DISTANCE"], ["0", "0", "0"], ["0", "1", "1"]]);
}

#[test]
fn out_holds_ids_filled_up() {
    let sandbox = line();
    sandbox.vectors("queries.npy", &[vec![4.0], vec![0.0]]);
    let words = ["--queries", "queries.npy", "-k", "3", "--within", "1", "--out", "out.npy"];
    assert_eq!(search(&sandbox, &words).done(), "");
    let expected: Vec<u8> =
        [4_i64, 3, -1, 0, 1, -1].iter().flat_map(|it| it.to_le_bytes()).collect();
    let file = sandbox.read("out.npy");
    assert_eq!(body(&file), expected);
    let header = String::from_utf8_lossy(&file[10..file.len() - expected.len()]).into_owned();
    assert!(header.contains("'<i8'") && header.contains("(2, 3)"), "{header}");
    // It takes the place of what was there.
    let words = ["--vector", "[2]", "-k", "1", "--json", "--out", "out.npy"];
    search(&sandbox, &words).json();
    assert_eq!(body(&sandbox.read("out.npy")), 2_i64.to_le_bytes());
    assert_eq!(sandbox.names(), ["out.npy", "queries.npy", "rows.npy", "store"]);
}

#[test]
fn out_that_cannot_be_written_leaves_nothing_and_what_was_there() {
    let sandbox = line();
    let out = |path: &str| search(&sandbox, &["--vector", "[2]", "--out", path]);
    out("none/out.npy").refused(&["none/out.npy", "cannot be written"]);
    out("store").refused(&["store", "no plain file"]);
    out("..").refused(&["cannot be written"]);
    sandbox.write("ids", "x");
    sandbox.vectors("more.npy", &[vec![2.0]]);
    sandbox.run(&["import", "store", "docs", "more.npy", "--ids", "ids"]).done();
    sandbox.write("out.npy", "precious");
    out("out.npy").refused(&["id x", "--json"]);
    assert_eq!(sandbox.read("out.npy"), b"precious");
    assert_eq!(sandbox.names(), ["ids", "more.npy", "out.npy", "rows.npy", "store"]);
}

#[test]
fn queries_that_do_not_fit_are_refused() {
    let sandbox = line();
    search(&sandbox, &["--vector", "[1, 2]"]).refused(&["2 numbers", "collection 1"]);
    sandbox.vectors("queries.npy", &[vec![1.0, 2.0]]);
    search(&sandbox, &["--queries", "queries.npy"]).refused(&["queries.npy", "2 numbers"]);
    search(&sandbox, &["--queries", "none.npy"]).refused(&["none.npy"]);
    sandbox.write("queries.npy", npy("<f4", &[2, 1], &[0, 0, 0, 0, 0, 0, 192, 127]));
    search(&sandbox, &["--queries", "queries.npy"]).refused(&["row 1", "NaN"]);
}

#[test]
fn known_neighbours_are_found_exactly() {
    let sandbox = Sandbox::new();
    let data = data::l2(&sandbox);
    let dim = data.dim.to_string();
    let path = |path: &std::path::PathBuf| path.to_str().unwrap().to_owned();
    let create = ["create", "store", "docs", "--metric", "l2", "--index", "flat", "--dim", &dim];
    sandbox.run(&create).done();
    sandbox.run(&["import", "store", "docs", &path(&data.base)]).done();
    let queries = path(&data.queries);
    search(&sandbox, &["--queries", &queries, "-k", "10", "--threads", "2", "--out", "out.npy"])
        .done();

    let floats = |name: &std::path::PathBuf| -> Vec<Vec<f32>> {
        let file = sandbox.read(name.to_str().unwrap());
        let numbers = body(&file).as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it));
        let numbers: Vec<_> = numbers.collect();
        numbers.chunks(data.dim as usize).map(<[f32]>::to_vec).collect()
    };
    let (base, queries) = (floats(&data.base), floats(&data.queries));
    let (out, truth) = (sandbox.read("out.npy"), sandbox.read(&path(&data.truth)));
    let found: Vec<_> =
        body(&out).as_chunks::<8>().0.iter().map(|it| i64::from_le_bytes(*it)).collect();
    let truth = body(&truth).as_chunks::<4>().0.iter().map(|it| i32::from_le_bytes(*it));
    let truth: Vec<_> = truth.collect();
    assert_eq!(found.len(), queries.len() * 10);
    for ((query, found), truth) in queries.iter().zip(found.chunks(10)).zip(truth.chunks(100)) {
        // Among equal distances any will do.
        let distances = |rows: Vec<usize>| -> Vec<f64> {
            rows.into_iter().map(|row| distance(query, &base[row])).collect()
        };
        let found = distances(found.iter().map(|id| usize::try_from(*id).unwrap()).collect());
        let known = truth.iter().take(10).map(|id| usize::try_from(*id).unwrap());
        assert_eq!(found, distances(known.collect()));
    }
}
