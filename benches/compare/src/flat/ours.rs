//! Answers as arrwDB does, in memory.
//!
//! This is the one place that knows the index. Until there is one it is a plain loop over all vectors.

use benches::dataset::Dataset;
use benches::nearest::nearest;

/// Our index of the vectors.
pub struct Ours<'d> {
    data: &'d Dataset,
}

impl<'d> Ours<'d> {
    /// Builds it.
    pub fn build(data: &'d Dataset) -> Self {
        Ours { data }
    }

    /// The numbers of the `k` nearest vectors of each of the queries, which lie one behind the other; on this thread.
    pub fn search(&self, queries: &[f32], k: usize) -> Vec<Vec<u32>> {
        let Dataset { base, dim, .. } = self.data;
        let found = nearest(base, queries, *dim, k, 1);
        found.into_iter().map(|near| near.into_iter().map(|(_, number)| number).collect()).collect()
    }
}
