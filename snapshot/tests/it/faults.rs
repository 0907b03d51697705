//! Lets every call of publications and of a recovery fail in turn, in every way: what was promised before is
//! kept, nothing is promised after.

use std::sync::Arc;

use disk::harness::{Config, fail_every_call};
use disk::sim::{Density, Fault, FaultKind, Lasting, LostSync, Progress};
use disk::{Disk, Latch, SimDisk};
use snapshot::{Error, Name, list_images};

use crate::store::{Step, Store, Syncs, open, record, recover_behind, state_of, written};

const KINDS: [FaultKind; 10] = [
    FaultKind::Sync(LostSync::KeepsCache),
    FaultKind::Sync(LostSync::RevertsCache),
    FaultKind::Read,
    FaultKind::Write,
    FaultKind::Call,
    FaultKind::Full { after: 0 },
    FaultKind::Full { after: 600 },
    FaultKind::Short,
    FaultKind::Interrupted,
    FaultKind::TooManyFiles,
];

const STEPS: [Step; 8] = [
    Step::Create,
    Step::Checkpoint,
    Step::Snapshot,
    Step::Checkpoint,
    Step::Prune,
    Step::Drop,
    Step::Checkpoint,
    Step::Prune,
];

fn config() -> Config {
    Config { density: Density::thin(), ..Config::default() }
}

#[test]
fn whatever_fails_what_was_promised_is_kept() {
    let told = |disk: &SimDisk| -> snapshot::Result<()> {
        let mut store = Store::new(disk);
        STEPS.iter().try_for_each(|step| store.step(*step))
    };
    let held = |disk: &SimDisk, progress: Progress, _: &snapshot::Result<()>| {
        recover_behind(Syncs::MayHaveFailed, disk, progress, &STEPS)
    };
    let report = fail_every_call(&config(), &KINDS, &SimDisk::options(2), told, held).unwrap();
    assert!(report.points > 100 && report.images > 200, "{report:?}");
}

#[test]
fn whatever_fails_in_a_recovery_the_next_one_finds_the_same() {
    let recording = record(&STEPS);
    // In the middle of the last removal, so that there is something to do.
    let points = recording.crash_points(&Density::thin(), 1);
    let point = points.into_iter().find(|point| point.events == recording.events() - 4).unwrap();
    let left = point.after_kill(4);
    let start = SimDisk::options(3).image(&left.contents()).progress(left.progress());
    let behind =
        |disk: &SimDisk, progress| recover_behind(Syncs::MayHaveFailed, disk, progress, &STEPS);
    let opens = |disk: &SimDisk| drop(behind(disk, left.progress()));
    let held = |disk: &SimDisk, progress: Progress, (): &()| behind(disk, progress);
    let report = fail_every_call(&config(), &KINDS, &start, opens, held).unwrap();
    assert!(report.points > 50, "{report:?}");
}

/// Whoever goes on after a refusal: every step that is told to be done counts, and no other.
#[test]
fn after_a_refusal_one_may_go_on() {
    for kind in KINDS {
        for nth in 0.. {
            let disk = SimDisk::new(5);
            let mut store = Store::new(&disk);
            store.step(Step::Create).unwrap();
            disk.inject(Fault { kind, nth, lasting: Lasting::Once });
            let mut is_stopped = false;
            for _ in 0..3 {
                if let Err(error) = store.step(Step::Checkpoint) {
                    assert!(!is_stopped || matches!(error, Error::Stopped { .. }), "{error}");
                    is_stopped |= matches!(error, Error::Stopped { .. });
                }
            }
            if disk.faults_struck() == 0 {
                break;
            }
            let before = store.manifests.unwrap().newest().clone();
            let found = open(&disk).unwrap().unwrap();
            if !is_stopped {
                assert_eq!(*found.newest(), before, "{kind:?}, call {nth}");
            }
            state_of(&disk, found.newest()).unwrap();
        }
    }
}

/// It is not known what a crash would bring back: whoever published upon it, or removed anything, could lose
/// both.
#[test]
fn after_a_directory_could_not_be_synced_nothing_is_published_or_removed() {
    // The third sync of a publication alone is that of the directory, but for the image's two.
    for nth in [3, 4] {
        let disk = written(&[Step::Create, Step::Checkpoint, Step::Checkpoint]);
        let mut store = Store::new(&disk);
        store.manifests = open(&disk).unwrap();
        let manifests = store.manifests.as_mut().unwrap();
        manifests.confirm().unwrap();
        let kind = FaultKind::Sync(LostSync::KeepsCache);
        disk.inject(Fault { kind, nth: nth - 2, lasting: Lasting::Once });
        let mut next = manifests.newest().clone();
        let outcome = manifests.publish(next.clone()).and_then(|()| manifests.prune(&[]));
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }) && !error.is_clean_refusal(), "{error}");
        next.points.clear();
        let listed = disk.contents().sum();
        assert!(matches!(manifests.publish(next), Err(Error::Stopped { .. })));
        assert!(matches!(manifests.prune(&[]), Err(Error::Stopped { .. })));
        assert_eq!(disk.contents().sum(), listed, "nothing was changed");
    }
}

