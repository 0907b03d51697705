//! Trees of few dimensions: ours beside kiddo's immutable tree and, where there is an interpreter that has it, scipy's
//! `cKDTree`, on the same points, one thread.
//!
//! Points are uniform, or lie in clusters; queries are of the same kind and none of the points. All contestants are built first
//! (three times, of which the median counts) and take turns in several rounds. kiddo answers one query after the other, as it is meant to
//! be asked, and so do we; scipy answers all in one call, and we do that, too. Every answer is held against kiddo's: the distances
//! must be the same but for rounding. Then half of our points are removed and as many taken up, steps are made until nothing
//! is due, and the same is asked once more. Only ratios within one run mean anything.

use std::num::NonZero;
use std::path::Path;

use benches::npy;
use benches::random::Random;
use benches::rounds::Rounds;
use indexes::{Index, KdTree, KdTreeConfig, Memory, Metric, Nearest, Pool, Query, Slot};
use kiddo::{ImmutableKdTree, SquaredEuclidean};

use crate::Failure;
use crate::script::Script;

const K: usize = 10;
const QUERIES: usize = 10_000;
const ROUNDS: usize = 5;
const BUILDS: usize = 3;

/// How many clusters there are, and how far they spread, where all lies between 0 and 1.
const CLUSTERS: usize = 200;
const SPREAD: f32 = 0.01;

const OURS: &str = "arrwDB, one by one";
const TOGETHER: &str = "arrwDB, in one call";
const CHURNED: &str = "arrwDB, churned, one by one";
const KIDDO: &str = "kiddo, one by one";
const SCIPY: &str = "scipy, in one call";

/// What is asked of the points.
struct Set {
    name: &'static str,
    dim: usize,
    points: Vec<f32>,
    queries: Vec<f32>,
}

/// Runs the contest and prints a table for each set of points.
///
/// # Errors
/// If the arguments make no sense, or answers differ.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let (mut sizes, mut rounds) = (vec![100_000, 1_000_000], ROUNDS);
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--size" => sizes = vec![value.parse()?],
            "--rounds" => rounds = value.parse()?,
            _ => return Err(format!("what is {name}?").into()),
        }
    }
    println!("k = {K}, {QUERIES} queries, one thread, {}", indexes::instructions());
    for size in sizes {
        for clustered in [false, true] {
            contest::<2>(&Set::new(size, 2, clustered), rounds)?;
            contest::<3>(&Set::new(size, 3, clustered), rounds)?;
            contest::<8>(&Set::new(size, 8, clustered), rounds)?;
        }
    }
    Ok(())
}

impl Set {
    fn new(size: usize, dim: usize, clustered: bool) -> Self {
        let mut random = Random::new(size as u64 + dim as u64);
        let centres: Vec<f32> = (0..CLUSTERS * dim).map(|_| random.fraction() as f32).collect();
        let mut point = |into: &mut Vec<f32>| {
            if clustered {
                let centre = (random.bits() % CLUSTERS as u64) as usize;
                let centre = centres.iter().skip(centre * dim).take(dim);
                into.extend(centre.map(|it| it + SPREAD * random.normal()));
            } else {
                into.extend((0..dim).map(|_| random.fraction() as f32));
            }
        };
        let (mut points, mut queries) = (Vec::new(), Vec::new());
        (0..size).for_each(|_| point(&mut points));
        (0..QUERIES).for_each(|_| point(&mut queries));
        let name = if clustered { "clusters" } else { "uniform" };
        Set { name, dim, points, queries }
    }

    fn arrays<const D: usize>(of: &[f32]) -> Vec<[f32; D]> {
        of.as_chunks::<D>().0.to_vec()
    }

    /// The points as vectors.
    fn memory(&self) -> Result<Memory, Failure> {
        let mut memory = Memory::new(self.dim);
        for (slot, point) in (0..).zip(self.points.chunks_exact(self.dim)) {
            memory.set(Slot(slot), point)?;
        }
        Ok(memory)
    }

    fn queries(&self) -> Vec<Query<'_>> {
        self.queries.chunks_exact(self.dim).map(|query| Query::new(query).k(K)).collect()
    }
}

fn contest<const D: usize>(set: &Set, rounds: usize) -> Result<(), Failure> {
    let (mut times, memory) = (Rounds::default(), set.memory()?);
    let points = Set::arrays::<D>(&set.points);
    let (mut ours, mut theirs) = (build(set, &memory)?, None);
    for _ in 0..BUILDS {
        ours = times.time("build, arrwDB", || build(set, &memory))?;
        theirs =
            Some(times.time("build, kiddo", || ImmutableKdTree::<f32, D>::new_from_slice(&points)));
    }
    let theirs = theirs.ok_or("it was built")?.map_err(|error| format!("kiddo: {error:?}"))?;
    let mut scipy = Scipy::start(set, &mut times);
    let mut churned = build(set, &memory)?;
    churn(&mut churned, &memory)?;
    let (queries, arrays) = (set.queries(), Set::arrays::<D>(&set.queries));
    let pool = Pool::here();
    for _ in 0..rounds {
        let alone = |index: &KdTree| -> Result<Vec<Nearest>, indexes::Error> {
            queries.iter().map(|query| index.search(query, &memory)).collect()
        };
        let found = times.time(OURS, || alone(&ours))?;
        let expected =
            times.time(KIDDO, || arrays.iter().map(|it| nearest(&theirs, it)).collect::<Vec<_>>());
        check(&found, &expected)?;
        let found = times.time(TOGETHER, || ours.search_many(&queries, &memory, &pool))?;
        check(&found, &expected)?;
        let found = times.time(CHURNED, || alone(&churned))?;
        check(&found, &expected)?;
        if let Some(scipy) = &mut scipy {
            times.note(SCIPY, scipy.round()?);
        }
    }
    table(set, &ours, &times);
    Ok(())
}

