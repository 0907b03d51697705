//! What makes hashes and sketches of vectors: a space, rotations, and the blocks that functions look at.

use super::rotate::{Block as Numbers, Rotations};
use super::shape::{Block, Shape};
use super::space::{Role, Space};
use crate::lanes::{Instructions, Isa, Work};
use crate::shared::WORDS;

/// A few bits of a vector: on which side of so many planes it is.
pub(super) type Sketch = [u64; WORDS];

const _: () = assert!(size_of::<Sketch>() * 8 == super::shape::SKETCH);

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    pub(super) space: Space,
    rotations: Rotations,
    /// Those of the first table first.
    blocks: Vec<Block>,
}

/// A vector that was rotated, and room for doing so.
#[derive(Debug, Default)]
pub(super) struct Turned {
    placed: Vec<Numbers>,
    numbers: Vec<Numbers>,
}

impl Turned {
    pub(super) fn numbers(&self) -> &[f32] {
        self.numbers.as_flattened()
    }

    /// The bits of the vector.
    #[inline(always)]
    pub(super) fn sketch(&self) -> Sketch {
        let mut sketch = Sketch::default();
        for (word, numbers) in sketch.iter_mut().zip(self.numbers().chunks(64)) {
            for (bit, number) in numbers.iter().enumerate() {
                *word |= u64::from(number.is_sign_negative()) << bit;
            }
        }
        sketch
    }
}

impl Layout {
    pub(super) fn new(shape: Shape, space: Space, seed: u64) -> Self {
        let rotations = Rotations::new(seed, shape.rotations(), shape.size);
        let blocks = shape.blocks();
        Layout { shape, space, rotations, blocks }
    }

    /// The blocks that the functions of each table look at.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[Block]> {
        self.blocks.chunks(self.shape.bits().len().max(1))
    }

    /// Rotates a vector.
    pub(super) fn turn(&self, vector: &[f32], role: Role, turned: &mut Turned) {
        self.space.place(vector, role, &mut turned.placed, self.shape.size);
        Instructions::best().run(Turn { layout: self, turned });
    }

    /// Appends the bucket of a vector that was rotated in each table.
    pub(super) fn hash(&self, turned: &Turned, into: &mut Vec<u32>) {
        Instructions::best().run(Hash { layout: self, turned, into });
    }
}

struct Turn<'t> {
    layout: &'t Layout,
    turned: &'t mut Turned,
}

impl Work for Turn<'_> {
    type Answer = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Turned { placed, numbers } = self.turned;
        self.layout.rotations.rotate(isa, placed, numbers);
    }
}

struct Hash<'t> {
    layout: &'t Layout,
    turned: &'t Turned,
    into: &'t mut Vec<u32>,
}

impl Work for Hash<'_> {
    type Answer = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        for blocks in self.layout.blocks() {
            let mut bucket = 0;
            for (block, bits) in blocks.iter().zip(self.layout.shape.bits()) {
                bucket = bucket << bits | largest(isa, part(self.turned.numbers(), *block));
            }
            self.into.push(bucket);
        }
    }
}

/// A block of numbers.
#[inline(always)]
pub(super) fn part(numbers: &[f32], block: Block) -> &[f32] {
    numbers.get(block.first..block.first + block.len).unwrap_or_default()
}

/// The value of a function: twice the place of the largest number, whatever its sign, and one more if it is below zero.
#[inline(always)]
fn largest<I: Isa>(_: I, numbers: &[f32]) -> u32 {
    let (blocks, rest) = numbers.as_chunks::<{ crate::lanes::LANES }>();
    let mut lanes = [0.0_f32; crate::lanes::LANES];
    for block in blocks {
        for (most, number) in lanes.iter_mut().zip(block) {
            let number = number.abs();
            *most = if number > *most { number } else { *most };
        }
    }
    let mut most = 0.0_f32;
    for number in lanes {
        most = if number > most { number } else { most };
    }
    for number in rest {
        most = if number.abs() > most { number.abs() } else { most };
    }
    // The block that it is in, and then the place.
    let mut block = 0;
    for numbers in blocks {
        let mut is_in = false;
        for number in numbers {
            is_in |= number.abs() == most;
        }
        if is_in {
            break;
        }
        block += 1;
    }
    let first = block * crate::lanes::LANES;
    for (at, number) in numbers.iter().enumerate().skip(first) {
        if number.abs() == most {
            return at as u32 * 2 + u32::from(*number < 0.0);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::Kind;
    use crate::lsh::config::{Family, LshConfig};
    use crate::{Metric, Slot, Vectors};

    #[test]
    fn the_value_of_a_function_says_which_number_is_the_largest_and_its_sign() {
        struct Largest<'n>(&'n [f32]);
        impl Work for Largest<'_> {
            type Answer = u32;

            #[inline(always)]
            fn run<I: Isa>(self, isa: I) -> u32 {
                largest(isa, self.0)
            }
        }
        let mut many = vec![0.5; 64];
        many[40] = -0.75;
        let cases: [(&[f32], u32); 6] = [
            (&[], 0),
            (&[2.0], 0),
            (&[-2.0], 1),
            (&[1.0, -3.0, 3.0, 0.0], 3),
            (&many, 81),
            (&[f32::NAN; 16], 0),
        ];
        for (numbers, expected) in cases {
            for isa in Instructions::all() {
                assert_eq!(isa.run(Largest(numbers)), expected, "{numbers:?}");
            }
        }
    }

    /// Of near vectors more buckets, and more bits of sketches, are the same than of others.
    #[test]
    fn near_vectors_share_buckets_and_bits() {
        for family in [Family::CrossPolytope, Family::Hyperplanes] {
            let (memory, _) = Kind::Gaussian.set(100, 200, 0, 4);
            let vectors: Vec<_> =
                (0..200).map(|slot| memory.vector(Slot(slot)).expect("there").to_vec()).collect();
            let config = LshConfig::default().family(family);
            let shape = Shape::new((100, Metric::L2), &config, 20_000);
            let layout = Layout::new(shape, Space::around(Metric::L2, 100, &vectors), 3);
            let hash = |vector: &[f32]| {
                let (mut turned, mut buckets) = (Turned::default(), Vec::new());
                layout.turn(vector, Role::Kept, &mut turned);
                layout.hash(&turned, &mut buckets);
                assert!(buckets.iter().all(|it| (*it as usize) < layout.shape.buckets()));
                (buckets, turned.sketch())
            };
            let (mut near, mut far) = ([0; 2], [0; 2]);
            for two in vectors.windows(2) {
                let close: Vec<f32> =
                    two[0].iter().zip(&two[1]).map(|(a, b)| a + 0.3 * b).collect();
                let one = hash(&two[0]);
                for (other, sums) in [(hash(&close), &mut near), (hash(&two[1]), &mut far)] {
                    sums[0] += one.0.iter().zip(&other.0).filter(|(a, b)| a == b).count();
                    let bits = one.1.iter().zip(&other.1).map(|(a, b)| (a ^ b).count_ones());
                    sums[1] += bits.sum::<u32>() as usize;
                }
            }
            assert!(near[0] > 10 * far[0] && 2 * near[1] < far[1], "{near:?} {far:?}");
        }
    }
}
