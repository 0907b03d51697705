//! Payloads that are copied to another file, while they are read and ended, and where that fails.

use std::sync::Arc;

use base::FileId;
use disk::SimDisk;
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use segments::{Error, HeapList, HeapRecovery, Name};

use crate::heap::{at, heap_on, live, owner, payload, put, recover, release};

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
    let move_to = |file: u64| {
        let cut = heap.cut();
        let mut moving = heap.begin_move(&cut, cut.sparse(), FileId(file)).unwrap();
        moving.put(places[0]).unwrap();
        moving.finish().unwrap()
    };
    let done = move_to(4);
    assert_eq!(kept(), [1, 2, 4]);
    drop(done);
    assert_eq!(kept(), [1, 2], "done, and named by nobody");
    // Published, and not followed: it stays for as long as that checkpoint does.
    let mut named = move_to(5);
    named.is_named_by(at(7));
    drop(named);
    heap.let_go(Some(at(7)));
    assert_eq!(kept(), [1, 2, 5]);
    heap.let_go(Some(at(8)));
    assert_eq!(kept(), [1, 2]);
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
    let mut recovery = HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list).unwrap();
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
    let mut recovery = HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list).unwrap();
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
fn a_full_disk_refuses_a_file_and_a_compaction_and_changes_nothing() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    disk.set_capacity(4_096 + 65_535);
    let refused = heap.make_file(FileId(1), 0).unwrap_err();
    assert!(matches!(refused, Error::Disk(disk::Error::Full { .. })), "{refused}");
    assert!(refused.is_clean_refusal());
    assert_eq!(segments::list(&disk).unwrap(), []);
    assert_eq!(heap.list(), HeapList::default(), "its addresses are given back");
    disk.set_capacity(2 * 4_096 + 2 * 65_536);
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
