//! The shape of a tree: how many leaves it has, which points lie in which, and where its nodes stand.
//!
//! A tree has a power of two of leaves, among which its points are shared out evenly. Sixteen of them belong to a node, sixteen
//! such nodes to another, up to the root, which alone may have fewer. So nothing has to be stored of a shape but two numbers.
//!
//! Promises
//!  1. Every point is in one leaf, and every leaf but the root's of an empty tree has a point.
//!  2. Whatever the numbers of an image are, no arithmetic here overflows.

use std::ops::Range;

use crate::lanes::LANES;

/// Four splits lead to the children of a node.
const SPLITS: u32 = LANES.ilog2();

/// The most splits: more would not leave a point for each leaf.
pub(super) const SPLITS_MAX: u32 = u32::BITS;

/// The most levels of nodes.
pub(super) const LEVELS_MAX: usize = (SPLITS_MAX / SPLITS) as usize;

/// The shape of a tree of some points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    points: usize,
    /// There are two to the power of this leaves.
    splits: u32,
}

impl Shape {
    /// The shape for so many points, of which at most so many are to be in a leaf.
    pub(super) fn new(points: usize, leaf: usize) -> Self {
        let leaves = points.div_ceil(leaf.max(1)).max(1).next_power_of_two();
        // There is a point for each leaf.
        let leaves = if leaves > points.max(1) { leaves / 2 } else { leaves };
        Shape { points, splits: leaves.trailing_zeros() }
    }

    /// The shape that an image speaks of; nothing, if there is none like it.
    pub(super) fn told(points: usize, splits: u32) -> Option<Self> {
        let fits = splits < SPLITS_MAX && points >= 1 << splits && points <= 1 << SPLITS_MAX;
        fits.then_some(Shape { points, splits })
    }

    pub(super) fn points(self) -> usize {
        self.points
    }

    pub(super) fn splits(self) -> u32 {
        self.splits
    }

    /// How many leaves there are.
    pub(super) fn leaves(self) -> usize {
        1 << self.splits
    }

    /// How many points lie before a leaf.
    #[inline(always)]
    pub(super) fn first(self, leaf: usize) -> usize {
        ((leaf as u64 * self.points as u64) >> self.splits) as usize
    }

    /// How many are in it.
    #[inline(always)]
    pub(super) fn count(self, leaf: usize) -> usize {
        self.first(leaf + 1) - self.first(leaf)
    }

    /// In which leaf a point is, and which one of it.
    pub(super) fn place(self, point: usize) -> (usize, usize) {
        let behind = ((point as u64 + 1) << self.splits) - 1;
        let leaf = (behind / self.points.max(1) as u64) as usize;
        (leaf, point - self.first(leaf))
    }

    /// How many times sixteen points there is room for in a leaf.
    pub(super) fn blocks(self) -> usize {
        self.points.div_ceil(self.leaves()).div_ceil(LANES).max(1)
    }

    /// How many levels of nodes there are above the leaves.
    pub(super) fn levels(self) -> usize {
        self.splits.div_ceil(SPLITS) as usize
    }

    /// How many children the root has.
    pub(super) fn fan(self) -> usize {
        match self.levels() {
            0 => 0,
            levels => 1 << (self.splits - SPLITS * (levels as u32 - 1)),
        }
    }

    /// The nodes of a level, the root's being the first one: where they stand among all.
    pub(super) fn level(self, level: usize) -> Range<usize> {
        let mut first = 0;
        let mut count = 1;
        for at in 0..level {
            first += count;
            count *= if at == 0 { self.fan() } else { LANES };
        }
        first..first + count
    }

    /// Where the nodes of each level begin.
    pub(super) fn firsts(self) -> [usize; LEVELS_MAX] {
        let mut firsts = [0; LEVELS_MAX];
        for (level, first) in firsts.iter_mut().enumerate().take(self.levels()) {
            *first = self.level(level).start;
        }
        firsts
    }

    /// How many nodes there are.
    pub(super) fn nodes(self) -> usize {
        self.levels().checked_sub(1).map_or(0, |last| self.level(last).end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_shared_out_evenly_and_found_again() {
        for points in (1..200).chain([1_000, 4_097, 100_000]) {
            for leaf in [1, 7, 16, 32, 1_000] {
                let shape = Shape::new(points, leaf);
                assert_eq!(Shape::told(points, shape.splits()), Some(shape));
                let mut seen = 0;
                for at in 0..shape.leaves() {
                    let count = shape.count(at);
                    assert!((1..=shape.blocks() * LANES).contains(&count), "{shape:?}");
                    assert!(count <= 2 * leaf, "{shape:?}");
                    for lane in 0..count {
                        assert_eq!(shape.place(seen + lane), (at, lane), "{shape:?}");
                    }
                    seen += count;
                }
                assert_eq!(seen, points);
            }
        }
    }

    #[test]
    fn every_leaf_has_a_node_and_every_node_but_the_root_has_one() {
        for splits in 0..20 {
            let shape = Shape::told(1 << splits, splits).expect("a point for each leaf");
            let levels = shape.levels();
            let mut count = 1;
            for level in 0..levels {
                assert_eq!(shape.level(level).len(), count, "{splits}");
                count *= if level == 0 { shape.fan() } else { LANES };
            }
            assert_eq!((count, shape.leaves()), (shape.leaves(), 1 << splits));
            assert!(levels == 0 || (2..=LANES).contains(&shape.fan()));
            assert!(shape.nodes() <= shape.leaves());
        }
    }

    #[test]
    fn what_cannot_be_is_no_shape() {
        for (points, splits) in [(0, 0), (3, 2), (1 << 20, 32), (usize::MAX, 3)] {
            assert_eq!(Shape::told(points, splits), None);
        }
        let widest = Shape::told(1 << 32, 31).expect("the widest");
        assert_eq!(widest.place((1 << 32) - 1), (widest.leaves() - 1, 1));
        assert!(widest.levels() <= LEVELS_MAX);
    }
}
