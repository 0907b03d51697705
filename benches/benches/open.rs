//! Times the opening of stores with a graph, small and large, after a clean close and after a kill, and the first query.
//!
//! `cargo bench -p arrwdb-benches --bench open -- [directory] [--sizes=10000,100000,1000000] [--rounds=5] [--keep] [--rebuild]`. The
//! directory decides the device; without one it is where temporary files are. With `--keep` stores that were filled stay in
//! it for the next run, which then builds none; with `--rebuild` an index is built anew before its store is closed. Files are in the page cache, as they are of a program that is started again.
//! Made-up vectors of 384 numbers (`benches::clusters`); 1,000,000 take some 3 GB of memory, 5 GB of disk, and long to build.
//!
//! Killed is a process of its own that writes to a copy of the store and aborts, three ways: nothing written since the last
//! checkpoint; a hundredth of the vectors written behind it, which are in the log alone; a hundredth written before it, which
//! are in the store's image and not in that of the index. The answers of before are those that it gave just before its end.
//!
//! Same: of a hundred queries, how many have the same answer to the last bit as before; found: which share of the ids of before is
//! there again. Both are 1 after a clean close; after a kill what the graph did not have yet may be found or missed elsewhere.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use arrwdb::report::IndexStatistics;
use arrwdb::{CollectionConfig, IndexConfig, Metric, Store};
use benches::clusters::Clusters;
use benches::rounds::Rounds;
use benches::stores::{
    Answer, DIM, ask, compared, exponent, fill, given_directory, option, peak_mebibytes, verdict,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const QUERIES: usize = 100;

/// A hundredth is written before a kill.
const PARTS: u64 = 100;

/// How a store was left.
const LEFT: [(&str, &str); 4] = [
    ("closed", "closed"),
    ("killed", "killed, nothing behind the checkpoint"),
    ("logged", "killed, 1 % in the log alone"),
    ("behind", "killed, 1 % behind the index image"),
];

fn main() -> Outcome<()> {
    if let Some(how) = option::<String>("--be-killed=") {
        return be_killed(&how);
    }
    let sizes = option::<String>("--sizes=").unwrap_or("10000,100000,1000000".to_owned());
    let sizes: Vec<u64> = sizes.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let rounds = option("--rounds=").unwrap_or(5);
    let scratch = match given_directory() {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let keep = std::env::args().any(|it| it == "--keep").then(given_directory).flatten();
    let clusters = Clusters::new(DIM);
    let queries = clusters.queries(QUERIES);
    let mut times = Rounds::default();
    for size in &sizes {
        let place = keep.as_deref().map_or(scratch.path(), Path::new);
        let store = place.join(format!("open-{size}"));
        let before = filled(&store, *size, &clusters, &queries)?;
        for (how, name) in LEFT {
            println!("  {name}");
            for round in 0..rounds {
                let opened = match how {
                    "closed" => opened(&store, &queries, &before)?,
                    _ => {
                        let copy = scratch.path().join("killed");
                        copy_all(&store, &copy)?;
                        let before = killed(&copy, how, *size)?;
                        let opened = opened(&copy, &queries, &before)?;
                        std::fs::remove_dir_all(copy)?;
                        opened
                    }
                };
                opened.note(&mut times, *size, how);
                if round + 1 == rounds {
                    opened.tell();
                }
            }
        }
        if keep.is_none() {
            std::fs::remove_dir_all(store)?;
        }
    }
    tell(&times, &sizes);
    Ok(())
}

/// Fills a store and closes it, if it is not there from a run before; what it answers then.
fn filled(path: &Path, size: u64, clusters: &Clusters, queries: &[f32]) -> Outcome<Vec<Answer>> {
    if !path.exists() {
        let making = path.with_extension("making");
        _ = std::fs::remove_dir_all(&making).is_ok();
        let store = Store::open(&making)?;
        let config = CollectionConfig::new(DIM as u32, Metric::L2).index(IndexConfig::hnsw());
        let docs = store.create_collection("docs", config)?;
        let start = Instant::now();
        fill(&store, &docs, clusters, 0..size)?;
        let written = start.elapsed();
        docs.wait_indexed()?;
        println!(
            "\n{size} x {DIM}: written in {written:.1?}, in the index after {:.1?}",
            start.elapsed()
        );
        if std::env::args().any(|it| it == "--rebuild") {
            docs.rebuild()?;
            docs.wait_indexed()?;
        }
        let start = Instant::now();
        store.close()?;
        println!("  closed in {:.1?}", start.elapsed());
        drop((store, docs));
        std::fs::rename(making, path)?;
    }
    let store = Store::options().existing().open(path)?;
    let docs = store.collection("docs")?;
    docs.wait_indexed()?;
    assert_eq!(docs.len(), size, "a store of another size");
    let before = ask(&docs, queries)?;
    let image = docs.statistics().index.image_bytes;
    store.close()?;
    println!(
        "  image of the index {} MiB, of the store {} MiB",
        image >> 20,
        store.stats().image_bytes >> 20
    );
    Ok(before)
}

/// What was seen when a store was opened.
struct Opened {
    open: f64,
    first: f64,
    same_first: bool,
    same: usize,
    found: f64,
    index: IndexStatistics,
}

/// Opens a store, asks it, and closes it if it was closed.
fn opened(path: &Path, queries: &[f32], before: &[Answer]) -> Outcome<Opened> {
    let start = Instant::now();
    let store = Store::options().existing().open(path)?;
    let docs = store.collection("docs")?;
    let open = start.elapsed().as_secs_f64() * 1e3;
    let index = docs.statistics().index;
    let start = Instant::now();
    let first = ask(&docs, queries.get(..DIM).ok_or("no query")?)?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    let after = ask(&docs, queries)?;
    let (same, found) = compared(before, &after);
    let same_first = first.first() == before.first();
    store.close()?;
    Ok(Opened { open, first: took, same_first, same, found, index })
}

impl Opened {
    fn note(&self, times: &mut Rounds, size: u64, how: &str) {
        times.note(format!("{size} {how} open"), self.open);
        times.note(format!("{size} {how} first"), self.first);
    }

    fn tell(&self) {
        let it = &self.index;
        let first = if self.same_first { "the same" } else { "another" };
        println!(
            "    opened in {:.2} ms, first answer {first} after {:.2} ms more; same {} of {QUERIES}, found {:.4}",
            self.open, self.first, self.same, self.found
        );
        println!(
            "    {}: indexed {}, behind {}, inserted {}, replayed {}, {}, built anew: {}",
            it.kind,
            it.indexed,
            it.behind,
            it.inserted,
            it.replayed,
            if it.is_mapped { "mapped" } else { "in memory" },
            it.rebuilt.as_deref().unwrap_or("no")
        );
    }
}

/// Has a process write to a store and abort; what it answered just before.
fn killed(path: &Path, how: &str, size: u64) -> Outcome<Vec<Answer>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(format!("--be-killed={how}"))
        .arg(format!("--store={}", path.display()))
        .arg(format!("--size={size}"))
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = std::io::BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    let mut answers = Vec::new();
    for line in lines {
        let line = line?;
        let hits = line.split_whitespace().map(|hit| {
            let (id, bits) = hit.split_once(':')?;
            Some((id.parse().ok()?, bits.parse().ok()?))
        });
        answers.push(hits.collect::<Option<Answer>>().ok_or(line.clone())?);
    }
    if child.wait()?.success() || answers.len() != QUERIES {
        return Err("it was not killed".into());
    }
    Ok(answers)
}

/// Writes, answers and aborts.
fn be_killed(how: &str) -> Outcome<()> {
    let (path, size): (PathBuf, u64) =
        option("--store=").zip(option("--size=")).ok_or("where, and how large")?;
    let clusters = Clusters::new(DIM);
    let store = Store::options().existing().open(path)?;
    let docs = store.collection("docs")?;
    let some = size..size + size / PARTS;
    match how {
        "logged" => {
            store.checkpoint()?;
            fill(&store, &docs, &clusters, some)?;
        }
        "behind" => {
            fill(&store, &docs, &clusters, some)?;
            store.checkpoint()?;
        }
        _ => _ = store.checkpoint()?,
    }
    let mut out = std::io::stdout().lock();
    for answer in ask(&docs, &clusters.queries(QUERIES))? {
        let hits: Vec<String> = answer.iter().map(|(id, bits)| format!("{id}:{bits}")).collect();
        writeln!(out, "{}", hits.join(" "))?;
    }
    out.flush()?;
    std::process::abort()
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let (entry, is_dir) =
            entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir())))?;
        let name = entry.file_name().unwrap_or_default();
        match is_dir {
            true => copy_all(&entry, &to.join(name))?,
            false => _ = std::fs::copy(&entry, to.join(name))?,
        }
    }
    Ok(())
}