/// It may have been done, or not.
#[test]
fn after_a_name_that_failed_nothing_is_published() {
    for (nth, is_in_doubt) in [(0, false), (1, false), (2, true)] {
        let disk = written(&[Step::Create, Step::Checkpoint]);
        let mut manifests = open(&disk).unwrap().unwrap();
        // To make the file, to reserve its space, to rename it.
        disk.inject(Fault { kind: FaultKind::Call, nth, lasting: Lasting::Once });
        let error = manifests.confirm().unwrap_err();
        assert_eq!(disk.faults_struck(), 1);
        assert_eq!(matches!(error, Error::Stopped { .. }), is_in_doubt, "call {nth}: {error}");
        assert_eq!(manifests.confirm().is_err(), is_in_doubt, "call {nth}");
    }
}

/// In front of a disk that stops at the first write that fails: a full disk has to be none.
#[test]
fn a_full_disk_is_a_clean_refusal_and_leaves_nothing_behind() {
    let steps = [Step::Create, Step::Checkpoint, Step::Checkpoint];
    for capacity in (0..12_000).step_by(40) {
        let sim = written(&steps);
        let contents = sim.contents();
        let taken: usize = contents.files().map(|file| contents.bytes(file).unwrap().len()).sum();
        sim.set_capacity(taken as u64 + capacity);
        let (guarded, latch) = Latch::guard(Arc::new(sim.clone()) as Arc<dyn Disk>);
        let mut store = Store::behind(guarded, &sim);
        store.manifests = open(&sim).unwrap();
        let before = sim.contents().sum();
        if let Err(error) = store.step(Step::Checkpoint) {
            assert!(error.is_clean_refusal(), "{capacity}: {error}");
            assert!(latch.first_failure().is_none(), "{capacity}");
            let is_new = |path: &std::path::Path| path.extension().is_some_and(|it| it == "new");
            assert!(!sim.contents().files().any(is_new), "{capacity}");
            let images = list_images(&sim).unwrap();
            // The image may be there, and not what names it.
            if images.len() == 2 {
                assert_eq!(sim.contents().sum(), before, "{capacity}");
            }
            assert!(images.iter().all(|name| matches!(name, Name::Image(_))), "{images:?}");
            sim.set_capacity(u64::MAX);
            let mut store = Store::new(&sim);
            store.manifests = open(&sim).unwrap();
            store.step(Step::Checkpoint).unwrap();
            store.step(Step::Prune).unwrap();
            let images = list_images(&sim).unwrap();
            assert_eq!(images.len(), 2, "what nobody named is removed: {images:?}");
        }
    }
}

/// What no call can know of: the device forgets a write, or puts it elsewhere. The state is one that was
/// published, or what is wrong is told.
#[test]
fn what_the_device_lost_or_misplaced_is_told() {
    let kinds = [FaultKind::LostWrite]
        .into_iter()
        .chain([64, 512, 4_096].map(|by| FaultKind::MisdirectedWrite { by }));
    let mut told = 0;
    for kind in kinds {
        for nth in 0.. {
            let disk = SimDisk::new(5);
            disk.inject(Fault { kind, nth, lasting: Lasting::Once });
            let mut store = Store::new(&disk);
            STEPS.iter().for_each(|step| store.step(*step).unwrap());
            if disk.faults_struck() == 0 {
                break;
            }
            let disk = SimDisk::from_image(&disk.after_power_loss(), 1);
            let manifests = match open(&disk) {
                Ok(manifests) => manifests.unwrap(),
                Err(error) => panic!("{kind:?}, write {nth}: {error}"),
            };
            let count = if manifests.passed_over().is_some() { 6 } else { 8 };
            match state_of(&disk, manifests.newest()) {
                Ok(state) => assert_eq!(state, crate::store::State::of(&STEPS, count)),
                Err(_) => told += 1,
            }
            told += u64::from(manifests.passed_over().is_some());
        }
    }
    assert!(told >= 4, "{told}");
}
