//! Times commits to the log against the bare device: what one sync costs, and how many share it.
//!
//! `cargo bench -p arrwdb-benches --bench log -- [directory] [--only=text]`. The directory decides the device;
//! without one it is where temporary files are. `--only=Os` runs those whose name has that in it. Each figure is the median of several rounds, in which all contestants take
//! turns, since a shared machine changes its mind. Only ratios within one run mean anything.
//!
//! Raw, appending: one thread appends 1.5 KiB and syncs. Raw, in place: the same into a file that was
//! filled with zeros before. Ours: the same bytes as batches, by 1, 16 and 64 threads that each wait for
//! each of theirs. `Os`: 64-byte batches by 4 threads that wait for every 64th of theirs; each is
//! acknowledged once its bytes are in the file.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{LogPlace, Sequence, StoreId, Timeline};
use disk::{Disk, OsDisk};
use wal::{Apply, Beginning, Body, Committer, Error, Level, Log, Options, Purpose, Request};

const RECORD: usize = 1_536;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);

struct Nothing;

impl Apply for Nothing {
    type Batch = ();
    fn apply(&mut self, _: Sequence, (): (), _: &LogPlace) {}
}

/// A place on the device, and how often something was done there in a second.
type Contestant<'a> = (&'static str, Box<dyn Fn(&Path) -> Result<f64, Error> + 'a>);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let dir = match &given {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let only = std::env::args().find_map(|given| Some(given.strip_prefix("--only=")?.to_owned()));
    let mut contestants: Vec<Contestant<'_>> = vec![
        ("raw, appending, 1 thread", Box::new(|dir| raw(dir, Raw::Appending))),
        ("raw, in place, 1 thread", Box::new(|dir| raw(dir, Raw::InPlace))),
        ("Sync, 1 thread", Box::new(|dir| committed(dir, 1, RECORD, Level::Sync))),
        ("Sync, 16 threads", Box::new(|dir| committed(dir, 16, RECORD, Level::Sync))),
        ("Sync, 64 threads", Box::new(|dir| committed(dir, 64, RECORD, Level::Sync))),
        ("Os, 4 threads, 64 bytes", Box::new(|dir| committed(dir, 4, 64, Level::Os))),
    ];
    contestants.retain(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only)));
    let mut rates = vec![Vec::new(); contestants.len()];
    for round in 0..ROUNDS {
        for (at, (_, run)) in contestants.iter().enumerate() {
            let place = dir.path().join(format!("{round}-{at}"));
            if let Some(rates) = rates.get_mut(at) {
                rates.push(run(&place)?);
            }
            remove(&place)?;
        }
    }
    println!("commits a second, median of {ROUNDS} rounds (least to most)");
    let mut raw_best = 0.0_f64;
    let mut one = 0.0_f64;
    for ((name, _), rates) in contestants.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
        let (least, most) = (rates.first().copied(), rates.last().copied());
        if name.starts_with("raw") {
            raw_best = raw_best.max(median);
        }
        if *name == "Sync, 1 thread" {
            one = median;
        }
        let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
        print!("{name:<26} {median:>10.0}  ({least:.0} to {most:.0})");
        for (base, rate) in [("raw", raw_best), ("one thread", one)] {
            if rate > 0.0 {
                print!("   {:>6.2} x {base}", median / rate);
            }
        }
        println!();
    }
    Ok(())
}

fn remove(place: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(place)
}

/// Where raw records go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    /// Behind the end of the file.
    Appending,
    /// Into zeros that were written before.
    InPlace,
}

/// Writes and syncs records one by one, without any format.
fn raw(dir: &Path, how: Raw) -> Result<f64, Error> {
    let disk = OsDisk::options().create_missing().open(dir)?;
    let (file, pending) = disk.create(Path::new("raw"))?;
    if how == Raw::InPlace {
        let zeros = vec![0; 1 << 20];
        for piece in 0..64 {
            file.write_at(piece << 20, &zeros)?;
        }
    }
    file.sync_all()?;
    pending.sync(&disk)?;
    let record = vec![7; RECORD];
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < ROUND {
        file.write_at(count * RECORD as u64, &record)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Commits batches on so many threads.
fn committed(dir: &Path, threads: u64, bytes: usize, level: Level) -> Result<f64, Error> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::options().create_missing().open(dir)?);
    let options = Options::new(StoreId([7; 16]));
    let timeline = Timeline::new(7).ok_or(Error::Exhausted)?;
    let log = Log::create(disk, &options, &Beginning::of_a_new_store(timeline))?;
    let committer = Committer::start(log, Nothing)?;
    let window = if level == Level::Os { 64 } else { 1 };
    let start = Instant::now();
    let work = || -> Result<u64, Error> {
        let mut count = 0;
        while start.elapsed() < ROUND {
            let mut group = Vec::with_capacity(window);
            for _ in 0..window {
                let request = Request {
                    body: Body::new(vec![7; bytes], &options),
                    table_bytes_most: 0,
                    level,
                    purpose: Purpose::Any,
                };
                group.push(committer.commit(request, |_, _| Ok::<(), Error>(()))?);
            }
            count += group.len() as u64;
            // The last one first: the others are done with it.
            for commit in group.into_iter().rev() {
                commit.wait()?;
            }
        }
        Ok(count)
    };
    let counts: Result<Vec<u64>, Error> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(Error::Closed))).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    committer.close()?;
    Ok(counts?.iter().sum::<u64>() as f64 / seconds)
}
