//! Edges of the log that a deliberate mistake got past before they were tested.

use std::path::Path;
use std::sync::Arc;

use base::{FileId, LogPlace, Sequence, Timeline};
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use disk::{Disk, SimDisk};
use wal::format::{Kind, Part, Place, Predecessor, RecordHeader};
use wal::{Beginning, Body, Error, Log, Options, Replay, Witness};

use crate::forged::hostile;
use crate::store::{STORE, Size, Store, options, replay, replay_known};

fn begun() -> (SimDisk, Store, LogPlace) {
    let disk = SimDisk::new(101);
    let mut store = Store::create(&disk).unwrap();
    let from = store.log().unwrap().place();
    (disk, store, from)
}

fn die(store: &mut Store) {
    let mut log = store.log.take().unwrap();
    log.write().unwrap();
}

fn beginning() -> Beginning {
    Beginning::of_a_new_store(Timeline::new(0xa).unwrap())
}

fn listed(disk: &SimDisk) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    disk.contents().files().filter(|path| path.starts_with("wal")).map(name).collect()
}

/// The directory was made and not synced, the process died, and the power failed after the next one.
#[test]
fn a_creation_behind_a_half_made_directory_makes_its_name_durable() {
    let disk = SimDisk::new(1);
    disk.create_dir(Path::new("wal")).unwrap().forgo("the process dies here");
    let disk = disk.after_kill(2);
    let log = Log::create(Arc::new(disk.clone()), &options(), &beginning()).unwrap();
    let disk = SimDisk::from_image(&disk.after_power_loss(), 3);
    assert_eq!(replay(&disk, &options(), &log.place()).unwrap().0, 0);
}

#[test]
fn a_creation_takes_no_name_that_an_earlier_one_left() {
    let disk = SimDisk::new(1);
    disk.create_dir(Path::new("wal")).unwrap().forgo("the process dies here");
    let (_, pending) = disk.create(Path::new("wal/00000000000000000001.new")).unwrap();
    pending.forgo("the process dies here");
    let log = Log::create(Arc::new(disk.clone()), &options(), &beginning()).unwrap();
    assert_eq!(log.place().file.0, 2);
}

#[test]
fn the_figures_go_on_after_a_recovery() {
    let (disk, mut store, _) = begun();
    store.append(Size::Small).unwrap();
    store.close().unwrap();
    let mut store = Store::open(&disk).unwrap();
    let stats = store.log().unwrap().stats();
    assert_eq!((stats.last, stats.synced), (Sequence::new(1), Sequence::new(1)));
    assert!(store.log().unwrap().preparation().unwrap().is_none(), "there is no file to follow");
    // The witness is counted until the first append takes it away.
    assert_eq!(stats.files, 2);
    store.append(Size::Small).unwrap();
    assert_eq!(store.log().unwrap().stats().files, listed(&disk).len() as u64);
    let spare = store.log().unwrap().preparation().unwrap().unwrap().run().unwrap();
    let late = store.log().unwrap().preparation().unwrap().unwrap().run().unwrap();
    let log = store.log().unwrap();
    log.supply(spare);
    log.supply(late);
    assert_eq!(log.stats().files, listed(&disk).len() as u64);
    // Too small for this one: another is made in its place.
    log.append(&[], &Body::new(vec![1; 50_000], &options())).unwrap();
    assert_eq!(log.stats().files, listed(&disk).len() as u64);
    assert_eq!(listed(&disk).len(), 3, "{:?}", listed(&disk));
}

#[test]
fn the_longest_batch_there_can_be_fits() {
    let options = Options::new(STORE);
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), &options, &beginning()).unwrap();
    let from = log.place();
    let most = wal::format::BATCH_BYTES_MAX;
    log.append(&[7], &Body::new(vec![1; most - 1], &options)).unwrap();
    log.sync().unwrap();
    let mut replay = Replay::begin(Arc::new(disk), &options, &from, None).unwrap();
    assert_eq!(replay.next().unwrap().unwrap().body.len(), most - 1);
}

#[test]
fn a_long_batch_does_not_wait_in_memory() {
    let options = Options::new(STORE).file_bytes(8 << 20, 8 << 20);
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), &options, &beginning()).unwrap();
    let before = disk.contents().sum();
    log.append(&[], &Body::new(vec![1; 3 << 20], &options)).unwrap();
    assert_ne!(disk.contents().sum(), before, "some of it was written");
}

