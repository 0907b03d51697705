//! Searches that ask for a recall: by a calibration, which goes with the graph for as long as it holds.

use indexes::{
    EfMeasurement, Error, Flat, Hnsw, HnswConfig, Index, MeasuredEf, Memory, Metric, Nearest, Pool,
    Query, Slot, SlotSet,
};

use crate::given::Kind;
use crate::graph::{graph_of, mean_recall, pool, walk};

fn calibrated(memory: &Memory, metric: Metric) -> Hnsw {
    let graph = graph_of(memory, metric);
    assert!(graph.calibrate(memory, &pool(2), &mut |_| true).expect("all can be read"));
    graph
}

#[test]
fn as_much_is_found_as_is_asked_for_and_little_more_looked_at() {
    // With codes and without.
    for (dim, metric) in [(64, Metric::Cosine), (20, Metric::L2)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, 4_000, 100, 51);
        let graph = calibrated(&memory, metric);
        let mut before = 0;
        for wanted in [0.7, 0.9, 0.97] {
            for k in [1, 3, 10, 30] {
                let query = |vector| walk(vector).k(k).recall(wanted);
                let queries: Vec<_> = vectors.iter().map(|vector| query(vector)).collect();
                let recall = mean_recall(&graph, &memory, &metric.into(), &queries);
                assert!(recall > f64::from(wanted) - 0.015, "{dim}, {wanted} of {k}: {recall}");
                if k == 10 {
                    let find = |query| graph.search(query, &memory).expect("found");
                    let found: Vec<_> = queries.iter().map(find).collect();
                    assert_eq!(
                        graph.search_many(&queries, &memory, &pool(2)).expect("found"),
                        found
                    );
                    let work: u64 = found.iter().map(|it| it.work.looked_at).sum();
                    assert!(before < work && work < 100 * 4_000, "{dim}, {wanted}: {work}");
                    before = work;
                }
            }
        }
    }
}

#[test]
fn all_is_looked_at_where_nothing_less_will_do() {
    let (memory, vectors) = Kind::Gaussian.set(64, 2_000, 20, 52);
    let graph = calibrated(&memory, Metric::L2);
    let flat = Flat::new(64, Metric::L2);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let query = Query::new(vector).recall(1.0);
        let expected = flat.search(&query, &memory).expect("found").neighbours;
        let found = graph.search(&query, &memory).expect("found");
        assert_eq!((found.neighbours, found.work.looked_at), (expected, 2_000));
    }
}

#[test]
fn a_calibration_goes_with_the_image_and_is_forgotten_when_the_graph_is_another() {
    let (memory, vectors) = Kind::Clustered.set(64, 1_000, 1, 53);
    let vector = vectors.first().map_or(&[][..], Vec::as_slice);
    let query = walk(vector).recall(0.95);
    let some: SlotSet = (0..400).map(Slot).collect();
    let graph = Hnsw::new(64, Metric::L2, Default::default());
    graph.insert_all(&some, &memory, &pool(2), &mut |_| true).expect("they fit");
    let uncalibrated = |found: Result<Nearest, Error>, expected| match found {
        Err(Error::NotCalibrated { slots }) => assert_eq!(slots, expected),
        other => panic!("{other:?}"),
    };
    uncalibrated(graph.search(&query, &memory), 400);
    assert!(graph.search_many(&[query, Query::new(vector)], &memory, &pool(2)).is_err());
    let mut told = Vec::new();
    let mut stop = |done| {
        told.push(done);
        false
    };
    assert!(!graph.calibrate(&memory, &pool(2), &mut stop).expect("stopped"));
    assert_eq!(told.len(), 1);
    uncalibrated(graph.search(&query, &memory), 400);
    assert!(graph.calibrate(&memory, &pool(2), &mut |_| true).expect("all can be read"));
    let found = graph.search(&query, &memory).expect("it is calibrated");
    let mut image = Vec::new();
    graph.encode(&mut image);
    let opened = Hnsw::open(image, &Metric::L2.into()).expect("its own image");
    assert_eq!(opened.search(&query, &memory).expect("it is calibrated"), found);
    let more: SlotSet = (400..800).map(Slot).collect();
    opened.insert_all(&more, &memory, &pool(2), &mut |_| true).expect("they fit");
    opened.search(&query, &memory).expect("not yet more than twice as many");
    opened.insert(Slot(800), &memory).expect("it fits");
    uncalibrated(opened.search(&query, &memory), 801);
    (0..200).for_each(|slot| assert!(graph.remove(Slot(slot)).expect("whole")));
    graph.search(&query, &memory).expect("still half of them");
    assert!(graph.remove(Slot(200)).expect("whole"));
    uncalibrated(graph.search(&query, &memory), 199);
    let empty = Hnsw::new(64, Metric::L2, Default::default());
    assert!(empty.calibrate(&memory, &Pool::here(), &mut |_| true).expect("nothing to do"));
    assert!(empty.search(&query, &memory).expect("nothing there").neighbours.is_empty());
}

