//! Makes up vectors, the same ones in every run, and an order in which to ask for them.

use crate::random::Random;

/// Vectors that lie one behind the other, and an order of them that is not that.
#[derive(Debug)]
pub struct Input {
    /// Their numbers.
    pub flat: Vec<f32>,
    /// How many numbers one has.
    pub dim: usize,
    /// Each vector's place once, shuffled.
    pub order: Vec<usize>,
}

impl Input {
    /// So many random vectors of this dimension, with numbers from -1 up to 1.
    pub fn new(count: usize, dim: usize) -> Self {
        let mut random = Random::new(1);
        let flat = (0..count * dim).map(|_| random.number()).collect();
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, (random.bits() % (last as u64 + 1)) as usize);
        }
        Input { flat, dim, order }
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The vector at a place; nothing, if there is none.
    pub fn vector(&self, at: usize) -> &[f32] {
        self.flat.get(at * self.dim..(at + 1) * self.dim).unwrap_or_default()
    }

    /// All vectors, in order.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.flat.chunks_exact(self.dim)
    }

    /// Copies of the vectors at some shuffled places: as close at hand as those that somebody just made.
    pub fn at_hand(&self, first: usize, count: usize) -> Input {
        let places = self.some(first, count);
        let flat = places.iter().flat_map(|at| self.vector(*at)).copied().collect();
        Input { flat, dim: self.dim, order: (0..count).collect() }
    }

    /// The shuffled places from this one on, and so many.
    pub fn some(&self, first: usize, count: usize) -> &[usize] {
        self.order.get(first..first + count).unwrap_or_default()
    }
}