/// Many megabytes that may be in the cache alone: more than is copied at a time, and more than the
/// first file of a process takes.
#[test]
fn a_recovery_carries_more_than_it_holds_in_memory() {
    let large = Options::new(STORE).file_bytes(8 << 20, 8 << 20);
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), &large, &beginning()).unwrap();
    let from = log.place();
    for batch in 0..6_u8 {
        log.append(&[batch], &Body::new(vec![batch; 700_000], &large)).unwrap();
    }
    log.write().unwrap();
    let small = Options::new(STORE);
    let replayed = |disk: &SimDisk| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut replay = Replay::begin(disk, &small, &from, None).unwrap();
        let mut found = 0_u8;
        while let Some(batch) = replay.next().unwrap() {
            assert!(batch.table == [found] && batch.body == vec![found; 700_000]);
            found += 1;
        }
        assert_eq!(found, 6);
        replay.finish().unwrap()
    };
    let log = Log::resume(replayed(&disk), &small).unwrap();
    let disk = SimDisk::from_image(&disk.after_power_loss(), 1);
    replayed(&disk);
    log.close().unwrap();
}

#[test]
fn any_failed_write_or_mark_stops_the_log_whoever_asked_for_it() {
    for kind in [FaultKind::Write, FaultKind::Sync(LostSync::KeepsCache)] {
        let fails: [fn(&mut Log) -> wal::Result<()>; 2] = [Log::write, Log::mark];
        for fails in fails {
            let (disk, mut store, place) = begun();
            store.append(Size::Small).unwrap();
            disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
            let log = store.log().unwrap();
            if fails(log).is_ok() {
                continue;
            }
            let stopped = |result: wal::Result<()>| {
                assert!(matches!(result, Err(Error::Stopped { .. })), "{kind:?}: {result:?}");
            };
            stopped(log.sync());
            stopped(log.prune(&place, 0).map(|_| ()));
            stopped(log.preparation().map(|_| ()));
            stopped(store.append(Size::Small).map(|_| ()));
        }
    }
}

/// A file could not be made, and how far that got is not known.
#[test]
fn a_file_that_fails_in_the_making_stops_the_log() {
    for reopened in [false, true] {
        for nth in 0..2 {
            let (disk, mut store, _) = begun();
            store.append(Size::Large).unwrap();
            store.sync().unwrap();
            if reopened {
                store.close().unwrap();
                store.log().unwrap();
            }
            let kind = FaultKind::Sync(LostSync::KeepsCache);
            disk.inject(Fault { kind, nth, lasting: Lasting::Once });
            let log = store.log().unwrap();
            let body = Body::new(vec![0; 6_000], &options());
            log.append(&[], &body).unwrap_err();
            let error = log.append(&[], &body).unwrap_err();
            assert!(matches!(error, Error::Stopped { .. }), "{reopened}, {nth}: {error}");
        }
    }
}

#[test]
fn files_double_and_do_not_triple() {
    let wide = Options::new(STORE).file_bytes(8_192, 65_536).part_bytes(1_024);
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), &wide, &beginning()).unwrap();
    for _ in 0..150 {
        log.append(&[], &Body::new(vec![1; 1_000], &wide)).unwrap();
    }
    let contents = disk.contents();
    let lengths: Vec<_> =
        contents.files().map(|path| contents.bytes(path).unwrap().len()).collect();
    assert_eq!(lengths[..5], [8_192, 16_384, 32_768, 65_536, 65_536]);
}

/// A preparation was overtaken by a file that was made at once.
#[test]
fn a_file_made_ahead_that_comes_too_late_is_not_used() {
    let (disk, mut store, from) = begun();
    let late = store.log().unwrap().preparation().unwrap().unwrap();
    for _ in 0..3 {
        store.append(Size::Large).unwrap();
    }
    let late = late.run().unwrap();
    store.log().unwrap().supply(late);
    for _ in 0..9 {
        store.append(Size::Large).unwrap();
    }
    store.sync().unwrap();
    assert_eq!(replay(&disk, &options(), &from).unwrap().0, 12);
}

/// Somebody else makes a file ahead, slowly: it has not got its name yet, or nobody took it so far, when the log has gone
/// on with another one.
#[test]
fn pruning_leaves_alone_what_is_being_made() {
    for name in ["00000000000000000002.new", "00000000000000000002.wal"] {
        let (disk, mut store, _) = begun();
        let slow = store.log().unwrap().preparation().unwrap().unwrap();
        let (being_made, named) = disk.create(&Path::new("wal").join(name)).unwrap();
        named.forgo("nothing of it counts");
        being_made.write_at(0, &[0; 512]).unwrap();
        for _ in 0..3 {
            store.append(Size::Large).unwrap();
        }
        store.prune().unwrap();
        assert_eq!(listed(&disk), [name, "00000000000000000003.wal"]);
        // Its maker dies: whoever opens the log next takes it away.
        drop(slow);
        die(&mut store);
        let mut store = Store::open(&disk).unwrap();
        store.append(Size::Small).unwrap();
        store.prune().unwrap();
        assert!(listed(&disk).iter().all(|listed| listed != name));
    }
}

