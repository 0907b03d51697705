//! Makes images whose sums are right and whose tables contradict each other, as only a bug of ours could leave them: each
//! is found. And one in which all agrees.

use std::sync::Arc;

use base::{FileId, Row, Sequence, Slot, StoreId};
use disk::SimDisk;
use segments::{Ended, Known, Life, Placed, SlotList, SlotTable, VectorHash};
use snapshot::ImageWriter;

use super::*;
use crate::format::{EndedRow, Outcome};
use crate::image::{self, Collection};
use crate::rows::{RowList, Rows};
use crate::{CollectionConfig, Decimals, Id, Metric};

const STORE: StoreId = StoreId([7; 16]);

fn at(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

/// What is known of the slots: two that are alive, one at rest, one free.
fn slots() -> Vec<(Option<Known>, Option<u64>)> {
    let alive = |number: u64, references| {
        let life = Life::born(at(number));
        let hash = VectorHash::from_raw(number * 100);
        (Some(Known { hash, references, life }), Some(number * 100))
    };
    let life = Life::born(at(3)).freed(at(4));
    let resting = Known { hash: VectorHash::from_raw(5), references: 0, life };
    vec![alive(1, 1), alive(2, 2), (Some(resting), None), (None, None)]
}

fn entry() -> Entry {
    Entry {
        id: CollectionId(7),
        name: "docs".to_owned(),
        config: CollectionConfig::new(4, Metric::L2),
        next_row: Row(5),
        highest: Some(9),
        alive: 2,
        references: 3,
        files: vec![FileId(3)],
    }
}

/// What is found in an image of these rows, slots and this entry.
fn found(
    rows: &[(u64, Id, u32)],
    slots: Vec<(Option<Known>, Option<u64>)>,
    entry: Entry,
) -> Vec<String> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    Manifests::create(Arc::clone(&disk), STORE).unwrap();
    let mut table = Rows::new(Arc::new(RowList::default()), Row(1), None);
    for (row, id, slot) in rows {
        let placed = Placed::Own(Slot(*slot));
        table.apply(at(*row), id, &Outcome::Upserted { row: Row(*row), placed, ended: None });
    }
    // Row 3 is ended.
    let ended = EndedRow { row: Row(3), slot: Slot(2), slot_ended: Ended::Yes };
    table.apply(at(5), &Id::from("gone"), &Outcome::Removed { ended: Some(ended) });
    let mut list = SlotTable::new(Arc::new(SlotList::new(slots))).unwrap();
    let (view, cut) = (table.cut(Some(at(9))), list.cut());
    let collection = Collection { id: entry.id, rows: &view, slots: &cut };
    let into = ImageWriter::create(Arc::clone(&disk), STORE, FileId(1)).unwrap();
    let next = base::CollectionId(9);
    let catalogue = Catalogue { entries: vec![entry], next, notes: Vec::new() };
    let reference = image::write(into, &catalogue, &[collection]).unwrap();
    let image = Image::open(&*disk, STORE, &reference).unwrap();
    let mut tell = |_, _| ();
    let mut report = Report::new(disk.root(), &mut tell);
    assert!(check_image(image, For::Answers, &mut report).unwrap().is_some());
    report.problems.iter().map(|problem| problem.what.clone()).collect()
}

fn rows() -> Vec<(u64, Id, u32)> {
    vec![(1, Id::from(9), 0), (2, Id::from("a"), 1), (3, Id::from("gone"), 2), (4, Id::from(3), 1)]
}

#[test]
fn tables_that_agree_are_sound() {
    assert_eq!(found(&rows(), slots(), entry()), [""; 0]);
}

#[test]
fn tables_that_contradict_each_other_are_found() {
    let complains = |rows: &[(u64, Id, u32)], slots, entry, words: &str| {
        let found = found(rows, slots, entry);
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    };
    let entry_with = |change: fn(&mut Entry)| {
        let mut entry = entry();
        change(&mut entry);
        entry
    };
    let rows_with = |row: (u64, Id, u32)| [rows(), vec![row]].concat();
    complains(&rows(), slots(), entry_with(|it| it.next_row = Row(4)), "above the next");
    complains(&rows(), slots(), entry_with(|it| it.highest = Some(8)), "above the highest");
    let one_more = rows_with((5, Id::from("b"), 0));
    let mut next = entry();
    next.next_row = Row(6);
    complains(&one_more, slots(), next.clone(), "another number of references");
    complains(&rows_with((5, Id::from("b"), 9)), slots(), next.clone(), "a slot that there is not");
    complains(&rows_with((5, Id::from("b"), 3)), slots(), next.clone(), "a free slot");
    complains(&rows_with((5, Id::from("b"), 2)), slots(), next, "another number of references");
    complains(&rows(), slots(), entry_with(|it| it.references = 4), "more or fewer are alive");
    let off = |it: &mut Entry| it.config = it.config.clone().dedup(Dedup::Off);
    complains(&rows(), slots(), entry_with(off), "more keys, or fewer");
    let mut other_key = slots();
    other_key[0].1 = Some(101);
    complains(&rows(), other_key.clone(), entry(), "not that of its slot");
    let decimals = |it: &mut Entry| {
        it.config = it.config.clone().dedup(Dedup::Decimals(Decimals::new(3).unwrap()));
    };
    assert_eq!(found(&rows(), other_key, entry_with(decimals)), [""; 0], "keys are not sums");
}