#[test]
fn as_many_are_to_be_in_view_as_a_recall_takes() {
    let measure = |index: &dyn Index, recall, memory: &Memory| {
        let mut measurement = EfMeasurement::new(recall);
        let some = |_| index.measure_ef(&mut measurement, memory, &pool(2)).expect("readable");
        (0..10_000).find_map(some).expect("it ends")
    };
    // With codes and without.
    for (dim, metric) in [(64, Metric::Cosine), (20, Metric::L2)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, 4_000, 100, 56);
        let graph_that = |ef| {
            let graph = Hnsw::new(dim, metric, HnswConfig::default().ef_search(ef));
            graph.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
            graph
        };
        let graph = graph_that(20);
        let mut image = Vec::new();
        graph.encode(&mut image);
        let opened = Hnsw::open(image, &metric.into()).expect("its own image");
        let mut before = 20;
        for wanted in [0.3, 0.8, 0.95] {
            let measured = measure(&graph, wanted, &memory);
            let MeasuredEf { ef, recall: promised } = measured;
            let queries: Vec<_> = vectors.iter().map(|vector| walk(vector).ef(ef)).collect();
            let recall = mean_recall(&graph, &memory, &metric.into(), &queries);
            assert!(recall > f64::from(wanted) - 0.015, "{dim}, {wanted} with {ef}: {recall}");
            assert!(promised > wanted && before <= ef, "{dim}, {wanted}: {measured:?}");
            assert_eq!(measure(&opened, wanted, &memory), measured);
            before = ef;
        }
        assert!(opened.is_lent());
        // No more than it takes, no fewer than it is made for, and not for ever.
        assert!((21..160).contains(&before), "{before}");
        assert_eq!(measure(&graph_that(before + 20), 0.95, &memory).ef, before + 20);
        let most = measure(&graph_that(10), 1.1, &memory);
        assert!(most.ef == 80 && most.recall < 1.0, "{most:?}");
        let empty = Hnsw::new(dim, metric, HnswConfig::default().ef_search(30));
        assert_eq!(measure(&empty, 0.95, &memory), MeasuredEf { ef: 30, recall: 1.0 });
        let flat = Flat::new(dim, metric);
        assert_eq!(measure(&flat, 0.95, &memory), MeasuredEf { ef: 0, recall: 1.0 });
    }
}

/// What it held out is looked for as long as it is there, and no longer.
#[test]
fn a_measurement_begins_anew_when_what_it_looked_for_is_gone() {
    let (mut memory, _) = Kind::Gaussian.set(20, 600, 1, 57);
    let graph = Hnsw::new(20, Metric::L2, HnswConfig::default().ef_search(10));
    graph.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
    let mut measurement = EfMeasurement::new(0.5);
    for _ in 0..40 {
        let measured = graph.measure_ef(&mut measurement, &memory, &pool(2));
        assert_eq!(measured.expect("all can be read"), None);
    }
    let gone: SlotSet = (0..400).map(Slot).collect();
    gone.iter().for_each(|slot| assert!(graph.remove(slot).expect("whole")));
    while graph.step(&memory, 1_000).expect("all can be read").more {}
    gone.iter().for_each(|slot| assert!(memory.unset(slot)));
    let mut steps = 0;
    let measured = loop {
        steps += 1;
        let measured = graph.measure_ef(&mut measurement, &memory, &pool(2));
        if let Some(measured) = measured.expect("all can be read") {
            break measured;
        }
    };
    // All of those that are left are looked for twice.
    assert!(measured.recall > 0.5 && steps > 2 * 170 / 8, "{steps}: {measured:?}");
    let other = Memory::new(21);
    assert!(graph.measure_ef(&mut EfMeasurement::new(0.5), &other, &pool(2)).is_err());
}

