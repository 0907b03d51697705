//! Durable commits of 1.5 KiB by several threads: ours beside those of key-value stores.
//!
//! Each thread commits one record, waits until it is on the device, and commits the next. All contestants
//! take turns in several rounds, each in a directory of its own; the figure is the median.

mod ours;
#[cfg(feature = "fjall")]
mod peer_fjall;
#[cfg(feature = "redb")]
mod peer_redb;
#[cfg(feature = "rocksdb")]
mod peer_rocksdb;
#[cfg(feature = "sqlite")]
mod peer_sqlite;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failure;

const RECORD: usize = 1_536;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(1_000);
const THREADS: [u64; 3] = [1, 16, 64];

/// A store that takes durable commits.
pub trait Contestant: Sync {
    /// Commits a record, and returns when it is on the device.
    ///
    /// # Errors
    /// Whatever the store reports.
    fn commit(&self, thread: u64, key: u64, record: &[u8]) -> Result<(), Failure>;
}

/// How a contestant is opened, in a directory that is there and empty.
type Open = fn(&Path) -> Result<Box<dyn Contestant>, Failure>;

/// All contestants that were built, ours first.
fn contestants() -> Vec<(&'static str, Open)> {
    vec![
        ("arrwDB log", ours::open as Open),
        #[cfg(feature = "fjall")]
        ("fjall, SyncData", peer_fjall::open),
        #[cfg(feature = "redb")]
        ("redb, Immediate", peer_redb::open),
        #[cfg(feature = "sqlite")]
        ("SQLite, WAL, FULL", peer_sqlite::open),
        #[cfg(feature = "rocksdb")]
        ("RocksDB, sync", peer_rocksdb::open),
    ]
}

/// Runs the contest and prints a table.
///
/// # Errors
/// If a contestant fails, or the directory cannot be used.
pub fn run(dir: Option<&str>) -> Result<(), Failure> {
    let dir = match dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let contestants = contestants();
    let mut rates = vec![vec![Vec::new(); THREADS.len()]; contestants.len()];
    for round in 0..ROUNDS {
        for (at, (name, open)) in contestants.iter().enumerate() {
            for (column, threads) in THREADS.iter().enumerate() {
                let place = dir.path().join(format!("{round}-{at}-{threads}"));
                std::fs::create_dir(&place)?;
                let rate = measured(&*open(&place)?, *threads)
                    .map_err(|error| format!("{name}, {threads} threads: {error}"))?;
                rates[at][column].push(rate);
                std::fs::remove_dir_all(&place)?;
            }
        }
    }
    println!(
        "durable commits of {RECORD} bytes a second, median of {ROUNDS} rounds (least to most)"
    );
    for ((name, _), columns) in contestants.iter().zip(&mut rates) {
        print!("{name:<20}");
        for (rates, threads) in columns.iter_mut().zip(THREADS) {
            rates.sort_by(f64::total_cmp);
            let (least, most) = (rates[0], rates[rates.len() - 1]);
            print!("  {threads:>2}: {:>7.0} ({least:.0} to {most:.0})", rates[rates.len() / 2]);
        }
        println!();
    }
    Ok(())
}

/// A record that nobody can compress, as vectors cannot: some of the stores try.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(RECORD).collect()
}

fn measured(store: &dyn Contestant, threads: u64) -> Result<f64, Failure> {
    let record = noise();
    let start = Instant::now();
    let work = |thread: u64| -> Result<u64, Failure> {
        let mut count = 0;
        while start.elapsed() < ROUND {
            store.commit(thread, count, &record)?;
            count += 1;
        }
        Ok(count)
    };
    let counts: Result<Vec<u64>, Failure> = std::thread::scope(|scope| {
        let work = &work;
        let spawned: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        let joined = spawned.into_iter().map(|thread| thread.join());
        joined.map(|count| count.map_err(|_| "a thread panicked")?).collect()
    });
    Ok(counts?.iter().sum::<u64>() as f64 / start.elapsed().as_secs_f64())
}