#[test]
fn a_file_made_ahead_that_is_too_small_is_replaced() {
    let (disk, mut store, _) = begun();
    let spare = store.log().unwrap().preparation().unwrap().unwrap().run().unwrap();
    let log = store.log().unwrap();
    log.supply(spare);
    log.append(&[], &Body::new(vec![1; 50_000], &options())).unwrap();
    log.sync().unwrap();
    assert_eq!(listed(&disk), ["00000000000000000001.wal", "00000000000000000003.wal"]);
}

#[test]
fn a_mark_after_a_recovery_says_that_what_was_carried_is_synced() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    die(&mut store);
    let mut store = Store::open(&disk).unwrap();
    assert!(replay(&disk, &options(), &from).unwrap().1.must_be_carried());
    store.log().unwrap().mark().unwrap();
    assert!(!replay(&disk, &options(), &from).unwrap().1.must_be_carried());
}

/// Not a byte is left but those that are kept for a close: a mark leaves them alone.
#[test]
fn a_full_file_has_room_for_a_mark_and_its_close() {
    let (disk, mut store, from) = begun();
    let log = store.log().unwrap();
    let mut left = 8_192 - 4_096 - 56 - 56 - 56;
    while left > 0 {
        let bytes = if left >= 2 * (56 + 1_024) { 1_024 } else { (left - 56).min(1_024) };
        let bytes =
            if left - 56 - bytes > 0 && left - 56 - bytes < 56 { bytes - 64 } else { bytes };
        log.append(&[], &Body::new(vec![1; bytes], &options())).unwrap();
        left -= 56 + bytes;
    }
    assert_eq!(log.place().offset, 8_192 - 2 * 56);
    log.mark().unwrap();
    assert_eq!(log.place().offset, 8_192 - 56, "the mark, and room for the close");
    store.log.take().unwrap().close().unwrap();
    let replay = Replay::begin(Arc::new(disk.clone()), &options(), &from, None).unwrap();
    assert!(replay.finish().unwrap().was_closed());
    assert_eq!(disk.contents().bytes("wal/00000000000000000001.wal").unwrap().len(), 8_192);
}

/// An empty branch is left for another: its parent is that of the branch that holds something.
#[test]
fn a_branch_that_nothing_was_written_on_is_no_ones_parent() {
    let (mut disk, mut store, _) = begun();
    store.append(Size::Small).unwrap();
    store.log().unwrap().mark().unwrap();
    let first = store.log().unwrap().branch();
    let mut parents = Vec::new();
    for _ in 0..3 {
        // Half a batch: nothing of it counts, and a branch begins behind the first batch.
        let log = store.log().unwrap();
        let place = log.place();
        log.append(&[], &Body::new(vec![9; 3_000], &options())).unwrap();
        log.write().unwrap();
        store.log = None;
        let mut image = disk.contents();
        image.flip_bit(format!("wal/{}.wal", place.file), place.offset as usize + 60, 0);
        disk = SimDisk::from_image(&image, 1);
        store = Store::open(&disk).unwrap();
        assert_eq!(store.last, 1);
        parents.push(store.log().unwrap().branch().parent);
    }
    assert_eq!(parents, [Some(first.timeline); 3]);
}

#[test]
fn spares_and_half_made_files_that_a_dead_process_left_are_taken_away() {
    let (disk, mut store, _) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let spare = store.log().unwrap().preparation().unwrap().unwrap().run().unwrap();
    store.log().unwrap().supply(spare);
    let (_, pending) = disk.create(Path::new("wal/00000000000000000003.new")).unwrap();
    pending.forgo("the process dies here");
    die(&mut store);
    drop(Store::open(&disk).unwrap());
    assert_eq!(listed(&disk), ["00000000000000000001.wal", "00000000000000000004.wal"]);
}

