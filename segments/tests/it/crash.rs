//! Crashes the making and the writing of segments everywhere: either there is no `.seg`, or it opens, and
//! what was promised is in it.

use std::io::Write;

use disk::harness::{Config, crash_everywhere};
use disk::sim::Density;

use crate::store::{Step, record, recover};

fn crash(steps: &[Step], config: &Config) {
    let recording = record(steps);
    let report =
        crash_everywhere(config, &recording, |disk, progress| recover(disk, progress, steps));
    let report = report.unwrap_or_else(|failure| panic!("{steps:?}: {failure}"));
    // Written past the capture of test output: the figure is there to be seen.
    let mut out = std::io::stdout().lock();
    writeln!(out, "segments: {} steps, depth {}: {report:?}", steps.len(), config.depth).unwrap();
    assert!(report.images > 20, "{report:?}");
}

#[test]
fn segments_are_there_as_a_whole_or_not_at_all() {
    crash(&[Step::Grow, Step::Grow, Step::Grow], &Config::default());
}

#[test]
fn vectors_that_were_synced_are_found() {
    let steps = [Step::Grow, Step::Put, Step::Grow, Step::Put, Step::Grow, Step::Put, Step::Put];
    crash(&steps, &Config::default());
}

#[test]
fn a_crash_in_the_recovery_changes_nothing() {
    let config = Config { density: Density::thin(), depth: 2, ..Config::default() };
    crash(&[Step::Grow, Step::Put, Step::Grow, Step::Put], &config);
}
