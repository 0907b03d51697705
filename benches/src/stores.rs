//! Fills and asks collections of whole stores, and tells what a run needed and whether it was as good as it has to be.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use arrwdb::{Collection, Commit, Durability, Hits, Id, Result, Store};

use crate::clusters::Clusters;

/// How many numbers a vector has, in all that is measured of whole stores.
pub const DIM: usize = 384;

/// How many vectors are written at once.
const BATCH: u64 = 1_000;

/// Batches that are on their way, at most.
const IN_FLIGHT: usize = 4;

/// So many vectors are drawn at a time: the others need not be in memory.
const DRAWN: u64 = 10_000;

/// What is not worth a file of its own: an option of the command line, as `--name=`.
pub fn option<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args().find_map(|it| it.strip_prefix(name)?.parse().ok())
}

/// The directory that was given, if one was.
pub fn given_directory() -> Option<String> {
    std::env::args().skip(1).find(|argument| !argument.starts_with("--"))
}

/// Writes the vectors with these numbers under these numbers, each batch durable; the next one is made while those before
/// it are on their way.
///
/// # Errors
/// If the store fails.
pub fn fill(
    store: &Store,
    docs: &Collection,
    clusters: &Clusters,
    numbers: Range<u64>,
) -> Result<()> {
    let mut first = numbers.start;
    while first < numbers.end {
        let end = numbers.end.min(first + DRAWN);
        write(store, docs, first, &clusters.some(first..end))?;
        first = end;
    }
    Ok(())
}

/// Writes vectors that lie one behind the other under the numbers from the first on; as [`fill`].
///
/// # Errors
/// If the store fails.
pub fn write(store: &Store, docs: &Collection, first: u64, flat: &[f32]) -> Result<()> {
    let mut on_their_way: VecDeque<Commit> = VecDeque::new();
    let dim = docs.config().dim() as usize;
    for (number, some) in (0..).zip(flat.chunks(BATCH as usize * dim)) {
        let mut batch = store.batch();
        for (id, vector) in (first + number * BATCH..).zip(some.chunks_exact(dim)) {
            batch.upsert(docs, id, vector);
        }
        on_their_way.push_back(batch.commit(Durability::Sync)?);
        if on_their_way.len() == IN_FLIGHT
            && let Some(oldest) = on_their_way.pop_front()
        {
            oldest.wait()?;
        }
    }
    on_their_way.into_iter().try_for_each(|commit| commit.wait().map(drop))
}

/// What was found near a query: ids that are numbers, and the bits of their distances.
pub type Answer = Vec<(u64, u32)>;

/// Asks for the ten nearest to each query.
///
/// # Errors
/// If the store fails.
pub fn ask(docs: &Collection, queries: &[f32]) -> Result<Vec<Answer>> {
    queries.chunks_exact(DIM).map(|query| Ok(answer(&docs.search(query).k(10).run()?))).collect()
}

/// Hits as an answer.
pub fn answer(hits: &Hits) -> Answer {
    let number = |id: &Id| if let Id::Number(number) = id { *number } else { u64::MAX };
    hits.iter().map(|hit| (number(&hit.id), hit.distance.to_bits())).collect()
}

/// How many answers are the same, and which share of the ids of the ones is among the others.
pub fn compared(before: &[Answer], after: &[Answer]) -> (usize, f64) {
    assert_eq!(before.len(), after.len(), "others were asked");
    let both = || before.iter().zip(after);
    let same = both().filter(|(before, after)| before == after).count();
    let among = |(before, after): (&Answer, &Answer)| {
        let after: HashSet<u64> = after.iter().map(|(id, _)| *id).collect();
        before.iter().filter(|(id, _)| after.contains(id)).count()
    };
    let found: usize = both().map(among).sum();
    let all: usize = before.iter().map(Vec::len).sum();
    (same, found as f64 / all.max(1) as f64)
}

/// The time that so many of a hundred did not exceed, of sorted ones.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The power of `x` by which `y` grows: the slope of the line nearest to their logarithms.
pub fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (x, y): (f64, f64) = logs.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let (x, y) = (x / count, y / count);
    let over: f64 = logs.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    over / logs.iter().map(|it| (it.0 - x).powi(2)).sum::<f64>()
}

/// What this process needed of memory, at most, in MiB, where Linux says so.
pub fn peak_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1024)
}

/// Whether a figure is as good as it has to be, for a table.
pub fn verdict(figure: f64, bar: f64) -> &'static str {
    if figure <= bar { "holds" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrwdb::{CollectionConfig, Metric};

    #[test]
    fn what_is_filled_is_found_under_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let config = CollectionConfig::new(DIM as u32, Metric::L2);
        let docs = store.create_collection("docs", config).unwrap();
        let clusters = Clusters::new(DIM);
        fill(&store, &docs, &clusters, 0..2_500).unwrap();
        assert_eq!(docs.len(), 2_500);
        let found = ask(&docs, &clusters.some(2_400..2_402)).unwrap();
        assert_eq!(found.iter().map(|it| it[0]).collect::<Vec<_>>(), [(2_400, 0), (2_401, 0)]);
        assert_eq!(compared(&found, &found), (2, 1.0));
        let mut other = found.clone();
        other[1].truncate(5);
        assert_eq!(compared(&found, &other), (1, 0.75));
    }

    #[test]
    fn powers_and_percentiles_are_as_everywhere() {
        let square = exponent(&[(1.0, 3.0), (10.0, 300.0), (100.0, 30_000.0)]);
        assert!((square - 2.0).abs() < 1e-9, "{square}");
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!((percentile(&sorted, 50.0), percentile(&sorted, 99.0)), (100.0, 198.0));
        assert_eq!(percentile(&[7.0], 99.0), 7.0);
    }
}
