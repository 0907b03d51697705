//! Skips every sync of the log in turn: each one is missed by some crash.

use disk::SimDisk;
use disk::harness::{Config, elide_syncs};
use disk::sim::{Density, Progress, Recording};
use wal::Ended;

use crate::store::{Size, Store, kept_place, options, recover, replay};

fn recorded(workload: impl Fn(&mut Store) -> wal::Result<()>) -> Recording {
    let disk = SimDisk::new(11);
    let mut store = Store::create(&disk).unwrap();
    workload(&mut store).unwrap();
    disk.recording()
}

/// Skips each sync, and lists those that nobody misses on their own.
fn unmissed(
    recording: &Recording,
    recover: impl Fn(&SimDisk, Progress) -> Result<u64, String>,
) -> Vec<String> {
    let config = Config { density: Density::thin(), ..Config::default() };
    let elisions = elide_syncs(&config, recording, recover).unwrap();
    let numbered = elisions.iter().flat_map(|elision| {
        let calls = elision.missed.iter().enumerate().filter(|(_, missed)| !**missed);
        calls.map(|(call, _)| format!("{}, call {call}", elision.site))
    });
    numbered.collect()
}

/// Everything a log does that is needed to keep its batches: making files, rotating, carrying, going on.
#[test]
fn every_sync_is_missed_by_a_log_that_keeps_its_batches() {
    let run = recorded(|store| {
        store.append(Size::Small)?;
        store.sync()?;
        for _ in 0..2 {
            store.append(Size::Large)?;
            store.sync()?;
        }
        store.reopen()?;
        store.append(Size::Small)?;
        store.sync()?;
        store.prune()?;
        store.append(Size::Large)?;
        store.sync()?;
        store.append(Size::Large)?;
        store.sync()
    });
    assert_eq!(unmissed(&run, recover), [""; 0]);
}

/// Recovers, and holds what a replay found against what the last step promised about it: that step is no
/// batch.
fn recover_promised(
    disk: &SimDisk,
    progress: Progress,
    promise: u64,
    is_kept: impl Fn(&Ended) -> bool,
) -> Result<u64, String> {
    let batches = |step: u64| step.min(promise - 1);
    let Progress { begun, acknowledged } = progress;
    let place =
        kept_place(disk).map_err(|error| error.to_string())?.filter(|_| acknowledged >= promise);
    if let Some(place) = place {
        let (_, ended) = replay(disk, &options(), &place).map_err(|error| error.to_string())?;
        if !is_kept(&ended) {
            return Err(format!("the log promised more: {ended:?}"));
        }
    }
    recover(disk, Progress { begun: batches(begun), acknowledged: batches(acknowledged) })
}

fn promised(
    batches: u64,
    last_step: impl Fn(&mut Store) -> wal::Result<()>,
    is_kept: impl Fn(&Ended) -> bool,
) -> Vec<String> {
    let run = recorded(|store| {
        for _ in 0..batches {
            store.append(Size::Small)?;
        }
        store.sync()?;
        store.disk.begin(batches + 1);
        last_step(store)?;
        store.disk.acknowledge(batches + 1);
        Ok(())
    });
    unmissed(&run, |disk, progress| recover_promised(disk, progress, batches + 1, &is_kept))
}

#[test]
fn every_sync_of_a_close_is_missed_by_the_witness_of_the_end() {
    let close = |store: &mut Store| store.log.take().map_or(Ok(()), wal::Log::close);
    assert_eq!(promised(2, close, Ended::was_closed), [""; 0]);
}

#[test]
fn the_sync_of_a_mark_is_missed_by_whoever_need_not_carry_what_it_covers() {
    let mark = |store: &mut Store| store.log()?.mark();
    assert_eq!(promised(2, mark, |ended| !ended.must_be_carried()), [""; 0]);
}
