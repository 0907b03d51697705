//! Finds the nearest vectors by looking at all of them: what every answer is checked against.
//!
//! Promises
//!  1. The nearest come first; of those at the same distance, the one with the lower number.
//!  2. A query's answer does not depend on which others are asked with it, nor on the threads.

use indexes::Metric;

/// A vector's number, and how far it is.
pub type Neighbour = (f32, u32);

/// So many vectors are held against all queries before the next are: they stay in the cache meanwhile.
const BLOCK: usize = 64;

/// For each query the `k` nearest of the vectors, found by so many threads; by this one, if it is one.
///
/// Vectors and queries lie one behind the other, each with `dim` numbers.
///
/// # Panics
/// If a thread does.
pub fn nearest(
    vectors: &[f32],
    queries: &[f32],
    dim: usize,
    k: usize,
    threads: usize,
) -> Vec<Vec<Neighbour>> {
    if threads == 1 {
        return by_one_thread(vectors, queries, dim, k);
    }
    let share = (queries.len() / dim).div_ceil(threads).max(1) * dim;
    std::thread::scope(|scope| {
        let shares: Vec<_> = queries
            .chunks(share)
            .map(|queries| scope.spawn(move || by_one_thread(vectors, queries, dim, k)))
            .collect();
        let joined = shares.into_iter().flat_map(|it| it.join().expect("nothing here panics"));
        joined.collect()
    })
}

fn by_one_thread(vectors: &[f32], queries: &[f32], dim: usize, k: usize) -> Vec<Vec<Neighbour>> {
    let mut found: Vec<Best> = queries.chunks_exact(dim).map(|_| Best::new(k)).collect();
    let mut first = 0;
    for block in vectors.chunks(BLOCK * dim) {
        for (query, best) in queries.chunks_exact(dim).zip(&mut found) {
            for (number, vector) in (first..).zip(block.chunks_exact(dim)) {
                best.offer((Metric::L2.distance(query, vector), number));
            }
        }
        first += BLOCK as u32;
    }
    found.into_iter().map(|best| best.sorted).collect()
}

/// The nearest so far, in order.
struct Best {
    k: usize,
    sorted: Vec<Neighbour>,
    /// Who is not nearer than this is not among them.
    limit: f32,
}

impl Best {
    fn new(k: usize) -> Self {
        Best { k, sorted: Vec::with_capacity(k + 1), limit: f32::INFINITY }
    }

    /// Numbers are offered in order, so that who comes later is behind those at the same distance.
    #[inline]
    fn offer(&mut self, neighbour: Neighbour) {
        if neighbour.0 < self.limit {
            let at = self.sorted.partition_point(|other| other.0 <= neighbour.0);
            self.sorted.insert(at, neighbour);
            self.sorted.truncate(self.k);
            if let Some(last) = self.sorted.get(self.k - 1) {
                self.limit = last.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_ties_in_order() {
        let vectors: Vec<f32> = (0..200_u8).map(|at| f32::from(at / 2)).collect();
        for threads in [1, 2, 3, 7] {
            let found = nearest(&vectors, &[0.0, 99.0, 40.4, 70.0], 1, 3, threads);
            let numbers = |at: usize| -> Vec<u32> { found[at].iter().map(|it| it.1).collect() };
            assert_eq!(numbers(0), [0, 1, 2]);
            assert_eq!(numbers(1), [198, 199, 196]);
            assert_eq!(numbers(2), [80, 81, 82]);
            assert_eq!(found[3], [(0.0, 140), (0.0, 141), (1.0, 138)]);
        }
    }

    #[test]
    fn there_may_be_fewer_than_are_asked_for() {
        assert_eq!(nearest(&[1.0, 2.0], &[0.0], 1, 3, 1), [vec![(1.0, 0), (2.0, 1)]]);
        assert!(nearest(&[1.0, 2.0], &[], 1, 3, 2).is_empty());
    }
}
