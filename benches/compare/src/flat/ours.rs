//! Answers as arrwDB does, in memory: the flat index, on one thread.

use benches::dataset::Dataset;
use indexes::{Error, Flat, Index, Memory, Metric, Nearest, Pool, Query, Slot};

use crate::Failure;

/// Our index of the vectors.
pub struct Ours {
    vectors: Memory,
    index: Flat,
    pool: Pool,
}

impl Ours {
    /// Builds it.
    ///
    /// # Errors
    /// If the vectors do not fit.
    pub fn build(data: &Dataset) -> Result<Self, Failure> {
        let mut vectors = Memory::new(data.dim);
        for (slot, vector) in (0..).zip(data.base.chunks_exact(data.dim)) {
            vectors.set(Slot(slot), vector)?;
        }
        let (index, pool) = (Flat::new(data.dim, Metric::L2), Pool::here());
        index.insert_all(vectors.slots(), &vectors, &pool, &mut |_| true)?;
        Ok(Ours { vectors, index, pool })
    }

    /// The numbers of the `k` nearest vectors of each of the queries, which lie one behind the other; on this thread.
    ///
    /// # Errors
    /// If the queries do not fit.
    pub fn search(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<u32>>, Error> {
        let asked = |query| Query::new(query).k(k);
        let queries: Vec<_> = queries.chunks_exact(self.index.dim()).map(asked).collect();
        let found = match &queries[..] {
            [query] => vec![self.index.search(query, &self.vectors)?],
            queries => self.index.search_many(queries, &self.vectors, &self.pool)?,
        };
        let numbers = |found: Nearest| found.neighbours.iter().map(|it| it.slot.0).collect();
        Ok(found.into_iter().map(numbers).collect())
    }
}
