//! Crashes stores everywhere, and their recoveries: what was promised is found, and nothing that is not one of the
//! states there were.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use disk::harness::{Config, Crashes, Report, crash_everywhere};
use disk::sim::{Density, Progress};
use disk::{Disk, SimDisk};

use crate::chance::Chance;
use crate::report::say;
use crate::store::{
    Contents, OPS, Op, Run, Start, configs, options, record_parts, recover, starts, vector,
};

/// Whether everything is to be tried, however long it takes.
pub(crate) fn is_full() -> bool {
    std::env::var("ARRWDB_CRASH").is_ok_and(|value| value == "full")
}

/// What to crash, all of it from one start and with the same beginning.
struct Job {
    start: usize,
    before: Vec<Op>,
    /// How many of those operations are crashed with another job.
    crashed: usize,
    /// What comes behind the beginning, one or the other.
    others: Vec<Op>,
    config: Config,
}

/// How many beginnings of two operations go on, and with how many third ones each.
const SAMPLE: usize = 30;
const OPS_OF_SAMPLE: u32 = 2;

/// Crashes what a job says everywhere; the sums of all images that were recovered. What a workload begins with is
/// crashed once: a step's number tells all operations up to it, and so what is allowed.
fn crash(start: &Start, job: &Job) -> (Report, HashSet<u128>) {
    let known = RefCell::new(Contents::new());
    let mut crashes =
        Crashes::new(&job.config, |disk, progress| recover(disk, progress, &known.borrow()));
    let (before, after) = job.before.split_at(job.crashed);
    let mut run = |before: &[Op], others: &[Op]| {
        let (recording, contents, events) = record_parts(start, before, others);
        known.borrow_mut().extend(contents);
        let behind = Some(events).filter(|_| !before.is_empty());
        if let Err(failure) = crashes.behind(&recording, behind) {
            panic!("{before:?}, {others:?} from {}: {failure}", start.name);
        }
    };
    if !after.is_empty() {
        run(before, after);
    }
    job.others.iter().for_each(|op| run(&job.before, &[*op]));
    (crashes.report(), crashes.images())
}

/// Does all jobs, on two threads; the sums of all images.
fn crash_all(what: &str, jobs: Vec<Job>) -> HashSet<u128> {
    let (starts, count) = (starts(), jobs.len());
    let (left, done) = (Mutex::new(jobs), Mutex::new((Report::default(), HashSet::new(), 0_usize)));
    let work = || {
        while let Some(job) = { left.lock().unwrap().pop() } {
            let (report, images) = crash(&starts[job.start], &job);
            let (total, all, jobs_done) = &mut *done.lock().unwrap();
            total.points += report.points;
            total.built += report.built;
            total.images += report.images;
            total.recoveries += report.recoveries;
            all.extend(images);
            *jobs_done += 1;
            if is_full() && jobs_done.is_multiple_of(32) {
                say(&format!("{what}: {jobs_done} of {count} are done, {total:?}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in [scope.spawn(work), scope.spawn(work)] {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let (total, all, _) = done.into_inner().unwrap();
    say(&format!("{what}: {} distinct images, {total:?}", all.len()));
    all
}

/// All pairs of a start and an operation.
fn starts_and_ops() -> impl Iterator<Item = (usize, Op)> {
    OPS.into_iter().flat_map(|op| (0..3).map(move |start| (start, op)))
}

/// Each operation, and each recovery from its crashes crashed again: many from the start whose recoveries are the
/// shortest.
fn of_one_operation() -> Vec<Job> {
    let job = |(start, op)| {
        let density = if start == 1 { Density::thin() } else { sparse() };
        let config = Config { seed: 5, density, depth: 2 };
        Job { start, before: vec![op], crashed: 0, others: Vec::new(), config }
    };
    starts_and_ops().map(job).collect()
}

/// Every two operations.
fn of_two_operations() -> Vec<Job> {
    let job = |(start, op)| {
        let depth = if is_full() { 2 } else { 1 };
        let config = Config { seed: 5, density: density(), depth };
        Job { start, before: vec![op], crashed: 0, others: OPS.to_vec(), config }
    };
    starts_and_ops().map(job).collect()
}

/// Every three operations, if everything is to be tried; else some: what each of two does to some third ones.
fn of_three_operations() -> Vec<Job> {
    if is_full() {
        let job = |((start, one), other)| {
            let config = Config { seed: 5, density: density(), depth: 2 };
            Job { start, before: vec![one, other], crashed: 2, others: OPS.to_vec(), config }
        };
        return starts_and_ops().flat_map(|it| OPS.map(|op| (it, op))).map(job).collect();
    }
    let mut chance = Chance::of(17);
    let job = |start| {
        let mut any = || OPS[chance.below(OPS.len() as u64) as usize];
        let before = vec![any(), any()];
        let others = (0..OPS_OF_SAMPLE).map(|_| any()).collect();
        let config = Config { seed: 5, density: density(), depth: 1 };
        Job { start, before, crashed: 2, others, config }
    };
    (0..3).cycle().take(SAMPLE).map(job).collect()
}

/// A sample of the crashes of recoveries that are long.
fn sparse() -> Density {
    Density {
        exhaustive_up_to: 2,
        subsets: 2,
        crossed_up_to: 0,
        tears: 1,
        cuts: 1,
        images: 6,
        again: 2,
        ..Density::default()
    }
}

fn density() -> Density {
    let between = Density {
        exhaustive_up_to: 8,
        subsets: 24,
        tears: 8,
        cuts: 8,
        images: 512,
        again: 2,
        ..Density::default()
    };
    // Of recoveries, most are crashed two or three times where they are, and not once more right behind.
    let some = Density { images: 10, again: 0, of_recovery: 2, ..sparse() };
    if is_full() { some } else { between }
}

#[test]
fn every_short_workload_and_its_recoveries_survive_every_crash() {
    let mut images = crash_all("one operation, depth 2", of_one_operation());
    images.extend(crash_all("every two operations", of_two_operations()));
    images.extend(crash_all("some of three operations", of_three_operations()));
    say(&format!("{} distinct images", images.len()));
    assert!(images.len() >= 100_000, "{}", images.len());
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
    let [_, (_, config)] = configs();
    act(2, &mut || drop(store.create_collection("docs", config.clone()).unwrap()));
    act(3, &mut || {
        store.collection("docs").unwrap().upsert(1, &vector(1)).unwrap();
    });
    let recover = |disk: &SimDisk, progress: Progress| -> Result<u64, String> {
        let store = open(disk).map_err(|error| error.to_string())?;
        let found = match store.collection("docs") {
            // Whether it was there or was made now nobody can tell, nor needs to.
            Err(_) => 1,
            Ok(docs) => {
                assert_eq!(docs.config(), &configs()[1].1);
                2 + docs.len()
            }
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

/// What crashes is worth crashing: files of payloads are emptied in it. What is copied goes to a file that is as long as it
/// needs to be, and those that are appended to have a power of two behind their header.
#[test]
fn workloads_that_are_crashed_empty_files_of_payloads() {
    let start = &starts()[2];
    let mut run = Run::on(&start.disk().build(), start).unwrap();
    [Op::Update, Op::Checkpoint].into_iter().for_each(|op| run.step(op).unwrap());
    let contents = run.disk.contents();
    let is_filled = |path: &Path| {
        let length = contents.bytes(path).unwrap().len();
        path.extension().is_some_and(|it| it == "pay") && !(length - 4_096).is_power_of_two()
    };
    assert!(contents.files().any(is_filled), "{:?}", contents.files().collect::<Vec<_>>());
}
