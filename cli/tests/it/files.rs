//! Files of vectors of every kind, and those that cannot be imported: nothing of them is.

use serde_json::json;

use super::sandbox::{Sandbox, npy, with_header};

fn bytes<const N: usize>(numbers: &[[u8; N]]) -> Vec<u8> {
    numbers.concat()
}

#[test]
fn numbers_of_every_kind_are_imported() {
    let halves = [0x3c00_u16, 0xc000, 0x0001, 0x7bff].map(u16::to_le_bytes);
    let doubles = [0.5, -1.25, 1e-300, 3e38_f64].map(f64::to_le_bytes);
    let kinds = [
        ("<f2", bytes(&halves), json!([[1.0, -2.0], [2_f64.powi(-24), 65504.0]])),
        ("<f8", bytes(&doubles), json!([[0.5, -1.25], [0.0, f64::from(3e38_f32)]])),
        ("|u1", vec![0, 1, 128, 255], json!([[0.0, 1.0], [128.0, 255.0]])),
    ];
    for (descr, data, expected) in kinds {
        let sandbox = Sandbox::with_docs(2);
        sandbox.write("rows.npy", npy(descr, &[2, 2], &data));
        sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
        let found = sandbox.run(&["get", "store", "docs", "0", "1", "--json"]).json_lines();
        let vectors: Vec<_> = found.into_iter().map(|line| line["vector"].clone()).collect();
        assert_eq!(json!(vectors), expected, "{descr}");
    }
}

#[test]
fn later_versions_of_the_format_are_read() {
    let sandbox = Sandbox::with_docs(1);
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }\n";
    let mut file = b"\x93NUMPY\x02\x00".to_vec();
    file.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(2_f32.to_le_bytes());
    sandbox.write("rows.npy", file);
    sandbox.run(&["import", "store", "docs", "rows.npy"]).done();
    assert_eq!(sandbox.count(), 1);
}

#[test]
fn files_that_cannot_be_imported_are_refused_whole() {
    let ok = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    let with = |numbers: [f32; 4]| numbers.map(f32::to_le_bytes).concat();
    let shaped = |order: &str, shape: &str| {
        let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        with_header(&header, &ok)
    };
    let mut long_header = b"\x93NUMPY\x02\x00".to_vec();
    long_header.extend(u32::MAX.to_le_bytes());
    let nested = format!("{{'descr': {}", "(".repeat(9_000));
    let large = [1.0, 2.0, 3.0, 1e39].map(f64::to_le_bytes).concat();
    let wrong: Vec<(Vec<u8>, &[&str])> = vec![
        (Vec::new(), &["not a .npy file"]),
        (b"1,2\n3,4\n5,6\n".to_vec(), &["not a .npy file"]),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), &["version 9"]),
        (long_header, &["4294967295 bytes"]),
        (with_header(&nested, &[]), &["header"]),
        (npy("<f4", &[2, 2], &ok[..15]), &["(2, 2)", "16 bytes", "15 follow"]),
        (npy("<f4", &[2, 2], &[&ok[..], &[0]].concat()), &["16 bytes", "17 follow"]),
        (npy("<f4", &[usize::MAX, 2], &ok), &["2^64"]),
        (npy("<f4", &[usize::MAX, 0], &ok), &["0 bytes"]),
        (npy("<f4", &[usize::MAX, 0], &[]), &["have 0 numbers"]),
        (npy("<f4", &[1, 4], &ok), &["have 4 numbers", "collection 2"]),
        (npy("<f4", &[4], &ok), &["(4,)", "two dimensions"]),
        (npy("<f4", &[2, 2, 1], &ok), &["(2, 2, 1)"]),
        (npy(">f4", &[2, 2], &ok), &["big-endian"]),
        (npy("<i4", &[2, 2], &ok), &["int32"]),
        (npy("<c8", &[1, 2], &ok), &["<c8"]),
        (npy("|O", &[2, 2], &ok), &["|O"]),
        (shaped("True", "(2, 2)"), &["Fortran"]),
        (shaped("False", "[2, 2]"), &["header"]),
        (shaped("False", "(2, -2)"), &["header"]),
        (with([1.0, f32::NAN, 3.0, 4.0].map(|it| it)), &["not a .npy file"]),
        (npy("<f4", &[2, 2], &with([1.0, 2.0, 3.0, f32::NAN])), &["NaN", "row 1", "column 1"]),
        (npy("<f4", &[2, 2], &with([f32::INFINITY, 2.0, 3.0, 4.0])), &["inf", "row 0"]),
        (npy("<f8", &[2, 2], &large), &["1e39", "row 1", "too large"]),
    ];
    for (file, parts) in wrong {
        let sandbox = Sandbox::with_docs(2);
        sandbox.write("rows.npy", file);
        let import =
            sandbox.run(&["import", "store", "docs", "rows.npy", "--batch", "1", "--acks"]);
        assert_eq!(import.out, "");
        import.refused(&[&["rows.npy"], parts].concat());
        assert_eq!(sandbox.count(), 0);
        let search = sandbox.run(&["search", "store", "docs", "--queries", "rows.npy"]);
        search.refused(&[&["rows.npy"], parts].concat());
    }
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let sandbox = Sandbox::with_docs(2);
    sandbox.run(&["import", "store", "docs", "none.npy"]).refused(&["none.npy", "cannot be read"]);
    sandbox.run(&["import", "store", "docs", "."]).refused(&["not a plain file"]);
    if cfg!(unix) {
        sandbox.run(&["import", "store", "docs", "/dev/zero"]).refused(&["not a plain file"]);
    }
}

#[test]
fn a_nan_far_behind_leaves_nothing_half_imported() {
    let sandbox = Sandbox::with_docs(1);
    let mut rows: Vec<_> = (0_u8..100).map(|number| vec![f32::from(number)]).collect();
    rows[77][0] = f32::NAN;
    sandbox.vectors("rows.npy", &rows);
    let import = ["import", "store", "docs", "rows.npy", "--batch", "10"];
    sandbox.run(&import).refused(&["row 77 (from 0)", "NaN", "offset"]);
    assert_eq!(sandbox.count(), 0);
    rows[77][0] = 77.0;
    sandbox.vectors("rows.npy", &rows);
    sandbox.run(&import).done();
    assert_eq!(sandbox.count(), 100);
}
