//! The life of payloads on the simulated disk: placed, written, lent, ended.

use std::sync::Arc;

use base::{CollectionId, FileId, Sequence, StoreId};
use disk::{Disk, SimDisk};
use segments::heap::LONGEST;
use segments::{Error, HeapList, HeapOwner, HeapRecovery, Name, PayloadHeap, PayloadPlace};

pub(crate) fn owner() -> HeapOwner {
    HeapOwner { store: StoreId([7; 16]), collection: CollectionId(1) }
}

/// What a payload of this number holds: no two have the same bytes, but for those that have none.
pub(crate) fn payload(number: u64, length: usize) -> Vec<u8> {
    let word = |at: u64| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at).to_le_bytes();
    (0..).flat_map(word).take(length).collect()
}

pub(crate) fn heap_on(disk: &SimDisk) -> PayloadHeap {
    segments::make_directory(disk).unwrap();
    PayloadHeap::create(Arc::new(disk.clone()), owner())
}

/// Places and writes payloads of these lengths, numbered from `first` on; the heap has room for them.
pub(crate) fn put(heap: &PayloadHeap, first: u64, lengths: &[usize]) -> Vec<PayloadPlace> {
    let mut batch = heap.batch();
    let places: Vec<_> = lengths.iter().map(|length| batch.reserve(*length).unwrap()).collect();
    batch.keep();
    let payloads: Vec<_> =
        (first..).zip(lengths).map(|(number, length)| payload(number, *length)).collect();
    heap.write(places.iter().copied().zip(payloads.iter().map(Vec::as_slice))).unwrap();
    places
}

pub(crate) fn release(heap: &PayloadHeap, places: &[PayloadPlace]) {
    let mut batch = heap.batch();
    places.iter().for_each(|place| batch.release(*place));
    batch.keep();
}

pub(crate) fn recover(disk: &SimDisk, list: &HeapList) -> PayloadHeap {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    HeapRecovery::begin(disk, owner(), list).unwrap().finish()
}

pub(crate) fn at(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

pub(crate) fn live(heap: &PayloadHeap) -> Vec<(u64, u64)> {
    heap.list().files().iter().map(|it| (it.file.0, it.live)).collect()
}

#[test]
fn payloads_of_all_lengths_come_back_aligned_and_as_they_were() {
    let disk = SimDisk::new(1);
    for heap in [heap_on(&disk), PayloadHeap::in_memory(owner())] {
        heap.grow(FileId(1), 0).unwrap();
        heap.grow(FileId(2), u64::from(LONGEST) + 48).unwrap();
        let lengths = [0, 1, 15, 16, 17, 4_096, 0, 50_000, LONGEST as usize, 7];
        let places = put(&heap, 1, &lengths);
        let view = heap.view();
        for ((number, length), place) in (1..).zip(lengths).zip(&places) {
            let lent = view.get(*place).unwrap();
            assert_eq!(*lent, *payload(number, length), "{place}");
            assert!((lent.as_ptr() as usize).is_multiple_of(16), "{place}");
        }
        let mut scrub = view.scrub();
        assert!(places.iter().all(|place| scrub.look(*place)));
        assert_eq!((scrub.checked(), scrub.problems().len()), (10, 0));
        assert_eq!(live(&heap), [(1, 54_304), (2, 16_777_264)]);
    }
}

#[test]
fn files_grow_with_what_is_alive_and_a_record_that_does_not_fit_leaves_the_rest_unused() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    let full = heap.batch().reserve(10).unwrap_err();
    assert!(matches!(full, Error::HeapFull { wanted: 32 }), "{full}");
    let sizes = |heap: &PayloadHeap| -> Vec<_> {
        heap.list().files().iter().map(|it| (it.base, it.capacity)).collect()
    };
    heap.grow(FileId(1), 32).unwrap();
    put(&heap, 1, &[60_000]);
    let full = heap.batch().reserve(10_000).unwrap_err();
    let Error::HeapFull { wanted } = full else { panic!("{full}") };
    heap.grow(FileId(2), wanted).unwrap();
    let next = put(&heap, 2, &[10_000, 16]);
    assert_eq!((next[0].address, next[1].address), (65_536, 75_552), "the rest stays unused");
    heap.grow(FileId(3), 3 << 20).unwrap();
    heap.grow(FileId(4), 0).unwrap();
    let (first, second) = (65_536, 131_072);
    let expected = [
        (0, first),
        (first, second),
        (first + second, 3 << 20),
        (first + second + (3 << 20), 262_144),
    ];
    assert_eq!(sizes(&heap), expected);
    let path = Name::Payloads(FileId(2)).path();
    assert_eq!(disk.contents().bytes(path).unwrap().len(), 4_096 + 131_072);
    let memory = PayloadHeap::in_memory(owner());
    memory.grow(FileId(1), 80 << 20).unwrap();
    let mut batch = memory.batch();
    let all: Vec<_> = (0..4).map(|_| batch.reserve(16 << 20).unwrap()).collect();
    batch.keep();
    memory.grow(FileId(2), 0).unwrap();
    let mut batch = memory.batch();
    all.into_iter().for_each(|place| batch.release(place));
    batch.keep();
    memory.grow(FileId(3), 0).unwrap();
    let taken: Vec<_> = sizes(&memory).iter().map(|(_, capacity)| capacity >> 10).collect();
    assert_eq!(taken, [80 << 10, 256 << 10, 64], "256 MiB at most, and less where little is alive");
    let too_long = heap.batch().reserve(LONGEST as usize + 1).unwrap_err();
    assert!(matches!(too_long, Error::PayloadTooLong { bytes: 16_777_217 }), "{too_long}");
}

