//! Hash tables of hardly anything, of the same thing many times, and of what is refused.

use indexes::{
    Error, Index, Lent, Lsh, LshConfig, Memory, Metric, Pool, Query, Slot, SlotSet, Ties,
    Unreadable, Vectors,
};

use crate::given::{KINDS, Kind};
use crate::graph::{give_back, pool};
use crate::lsh::{by_tables, few, lsh_with};

#[test]
fn every_kind_of_vector_is_found_by_itself() {
    for kind in KINDS {
        for (dim, count) in [(1, 200), (16, 300), (64, 300)] {
            for metric in Metric::ALL {
                let (memory, queries) = kind.set(dim, count, 5, 31);
                let lsh = lsh_with(&memory, metric, few());
                for vector in &queries {
                    for k in [1, 10, count, count + 1, usize::MAX] {
                        for query in [Query::new(vector).k(k), by_tables(vector).k(k)] {
                            let found = lsh.search(&query, &memory).expect("found");
                            let all = found.neighbours.len() == k.min(count);
                            let once = found.neighbours.is_sorted_by(|one, next| one < next);
                            let whole = all && once;
                            assert!(whole, "{kind:?} {metric} {dim} {k}");
                        }
                    }
                    let none = lsh.search(&by_tables(vector).k(0), &memory).expect("found");
                    assert_eq!(none, Default::default());
                }
            }
        }
    }
}

#[test]
fn nothing_and_one_vector_are_indexes_too() {
    for dim in [1, 48, 4_096] {
        for metric in Metric::ALL {
            let mut memory = Memory::new(dim);
            let lsh = Lsh::new(dim, metric, LshConfig::default()).expect("a metric");
            let query = vec![0.5; dim];
            let find = |memory: &Memory| lsh.search(&by_tables(&query), memory).expect("found");
            assert!(find(&memory).neighbours.is_empty() && lsh.is_empty());
            assert!(!lsh.remove(Slot(5)).expect("whole") && give_back(&lsh, &memory).is_empty());
            memory.set(Slot(5), &vec![1.0; dim]).expect("it fits");
            lsh.insert(Slot(5), &memory).expect("it is new");
            let slots: Vec<_> = find(&memory).neighbours.iter().map(|it| it.slot.0).collect();
            assert_eq!((slots, lsh.len(), lsh.dim()), (vec![5], 1, dim));
            assert!(lsh.remove(Slot(5)).expect("whole") && !lsh.remove(Slot(5)).expect("whole"));
            assert!(find(&memory).neighbours.is_empty());
        }
    }
}

#[test]
fn many_numbers_are_no_hindrance() {
    let (memory, vectors) = Kind::Clustered.set(4_096, 200, 5, 33);
    let lsh = lsh_with(&memory, Metric::Cosine, few());
    for vector in &vectors {
        assert_eq!(
            lsh.search(&by_tables(vector).k(5), &memory).expect("found").neighbours.len(),
            5
        );
    }
}

#[test]
fn slots_may_lie_far_apart() {
    let (mut memory, slots) = (Memory::new(3), [0, 63, 64, 4_096, 20_000, 1_000_000]);
    let config = few().tables_from(0);
    assert_eq!(config.tables_from, 16);
    for slot in (0..30).map(|at| 100 + 7 * at).chain(slots) {
        memory.set(Slot(slot), &[slot as f32, 1.0, (slot % 13) as f32]).expect("it fits");
    }
    let lsh = lsh_with(&memory, Metric::L2, config);
    for slot in slots {
        let vector = memory.vector(Slot(slot)).expect("it is there").to_vec();
        let found = lsh.search(&by_tables(&vector).k(1), &memory).expect("found");
        assert_eq!(found.neighbours[0].slot.0, slot);
    }
}

