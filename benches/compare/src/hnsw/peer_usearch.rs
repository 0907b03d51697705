//! Answers as USearch does: its own copy of the vectors as they are, and the kernels that it chooses.
//!
//! Promises: as many threads add vectors as build everybody else.

use std::num::NonZeroUsize;

use benches::dataset::Dataset;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use super::contestant::{Built, Graph, here};
use super::{EF_CONSTRUCTION, K, M, Setting};
use crate::Failure;

/// Builds it, as a contestant.
///
/// # Errors
/// Whatever it reports.
pub(super) fn build(name: &str, setting: &Setting) -> Result<Built, Failure> {
    here(&setting.units, |data| {
        let index = index(data, setting.threads)?;
        let (version, kernels) = (usearch::version(), index.hardware_acceleration());
        Ok((format!("{name} {version} f32, {kernels}"), index))
    })
}

/// Builds it of these vectors, on so many threads.
///
/// # Errors
/// Whatever it reports.
pub fn index(data: &Dataset, threads: NonZeroUsize) -> Result<Index, Failure> {
    let index = Index::new(&IndexOptions {
        dimensions: data.dim,
        metric: MetricKind::L2sq,
        quantization: ScalarKind::F32,
        connectivity: M,
        expansion_add: EF_CONSTRUCTION,
        expansion_search: 0,
        multi: false,
    })?;
    let threads = threads.get();
    index.reserve_capacity_and_threads(data.count(), threads)?;
    std::thread::scope(|scope| -> Result<(), Failure> {
        let index = &index;
        let share = |first: usize| -> Result<(), Failure> {
            let rows = data.base.chunks_exact(data.dim).enumerate();
            for (number, vector) in rows.skip(first).step_by(threads) {
                index.add(number as u64, vector)?;
            }
            Ok(())
        };
        let spawned: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        let mut joined = spawned.into_iter().map(|thread| thread.join());
        joined.try_for_each(|outcome| outcome.map_err(|_| "a thread panicked")?)
    })?;
    Ok(index)
}

impl Graph for Index {
    fn prepare(&mut self, ef: usize) -> Result<(), Failure> {
        self.change_expansion_search(ef);
        Ok(())
    }

    fn nearest(&mut self, query: &[f32], _ef: usize) -> Result<Vec<u32>, Failure> {
        let found = self.search(query, K)?;
        Ok(found.keys.iter().map(|key| *key as u32).collect())
    }
}
