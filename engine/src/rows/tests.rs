//! Holds rows against a map for each batch: views at any number, cuts, descriptions, and the same again from the log.

use std::collections::BTreeMap;

use proptest::prelude::*;
use segments::{Ended, Placed};

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Upsert(u8),
    Update(u8),
    Remove(u8),
    View,
    Cut,
    Rebase,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..12_u8).prop_map(Op::Upsert),
        3 => (0..12_u8).prop_map(Op::Update),
        3 => (0..12_u8).prop_map(Op::Remove),
        2 => Just(Op::View),
        1 => Just(Op::Cut),
        1 => Just(Op::Rebase),
    ]
}

fn id(number: u8) -> Id {
    if number.is_multiple_of(3) {
        Id::from(format!("text {number}"))
    } else {
        Id::from(u64::from(number))
    }
}

/// By slot, the rows that one sees by going through all of them, against those that one sees by their slot.
fn check_slots(view: &RowsView, slots: u32) {
    let mut by_slot: BTreeMap<u32, Vec<Seen>> = BTreeMap::new();
    view.for_each(|seen| {
        by_slot.entry(seen.slot.0).or_default().insert(0, seen);
        Ok(())
    })
    .unwrap();
    for slot in (0..slots).chain([u32::MAX]) {
        let mut found = Vec::new();
        view.rows_of(Slot(slot), |seen| {
            found.push(seen);
            Ok(())
        })
        .unwrap();
        let expected = by_slot.remove(&slot).unwrap_or_default();
        assert_eq!(found, expected, "each once, the last one first");
        assert_eq!(view.sees(Slot(slot)).unwrap(), !expected.is_empty());
    }
    assert_eq!(by_slot, BTreeMap::new());
}

/// What each id has.
type Map = BTreeMap<Id, Current>;

/// What a view sees of it, by each of its ways.
fn seen(view: &RowsView) -> Map {
    let mut map = Map::new();
    view.for_each(|seen| {
        let id = view.id_of(&seen)?.unwrap();
        let has = view.has(&seen)?.unwrap();
        assert!(Some(has.born) <= view.at());
        assert_eq!((has.row, has.slot), (seen.row, seen.slot));
        assert_eq!(map.insert(id, has), None, "an id has two rows");
        Ok(())
    })
    .unwrap();
    assert_eq!(view.count(), map.len() as u64);
    check_slots(view, SLOTS);
    let in_order = |after: Option<Id>| {
        let mut ordered = Ordered::begin(view.clone(), after.as_ref()).unwrap();
        let next = move || ordered.next().unwrap();
        let found = std::iter::from_fn(next).map(|(id, seen)| {
            assert_eq!(view.id_of(&seen).unwrap().as_ref(), Some(&id));
            (id, view.has(&seen).unwrap().unwrap())
        });
        found.collect::<Vec<_>>()
    };
    let all: Vec<_> = map.iter().map(|(id, current)| (id.clone(), *current)).collect();
    assert_eq!(in_order(None), all, "each once, the lowest first");
    for number in 0..12 {
        let behind = all.partition_point(|(it, _)| *it <= id(number));
        assert_eq!(in_order(Some(id(number))), all[behind..]);
        assert_eq!(view.get(&id(number)).unwrap(), map.get(&id(number)).copied(), "id {number}");
    }
    map
}

fn described(view: &RowsView) -> RowList {
    let mut rows = Vec::new();
    view.for_each(|seen| {
        rows.push((view.has(&seen)?.unwrap(), view.id_of(&seen)?.unwrap()));
        Ok(())
    })
    .unwrap();
    assert!(rows.is_sorted_by_key(|(row, _)| row.row));
    RowList::new(rows)
}

/// So few that many ids share one.
const SLOTS: u32 = 5;

/// An outcome as a store decides it.
fn decide(rows: &Rows, op: &Op, at: u64) -> Option<(Id, Outcome)> {
    let id = match op {
        Op::Upsert(number) | Op::Update(number) | Op::Remove(number) => id(*number),
        _ => return None,
    };
    let current = rows.current(&id).unwrap();
    let slot_ended = if matches!(op, Op::Update(_)) { Ended::No } else { Ended::Yes };
    let ended = current.map(|Current { row, slot, payload, .. }| EndedRow {
        row,
        slot,
        slot_ended,
        payload,
    });
    let placed = Placed::Own(Slot(at as u32 * 7 % SLOTS));
    let place = PayloadPlace { address: at * 16, length: 1 };
    let (row, payload) = (rows.next(), Some(place).filter(|_| !at.is_multiple_of(3)));
    let outcome = match op {
        Op::Upsert(_) => Outcome::Upserted { row, placed, payload, ended },
        Op::Update(_) => Outcome::Updated { row, payload, ended: ended? },
        _ => Outcome::Removed { ended },
    };
    Some((id, outcome))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn views_see_the_batches_up_to_theirs(ops in prop::collection::vec(any_op(), 0..80)) {
        let mut rows = Rows::new(Arc::new(RowList::default()), Row(1), None);
        let mut map = Map::new();
        let (mut views, mut cut, mut log) = (Vec::new(), None, Vec::new());
        let mut start = (RowList::default(), Row(1), 0);
        for (number, op) in (1..).zip(&ops) {
            let at = Sequence::new(number).unwrap();
            if let Some((id, outcome)) = decide(&rows, op, number) {
                rows.apply(at, &id, &outcome);
                match outcome {
                    Outcome::Upserted { row, placed, payload, .. } => {
                        let slot = placed.slot();
                        map.insert(id.clone(), Current { row, slot, payload, born: at });
                    }
                    Outcome::Updated { row, payload, ended } => {
                        let slot = ended.slot;
                        map.insert(id.clone(), Current { row, slot, payload, born: at });
                    }
                    _ => drop(map.remove(&id)),
                }
                log.push((at, id, outcome));
            }
            match op {
                Op::View => views.push((rows.view(Some(at)), map.clone())),
                Op::Cut => cut = Some((rows.cut(Some(at)), rows.next(), log.len())),
                Op::Rebase => {
                    if let Some((view, next, length)) = cut.take() {
                        let list = described(&view);
                        start = (list.clone(), next, length);
                        rows.rebase(Arc::new(list));
                    }
                }
                _ => {}
            }
            prop_assert_eq!(rows.alive() as usize, map.len());
            prop_assert_eq!(&seen(&rows.view(Some(at))), &map);
        }
        for (view, map) in &views {
            prop_assert_eq!(&seen(view), map, "the view at {:?} changed", view.at());
        }
        let (list, next, length) = start;
        let mut again = Rows::new(Arc::new(list), next, None);
        for (at, id, outcome) in &log[length..] {
            again.apply(*at, id, outcome);
        }
        prop_assert_eq!(seen(&again.view(Sequence::new(u64::MAX))), map);
        prop_assert_eq!(again.next(), rows.next());
    }
}
