//! The crate used alone, against a plain model.

use std::collections::BTreeMap;

use indexes::{Error, Metric, Pool, Slot, Standalone};

use crate::given::Random;

#[test]
fn it_does_what_a_plain_map_would() {
    for (dim, metric) in [(3, Metric::L2), (64, Metric::Cosine)] {
        let mut random = Random(17);
        let mut index = Standalone::flat(dim, metric);
        let mut model: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
        for step in 0..600 {
            match random.below(10) {
                0..6 => {
                    let vector = random.vector(dim);
                    let lowest = (0..).find(|slot| !model.contains_key(slot)).expect("endless");
                    assert_eq!(index.add(&vector).expect("it fits"), Slot(lowest));
                    model.insert(lowest, vector);
                }
                6..9 => {
                    let slot = random.below(200) as u32;
                    assert_eq!(
                        index.remove(Slot(slot)).expect("whole"),
                        model.remove(&slot).is_some()
                    );
                }
                _ if step % 7 == 0 => {
                    index.clear();
                    model.clear();
                }
                _ => index.rebuild(&Pool::here()).expect("they fitted before"),
            }
            assert_eq!((index.size(), index.statistics().slots), (model.len(), model.len()));
            let query = random.vector(dim);
            let mut expected: Vec<_> = model
                .iter()
                .map(|(slot, vector)| (metric.distance(&query, vector), *slot))
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let threshold = expected.get(4).map(|it| it.0);
            for (k, threshold) in [(3, None), (100, threshold), (1_000, None)] {
                let found = index.search(&query, k, threshold).expect("found");
                let near = expected.iter().filter(|it| threshold.is_none_or(|most| it.0 <= most));
                let near: Vec<_> = near.take(k).copied().collect();
                assert_eq!(
                    found.iter().map(|it| (it.distance, it.slot.0)).collect::<Vec<_>>(),
                    near
                );
            }
        }
        assert!(model.iter().all(|(slot, vector)| index.get(Slot(*slot)).as_ref() == Some(vector)));
        assert_eq!(index.get(Slot(1_000_000)), None);
    }
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut index = Standalone::flat(2, Metric::L2);
    index.add(&[1.0, 2.0]).expect("it fits");
    assert!(matches!(index.add(&[1.0]), Err(Error::Dimension { found: 1, expected: 2 })));
    assert!(matches!(index.add(&[1.0, f32::NAN]), Err(Error::NotFinite { at: 1 })));
    assert!(matches!(
        index.search(&[f32::INFINITY, 0.0], 1, None),
        Err(Error::NotFinite { at: 0 })
    ));
    assert_eq!((index.size(), index.add(&[3.0, 4.0]).expect("it fits")), (2 - 1, Slot(1)));
}

/// Slots of removed vectors are free again at once where there are few, and sooner or later where there are many.
#[test]
fn a_graph_gives_slots_back_that_others_take() {
    for count in [300, 1_500_u16] {
        let mut index = Standalone::hnsw(2, Metric::L2, indexes::HnswConfig::default());
        for number in 0..count {
            index.add(&[f32::from(number), 1.0]).expect("it fits");
        }
        for number in 0..count / 2 {
            assert!(index.remove(Slot(number.into())).expect("whole"));
            assert!(!index.remove(Slot(number.into())).expect("whole"));
        }
        assert_eq!(index.size(), usize::from(count - count / 2));
        let nearest = index.search(&[0.0, 1.0], 3, None).expect("found");
        let slots: Vec<_> = nearest.iter().map(|it| it.slot.0 as u16).collect();
        assert_eq!(slots, [count / 2, count / 2 + 1, count / 2 + 2]);
        let slot = index.add(&[-5.0, 1.0]).expect("it fits");
        assert!(slot.0 < u32::from(count), "{slot:?} is a new one");
        assert_eq!(index.search(&[-5.0, 1.0], 1, None).expect("found")[0].slot, slot);
    }
}
