//! What a graph finds of real neighbours as it comes, and how little it looks at for that.

use benches::known::known;
use indexes::{Hnsw, HnswConfig, Index, Pool, Query};

const K: usize = 10;

/// So many are in view.
const EFS: [usize; 2] = [24, 64];

/// No more is looked at.
const LOOKED_AT: u64 = 2_500;

#[test]
fn a_graph_finds_nearly_all_and_looks_at_little() {
    for known in known().unwrap() {
        let dim = known.data.dim;
        let memory = known.data.memory().unwrap();
        let graph = Hnsw::new(dim, known.metric, HnswConfig::default());
        let pool = Pool::all_cores().unwrap();
        graph.insert_all(memory.slots(), &memory, &pool, &mut |_| true).unwrap();
        let queries = known.data.queries.chunks_exact(dim).map(|query| Query::new(query).k(K));
        let queries: Vec<_> = queries.collect();
        for (ef, least) in EFS.into_iter().zip(known.least) {
            let found = graph.search_many_with(&queries, ef, &memory, &pool).unwrap();
            let looked_at: u64 = found.iter().map(|it| it.work.looked_at).sum();
            let looked_at = looked_at / queries.len() as u64;
            let slots = found.iter().map(|it| it.neighbours.iter().map(|it| it.slot.0).collect());
            let recall = known.data.recall(&slots.collect::<Vec<_>>(), K);
            println!("{}: {recall:.4} with {ef} in view, {looked_at} looked at", known.name);
            assert!(recall >= least, "{}: {recall} with {ef} in view", known.name);
            assert!(looked_at < LOOKED_AT, "{}: {looked_at} looked at", known.name);
        }
    }
}
