//! Lets every call of a workload fail in turn, in every way, and skips every sync: what was promised before is kept, and
//! nothing that was lost was promised.

use disk::SimDisk;
use disk::harness::{Config, elide_sites, fail_every_call};
use disk::sim::{Density, FaultKind, LostSync, Progress};

use crate::store::{Op, Run, Start, record, recover, starts};

const KINDS: [FaultKind; 9] = [
    FaultKind::Sync(LostSync::KeepsCache),
    FaultKind::Sync(LostSync::RevertsCache),
    FaultKind::Write,
    FaultKind::Call,
    FaultKind::Full { after: 0 },
    FaultKind::Full { after: 600 },
    FaultKind::Short,
    FaultKind::Interrupted,
    FaultKind::TooManyFiles,
];

const OPS: [Op; 6] =
    [Op::PutNew, Op::Checkpoint, Op::Overwrite, Op::DeleteLast, Op::Checkpoint, Op::Close];

fn config() -> Config {
    Config { density: Density::thin(), ..Config::default() }
}

/// Files of payloads are emptied in this one.
const MOVING: [Op; 3] = [Op::Update, Op::Checkpoint, Op::Update];

#[test]
fn whatever_fails_what_was_promised_is_kept() {
    fail_all(&starts()[1], &OPS);
}

#[test]
fn whatever_fails_while_files_of_payloads_are_emptied_what_was_promised_is_kept() {
    fail_all(&starts()[2], &MOVING);
}

fn fail_all(start: &Start, ops: &[Op]) {
    let (_, contents) = record(start, ops);
    let told = |disk: &SimDisk| -> arrwdb::Result<()> {
        let mut run = Run::on(disk, start)?;
        ops.iter().try_for_each(|op| run.step(*op))
    };
    let held = |disk: &SimDisk, progress: Progress, told: &arrwdb::Result<()>| {
        let Progress { acknowledged, begun } = progress;
        // What was refused, and not just failed, is never found.
        let is_refused = told.as_ref().is_err_and(arrwdb::Error::is_clean_refusal);
        let begun = if is_refused { acknowledged } else { begun };
        recover(disk, Progress { acknowledged, begun }, &contents)
    };
    let report = fail_every_call(&config(), &KINDS, &start.disk(), told, held);
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.points > 200 && report.images > 1_000, "{report:?}");
}

/// Each place that syncs, all of its calls together: one of them alone may be made good by the next.
#[test]
fn every_sync_of_a_store_is_missed() {
    let start = &starts()[1];
    let ops = [Op::Batch, Op::Checkpoint, Op::Overwrite, Op::Checkpoint, Op::Reopen, Op::PutNew];
    let (recording, contents) = record(start, &ops);
    let sites =
        elide_sites(&config(), &recording, |disk, progress| recover(disk, progress, &contents));
    let sites = sites.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(sites.len(), 11, "{sites:?}");
    for (site, is_missed) in sites {
        assert!(is_missed, "nobody misses {site}");
    }
}
