//! The life of payloads on the simulated disk: placed, written, lent, ended, damaged, moved.

use std::sync::Arc;

use base::{CollectionId, FileId, Sequence, StoreId};
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use disk::{Disk, SimDisk};
use segments::heap::LONGEST;
use segments::{
    Error, HeapFile, HeapList, HeapOwner, HeapRecovery, Name, PayloadHeap, PayloadPlace,
};

pub(crate) fn owner() -> HeapOwner {
    HeapOwner { store: StoreId([7; 16]), collection: CollectionId(1) }
}

/// What a payload of this number holds: no two have the same bytes, but for those that have none.
pub(crate) fn payload(number: u64, length: usize) -> Vec<u8> {
    let word = |at: u64| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at).to_le_bytes();
    (0..).flat_map(word).take(length).collect()
}

fn heap_on(disk: &SimDisk) -> PayloadHeap {
    segments::make_directory(disk).unwrap();
    PayloadHeap::create(Arc::new(disk.clone()), owner())
}

/// Places and writes payloads of these lengths, numbered from `first` on; the heap has room for them.
fn put(heap: &PayloadHeap, first: u64, lengths: &[usize]) -> Vec<PayloadPlace> {
    let mut batch = heap.batch();
    let places: Vec<_> = lengths.iter().map(|length| batch.reserve(*length).unwrap()).collect();
    batch.keep();
    let payloads: Vec<_> =
        (first..).zip(lengths).map(|(number, length)| payload(number, *length)).collect();
    heap.write(places.iter().copied().zip(payloads.iter().map(Vec::as_slice))).unwrap();
    places
}

fn release(heap: &PayloadHeap, places: &[PayloadPlace]) {
    let mut batch = heap.batch();
    places.iter().for_each(|place| batch.release(*place));
    batch.keep();
}

fn recover(disk: &SimDisk, list: &HeapList) -> PayloadHeap {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    HeapRecovery::begin(disk, owner(), list).finish()
}

fn at(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

fn live(heap: &PayloadHeap) -> Vec<(u64, u64)> {
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
fn files_double_and_a_record_that_does_not_fit_leaves_the_rest_unused() {
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
    let expected =
        [(0, first), (first, second), (first + second, 3 << 20), (first + second + (3 << 20), 6 << 20)];
    assert_eq!(sizes(&heap), expected);
    let path = Name::Payloads(FileId(2)).path();
    assert_eq!(disk.contents().bytes(path).unwrap().len(), 4_096 + 131_072);
    let memory = PayloadHeap::in_memory(owner());
    for (file, at_least) in [(1, 40 << 20), (2, 0), (3, 0)] {
        memory.grow(FileId(file), at_least).unwrap();
    }
    let taken: Vec<_> = sizes(&memory).iter().map(|(_, capacity)| capacity >> 20).collect();
    assert_eq!(taken, [40, 64, 64], "they grow no further");
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
    let bad = [(112, 1), (8, 10), (128, 0), (65_536, 0), (0, LONGEST + 1), (u64::MAX - 15, 5), (16, 100)];
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

/// Bytes that are lent stay as they were while others are written, files are emptied, and their names go.
#[test]
fn what_is_lent_stays_whatever_comes_behind_it() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[1_000, 60_000, 30_000]);
    let view = heap.view();
    let lent = view.get(places[0]).unwrap();
    let behind = put(&heap, 4, &[1_000]);
    release(&heap, &places[1..2]);
    heap.sync().unwrap();
    let cut = heap.cut();
    assert_eq!(cut.sparse(), [FileId(1)]);
    let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    let moved_to = moving.put(places[0]).unwrap();
    assert_eq!(moving.put(places[2]).unwrap(), places[2], "its file is not emptied");
    let moved = moving.finish().unwrap();
    assert_eq!((moved.retired(), moved.problems().len()), (vec![FileId(1)], 0));
    heap.moved(moved, at(5));
    heap.let_go(Some(at(5)));
    segments::remove(&disk, Name::Payloads(FileId(1))).unwrap().sync(&disk).unwrap();
    put(&heap, 5, &[100]);
    assert_eq!(*lent, *payload(1, 1_000));
    assert_eq!(*view.get(places[0]).unwrap(), *payload(1, 1_000), "a view of before");
    let now = heap.view();
    assert_eq!(*now.get(moved_to).unwrap(), *payload(1, 1_000));
    assert!(matches!(now.get(places[0]), Err(Error::NoPayload { .. })));
    drop((heap, view, disk));
    assert_eq!(*now.get(behind[0]).unwrap(), *payload(4, 1_000));
    drop(now);
    std::thread::spawn(move || assert_eq!(*lent, *payload(1, 1_000))).join().unwrap();
}

#[test]
fn files_that_were_emptied_stay_until_no_older_checkpoint_is_kept() {
    let heap = heap_on(&SimDisk::new(1));
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[60_000, 60_000]);
    release(&heap, &places[..1]);
    let cut = heap.cut();
    let moving = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    let moved = moving.finish().unwrap();
    assert_eq!(moved.list().files().len(), 1, "nothing was alive, so no file was made");
    heap.moved(moved, at(7));
    let kept = || heap.files_kept().iter().map(|file| file.0).collect::<Vec<_>>();
    assert_eq!(kept(), [2, 1]);
    for unkept in [None, Some(at(6))] {
        heap.let_go(unkept);
        assert_eq!(kept(), [2, 1]);
    }
    heap.let_go(Some(at(7)));
    assert_eq!(kept(), [2]);
}

