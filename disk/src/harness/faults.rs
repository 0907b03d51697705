//! Makes every call of a workload fail in turn, and looks what is left after the process ends.

use std::fmt::Debug;

use super::{Config, Failure, Report, unpanicked};
use crate::SimDisk;
use crate::sim::{Fault, FaultKind, Image, Lasting};

/// How many crashes by chance follow each failed run.
const RANDOM_CRASHES: u64 = 4;

/// For each kind of fault: runs the workload with the first call failing that can fail so, then with
/// the second, until one run meets no fault any more; once each, and once from that call on.
///
/// After each run the disk is healed and recovered from: as the process left it, without all that was
/// not synced, and after a few crashes by chance. The workload must not panic; it says by
/// [`SimDisk::acknowledge`] what it still promises. Only faults the disk reports can be asked for
/// ([`FaultKind::is_reported`]): of the others no caller can know.
///
/// # Errors
/// The first failure.
///
/// # Panics
/// If a kind is asked for that is not reported.
pub fn fail_every_call<Found: PartialEq + Debug>(
    config: &Config,
    kinds: &[FaultKind],
    workload: impl Fn(&SimDisk),
    recover: impl Fn(&SimDisk, crate::sim::Progress) -> Result<Found, String>,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    for kind in kinds {
        assert!(
            kind.is_reported(),
            "{kind:?} is not reported: no promise can outlive it"
        );
        for lasting in [Lasting::Once, Lasting::FromThenOn] {
            for nth in 0.. {
                let disk = SimDisk::new(config.seed);
                let fault = Fault {
                    kind: *kind,
                    nth,
                    lasting,
                };
                disk.inject(fault);
                let failed = |what: String| Failure {
                    what,
                    crashes: vec![format!("{fault:?}")],
                    trace: disk.recording().lines(usize::MAX, super::TRACE_LINES),
                    seed: config.seed,
                };
                let ran = unpanicked(|| {
                    workload(&disk);
                    Ok(())
                });
                ran.map_err(failed)?;
                if disk.faults_struck() == 0 {
                    break;
                }
                report.points += 1;
                disk.heal();
                for image in images_of(&disk, config.seed) {
                    report.built += 1;
                    report.images += 1;
                    report.recoveries += 1;
                    let progress = disk.progress();
                    let again = SimDisk::options(config.seed)
                        .image(&image)
                        .progress(progress)
                        .build();
                    unpanicked(|| recover(&again, progress)).map_err(failed)?;
                }
            }
        }
    }
    Ok(report)
}

/// What may be found after the process ended.
fn images_of(disk: &SimDisk, seed: u64) -> Vec<Image> {
    let mut images = vec![disk.after_kill(), disk.after_power_loss()];
    images.extend((0..RANDOM_CRASHES).map(|more| disk.after_random_crash(seed ^ more)));
    images
}
