//! Measures what a graph that catches up behind the writes costs those who write and search.
//!
//! `cargo bench -p arrwdb-benches --bench catchup -- [directory] [--sizes=20000,100000] [--small-writes=50000] [--only=abc]`.
//! The directory decides the device; without one it is where temporary files are. Made-up vectors of 384 numbers
//! (`benches::clusters`) in a collection with a graph as it comes.
//!
//! (a) One durable write at a time, in turns with a bare log that gets as many bytes a batch; and what many small writes have the
//! disk write, by what for. (b) Searches and writes while nothing is under way, while checkpoints are made, while the index is
//! built anew, and while its image is written. (c) Searches before a store is closed, after it was opened and while its index is read
//! in its image, and after the change that copies it. Only ratios within one run mean anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrwdb::{Collection, CollectionConfig, IndexConfig, Metric, Store};
use benches::clusters::Clusters;
use benches::dataset::Dataset;
use benches::stores::{DIM, given_directory, option, peak_mebibytes, write};
use disk::{Disk, OsDisk};

use watch::Watch;
use writes::Fresh;

#[path = "catchup/beside.rs"]
mod beside;
#[path = "catchup/reopened.rs"]
mod reopened;
#[path = "catchup/watch.rs"]
mod watch;
#[path = "catchup/writes.rs"]
mod writes;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const QUERIES: usize = 1_000;

/// Where the store is.
struct Place(PathBuf);

impl Place {
    /// Opens it, with a watch in front of its disk.
    fn open(&self) -> Outcome<(Store, Collection, Arc<Watch>)> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::options().create_missing().open(&self.0)?);
        let (disk, watch) = Watch::guard(disk);
        let store = Store::options().open_on(disk)?;
        let docs = match store.collection("docs") {
            Ok(docs) => docs,
            Err(_) => {
                let config = CollectionConfig::new(DIM as u32, Metric::L2);
                store.create_collection("docs", config.index(IndexConfig::hnsw()))?
            }
        };
        Ok((store, docs, watch))
    }
}

fn main() -> Outcome<()> {
    let sizes = option::<String>("--sizes=").unwrap_or("20000,100000".to_owned());
    let sizes: Vec<usize> = sizes.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let dir = match given_directory() {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let clusters = Clusters::new(DIM);
    for size in sizes {
        measure(size, dir.path(), &clusters)?;
    }
    if let Some(peak) = peak_mebibytes() {
        println!("at most {peak} MiB of memory, files that were mapped included");
    }
    Ok(())
}

fn measure(size: usize, dir: &Path, clusters: &Clusters) -> Outcome<()> {
    let only = option::<String>("--only=").unwrap_or("abc".to_owned());
    let small_writes = option("--small-writes=").unwrap_or(50_000);
    let data = Dataset::clustered(size, DIM, QUERIES);
    let place = Place(dir.join("store"));
    let (store, docs, watch) = place.open()?;
    let start = Instant::now();
    write(&store, &docs, 0, &data.base)?;
    let written = start.elapsed();
    docs.wait_indexed()?;
    println!(
        "\n{size} x {DIM}: written in {written:.1?}, in the index after {:.1?}",
        start.elapsed()
    );
    beside::raw_sync(dir)?;
    let mut at = (store, docs, watch);
    if only.contains('c') {
        at = reopened::measure(at, &place, &data)?;
    }
    let (store, docs, watch) = at;
    let mut fresh = Fresh::new(clusters, size as u64);
    if only.contains('b') {
        let more = beside::more(clusters, size as u64);
        beside::measure(&store, &docs, &watch, (&data.queries, &more), &mut fresh)?;
    }
    if only.contains('a') {
        writes::latency(&docs, &watch, dir, &mut fresh)?;
        writes::bytes(&store, &docs, &watch, &mut fresh, small_writes)?;
    }
    beside::raw_sync(dir)?;
    store.close()?;
    drop((store, docs));
    std::fs::remove_dir_all(place.0)?;
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
