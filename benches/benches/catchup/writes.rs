//! (a) What a durable write costs beside the same bytes committed to a bare log, and what is written to the disk for it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrwdb::{Collection, Commit, Durability, Store};
use base::{LogPlace, Sequence, StoreId, Timeline};
use benches::clusters::Clusters;
use benches::stores::{DIM, percentile, verdict};
use disk::{Disk, OsDisk};
use wal::{Apply, Beginning, Body, Committer, Level, Log, Options, Request};

use super::watch::{Purpose, Watch};
use super::{Outcome, milliseconds};

const ROUNDS: usize = 10;
const ROUND: Duration = Duration::from_millis(500);

/// Vectors that are made at a time, while no clock runs.
const AT_HAND: u64 = 1_000;

/// Writes that are on their way at once, where it is counted what they cost the disk.
const IN_FLIGHT: usize = 64;

struct Nothing;

impl Apply for Nothing {
    type Batch = ();
    fn apply(&mut self, _: Sequence, (): (), _: &LogPlace) {}
}

/// A log and nothing else.
struct Bare {
    committer: Committer<Nothing>,
    options: Options,
    watch: Arc<Watch>,
    body_bytes: usize,
}

impl Bare {
    fn create(dir: &Path) -> Outcome<Bare> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::options().create_missing().open(dir)?);
        let (disk, watch) = Watch::guard(disk);
        let options = Options::new(StoreId([7; 16]));
        let timeline = Timeline::new(7).ok_or("a timeline")?;
        let log = Log::create(disk, &options, &Beginning::of_a_new_store(timeline))?;
        let committer = Committer::start(log, Nothing)?;
        Ok(Bare { committer, options, watch, body_bytes: DIM * 4 })
    }

    fn commit(&self) -> Outcome<()> {
        let request = Request {
            body: Body::new(vec![7; self.body_bytes], &self.options),
            table_bytes_most: 0,
            level: Level::Sync,
            purpose: wal::Purpose::Any,
        };
        self.committer.commit(request, |_, _| Ok::<(), wal::Error>(()))?.wait()?;
        Ok(())
    }

    /// As many bytes a batch as a write of the store.
    fn match_bytes(&mut self, bytes: u64) -> Outcome<()> {
        self.watch.begin_anew();
        for _ in 0..100 {
            self.commit()?;
        }
        let own = self.watch.seen().written(Purpose::Log) / 100;
        self.body_bytes = (self.body_bytes as u64 + bytes).saturating_sub(own) as usize;
        Ok(())
    }
}

/// New vectors under new numbers, one by one.
pub(crate) struct Fresh<'a> {
    clusters: &'a Clusters,
    pub(crate) next: u64,
    at_hand: VecDeque<Vec<f32>>,
}

impl<'a> Fresh<'a> {
    pub(crate) fn new(clusters: &'a Clusters, next: u64) -> Self {
        Fresh { clusters, next, at_hand: VecDeque::new() }
    }

    /// Sees to it that many are at hand.
    pub(crate) fn prepare(&mut self) {
        if self.at_hand.len() < AT_HAND as usize / 2 {
            let from = self.next + self.at_hand.len() as u64;
            let more = self.clusters.some(from..from + AT_HAND);
            self.at_hand.extend(more.chunks_exact(DIM).map(<[f32]>::to_vec));
        }
    }

    pub(crate) fn take(&mut self) -> (u64, Vec<f32>) {
        if self.at_hand.is_empty() {
            self.prepare();
        }
        self.next += 1;
        (self.next - 1, self.at_hand.pop_front().unwrap_or_default())
    }
}

