//! Graphs of hardly anything, of the same thing many times, and of what is refused.

use indexes::{
    Error, Hnsw, HnswConfig, Index, Lent, Memory, Metric, Pool, Query, Slot, SlotSet, Unreadable,
    Vectors,
};

use crate::given::{KINDS, Kind};
use crate::graph::{graph_of, pool, walk};

#[test]
fn every_kind_of_vector_is_found_by_itself() {
    for kind in KINDS {
        for (dim, count) in [(1, 200), (16, 300), (64, 300)] {
            for metric in Metric::ALL {
                let (memory, queries) = kind.set(dim, count, 5, 31);
                let graph = graph_of(&memory, metric);
                for vector in &queries {
                    for k in [1, 10, count, count + 1, usize::MAX] {
                        let found = graph.search(&walk(vector).k(k), &memory).expect("found");
                        let all = found.neighbours.len() == k.min(count);
                        assert!(all && found.neighbours.is_sorted(), "{kind:?} {metric} {dim} {k}");
                    }
                    assert_eq!(
                        graph.search(&walk(vector).k(0), &memory).expect("found"),
                        Default::default()
                    );
                }
            }
        }
    }
}

#[test]
fn one_vector_is_a_graph() {
    for dim in [1, 4_096] {
        for metric in Metric::ALL {
            let mut memory = Memory::new(dim);
            memory.set(Slot(5), &vec![1.0; dim]).expect("it fits");
            let graph = graph_of(&memory, metric);
            let found = graph.search(&walk(&vec![0.5; dim]), &memory).expect("found");
            assert_eq!(found.neighbours.iter().map(|it| it.slot.0).collect::<Vec<_>>(), [5]);
            assert!(
                graph.remove(Slot(5)).expect("whole") && !graph.remove(Slot(5)).expect("whole")
            );
            assert!(
                graph.search(&walk(&vec![0.5; dim]), &memory).expect("found").neighbours.is_empty()
            );
        }
    }
}

#[test]
fn many_numbers_are_no_hindrance() {
    let (memory, vectors) = Kind::Clustered.set(4_096, 300, 5, 33);
    let graph = graph_of(&memory, Metric::Cosine);
    for vector in &vectors {
        let found = graph.search(&walk(vector).k(5), &memory).expect("found");
        assert_eq!(found.neighbours.len(), 5);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (memory, vectors) = Kind::Gaussian.set(64, 300, 1, 34);
    let graph = graph_of(&memory, Metric::L2);
    let [vector] = &vectors[..] else { panic!("one query") };
    let before = graph.search(&walk(vector), &memory).expect("found");
    assert!(matches!(graph.insert(Slot(3), &memory), Err(Error::There { slot: Slot(3) })));
    assert!(matches!(graph.insert(Slot(400), &memory), Err(Error::Unreadable(_))));
    assert!(matches!(graph.insert(Slot(400), &Memory::new(3)), Err(Error::Dimension { .. })));
    let some = SlotSet::from_iter([Slot(400), Slot(2)]);
    let all = graph.insert_all(&some, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(all, Err(Error::There { slot: Slot(2) })));
    let some = SlotSet::from_iter([Slot(400), Slot(401)]);
    let all = graph.insert_all(&some, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(all, Err(Error::Unreadable(_))));
    let wrong = graph.search(&Query::new(&[1.0]), &memory);
    assert!(matches!(wrong, Err(Error::Dimension { found: 1, expected: 64 })));
    let wrong = graph.search(&Query::new(&[f32::NAN; 64]), &memory);
    assert!(matches!(wrong, Err(Error::NotFinite { at: 0 })));
    assert_eq!(graph.search(&walk(vector), &memory).expect("found"), before);
    assert_eq!(graph.len(), 300);
}

#[test]
fn a_vector_that_cannot_be_read_any_more_spoils_nothing() {
    for dim in [16, 64] {
        let (mut memory, vectors) = Kind::Gaussian.set(dim, 400, 1, 35);
        let graph = Hnsw::new(dim, Metric::L2, HnswConfig::default());
        let some: SlotSet = (0..300).map(Slot).collect();
        graph.insert_all(&some, &memory, &pool(2), &mut |_| true).expect("they fit");
        (0..300).filter(|slot| slot % 3 == 0).for_each(|slot| assert!(memory.unset(Slot(slot))));
        let refused = (300..400).filter(|slot| graph.insert(Slot(*slot), &memory).is_err()).count();
        assert!(refused > 0);
        assert_eq!(graph.len(), 400 - refused);
        (0..300)
            .filter(|slot| slot % 3 == 0)
            .for_each(|slot| assert!(graph.remove(Slot(slot)).expect("whole")));
        for vector in &vectors {
            let found = graph.search(&walk(vector).k(400), &memory).expect("found");
            assert_eq!(found.neighbours.len(), 300 - refused);
        }
    }
}

#[test]
fn building_can_be_stopped() {
    let (memory, vectors) = Kind::Gaussian.set(64, 3_000, 3, 36);
    let graph = Hnsw::new(64, Metric::L2, HnswConfig::default());
    let mut told = Vec::new();
    let mut progress = |done| {
        told.push(done);
        done < 1_500
    };
    graph.insert_all(memory.slots(), &memory, &pool(2), &mut progress).expect("stopped");
    assert!(told.is_sorted() && told.last().is_some_and(|last| (1_500..1_600).contains(last)));
    assert_eq!(told.last(), Some(&graph.len()));
    let rest: SlotSet =
        memory.slots().iter().filter(|slot| !graph.contains(*slot).expect("whole")).collect();
    graph.insert_all(&rest, &memory, &pool(2), &mut |_| true).expect("they fit");
    assert_eq!(graph.len(), 3_000);
    for vector in &vectors {
        assert_eq!(graph.search(&walk(vector), &memory).expect("found").neighbours.len(), 10);
    }
}

/// One vector, whatever is asked for, and it is no vector.
struct Broken(Vec<f32>);

impl Vectors for Broken {
    fn dim(&self) -> usize {
        3
    }

    fn vector(&self, _: Slot) -> Result<Lent<'_>, Unreadable> {
        Ok(self.0.as_slice().into())
    }
}

#[test]
fn what_is_no_vector_is_not_taken_up() {
    let (broken, longer) = (Broken(vec![1.0, f32::NAN, 0.0]), Broken(vec![1.0; 4]));
    let graph = Hnsw::new(3, Metric::L2, HnswConfig::default());
    let one = SlotSet::from_iter([Slot(0)]);
    assert!(matches!(graph.insert(Slot(0), &broken), Err(Error::NotFinite { at: 1 })));
    assert!(matches!(graph.insert(Slot(0), &longer), Err(Error::Dimension { found: 4, .. })));
    for (vectors, message) in [(&broken, "number 1 of"), (&longer, "the vector has 4")] {
        let refused = graph.insert_all(&one, vectors, &Pool::here(), &mut |_| true);
        assert!(refused.is_err_and(|it| it.to_string().starts_with(message)));
    }
    assert!(graph.is_empty());
}
