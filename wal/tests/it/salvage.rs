//! Salvages damaged logs, and writes down what is in them.

use std::sync::Arc;

use base::Sequence;
use disk::SimDisk;
use disk::sim::{Fault, FaultKind, Image, Lasting, LostSync};
use wal::{Body, Gap, Log, Replay, Salvaged, dump, oldest_place, salvage};

use crate::store::{STORE, Size, Store, content, kept_place, options, replay};

/// A closed log of nine batches in several files, and where each batch begins.
fn written() -> (Image, Vec<base::LogPlace>) {
    let disk = SimDisk::new(37);
    let mut store = Store::create(&disk).unwrap();
    let mut places = Vec::new();
    for size in [Size::Small, Size::Large, Size::Small].repeat(3) {
        places.push(store.log().unwrap().place());
        store.append(size).unwrap();
        store.sync().unwrap();
    }
    store.close().unwrap();
    (disk.contents(), places)
}

/// Salvages, and reads the copy: the batches in it, and what was reported.
fn salvaged(image: &Image) -> (Vec<u64>, Salvaged) {
    let (from, to) = (SimDisk::from_image(image, 1), SimDisk::new(2));
    let before = from.contents().sum();
    let report = salvage(&from, Arc::new(to.clone()), &options()).unwrap();
    assert_eq!(from.contents().sum(), before, "nothing is changed where the damage is");
    let Some(place) = oldest_place(&to, STORE).unwrap() else { return (Vec::new(), report) };
    let mut replay = Replay::begin(Arc::new(to), &options(), &place, None).unwrap();
    let mut found = Vec::new();
    while let Some(batch) = replay.next().unwrap() {
        let number = batch.sequence.get();
        let size = if batch.body.len() < 100 { Size::Small } else { Size::Large };
        assert!((batch.table.to_vec(), batch.body.to_vec()) == content(number, size));
        found.push(number);
    }
    let ended = replay.finish().unwrap();
    assert!(ended.was_closed());
    assert_eq!(ended.gaps, report.gaps, "the copy itself says what is missing");
    assert_eq!(found.len() as u64, report.batches);
    assert_eq!(report.first.map(Sequence::get), found.first().copied());
    assert_eq!(report.last.map(Sequence::get), found.last().copied());
    (found, report)
}

fn gap(first: u64, last: u64) -> Gap {
    Gap { first: Sequence::new(first).unwrap(), last: Sequence::new(last).unwrap() }
}

#[test]
fn a_log_in_good_order_is_copied_whole() {
    let (image, _) = written();
    let (found, report) = salvaged(&image);
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!((report.gaps, report.damage), (vec![], vec![]));
}

#[test]
fn only_the_damaged_batch_is_missing() {
    let (image, places) = written();
    for (index, place) in places.iter().enumerate() {
        let number = index as u64 + 1;
        let mut image = image.clone();
        let path = format!("wal/{}.wal", place.file);
        assert!(image.flip_bit(&path, place.offset as usize + 60, 5));
        let disk = SimDisk::from_image(&image, 1);
        let from = kept_place(&disk).unwrap().unwrap();
        assert!(replay(&disk, &options(), &from).is_err(), "batch {number}");
        let (found, report) = salvaged(&image);
        let expected: Vec<u64> = (1..=9).filter(|other| *other != number).collect();
        assert_eq!(found, expected);
        let gaps = if (2..9).contains(&number) { vec![gap(number, number)] } else { vec![] };
        assert_eq!(report.gaps, gaps);
        assert!(report.damage.iter().any(|damage| damage.path.to_str() == Some(&*path)));
    }
}

#[test]
fn a_lost_file_and_an_unreadable_one_leave_a_gap() {
    let (image, places) = written();
    let second = places.iter().find(|place| place.file != places[0].file).unwrap();
    let path = format!("wal/{}.wal", second.file);
    let mut lost = image.clone();
    lost.remove(&path);
    let mut unreadable = image.clone();
    unreadable.make_unreadable(&path, 0..4_096);
    for image in [lost, unreadable] {
        let (found, report) = salvaged(&image);
        assert!(found.starts_with(&[1]) && found.len() < 9, "{found:?}");
        assert_eq!(report.gaps.len(), usize::from(found.contains(&9)), "{report:?}");
    }
    assert_eq!(salvaged(&Image::new()).0, [0; 0]);
}

/// What an earlier recovery cut off does not come back.
#[test]
fn what_was_cut_off_stays_cut_off() {
    let disk = SimDisk::new(41);
    let mut store = Store::create(&disk).unwrap();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let cut = store.log().unwrap().place();
    store.append(Size::Small).unwrap();
    store.append(Size::Small).unwrap();
    store.log().unwrap().write().unwrap();
    let mut image = disk.contents();
    // Batch 2 is torn, and batch 3 behind it is whole: none of them was synced.
    image.flip_bit(format!("wal/{}.wal", cut.file), cut.offset as usize + 60, 0);
    let disk = SimDisk::from_image(&image, 3);
    let mut store = Store::open(&disk).unwrap();
    assert_eq!(store.last, 1);
    store.log().unwrap().mark().unwrap();
    assert_eq!(salvaged(&disk.contents()).0, [1]);
}

