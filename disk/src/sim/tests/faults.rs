//! Every fault a disk can have, one test each: what is told, what is seen, what is left.
//!
//! By the fault model: process kill and power loss, torn writes, sizes without bytes and names without
//! files are in `images.rs` and `semantics.rs`; crashes in a recovery, and a disk that is full during one,
//! are in `tests/it/harness.rs`. Hostile content under right sums, and a directory copied while in use,
//! are for those to test who know what files mean.

use super::*;

fn inject(disk: &SimDisk, kind: FaultKind, nth: u64, lasting: Lasting) {
    disk.inject(Fault { kind, nth, lasting });
}

fn once(disk: &SimDisk, kind: FaultKind) {
    inject(disk, kind, 0, Lasting::Once);
}

fn read(file: &dyn File) -> String {
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_sync_that_fails_and_keeps_the_cache_has_lost_the_bytes_all_the_same() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"old");
    file.write_at(0, b"new").unwrap();
    once(&disk, FaultKind::Sync(LostSync::KeepsCache));
    file.sync_data().unwrap_err();
    assert_eq!(read(&*file), "new");
    file.sync_data().expect("the next one says it is done");
    assert_eq!(line(&disk.contents()), "f=new");
    assert_eq!(crashes(&disk), set(["f=old", "f=new"]), "only a kill leaves the cache");
    assert_eq!(line(&disk.after_power_loss()), "f=old");
    file.write_at(0, b"NEW").unwrap();
    file.sync_data().unwrap();
    assert_eq!(line(&disk.after_power_loss()), "f=NEW", "what is written again is kept");
}

#[test]
fn a_sync_that_fails_and_reverts_the_cache_shows_the_old_bytes() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"old");
    let region = file.map(3).unwrap();
    file.write_at(0, b"new and longer").unwrap();
    once(&disk, FaultKind::Sync(LostSync::RevertsCache));
    file.sync_all().unwrap_err();
    assert_eq!(read(&*file), "old");
    assert_eq!(copy(&*region, 0..3).unwrap(), b"old");
    file.sync_all().unwrap();
    assert_eq!(crashes(&disk), set(["f=old"]));
}

#[test]
fn a_sync_can_report_late_what_an_earlier_one_lost() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"old");
    file.write_at(0, b"new").unwrap();
    once(&disk, FaultKind::Sync(LostSync::ReportedLate));
    file.sync_data().expect("it says it is done");
    assert_eq!(line(&disk.after_power_loss()), "f=old");
    file.sync_data().expect_err("the next one reports it");
    file.sync_data().unwrap();
    assert_eq!(line(&disk.after_power_loss()), "f=old");
}

#[test]
fn syncs_can_fail_for_good() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"old");
    inject(&disk, FaultKind::Sync(LostSync::KeepsCache), 1, Lasting::FromThenOn);
    file.sync_data().unwrap();
    for _ in 0..3 {
        file.sync_data().unwrap_err();
        disk.sync_dir(Path::new("")).unwrap_err();
    }
    assert_eq!(disk.faults_struck(), 6);
    disk.heal();
    file.sync_data().unwrap();
}

#[test]
fn a_directory_whose_sync_fails_has_lost_its_names() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"1");
    rename(&disk, "f", "g");
    once(&disk, FaultKind::Sync(LostSync::KeepsCache));
    disk.sync_dir(Path::new("")).unwrap_err();
    disk.sync_dir(Path::new("")).unwrap();
    assert_eq!(line(&disk.after_power_loss()), "f=1");
    assert_eq!(line(&disk.contents()), "g=1");
}

#[test]
fn a_read_can_fail_once_or_for_good_and_never_looks_like_the_end() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"bytes");
    once(&disk, FaultKind::Read);
    let error = file.read_at(0, &mut [0; 5]).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    file.read_at(0, &mut [0; 5]).unwrap();
    inject(&disk, FaultKind::Read, 0, Lasting::FromThenOn);
    for _ in 0..3 {
        file.read_at(0, &mut [0; 5]).unwrap_err();
    }
}