/// What was removed and not cleared away does not end a search before it has found as much as was asked for.
#[test]
fn as_much_is_found_where_all_that_is_nearest_was_removed() {
    let (memory, vectors) = Kind::Clustered.set(64, 4_000, 20, 55);
    for vector in &vectors {
        let graph = calibrated(&memory, Metric::L2);
        let flat = Flat::new(64, Metric::L2);
        flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
        let near = flat.search(&Query::new(vector).k(60), &memory).expect("found").neighbours;
        near.iter().for_each(|it| assert!(graph.remove(it.slot).expect("whole")));
        let queries = [walk(vector).recall(0.95), walk(vector), Query::new(vector)];
        let recall = mean_recall(&graph, &memory, &Metric::L2.into(), &queries);
        assert!(recall >= 0.9, "{recall}");
    }
}

#[test]
fn a_search_that_may_stop_early_looks_at_less_and_finds_nearly_as_much() {
    for (dim, metric) in [(64, Metric::L2), (64, Metric::Cosine), (20, Metric::Cosine)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, 4_000, 50, 54);
        let graph_that = |stop| {
            let config = HnswConfig::default().ef_search(300).stop(stop);
            let graph = Hnsw::new(dim, metric, config);
            graph.insert_all(memory.slots(), &memory, &pool(2), &mut |_| true).expect("they fit");
            graph
        };
        let look = |graph: &Hnsw, query: fn(Query<'_>) -> Query<'_>| {
            let queries: Vec<_> = vectors.iter().map(|it| query(walk(it))).collect();
            let found = graph.search_many(&queries, &memory, &pool(2)).expect("found");
            let looked_at: u64 = found.iter().map(|it| it.work.looked_at).sum();
            (mean_recall(graph, &memory, &metric.into(), &queries), looked_at)
        };
        let [patient, hasty] = [f32::NAN, 0.1].map(graph_that);
        let (all, some) = (look(&patient, |query| query), look(&hasty, |query| query));
        assert!(some.1 < all.1 * 9 / 10, "{dim}, {metric}: {all:?}, {some:?}");
        assert!(some.0 > all.0 - 0.05, "{dim}, {metric}: {all:?}, {some:?}");
        // Where there is a threshold all is gone through.
        let within: fn(Query<'_>) -> Query<'_> = |query| query.k(5).within(1e9);
        assert_eq!(look(&patient, within), look(&hasty, within));
    }
}

#[test]
fn a_query_says_how_many_are_in_view_as_the_configuration_does() {
    // With codes and without.
    for (dim, metric) in [(64, Metric::Cosine), (20, Metric::L2)] {
        let (memory, vectors) = Kind::Gaussian.set(dim, 3_000, 50, 54);
        let graph = calibrated(&memory, metric);
        let (mut recall_before, mut work_before) = (0.0, 0);
        for ef in [10, 40, 160] {
            let config = HnswConfig::default().ef_search(ef);
            let configured = Hnsw::new(dim, metric, config);
            let all = memory.slots();
            configured.insert_all(all, &memory, &pool(2), &mut |_| true).expect("they fit");
            let queries: Vec<_> = vectors.iter().map(|vector| walk(vector)).collect();
            let with_ef: Vec<_> = queries.iter().map(|query| query.ef(ef)).collect();
            let expected = configured.search_many(&queries, &memory, &pool(2)).expect("found");
            let found = graph.search_many(&with_ef, &memory, &pool(2)).expect("found");
            assert_eq!(found, expected);
            let recall = mean_recall(&graph, &memory, &metric.into(), &with_ef);
            let work = found.iter().map(|it| it.work.looked_at).sum();
            assert!(recall >= recall_before && work > work_before, "{ef}: {recall}, {work}");
            (recall_before, work_before) = (recall, work);
            // Whoever asks for a recall as well gets that.
            for (query, with_ef) in queries.iter().zip(&with_ef) {
                let found = graph.search(&with_ef.recall(0.9), &memory).expect("found");
                assert_eq!(found, graph.search(&query.recall(0.9), &memory).expect("found"));
            }
        }
        let query = walk(vectors.first().map_or(&[][..], Vec::as_slice)).k(1);
        let find = |query: &Query<'_>| graph.search(query, &memory).expect("found");
        assert_eq!(find(&query.ef(0)), find(&query.ef(1)));
    }
}
