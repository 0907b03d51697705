//! Crashes publications everywhere: what is found is a state that was published, with all of its images.

use std::io::Write;

use disk::harness::{Config, crash_everywhere};
use disk::sim::Density;

use crate::store::{Step, record, recover};
use Step::{Checkpoint, Create, Drop, Index, Prune, Snapshot};

fn crash(steps: &[Step], config: &Config) {
    let recording = record(steps);
    let report =
        crash_everywhere(config, &recording, |disk, progress| recover(disk, progress, steps));
    let report = report.unwrap_or_else(|failure| panic!("{steps:?}: {failure}"));
    // Written past the capture of test output: the figure is there to be seen.
    let mut out = std::io::stdout().lock();
    writeln!(out, "snapshot: {} steps, depth {}: {report:?}", steps.len(), config.depth).unwrap();
    assert!(report.images > 20, "{report:?}");
}

#[test]
fn a_checkpoint_is_there_as_a_whole_or_not_at_all() {
    crash(&[Create, Checkpoint, Checkpoint, Prune, Checkpoint, Prune], &Config::default());
}

#[test]
fn snapshots_keep_what_they_need_until_they_are_dropped() {
    let steps = [
        Create, Checkpoint, Snapshot, Checkpoint, Prune, Checkpoint, Index, Snapshot, Prune,
        Checkpoint, Drop, Index, Prune, Checkpoint, Checkpoint, Prune,
    ];
    crash(&steps, &Config::default());
}

#[test]
fn a_crash_in_the_recovery_changes_nothing() {
    let config = Config { density: Density::thin(), depth: 2, ..Config::default() };
    crash(&[Create, Checkpoint, Snapshot, Checkpoint, Prune, Drop, Checkpoint, Prune], &config);
}