#[test]
fn a_bad_sector_fails_the_reads_that_touch_it_also_after_a_crash() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", &[1; 2048]);
    let mut image = disk.contents();
    assert!(image.make_unreadable("f", 512..1024));
    let disk = SimDisk::from_image(&image, 1);
    let again = SimDisk::from_image(&disk.after_power_loss(), 1);
    for disk in [disk, again] {
        let file = disk.open(Path::new("f"), Access::Read).unwrap();
        file.read_at(0, &mut [0; 512]).unwrap();
        file.read_at(1024, &mut [0; 1024]).unwrap();
        assert!(matches!(file.read_at(0, &mut [0; 513]), Err(Error::Io { .. })));
    }
}

#[test]
fn a_bad_sector_that_was_written_again_stays_readable_once_that_is_durable() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", &[1; 2048]);
    let mut image = disk.contents();
    assert!(image.make_unreadable("f", 512..1024));
    let disk = SimDisk::from_image(&image, 1);
    let file = disk.open(Path::new("f"), Access::ReadWrite).unwrap();
    let is_readable = |disk: SimDisk| {
        let file = disk.open(Path::new("f"), Access::Read).unwrap();
        file.read_at(0, &mut [0; 2048]).is_ok()
    };
    file.write_at(512, &[2; 512]).unwrap();
    assert!(!is_readable(SimDisk::from_image(&disk.after_power_loss(), 1)), "the write was lost");
    assert!(is_readable(disk.after_kill(1)));
    assert!(is_readable(SimDisk::from_image(&disk.contents(), 1)));
    file.sync_data().unwrap();
    assert!(is_readable(SimDisk::from_image(&disk.after_power_loss(), 1)));
}

#[test]
fn a_full_device_refuses_everything_that_needs_space_until_there_is_some() {
    let disk = SimDisk::options(1).capacity(10).build();
    let file = durable(&disk, "f", b"12345");
    let is_full = |outcome: Result<()>| matches!(outcome, Err(Error::Full { .. }));
    assert!(is_full(file.reserve(11)));
    assert_eq!(file.size().unwrap(), 5);
    assert!(is_full(file.write_at(8, b"abc")));
    file.reserve(10).unwrap();
    file.write_at(9, b"x").unwrap();
    let other = create(&disk, "g");
    assert!(is_full(other.write_at(0, b"y")));
    remove(&disk, "f");
    assert!(is_full(other.write_at(0, b"y")), "the space is taken while the file is open");
    drop(file);
    other.write_at(0, b"y").unwrap();
    disk.set_capacity(0);
    assert!(is_full(other.write_at(1, b"z")));
}

#[test]
fn a_cut_gives_space_back() {
    let disk = SimDisk::options(1).capacity(10).build();
    let file = durable(&disk, "f", b"0123456789");
    let other = create(&disk, "g");
    other.write_at(0, b"x").unwrap_err();
    file.set_size(2).unwrap();
    other.write_at(0, b"12345678").unwrap();
}

#[test]
fn any_call_that_needs_space_can_be_told_there_is_none() {
    type Attempt = fn(&SimDisk, &dyn File) -> Result<()>;
    let calls: [Attempt; 5] = [
        |disk, _| disk.create(Path::new("g")).map(drop),
        |disk, _| disk.create_dir(Path::new("g")).map(drop),
        |disk, _| disk.rename(Path::new("f"), Path::new("g")).map(drop),
        |_, file| file.reserve(100),
        |_, file| file.write_at(0, b"XYZ"),
    ];
    for (at, call) in calls.into_iter().enumerate() {
        let disk = SimDisk::new(1);
        let file = durable(&disk, "f", b"abc");
        once(&disk, FaultKind::Full { after: 0 });
        let error = call(&disk, &*file).unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "call {at}: {error:?}");
        assert_eq!(line(&disk.contents()), "f=abc", "call {at} changed something");
        call(&disk, &*file).unwrap();
    }
}

