//! Answers as the crate `instant-distance` does, with our distances, as it has none of its own.
//!
//! It has 32 links a node and 64 on the ground, whatever it is asked for, and takes `ef` when it is built. So the
//! graph is written down once and read again for each `ef`, before the clock runs; vectors are written as their numbers.
//!
//! Promises: it gets a pool of as many threads as build everybody else.

use std::sync::OnceLock;

use indexes::Metric;
use instant_distance::{Builder, Hnsw, Point, Search};
use serde::{Deserialize, Serialize};

use super::contestant::{Built, Graph, here};
use super::{EF_CONSTRUCTION, K, Setting};
use crate::Failure;

/// Vectors and how many numbers each has: where a graph that is read finds them again.
static VECTORS: OnceLock<(Vec<f32>, usize)> = OnceLock::new();

/// What a written graph begins with, before the number.
const BEFORE_EF: &str = r#"{"ef_search":"#;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "u32", from = "u32")]
struct Row<'v> {
    vector: &'v [f32],
    number: u32,
}

impl From<Row<'_>> for u32 {
    fn from(row: Row<'_>) -> u32 {
        row.number
    }
}

impl From<u32> for Row<'static> {
    fn from(number: u32) -> Self {
        let row = VECTORS.get().and_then(|(vectors, dim)| {
            let first = (number as usize).checked_mul(*dim)?;
            vectors.get(first..first.checked_add(*dim)?)
        });
        Row { vector: row.unwrap_or_default(), number }
    }
}

impl Point for Row<'_> {
    fn distance(&self, other: &Self) -> f32 {
        Metric::L2.distance(self.vector, other.vector)
    }
}

struct Peer {
    graph: Option<Hnsw<Row<'static>>>,
    /// The graph in JSON, once another `ef` was asked for than the one it has.
    written: String,
    ef: usize,
    search: Search,
}

/// Builds it.
///
/// # Errors
/// If there are no threads.
pub fn build(name: &str, setting: &Setting) -> Result<Built, Failure> {
    here(&setting.units, |data| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(setting.threads.get()).build()?;
        VECTORS.get_or_init(|| (data.base.clone(), data.dim));
        let rows = (0..data.count() as u32).map(Row::from).collect();
        let ef = EF_CONSTRUCTION;
        let builder = Builder::default().seed(0).ef_construction(EF_CONSTRUCTION).ef_search(ef);
        let (graph, _) = pool.install(|| builder.build_hnsw(rows));
        let (written, search) = (String::new(), Search::default());
        let name = format!("{name}, M = 32, our kernels");
        Ok((name, Peer { graph: Some(graph), written, ef, search }))
    })
}

impl Graph for Peer {
    fn prepare(&mut self, ef: usize) -> Result<(), Failure> {
        if ef == self.ef && self.graph.is_some() {
            return Ok(());
        }
        if self.written.is_empty() {
            self.written = serde_json::to_string(&self.graph)?;
        }
        // The other graph goes first, or there would be two.
        self.graph = None;
        let rest = self.written.strip_prefix(BEFORE_EF).and_then(|rest| rest.find(','));
        let end = rest.ok_or("it no longer writes ef first")? + BEFORE_EF.len();
        self.written.replace_range(BEFORE_EF.len()..end, &ef.to_string());
        self.graph = Some(serde_json::from_str(&self.written)?);
        self.ef = ef;
        Ok(())
    }

    fn nearest(&mut self, query: &[f32], _ef: usize) -> Result<Vec<u32>, Failure> {
        let graph: &Hnsw<Row<'_>> = self.graph.as_ref().ok_or("there is no graph")?;
        let query = Row { vector: query, number: u32::MAX };
        let found = graph.search(&query, &mut self.search);
        Ok(found.take(K).map(|it| it.point.number).collect())
    }
}