#[test]
fn a_file_that_a_manifest_may_name_is_kept() {
    let heap = heap_on(&SimDisk::new(1));
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[100, 60_000, 60_000]);
    release(&heap, &places[1..2]);
    let before = heap.list();
    let kept = || heap.files_kept().iter().map(|file| file.0).collect::<Vec<_>>();
    let cut = heap.cut();
    let mut given_up = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    given_up.put(places[0]).unwrap();
    assert_eq!(kept(), [1, 2, 3]);
    drop(given_up);
    assert_eq!(kept(), [1, 2], "nothing can refer to it");
    assert_eq!(heap.list().files(), before.files());
    assert_eq!(*heap.view().get(places[0]).unwrap(), *payload(1, 100));
    // It may have been published, and nobody knows.
    let cut = heap.cut();
    let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(4)).unwrap();
    moving.put(places[0]).unwrap();
    drop(moving.finish().unwrap());
    assert_eq!(kept(), [1, 2, 4]);
    assert_eq!(heap.list().files(), before.files());
}

/// An ended payload counts where it is, whichever of its places is named.
#[test]
fn payloads_that_end_while_they_are_moved_are_counted_where_they_are_then() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[100, 200, 300, 400, 50_000, 60_000]);
    release(&heap, &places[4..5]);
    heap.sync().unwrap();
    let cut = heap.cut();
    release(&heap, &places[0..1]);
    let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    let now: Vec<_> = places[..4].iter().map(|place| moving.put(*place).unwrap()).collect();
    release(&heap, &places[1..2]);
    let moved = moving.finish().unwrap();
    let list = moved.list().clone();
    release(&heap, &places[2..3]);
    heap.moved(moved, at(1));
    assert_eq!(live(&heap), [(2, 60_016), (3, 416)]);
    // One that was decided with the rows of before, and counted behind.
    release(&heap, &places[3..4]);
    assert_eq!(live(&heap), [(2, 60_016), (3, 0)]);
    // The same from the image and the log.
    let mut recovery = HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list);
    places[..4].iter().for_each(|place| recovery.released(*place));
    let again = recovery.finish();
    assert_eq!(again.list(), heap.list());
    assert_eq!(*again.view().get(now[3]).unwrap(), *payload(4, 400));
    // From the next cut on nobody knows the old places.
    assert_eq!(heap.cut().list().emptied(), []);
}