/// What was cut off is said, however it ended, and a branch begins there.
#[test]
fn every_way_to_end_within_something_is_a_cut() {
    // Of two batches behind the synced one: which byte is hit, and whether all behind it is gone too.
    let ends = [
        ("the second behind it is whole", Size::Small, 60, false, true),
        ("nothing is whole behind it", Size::Small, 60, true, true),
        ("within the parts of a batch, and zeros behind", Size::Large, 1_200, true, false),
    ];
    for (what, size, at, is_rest_gone, is_in_doubt) in ends {
        let (disk, mut store, from) = begun();
        store.append(Size::Small).unwrap();
        store.sync().unwrap();
        let place = store.log().unwrap().place();
        store.append(size).unwrap();
        store.append(Size::Small).unwrap();
        die(&mut store);
        let path = format!("wal/{}.wal", place.file);
        let mut image = disk.contents();
        let mut bytes = image.bytes(&path).unwrap().to_vec();
        let at = place.offset as usize + at;
        if size == Size::Large {
            // The first two parts end here: a table of 16 bytes, and 1024 of the body.
            bytes[place.offset as usize + 72 + 1_080..].fill(0);
        } else if is_rest_gone {
            bytes[at..].fill(0);
        } else {
            bytes[at] ^= 1;
        }
        assert!(image.replace(&path, &bytes));
        let disk = SimDisk::from_image(&image, 1);
        let (last, ended) = replay(&disk, &options(), &from).unwrap();
        assert_eq!(last, 1, "{what}");
        let cut = ended.cut.clone().unwrap_or_else(|| panic!("{what}: nothing is said"));
        assert_eq!((cut.offset, cut.is_in_doubt), (place.offset, is_in_doubt), "{what}");
        let before = ended.branches.last().copied().unwrap();
        let log = Log::resume(ended, &options()).unwrap();
        assert_eq!(log.branch().parent, Some(before.timeline), "{what}");
        assert_eq!(log.branch().first.get(), 2, "{what}");
    }
}

/// What is known from outside is no more than what is there.
#[test]
fn a_log_that_ends_just_where_it_is_known_to_is_opened() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let known = store.log().unwrap().place();
    die(&mut store);
    assert_eq!(replay_known(&disk, &options(), &from, Some(known)).unwrap().0, 1);
    // In a file behind the first, at an offset that the first does not reach.
    let (disk, mut store, from) = begun();
    for _ in 0..4 {
        store.append(Size::Large).unwrap();
    }
    store.sync().unwrap();
    let known = store.log().unwrap().place();
    assert!(known.file > from.file && known.offset > 8_192, "{known}");
    die(&mut store);
    assert_eq!(replay_known(&disk, &options(), &from, Some(known)).unwrap().0, 4);
}

/// The successor names the right end, and another sum than stands there.
#[test]
fn a_successor_that_names_another_sum_is_not_entered() {
    let end = |sum| Some(Predecessor { file: FileId(1), end: 4_096, sum });
    let sum = hostile(&[(1, None, 4_096)]).1[0];
    let from = LogPlace { file: FileId(1), offset: 4_096, sum, sequence: None };
    for (named, is_entered) in [(sum, true), (sum ^ 1, false)] {
        let (disk, _) = hostile(&[(1, None, 4_096), (2, end(named), 4_096)]);
        let found = replay(&disk, &options(), &from);
        assert_eq!(found.is_ok(), is_entered, "{:?}", found.map(|(last, _)| last));
    }
}

/// A record whose own sum fits, that repeats another sum than stands before it.
#[test]
fn a_record_that_does_not_follow_is_rot_although_nothing_is_behind_it() {
    let (disk, sums) = hostile(&[(1, None, 8_192)]);
    let name = format!("wal/{}.wal", FileId(1));
    let file = disk.open(Path::new(&name), disk::Access::ReadWrite).unwrap();
    let header = RecordHeader {
        previous_sum: sums[0] ^ 1,
        sequence: None,
        synced_to: 0,
        table_bytes: 0,
        table_sum: 0,
        body_bytes: 0,
        body_sum: 0,
        kind: Kind::SyncMark,
        part: Part::Whole,
    };
    let place = Place { file: FileId(1), salt: 0, offset: 4_096 };
    let mut bytes = header.encode(&place).0.to_vec();
    bytes.resize(4_096, 0);
    file.write_at(4_096, &bytes).unwrap();
    let from = LogPlace { file: FileId(1), offset: 4_096, sum: sums[0], sequence: None };
    let error = replay(&disk, &options(), &from).map(|(last, _)| last).unwrap_err();
    assert!(matches!(error, Error::Rot { witness: Witness::Chain, .. }), "{error}");
}

/// A read that fails once, and works when it is tried again.
#[test]
fn a_read_that_fails_once_is_not_the_end() {
    let (disk, mut store, from) = begun();
    for _ in 0..5 {
        store.append(Size::Large).unwrap();
    }
    die(&mut store);
    for nth in 0.. {
        let before = disk.faults_struck();
        disk.inject(Fault { kind: FaultKind::Read, nth, lasting: Lasting::Once });
        let found = replay(&disk, &options(), &from).map(|(last, _)| last);
        disk.heal();
        if disk.faults_struck() == before {
            assert!(nth >= 4, "{nth} reads");
            break;
        }
        assert!(matches!(found, Err(Error::Unreadable { .. })), "read {nth}: {found:?}");
    }
}