#[test]
fn ties_are_in_the_order_of_their_slots_and_kept_if_asked_for() {
    let (mut memory, count) = (Memory::new(64), 300);
    (0..count).for_each(|slot| {
        memory.set(Slot(slot), &[if slot % 3 == 0 { 0.5 } else { 1.0 }; 64]).expect("it fits");
    });
    let lsh = lsh_with(&memory, Metric::L2, few());
    let query = by_tables(&[0.5; 64]).k(3);
    let slots = |query: Query<'_>| {
        let found = lsh.search(&query, &memory).expect("found").neighbours;
        found.iter().map(|it| it.slot.0).collect::<Vec<_>>()
    };
    let exactly = query.strategy(indexes::Strategy::Exact);
    assert_eq!(slots(exactly), [0, 3, 6]);
    assert_eq!(slots(exactly.ties(Ties::Keep)).len(), 100);
    assert!(slots(query).iter().all(|slot| slot % 3 == 0));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (memory, vectors) = Kind::Gaussian.set(64, 300, 1, 34);
    let lsh = lsh_with(&memory, Metric::L2, few());
    let [vector] = &vectors[..] else { panic!("one query") };
    let before = lsh.search(&by_tables(vector), &memory).expect("found");
    assert!(matches!(lsh.insert(Slot(3), &memory), Err(Error::There { slot: Slot(3) })));
    assert!(matches!(lsh.insert(Slot(400), &memory), Err(Error::Unreadable(_))));
    let other = Memory::new(3);
    assert!(matches!(lsh.insert(Slot(400), &other), Err(Error::Dimension { .. })));
    assert!(matches!(lsh.step(&other, 9), Err(Error::Dimension { .. })));
    let some = SlotSet::from_iter([Slot(400), Slot(2)]);
    let all = lsh.insert_all(&some, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(all, Err(Error::There { slot: Slot(2) })));
    let some = SlotSet::from_iter([Slot(400), Slot(401)]);
    let all = lsh.insert_all(&some, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(all, Err(Error::Unreadable(_))));
    let wrong = lsh.search(&Query::new(&[1.0]), &memory);
    assert!(matches!(wrong, Err(Error::Dimension { found: 1, expected: 64 })));
    let wrong = lsh.search_many(&[Query::new(&[f32::NAN; 64])], &memory, &Pool::here());
    assert!(matches!(wrong, Err(Error::NotFinite { at: 0 })));
    assert!(lsh.remove(Slot(7)).expect("whole"));
    assert!(matches!(lsh.insert(Slot(7), &memory), Err(Error::NotGivenBack { slot: Slot(7) })));
    assert_eq!(give_back(&lsh, &memory), [Slot(7)]);
    lsh.insert(Slot(7), &memory).expect("it was given back");
    let found = lsh.search(&by_tables(vector), &memory).expect("found");
    assert_eq!((found.neighbours, lsh.len()), (before.neighbours, 300));
}

