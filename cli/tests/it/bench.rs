//! Measures of searches against known answers.

use serde_json::Value;

use super::data;
use super::sandbox::{Ran, Sandbox, npy};

/// Ids 0 to 4 at 0 to 4, and queries at 0 and 4 with their right answers.
fn line() -> Sandbox {
    let sandbox = Sandbox::with_docs(1);
    let rows: Vec<_> = (0_u8..5).map(|number| vec![f32::from(number)]).collect();
    sandbox.vectors("rows.npy", &rows);
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    sandbox.vectors("queries.npy", &[vec![0.0], vec![4.0]]);
    sandbox
}

fn bench(sandbox: &Sandbox, words: &[&str]) -> Ran {
    let files = ["bench", "store", "docs", "--queries", "queries.npy", "--truth", "truth.npy"];
    sandbox.run(&[&files[..], words].concat())
}

fn recall(ran: Ran) -> f64 {
    let json = ran.json();
    let [entry] = json.as_array().unwrap().as_slice() else { panic!("{json}") };
    let keys: Vec<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["p50_us", "p95_us", "p99_us", "qps", "recall"], "flat has no ef");
    assert!(entry.as_object().unwrap().values().all(|it| it.as_f64().unwrap() > 0.0), "{entry}");
    entry["recall"].as_f64().unwrap()
}

#[test]
fn recall_is_the_share_of_right_answers_that_were_found() {
    let sandbox = line();
    let i32s =
        |numbers: &[i32]| numbers.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>();
    sandbox.write("truth.npy", npy("<i4", &[2, 3], &i32s(&[0, 1, 2, 4, 3, 2])));
    assert_eq!(recall(bench(&sandbox, &["-k", "3", "--json"])), 1.0);
    assert_eq!(recall(bench(&sandbox, &["-k", "1", "--threads", "2", "--json"])), 1.0);
    sandbox.write("truth.npy", npy("<i4", &[2, 2], &i32s(&[0, 1, 0, 3])));
    assert_eq!(recall(bench(&sandbox, &["-k", "2", "--ef", "16,32", "--json"])), 0.75);
    sandbox.write("truth.npy", npy("<i4", &[2, 2], &i32s(&[0, -1, 4, -1])));
    assert_eq!(recall(bench(&sandbox, &["-k", "2", "--json"])), 1.0);
    let i64s: Vec<u8> = [0_i64, 4].iter().flat_map(|it| it.to_le_bytes()).collect();
    for descr in ["<i8", "<u8"] {
        sandbox.write("truth.npy", npy(descr, &[2, 1], &i64s));
        assert_eq!(recall(bench(&sandbox, &["-k", "1", "--json"])), 1.0);
    }
    let said = bench(&sandbox, &["-k", "1"]).done();
    assert!(said.contains("recall at 1  1.0000"), "{said}");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let sandbox = line();
    bench(&sandbox, &[]).refused(&["truth.npy"]);
    sandbox.write("truth.npy", npy("<i4", &[2, 1], &[0; 8]));
    bench(&sandbox, &[]).refused(&["1 answers a query", "-k 10"]);
    sandbox.write("truth.npy", npy("<i4", &[1, 1], &[0; 4]));
    bench(&sandbox, &["-k", "1"]).refused(&["1 rows", "2 queries"]);
    sandbox.write("truth.npy", npy("<f4", &[2, 1], &[0; 8]));
    bench(&sandbox, &["-k", "1"]).refused(&["float32", "int32"]);
    sandbox.write("truth.npy", npy("<i4", &[2, 0], &[]));
    bench(&sandbox, &["-k", "1"]).refused(&["0 answers"]);
    sandbox.write("queries.npy", npy("<f4", &[0, 1], &[]));
    bench(&sandbox, &["-k", "1"]).refused(&["queries.npy", "no queries"]);
}

#[test]
fn an_exact_search_finds_nearly_all_that_is_known() {
    let sandbox = Sandbox::new();
    let data = data::l2(&sandbox);
    let dim = data.dim.to_string();
    let create = ["create", "store", "docs", "--metric", "l2", "--index", "flat", "--dim", &dim];
    sandbox.run(&create).done();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let (base, queries, truth) = (path(data.base), path(data.queries), path(data.truth));
    sandbox.run(&["import", "store", "docs", &base, "--batch", "2500"]).done();
    let words = ["bench", "store", "docs", "--queries", &queries, "--truth", &truth, "--json"];
    let json: Value = sandbox.run(&words).json();
    // Among equal distances the truth may hold another than is found.
    assert!(json[0]["recall"].as_f64().unwrap() > 0.995, "{json}");
}