#[test]
fn a_dump_has_a_line_for_everything() {
    let disk = SimDisk::new(43);
    let mut store = Store::create(&disk).unwrap();
    store.append(Size::Small).unwrap();
    store.append(Size::Large).unwrap();
    store.log().unwrap().mark().unwrap();
    store.append(Size::Small).unwrap();
    store.close().unwrap();
    let mut image = disk.contents();
    image.flip_bit("wal/00000000000000000001.wal", 7_000, 1);
    let mut text = String::new();
    dump(&SimDisk::from_image(&image, 1), STORE, &mut text).unwrap();
    let expected = "\
wal/00000000000000000001.wal, 8192 bytes
           0  header: timeline 000000000000000a from batch 1 on, first batch here 1
        4096  sync mark behind batch 0: table 0, body 0, synced to 0
        4152  batch 1: table 16, body 40, synced to 4152
        4264  batch 2, first part: table 16, body 0, synced to 4152
        4336  batch 2, next part: table 0, body 1024, synced to 4152
        5416  batch 2, next part: table 0, body 1024, synced to 4152
        6496  batch 2, last part: table 0, body 452, synced to 4152
        7008  sync mark behind batch 2: table 0, body 0, synced to 7008
        7064  batch 3: table 16, body 40, synced to 7064
        7176  close behind batch 3: table 0, body 0, synced to 7176
        7232  zeros to the end
wal/00000000000000000002.wal, 4096 bytes
           0  header: timeline 000000000000000a from batch 1 on, first batch here 4, behind file 1 at 7232; closed, nothing follows
";
    let expected = expected.replace(
        "        6496  batch 2, last part: table 0, body 452, synced to 4152\n",
        "        6496  no record up to 7008\n",
    );
    assert_eq!(text, expected);
}

/// A salvage leaves out a batch and is killed before it closes its copy. The copy is opened.
#[test]
fn a_salvage_that_was_killed_leaves_a_copy_that_opens_or_is_refused() {
    let disk = SimDisk::new(101);
    let mut store = Store::create(&disk).unwrap();
    let mut places = Vec::new();
    for _ in 0..5 {
        places.push(store.log().unwrap().place());
        store.append(Size::Small).unwrap();
        store.sync().unwrap();
    }
    store.close().unwrap();
    let mut image = disk.contents();
    image.flip_bit(format!("wal/{}.wal", places[2].file), places[2].offset as usize + 60, 1);
    let from = SimDisk::from_image(&image, 1);
    for nth in 0..12 {
        let to = SimDisk::new(2);
        let kind = FaultKind::Sync(LostSync::KeepsCache);
        to.inject(Fault { kind, nth, lasting: Lasting::Once });
        if salvage(&from, Arc::new(to.clone()), &options()).is_ok() {
            continue;
        }
        let Some(place) = oldest_place(&to, STORE).unwrap() else { continue };
        let replay = Replay::begin(Arc::new(to.clone()), &options(), &place, None).unwrap();
        let ended = replay.finish().unwrap();
        let found = ended.last();
        println!("sync {nth}: {found:?} {:?}", ended.gaps);
        let log = Log::resume(ended, &options()).unwrap();
        assert_eq!(log.last(), found);
        drop(log);
        let replay = Replay::begin(Arc::new(to), &options(), &place, None).unwrap();
        assert_eq!(replay.finish().unwrap().last(), found);
    }
}

/// A recovery cut off batch 3, another batch 3 was written, and the file that says so is lost.
#[test]
fn a_salvage_does_not_take_up_a_batch_of_an_abandoned_timeline() {
    let disk = SimDisk::new(101);
    let mut store = Store::create(&disk).unwrap();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let cut = store.log().unwrap().place();
    store.append(Size::Small).unwrap();
    // Batch 3 has other content than the one that comes to stand in its place.
    let log = store.log().unwrap();
    log.append(b"abandoned", &Body::new(vec![9; 40], &options())).unwrap();
    store.log.take().unwrap().write().unwrap();
    let mut image = disk.contents();
    image.flip_bit(format!("wal/{}.wal", cut.file), cut.offset as usize + 60, 0);
    let disk = SimDisk::from_image(&image, 3);
    let mut store = Store::open(&disk).unwrap();
    assert_eq!(store.last, 1);
    let lost = store.log().unwrap().place().file;
    store.append(Size::Small).unwrap();
    store.append(Size::Small).unwrap();
    store.log().unwrap().rotate();
    store.append(Size::Small).unwrap();
    store.close().unwrap();
    let mut image = disk.contents();
    assert!(image.remove(format!("wal/{lost}.wal")));
    let (from, to) = (SimDisk::from_image(&image, 1), SimDisk::new(2));
    salvage(&from, Arc::new(to.clone()), &options()).unwrap();
    let place = oldest_place(&to, STORE).unwrap().unwrap();
    let mut replay = Replay::begin(Arc::new(to), &options(), &place, None).unwrap();
    while let Some(batch) = replay.next().unwrap() {
        assert_ne!(batch.table, b"abandoned", "batch {}", batch.sequence);
    }
}