#[test]
fn a_damaged_payload_stays_where_it_is_and_so_does_its_file() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[100, 200, 300, 50_000, 60_000]);
    release(&heap, &places[3..4]);
    heap.sync().unwrap();
    let path = Name::Payloads(FileId(1)).path();
    let mut image = disk.after_power_loss();
    image.flip_bit(&path, 4_096 + places[1].address as usize + 50, 3);
    let disk = SimDisk::from_image(&image, 1);
    let heap = recover(&disk, heap.cut().list());
    let cut = heap.cut();
    let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    let now: Vec<_> = places[..3].iter().map(|place| moving.put(*place).unwrap()).collect();
    assert_eq!(now[1], places[1]);
    let [Error::BadPayload { place, offset, path: named, .. }] = moving.problems() else {
        panic!("{:?}", moving.problems())
    };
    assert_eq!((*place, *offset), (places[1], 4_096 + places[1].address));
    assert!(named.ends_with(&path));
    release(&heap, &places[1..3]);
    let moved = moving.finish().unwrap();
    assert_eq!(moved.retired(), []);
    let list = moved.list().clone();
    heap.moved(moved, at(1));
    assert_eq!(live(&heap), [(1, 0), (2, 60_016), (3, 128)]);
    let mut recovery = HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list);
    places[1..3].iter().for_each(|place| recovery.released(*place));
    assert_eq!(recovery.finish().list(), heap.list());
    let view = heap.view();
    assert_eq!(*view.get(now[0]).unwrap(), *payload(1, 100));
    assert!(matches!(view.get(now[1]), Err(Error::BadPayload { .. })));
    // Its row is gone by the next checkpoint, and so can the file be.
    let cut = heap.cut();
    let moved = heap.begin_move(&cut, &[FileId(1)], FileId(4)).unwrap().finish().unwrap();
    assert_eq!(moved.retired(), [FileId(1)]);
}

#[test]
fn damage_is_an_error_for_what_it_hit_alone() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[600, 700, 64_500, 900]);
    heap.sync().unwrap();
    let list = heap.cut().list().clone();
    let whole = disk.after_power_loss();
    let (one, two) = (Name::Payloads(FileId(1)).path(), Name::Payloads(FileId(2)).path());
    let readable = |heap: &PayloadHeap| -> Vec<usize> {
        let (view, mut scrub) = (heap.view(), heap.view().scrub());
        let is_right = |at: &usize| {
            let expected = payload(*at as u64 + 1, places[*at].length as usize);
            let is_read = view.get(places[*at]).is_ok_and(|lent| *lent == *expected);
            assert_eq!(scrub.look(places[*at]), is_read, "payload {at}");
            is_read
        };
        (0..places.len()).filter(is_right).collect()
    };
    assert_eq!(readable(&recover(&SimDisk::from_image(&whole, 1), &list)), [0, 1, 2, 3]);
    for (at, place) in places.iter().enumerate() {
        let mut image = whole.clone();
        let (path, base) = if at < 2 { (&one, 0) } else { (&two, list.files()[1].base) };
        image.flip_bit(path, 4_096 + (place.address - base) as usize + 16, 7);
        let found = readable(&recover(&SimDisk::from_image(&image, 1), &list));
        let others: Vec<_> = (0..4).filter(|other| *other != at).collect();
        assert_eq!(found, others);
    }
    let (mut lost, mut cut, mut foreign) = (whole.clone(), whole.clone(), whole.clone());
    lost.remove(&one);
    cut.truncate(&one, 69_631);
    let other = whole.bytes(&two).unwrap().to_vec();
    foreign.replace(&one, &other);
    for (image, is_it) in [
        (lost, (|error| matches!(error, Error::Missing { .. })) as fn(&Error) -> bool),
        (cut, |error| matches!(error, Error::CutShort { wanted: 69_632, found: 69_631, .. })),
        (foreign, |error| matches!(error, Error::Damaged { .. })),
    ] {
        let heap = recover(&SimDisk::from_image(&image, 1), &list);
        let broken = heap.broken();
        assert!(matches!(&broken[..], [(FileId(1), error)] if is_it(error)), "{broken:?}");
        assert!(is_it(&heap.view().get(places[0]).unwrap_err()));
        assert_eq!(readable(&heap), [2, 3]);
        release(&heap, &places[..1]);
        assert_eq!(put(&heap, 9, &[10])[0].address, heap.list().next() - 32, "it goes on");
    }
    let mut image = whole.clone();
    image.flip_bit(&one, 20, 1);
    let heap = recover(&SimDisk::from_image(&image, 1), &list);
    assert_eq!((readable(&heap), heap.damaged_headers().len()), (vec![0, 1, 2, 3], 1));
}