/// Single durable writes beside a bare log, in turns.
pub(crate) fn latency(
    docs: &Collection,
    watch: &Watch,
    dir: &Path,
    fresh: &mut Fresh<'_>,
) -> Outcome<()> {
    let mut bare = Bare::create(&dir.join("bare"))?;
    watch.begin_anew();
    for _ in 0..100 {
        let (id, vector) = fresh.take();
        docs.upsert(id, &vector)?;
    }
    bare.match_bytes(watch.seen().written(Purpose::Log) / 100)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        docs.wait_indexed()?;
        fresh.prepare();
        let begun = Instant::now();
        while begun.elapsed() < ROUND {
            let (id, vector) = fresh.take();
            let start = Instant::now();
            docs.upsert(id, &vector)?;
            ours.push(milliseconds(start.elapsed()));
        }
        let begun = Instant::now();
        while begun.elapsed() < ROUND {
            let start = Instant::now();
            bare.commit()?;
            theirs.push(milliseconds(start.elapsed()));
        }
    }
    bare.committer.close()?;
    std::fs::remove_dir_all(dir.join("bare"))?;
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    println!(
        "  (a) one durable write, milliseconds; the bare log gets batches of {} bytes",
        bare.body_bytes
    );
    for (name, percent) in [("median", 50.0), ("p99", 99.0)] {
        let (ours, theirs) = (percentile(&ours, percent), percentile(&theirs, percent));
        let ratio = ours / theirs;
        println!(
            "      {name:<7} store {ours:.3}  bare log {theirs:.3}  ratio {ratio:.3}   bar 1.2: {}",
            verdict(ratio, 1.2)
        );
    }
    println!("      of {} and {} writes", ours.len(), theirs.len());
    Ok(())
}

/// What is written to the disk for many small writes, each a batch of its own.
pub(crate) fn bytes(
    store: &Store,
    docs: &Collection,
    watch: &Watch,
    fresh: &mut Fresh<'_>,
    count: u64,
) -> Outcome<()> {
    docs.wait_indexed()?;
    watch.begin_anew();
    let (counted, device) = (store.stats().bytes_written, device_bytes());
    let mut on_their_way: VecDeque<Commit> = VecDeque::new();
    for _ in 0..count {
        let (id, vector) = fresh.take();
        let mut batch = store.batch();
        batch.upsert(docs, id, &vector);
        on_their_way.push_back(batch.commit(Durability::Sync)?);
        if on_their_way.len() == IN_FLIGHT
            && let Some(oldest) = on_their_way.pop_front()
        {
            oldest.wait()?;
        }
    }
    on_their_way.into_iter().try_for_each(|commit| commit.wait().map(drop))?;
    docs.wait_indexed()?;
    store.sync()?;
    let given = count * (DIM as u64 * 4 + 8);
    let counted = store.stats().bytes_written - counted;
    let device = device_bytes().zip(device).map(|(after, before)| after - before);
    let seen = watch.seen();
    println!(
        "  (a) bytes written for {count} writes of a vector and a number each, {IN_FLIGHT} on their way, a byte given"
    );
    let each = |bytes: u64| bytes as f64 / given as f64;
    let mut sum = 0.0;
    for (purpose, counts) in [
        (Purpose::Log, true),
        (Purpose::Vectors, true),
        (Purpose::StoreImages, true),
        (Purpose::Manifests, true),
        (Purpose::Other, true),
        (Purpose::ZeroingAhead, false),
        (Purpose::IndexImages, false),
    ] {
        let bytes = each(seen.written(purpose));
        println!(
            "      {:<14} {bytes:.3}{}",
            format!("{purpose:?}"),
            if counts { "" } else { "   apart" }
        );
        sum += if counts { bytes } else { 0.0 };
    }
    println!("      together {sum:.3}   bar 2.5: {}", verdict(sum, 2.5));
    println!("      by Statistics::bytes_written, all of it: {:.3}", each(counted));
    if let Some(device) = device {
        println!(
            "      by the kernel (whole pages; what lies in the cache still is not in it): {:.3}",
            each(device)
        );
    }
    Ok(())
}

/// What this process had written to devices, where Linux says so.
fn device_bytes() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}
