//! Searches real vectors whose nearest neighbours are known, on a real disk, before and after closing. Where the data is
//! not at hand, generated vectors go through the same checks, with neighbours worked out slowly.

use std::path::Path;

use arrwdb::{CollectionConfig, Durability, Metric, Store};
use disk::{Access, Disk, OsDisk};

const K: usize = 10;

/// Vectors, queries, and the numbers of the nearest vectors of each query, the nearest first.
struct Data {
    metric: Metric,
    base: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
    truth: Vec<Vec<usize>>,
}

/// The rows of a file of little-endian numbers of 4 bytes, in the format of NumPy.
fn rows(disk: &OsDisk, name: &str) -> Vec<Vec<[u8; 4]>> {
    let file = disk.open(Path::new(name), Access::Read).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (header, data) = bytes[10..].split_at(length);
    let header = std::str::from_utf8(header).unwrap();
    let (_, shape) = header.split_once("'shape': (").unwrap();
    let (_, columns) = shape.split_once(", ").unwrap();
    let columns: usize = columns.split(')').next().unwrap().parse().unwrap();
    let numbers = data.as_chunks::<4>().0;
    numbers.chunks(columns).map(<[_]>::to_vec).collect()
}

fn floats(disk: &OsDisk, name: &str) -> Vec<Vec<f32>> {
    let rows = rows(disk, name).into_iter();
    rows.map(|row| row.into_iter().map(f32::from_le_bytes).collect()).collect()
}

fn read(disk: &OsDisk, name: &str, base: &str, metric: Metric) -> Data {
    let truth = rows(disk, &format!("{name}_truth100.npy")).into_iter();
    let truth =
        truth.map(|row| row.into_iter().map(|it| u32::from_le_bytes(it) as usize).collect());
    let base = floats(disk, &format!("{base}_base.npy"));
    let queries = floats(disk, &format!("{name}_query.npy"));
    Data { metric, base, queries, truth: truth.collect() }
}

/// Vectors of small whole numbers, and of a unit length.
fn generated(metric: Metric, count: usize, dim: u32) -> Data {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut vector = || -> Vec<f32> {
        let mut number = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 % 256.0
        };
        (0..dim).map(|_| number()).collect()
    };
    let base: Vec<_> = (0..count).map(|_| vector()).collect();
    let queries: Vec<_> = (0..50).map(|_| vector()).collect();
    let nearest = |query: &Vec<f32>| {
        let mut order: Vec<usize> = (0..base.len()).collect();
        let distance = |at: &usize| metric.distance(query, &base[*at]);
        order.sort_by(|one, other| distance(one).total_cmp(&distance(other)));
        order.truncate(100);
        order
    };
    let truth = queries.iter().map(nearest).collect();
    Data { metric, base, queries, truth }
}

fn data() -> Vec<Data> {
    match std::env::var_os("ARRWDB_TEST_DATA") {
        Some(folder) => {
            let disk = OsDisk::options().allow_network().open(Path::new(&folder)).unwrap();
            vec![
                read(&disk, "sift", "sift10k", Metric::L2),
                read(&disk, "words", "words20k", Metric::Cosine),
            ]
        }
        None => vec![generated(Metric::L2, 3_000, 32), generated(Metric::Cosine, 2_000, 48)],
    }
}

#[test]
fn searches_agree_with_known_neighbours_before_and_after_closing() {
    for data in data() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let store = Store::open(&path).unwrap();
        let config = CollectionConfig::new(data.base[0].len() as u32, data.metric);
        let docs = store.create_collection("docs", config).unwrap();
        for (start, vectors) in (0..).step_by(1_000).zip(data.base.chunks(1_000)) {
            let mut batch = store.batch();
            for (id, vector) in (start..).zip(vectors) {
                batch.upsert(&docs, id, vector);
            }
            batch.commit(Durability::Sync).unwrap().wait().unwrap();
        }
        check(&store, &data, 40);
        store.close().unwrap();
        drop((store, docs));
        check(&Store::open(&path).unwrap(), &data, usize::MAX);
    }
}

/// The nearest ones are those that are known; among equal distances any.
fn check(store: &Store, data: &Data, queries: usize) {
    let docs = store.collection("docs").unwrap();
    assert_eq!(docs.len() as usize, data.base.len());
    for (query, truth) in data.queries.iter().zip(&data.truth).take(queries) {
        let hits = docs.search(query).k(K).run().unwrap();
        let distance = |at: usize| data.metric.distance(query, &data.base[at]);
        let expected: Vec<f32> = truth[..K].iter().map(|at| distance(*at)).collect();
        assert_eq!(hits.len(), K);
        for (hit, expected) in hits.iter().zip(expected) {
            let at: usize = hit.id.to_string().parse().unwrap();
            assert_eq!(hit.distance.to_bits(), distance(at).to_bits(), "its own distance");
            assert!((hit.distance - expected).abs() < 1e-6, "{} for {expected}", hit.distance);
        }
    }
}