#[test]
fn a_batch_that_is_dropped_leaves_no_trace() {
    let heap = heap_on(&SimDisk::new(1));
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[100, 200]);
    let before = heap.list();
    let mut batch = heap.batch();
    let refused = batch.reserve(100).unwrap();
    batch.reserve(65_000).unwrap();
    batch.release(places[0]);
    batch.release(refused);
    drop(batch);
    assert_eq!(heap.list(), before);
    assert_eq!(heap.batch().reserve(100).unwrap(), refused, "its place is given out again");
}

/// The log refused the record of a file, and the next attempt made another.
#[test]
fn a_file_that_was_not_opened_is_taken_up_by_the_next_attempt_that_it_does_for() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    let made = heap.make_file(FileId(1), 0).unwrap();
    assert_eq!(heap.make_file(FileId(2), 65_536).unwrap(), made, "it is there, and waits");
    assert_eq!((heap.list().files().len(), heap.files_kept()), (0, vec![FileId(1)]));
    heap.open_file(FileId(2));
    heap.batch().reserve(0).unwrap_err();
    let larger = heap.make_file(FileId(3), 65_552).unwrap();
    assert_eq!((larger.file, larger.base, larger.capacity), (FileId(3), 65_536, 65_552));
    assert_eq!(heap.files_kept(), [FileId(3)]);
    heap.open_file(FileId(3));
    assert_eq!(put(&heap, 1, &[5])[0].address, 65_536);
}

#[test]
fn places_that_lead_nowhere_are_refused_and_change_nothing() {
    let heap = heap_on(&SimDisk::new(1));
    heap.grow(FileId(1), 0).unwrap();
    let good = put(&heap, 1, &[100])[0];
    let view = heap.view();
    let bad =
        [(112, 1), (8, 10), (128, 0), (65_536, 0), (0, LONGEST + 1), (u64::MAX - 15, 5), (16, 100)];
    for (address, length) in bad {
        let place = PayloadPlace { address, length };
        let refused = view.get(place).unwrap_err();
        assert!(matches!(refused, Error::NoPayload { place: it } if it == place), "{refused}");
        assert!(!view.scrub().look(place));
        release(&heap, &[place]);
    }
    // Within what was written, and not where a record begins: nothing fits there.
    for (address, length) in [(16, 16), (0, 99), (32, 0)] {
        let refused = view.get(PayloadPlace { address, length }).unwrap_err();
        assert!(matches!(refused, Error::BadPayload { .. }), "{refused}");
    }
    assert_eq!(*view.get(good).unwrap(), *payload(1, 100));
    assert_eq!(live(&heap), [(1, 128)]);
}

#[test]
fn what_was_given_out_and_not_written_yet_cannot_be_read() {
    let heap = heap_on(&SimDisk::new(1));
    heap.grow(FileId(1), 0).unwrap();
    let mut batch = heap.batch();
    let place = batch.reserve(10).unwrap();
    batch.keep();
    assert!(matches!(heap.view().get(place), Err(Error::NoPayload { .. })));
}

#[test]
fn a_payload_is_written_once_and_in_order() {
    let heap = heap_on(&SimDisk::new(1));
    heap.grow(FileId(1), 0).unwrap();
    let places = put(&heap, 1, &[10, 10]);
    for place in places {
        let again = std::panic::AssertUnwindSafe(|| heap.write([(place, &[1_u8; 10][..])]));
        assert!(std::panic::catch_unwind(again).is_err(), "{place}");
    }
}

#[test]
fn a_heap_that_is_only_looked_at_is_read_and_not_written() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    let good = put(&heap, 1, &[100])[0];
    let list = heap.cut().list().clone();
    let before = disk.contents().sum();
    let heap = HeapRecovery::to_look(Arc::new(disk.clone()), owner(), &list).finish();
    assert_eq!(*heap.view().get(good).unwrap(), *payload(1, 100));
    let place = heap.batch().reserve(1).unwrap();
    heap.write([(place, &b"x"[..])]).unwrap_err();
    assert_eq!(disk.contents().sum(), before);
}

/// Whoever holds a payload holds the lock of the store.
#[test]
fn what_is_lent_holds_on_to_the_lock() {
    let lock = Arc::new(());
    let heap = heap_on(&SimDisk::new(1)).holding(Arc::clone(&lock) as _);
    heap.grow(FileId(1), 0).unwrap();
    let place = put(&heap, 1, &[100])[0];
    let view = heap.view();
    let lent = view.get(place).unwrap();
    drop((heap, view));
    assert_eq!(Arc::strong_count(&lock), 2);
    drop(lent);
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn a_file_of_payloads_is_described() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(7), 0).unwrap();
    let path = Name::Payloads(FileId(7)).path();
    let describe = |image: &disk::sim::Image| {
        let disk = SimDisk::from_image(image, 1);
        let mut text = String::new();
        let file = disk.open(&path, disk::Access::Read).unwrap();
        (segments::describe(&*file, &mut text).unwrap(), text)
    };
    let whole = disk.contents();
    let (is_sound, text) = describe(&whole);
    assert!(is_sound && text.contains("65536 addresses from 0 on"), "{text}");
    for (kind, told) in ["a part of", "it was cut", "cannot be read"].into_iter().enumerate() {
        let mut image = whole.clone();
        let is_there = match kind {
            0 => image.flip_bit(&path, 0, 0),
            1 => image.truncate(&path, 69_000),
            _ => image.replace(&path, &[0; 69_632]),
        };
        let (is_sound, text) = describe(&image);
        assert!(is_there && !is_sound, "{text}");
        assert!(text.contains("a file of payloads") && text.contains(told), "{text}");
    }
}
