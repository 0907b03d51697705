//! Questions at the edge of what can be asked, and what is refused.

use indexes::{
    Effort, Error, Flat, Incomplete, Index, Lent, Memory, Metric, Nearest, Neighbour, Pool, Query,
    Slot, SlotSet, Ties, Unreadable, Vectors,
};

use crate::given::Kind;
use crate::graph::give_back;

/// Small and large enough to have codes.
const DIMS: [usize; 2] = [3, 64];

/// Eighty vectors, and a query.
fn eighty(dim: usize, metric: Metric) -> (Flat, Memory, Vec<f32>) {
    let (memory, mut queries) = Kind::Gaussian.set(dim, 80, 1, 7);
    let flat = Flat::new(dim, metric);
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true).expect("they fit");
    (flat, memory, queries.remove(0))
}

/// Asks alone and together with others; both must agree.
fn ask(flat: &Flat, memory: &Memory, query: Query<'_>) -> Vec<Neighbour> {
    let alone = flat.search(&query, memory).expect("found");
    let together = flat.search_many(&[query; 9], memory, &Pool::here()).expect("found");
    assert!(together.iter().all(|it| it.neighbours == alone.neighbours));
    assert_eq!(alone.incomplete, None);
    alone.neighbours
}

fn each(check: impl Fn(Flat, Memory, Vec<f32>)) {
    for dim in DIMS {
        for metric in Metric::ALL {
            let (flat, memory, query) = eighty(dim, metric);
            check(flat, memory, query);
        }
    }
}

#[test]
fn none_are_found_if_none_are_asked_for() {
    each(|flat, memory, query| {
        assert_eq!(ask(&flat, &memory, Query::new(&query).k(0)), []);
        assert_eq!(ask(&flat, &memory, Query::new(&query).k(0).ties(Ties::Keep)), []);
    });
}

#[test]
fn all_are_found_if_more_are_asked_for() {
    each(|flat, memory, query| {
        for k in [80, 81, 1_000, usize::MAX] {
            assert_eq!(ask(&flat, &memory, Query::new(&query).k(k)).len(), 80, "{k}");
        }
        assert_eq!(ask(&flat, &memory, Query::new(&query)).len(), indexes::K);
    });
}

#[test]
fn nothing_is_found_where_nothing_is() {
    for dim in DIMS {
        for metric in Metric::ALL {
            let (flat, memory) = (Flat::new(dim, metric), Memory::new(dim));
            assert_eq!(ask(&flat, &memory, Query::new(&vec![1.0; dim])), []);
            assert!(flat.is_empty());
        }
    }
    each(|flat, memory, query| {
        assert!((0..80).all(|slot| flat.remove(Slot(slot)).expect("whole")));
        assert_eq!(
            (
                flat.remove(Slot(3)).expect("whole"),
                flat.remove(Slot(1_000_000)).expect("whole"),
                flat.len()
            ),
            (false, false, 0)
        );
        assert_eq!(ask(&flat, &memory, Query::new(&query)), []);
    });
}

#[test]
fn what_is_removed_is_not_found_until_it_is_back() {
    each(|flat, memory, query| {
        let all = ask(&flat, &memory, Query::new(&query).k(80));
        let nearest = all.first().expect("eighty").slot;
        assert!(flat.remove(nearest).expect("whole") && !flat.contains(nearest).expect("whole"));
        let rest = ask(&flat, &memory, Query::new(&query).k(80));
        assert_eq!(all.get(1..), Some(&rest[..]));
        let again = flat.insert(nearest, &memory);
        assert!(matches!(again, Err(Error::NotGivenBack { slot }) if slot == nearest));
        assert_eq!(give_back(&flat, &memory), [nearest]);
        flat.insert(nearest, &memory).expect("it was given back");
        assert_eq!(ask(&flat, &memory, Query::new(&query).k(80)), all);
    });
}

#[test]
fn a_filter_may_admit_none_one_or_all() {
    each(|flat, memory, query| {
        let (none, one) = (SlotSet::new(), SlotSet::from_iter([Slot(17)]));
        let all: SlotSet = (0..200).map(Slot).collect();
        assert_eq!(ask(&flat, &memory, Query::new(&query).filter(&none)), []);
        let found = ask(&flat, &memory, Query::new(&query).filter(&one));
        assert_eq!(found.iter().map(|it| it.slot).collect::<Vec<_>>(), [Slot(17)]);
        let unfiltered = ask(&flat, &memory, Query::new(&query));
        assert_eq!(ask(&flat, &memory, Query::new(&query).filter(&all)), unfiltered);
        let beyond = SlotSet::from_iter([Slot(80), Slot(5_000)]);
        assert_eq!(ask(&flat, &memory, Query::new(&query).filter(&beyond)), []);
    });
}

