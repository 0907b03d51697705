//! The harness finds what it is there to find: each test is a small store with a known mistake, beside
//! the same store without it.

use std::path::Path;

use base::checksum::Crc32;
use disk::harness::{Config, Elision, Failure, crash_everywhere, elide_syncs, fail_every_call};
use disk::sim::{Density, Fault, FaultKind, Lasting, LostSync, Progress, Recording};
use disk::{Access, Disk, Error, Latch, Result, SimDisk};

const LOG: &str = "log";
const RECORD_BYTES: usize = 12;

/// A numbered record of a log that holds nothing else.
fn record(number: u64) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let sum = Crc32::of(&bytes[..8]).to_le_bytes();
    bytes[8..].copy_from_slice(&sum);
    bytes
}

/// Whether a workload syncs its records before it promises to keep them.
#[derive(Clone, Copy, PartialEq)]
enum Promise {
    Kept,
    Hollow,
}

/// Makes a log durable, then appends three records to it.
fn append(disk: &SimDisk, promise: Promise) -> Result<()> {
    let (file, pending) = disk.create(Path::new(LOG))?;
    file.sync_all()?;
    pending.sync(disk)?;
    for number in 1..=3_u8 {
        disk.begin(number.into());
        let offset = u64::from(number - 1) * RECORD_BYTES as u64;
        file.write_at(offset, &record(number.into()))?;
        if promise == Promise::Kept {
            file.sync_data()?;
        }
        disk.acknowledge(number.into());
    }
    Ok(())
}

fn recorded(promise: Promise) -> Recording {
    let disk = SimDisk::new(1);
    append(&disk, promise).unwrap();
    disk.recording()
}

/// How many records the log begins with, after what was found has been made durable.
fn replay(disk: &SimDisk, progress: Progress) -> std::result::Result<u64, String> {
    let counted = count(disk).map_err(|error| error.to_string())?;
    let may_be = progress.acknowledged..=progress.begun;
    if may_be.contains(&counted) {
        return Ok(counted);
    }
    Err(format!("{counted} records, and not {may_be:?}"))
}

fn count(disk: &SimDisk) -> Result<u64> {
    let file = match disk.open(Path::new(LOG), Access::ReadWrite) {
        Err(Error::Missing { .. }) => return Ok(0),
        opened => opened?,
    };
    file.sync_all()?;
    disk.sync_dir(Path::new(""))?;
    let mut counted = 0;
    let mut bytes = [0; RECORD_BYTES];
    while file.size()? >= (counted + 1) * RECORD_BYTES as u64 {
        file.read_at(counted * RECORD_BYTES as u64, &mut bytes)?;
        if bytes != record(counted + 1) {
            break;
        }
        counted += 1;
    }
    Ok(counted)
}

fn deep(depth: u32) -> Config {
    Config { depth, ..Config::default() }
}

#[test]
fn a_promise_without_a_sync_is_found_out() {
    let report = crash_everywhere(&deep(2), &recorded(Promise::Kept), replay).unwrap();
    assert!(report.images > 100 && report.images < report.built, "{report:?}");
    assert!(report.recoveries > 2 * (report.images + report.points) - 1, "{report:?}");
    let failure = crash_everywhere(&deep(1), &recorded(Promise::Hollow), replay).unwrap_err();
    assert_eq!(failure.what, "0 records, and not 1..=1");
    assert_eq!(failure.crashes.len(), 1);
}

