//! Writes images and reads them again: the same answers as from the lists they were made of.

use std::sync::Arc;

use base::{FileId, Row, Sequence, Slot, StoreId};
use disk::{Disk, SimDisk};
use segments::{
    Ended, HeapList, Known, Life, PayloadPlace, Placed, SlotBase, SlotList, SlotTable, VectorHash,
};
use snapshot::{ImageWriter, Manifests};

use super::format::{IdPlace, Link, Stored, decode_row, decode_slot, encode_row, encode_slot};
use super::*;
use crate::format::{EndedRow, Outcome};
use crate::rows::{Current, RowBase, RowList, Rows};
use crate::{CollectionConfig, Id, Metric};

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// Rows of all kinds of ids, two of each slot, some of them ended: all those of slots that are free or at rest.
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
        if matches!(number % 10, 0..=3 | 5) {
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
        let references = if number % 5 == 2 { 1 } else { 2 };
        let known = Known { hash: VectorHash::from_raw(number / 3), references, life };
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

/// The ids of 300 rows in their order, how many come up to each, and some that are not there.
fn check_order(found: &ImageRows) {
    let in_order = |nth| found.id_at(found.in_order(nth).unwrap()).unwrap();
    let ids: Vec<Id> = (0..300).map(in_order).collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
    for (id, nth) in ids.iter().zip(1..) {
        assert_eq!(found.up_to(id).unwrap(), nth);
    }
    let others = [Id::from(100_000), Id::from([7; 16]), Id::from("id 0"), Id::from("id 5")];
    for id in others.into_iter().chain([Id::from("a"), Id::from("zz")]) {
        assert_eq!(found.find(&id).unwrap(), None, "{id}");
    }
    assert_eq!(found.up_to(&Id::from(0)).unwrap(), 0, "it was removed");
    assert_eq!(found.up_to(&Id::from("zz")).unwrap(), 300);
}

/// The rows of each slot, the last one first; and of some that there are not.
fn check_chains(found: &ImageRows) {
    let mut by_slot = vec![Vec::new(); 310];
    for at in 0..found.rows() {
        let row = found.row_at(at).unwrap();
        by_slot[row.slot.0 as usize].insert(0, (at, row));
    }
    for (slot, rows) in (0..).map(Slot).zip(by_slot) {
        let mut next = found.last_of(slot).unwrap();
        for (at, row) in rows {
            assert_eq!(next, Some(at));
            let (has, before) = found.of_slot(slot, at).unwrap();
            assert_eq!(has, row);
            next = before;
        }
        assert_eq!(next, None, "{slot:?}");
    }
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

/// Reads the example from the document.
#[test]
fn the_example_of_the_format_document_holds() {
    let document = include_str!("../../../FORMAT.md");
    let (_, section) = document.split_once("Worked example of two rows and their slot").unwrap();
    let lines = section.lines().filter(|line| line.starts_with("    ") && line.contains('|'));
    let hex = lines.take(8).flat_map(|line| {
        let (bytes, _) = line.split_once('|').unwrap();
        bytes.split_whitespace().skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap())
    });
    let bytes: Vec<u8> = hex.collect();
    let has = |row, born, payload| Current {
        row: Row(row),
        slot: Slot(1),
        payload,
        born: sequence(born),
    };
    let payload = Some(PayloadPlace { address: 64, length: 5 });
    let rows = [
        Stored { has: has(7, 12, None), id: IdPlace::Number(9), before: None },
        Stored {
            has: has(8, 13, payload),
            id: IdPlace::Text { offset: 0, length: 3 },
            before: Link::to(0),
        },
    ];
    let hash = VectorHash::from_raw(0x0102_0304_0506_0708);
    let known = Known { hash, references: 2, life: Life::born(sequence(12)) };
    let last = Link::to(1);
    let [first, second] = rows.map(|row| encode_row(&row));
    let slot = encode_slot(Some(&known), last);
    let encoded = [&first[..], &second, &slot].concat();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    assert_eq!(hex(&bytes), hex(&encoded));
    let decoded = [first, second].map(|bytes| decode_row(bytes.first_chunk().unwrap()).unwrap());
    assert_eq!(decoded, rows);
    assert_eq!(decode_slot(slot.first_chunk().unwrap()), Ok(Some((known, last))));
}

#[test]
fn links_lead_to_as_many_rows_as_there_are_numbers_for() {
    let last = u64::from(u32::MAX) - 1;
    assert_eq!(Link::to(last).map(Link::place), Some(last));
    assert_eq!((Link::to(last + 1), Link::to(u64::MAX)), (None, None));
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
        floor: sequence(3).into(),
        files: vec![FileId(3)],
        heap: HeapList::default(),
    };
    let next = CollectionId(8);
    let catalogue = Catalogue { entries: vec![entry], next, notes: Vec::new() };
    let mut into = ImageWriter::create(Arc::clone(&disk), store, FileId(1)).unwrap();
    let events = crate::index::EventsCut::default();
    let written = Collection { id: collection, rows: &view, slots: &cut, events: &events };
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
        assert_eq!(found.row_at(count)?, Current { payload, ..has });
        assert_eq!(found.id_at(count)?, id);
        count += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!((found.rows(), count), (300, 300));
    check_order(&found);
    check_chains(&found);
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
