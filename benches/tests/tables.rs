//! What hash tables find of real neighbours: as much as they are asked for, of all vectors and of half of them, asked for by the
//! other half.

use benches::known::{Known, known};
use indexes::{Index, Lsh, LshConfig, Pool, Query};

const K: usize = 10;

/// How much is asked for.
const RECALLS: [f32; 3] = [0.8, 0.9, 0.95];

/// What is found differs by no more from that.
const OFF: f64 = 0.02;

#[test]
fn as_much_is_found_as_is_asked_for() {
    for known in known().unwrap() {
        check(&known);
        check(&known.half());
    }
}

fn check(known: &Known) {
    let dim = known.data.dim;
    let memory = known.data.memory().expect("they fit");
    let count = memory.len();
    let tables = Lsh::new(dim, known.metric, LshConfig::default()).expect("it has a metric");
    let pool = Pool::all_cores().expect("threads");
    tables.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
    for wanted in RECALLS {
        let query = |query| Query::new(query).k(K).recall(wanted);
        let queries: Vec<_> = known.data.queries.chunks_exact(dim).map(query).collect();
        let found = tables.search_many(&queries, &memory, &pool).expect("found");
        let slots = found.iter().map(|it| it.neighbours.iter().map(|it| it.slot.0).collect());
        let recall = known.data.recall(&slots.collect::<Vec<_>>(), K);
        let looked_at: u64 = found.iter().map(|it| it.work.looked_at).sum();
        let part = looked_at as f64 / (queries.len() * count) as f64;
        println!(
            "{}, {count}: {recall:.4} of {wanted}, {:.1} % looked at",
            known.name,
            part * 100.0
        );
        assert!((recall - f64::from(wanted)).abs() <= OFF, "{}: {recall} of {wanted}", known.name);
    }
}
