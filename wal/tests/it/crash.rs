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
    Write,
    Mark,
}

/// The shorter alphabet is for where each recovery is crashed too.
const OPS: [Op; 9] = [
    Op::Small,
    Op::Large,
    Op::Sync,
    Op::Rotate,
    Op::Prune,
    Op::Close,
    Op::Reopen,
    Op::Write,
    Op::Mark,
];
const FEWER: usize = 7;

fn run(store: &mut Store, op: Op) -> wal::Result<()> {
    match op {
        Op::Small => store.append(Size::Small).map(|_| ()),
        Op::Large => store.append(Size::Large).map(|_| ()),
        Op::Sync => store.sync(),
        Op::Rotate => store.log().map(wal::Log::rotate),
        Op::Prune => store.prune(),
        Op::Close => store.close(),
        Op::Reopen => store.reopen(),
        Op::Write => store.log().and_then(wal::Log::write),
        Op::Mark => store.mark(),
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

/// All sequences of so many of these operations.
fn workloads(length: usize, alphabet: &[Op]) -> Vec<Vec<Op>> {
    (0..length).fold(vec![Vec::new()], |shorter, _| {
        let longer = |ops: &Vec<Op>| -> Vec<Vec<Op>> {
            alphabet.iter().map(|op| [ops.as_slice(), &[*op]].concat()).collect()
        };
        shorter.iter().flat_map(longer).collect()
    })
}

/// Whether everything is to be tried, however long it takes.
fn is_full() -> bool {
    std::env::var("ARRWDB_CRASH").is_ok_and(|value| value == "full")
}

/// Something to crash: from which start, how deep, how densely.
struct Job {
    start: usize,
    depth: u32,
    density: Density,
}

/// Crashes all workloads of three operations everywhere, and their recoveries too if the depth is 2; the
/// sums of all images that were recovered.
fn crash(job: &Job) -> HashSet<u128> {
    let start = &starts()[job.start];
    let config = Config { seed: 5, density: job.density.clone(), depth: job.depth };
    let mut crashes = Crashes::new(&config, recover);
    let alphabet = if job.depth == 1 { &OPS[..] } else { &OPS[..FEWER] };
    for ops in workloads(3, alphabet) {
        let recording = record(start, &ops);
        if let Err(failure) = crashes.everywhere(&recording) {
            panic!("{ops:?} from {}: {failure}", start.0);
        }
    }
    say(&format!("three operations from {}, depth {}: {:?}", start.0, job.depth, crashes.report()));
    crashes.images()
}

/// Written past the capture of test output: the figures are there to be seen.
fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "wal: {words}").unwrap();
}

/// Each recovery has as many crashes as a workload: of these a sample, unless all are asked for.
#[test]
fn every_workload_of_three_operations_and_its_recoveries_survive_every_crash() {
    // Behind each recovery a few crashes more, the one that keeps what was synced alone among them.
    let sample = Density { again: 2, ..Density::thin() };
    let of_recoveries = if is_full() { Density::default() } else { sample };
    let jobs = (0..3).flat_map(|start| {
        let whole = Job { start, depth: 1, density: Density::default() };
        [Job { start, depth: 2, density: of_recoveries.clone() }, whole]
    });
    let jobs = Mutex::new(jobs.collect::<Vec<_>>());
    let images = Mutex::new(HashSet::new());
    let work = || {
        while let Some(job) = { jobs.lock().unwrap().pop() } {
            images.lock().unwrap().extend(crash(&job));
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let count = images.into_inner().unwrap().len();
    say(&format!("{count} distinct crash images recovered"));
    assert!(count >= 200_000, "{count}");
}
