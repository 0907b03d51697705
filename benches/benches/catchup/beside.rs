//! (b) What searches and durable writes notice of a checkpoint, of an index that is built anew, and of its image being written.
//!
//! One thread searches without a pause, one writes every few milliseconds. Each of their times counts to whatever was under way at
//! some moment of it.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrwdb::{Collection, Store};
use benches::clusters::Clusters;
use benches::stores::{DIM, percentile, verdict, write};
use disk::{Disk, OsDisk};

use super::watch::{Seen, Span, Watch, checkpoint};
use super::writes::Fresh;
use super::{Outcome, milliseconds};

/// How long nothing is under way, and how long one checkpoint follows the other.
const WHILE: Duration = Duration::from_secs(5);

/// The time between two writes.
const PAUSE: Duration = Duration::from_millis(5);

/// How often the index is built anew, and how many images of it are waited for then.
const REBUILDS: usize = 2;
const IMAGES: u64 = 6;

/// Vectors from here on are no one's yet.
const MORE_FROM: u64 = 1 << 32;

/// No image is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was under way, when, and when nothing was, just before and behind: there are more vectors from one phase to the next.
struct Phase {
    name: &'static str,
    spans: Vec<Span>,
    idle: Vec<Span>,
}

/// More vectors, some at a time: so many that an image is due.
pub(crate) fn more(clusters: &Clusters, size: u64) -> Vec<Vec<f32>> {
    let some = size / 8;
    (0..IMAGES)
        .map(|round| clusters.some(MORE_FROM + round * some..MORE_FROM + (round + 1) * some))
        .collect()
}

/// Searches and writes while one thing after the other is under way.
pub(crate) fn measure(
    store: &Store,
    docs: &Collection,
    watch: &Watch,
    (queries, more): (&[f32], &[Vec<f32>]),
    fresh: &mut Fresh<'_>,
) -> Outcome<()> {
    docs.wait_indexed()?;
    watch.begin_anew();
    let (done, pauses) = (AtomicBool::new(false), AtomicBool::new(false));
    let (phases, searches, writes) = std::thread::scope(|scope| {
        let searching = scope.spawn(|| search(docs, queries, &done));
        let writing = scope.spawn(|| write_singly(docs, fresh, (&done, &pauses)));
        let phases = phases((store, docs, watch), more, &pauses);
        done.store(true, Ordering::Relaxed);
        let ended = "a thread that searches or writes";
        let searches = searching.join().map_err(|_| ended)??;
        let writes = writing.join().map_err(|_| ended)??;
        Ok::<_, Box<dyn std::error::Error>>((phases?, searches, writes))
    })?;
    tell(&phases, &searches, &writes, &watch.seen());
    Ok(())
}

/// One search, and how long of it the thread had no core to run on.
struct Search {
    span: Span,
    stood: Duration,
}

/// How long this thread has waited for a core by now, where the system counts that.
struct Waits(Option<File>);

impl Waits {
    fn of_this_thread() -> Self {
        Waits(File::open("/proc/thread-self/schedstat").ok())
    }

    fn so_far(&mut self) -> Duration {
        let mut read = || {
            let (file, mut text) = (self.0.as_mut()?, String::new());
            file.rewind().ok()?;
            file.read_to_string(&mut text).ok()?;
            text.split(' ').nth(1)?.parse().ok()
        };
        Duration::from_nanos(read().unwrap_or(0))
    }
}

fn search(docs: &Collection, queries: &[f32], done: &AtomicBool) -> arrwdb::Result<Vec<Search>> {
    let (mut spans, mut waits) = (Vec::new(), Waits::of_this_thread());
    for query in queries.chunks_exact(DIM).cycle() {
        let (before, from) = (waits.so_far(), Instant::now());
        let hits = docs.search(query).k(10).run()?;
        let span = Span { from, to: Instant::now() };
        spans.push(Search { span, stood: waits.so_far().saturating_sub(before) });
        assert_eq!(hits.len(), 10);
        if done.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(spans)
}

fn write_singly(
    docs: &Collection,
    fresh: &mut Fresh<'_>,
    (done, pauses): (&AtomicBool, &AtomicBool),
) -> arrwdb::Result<Vec<Span>> {
    let mut spans = Vec::new();
    while !done.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        if pauses.load(Ordering::Relaxed) {
            continue;
        }
        let (id, vector) = fresh.take();
        let from = Instant::now();
        docs.upsert(id, &vector)?;
        spans.push(Span { from, to: Instant::now() });
    }
    Ok(spans)
}