/// What there is to be held, in milliseconds, for a size: after a clean close, and after a kill but for the log's tail.
fn bars(size: u64) -> [f64; 2] {
    [if size <= 100_000 { 2.0 } else { 10.0 }, 50.0]
}

fn tell(times: &Rounds, sizes: &[u64]) {
    println!("\nmilliseconds, medians (least to most)");
    for (how, name) in LEFT {
        println!("{name}");
        let mut points = Vec::new();
        for size in sizes {
            let [closed, killed] = bars(*size);
            let of = |what| times.summary(&format!("{size} {how} {what}")).unwrap_or([f64::NAN; 3]);
            let ([open, least, most], [first, ..]) = (of("open"), of("first"));
            points.push((*size as f64, open));
            let bar = if how == "closed" { closed } else { killed };
            let tail = match how {
                "logged" => {
                    format!(" and the log's tail of {} KiB", (size / PARTS * DIM as u64 * 4) >> 10)
                }
                _ => String::new(),
            };
            println!(
                "  {size:>9}  open {open:>8.2} ({least:.2} to {most:.2})  first answer {first:>7.2}   bar {bar} ms{tail}: {}",
                verdict(open, bar)
            );
        }
        if points.len() > 1 {
            println!("  grows with the size to the power of {:.2}", exponent(&points));
        }
    }
    if let Some(peak) = peak_mebibytes() {
        println!("at most {peak} MiB of memory, files that were mapped included");
    }
}
