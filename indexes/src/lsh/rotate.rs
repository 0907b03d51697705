//! Rotates vectors at random: signs are flipped by chance, and a fast Hadamard transform mixes all numbers with all others.
//!
//! Three such rounds are as good as a random rotation. Each round more, of what was rotated before, is one more.
//!
//! Promise: the same bits on every instruction set: numbers are added, subtracted and multiplied one by one.

use super::config::mixed;
use crate::lanes::{Isa, LANES};

/// So many rounds are made before the first rotation is used.
const FIRST: usize = 3;

/// 16 numbers.
pub(super) type Block = [f32; LANES];

/// Random rotations of vectors that are filled up to a power of two.
#[derive(Debug)]
pub(super) struct Rotations {
    /// A sign for each number, for each round, so scaled that a round changes no length.
    rounds: Vec<Vec<Block>>,
}

/// How many numbers a vector of so many is filled up to.
pub(super) fn padded(dim: usize) -> usize {
    dim.next_power_of_two().max(LANES)
}

impl Rotations {
    /// So many, of so many numbers, a power of two.
    pub(super) fn new(seed: u64, count: usize, size: usize) -> Self {
        let scale = (1.0 / (size as f64).sqrt()) as f32;
        let block = |round: usize, at: usize| {
            let signs = mixed(mixed(seed, round as u64), at as u64);
            std::array::from_fn(|lane| if signs >> lane & 1 == 0 { scale } else { -scale })
        };
        let round = |round| (0..size / LANES).map(|at| block(round, at)).collect();
        Rotations { rounds: (0..FIRST - 1 + count).map(round).collect() }
    }

    /// Puts all rotations of a vector one behind the other.
    #[inline(always)]
    pub(super) fn rotate<I: Isa>(&self, isa: I, vector: &mut [Block], into: &mut Vec<Block>) {
        into.clear();
        for (at, signs) in self.rounds.iter().enumerate() {
            let numbers = vector.as_flattened_mut().iter_mut();
            for (number, sign) in numbers.zip(signs.as_flattened()) {
                *number *= sign;
            }
            for block in vector.iter_mut() {
                mix(isa, block);
            }
            transform(isa, vector);
            if at + 1 >= FIRST {
                into.extend_from_slice(vector);
            }
        }
    }
}

/// Mixes the numbers of a block.
#[inline(always)]
fn mix<I: Isa>(_: I, block: &mut Block) {
    butterfly::<8>(block);
    butterfly::<4>(block);
    butterfly::<2>(block);
    butterfly::<1>(block);
}

/// Puts sums and differences in the place of numbers that are so far apart.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "places are those of arrays of 16")]
fn butterfly<const APART: usize>(block: &mut Block) {
    let mut other = [0.0; LANES];
    let mut at = 0;
    while at < LANES {
        other[at] = block[at ^ APART];
        at += 1;
    }
    let mut at = 0;
    while at < LANES {
        let sign = if at & APART == 0 { 1.0 } else { -1.0 };
        block[at] = block[at] * sign + other[at];
        at += 1;
    }
}

/// Mixes blocks with each other.
#[inline(always)]
fn transform<I: Isa>(_: I, blocks: &mut [Block]) {
    let mut apart = 1;
    while apart < blocks.len() {
        for pairs in blocks.chunks_exact_mut(2 * apart) {
            let (ones, others) = pairs.split_at_mut(apart);
            for (one, other) in ones.iter_mut().zip(others) {
                for (a, b) in one.iter_mut().zip(other) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
        }
        apart *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::Random;
    use crate::lanes::{Instructions, Work};

    struct Rotate<'r>(&'r Rotations, Vec<Block>);

    impl Work for Rotate<'_> {
        type Answer = Vec<Block>;

        #[inline(always)]
        fn run<I: Isa>(mut self, isa: I) -> Vec<Block> {
            let mut into = Vec::new();
            self.0.rotate(isa, &mut self.1, &mut into);
            into
        }
    }

    fn vector(size: usize, seed: u64) -> Vec<Block> {
        Random(seed).vector(size).as_chunks().0.to_vec()
    }

    fn product(one: &[Block], other: &[Block]) -> f64 {
        let pairs = one.as_flattened().iter().zip(other.as_flattened());
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    #[test]
    fn a_rotation_keeps_lengths_and_angles_and_is_the_same_everywhere() {
        for size in [16, 32, 512] {
            let rotations = Rotations::new(7, 3, size);
            let pair = [vector(size, 1), vector(size, 2)];
            let before = product(&pair[0], &pair[1]);
            let mut turned = Vec::new();
            for isa in Instructions::all() {
                turned.push(pair.clone().map(|it| isa.run(Rotate(&rotations, it))));
            }
            assert!(turned.windows(2).all(|two| two[0] == two[1]));
            let [one, other] = &turned[0];
            assert_eq!(one.len(), 3 * size / LANES);
            for at in 0..3 {
                let [one, other] = [one, other].map(|it| &it[at * size / LANES..][..size / LANES]);
                assert!((product(one, other) - before).abs() < 1e-3 * size as f64);
                assert!((product(one, one) / product(&pair[0], &pair[0]) - 1.0).abs() < 1e-4);
            }
        }
    }

    /// One number is spread over all of them, and each rotation spreads it otherwise.
    #[test]
    fn what_was_in_one_place_is_everywhere() {
        let size = 512;
        let rotations = Rotations::new(3, 4, size);
        let mut one = vec![[0.0; LANES]; size / LANES];
        one[5][3] = 1.0;
        let turned = Instructions::best().run(Rotate(&rotations, one));
        let all: Vec<_> = turned.chunks(size / LANES).collect();
        for (at, it) in all.iter().enumerate() {
            let most =
                it.as_flattened().iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            assert!(most < 6.0 / (size as f32).sqrt(), "{most}");
            assert!(all[..at].iter().all(|before| product(it, before).abs() < 0.3));
        }
    }
}
