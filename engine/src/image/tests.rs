//! Writes images and reads them again: the same answers as from the lists they were made of.

use std::sync::Arc;

use base::{FileId, Row, Sequence, Slot, StoreId};
use disk::{Disk, SimDisk};
use segments::{
    Ended, HeapList, Known, Life, PayloadPlace, Placed, SlotBase, SlotList, SlotTable, VectorHash,
};
use snapshot::{ImageWriter, Manifests};

use super::*;
use crate::format::{EndedRow, Outcome};
use crate::rows::{RowBase, RowList, Rows};
use crate::{CollectionConfig, Id, Metric};

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// Rows of all kinds of ids, some of them ended.
fn rows() -> Rows {
    let mut rows = Rows::new(Arc::new(RowList::default()), Row(1), None);
    for number in 0..600_u64 {
        let id = match number % 3 {
            0 => Id::from(number * 7 % 601),
            1 => Id::from([
                number as u8,
                (number >> 8) as u8,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                9,
            ]),
            _ => Id::from(format!("id {number}")),
        };
        let placed = Placed::Own(Slot(number as u32 / 2));
        let place = PayloadPlace { address: number * 16, length: 1 };
        let payload = Some(place).filter(|_| number.is_multiple_of(4));
        let outcome = Outcome::Upserted { row: rows.next(), placed, payload, ended: None };
        rows.apply(sequence(number + 1), &id, &outcome);
        if number.is_multiple_of(5) {
            let current = rows.current(&id).unwrap().unwrap();
            let (row, slot) = (current.row, current.slot);
            let ended = EndedRow { row, slot, slot_ended: Ended::No, payload: current.payload };
            rows.apply(sequence(number + 1), &id, &Outcome::Removed { ended: Some(ended) });
        }
    }
    rows
}

fn slots() -> SlotList {
    let known = |number: u64| {
        let life = Life::born(sequence(number + 1));
        let known = Known { hash: VectorHash::from_raw(number / 3), references: 2, life };
        match number % 5 {
            0 => (None, None),
            1 => {
                let life = life.freed(sequence(1_000 - number));
                (Some(Known { references: 0, life, ..known }), None)
            }
            _ => (Some(known), Some(number / 3)),
        }
    };
    SlotList::new((0..300).map(known))
}

/// The ids of 480 rows in their order, how many come up to each, and some that are not there.
fn check_order(found: &ImageRows) {
    let in_order = |nth| found.id_at(found.in_order(nth).unwrap()).unwrap();
    let ids: Vec<Id> = (0..480).map(in_order).collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
    for (id, nth) in ids.iter().zip(1..) {
        assert_eq!(found.up_to(id).unwrap(), nth);
    }
    let others = [Id::from(100_000), Id::from([7; 16]), Id::from("id 0"), Id::from("id 5")];
    for id in others.into_iter().chain([Id::from("a"), Id::from("zz")]) {
        assert_eq!(found.find(&id).unwrap(), None, "{id}");
    }
    assert_eq!(found.up_to(&Id::from(0)).unwrap(), 0, "it was removed");
    assert_eq!(found.up_to(&Id::from("zz")).unwrap(), 480);
}

/// Under each key the same slots are found.
fn check_keys(found: &ImageSlots, list: &SlotList) {
    for key in 0..110 {
        let all = |base: &dyn SlotBase| {
            let mut slots = Vec::new();
            base.find(key, &mut |slot| {
                slots.push(slot);
                Ok(false)
            })
            .unwrap();
            slots
        };
        assert_eq!(all(found), all(list));
    }
}

#[test]
fn an_image_answers_as_what_it_was_made_of() {
    let store = StoreId([7; 16]);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    Manifests::create(Arc::clone(&disk), store).unwrap();
    let collection = CollectionId(7);
    let (mut rows, list) = (rows(), slots());
    let mut table = SlotTable::new(Arc::new(list.clone())).unwrap();
    let (view, cut) = (rows.cut(Some(sequence(600))), table.cut());
    let entry = Entry {
        id: collection,
        name: "docs".to_owned(),
        config: CollectionConfig::new(4, Metric::L2),
        next_row: rows.next(),
        highest: rows.highest(),
        alive: list.alive(),
        references: list.references(),
        files: vec![FileId(3)],
        heap: HeapList::default(),
    };
    let next = CollectionId(8);
    let catalogue = Catalogue { entries: vec![entry], next, notes: Vec::new() };
    let mut into = ImageWriter::create(Arc::clone(&disk), store, FileId(1)).unwrap();
    let written = Collection { id: collection, rows: &view, slots: &cut };
    let moved = |it: PayloadPlace| PayloadPlace { address: it.address + 1_600, ..it };
    write_collection(&mut into, &written, |place| Ok(moved(place))).unwrap();
    let reference = finish(into, &catalogue).unwrap();

    let image = snapshot::Image::open(&*disk, store, &reference).unwrap();
    assert_eq!(read_catalogue(&image).unwrap(), catalogue);
    let found = ImageRows::open(&image, collection).unwrap();
    let mut count = 0;
    view.for_each(|seen| {
        let id = view.id_of(&seen)?.unwrap();
        assert_eq!(found.find(&id)?, Some(count));
        let has = view.has(&seen)?.unwrap();
        assert_eq!((has.row, has.slot), (seen.row, seen.slot));
        let payload = has.payload.map(moved);
        assert_eq!(found.row_at(count)?, crate::rows::Current { payload, ..has });
        assert_eq!(found.id_at(count)?, id);
        count += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!((found.rows(), count), (480, 480));
    check_order(&found);
    let found = ImageSlots::open(&image, collection, (list.alive(), list.references())).unwrap();
    assert_eq!((found.slots(), found.keys()), (300, list.keys()));
    assert_eq!((found.free(), found.resting()), (60, 60));
    for number in 0..300 {
        assert_eq!(found.known(Slot(number)).unwrap(), list.known(Slot(number)).unwrap());
    }
    for at in 0..list.keys() {
        assert_eq!(found.key_at(at).unwrap(), list.key_at(at).unwrap());
    }
    for at in 0..60 {
        assert_eq!(found.free_at(at).unwrap(), list.free_at(at).unwrap());
        assert_eq!(found.resting_at(at).unwrap(), list.resting_at(at).unwrap());
    }
    check_keys(&found, &list);
}
