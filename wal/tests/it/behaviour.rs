//! What the log does when nothing fails: batches of all lengths, files, places, marks, pruning.

use std::path::Path;
use std::sync::Arc;

use base::{LogPlace, Sequence};
use disk::sim::Image;
use disk::{Disk, Recorded, SimDisk, Trace};
use proptest::prelude::*;
use wal::{Body, Doubt, Error, Log, Replay, Witness};

use crate::store::{Size, Store, content, kept_place, options, replay};

fn begun() -> (SimDisk, Store) {
    let disk = SimDisk::new(31);
    let store = Store::create(&disk).unwrap();
    (disk, store)
}

fn files(disk: &SimDisk) -> Vec<String> {
    let contents = disk.contents();
    contents
        .files()
        .filter(|path| path.starts_with("wal"))
        .map(|path| format!("{} {}", number(path), contents.bytes(path).unwrap().len()))
        .collect()
}

fn number(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// Everything a log holds from this place on.
fn batches(disk: &SimDisk, from: &LogPlace) -> Vec<(u64, Vec<u8>, Vec<u8>)> {
    let mut replay = Replay::begin(Arc::new(disk.clone()), &options(), from, None).unwrap();
    let mut found = Vec::new();
    while let Some(batch) = replay.next().unwrap() {
        found.push((batch.sequence.get(), batch.table.to_vec(), batch.body.to_vec()));
    }
    let (read, known) = replay.progress();
    assert!(read >= known && (read > 0 || found.is_empty()), "{read} of {known}");
    found
}

#[test]
fn batches_of_every_length_come_back_as_they_were() {
    let (disk, mut store) = begun();
    let from = store.log().unwrap().place();
    let lengths = [0, 1, 7, 8, 9, 1_016, 1_017, 1_023, 1_024, 1_025, 2_048, 2_049, 9_000, 40_000];
    let mut written = Vec::new();
    for table in [0, 1, 8, 1_024, 1_030, 5_000] {
        for body in lengths {
            written.push((vec![table as u8; table], vec![body as u8; body]));
        }
    }
    let log = store.log().unwrap();
    for (table, body) in &written {
        log.append(table, &Body::new(body.clone(), &options())).unwrap();
    }
    log.sync().unwrap();
    let found = batches(&disk, &from);
    assert_eq!(found.len(), written.len());
    for ((number, table, body), expected) in found.iter().zip(&written) {
        assert!((table, body) == (&expected.0, &expected.1), "batch {number}");
    }
}

#[test]
fn a_replay_can_begin_behind_any_batch() {
    let (disk, mut store) = begun();
    let mut places = vec![store.log().unwrap().place()];
    for size in [Size::Small, Size::Large, Size::Large, Size::Small, Size::Large] {
        store.append(size).unwrap();
        places.push(store.log().unwrap().place());
    }
    store.log().unwrap().mark().unwrap();
    store.append(Size::Small).unwrap();
    places.push(store.log().unwrap().place());
    store.close().unwrap();
    let (from, end) = (places[0], places[6]);
    let all = batches(&disk, &from);
    assert_eq!(all.len(), 6);
    for (index, place) in places.iter().enumerate() {
        assert_eq!(batches(&disk, place), all[index..], "behind batch {index}");
    }
    // A place that never was one.
    for odd in [LogPlace { sum: end.sum ^ 1, ..from }, LogPlace { offset: from.offset + 8, ..from }]
    {
        assert!(matches!(replay(&disk, &options(), &odd), Err(Error::Rot { .. })));
    }
}

#[test]
fn opening_a_closed_log_writes_nothing_and_goes_on_in_a_file_of_its_own() {
    let (disk, mut store) = begun();
    store.append(Size::Small).unwrap();
    store.close().unwrap();
    let before = files(&disk);
    let place = kept_place(&disk).unwrap().unwrap();
    let (traced, trace) = Trace::record(Arc::new(disk.clone()), Recorded::Changes);
    let traced: Arc<dyn Disk> = traced;
    let ended = Replay::begin(Arc::clone(&traced), &options(), &place, None).unwrap();
    let ended = ended.finish().unwrap();
    assert!(ended.was_closed() && !ended.must_be_carried() && ended.cut.is_none());
    let mut log = Log::resume(ended, &options()).unwrap();
    log.sync().unwrap();
    assert_eq!(log.last(), Sequence::new(1));
    assert_eq!(trace.take(), "", "opened, synced, and nothing done");

    let (table, body) = content(2, Size::Small);
    log.append(&table, &Body::new(body, &options())).unwrap();
    log.close().unwrap();
    assert_eq!(before, ["1 8192", "2 4096"]);
    // The witness of the first close made room for what follows.
    assert_eq!(files(&disk), ["1 8192", "3 8192", "4 4096"]);
    assert_eq!(replay(&disk, &options(), &place).unwrap().0, 2);
    Log::close(Log::resume(replay(&disk, &options(), &place).unwrap().1, &options()).unwrap())
        .unwrap();
    assert_eq!(files(&disk), ["1 8192", "3 8192", "4 4096"], "nothing to close");
}

#[test]
fn files_double_up_to_the_most_and_grow_for_a_batch_that_needs_it() {
    let (disk, mut store) = begun();
    for _ in 0..8 {
        store.append(Size::Large).unwrap();
    }
    let log = store.log().unwrap();
    log.append(&[], &Body::new(vec![3; 50_000], &options())).unwrap();
    log.sync().unwrap();
    let files = files(&disk);
    assert_eq!(files[..4], ["1 8192", "2 16384", "3 16384", "4 53248"]);
    assert_eq!(files.len(), 4);
    let stats = store.log().unwrap().stats();
    assert_eq!((stats.files, stats.file_bytes), (4, 94_208));
    assert_eq!((stats.batches, stats.rotations), (9, 3));
    assert_eq!((stats.last, stats.synced), (Sequence::new(9), Sequence::new(9)));
}

#[test]
fn a_file_made_ahead_is_used_and_the_next_is_asked_for() {
    let (disk, mut store) = begun();
    let preparation = store.log().unwrap().preparation().unwrap().expect("no file is ahead yet");
    assert_eq!(files(&disk), ["1 8192"]);
    let spare = preparation.run().unwrap();
    assert_eq!(files(&disk), ["1 8192", "2 16384"]);
    let log = store.log().unwrap();
    log.supply(spare);
    assert!(log.preparation().unwrap().is_none(), "it is there");
    for _ in 0..4 {
        store.append(Size::Large).unwrap();
    }
    assert_eq!(files(&disk), ["1 8192", "2 16384"], "no file had to be made");
    let preparation = store.log().unwrap().preparation().unwrap().unwrap();
    // One that comes too late is taken away again.
    let late = preparation.run().unwrap();
    let log = store.log().unwrap();
    let early = log.preparation().unwrap().unwrap().run().unwrap();
    log.supply(early);
    log.supply(late);
    assert_eq!(files(&disk), ["1 8192", "2 16384", "4 16384"]);
    store.close().unwrap();
    assert_eq!(files(&disk), ["1 8192", "2 16384", "5 4096"], "a closed log keeps no spare");
}

#[test]
fn pruning_takes_away_what_lies_before_the_place_but_for_what_is_to_be_kept() {
    let (disk, mut store) = begun();
    for _ in 0..8 {
        store.append(Size::Large).unwrap();
    }
    store.sync().unwrap();
    assert_eq!(files(&disk), ["1 8192", "2 16384", "3 16384"]);
    let log = store.log().unwrap();
    let place = log.place();
    let pruned = log.prune(&place, 16_384).unwrap();
    assert_eq!((pruned.files.len(), pruned.bytes), (1, 8_192));
    assert_eq!(files(&disk), ["2 16384", "3 16384"]);
    assert_eq!(log.prune(&place, 0).unwrap().bytes, 16_384);
    assert_eq!(log.stats().files, 1);
    assert_eq!(log.prune(&place, 0).unwrap().files, []);
    assert_eq!(replay(&disk, &options(), &place).unwrap().0, 8);
}

#[test]
fn a_rotation_lets_the_next_batch_begin_a_file() {
    let (disk, mut store) = begun();
    store.log().unwrap().rotate();
    store.append(Size::Small).unwrap();
    assert_eq!(files(&disk).len(), 1, "an empty file is not rotated");
    store.log().unwrap().rotate();
    store.append(Size::Small).unwrap();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    assert_eq!(files(&disk).len(), 2);
}

#[test]
fn a_mark_leaves_nothing_to_carry_and_is_not_repeated() {
    let (disk, mut store) = begun();
    store.append(Size::Small).unwrap();
    let place = kept_place(&disk).unwrap().unwrap();
    store.sync().unwrap();
    assert!(replay(&disk, &options(), &place).unwrap().1.must_be_carried());
    let log = store.log().unwrap();
    log.mark().unwrap();
    let marked = disk.contents().sum();
    log.mark().unwrap();
    assert_eq!(disk.contents().sum(), marked, "the mark is there already");
    let ended = replay(&disk, &options(), &place).unwrap().1;
    assert!(!ended.must_be_carried() && !ended.was_closed());
}

#[test]
fn a_log_is_not_created_over_another_and_takes_no_batch_beyond_its_bounds() {
    let (disk, mut store) = begun();
    let exists = Store::create(&disk).map(|_| ()).unwrap_err();
    assert!(matches!(exists, Error::Exists { .. }), "{exists}");
    let log = store.log().unwrap();
    let most = 64 << 20;
    let refused = log.append(&[1], &Body::new(vec![0; most], &options())).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { bytes, .. } if bytes == most + 1), "{refused}");
    assert!(refused.to_string().contains("67108865 bytes"), "{refused}");
}

