//! What tables look like: how many functions there are, which numbers of a rotated vector each of them looks at, and how many bits
//! its value has.
//!
//! A function looks at a block of numbers, a power of two of them, and its value says which of them is the largest, and its
//! sign. So a block of one number is a plane, and a larger one a cross-polytope.

use super::config::{FUNCTIONS_MAX, Family, LshConfig, TABLES_MAX};
use super::rotate::padded;
use crate::Metric;

/// The most bits that the hash of a table has.
pub(super) const BITS_MAX: u32 = 22;

/// The fewest that are chosen.
const BITS_MIN: u32 = 5;

/// So many slots share a bucket, on average, where it is not said how many functions there are.
const SHARED: usize = 6;

/// How many bits the sketch of a vector has.
pub(super) const SKETCH: usize = 512;

/// What tables look like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// How many numbers a vector is filled up to.
    pub(super) size: usize,
    pub(super) tables: usize,
    /// How many bits the value of each function of a table has, the first one's first.
    bits: Vec<u32>,
    /// How many slots it was made for.
    pub(super) slots: usize,
}

/// A block of numbers that a function looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block {
    pub(super) first: usize,
    pub(super) len: usize,
}

/// Whether vectors get one more number, by which all have the same length.
pub(super) fn is_lifted(metric: Metric) -> bool {
    metric != Metric::Cosine
}

/// How many numbers vectors of so many are filled up to.
pub(super) fn size_of(dim: usize, metric: Metric) -> usize {
    padded(dim + usize::from(is_lifted(metric)))
}

impl Shape {
    /// Tables for so many slots.
    pub(super) fn new((dim, metric): (usize, Metric), config: &LshConfig, slots: usize) -> Self {
        let size = size_of(dim, metric);
        // Of a block of all numbers: which of them, and its sign.
        let most = size.ilog2() + 1;
        let bits = (slots / SHARED).max(1).ilog2().clamp(BITS_MIN, BITS_MAX);
        let (count, bits) = match (config.family, config.functions) {
            (Family::Hyperplanes, count) => {
                let count = count.unwrap_or(bits as usize);
                (count, count as u32)
            }
            // One function of all numbers is better than two of a few that are only a little finer.
            (Family::CrossPolytope, None) if bits <= most + 2 => (1, bits.min(most)),
            (Family::CrossPolytope, None) => (bits.div_ceil(most) as usize, bits),
            (Family::CrossPolytope, Some(count)) => {
                let least = count as u32;
                (count, bits.clamp(least, (most * least).min(BITS_MAX)))
            }
        };
        // The first ones get what is left over.
        let of = |at: usize| bits / count as u32 + u32::from(at < bits as usize % count);
        let bits = (0..count).map(of).collect();
        Shape { size, tables: config.num_tables, bits, slots }
    }

    /// Tables that an image tells of; nothing, if there can be none such.
    pub(super) fn of(size: usize, tables: usize, bits: Vec<u32>, slots: usize) -> Option<Self> {
        let most = size.checked_ilog2()? + 1;
        let fits = (1..=TABLES_MAX).contains(&tables)
            && (1..=FUNCTIONS_MAX).contains(&bits.len())
            && bits.iter().all(|it| (1..=most).contains(it))
            && bits.is_sorted_by(|one, other| one >= other)
            && bits.iter().sum::<u32>() <= BITS_MAX;
        fits.then_some(Shape { size, tables, bits, slots })
    }

    /// How many bits the value of each function has.
    pub(super) fn bits(&self) -> &[u32] {
        &self.bits
    }

    /// How many buckets a table has.
    pub(super) fn buckets(&self) -> usize {
        1 << self.bits.iter().sum::<u32>()
    }

    /// The blocks that the functions look at, those of the first table first, one behind the other; none goes beyond a rotation, as
    /// each begins at a multiple of its length.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut end = 0_usize;
        let of_all = std::iter::repeat_n(&self.bits, self.tables).flatten();
        of_all
            .map(|bits| {
                let len = 1 << (bits - 1);
                let first = end.next_multiple_of(len);
                end = first + len;
                Block { first, len }
            })
            .collect()
    }

    /// How many rotations have all numbers that functions and sketches look at.
    pub(super) fn rotations(&self) -> usize {
        let end = self.blocks().last().map_or(0, |block| block.first + block.len);
        end.max(SKETCH).div_ceil(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_follow_the_number_of_slots() {
        let config = LshConfig::default();
        let bits = |slots| Shape::new((384, Metric::Cosine), &config, slots).bits().to_vec();
        assert_eq!((bits(1), bits(2_000)), (vec![5], vec![8]));
        assert_eq!((bits(20_000), bits(100_000)), (vec![10], vec![7, 7]));
        assert_eq!((bits(1_000_000), bits(usize::MAX)), (vec![9, 8], vec![8, 7, 7]));
        let planes = config.family(Family::Hyperplanes);
        assert_eq!(Shape::new((3, Metric::L2), &planes, 2_000).bits(), [1; 8]);
        let some = planes.functions(9);
        assert_eq!(Shape::new((3, Metric::L2), &some, 2_000_000).bits(), [1; 9]);
        let some = config.functions(3);
        assert_eq!(Shape::new((3, Metric::L2), &some, 100_000).bits(), [5, 5, 4]);
        assert_eq!(Shape::new((1, Metric::L2), &config.functions(1), usize::MAX).bits(), [5]);
    }

    #[test]
    fn blocks_lie_apart_and_within_rotations() {
        for functions in [None, Some(1), Some(3), Some(22)] {
            for slots in [10, 50_000, 10_000_000] {
                let config = LshConfig { functions, ..LshConfig::default() };
                let shape = Shape::new((20, Metric::L2), &config, slots);
                let blocks = shape.blocks();
                assert_eq!(blocks.len(), 16 * shape.bits().len());
                assert!(blocks.is_sorted_by(|one, next| one.first + one.len <= next.first));
                let turn = |at: usize| at / shape.size;
                for Block { first, len } in blocks {
                    assert_eq!(turn(first), turn(first + len - 1));
                    assert!(first + len <= shape.rotations() * shape.size);
                }
                let again = Shape::of(shape.size, 16, shape.bits().to_vec(), slots);
                assert_eq!(again, Some(shape));
            }
        }
        assert!(Shape::of(16, 1, vec![6], 0).is_none() && Shape::of(16, 1, vec![0], 0).is_none());
        assert!(Shape::of(16, 0, vec![1], 0).is_none() && Shape::of(0, 1, vec![1], 0).is_none());
        assert!(Shape::of(16, 1, vec![5; 5], 0).is_none() && Shape::of(16, 1, vec![], 0).is_none());
    }
}
