//! Lets every call of the log fail in turn, in every way: what was promised before is kept, nothing is
//! promised after.

use disk::SimDisk;
use disk::harness::{Config, fail_every_call};
use disk::sim::{Density, Fault, FaultKind, Lasting, LostSync, Progress};
use wal::Error;

use crate::store::{Size, Store, kept_place, options, recover, replay};

const KINDS: [FaultKind; 9] = [
    FaultKind::Sync(LostSync::KeepsCache),
    FaultKind::Sync(LostSync::RevertsCache),
    FaultKind::Read,
    FaultKind::Write,
    FaultKind::Call,
    FaultKind::Full { after: 0 },
    FaultKind::Full { after: 600 },
    FaultKind::Short,
    FaultKind::TooManyFiles,
];

fn config() -> Config {
    Config { density: Density::thin(), ..Config::default() }
}

/// Writes a log in all ways there are, up to the first failure.
fn write(disk: &SimDisk) -> wal::Result<()> {
    let mut store = Store::create(disk)?;
    store.append(Size::Small)?;
    store.sync()?;
    store.append(Size::Large)?;
    store.append(Size::Large)?;
    store.sync()?;
    store.log()?.mark()?;
    store.reopen()?;
    store.append(Size::Small)?;
    store.prune()?;
    store.append(Size::Large)?;
    store.close()?;
    store.append(Size::Small)?;
    store.sync()
}

#[test]
fn whatever_fails_what_was_synced_is_kept() {
    let told = |disk: &SimDisk| write(disk).is_ok();
    let held = |disk: &SimDisk, progress: Progress, _: &bool| recover(disk, progress);
    let report = fail_every_call(&config(), &KINDS, &SimDisk::options(2), told, held).unwrap();
    assert!(report.points > 500 && report.images > 1_000, "{report:?}");
}

#[test]
fn whatever_fails_in_a_recovery_the_next_one_finds_the_same() {
    let disk = SimDisk::new(3);
    let mut store = Store::create(&disk).unwrap();
    store.append(Size::Large).unwrap();
    store.sync().unwrap();
    store.append(Size::Large).unwrap();
    store.log().unwrap().write().unwrap();
    let start = SimDisk::options(3).image(&disk.contents()).progress(disk.progress());
    let opens = |disk: &SimDisk| {
        if let Ok(store) = Store::open(disk) {
            // What it serves has to stay.
            disk.acknowledge(store.last);
        }
    };
    let held = |disk: &SimDisk, progress: Progress, (): &()| recover(disk, progress);
    let report = fail_every_call(&config(), &KINDS, &start, opens, held).unwrap();
    assert!(report.points > 100, "{report:?}");
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_written_any_more() {
    let kinds = [
        FaultKind::Write,
        FaultKind::Full { after: 100 },
        FaultKind::Sync(LostSync::KeepsCache),
        FaultKind::Sync(LostSync::RevertsCache),
    ];
    for kind in kinds {
        let disk = SimDisk::new(5);
        let mut store = Store::create(&disk).unwrap();
        store.append(Size::Small).unwrap();
        disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
        store.sync().unwrap_err();
        let before = disk.contents().sum();
        let log = store.log().unwrap();
        for refused in [log.sync(), log.write(), log.mark()] {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::Stopped { .. }), "{kind:?}: {error}");
            assert!(error.to_string().contains("open it again"), "{error}");
        }
        store.append(Size::Small).unwrap_err();
        store.close().unwrap_err();
        assert_eq!(disk.contents().sum(), before, "{kind:?}");
    }
}

/// What no call can know of: the device forgets a write, or puts it elsewhere.
#[test]
fn a_write_that_the_device_lost_or_misplaced_is_found_out_in_a_closed_log() {
    let kinds = [
        FaultKind::LostWrite,
        FaultKind::MisdirectedWrite { by: 64 },
        FaultKind::MisdirectedWrite { by: 512 },
        FaultKind::MisdirectedWrite { by: 4_096 },
    ];
    let mut refused = 0;
    for kind in kinds {
        for nth in 0.. {
            let disk = SimDisk::new(5);
            let mut store = Store::create(&disk).unwrap();
            disk.inject(Fault { kind, nth, lasting: Lasting::Once });
            for size in [Size::Small, Size::Large, Size::Large, Size::Large, Size::Small] {
                store.append(size).unwrap();
                store.sync().unwrap();
            }
            store.close().unwrap();
            if disk.faults_struck() == 0 {
                assert!(nth >= 8, "{nth} writes");
                break;
            }
            let disk = SimDisk::from_image(&disk.after_power_loss(), 1);
            let place = kept_place(&disk).unwrap().unwrap();
            match replay(&disk, &options(), &place) {
                Ok((found, _)) => assert_eq!(found, store.last, "{kind:?}, write {nth}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused >= 20, "{refused}");
}

#[test]
fn a_full_disk_is_refused_before_anything_is_written_and_may_be_tried_again() {
    let disk = SimDisk::new(5);
    let mut store = Store::create(&disk).unwrap();
    let before = disk.contents();
    let taken: usize = before.files().map(|path| before.bytes(path).unwrap().len()).sum();
    disk.set_capacity(taken as u64 + 4_096);
    let mut refused = None;
    for _ in 0..10 {
        let place = store.log().unwrap().place();
        if let Err(error) = store.append(Size::Large) {
            assert_eq!(store.log().unwrap().place(), place, "nothing of it was framed");
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("a file of two pages takes a few of these at most");
    assert!(refused.is_clean_refusal() && refused.to_string().contains("no space"), "{refused}");
    store.sync().expect("what was appended has its room");
    // A smaller one still fits the file there is.
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    disk.set_capacity(1 << 20);
    store.append(Size::Large).unwrap();
    store.close().unwrap();
    let place = kept_place(&disk).unwrap().unwrap();
    assert_eq!(replay(&disk, &options(), &place).unwrap().0, store.last);
}