/// Nothing is given out in a file that cannot be written to, also where it was the one that was appended to.
#[test]
fn a_damaged_file_is_appended_to_no_more() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    put(&heap, 1, &[600]);
    let list = heap.cut().list().clone();
    let mut image = disk.contents();
    image.remove(Name::Payloads(FileId(1)).path());
    let disk = SimDisk::from_image(&image, 1);
    let heap = recover(&disk, &list);
    let full = heap.batch().reserve(5).unwrap_err();
    assert!(matches!(full, Error::HeapFull { .. }), "{full}");
    heap.grow(FileId(2), 0).unwrap();
    assert_eq!(put(&heap, 2, &[5])[0].address, 65_536);
}

#[test]
fn what_cannot_be_read_is_told_by_a_scrub_and_not_moved() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[2_000, 200, 50_000, 60_000]);
    release(&heap, &places[2..3]);
    heap.sync().unwrap();
    let list = heap.cut().list().clone();
    let mut image = disk.after_power_loss();
    assert!(image.make_unreadable(Name::Payloads(FileId(1)).path(), 4_608..5_120));
    let heap = recover(&SimDisk::from_image(&image, 1), &list);
    let mut scrub = heap.view().scrub();
    assert_eq!((scrub.look(places[0]), scrub.look(places[1])), (false, true));
    assert!(matches!(scrub.problems(), [Error::Unreadable { .. }]), "{:?}", scrub.problems());
    let cut = heap.cut();
    let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    assert_eq!(moving.put(places[0]).unwrap(), places[0]);
    assert_ne!(moving.put(places[1]).unwrap(), places[1]);
    let moved = moving.finish().unwrap();
    assert_eq!((moved.retired(), moved.problems().len()), (vec![], 1));
    drop(moved);
}

#[test]
fn a_full_disk_refuses_a_file_and_a_compaction_and_changes_nothing() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    disk.set_capacity(4_096 + 65_535);
    let refused = heap.make_file(FileId(1), 0).unwrap_err();
    assert!(matches!(refused, Error::Disk(disk::Error::Full { .. })), "{refused}");
    assert!(refused.is_clean_refusal());
    assert_eq!(segments::list(&disk).unwrap(), []);
    assert_eq!(heap.list(), HeapList::default(), "its addresses are given back");
    disk.set_capacity(2 * 4_096 + 3 * 65_536);
    heap.grow(FileId(2), 0).unwrap();
    heap.grow(FileId(3), 0).unwrap();
    let places = put(&heap, 1, &[100, 60_000, 60_000]);
    release(&heap, &places[1..2]);
    let cut = heap.cut();
    let before = heap.list();
    let refused = heap.begin_move(&cut, cut.sparse(), FileId(4)).unwrap_err();
    assert!(refused.is_clean_refusal(), "{refused}");
    assert_eq!((heap.list(), heap.files_kept()), (before, vec![FileId(2), FileId(3)]));
    // With less to be moved it needs less, and with nothing alive nothing.
    let moved = heap.begin_move(&cut, &[], FileId(4)).unwrap().finish().unwrap();
    assert_eq!(moved.list(), cut.list());
    drop(moved);
    release(&heap, &places[..1]);
    let cut = heap.cut();
    let moved = heap.begin_move(&cut, cut.sparse(), FileId(4)).unwrap().finish().unwrap();
    assert_eq!(moved.retired(), [FileId(2)]);
}