#[test]
fn a_device_can_run_full_in_the_middle_of_a_write() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"......");
    once(&disk, FaultKind::Full { after: 2 });
    let error = file.write_at(1, b"ABCD").unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    assert_eq!(read(&*file), ".AB...");
}

#[test]
fn a_write_can_fail_without_writing() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"abc");
    once(&disk, FaultKind::Write);
    let error = file.write_at(0, b"X").unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert_eq!(read(&*file), "abc");
}

#[test]
fn short_and_interrupted_transfers_are_whole_to_the_caller() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"");
    for kind in [FaultKind::Short, FaultKind::Interrupted] {
        once(&disk, kind);
        file.write_at(0, b"whole").unwrap();
        once(&disk, kind);
        assert_eq!(read(&*file), "whole");
    }
    assert_eq!(disk.faults_struck(), 4);
}

#[test]
fn a_crash_can_come_between_the_halves_of_a_short_write() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"");
    once(&disk, FaultKind::Short);
    file.write_at(0, b"whole").unwrap();
    let recording = disk.recording();
    let killed: BTreeSet<_> = recording
        .crash_points(&Density::default(), 1)
        .map(|point| line(&point.after_kill(1).contents()))
        .collect();
    assert!(killed.contains("f=who") && killed.contains("f=whole"), "{killed:?}");
}

#[test]
fn a_lost_write_is_seen_until_the_power_fails() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"old");
    once(&disk, FaultKind::LostWrite);
    file.write_at(0, b"new").unwrap();
    file.sync_all().unwrap();
    assert_eq!(read(&*file), "new");
    assert_eq!(line(&disk.contents()), "f=new");
    assert_eq!(line(&disk.after_power_loss()), "f=old");
}

#[test]
fn a_misdirected_write_is_found_elsewhere_after_the_power_failed() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"........");
    once(&disk, FaultKind::MisdirectedWrite { by: 4 });
    file.write_at(1, b"AB").unwrap();
    file.sync_all().unwrap();
    assert_eq!(read(&*file), ".AB.....");
    assert_eq!(line(&disk.after_power_loss()), "f=.....AB.");
}

#[test]
fn handles_run_out() {
    let disk = SimDisk::options(1).open_files(2).build();
    let first = create(&disk, "a");
    let _second = create(&disk, "b");
    let open = || disk.open(Path::new("a"), Access::Read);
    assert!(matches!(open(), Err(Error::TooManyFiles { .. })));
    let refused = disk.create(Path::new("c"));
    assert!(matches!(refused, Err(Error::TooManyFiles { .. })), "{refused:?}");
    drop(first);
    drop(open().unwrap());
    once(&disk, FaultKind::TooManyFiles);
    assert!(matches!(open(), Err(Error::TooManyFiles { .. })));
    once(&disk, FaultKind::TooManyFiles);
    let refused = disk.sync_dir(Path::new(""));
    assert!(matches!(refused, Err(Error::TooManyFiles { .. })), "{refused:?}");
    disk.sync_dir(Path::new("")).unwrap();
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let disk = SimDisk::new(1);
    let writer = disk.lock(LockKind::Exclusive).unwrap();
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        assert!(matches!(disk.lock(kind), Err(Error::Locked { .. })));
    }
    drop(writer);
    let readers = [disk.lock(LockKind::Shared).unwrap(), disk.lock(LockKind::Shared).unwrap()];
    assert!(matches!(disk.lock(LockKind::Exclusive), Err(Error::Locked { .. })));
    drop(readers);
    drop(disk.lock(LockKind::Exclusive).unwrap());
    let crashed = SimDisk::from_image(&disk.contents(), 1);
    drop(crashed.lock(LockKind::Exclusive).expect("a dead process holds no lock"));
}

#[test]
fn a_deleted_file_cannot_be_synced_with_success() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"1");
    remove(&disk, "f");
    file.write_at(0, b"2").unwrap();
    assert!(matches!(file.sync_data(), Err(Error::Removed { .. })));
}