/// A log whose last group is torn: a batch, and half of the next one.
fn torn() -> (Image, LogPlace) {
    let (disk, mut store) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let cut = store.log().unwrap().place();
    store.append(Size::Large).unwrap();
    store.log().unwrap().write().unwrap();
    let mut image = disk.contents();
    let file = format!("wal/{}.wal", cut.file);
    assert!(image.flip_bit(&file, cut.offset as usize + 1_500, 0));
    (image, kept_place(&disk).unwrap().unwrap())
}

#[test]
fn a_torn_end_is_cut_off_reported_and_begins_a_new_timeline() {
    let (image, place) = torn();
    let disk = SimDisk::from_image(&image, 1);
    let (last, ended) = replay(&disk, &options(), &place).unwrap();
    let cut = ended.cut.clone().expect("half a batch is cut off");
    assert_eq!((last, ended.last()), (1, Sequence::new(1)));
    assert!(cut.offset > place.offset);
    assert!(cut.path.ends_with("00000000000000000001.wal"));
    let old = ended.branches.last().copied().unwrap();
    let log = Log::resume(ended, &options()).unwrap();
    let new = log.branch();
    assert_eq!((new.parent, new.first.get()), (Some(old.timeline), 2));
    assert_ne!(new.timeline, old.timeline);
    // It was carried into a file of its own; what was cut off stays where it was, untouched.
    let old_file = "wal/00000000000000000001.wal";
    assert_eq!(disk.contents().bytes(old_file), image.bytes(old_file));
    drop(log);
    let (last, again) = replay(&disk, &options(), &place).unwrap();
    assert_eq!((last, again.cut), (1, None));
    assert_eq!(again.branches, [old, new]);
}