fn phases(
    (store, docs, watch): (&Store, &Collection, &Watch),
    more: &[Vec<f32>],
    pauses: &AtomicBool,
) -> Outcome<Vec<Phase>> {
    let before = idle(WHILE);
    let (since, mut checkpoints) = (Instant::now(), Vec::new());
    while since.elapsed() < WHILE {
        let from = Instant::now();
        checkpoint(store)?;
        checkpoints.push(Span { from, to: Instant::now() });
    }
    let between = idle(WHILE);
    let mut rebuilds = Vec::new();
    // Whoever waits for an index may have written it.
    let image = |before: usize| {
        let since = Instant::now();
        while watch.seen().index_images.len() == before && since.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
    };
    for _ in 0..REBUILDS {
        let before = watch.seen().index_images.len();
        rebuilds.push(rebuild(docs)?);
        image(before);
    }
    let behind = idle(WHILE);
    // Images of an index that has all there is, as they are written when nobody has written anything for a while.
    pauses.store(true, Ordering::Relaxed);
    let (first, mut number) = (watch.seen().index_images.len(), MORE_FROM);
    let mut beside_images = Vec::new();
    for some in more {
        let before = watch.seen().index_images.len();
        write(store, docs, number, some)?;
        number += (some.len() / DIM) as u64;
        docs.wait_indexed()?;
        image(before);
        beside_images.push(idle(WHILE / IMAGES as u32));
    }
    let images = watch.seen().index_images.split_off(first);
    Ok(vec![
        Phase { name: "idle", spans: vec![before], idle: vec![before] },
        Phase { name: "checkpoint", spans: checkpoints, idle: vec![before, between] },
        Phase { name: "rebuild", spans: rebuilds, idle: vec![between, behind] },
        Phase { name: "index image", spans: images, idle: beside_images },
    ])
}

/// Lets some time pass.
fn idle(time: Duration) -> Span {
    let from = Instant::now();
    std::thread::sleep(time);
    Span { from, to: Instant::now() }
}

/// Has the index built anew, as it is where nobody waits for it.
fn rebuild(docs: &Collection) -> Outcome<Span> {
    let (from, mut is_begun) = (Instant::now(), false);
    docs.rebuild()?;
    loop {
        let is_building = docs.statistics().index.building.is_some();
        if is_begun && !is_building || !is_begun && from.elapsed() > PATIENCE {
            return Ok(Span { from, to: Instant::now() });
        }
        is_begun |= is_building;
        std::thread::sleep(PAUSE / 5);
    }
}

fn tell(phases: &[Phase], searches: &[Search], writes: &[Span], seen: &Seen) {
    println!(
        "  (b) beside others, milliseconds: one thread searches without a pause, one writes every {PAUSE:?}"
    );
    for Phase { name, spans, idle } in phases {
        let is_in = |it: &&Span| spans.iter().any(|span| span.meets(**it));
        let then: Vec<_> = searches.iter().filter(|it| is_in(&&it.span)).collect();
        let times = took(then.iter().copied());
        let was_idle = |it: &&Search| idle.iter().any(|span| span.meets(it.span));
        let idle = percentile(&took(searches.iter().filter(was_idle)), 99.0);
        let ran = then.iter().map(|it| milliseconds(it.span.took().saturating_sub(it.stood)));
        let mut ran: Vec<_> = ran.collect();
        ran.sort_by(f64::total_cmp);
        let (p50, p99) = (percentile(&times, 50.0), percentile(&times, 99.0));
        let within: Vec<_> = writes.iter().filter(is_in).collect();
        let longest = within.iter().map(|it| milliseconds(it.took())).fold(0.0, f64::max);
        let beyond = within.iter().map(|it| beyond_syncs(**it, seen)).fold(0.0, f64::max);
        let syncs = seen.log_syncs.iter().filter(is_in).map(|it| milliseconds(it.took()));
        let sync = syncs.fold(0.0, f64::max);
        let lasted: f64 = spans.iter().map(|it| milliseconds(it.took())).sum();
        println!(
            "      {name:<12} {:>3} times, {lasted:>8.1} in all; searches p50 {p50:.3} p99 {p99:.3} of {}, {:.2} of idle   bar 2: {}",
            spans.len(),
            times.len(),
            p99 / idle,
            verdict(p99 / idle, 2.0)
        );
        println!(
            "                   searches without what they waited for a core: p99 {:.3}, {} waited for one",
            percentile(&ran, 99.0),
            then.iter().filter(|it| !it.stood.is_zero()).count()
        );
        println!(
            "                   writes: the longest of {} {longest:.2}, beyond the log's own syncs {beyond:.2}   bar 20: {}; the log's longest sync {sync:.2}",
            within.len(),
            verdict(beyond, 20.0)
        );
    }
}

/// How long searches took, in order.
fn took<'s>(searches: impl Iterator<Item = &'s Search>) -> Vec<f64> {
    let mut times: Vec<_> = searches.map(|it| milliseconds(it.span.took())).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// How much longer a write took than the syncs of the log that were meanwhile.
fn beyond_syncs(write: Span, seen: &Seen) -> f64 {
    let syncs: Duration = seen.log_syncs.iter().map(|sync| sync.shared(write)).sum();
    milliseconds(write.took().saturating_sub(syncs))
}

/// What the disk needs by itself for bytes in a file that was filled before.
pub(crate) fn raw_sync(dir: &Path) -> Outcome<()> {
    let disk = OsDisk::open(dir)?;
    let (file, pending) = disk.create(Path::new("raw"))?;
    file.write_at(0, &vec![0; 1 << 20])?;
    file.sync_all()?;
    pending.sync(&disk)?;
    let mut times = Vec::new();
    for number in 0..500 {
        let start = Instant::now();
        file.write_at(number * 1_600, &[7; 1_600])?;
        file.sync_data()?;
        times.push(milliseconds(start.elapsed()));
    }
    disk.remove(Path::new("raw"))?.sync(&disk)?;
    times.sort_by(f64::total_cmp);
    let of = |percent| percentile(&times, percent);
    println!(
        "  the disk's own sync of 1,600 bytes: median {:.3} ms, p99 {:.3}, longest {:.3}",
        of(50.0),
        of(99.0),
        of(100.0)
    );
    Ok(())
}