#[test]
fn images_can_be_damaged_in_every_way_files_are() {
    let disk = SimDisk::new(1);
    durable(&disk, "a", b"abc");
    durable(&disk, "b", b"xyz");
    let image = disk.contents();
    let damaged = |damage: &dyn Fn(&mut Image) -> bool| {
        let mut image = image.clone();
        assert!(damage(&mut image));
        line(&image)
    };
    assert_eq!(damaged(&|it| it.flip_bit("a", 1, 0)), "a=acc b=xyz");
    assert_eq!(damaged(&|it| it.truncate("a", 1)), "a=a b=xyz");
    assert_eq!(damaged(&|it| it.append("a", b"junk")), "a=abcjunk b=xyz");
    assert_eq!(damaged(&|it| it.misplace("a", 0..1, 2)), "a=aba b=xyz");
    assert_eq!(damaged(&|it| it.remove("a")), "b=xyz");
    assert_eq!(damaged(&|it| it.swap("a", "b")), "a=xyz b=abc");
    assert_eq!(damaged(&|it| it.replace("a", b"other")), "a=other b=xyz");
    assert_eq!(damaged(&|it| it.replace("c", b"more")), "a=abc b=xyz c=more");
    let mut image = image.clone();
    assert!(!image.flip_bit("a", 3, 0), "there is no such byte");
    assert!(!image.remove("absent") && !image.swap("a", "absent") && !image.truncate("absent", 0));
    assert_eq!(line(&image), "a=abc b=xyz");
}

#[test]
fn stale_versions_of_a_file_are_those_that_were_durable() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"1");
    file.write_at(0, b"2").unwrap();
    file.write_at(0, b"3").unwrap();
    file.sync_data().unwrap();
    rename(&disk, "f", "g");
    durable(&disk, "f", b"4");
    let versions: Vec<_> = disk.recording().durable_versions("f");
    let versions: Vec<&[u8]> = versions.iter().map(|it| it.as_slice()).collect();
    assert_eq!(versions, [b"1", b"3", b"4"]);
}

#[test]
fn bytes_that_a_failed_sync_forgot_come_back_with_their_sector() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"......");
    file.write_at(0, b"AB").unwrap();
    once(&disk, FaultKind::Sync(LostSync::KeepsCache));
    file.sync_data().unwrap_err();
    assert_eq!(line(&disk.after_power_loss()), "f=......");
    file.write_at(2, b"CD").unwrap();
    file.sync_data().unwrap();
    assert_eq!(crashes(&disk), set(["f=ABCD.."]), "the device is given the sector as it is cached");
}

#[test]
fn a_lost_write_is_mended_by_the_next_one_to_its_sector() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'.'; 1024]);
    once(&disk, FaultKind::LostWrite);
    file.write_at(510, b"ABCD").unwrap();
    file.sync_all().unwrap();
    file.write_at(520, b"x").unwrap();
    file.sync_all().unwrap();
    let after = disk.after_power_loss();
    assert_eq!(&after.bytes("f").unwrap()[508..522], b"....CD......x.");
}

#[test]
fn a_lost_append_leaves_its_size() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"x");
    once(&disk, FaultKind::LostWrite);
    file.write_at(1, b"yz").unwrap();
    file.sync_all().unwrap();
    assert_eq!(line(&disk.after_power_loss()), "f=x00");
}

#[test]
fn a_late_report_takes_what_was_written_since_along() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"..");
    once(&disk, FaultKind::Sync(LostSync::ReportedLate));
    file.sync_data().unwrap();
    file.write_at(1, b"b").unwrap();
    file.sync_data().expect_err("late, but reported");
    file.sync_data().unwrap();
    assert_eq!(line(&disk.after_power_loss()), "f=..");
}

#[test]
fn a_late_report_comes_also_where_each_sync_fails_so() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"..");
    inject(&disk, FaultKind::Sync(LostSync::ReportedLate), 0, Lasting::FromThenOn);
    let outcomes = [(); 4].map(|()| file.sync_data().is_err());
    assert_eq!(outcomes, [false, true, false, true]);
}

