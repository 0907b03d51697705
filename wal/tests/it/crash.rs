//! Crashes every short workload everywhere: what was synced is found, batches are whole, and what was
//! found stays.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Mutex;

use disk::SimDisk;
use disk::harness::{Config, Crashes};
use disk::sim::{Density, Image, Progress};

use crate::store::{Size, Store, recover};

/// What a workload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Small,
    Large,
    Sync,
    Rotate,
    Prune,
    Close,
    Reopen,
}

const OPS: [Op; 7] = [Op::Small, Op::Large, Op::Sync, Op::Rotate, Op::Prune, Op::Close, Op::Reopen];

fn run(store: &mut Store, op: Op) -> wal::Result<()> {
    match op {
        Op::Small => store.append(Size::Small).map(|_| ()),
        Op::Large => store.append(Size::Large).map(|_| ()),
        Op::Sync => store.sync(),
        Op::Rotate => store.log().map(wal::Log::rotate),
        Op::Prune => store.prune(),
        Op::Close => store.close(),
        Op::Reopen => store.reopen(),
    }
}

/// A disk to begin with, and how far its workload was.
type Start = (&'static str, Option<(Image, Progress)>);

/// Nothing at all; a log of two files whose process died with batches unsynced; a log that was pruned,
/// and closed.
fn starts() -> [Start; 3] {
    let made = |ops: &[Op]| {
        let disk = SimDisk::new(7);
        let mut store = Store::create(&disk).unwrap();
        ops.iter().for_each(|op| run(&mut store, *op).unwrap());
        (disk.contents(), disk.progress())
    };
    let died = made(&[Op::Large, Op::Sync, Op::Large, Op::Sync, Op::Small]);
    let closed = made(&[Op::Small, Op::Rotate, Op::Large, Op::Prune, Op::Small, Op::Close]);
    [("nothing", None), ("died", Some(died)), ("closed", Some(closed))]
}

fn record(start: &Start, ops: &[Op]) -> disk::sim::Recording {
    let (disk, mut store) = match &start.1 {
        None => {
            let disk = SimDisk::new(3);
            let store = Store::create(&disk).unwrap();
            (disk, store)
        }
        Some((image, progress)) => {
            let disk = SimDisk::options(3).image(image).progress(*progress).build();
            let store = Store::open(&disk).unwrap();
            disk.acknowledge(store.last);
            (disk, store)
        }
    };
    for op in ops {
        run(&mut store, *op).unwrap_or_else(|error| panic!("{ops:?} from {}: {error}", start.0));
    }
    disk.recording()
}

/// All sequences of this many operations.
fn workloads(length: usize) -> Vec<Vec<Op>> {
    (0..length).fold(vec![Vec::new()], |shorter, _| {
        let longer = |ops: &Vec<Op>| OPS.map(|op| [ops.as_slice(), &[op]].concat());
        shorter.iter().flat_map(longer).collect()
    })
}

/// Whether everything is to be tried, however long it takes.
fn is_full() -> bool {
    std::env::var("ARRWDB_CRASH").is_ok_and(|value| value == "full")
}

/// Every image that any test here recovered.
static IMAGES: Mutex<Option<HashSet<u128>>> = Mutex::new(None);

/// Crashes all workloads of this length from one start everywhere, and their recoveries too if the
/// depth is 2.
fn crash(start: usize, length: usize, depth: u32, density: Density) {
    let start = &starts()[start];
    let config = Config { seed: 5, density, depth };
    let mut crashes = Crashes::new(&config, recover);
    for ops in workloads(length) {
        let recording = record(start, &ops);
        if let Err(failure) = crashes.everywhere(&recording) {
            panic!("{ops:?} from {}: {failure}", start.0);
        }
    }
    let mut all = IMAGES.lock().unwrap();
    let all = all.get_or_insert_default();
    all.extend(crashes.images());
    // Written past the capture of test output: the figure is there to be seen.
    let mut out = std::io::stdout().lock();
    let report = crashes.report();
    writeln!(out, "wal: {length} operations from {}, depth {depth}: {report:?}", start.0).unwrap();
    writeln!(out, "wal: {} distinct crash images recovered so far", all.len()).unwrap();
}

#[test]
fn three_operations_from_nothing() {
    crash(0, 3, 1, Density::default());
}

#[test]
fn three_operations_from_a_log_whose_process_died() {
    crash(1, 3, 1, Density::default());
}

#[test]
fn three_operations_from_a_closed_log() {
    crash(2, 3, 1, Density::default());
}

/// How dense the crashes of recoveries are: a sample, since each recovery has as many as a workload.
fn sample() -> Density {
    if is_full() { Density::default() } else { Density::thin() }
}

#[test]
fn crashes_in_the_recovery_of_a_new_log() {
    crash(0, 3, 2, sample());
}

#[test]
fn crashes_in_the_recovery_of_a_log_whose_process_died() {
    crash(1, 3, 2, sample());
}

#[test]
fn crashes_in_the_recovery_of_a_closed_log() {
    crash(2, 3, 2, sample());
}