#[test]
fn what_is_as_far_as_the_threshold_is_in() {
    each(|flat, memory, query| {
        let all = ask(&flat, &memory, Query::new(&query).k(80));
        let third = all.get(2).expect("eighty").distance;
        let within = |distance: f32| ask(&flat, &memory, Query::new(&query).k(80).within(distance));
        assert_eq!((within(third).len(), within(third.next_down()).len()), (3, 2));
        assert_eq!((within(f32::NEG_INFINITY).len(), within(f32::NAN).len()), (0, 0));
        assert_eq!((within(f32::INFINITY).len(), within(f32::MAX).len()), (80, 80));
    });
}

#[test]
fn a_query_that_is_no_vector_of_the_index_is_refused() {
    each(|flat, memory, query| {
        let refused = |vector: &[f32]| {
            let query = Query::new(vector);
            let together = flat.search_many(&[query; 9], &memory, &Pool::here()).map(drop);
            let alone = flat.search(&query, &memory).map(drop);
            assert_eq!(format!("{alone:?}"), format!("{together:?}"));
            alone.expect_err("refused")
        };
        let (dim, longer) = (query.len(), [&query[..], &[0.0]].concat());
        let short = refused(&[]);
        assert!(matches!(short, Error::Dimension { found: 0, expected } if expected == dim));
        assert!(matches!(refused(&longer), Error::Dimension { found, .. } if found == dim + 1));
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut vector = query.clone();
            *vector.last_mut().expect("not empty") = number;
            assert!(matches!(refused(&vector), Error::NotFinite { at } if at == dim - 1));
        }
        let elsewhere = Memory::new(dim + 1);
        let refused = flat.search(&Query::new(&query), &elsewhere).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!("the vector has {} numbers, where the index has {dim}", dim + 1)
        );
    });
}

#[test]
fn a_slot_is_taken_up_once_and_only_with_its_vector() {
    each(|flat, memory, query| {
        let refused = flat.insert(Slot(3), &memory).expect_err("it is there");
        assert!(matches!(refused, Error::There { slot: Slot(3) }));
        let refused =
            flat.insert_all(&SlotSet::from_iter([Slot(3)]), &memory, &Pool::here(), &mut |_| true);
        assert!(matches!(refused, Err(Error::There { slot: Slot(3) })));
        let before = ask(&flat, &memory, Query::new(&query).k(100));
        for refused in [
            flat.insert(Slot(80), &memory),
            flat.insert_all(
                &SlotSet::from_iter([Slot(80), Slot(81)]),
                &memory,
                &Pool::here(),
                &mut |_| true,
            ),
        ] {
            let Err(Error::Unreadable(Unreadable { slot: Slot(80), .. })) = refused else {
                panic!("{refused:?}");
            };
        }
        let other = Memory::new(query.len() + 1);
        assert!(matches!(flat.insert(Slot(90), &other), Err(Error::Dimension { .. })));
        assert_eq!((flat.len(), ask(&flat, &memory, Query::new(&query).k(100))), (80, before));
    });
}

#[test]
fn a_vector_that_cannot_be_read_is_an_error_that_names_it() {
    each(|flat, mut memory, query| {
        assert!(memory.unset(Slot(40)));
        let alone = flat.search(&Query::new(&query).k(80), &memory).map(drop);
        let queries = [Query::new(&query).k(80); 9];
        let together = flat.search_many(&queries, &memory, &Pool::here()).map(drop);
        for refused in [alone, together] {
            let refused = refused.expect_err("it is not there");
            assert_eq!(
                refused.to_string(),
                "the vector in slot 40 cannot be read: there is no vector in it"
            );
        }
    });
}

/// One vector, whatever it is like.
struct Anything(Vec<f32>);

impl Vectors for Anything {
    fn dim(&self) -> usize {
        DIMS[1]
    }

    fn vector(&self, _: Slot) -> Result<Lent<'_>, Unreadable> {
        Ok(self.0.as_slice().into())
    }
}

#[test]
fn many_slots_at_once_are_looked_at_as_closely_as_one() {
    let dim = DIMS[1];
    let [mut none, mut infinite] = [vec![1.0; dim], vec![1.0; dim]];
    none[dim - 1] = f32::NAN;
    infinite[3] = f32::NEG_INFINITY;
    let slots = SlotSet::from_iter([Slot(2)]);
    for vector in [none, infinite, vec![1.0; dim - 1]] {
        let vectors = Anything(vector);
        for new in [Flat::new, Flat::plain] {
            for metric in Metric::ALL {
                let flat = new(dim, metric);
                let one = flat.insert(Slot(2), &vectors).expect_err("it does not fit");
                let all = flat
                    .insert_all(&slots, &vectors, &Pool::here(), &mut |_| true)
                    .map_err(|it| it.to_string());
                assert_eq!((all, flat.len()), (Err(one.to_string()), 0));
            }
        }
    }
}

#[test]
fn a_vector_that_no_filter_admits_is_not_read() {
    each(|flat, mut memory, query| {
        assert!(memory.unset(Slot(40)));
        let others: SlotSet = (0..80).filter(|slot| *slot != 40).map(Slot).collect();
        assert_eq!(ask(&flat, &memory, Query::new(&query).k(80).filter(&others)).len(), 79);
    });
}