#[test]
fn every_call_can_fail() {
    type Attempt = fn(&SimDisk, &dyn File) -> Result<()>;
    let attempts: [Attempt; 18] = [
        |disk, _| disk.create(Path::new("g")).map(drop),
        |disk, _| disk.open(Path::new("f"), Access::Read).map(drop),
        |disk, _| disk.rename(Path::new("f"), Path::new("g")).map(drop),
        |disk, _| disk.remove(Path::new("f")).map(drop),
        |disk, _| disk.create_dir(Path::new("g")).map(drop),
        |disk, _| disk.list(Path::new("")).map(drop),
        |disk, _| disk.sync_dir(Path::new("")),
        |disk, _| disk.lock(LockKind::Exclusive).map(drop),
        |disk, _| disk.lock(LockKind::Shared).map(drop),
        |_, file| file.size().map(drop),
        |_, file| file.read_at(0, &mut [0; 2]),
        |_, file| file.write_at(0, b"xy"),
        |_, file| file.reserve(10),
        |_, file| file.set_size(10),
        |_, file| file.set_size(1),
        |_, file| file.sync_data(),
        |_, file| file.sync_all(),
        |_, file| file.map(2).map(drop),
    ];
    for (at, attempt) in attempts.into_iter().enumerate() {
        let disk = SimDisk::new(1);
        let file = durable(&disk, "f", b"abc");
        for kind in FaultKind::ALL {
            inject(&disk, *kind, 0, Lasting::FromThenOn);
        }
        attempt(&disk, &*file).expect_err(&format!("attempt {at} did not fail"));
        disk.heal();
        attempt(&disk, &*file).unwrap_or_else(|error| panic!("attempt {at}: {error}"));
    }
}

#[test]
fn a_full_device_can_fail_a_sync_too() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"abc");
    file.write_at(0, b"X").unwrap();
    once(&disk, FaultKind::Full { after: 0 });
    assert!(matches!(file.sync_data(), Err(Error::Full { .. })));
    assert_eq!(line(&disk.after_power_loss()), "f=abc");
}

#[test]
fn faults_of_one_kind_do_not_disturb_each_other() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"abc");
    let kind = FaultKind::Sync(LostSync::KeepsCache);
    inject(&disk, kind, 1, Lasting::FromThenOn);
    inject(&disk, kind, 0, Lasting::Once);
    let outcomes = [(); 4].map(|()| file.sync_data().is_err());
    assert_eq!(outcomes, [true; 4]);
}

#[test]
fn a_failed_write_of_many_bytes_has_written_none_and_a_full_device_not_all() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"......");
    once(&disk, FaultKind::Write);
    file.write_at(0, b"ABCD").unwrap_err();
    assert_eq!(read(&*file), "......");
    once(&disk, FaultKind::Full { after: 7 });
    file.write_at(0, b"ABCD").unwrap_err();
    assert_eq!(read(&*file), "ABC...");
}

#[test]
fn a_directory_whose_cache_is_reverted_has_lost_its_names_too() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"1");
    rename(&disk, "f", "g");
    once(&disk, FaultKind::Sync(LostSync::RevertsCache));
    disk.sync_dir(Path::new("")).unwrap_err();
    disk.sync_dir(Path::new("")).unwrap();
    assert_eq!(crashes(&disk), set(["f=1", "g=1"]), "the one after a power loss, the other cached");
    assert_eq!(line(&disk.after_power_loss()), "f=1");
}

#[test]
fn a_rename_of_which_the_new_directory_was_forgotten_keeps_the_old_name() {
    let disk = with_a_move();
    once(&disk, FaultKind::Sync(LostSync::KeepsCache));
    disk.sync_dir(Path::new("to")).unwrap_err();
    let left = crashes(&disk);
    assert!(left.iter().all(|it| it.contains("f=1")), "{left:?}");
}
