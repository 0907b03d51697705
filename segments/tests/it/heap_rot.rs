//! Payloads that are damaged, or cannot be written: named, and kept from everybody; what is not damaged is served.

use std::sync::Arc;

use base::FileId;
use disk::SimDisk;
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use segments::{Error, HeapFile, HeapRecovery, Name, PayloadHeap, PayloadPlace};

use crate::heap::{heap_on, owner, payload, put, recover, release};

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

#[test]
fn a_log_that_contradicts_the_list_is_refused() {
    let disk = SimDisk::new(1);
    let heap = heap_on(&disk);
    heap.grow(FileId(1), 0).unwrap();
    put(&heap, 1, &[100]);
    heap.sync().unwrap();
    let list = heap.cut().list().clone();
    let begin = || HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list).unwrap();
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
