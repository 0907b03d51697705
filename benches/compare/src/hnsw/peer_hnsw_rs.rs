//! Answers as the crate `hnsw_rs` does, with its distances by SIMD.
//!
//! Promises: it gets a pool of as many threads as build everybody else.

use hnsw_rs::prelude::{DistL2, Hnsw};

use super::contestant::{Built, Graph, here};
use super::{EF_CONSTRUCTION, K, M, Setting};
use crate::Failure;

/// As many levels as it can have.
const LEVELS: usize = 16;

struct Peer {
    index: Hnsw<'static, f32, DistL2>,
}

/// Builds it.
///
/// # Errors
/// If there are no threads.
pub fn build(name: &str, setting: &Setting) -> Result<Built, Failure> {
    here(&setting.units, |data| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(setting.threads.get()).build()?;
        let mut index = Hnsw::new(M, data.count(), LEVELS, EF_CONSTRUCTION, DistL2 {});
        let rows = data.base.chunks_exact(data.dim).zip(0..).collect();
        pool.install(|| index.parallel_insert_slice(&rows));
        index.set_searching_mode(true);
        Ok((name.to_owned(), Peer { index }))
    })
}

impl Graph for Peer {
    fn nearest(&mut self, query: &[f32], ef: usize) -> Result<Vec<u32>, Failure> {
        let found = self.index.search(query, K, ef);
        Ok(found.iter().map(|it| it.d_id as u32).collect())
    }
}