fn build(set: &Set, memory: &Memory) -> Result<KdTree, indexes::Error> {
    let tree = KdTree::new(set.dim, Metric::L2, KdTreeConfig::default())?;
    tree.insert_all(memory.slots(), memory, &Pool::here(), &mut |_| true)?;
    Ok(tree)
}

/// Removes every second slot, some at a time, and takes each up again when it is given back.
fn churn(tree: &mut KdTree, memory: &Memory) -> Result<(), Failure> {
    let slots: Vec<Slot> = memory.slots().iter().step_by(2).collect();
    for some in slots.chunks(1_000) {
        for slot in some {
            tree.remove(*slot)?;
        }
        for slot in tree.step(memory, 100_000)?.given_back {
            tree.insert(slot, memory)?;
        }
    }
    loop {
        let step = tree.step(memory, 1 << 20)?;
        for slot in &step.given_back {
            tree.insert(*slot, memory)?;
        }
        if !step.more && step.given_back.is_empty() {
            break;
        }
    }
    println!("  churned: {:?}", tree.statistics().tree);
    if tree.len() == memory.len() { Ok(()) } else { Err("not all were taken up again".into()) }
}

fn nearest<const D: usize>(tree: &ImmutableKdTree<f32, D>, query: &[f32; D]) -> Vec<f32> {
    let k = NonZero::new(K).unwrap_or(NonZero::<usize>::MIN);
    let found = tree.query(query).nearest_n::<SquaredEuclidean<f32>>(k).execute();
    found.iter().map(|it| it.distance).collect()
}

/// Distances are theirs, which are squared and rounded otherwise.
fn check(found: &[Nearest], expected: &[Vec<f32>]) -> Result<(), Failure> {
    let same = |(ours, theirs): (&Nearest, &Vec<f32>)| {
        let pairs = ours.neighbours.iter().zip(theirs);
        let near = |distance: f32, square: f32| {
            (distance * distance - square).abs() <= 1e-5 * square + 1e-12
        };
        ours.neighbours.len() == theirs.len()
            && pairs.into_iter().all(|(ours, theirs)| near(ours.distance, *theirs))
    };
    let all = found.len() == expected.len() && found.iter().zip(expected).all(same);
    if all { Ok(()) } else { Err("answers differ".into()) }
}

/// scipy, in a process of its own.
struct Scipy {
    script: Script,
    _files: tempfile::TempDir,
}

impl Scipy {
    /// Nothing, if it is not there.
    fn start(set: &Set, times: &mut Rounds) -> Option<Self> {
        let start = || -> Result<(Self, f64), Failure> {
            let files = tempfile::tempdir()?;
            write(&files.path().join("base.npy"), &set.points, set.dim)?;
            write(&files.path().join("query.npy"), &set.queries, set.dim)?;
            let mut script = Script::start(
                "kdtree_peers.py",
                [files.path().as_os_str(), K.to_string().as_ref()],
            )?;
            let built = script.hear()?.get("built").and_then(serde_json::Value::as_f64);
            Ok((Scipy { script, _files: files }, built.ok_or("it said nothing of building")?))
        };
        match start() {
            Ok((scipy, built)) => {
                times.note("build, scipy", built * 1e3);
                Some(scipy)
            }
            Err(error) => {
                println!("  scipy takes no part: {error}");
                None
            }
        }
    }

    /// How many milliseconds all queries take.
    fn round(&mut self) -> Result<f64, Failure> {
        self.script.tell("round")?;
        let seconds = self.script.hear()?.get("seconds").and_then(serde_json::Value::as_f64);
        Ok(seconds.ok_or("it said no time")? * 1e3)
    }
}

fn write(path: &Path, numbers: &[f32], dim: usize) -> Result<(), Failure> {
    Ok(npy::write(path, numbers, dim)?)
}

fn table(set: &Set, ours: &KdTree, times: &Rounds) {
    let Set { name, dim, points, .. } = set;
    println!("\n{} x {dim}, {name}: {:?}", points.len() / dim, ours.statistics().tree);
    let fresh = times.median(OURS).unwrap_or(f64::NAN);
    for name in times.names() {
        let [median, least, most] = times.summary(name).unwrap_or_default();
        if name.starts_with("build") {
            println!("  {name:<30} {median:>9.1} ms ({least:.1} to {most:.1})");
        } else {
            let rate = |time: f64| QUERIES as f64 / time;
            println!(
                "  {name:<30} {:>9.1} thousand/s ({:.1} to {:.1}), {:.2} of ours one by one",
                rate(median),
                rate(most),
                rate(least),
                fresh / median
            );
        }
    }
}
