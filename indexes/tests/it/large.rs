//! More vectors than a piece, a stretch or a thread's part has.

use indexes::{Flat, Incomplete, Index, Memory, Metric, Pool, Query, Slot, SlotSet};

use crate::given::{Kind, Random};

/// Vectors of which codes prove nothing lie between such as they are made for.
fn mixed(dim: usize, count: usize) -> (Memory, Vec<Vec<f32>>) {
    let (mut random, mut shared) = (Random(1), Random(2));
    let mut memory = Memory::new(dim);
    for slot in 0..count {
        let useless = (slot / 6_000) % 2 == 1;
        let kind = if useless { Kind::Zeros } else { Kind::Clustered };
        let mut vector = kind.vector(dim, &mut random, &mut shared);
        if useless {
            vector.fill(0.0);
        }
        memory.set(Slot(slot as u32), &vector).expect("it fits");
    }
    let queries = (0..20).map(|_| Kind::Clustered.vector(dim, &mut random, &mut shared)).collect();
    (memory, queries)
}

#[test]
fn threads_and_stretches_never_change_an_answer() {
    let (memory, vectors) = mixed(64, 40_000);
    let pool = Pool::new(3.try_into().expect("not 0")).expect("threads");
    let some: SlotSet = memory.slots().iter().filter(|slot| slot.0 % 5 < 2).collect();
    for metric in [Metric::Cosine, Metric::L2] {
        let (flat, plain) = (Flat::new(64, metric), Flat::plain(64, metric));
        flat.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
        plain.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
        for vector in &vectors {
            assert!(
                !flat.remove(Slot(77)).expect("whole") || plain.remove(Slot(77)).expect("whole")
            );
            let queries = [
                (Query::new(vector), memory.len() - 1),
                (Query::new(vector).k(900).filter(&some), some.len()),
            ];
            for (query, admitted) in queries {
                let admitted = admitted as u64;
                let alone = plain.search(&query, &memory).expect("found").neighbours;
                let coded = flat.search(&query, &memory).expect("found");
                assert_eq!(coded.neighbours, alone);
                assert_eq!(coded.work.looked_at, admitted);
                // Fewer queries than threads: they share the vectors.
                let shared = flat.search_many(&[query], &memory, &pool).expect("found");
                assert!(shared.iter().all(|it| it.neighbours == alone));
                assert!(
                    shared.iter().all(|it| it.work.looked_at == admitted),
                    "{:?}",
                    shared[0].work
                );
            }
        }
        let queries: Vec<_> = vectors.iter().map(|vector| Query::new(vector).k(30)).collect();
        let together = flat.search_many(&queries, &memory, &pool).expect("found");
        for (found, query) in together.iter().zip(&queries) {
            let alone = plain.search(query, &memory).expect("found");
            assert_eq!(found.neighbours, alone.neighbours);
        }
    }
}

#[test]
fn a_budget_means_the_same_however_many_threads_there_are() {
    let (memory, vectors) = mixed(8, 40_000);
    let pool = Pool::new(3.try_into().expect("not 0")).expect("threads");
    let flat = Flat::new(8, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &pool, &mut |_| true).expect("they fit");
    for vector in &vectors {
        let query = Query::new(vector).budget(25_000);
        let alone = flat.search(&query, &memory).expect("found");
        let shared = flat.search_many(&[query], &memory, &pool).expect("found");
        assert_eq!((alone.work.looked_at, alone.incomplete), (25_000, Some(Incomplete::Budget)));
        assert_eq!(shared, [alone]);
    }
}

#[test]
fn codes_are_of_use_where_they_should_be_and_left_alone_where_not() {
    let (memory, vectors) = Kind::Clustered.set(64, 10_000, 5, 3);
    let flat = Flat::new(64, Metric::Cosine);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let work = flat.search(&Query::new(vector), &memory).expect("found").work;
        assert!(work.in_full * 20 < work.looked_at, "{work:?}");
        assert!(work.by_code < work.looked_at, "{work:?}");
    }
    let (memory, vectors) = Kind::Same.set(64, 10_000, 1, 3);
    let flat = Flat::new(64, Metric::Cosine);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let work = flat.search(&Query::new(vector), &memory).expect("found").work;
        assert_eq!(work.in_full, 10_000);
        assert!(work.by_code < 10_000, "{work:?}");
        let queries = [Query::new(vector); 9];
        for together in flat.search_many(&queries, &memory, &Pool::here()).expect("found") {
            assert_eq!(together.work.in_full, 10_000);
            assert!(together.work.by_code < 5_000, "{:?}", together.work);
        }
    }
}

/// Of sums this long an `i32` of codes could overflow, and those in `f64` are off by more than bounds allow for.
#[test]
fn vectors_of_very_many_numbers_are_found_too() {
    let found = |dim: usize, (vector, query): (f32, f32)| {
        let (mut memory, flat) = (Memory::new(dim), Flat::new(dim, Metric::L2));
        // The first number makes the others the upper end of a scale.
        let mut numbers = vec![vector; dim];
        if vector != query {
            numbers[0] = 0.0;
        }
        memory.set(Slot(0), &numbers).expect("it fits");
        flat.insert(Slot(0), &memory).expect("it is new");
        let query = vec![query; dim];
        let distance = Metric::L2.distance(&numbers, &query);
        let found = flat.search(&Query::new(&query).within(distance), &memory).expect("found");
        found.neighbours.len()
    };
    let uneven = 9_516_872.0 / (1 << 23) as f32;
    assert_eq!(found(1 << 20, (uneven, uneven)), 1);
    assert_eq!(found(1_200_000, (1.0, 0.999)), 1);
}