/// What cannot be read any more is told of, stays out of the tables, and spoils nothing else.
#[test]
fn a_vector_that_cannot_be_read_any_more_spoils_nothing() {
    for dim in [16, 64] {
        let (mut memory, _) = Kind::Gaussian.set(dim, 400, 1, 35);
        let lsh = Lsh::new(dim, Metric::L2, few()).expect("a metric");
        (0..400).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it is new"));
        (0..400).step_by(9).for_each(|slot| assert!(memory.unset(Slot(slot))));
        let (mut told, mut goes_on) = (0, true);
        // Once for each that cannot be read, and once for each that is held out and has such a neighbour: here for all.
        while goes_on && told < 1_000 {
            match lsh.step(&memory, 2_000) {
                Ok(step) => goes_on = step.more,
                Err(Error::Unreadable(_)) => told += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(told > 0 && !goes_on, "it comes to an end");
        // None could be held out, and what that leaves is an image, too.
        let mut image = Vec::new();
        lsh.encode(&mut image);
        let opened = Lsh::open(image.clone(), &Metric::L2.into()).expect("its own image");
        let tuned = opened.statistics().tuned;
        assert_eq!(tuned, lsh.statistics().tuned);
        assert!(tuned.is_some_and(|it| (it.slots, it.candidates, it.recall) == (400, 400, 1.0)));
        opened.take_over().expect("whole");
        let mut again = Vec::new();
        opened.encode(&mut again);
        assert!(again == image);
        let readable = |slot: Slot| !slot.0.is_multiple_of(9);
        let vector = memory.vector(Slot(10)).expect("it is there").to_vec();
        let some: SlotSet = (0..400).map(Slot).filter(|slot| readable(*slot)).collect();
        let found = lsh.search(&by_tables(&vector).filter(&some), &memory).expect("found");
        assert_eq!((found.neighbours.len(), found.neighbours[0].slot), (10, Slot(10)));
        let gone: Vec<_> = (0..400).step_by(9).map(Slot).collect();
        gone.iter().for_each(|slot| assert!(lsh.remove(*slot).expect("whole")));
        assert_eq!(give_back(&lsh, &memory), gone);
        let found = lsh.search(&Query::new(&vector).k(400), &memory).expect("found");
        assert_eq!(found.neighbours.len(), 400 - gone.len());
    }
}

/// It is told of by a step behind, if something goes wrong in the one that gave it back.
#[test]
fn what_is_given_back_is_told_of_whatever_goes_wrong() {
    let (mut memory, _) = Kind::Gaussian.set(16, 400, 1, 37);
    let lsh = Lsh::new(16, Metric::L2, few()).expect("a metric");
    (0..400).for_each(|slot| lsh.insert(Slot(slot), &memory).expect("it is new"));
    let gone: Vec<_> = (0..400).step_by(10).map(Slot).collect();
    gone.iter().for_each(|slot| assert!(lsh.remove(*slot).expect("whole")));
    (5..400).step_by(10).for_each(|slot| assert!(memory.unset(Slot(slot))));
    let (mut told, mut given_back, mut goes_on) = (0, Vec::new(), true);
    while goes_on && told < 1_000 {
        match lsh.step(&memory, 20_000) {
            Ok(step) => {
                goes_on = step.more;
                given_back.extend(step.given_back);
            }
            Err(Error::Unreadable(_)) => told += 1,
            Err(error) => panic!("{error}"),
        }
    }
    given_back.sort_unstable();
    assert!(told > 0 && given_back == gone, "{told}: {given_back:?}");
}

#[test]
fn taking_up_many_can_be_stopped_and_what_was_taken_up_stays() {
    let (memory, vectors) = Kind::Gaussian.set(8, 20_000, 3, 36);
    let lsh = Lsh::new(8, Metric::L2, LshConfig::default()).expect("a metric");
    let mut told = Vec::new();
    let mut progress = |done| {
        told.push(done);
        false
    };
    lsh.insert_all(memory.slots(), &memory, &Pool::here(), &mut progress).expect("stopped");
    assert_eq!((told, lsh.len(), lsh.statistics().tuned), (vec![8_192], 8_192, None));
    let rest: SlotSet = (8_192..20_000).map(Slot).collect();
    lsh.insert_all(&rest, &memory, &pool(2), &mut |_| true).expect("they fit");
    assert_eq!(lsh.statistics().tuned.map(|it| it.slots), Some(20_000));
    for vector in &vectors {
        assert_eq!(lsh.search(&by_tables(vector), &memory).expect("found").neighbours.len(), 10);
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
    let lsh = Lsh::new(3, Metric::L2, LshConfig::default()).expect("a metric");
    let one = SlotSet::from_iter([Slot(0)]);
    assert!(matches!(lsh.insert(Slot(0), &broken), Err(Error::NotFinite { at: 1 })));
    assert!(matches!(lsh.insert(Slot(0), &longer), Err(Error::Dimension { found: 4, .. })));
    for (vectors, message) in [(&broken, "number 1 of"), (&longer, "the vector has 4")] {
        let refused = lsh.insert_all(&one, vectors, &Pool::here(), &mut |_| true);
        assert!(refused.is_err_and(|it| it.to_string().starts_with(message)));
    }
    assert!(lsh.is_empty());
}

#[test]
fn a_configuration_is_kept_within_its_limits() {
    let config = LshConfig::default();
    let wild = config.num_tables(0).functions(100).probes(0).target_recall(f32::NAN);
    let limits = (wild.num_tables, wild.functions, wild.probes, wild.target_recall);
    assert_eq!(limits, (1, Some(22), Some(1), 1.0));
    let mut set = config;
    (set.num_tables, set.functions, set.target_recall) = (10_000, Some(0), -3.0);
    let kept = Lsh::new(3, Metric::L2, set).expect("a metric").config();
    assert_eq!((kept.num_tables, kept.functions, kept.target_recall), (256, Some(1), 0.0));
    let figures = Lsh::new(3, Metric::Dot, config).expect("a metric").statistics();
    assert_eq!((figures.kind, figures.measure.as_str(), figures.tuned), ("lsh", "dot", None));
}
