//! Crashes stores everywhere, and their recoveries: what was promised is found, and nothing that is not one of the
//! states there were.

use std::sync::{Arc, Mutex};

use arrwdb::{CollectionConfig, Metric};
use disk::harness::{Config, crash_everywhere};
use disk::sim::{Density, Progress};
use disk::{Disk, SimDisk};

use crate::report::say;
use crate::store::{OPS, Op, Start, options, record, recover, starts};

/// Crashes a workload everywhere; how many images were recovered.
fn crash(start: &Start, ops: &[Op], config: &Config) -> u64 {
    let (recording, contents) = record(start, ops);
    let report =
        crash_everywhere(config, &recording, |disk, progress| recover(disk, progress, &contents));
    let report = report.unwrap_or_else(|failure| panic!("{ops:?} from {}: {failure}", start.name));
    report.images
}

/// All of them, on two threads; how many images were recovered.
fn crash_all(workloads: Vec<(usize, Vec<Op>)>, config: &Config) -> u64 {
    let starts = starts();
    let (left, images) = (Mutex::new(workloads), Mutex::new(0));
    let work = || {
        while let Some((start, ops)) = { left.lock().unwrap().pop() } {
            let count = crash(&starts[start], &ops, config);
            *images.lock().unwrap() += count;
        }
    };
    std::thread::scope(|scope| {
        for thread in [scope.spawn(work), scope.spawn(work)] {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    images.into_inner().unwrap()
}

/// Whether everything is to be tried, however long it takes.
fn is_full() -> bool {
    std::env::var("ARRWDB_CRASH").is_ok_and(|value| value == "full")
}

/// By default from the start whose recoveries are the shortest.
#[test]
fn every_operation_and_its_recovery_survive_every_crash() {
    let starts = if is_full() { 0..3 } else { 1..2 };
    let workloads = starts.flat_map(|start| OPS.map(|op| (start, vec![op])));
    let config = Config { seed: 5, density: Density::thin(), depth: 2 };
    let images = crash_all(workloads.collect(), &config);
    say(&format!("one operation, depth 2: {images} images"));
    assert!(images > 5_000, "{images}");
}

#[test]
fn every_two_operations_survive_every_crash() {
    let workloads = (0..3).flat_map(|start| {
        OPS.into_iter().flat_map(move |one| OPS.map(|other| (start, vec![one, other])))
    });
    let density = if is_full() { Density::default() } else { Density::thin() };
    let images = crash_all(workloads.collect(), &Config { seed: 5, density, depth: 1 });
    say(&format!("two operations: {images} images"));
    assert!(images > 30_000, "{images}");
}

/// Also while there is no store yet: it is made anew, or is there.
#[test]
fn the_making_of_a_store_survives_every_crash() {
    let open = |disk: &SimDisk| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        options().open_on(disk)
    };
    let disk = SimDisk::new(3);
    let act = |step: u64, act: &mut dyn FnMut()| {
        disk.begin(step);
        act();
        disk.acknowledge(step);
    };
    let mut store = None;
    act(1, &mut || store = Some(open(&disk).unwrap()));
    let store = store.unwrap();
    let config = CollectionConfig::new(2, Metric::L2);
    act(2, &mut || drop(store.create_collection("docs", config).unwrap()));
    act(3, &mut || {
        store.collection("docs").unwrap().upsert(1, &[1.0, 2.0]).unwrap();
    });
    let recover = |disk: &SimDisk, progress: Progress| -> Result<u64, String> {
        let store = open(disk).map_err(|error| error.to_string())?;
        let found = match store.collection("docs") {
            // Whether it was there or was made now nobody can tell, nor needs to.
            Err(_) => 1,
            Ok(docs) => 2 + docs.len(),
        };
        let Progress { acknowledged, begun } = progress;
        let is_one = (acknowledged.max(1)..=begun.max(1)).contains(&found);
        if is_one { Ok(found) } else { Err(format!("{found} steps are found at {progress:?}")) }
    };
    let config = Config { seed: 5, density: Density::thin(), depth: 2 };
    let report = crash_everywhere(&config, &disk.recording(), recover);
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    say(&format!("the making of a store, depth 2: {report:?}"));
    assert!(report.images > 500, "{report:?}");
}
