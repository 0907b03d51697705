//! Skips each sync of a run in turn, and finds those that no crash test misses.
//!
//! A sync that nobody misses is either not needed or not tested: both are worth knowing. The run is
//! not repeated: a disk whose sync did nothing behaves the same until it crashes, so the sync is taken
//! out of the recording.

use std::fmt::Debug;

use super::{Config, Failure, crash_everywhere};
use crate::SimDisk;
use crate::sim::{Progress, Recording};

/// A sync that was skipped, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elision {
    /// What it is called for: the kind of sync, and the name with all numbers masked as `#`, so that
    /// all files of a kind are one site. Two places in the code that sync the same are one site too:
    /// look at `missed`, which has each call.
    pub site: String,
    /// Whether each sync of this site is missed on its own: skipped, some crash leaves the recovery
    /// with something wrong. In the order they were called.
    pub missed: Vec<bool>,
    /// Whether they are missed when all are skipped at once.
    pub missed_together: bool,
}

impl Elision {
    /// Whether no crash test misses this site at all.
    pub fn is_unmissed(&self) -> bool {
        !self.missed_together && self.missed.iter().all(|missed| !missed)
    }
}

/// Skips each sync of the run, and all of each site, and reports what was missed.
///
/// # Errors
/// If the run does not even hold with all its syncs.
///
/// # Panics
/// If a sync failed in it: had one before been skipped, reads could have answered otherwise.
pub fn elide_syncs<Found: PartialEq + Debug>(
    config: &Config,
    recording: &Recording,
    recover: impl Fn(&SimDisk, Progress) -> Result<Found, String>,
) -> Result<Vec<Elision>, Failure> {
    let is_missed =
        |elided: &[usize]| crash_everywhere(config, &recording.without(elided), &recover).is_err();
    let sites = elide_sites(config, recording, &recover)?;
    let elisions = sites.into_iter().map(|(site, missed_together)| {
        let missed = of_site(recording, &site).map(|sync| is_missed(&[sync])).collect();
        Elision { site, missed, missed_together }
    });
    Ok(elisions.collect())
}

/// The same for the syncs of each site together alone, which takes less time: the sites, in order, and whether each is
/// missed.
///
/// # Errors
/// As [`elide_syncs`].
///
/// # Panics
/// As [`elide_syncs`].
pub fn elide_sites<Found: PartialEq + Debug>(
    config: &Config,
    recording: &Recording,
    recover: impl Fn(&SimDisk, Progress) -> Result<Found, String>,
) -> Result<Vec<(String, bool)>, Failure> {
    assert!(!recording.has_failed_syncs(), "only a run without failed syncs can be elided");
    crash_everywhere(config, recording, &recover)?;
    let mut sites = recording.sites();
    sites.sort();
    sites.dedup();
    let missed = sites.into_iter().map(|site| {
        let elided: Vec<usize> = of_site(recording, &site).collect();
        let is_missed = crash_everywhere(config, &recording.without(&elided), &recover).is_err();
        (site, is_missed)
    });
    Ok(missed.collect())
}

/// The syncs of a site.
fn of_site(recording: &Recording, site: &str) -> impl Iterator<Item = usize> {
    let syncs = recording.syncs().into_iter().zip(recording.sites());
    syncs.filter(move |(_, of)| *of == site).map(|(sync, _)| sync)
}