/// After a failed sync the system shows bytes that are not on the device, and no later sync brings them there.
#[test]
fn after_the_first_failed_write_or_sync_nothing_is_written_any_more() {
    let kinds = [
        FaultKind::Write,
        FaultKind::Sync(LostSync::KeepsCache),
        FaultKind::Sync(LostSync::RevertsCache),
    ];
    for kind in kinds {
        let disk = SimDisk::new(1);
        let heap = heap_on(&disk);
        heap.grow(FileId(1), 0).unwrap();
        let good = put(&heap, 1, &[100])[0];
        heap.sync().unwrap();
        let mut batch = heap.batch();
        let places = [batch.reserve(100).unwrap(), batch.reserve(100).unwrap()];
        batch.keep();
        disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
        let write = |place| heap.write([(place, &[1_u8; 100][..])]);
        let failed = write(places[0]).and_then(|()| heap.sync()).unwrap_err();
        assert_eq!(disk.faults_struck(), 1);
        let before = disk.contents().sum();
        for refused in [write(places[1]), heap.sync(), heap.sync()] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::Stopped { .. }), "{kind:?}: {refused}");
            assert_eq!(refused.to_string(), failed.to_string(), "it names the first");
        }
        assert_eq!(disk.contents().sum(), before, "{kind:?}");
        assert_eq!(*heap.view().get(good).unwrap(), *payload(1, 100), "reading goes on");
    }
}

/// Copies that did not get to the device must not be relied on.
#[test]
fn a_compaction_whose_sync_fails_is_given_up() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    heap.grow(FileId(2), 0).unwrap();
    let places = put(&heap, 1, &[100, 60_000, 60_000]);
    release(&heap, &places[1..2]);
    heap.sync().unwrap();
    let cut = heap.cut();
    let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(3)).unwrap();
    moving.put(places[0]).unwrap();
    let kind = FaultKind::Sync(LostSync::KeepsCache);
    disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
    assert!(matches!(moving.finish(), Err(Error::Stopped { .. })));
    assert_eq!(heap.files_kept(), [FileId(1), FileId(2)]);
    assert_eq!(*heap.view().get(places[0]).unwrap(), *payload(1, 100));
}

#[test]
fn a_log_that_contradicts_the_list_is_refused() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    put(&heap, 1, &[100]);
    heap.sync().unwrap();
    let list = heap.cut().list().clone();
    let begin = || HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list);
    let place = |address, length| PayloadPlace { address, length };
    for (wrong, bytes) in [
        (place(112, 16), 16),
        (place(65_536, 5), 5),
        (place(65_520, 1), 1),
        (place(136, 5), 5),
        (place(128, 5), 6),
    ] {
        let refused = begin().wrote(wrong, &vec![1; bytes]).unwrap_err();
        assert!(matches!(refused, Error::BadPlace { .. }), "{wrong}: {refused}");
    }
    for (file, base, capacity) in [
        (1, 65_536, 65_536),
        (2, 65_520, 32),
        (2, 0, 16),
        (0, 65_536, 16),
        (2, 65_540, 16),
        (2, 65_536, 0),
        (2, u64::MAX - 15, 16),
    ] {
        let refused = begin().grew(FileId(file), base, capacity).unwrap_err();
        assert!(matches!(refused, Error::BadFile { .. }), "{refused}");
    }
    let mut recovery = begin();
    recovery.wrote(place(128, 5), b"again").unwrap();
    recovery.wrote(place(128, 5), b"again").unwrap_err();
    // The file of a log that an older image is gone on from may be lost: that is told by what lies in it.
    recovery.grew(FileId(9), 65_536, 4_096).unwrap();
    recovery.wrote(place(65_536, 5), b"there").unwrap();
    let heap = recovery.finish();
    assert!(matches!(heap.broken()[..], [(FileId(9), Error::Missing { .. })]));
    let expected = HeapFile { file: FileId(9), base: 65_536, capacity: 4_096, used: 32, live: 32 };
    assert_eq!(heap.list().files()[1], expected);
    assert_eq!(*heap.view().get(place(128, 5)).unwrap(), *b"again");
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
