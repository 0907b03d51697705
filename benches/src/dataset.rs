//! Holds vectors, queries and their true neighbours together, made up or read from a directory.
//!
//! The files are `base.npy` (f32, a row a vector), `query.npy` (the same) and `truth.npy` (i32, the numbers of the
//! nearest vectors of each query, the nearest first).

use std::collections::HashSet;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use indexes::{Memory, Slot};

use crate::clusters::Clusters;
use crate::nearest::nearest;
use crate::npy;

/// As many neighbours of each query are known, if there are so many vectors.
pub const KNOWN: usize = 100;

/// Vectors, queries and their true neighbours by L2.
#[derive(Debug)]
pub struct Dataset {
    /// How many numbers a vector has.
    pub dim: usize,
    /// The vectors, one behind the other.
    pub base: Vec<f32>,
    /// The queries, one behind the other.
    pub queries: Vec<f32>,
    /// The numbers of the nearest vectors of the first query, then of the next.
    pub truth: Vec<i32>,
    /// How many of them each query has.
    pub known: usize,
}

impl Dataset {
    /// So many vectors and queries of `benches::clusters`, and their neighbours found by looking at all vectors.
    ///
    /// # Panics
    /// If a query is one of the vectors.
    pub fn clustered(count: usize, dim: usize, queries: usize) -> Self {
        let clusters = Clusters::new(dim);
        let (base, queries) = (clusters.vectors(count), clusters.queries(queries));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let found = nearest(&base, &queries, dim, KNOWN, threads);
        let apart = found.iter().flatten().all(|(distance, _)| *distance > 0.0);
        assert!(apart, "a query is one of the vectors");
        let truth = found.iter().flatten().map(|(_, number)| *number as i32).collect();
        Dataset { dim, base, queries, truth, known: KNOWN.min(count) }
    }

    /// Reads the three files.
    ///
    /// # Errors
    /// If one of them cannot be read, or they do not belong together.
    pub fn read(dir: &Path) -> Result<Self> {
        let (base, dim) = npy::read(&dir.join("base.npy"))?;
        let (queries, other) = npy::read::<f32>(&dir.join("query.npy"))?;
        let (truth, known) = npy::read::<i32>(&dir.join("truth.npy"))?;
        if dim != other || queries.len() / dim != truth.len() / known {
            let what = format!("{}: the three files do not belong together", dir.display());
            return Err(Error::new(ErrorKind::InvalidData, what));
        }
        Ok(Dataset { dim, base, queries, truth, known })
    }

    /// Writes the three files.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        npy::write(&dir.join("base.npy"), &self.base, self.dim)?;
        npy::write(&dir.join("query.npy"), &self.queries, self.dim)?;
        npy::write(&dir.join("truth.npy"), &self.truth, self.known)
    }

    /// The vectors, each in the slot of its number.
    ///
    /// # Errors
    /// If one is none.
    pub fn memory(&self) -> std::result::Result<Memory, indexes::Error> {
        let mut memory = Memory::new(self.dim);
        for (slot, vector) in (0..).zip(self.base.chunks_exact(self.dim)) {
            memory.set(Slot(slot), vector)?;
        }
        Ok(memory)
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        self.base.len() / self.dim
    }

    /// The share of the true `k` nearest that was found, in the answers to the first queries.
    pub fn recall(&self, answers: &[Vec<u32>], k: usize) -> f64 {
        self.found(answers, k).iter().sum::<usize>() as f64 / (answers.len() * k) as f64
    }

    /// How many of the `k` nearest are in the answer to each query.
    pub fn found(&self, answers: &[Vec<u32>], k: usize) -> Vec<usize> {
        let of_one = |(answer, truth): (&Vec<u32>, &[i32])| {
            let answer: HashSet<u32> = answer.iter().take(k).copied().collect();
            truth.iter().take(k).filter(|it| answer.contains(&(**it as u32))).count()
        };
        answers.iter().zip(self.truth.chunks_exact(self.known)).map(of_one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_its_truth_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let made = Dataset::clustered(500, 8, 20);
        made.write(dir.path()).unwrap();
        let read = Dataset::read(dir.path()).unwrap();
        assert!(read.base == made.base && read.queries == made.queries);
        assert_eq!((read.dim, read.known, read.count()), (8, KNOWN, 500));
        let mut answers: Vec<Vec<u32>> = read
            .truth
            .chunks_exact(KNOWN)
            .map(|row| row.iter().map(|it| *it as u32).collect())
            .collect();
        assert_eq!(read.recall(&answers, 10), 1.0);
        answers[0].drain(..5);
        assert_eq!(read.recall(&answers, 10), 1.0 - 5.0 / 200.0);
    }
}