#[test]
fn nothing_is_looked_at_if_none_are_asked_for() {
    each(|flat, memory, query| {
        let found = flat.search(&Query::new(&query).k(0), &memory).expect("found");
        assert_eq!(found, Nearest::default());
    });
}

#[test]
fn a_budget_that_is_too_small_says_so() {
    each(|flat, memory, query| {
        let all = flat.search(&Query::new(&query).budget(80), &memory).expect("found");
        assert_eq!((all.incomplete, all.work.looked_at), (None, 80));
        let some = flat.search(&Query::new(&query).k(80).budget(70), &memory).expect("found");
        assert_eq!((some.incomplete, some.neighbours.len()), (Some(Incomplete::Budget), 70));
        assert!(some.neighbours.iter().all(|it| it.slot < Slot(70)));
        let none = flat.search(&Query::new(&query).budget(0), &memory).expect("found");
        assert_eq!((none.incomplete, none.neighbours.len()), (Some(Incomplete::Budget), 0));
        assert_eq!(none.work, Effort::default());
        let together = [Query::new(&query).k(80).budget(70); 9];
        let together = flat.search_many(&together, &memory, &Pool::here()).expect("found");
        assert!(together.iter().all(|it| *it == some));
    });
}

#[test]
fn ties_are_in_the_order_of_their_slots_and_kept_if_asked_for() {
    for dim in DIMS {
        let (mut memory, flat) = (Memory::new(dim), Flat::new(dim, Metric::L2));
        for slot in [9, 4, 70, 2, 300] {
            let number = if slot == 300 { 0.5 } else { 1.0 };
            memory.set(Slot(slot), &vec![number; dim]).expect("it fits");
            flat.insert(Slot(slot), &memory).expect("it is new");
        }
        let query = vec![0.5; dim];
        let slots = |query: Query<'_>| {
            let found = ask(&flat, &memory, query);
            found.iter().map(|it| it.slot.0).collect::<Vec<_>>()
        };
        assert_eq!(slots(Query::new(&query).k(3)), [300, 2, 4]);
        assert_eq!(slots(Query::new(&query).k(3).ties(Ties::Keep)), [300, 2, 4, 9, 70]);
        assert_eq!(slots(Query::new(&query).k(1).ties(Ties::Keep)), [300]);
    }
}

#[test]
fn slots_that_lie_far_apart_are_found() {
    for dim in DIMS {
        let (mut memory, flat) = (Memory::new(dim), Flat::new(dim, Metric::Cosine));
        for slot in [0, 63, 64, 4_095, 4_096, 20_000] {
            memory.set(Slot(slot), &vec![slot as f32 + 1.0; dim]).expect("it fits");
            flat.insert(Slot(slot), &memory).expect("it is new");
        }
        let found = ask(&flat, &memory, Query::new(&vec![1.0; dim]));
        let mut slots: Vec<_> = found.iter().map(|it| it.slot.0).collect();
        slots.sort_unstable();
        assert_eq!(slots, [0, 63, 64, 4_095, 4_096, 20_000]);
        assert!(memory.vector(Slot(20_001)).is_err());
    }
}

#[test]
fn statistics_say_what_it_is() {
    let (flat, ..) = eighty(64, Metric::Cosine);
    let statistics = flat.statistics();
    assert_eq!((statistics.kind, statistics.slots, statistics.dim), ("flat", 80, 64));
    assert_eq!(
        (statistics.measure.as_str(), statistics.instructions),
        ("cosine", indexes::instructions())
    );
    let (plain, ..) = eighty(3, Metric::Cosine);
    assert!(statistics.bytes > plain.statistics().bytes);
}

#[test]
fn taking_up_many_can_be_stopped_and_what_was_taken_up_stays() {
    let (memory, _) = Kind::Gaussian.set(3, 40_000, 0, 15);
    let flat = Flat::new(3, Metric::L2);
    let mut told = Vec::new();
    let mut progress = |done| {
        told.push(done);
        done < 10_000
    };
    flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut progress).expect("stopped");
    assert_eq!((told, flat.len()), (vec![8_192, 16_384], 16_384));
    let again = flat.insert_all(memory.slots(), &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(again, Err(Error::There { slot: Slot(0) })));
    let has = |slot: &Slot| flat.contains(*slot).expect("whole");
    let rest: SlotSet = memory.slots().iter().filter(|slot| !has(slot)).collect();
    flat.insert_all(&rest, &memory, &Pool::here(), &mut |_| true).expect("they fit");
    assert!(flat.len() == 40_000 && memory.slots().iter().all(|slot| has(&slot)));
    // What comes before what is not there stays, in portions; what is there already is seen before any.
    let mut memory = memory;
    assert!(memory.unset(Slot(30_000)));
    let flat = Flat::new(3, Metric::L2);
    let all = (0..40_000).map(Slot).collect();
    let broken = flat.insert_all(&all, &memory, &Pool::here(), &mut |_| true);
    assert!(matches!(broken, Err(Error::Unreadable(_))) && flat.len() == 3 * 8_192);
}