#[test]
fn a_failure_says_how_to_get_there_again() {
    let config = Config { seed: 42, ..Config::default() };
    let run = || crash_everywhere(&config, &recorded(Promise::Hollow), replay).unwrap_err();
    let failure = run();
    let message = failure.to_string();
    for part in
        ["0 records", "the power failed", "1 of 1 steps safe", "seed 42", "write      log @0"]
    {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
    assert_eq!(message, run().to_string(), "the same seed leads to the same failure");
}

#[test]
fn what_only_the_cache_holds_is_not_taken_for_recovered() {
    // The process dies, the next one sees the record and serves it, then the power fails.
    let careless = |disk: &SimDisk, progress: Progress| {
        let mut counted = 0;
        if let Ok(file) = disk.open(Path::new(LOG), Access::Read) {
            let mut bytes = [0; RECORD_BYTES];
            while file.read_at(counted * RECORD_BYTES as u64, &mut bytes).is_ok()
                && bytes == record(counted + 1)
            {
                counted += 1;
            }
        }
        let may_be = progress.acknowledged..=progress.begun;
        if may_be.contains(&counted) { Ok(counted) } else { Err("wrong".to_owned()) }
    };
    let failure = crash_everywhere(&deep(1), &recorded(Promise::Kept), careless).unwrap_err();
    assert_eq!(failure.what, "recovered 1, and after one more crash 0");
    assert!(failure.crashes[0].starts_with("the process died"), "{failure}");
}

#[test]
fn a_recovery_that_panics_is_wrong() {
    let panicking = |_: &SimDisk, progress: Progress| -> std::result::Result<u64, String> {
        assert!(progress.acknowledged < 2, "no third record today");
        Ok(0)
    };
    let failure = crash_everywhere(&deep(1), &recorded(Promise::Kept), panicking).unwrap_err();
    assert_eq!(failure.what, "it panicked: no third record today");
}

/// A recovery that moves the log into a fresh file, in the order it is told.
fn compact(disk: &SimDisk, progress: Progress, order: Order) -> std::result::Result<u64, String> {
    let run = || -> Result<u64> {
        let counted = count(disk)?;
        if order == Order::DestroyFirst
            && let Ok(pending) = disk.remove(Path::new(LOG))
        {
            pending.sync(disk)?;
        }
        if let Ok(pending) = disk.remove(Path::new("new")) {
            pending.forgo("it is made anew at once");
        }
        let (file, pending) = disk.create(Path::new("new"))?;
        for number in 0..counted {
            file.write_at(number * RECORD_BYTES as u64, &record(number + 1))?;
        }
        file.sync_all()?;
        pending.and(disk.rename(Path::new("new"), Path::new(LOG))?).sync(disk)?;
        Ok(counted)
    };
    let counted = run().map_err(|error| error.to_string())?;
    let may_be = progress.acknowledged..=progress.begun;
    if may_be.contains(&counted) { Ok(counted) } else { Err(format!("{counted} records")) }
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    DestroyFirst,
    ReplaceAtOnce,
}

#[test]
fn a_recovery_that_destroys_before_it_has_replaced_is_found_only_by_crashing_it() {
    let recording = recorded(Promise::Kept);
    let wrong = |disk: &SimDisk, progress| compact(disk, progress, Order::DestroyFirst);
    let right = |disk: &SimDisk, progress| compact(disk, progress, Order::ReplaceAtOnce);
    crash_everywhere(&deep(1), &recording, wrong).expect("one crash does not show it");
    let failure = crash_everywhere(&deep(2), &recording, wrong).unwrap_err();
    assert_eq!(failure.crashes.len(), 2, "{failure}");
    crash_everywhere(&deep(2), &recording, right).unwrap();
    let thin = Config { depth: 3, density: Density::thin(), ..Config::default() };
    crash_everywhere(&thin, &recording, right).unwrap();
}

#[test]
fn a_sync_that_nobody_misses_is_named() {
    let disk = SimDisk::new(1);
    append(&disk, Promise::Kept).unwrap();
    // Worth nothing, and nobody will miss it.
    disk.sync_dir(Path::new("")).unwrap();
    let elisions = elide_syncs(&deep(1), &disk.recording(), replay).unwrap();
    let find = |site: &str| elisions.iter().find(|it| it.site == site).unwrap();
    assert_eq!(
        *find("sync-data log"),
        Elision { site: "sync-data log".into(), missed: vec![true; 3], missed_together: true }
    );
    let names = find("sync-dir .");
    assert_eq!((names.missed.as_slice(), names.missed_together), (&[true, false][..], true));
    // Each record is synced by the syncs that follow: the empty file's own sync is not needed.
    assert!(find("sync-all log").is_unmissed());
}

#[test]
fn syncs_of_files_of_a_kind_are_one_site() {
    let disk = SimDisk::new(1);
    for name in ["wal/007.log", "wal/12.log"] {
        if let Ok(pending) = disk.create_dir(Path::new("wal")) {
            pending.sync(&disk).unwrap();
        }
        let (file, pending) = disk.create(Path::new(name)).unwrap();
        file.sync_data().unwrap();
        pending.sync(&disk).unwrap();
    }
    let everything_goes = |_: &SimDisk, _: Progress| Ok(());
    let elisions = elide_syncs(&deep(1), &disk.recording(), everything_goes).unwrap();
    let sites: Vec<_> = elisions.iter().map(|it| (it.site.as_str(), it.missed.len())).collect();
    assert_eq!(sites, [("sync-data wal/#.log", 2), ("sync-dir .", 1), ("sync-dir wal", 2)]);
    assert!(elisions.iter().all(Elision::is_unmissed), "a test that checks nothing misses nothing");
}

#[test]
fn syncs_that_stand_in_for_each_other_are_missed_together() {
    let disk = SimDisk::new(1);
    disk.begin(1);
    let (file, pending) = disk.create(Path::new(LOG)).unwrap();
    pending.sync(&disk).unwrap();
    file.write_at(0, &record(1)).unwrap();
    file.sync_data().unwrap();
    file.sync_data().unwrap();
    disk.acknowledge(1);
    let elisions = elide_syncs(&deep(1), &disk.recording(), replay).unwrap();
    let data = elisions.iter().find(|it| it.site == "sync-data log").unwrap();
    assert_eq!((data.missed.as_slice(), data.missed_together), (&[false, false][..], true));
    assert!(!data.is_unmissed());
}

#[test]
fn eliding_begins_with_a_run_that_holds() {
    let failure = elide_syncs(&deep(1), &recorded(Promise::Hollow), replay).unwrap_err();
    assert!(failure.what.contains("0 records"), "{failure}");
}

/// Appends records until one fails; a second try at a failed sync is what the latch is against.
fn append_under_faults(disk: &SimDisk, tries: Tries) {
    let run = || -> Result<()> {
        let guarded = match tries {
            Tries::OneByLatch => Latch::guard(std::sync::Arc::new(disk.clone())).0,
            Tries::Two => std::sync::Arc::new(disk.clone()),
        };
        let (file, pending) = guarded.create(Path::new(LOG))?;
        pending.sync(&*guarded)?;
        for number in 1..=3_u8 {
            disk.begin(number.into());
            let offset = u64::from(number - 1) * RECORD_BYTES as u64;
            file.write_at(offset, &record(number.into()))?;
            file.sync_data().or_else(|_| file.sync_data())?;
            disk.acknowledge(number.into());
        }
        Ok(())
    };
    // Whatever failed, the workload promises nothing more; what it promised is what counts.
    drop(run());
}

#[derive(Clone, Copy)]
enum Tries {
    OneByLatch,
    Two,
}

/// What a recovery says, and what it needs to say it.
type Recovery = fn(&SimDisk, Progress) -> std::result::Result<u64, String>;

/// Copies what it accepts into a fresh file, and makes that durable.
const COPYING: Recovery = |disk, progress| compact(disk, progress, Order::ReplaceAtOnce);

fn under_faults(
    kinds: &[FaultKind],
    tries: Tries,
    recovery: Recovery,
) -> std::result::Result<u64, Failure> {
    let workload = |disk: &SimDisk| append_under_faults(disk, tries);
    let recover = |disk: &SimDisk, progress, _: &()| recovery(disk, progress);
    let start = SimDisk::options(1);
    fail_every_call(&Config::default(), kinds, &start, workload, recover)
        .map(|report| report.points)
}

#[test]
fn every_call_fails_in_every_way_and_promises_hold() {
    let reported: Vec<_> = FaultKind::ALL.iter().copied().filter(FaultKind::is_reported).collect();
    assert_eq!(reported.len(), 10);
    let runs = under_faults(&reported, Tries::OneByLatch, COPYING).unwrap();
    assert!(runs > 40, "{runs} runs with a fault");
}

#[test]
fn a_second_try_at_a_failed_sync_is_found_out() {
    let kept = [FaultKind::Sync(LostSync::KeepsCache)];
    let failure = under_faults(&kept, Tries::Two, COPYING).unwrap_err();
    assert!(failure.crashes[0].contains("KeepsCache"), "{failure}");
    assert!(failure.what.ends_with("records"), "{failure}");
}

/// After a failed sync the cache shows what the device will never have, and says "done" to the next
/// sync. A process that starts then, reads it, syncs it and serves it, loses it at the next power loss;
/// only a copy in a fresh file is safe.
#[test]
fn bytes_that_a_failed_sync_forgot_are_not_taken_for_recovered() {
    let kept = [FaultKind::Sync(LostSync::KeepsCache)];
    let failure = under_faults(&kept, Tries::OneByLatch, replay).unwrap_err();
    assert_eq!(failure.what, "recovered 1, and after one more crash 0");
    assert!(failure.crashes[1].starts_with("the process died"), "{failure}");
}

#[test]
fn the_calls_of_a_recovery_fail_too() {
    let disk = SimDisk::new(1);
    append(&disk, Promise::Kept).unwrap();
    let start = SimDisk::options(1).image(&disk.after_power_loss()).progress(disk.progress());
    let under_faults = |order: Order| {
        fail_every_call(
            &Config::default(),
            &[FaultKind::Full { after: 5 }, FaultKind::Call, FaultKind::Write],
            &start,
            |disk: &SimDisk| drop(compact(disk, disk.progress(), order)),
            |disk: &SimDisk, progress, _: &()| COPYING(disk, progress),
        )
    };
    let report = under_faults(Order::ReplaceAtOnce).unwrap();
    assert!(report.points > 15, "{report:?}");
    let failure = under_faults(Order::DestroyFirst).unwrap_err();
    assert_eq!(failure.what, "0 records");
}

#[test]
fn a_workload_can_tell_the_recovery_what_was_refused() {
    let fails_at_two = |disk: &SimDisk| {
        let refused = append(disk, Promise::Kept).is_err();
        disk.heal();
        refused
    };
    let recover = |_: &SimDisk, _: Progress, refused: &bool| match refused {
        true => Err("something was refused".to_owned()),
        false => Ok(()),
    };
    let config = Config::default();
    let kinds = [FaultKind::Write];
    let failure =
        fail_every_call(&config, &kinds, &SimDisk::options(1), fails_at_two, recover).unwrap_err();
    assert_eq!(failure.what, "something was refused");
}

#[test]
fn a_recovery_that_goes_on_changing_its_mind_is_wrong() {
    // Answers first, and writes the record it may find next time without syncing it.
    let wavering = |disk: &SimDisk, progress: Progress| {
        let found = COPYING(disk, progress)?;
        let roll_forward = || -> Result<()> {
            let file = disk.open(Path::new(LOG), Access::ReadWrite)?;
            file.write_at(found * RECORD_BYTES as u64, &record(found + 1))
        };
        if found < progress.begun {
            roll_forward().map_err(|error| error.to_string())?;
        }
        Ok(found)
    };
    let failure = crash_everywhere(&deep(1), &recorded(Promise::Kept), wavering).unwrap_err();
    assert_eq!(failure.what, "recovered 0, and after one more crash 1");
}

#[test]
fn each_process_draws_other_random_bytes() {
    let drawn = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let drawing = |disk: &SimDisk, _: Progress| {
        let is_new = drawn.borrow_mut().insert(disk.random().unwrap());
        if is_new { Ok(()) } else { Err("drawn before".to_owned()) }
    };
    crash_everywhere(&deep(2), &recorded(Promise::Kept), drawing).unwrap();
    assert!(drawn.borrow().len() > 100);
}

#[test]
fn skipping_a_sync_skips_all_that_it_did() {
    let disk = SimDisk::options(1).sync_all_syncs_the_name().build();
    disk.begin(1);
    let (file, pending) = disk.create(Path::new(LOG)).unwrap();
    pending.forgo("this disk syncs the name with the file");
    file.write_at(0, &record(1)).unwrap();
    file.sync_all().unwrap();
    disk.acknowledge(1);
    let elisions = elide_syncs(&deep(1), &disk.recording(), replay).unwrap();
    assert_eq!(elisions.len(), 1);
    assert!(elisions[0].missed_together, "{elisions:?}");
}

#[test]
#[should_panic(expected = "without failed syncs")]
fn a_run_with_a_failed_sync_cannot_be_elided() {
    let disk = SimDisk::new(1);
    disk.inject(Fault {
        kind: FaultKind::Sync(LostSync::KeepsCache),
        nth: 0,
        lasting: Lasting::Once,
    });
    drop(append(&disk, Promise::Kept));
    drop(elide_syncs(&deep(1), &disk.recording(), replay));
}

#[test]
#[should_panic(expected = "no promise can outlive it")]
fn faults_that_nobody_is_told_of_are_not_asked_for() {
    drop(under_faults(&[FaultKind::LostWrite], Tries::OneByLatch, COPYING));
}

/// A device that lies about a sync breaks every promise; the one thing left is to notice.
#[test]
fn a_sync_that_lies_loses_what_was_promised() {
    let disk = SimDisk::new(1);
    let kind = FaultKind::Sync(LostSync::ReportedLate);
    disk.inject(Fault { kind, nth: 2, lasting: Lasting::Once });
    let failed = append(&disk, Promise::Kept);
    assert!(failed.is_err(), "the next sync reports it");
    assert_eq!(disk.progress(), Progress { begun: 2, acknowledged: 1 });
    let after = SimDisk::from_image(&disk.after_power_loss(), 1);
    assert_eq!(count(&after).unwrap(), 0);
}

#[test]
fn a_full_disk_during_recovery_destroys_nothing() {
    let mut disk = SimDisk::new(1);
    append(&disk, Promise::Kept).unwrap();
    let kept = Progress { begun: 3, acknowledged: 3 };
    for _ in 0..3 {
        disk = SimDisk::from_image(&disk.after_power_loss(), 1);
        disk.inject(Fault { kind: FaultKind::Full { after: 5 }, nth: 1, lasting: Lasting::Once });
        compact(&disk, kept, Order::ReplaceAtOnce).unwrap_err();
    }
    let disk = SimDisk::from_image(&disk.after_power_loss(), 1);
    assert_eq!(compact(&disk, kept, Order::ReplaceAtOnce), Ok(3));
}

#[test]
fn a_failing_sequence_is_made_short() {
    // Steps: the records to write, in order; the run fails if one is written over after its sync.
    let fails = |steps: &[u8]| {
        let disk = SimDisk::new(1);
        append(&disk, Promise::Kept).unwrap();
        let file = disk.open(Path::new(LOG), Access::ReadWrite).unwrap();
        for step in steps {
            let offset = u64::from(step % 10) * RECORD_BYTES as u64;
            file.write_at(offset, &record(u64::from(step % 10) + 1 + u64::from(*step == 42)))
                .unwrap();
        }
        crash_everywhere(&deep(1), &disk.recording(), |disk, progress| {
            let longest = Progress { begun: 99, ..progress };
            replay(disk, longest)
        })
        .is_err()
    };
    let steps: Vec<u8> = (0..50).collect();
    assert_eq!(disk::harness::shrink(&steps, fails), [42]);
}
