//! A tree that never changes, but for points that become nobody's: leaves of points, and nodes of sixteen boxes above them.
//!
//! A node says of each of its children within which bounds its points lie, as tightly as can be: a search compares sixteen of them
//! at once, and goes where something may be near enough, the nearest first.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::leaves::{Leaves, Numbers, Owners, OwnersRow};
use super::shape::{LEVELS_MAX, Shape};
use crate::lanes::{Isa, LANES};
use crate::rows::LINE;

/// Whether a search goes by the boxes, or looks at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Walk,
    Scan,
}

/// How a tree is searched, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Judged {
    pub(super) way: Way,
    /// Which part of its points a walk looks at, of a hundred, as samples say.
    pub(super) percent: u8,
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) shape: Shape,
    /// Where the nodes of each level begin.
    pub(super) firsts: [usize; LEVELS_MAX],
    /// A row for each node, the root first: for each dimension the lowest and the highest number of sixteen children.
    pub(super) boxes: Numbers,
    pub(super) leaves: Leaves,
    pub(super) judged: Judged,
    /// How many of its points are nobody's.
    dead: AtomicUsize,
}

/// So many lines of a leaf are fetched ahead.
const FETCHED: usize = 8;

/// How many numbers a node has.
pub(super) fn node_width(dim: usize) -> usize {
    2 * LANES * dim
}

impl Tree {
    pub(super) fn new(shape: Shape, boxes: Numbers, leaves: Leaves, judged: Judged) -> Self {
        let firsts = shape.firsts();
        Tree { shape, firsts, boxes, leaves, judged, dead: AtomicUsize::new(0) }
    }

    /// How many points it has, whoever's they are.
    pub(super) fn points(&self) -> usize {
        self.shape.points()
    }

    /// How many are somebody's.
    pub(super) fn alive(&self) -> usize {
        self.points().saturating_sub(self.dead.load(Ordering::Relaxed))
    }

    /// Makes a point nobody's, if it is this one's; says whether it was.
    pub(super) fn disown(&self, point: usize, owner: u32) -> bool {
        let is_its = point < self.points() && self.leaves.disown(self.shape.place(point), owner);
        self.dead.fetch_add(usize::from(is_its), Ordering::Relaxed);
        is_its
    }

    /// A leaf: its coordinates, whose the points are, how many; nothing, if it is not there or not what was written.
    #[inline(always)]
    pub(super) fn leaf(&self, leaf: usize) -> Option<(&[u8], OwnersRow<'_>, usize)> {
        let (numbers, owners) = self.leaves.row(leaf)?;
        Some((numbers, owners, self.shape.count(leaf)))
    }

    /// Says that a leaf will be needed soon.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(&self, isa: I, leaf: usize) {
        // Behind the first lines the processor goes on by itself.
        if let Numbers::Own(..) = &self.leaves.numbers {
            let lines = self.leaves.numbers.row(leaf).as_chunks::<LINE>().0;
            lines.iter().take(FETCHED).for_each(|line| isa.fetch(line));
        }
    }

    /// Goes through the points of some leaves: which it is, in which leaf and where in it, and whose.
    pub(super) fn each_point(
        &self,
        leaves: Range<usize>,
        mut each: impl FnMut(usize, (&[u8], usize), u32),
    ) {
        for leaf in leaves {
            let Some((numbers, owners, count)) = self.leaf(leaf) else { continue };
            let first = self.shape.first(leaf);
            (0..count).for_each(|lane| each(first + lane, (numbers, lane), owners.get(lane)));
        }
    }

    /// A copy of our own, in which `owner` says anew whose each point is.
    pub(super) fn copied(&self, mut owner: impl FnMut(usize, u32) -> u32) -> Self {
        let Tree { shape, leaves, .. } = self;
        let dim = leaves.dim;
        let room = leaves.room();
        let none = || std::sync::atomic::AtomicU32::new(super::leaves::NONE);
        let owners: Box<[_]> = std::iter::repeat_with(none).take(shape.leaves() * room).collect();
        let mut dead = 0;
        self.each_point(0..shape.leaves(), |point, (_, lane), old| {
            let new = owner(point, old);
            dead += usize::from(new == super::leaves::NONE);
            let (leaf, _) = shape.place(point);
            if let Some(place) = owners.get(leaf * room + lane) {
                place.store(new, Ordering::Relaxed);
            }
        });
        let leaves = Leaves {
            dim,
            blocks: leaves.blocks,
            numbers: leaves.numbers.copied(shape.leaves(), leaves.width()),
            owners: Owners::Own(owners),
        };
        let boxes = self.boxes.copied(shape.nodes(), node_width(dim));
        Tree { dead: AtomicUsize::new(dead), ..Tree::new(*shape, boxes, leaves, self.judged) }
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        self.boxes.bytes() + self.leaves.bytes()
    }
}
