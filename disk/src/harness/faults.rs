//! Makes every call of a workload fail in turn, and looks what is left after the process ends.

use std::fmt::Debug;

use super::{Config, Crashes, Failure, Report, unpanicked};
use crate::SimDisk;
use crate::sim::{Fault, FaultKind, Lasting, Progress, SimOptions};

/// For each kind of fault: runs the workload on the disk that `start` builds, with the first call
/// failing that can fail so, then with the second, until one run meets no fault any more; once each,
/// and once from that call on.
///
/// After each run the disk is crashed in every way, at the point where the workload stopped, and
/// recovered from without faults as in [`crash_everywhere`](super::crash_everywhere). The workload must not panic.
/// What it still promises it says by [`SimDisk::acknowledge`], and by what it returns, which the
/// recovery is given: which steps were refused, say. To make the calls of a recovery fail, let it be the
/// workload, on a disk that a crash has left.
///
/// Only faults the disk reports can be asked for ([`FaultKind::is_reported`]): of the others no caller
/// can know.
///
/// # Errors
/// The first failure.
///
/// # Panics
/// If a kind is asked for that is not reported.
pub fn fail_every_call<Told, Found: PartialEq + Debug>(
    config: &Config,
    kinds: &[FaultKind],
    start: &SimOptions,
    workload: impl Fn(&SimDisk) -> Told,
    recover: impl Fn(&SimDisk, Progress, &Told) -> Result<Found, String>,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    for kind in kinds {
        assert!(kind.is_reported(), "{kind:?} is not reported: no promise can outlive it");
        for lasting in [Lasting::Once, Lasting::FromThenOn] {
            for nth in 0.. {
                let disk = start.clone().build();
                let fault = Fault { kind: *kind, nth, lasting };
                disk.inject(fault);
                let named = |mut failure: Failure| {
                    failure.crashes.insert(0, format!("{fault:?}"));
                    failure
                };
                let mut told = None;
                let ran = unpanicked(|| {
                    told = Some(workload(&disk));
                    Ok(())
                });
                let mut run = Crashes::new(config, |again: &SimDisk, progress| match &told {
                    Some(told) => recover(again, progress, told),
                    None => Err("the workload did not end".into()),
                });
                ran.map_err(|what| named(run.failure(what)))?;
                if disk.faults_struck() == 0 {
                    break;
                }
                let recording = disk.recording();
                let last = recording.last_point(&config.density, config.seed);
                run.crash_at(&last, &recording, config.depth).map_err(named)?;
                report.add(run.report);
            }
        }
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, more: Report) {
        self.points += more.points;
        self.built += more.built;
        self.images += more.images;
        self.recoveries += more.recoveries;
    }
}
