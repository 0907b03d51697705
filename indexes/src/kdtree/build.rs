//! Builds a tree of points: all at once on the threads of a pool, or a part at a time.
//!
//! Points are rows of numbers, and whose they are behind. A range of them is split where half of its leaves are, along the dimension
//! in which it is widest, and so on down to single leaves; rows go from one buffer to the other at each split, so that those of
//! a leaf come to lie together. Then boxes are put around what lies in each leaf, and around those.
//!
//! Promise: the same rows in the same order make the same tree, on any number of threads and in parts of any size.

mod split;

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use self::split::{Scratch, Task};
use super::leaves::{Leaves, NONE, Numbers, Owners};
use super::lines::Lines;
use super::shape::Shape;
use super::tree::{Judged, Tree, Way, node_width};
use crate::Pool;
use crate::lanes::LANES;

/// Points on their way into a tree: of each its coordinates, as bits, and whose it is.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) dim: usize,
    pub(super) rows: Vec<u32>,
}

impl Points {
    pub(super) fn new(dim: usize) -> Self {
        Points { dim, rows: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() / (self.dim + 1)
    }

    /// Adds one.
    pub(super) fn push(&mut self, numbers: impl Iterator<Item = f32>, owner: u32) {
        self.rows.extend(numbers.map(f32::to_bits));
        self.rows.push(owner);
    }
}

/// In which of the two buffers the rows of a range are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    This,
    Other,
}

/// A range of so few points is split down to its leaves at once.
const AT_ONCE: usize = 8_192;

/// For each thread there are so many ranges to share out, if there are enough leaves.
const SHARES: usize = 8;

/// A tree in the making.
#[derive(Debug)]
pub(super) struct Build {
    dim: usize,
    shape: Shape,
    rows: [Vec<u32>; 2],
    numbers: Lines,
    owners: Vec<u32>,
    /// The lowest and the highest numbers in each leaf.
    hulls: Vec<f32>,
    /// Ranges of leaves that are not split yet.
    left: Vec<(Range<usize>, Side)>,
    scratch: Scratch,
}

impl Build {
    /// Begins a tree of these points, of which there is one at least, with at most so many in a leaf.
    pub(super) fn new(Points { dim, rows }: Points, leaf: usize) -> Self {
        let shape = Shape::new(rows.len() / (dim + 1), leaf);
        let room = shape.leaves() * shape.blocks() * LANES;
        let other = vec![0; rows.len()];
        Build {
            dim,
            shape,
            rows: [rows, other],
            numbers: Lines::new(room * dim),
            owners: vec![NONE; room],
            hulls: vec![0.0; shape.leaves() * 2 * dim],
            left: vec![(0..shape.leaves(), Side::This)],
            scratch: Scratch::new(dim),
        }
    }

    /// Splits some more; answers with about how many points were looked at, nothing when all is split.
    pub(super) fn advance(&mut self) -> Option<usize> {
        let (leaves, side) = self.left.pop()?;
        let points = self.shape.first(leaves.end) - self.shape.first(leaves.start);
        let Build { dim, shape, rows: [this, other], numbers, owners, hulls, .. } = self;
        let rows = match side {
            Side::This => [this, other],
            Side::Other => [other, this],
        };
        let mut all = Task::new((*dim, *shape), rows, (numbers.get_mut(), owners, hulls));
        let mut task = all.part(leaves.clone());
        if points <= AT_ONCE || leaves.len() == 1 {
            task.split_all(&mut self.scratch);
            return Some(points * (leaves.len().ilog2() as usize + 1));
        }
        let (middle, side) = (task.split(&mut self.scratch), flipped(side));
        self.left.extend([(middle..leaves.end, side), (leaves.start..middle, side)]);
        Some(points)
    }

    /// Splits all there is, on all threads of a pool.
    pub(super) fn finish(mut self, pool: &Pool) -> Tree {
        // The widest first, so that all are about as wide.
        let enough = if pool.threads() > 1 { SHARES * pool.threads() } else { 1 };
        while self.left.len() < enough && self.left.iter().any(|(leaves, _)| leaves.len() > 1) {
            self.left.sort_by_key(|(leaves, _)| leaves.len());
            if self.advance().is_none() {
                break;
            }
        }
        let Build { dim, shape, rows: [this, other], numbers, owners, hulls, left, .. } = &mut self;
        left.sort_by_key(|(leaves, _)| leaves.start);
        let mut rest = Task::new((*dim, *shape), [this, other], (numbers.get_mut(), owners, hulls));
        let mut tasks = Vec::new();
        for (leaves, side) in left.drain(..) {
            let (task, behind) = rest.skip_to(leaves.start).cut(leaves.end);
            tasks.push(if side == Side::This { task } else { task.flipped() });
            rest = behind;
        }
        let dim = *dim;
        pool.each(tasks, |mut task| task.split_all(&mut Scratch::new(dim)));
        self.into_tree()
    }

    /// The tree, when all is split.
    pub(super) fn into_tree(self) -> Tree {
        let Build { dim, shape, numbers, owners, hulls, .. } = self;
        let boxes = boxes(dim, shape, hulls);
        let blocks = shape.blocks();
        let leaves = Leaves {
            dim,
            blocks,
            numbers: Numbers::Own(numbers, blocks * LANES * dim),
            owners: Owners::Own(owners.into_iter().map(AtomicU32::new).collect()),
        };
        let judged = Judged { way: Way::Walk, percent: 0 };
        Tree::new(shape, Numbers::Own(boxes, node_width(dim)), leaves, judged)
    }
}

fn flipped(side: Side) -> Side {
    match side {
        Side::This => Side::Other,
        Side::Other => Side::This,
    }
}

/// The boxes of all nodes, from those around leaves up.
fn boxes(dim: usize, shape: Shape, mut hulls: Vec<f32>) -> Lines {
    let width = node_width(dim);
    let mut boxes = Lines::new(shape.nodes() * width);
    for level in (0..shape.levels()).rev() {
        let fan = if level == 0 { shape.fan() } else { LANES };
        let mut above = Vec::with_capacity(hulls.len() / fan);
        let nodes = shape.level(level);
        let rows = boxes.get_mut().get_mut(nodes.start * width..nodes.end * width);
        let rows = rows.unwrap_or_default().chunks_exact_mut(width.max(1));
        for (row, children) in rows.zip(hulls.chunks_exact((2 * dim * fan).max(1))) {
            above.extend(node(dim, row, children));
        }
        hulls = above;
    }
    boxes
}

/// Writes a node down; answers with the box around all of its children.
fn node(dim: usize, row: &mut [f32], children: &[f32]) -> Vec<f32> {
    let mut hull = [vec![f32::INFINITY; dim], vec![f32::NEG_INFINITY; dim]].concat();
    for (at, column) in row.chunks_exact_mut(LANES).enumerate() {
        // A column of lowest numbers, then one of highest ones.
        let (axis, end) = (at / 2, at % 2);
        column.fill(if end == 0 { f32::INFINITY } else { f32::NEG_INFINITY });
        let Some(whole) = hull.get_mut(end * dim + axis) else { continue };
        for (place, child) in column.iter_mut().zip(children.chunks_exact(2 * dim)) {
            *place = child.get(end * dim + axis).copied().unwrap_or(0.0);
            *whole = if end == 0 { whole.min(*place) } else { whole.max(*place) };
        }
    }
    hull
}

#[cfg(test)]
mod tests;
