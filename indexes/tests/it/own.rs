//! A distance of the caller's own.

use std::sync::Arc;

use indexes::{BadName, Distance, Flat, Index, Measure, Metric, Pool, Query};

use crate::given::Kind;

/// Adds up how far the numbers are apart; those that begin with one more than 2 are no number.
struct Manhattan(&'static str);

impl Distance for Manhattan {
    fn name(&self) -> &str {
        self.0
    }

    fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        if other.first().is_some_and(|it| *it > 2.0) {
            return f32::NAN;
        }
        one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum()
    }
}

#[test]
fn it_decides_what_is_near() {
    let measure = Measure::own(Arc::new(Manhattan("manhattan"))).expect("a good name");
    for dim in [3, 64] {
        let (memory, vectors) = Kind::Gaussian.set(dim, 300, 10, 4);
        let flat = Flat::new(dim, measure.clone());
        flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
        let queries: Vec<_> = vectors.iter().map(|vector| Query::new(vector).k(300)).collect();
        let together = flat.search_many(&queries, &memory, &Pool::here()).expect("found");
        for (query, vector) in queries.iter().zip(&vectors) {
            let found = flat.search(query, &memory).expect("found");
            let distances = memory.slots().iter().map(|slot| {
                let other = indexes::Vectors::vector(&memory, slot).expect("it is there");
                measure.distance(vector, &other)
            });
            let mut expected: Vec<_> = distances.filter(|it| !it.is_nan()).collect();
            expected.sort_by(f32::total_cmp);
            assert!(found.neighbours.iter().map(|it| it.distance).eq(expected.iter().copied()));
            assert!(expected.len() < 300 && together.contains(&found));
        }
        assert_eq!(flat.statistics().measure, "manhattan");
    }
}

/// Says that everything is at a negative zero.
struct Nowhere;

impl Distance for Nowhere {
    fn name(&self) -> &str {
        "nowhere"
    }

    fn distance(&self, _: &[f32], _: &[f32]) -> f32 {
        -0.0
    }
}

#[test]
fn a_negative_zero_is_none_wherever_it_is_asked_for() {
    let measure = Measure::own(Arc::new(Nowhere)).expect("a good name");
    let (memory, vectors) = Kind::Gaussian.set(3, 1, 1, 4);
    let flat = Flat::new(3, measure.clone());
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    for vector in &vectors {
        let found = flat.search(&Query::new(vector), &memory).expect("found").neighbours;
        let bits: Vec<_> = found.iter().map(|it| it.distance.to_bits()).collect();
        assert_eq!(bits, [0]);
        assert_eq!(measure.distance(vector, vector).to_bits(), 0);
    }
}

#[test]
fn its_name_is_one_of_its_own() {
    let refused = |name| Measure::own(Arc::new(Manhattan(name))).expect_err("a bad name");
    let long = "manhattan, but with a name that nobody would like to write out every time";
    assert_eq!(refused(""), BadName::Empty);
    assert_eq!(refused(long), BadName::Long { bytes: long.len() });
    assert_eq!(refused("dot"), BadName::Taken(Metric::Dot));
    assert_eq!(refused("dot").to_string(), "dot is the name of a metric");
}

#[test]
fn an_image_is_opened_with_the_distance_it_was_built_by() {
    let measure = Measure::own(Arc::new(Manhattan("manhattan"))).expect("a good name");
    let (memory, vectors) = Kind::Gaussian.set(64, 50, 1, 4);
    let flat = Flat::new(64, measure.clone());
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    let mut image = Vec::new();
    flat.encode(&mut image);
    let opened = indexes::open(image.clone(), &measure).expect("its own image");
    for vector in &vectors {
        let query = Query::new(vector);
        let found = opened.search(&query, &memory).expect("found");
        assert_eq!(found, flat.search(&query, &memory).expect("found"));
    }
    let other = Measure::own(Arc::new(Manhattan("chess"))).expect("a good name");
    for other in [other, Metric::L2.into()] {
        let Err(refused) = indexes::open(image.clone(), &other) else {
            panic!("opened with {other:?}")
        };
        let expected =
            format!("the distance `manhattan`, and was to be opened with `{}`", other.name());
        assert!(refused.to_string().ends_with(&expected), "{refused}");
    }
}
