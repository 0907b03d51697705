//! Vectors with neighbours that are known: real ones where `ARRWDB_TEST_DATA` says where, and generated ones elsewhere.

use std::path::PathBuf;

use super::sandbox::{Sandbox, npy, real, vectors};

/// Three files, and how many numbers a vector has.
pub(crate) struct Data {
    pub(crate) base: PathBuf,
    pub(crate) queries: PathBuf,
    pub(crate) truth: PathBuf,
    pub(crate) dim: u32,
}

/// By L2.
pub(crate) fn l2(sandbox: &Sandbox) -> Data {
    if let Some(base) = real("sift10k_base.npy") {
        let queries = real("sift_query.npy").unwrap();
        let truth = real("sift_truth100.npy").unwrap();
        return Data { base, queries, truth, dim: 128 };
    }
    let all = vectors(2_050, 16);
    let (queries, base) = all.split_at(50);
    let nearest = |query: &Vec<f32>| {
        let mut order: Vec<_> = (0..base.len()).collect();
        order.sort_by(|one, other| {
            let distance = |at: usize| distance(query, &base[at]);
            distance(*one).total_cmp(&distance(*other)).then(one.cmp(other))
        });
        order.truncate(100);
        order
    };
    let truth: Vec<u8> = queries
        .iter()
        .flat_map(nearest)
        .flat_map(|row| i32::try_from(row).unwrap().to_le_bytes())
        .collect();
    sandbox.vectors("base.npy", base);
    sandbox.vectors("queries.npy", queries);
    sandbox.write("truth.npy", npy("<i4", &[queries.len(), 100], &truth));
    let path = |name| sandbox.path(name);
    Data { base: path("base.npy"), queries: path("queries.npy"), truth: path("truth.npy"), dim: 16 }
}

/// The square of the distance.
pub(crate) fn distance(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// The numbers of a `.npy` file whose header is as short as can be: rows of four bytes each, or eight.
pub(crate) fn body(file: &[u8]) -> &[u8] {
    let length = u16::from_le_bytes([file[8], file[9]]);
    &file[10 + usize::from(length)..]
}
