//! Makes vectors that lie in clusters, some of them twice, always the same ones; and compares each with a query.

use arrwdb::{Id, Metric};

use super::DIM;

/// How many clusters there are, and every how-manyth vector is one that was there before.
const CLUSTERS: usize = 200;
const REPEATED: usize = 10;

/// Vectors in clusters.
pub(super) struct Vectors {
    pub(super) all: Vec<Vec<f32>>,
    /// Vectors near some of them, to search with.
    pub(super) queries: Vec<Vec<f32>>,
}

/// Numbers without a pattern: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From -1 to 1.
    fn number(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    fn vector(&mut self, around: Option<&Vec<f32>>) -> Vec<f32> {
        match around {
            None => (0..DIM).map(|_| self.number()).collect(),
            Some(center) => center.iter().map(|at| at + self.number() / 8.0).collect(),
        }
    }
}

impl Vectors {
    pub(super) fn new(count: usize, queries: usize) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let centers: Vec<_> = (0..CLUSTERS).map(|_| random.vector(None)).collect();
        let mut all: Vec<Vec<f32>> = Vec::with_capacity(count);
        while all.len() < count {
            let vector = if all.len() % REPEATED == REPEATED - 1 {
                all.get(random.below(all.len())).cloned().unwrap_or_default()
            } else {
                let center = random.below(CLUSTERS);
                random.vector(centers.get(center))
            };
            all.push(vector);
        }
        let mut query = || {
            let near = random.below(all.len());
            random.vector(all.get(near))
        };
        let queries = (0..queries).map(|_| query()).collect();
        Vectors { all, queries }
    }
}

/// The ids of the nearest vectors, found by sorting all of them.
pub(super) fn nearest(vectors: &[Vec<f32>], query: &[f32], k: usize) -> Vec<Id> {
    let distances = vectors.iter().map(|vector| Metric::L2.distance(query, vector));
    let mut all: Vec<(f32, u64)> = distances.zip(0..).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    all.iter().take(k).map(|(_, id)| Id::from(*id)).collect()
}
