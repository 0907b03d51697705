//! Answers as arrwDB does, in memory: the graph, on one thread.
//!
//! Promises: vectors are given as they are, whatever the metric, and what is built is what `HnswConfig` makes of the
//! parameters that all get.

use indexes::{Hnsw, HnswConfig, Index, Memory, Nearest, Pool, Query};

use super::contestant::{Built, Graph, Work, here};
use super::{EF_CONSTRUCTION, K, M, Setting};
use crate::Failure;

struct Ours {
    vectors: Memory,
    index: Hnsw,
    work: Work,
}

/// Builds it.
///
/// # Errors
/// If the vectors do not fit.
pub fn build(_: &str, setting: &Setting) -> Result<Built, Failure> {
    here(&setting.data, |data| {
        let vectors = data.memory()?;
        let config = HnswConfig::default().m(M).ef_construction(EF_CONSTRUCTION);
        let index = Hnsw::new(data.dim, setting.metric, config);
        let pool = Pool::new(setting.threads)?;
        index.insert_all(vectors.slots(), &vectors, &pool, &mut |_| true)?;
        Ok(("arrwDB".to_owned(), Ours { vectors, index, work: Work::default() }))
    })
}

impl Graph for Ours {
    fn nearest(&mut self, query: &[f32], ef: usize) -> Result<Vec<u32>, Failure> {
        let found = self.index.search_with(&Query::new(query).k(K), ef, &self.vectors)?;
        self.work.looked_at += found.work.looked_at as f64;
        self.work.by_code += found.work.by_code as f64;
        self.work.in_full += found.work.in_full as f64;
        Ok(found.neighbours.iter().map(|it| it.slot.0).collect())
    }

    fn nearest_at_once(
        &mut self,
        queries: &[f32],
        ef: usize,
    ) -> Result<Option<Vec<Vec<u32>>>, Failure> {
        let queries = queries.chunks_exact(self.index.dim()).map(|it| Query::new(it).k(K));
        let queries: Vec<_> = queries.collect();
        let pool = Pool::here();
        let found = self.index.search_many_with(&queries, ef, &self.vectors, &pool)?;
        let slots = |found: &Nearest| found.neighbours.iter().map(|it| it.slot.0).collect();
        Ok(Some(found.iter().map(slots).collect()))
    }

    fn take_work(&mut self) -> Option<Work> {
        Some(std::mem::take(&mut self.work))
    }
}