#[test]
fn in_doubt_one_may_refuse() {
    let (image, place) = torn();
    let disk = SimDisk::from_image(&image, 1);
    // The later part of the batch is whole, and that proves nothing: it may have been synced with the rest.
    let strict = options().doubt(Doubt::Refuse);
    let refused = replay(&disk, &strict, &place).map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::InDoubt { .. }), "{refused}");
    let mut image = image;
    let file = format!("wal/{}.wal", place.file);
    let end = image.bytes(&file).unwrap().len();
    let from = place.offset as usize + 56 + 30;
    let junk = vec![0; end - from];
    let mut bytes = image.bytes(&file).unwrap().to_vec();
    bytes[from..].copy_from_slice(&junk);
    image.replace(&file, &bytes);
    let disk = SimDisk::from_image(&image, 1);
    let refused = replay(&disk, &strict, &place).map(|_| ()).unwrap_err();
    assert!(matches!(refused, Error::InDoubt { .. }), "{refused}");
    assert_eq!(replay(&disk, &options(), &place).unwrap().0, 0);
}

#[test]
fn rot_names_the_file_the_place_and_the_batches_that_are_lost() {
    let (disk, mut store) = begun();
    let mut places = vec![store.log().unwrap().place()];
    for _ in 0..4 {
        store.append(Size::Small).unwrap();
        store.sync().unwrap();
        places.push(store.log().unwrap().place());
    }
    let mut image = disk.contents();
    let damaged = places[1];
    image.flip_bit(format!("wal/{}.wal", damaged.file), damaged.offset as usize + 70, 3);
    let disk = SimDisk::from_image(&image, 1);
    let error = replay(&disk, &options(), &places[0]).map(|_| ()).unwrap_err();
    let Error::Rot { path, offset, witness, lost } = &error else { panic!("{error}") };
    assert_eq!((path.to_str(), *offset), (Some("wal/00000000000000000001.wal"), damaged.offset));
    assert_eq!(*witness, Witness::Record);
    assert_eq!((lost.first, lost.last), (Sequence::new(2), Sequence::new(2)));
    assert!(error.to_string().contains("batches 2 to 2 cannot be read"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a plain list: whatever is appended, synced, sealed, marked, closed and opened again
    /// comes back in order.
    #[test]
    fn a_log_is_a_list_of_batches(
        ops in prop::collection::vec((0..8_u8, 0..3_000_usize), 1..40),
    ) {
        let (disk, mut store) = begun();
        let from = store.log().unwrap().place();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (op, length) in ops {
            match op {
                0 => store.log().unwrap().rotate(),
                1 => store.log().unwrap().mark().unwrap(),
                2 | 3 => {
                    let log = store.log.take().unwrap();
                    if op == 2 { log.close().unwrap() } else { let mut log = log; log.write().unwrap() }
                    let mut replay =
                        Replay::begin(Arc::new(disk.clone()), &options(), &from, None).unwrap();
                    let mut found = Vec::new();
                    while let Some(batch) = replay.next().unwrap() {
                        found.push(batch.body.to_vec());
                    }
                    prop_assert!(found == model);
                    store.log = Some(Log::resume(replay.finish().unwrap(), &options()).unwrap());
                }
                4 => store.log().unwrap().sync().unwrap(),
                _ => {
                    let body = vec![model.len() as u8; length];
                    let log = store.log().unwrap();
                    log.append(&body[..length / 3], &Body::new(body.clone(), &options())).unwrap();
                    model.push(body);
                }
            }
        }
    }
}
