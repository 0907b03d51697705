//! Lets every call of the making, the writing and the opening of segments fail in turn, in every way: what
//! was promised before is kept, nothing is promised after.

use base::FileId;
use disk::harness::{Config, fail_every_call};
use disk::sim::{Density, Fault, FaultKind, Lasting, LostSync, Progress};
use disk::{Access, SimDisk};
use segments::{Error, Name, Segment};

use crate::store::{Step, Store, header, record, recover};

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

const STEPS: [Step; 5] = [Step::Grow, Step::Put, Step::Grow, Step::Put, Step::Grow];

fn config() -> Config {
    Config { density: Density::thin(), ..Config::default() }
}

#[test]
fn whatever_fails_what_was_promised_is_kept() {
    let told = |disk: &SimDisk| -> segments::Result<()> {
        let mut store = Store::create(disk)?;
        STEPS.iter().try_for_each(|step| store.step(*step))
    };
    let held = |disk: &SimDisk, progress: Progress, _: &segments::Result<()>| {
        recover(disk, progress, &STEPS)
    };
    let report = fail_every_call(&config(), &KINDS, &SimDisk::options(2), told, held).unwrap();
    assert!(report.points > 100 && report.images > 200, "{report:?}");
}

#[test]
fn whatever_fails_in_a_recovery_the_next_one_finds_the_same() {
    let recording = record(&STEPS);
    // With a segment in the making, as a crash leaves one.
    let cut_off = recording.events() - 3;
    let points = recording.crash_points(&Density::thin(), 1);
    let point = points.into_iter().find(|point| point.events == cut_off).unwrap();
    let left = point.after_kill(4);
    let named = segments::list(&left).unwrap();
    assert!(named.contains(&Name::New(FileId(9))), "{named:?}");
    let start = SimDisk::options(3).image(&left.contents()).progress(left.progress());
    let opens = |disk: &SimDisk| drop(recover(disk, left.progress(), &STEPS));
    let held = |disk: &SimDisk, progress: Progress, (): &()| recover(disk, progress, &STEPS);
    let report = fail_every_call(&config(), &KINDS, &start, opens, held).unwrap();
    assert!(report.points > 50, "{report:?}");
}

/// A sync that was lost with the making must not leave a segment that someone may refer to.
#[test]
fn a_segment_whose_making_failed_leaves_no_name() {
    for kind in KINDS {
        for nth in 0.. {
            let disk = SimDisk::new(5);
            segments::make_directory(&disk).unwrap();
            disk.inject(Fault { kind, nth, lasting: Lasting::Once });
            let made = Segment::create(&disk, &header(0));
            if disk.faults_struck() == 0 {
                break;
            }
            let left = segments::list(&disk).unwrap();
            match made {
                Ok(_) => assert_eq!(left, [Name::Segment(header(0).file)], "{kind:?}, call {nth}"),
                Err(_) => assert_eq!(left, [], "{kind:?}, call {nth}"),
            }
        }
    }
}

/// What no call can know of: the device forgets the header, or puts it elsewhere.
#[test]
fn a_header_that_the_device_lost_or_misplaced_is_refused_or_read_from_what_is_there() {
    let kinds = [FaultKind::LostWrite]
        .into_iter()
        .chain([64, 512, 4_096].map(|by| FaultKind::MisdirectedWrite { by }));
    let mut refused = 0;
    for kind in kinds {
        let disk = SimDisk::new(5);
        segments::make_directory(&disk).unwrap();
        disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
        Segment::create(&disk, &header(0)).unwrap();
        assert_eq!(disk.faults_struck(), 1);
        let disk = SimDisk::from_image(&disk.after_power_loss(), 1);
        match Segment::open(&disk, &header(0), Access::Read) {
            Ok(segment) => assert_eq!(segment.header(), &header(0), "{kind:?}"),
            Err(Error::Damaged { .. }) => refused += 1,
            Err(error) => panic!("{kind:?}: {error}"),
        }
    }
    assert_eq!(refused, 4);
}
