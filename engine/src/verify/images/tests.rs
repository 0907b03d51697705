//! Makes images whose sums are right and whose tables contradict each other, as only a bug of ours could leave them: each
//! is found. And one in which all agrees.

use std::sync::Arc;

use base::{FileId, Row, Sequence, Slot, StoreId};
use disk::SimDisk;
use segments::{
    Ended, HeapList, HeapOwner, Known, Life, PayloadHeap, PayloadPlace, Placed, SlotList,
    SlotTable, VectorHash,
};
use snapshot::{ImageRef, ImageWriter};

use super::*;
use crate::format::{EndedRow, Outcome};
use crate::image::{self, Collection};
use crate::rows::{RowList, Rows};
use crate::{CollectionConfig, Dedup, Id, Metric};

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

/// Two payloads of 40 bytes, of which one is alive.
fn heap() -> HeapList {
    let heap = PayloadHeap::in_memory(HeapOwner { store: STORE, collection: CollectionId(7) });
    heap.grow(FileId(4), 0).unwrap();
    let mut batch = heap.batch();
    let [_, second] = [40, 40].map(|bytes| batch.reserve(bytes).unwrap());
    batch.release(second);
    batch.keep();
    heap.list()
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
        // All of them happened before.
        floor: Some(at(9)),
        files: vec![FileId(3)],
        heap: heap(),
    }
}

/// What is found in an image of these rows, slots and this entry.
fn found(
    rows: &[(u64, Id, u32)],
    slots: Vec<(Option<Known>, Option<u64>)>,
    entry: Entry,
) -> Vec<String> {
    found_with(rows, Some(PayloadPlace { address: 0, length: 40 }), slots, entry)
}

/// What is found in an image where an entry of a table has another link, under sums that are right.
fn found_linked((table, at): (&str, usize), link: u8) -> Vec<String> {
    let first = Some(PayloadPlace { address: 0, length: 40 });
    let (disk, sound) = written(&rows(), first, slots(), entry());
    let image = Image::open(&*disk, STORE, &sound).unwrap();
    let mut into = ImageWriter::create(Arc::clone(&disk), STORE, FileId(2)).unwrap();
    for name in image.names() {
        let section = image.section(name).unwrap();
        let mut bytes = section.bytes(0..section.length()).unwrap().to_vec();
        if name == table {
            // The last four bytes of the entry.
            let end = (at + 1) * if table == "7.rows" { 48 } else { 32 };
            bytes[end - 4..end].copy_from_slice(&[link, 0, 0, 0]);
        }
        into.section(name).unwrap();
        into.write(&bytes).unwrap();
    }
    found_in(&disk, &into.finish().unwrap())
}

/// What is found in an image where the first row has another payload, or none.
fn found_with(
    rows: &[(u64, Id, u32)],
    first: Option<PayloadPlace>,
    slots: Vec<(Option<Known>, Option<u64>)>,
    entry: Entry,
) -> Vec<String> {
    let (disk, written) = written(rows, first, slots, entry);
    found_in(&disk, &written)
}

fn written(
    rows: &[(u64, Id, u32)],
    first: Option<PayloadPlace>,
    slots: Vec<(Option<Known>, Option<u64>)>,
    entry: Entry,
) -> (Arc<dyn Disk>, ImageRef) {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    Manifests::create(Arc::clone(&disk), STORE).unwrap();
    let mut table = Rows::new(Arc::new(RowList::default()), Row(1), None);
    for (row, id, slot) in rows {
        let placed = Placed::Own(Slot(*slot));
        let payload = first.filter(|_| *row == 1);
        let outcome = Outcome::Upserted { row: Row(*row), placed, payload, ended: None };
        table.apply(at(*row), id, &outcome);
    }
    // Row 3 is ended.
    let ended = EndedRow { row: Row(3), slot: Slot(2), slot_ended: Ended::Yes, payload: None };
    table.apply(at(5), &Id::from("gone"), &Outcome::Removed { ended: Some(ended) });
    let mut list = SlotTable::new(Arc::new(SlotList::new(slots))).unwrap();
    let (view, cut) = (table.cut(Some(at(9))), list.cut());
    let events = crate::index::EventsCut::default();
    let collection = Collection { id: entry.id, rows: &view, slots: &cut, events: &events };
    let mut into = ImageWriter::create(Arc::clone(&disk), STORE, FileId(1)).unwrap();
    let next = base::CollectionId(9);
    let catalogue = Catalogue { entries: vec![entry], next, notes: Vec::new() };
    image::write_collection(&mut into, &collection, Ok).unwrap();
    let written = image::finish(into, &catalogue).unwrap();
    (disk, written)
}

fn found_in(disk: &Arc<dyn Disk>, written: &ImageRef) -> Vec<String> {
    let image = Image::open(&**disk, STORE, written).unwrap();
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
    complains(&rows_with((5, Id::from("b"), 2)), slots(), next, "alive and at rest");
    complains(&rows(), slots(), entry_with(|it| it.references = 4), "more or fewer are alive");
    let off = |it: &mut Entry| it.config = it.config.clone().dedup(Dedup::Off);
    complains(&rows(), slots(), entry_with(off), "more keys, or fewer");
    let no_floor = |it: &mut Entry| it.floor = None;
    complains(&rows(), slots(), entry_with(no_floor), "or leaves it out");
    let mut other_key = slots();
    other_key[0].1 = Some(101);
    complains(&rows(), other_key.clone(), entry(), "not that of its slot");
    let decimals = |it: &mut Entry| {
        it.config = it.config.clone().dedup(Dedup::Decimals(3));
    };
    assert_eq!(found(&rows(), other_key, entry_with(decimals)), [""; 0], "keys are not sums");
}

/// Slot 0 has the row at place 0, slot 1 those at 1 and 2.
#[test]
fn chains_that_do_not_lead_to_each_row_of_a_slot_are_found() {
    // A link is one more than a place.
    let changes = [
        (("7.rows", 2), 2, ""),
        (("7.rows", 2), 0, "a row is not in the chain of its slot"),
        (("7.rows", 2), 1, "leads to a row of another one"),
        (("7.rows", 2), 3, "does not go down"),
        (("7.rows", 1), 2, "does not go down"),
        (("7.rows", 1), 3, "does not go down"),
        (("7.rows", 1), 1, "leads to a row of another one"),
        (("7.slots", 1), 2, "a row is not in the chain of its slot"),
        (("7.slots", 1), 1, "leads to a row of another one"),
        (("7.slots", 1), 4, "one that there is not"),
        (("7.slots", 1), 0, "alive and at rest, or neither"),
        (("7.slots", 2), 1, "alive and at rest, or neither"),
    ];
    for (entry, link, words) in changes {
        let found = found_linked(entry, link);
        let expected = usize::from(!words.is_empty());
        let all = found.iter().all(|it| it.contains(words));
        assert!(found.len() == expected && all, "{words}: {found:?}");
    }
}

#[test]
fn payloads_that_contradict_their_files_are_found() {
    let complains = |first, words: &str| {
        let found = found_with(&rows(), first, slots(), entry());
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    };
    let place = |address, length| Some(PayloadPlace { address, length });
    // As large as the one that is alive.
    assert_eq!(found_with(&rows(), place(64, 40), slots(), entry()), [""; 0]);
    // A fallback on an older image counts too much as alive, until the file is emptied.
    assert_eq!(found_with(&rows(), None, slots(), entry()), [""; 0]);
    complains(place(64, 100), "where nothing was written");
    complains(place(1 << 20, 4), "where nothing was written");
    complains(place(0, 70), "more of a file");
}
