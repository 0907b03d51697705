//! The links of a graph: who is next to whom, on each of its levels.
//!
//! On the ground every slot has a place of its own; above it each level lists the few slots that it has, and says
//! where each is on the level below. Lists have room for a fixed number of links, the first free place ends them.

use crate::rows::{Rows, rows_a_piece};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// Numbers of links fill cache lines.
const LINE: usize = crate::rows::LINE / size_of::<u32>();

/// A level of the graph: nodes by their numbers on it.
pub(super) trait Level {
    /// Who is next to a node. What follows the first [`NONE`] does not count.
    fn links(&self, node: u32) -> &[u32];

    /// The slot of a node.
    fn slot(&self, node: u32) -> u32;

    /// Above every node's number.
    fn end(&self) -> usize;
}

/// The ground: nodes are slots.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    links: Rows<u32>,
    degree: usize,
}

/// A level above it.
#[derive(Clone, Debug)]
pub(super) struct Upper {
    degree: usize,
    links: Vec<u32>,
    /// The slot of each node; none, if it was removed.
    slots: Vec<u32>,
    /// The number of each node on the level below.
    below: Vec<u32>,
}

impl Level for Ground {
    #[inline(always)]
    fn links(&self, node: u32) -> &[u32] {
        self.links.row(node as usize)
    }

    #[inline(always)]
    fn slot(&self, node: u32) -> u32 {
        node
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.links.room()
    }
}

impl Level for Upper {
    #[inline(always)]
    fn links(&self, node: u32) -> &[u32] {
        let width = self.width();
        self.links.get(node as usize * width..).and_then(|it| it.get(..width)).unwrap_or_default()
    }

    #[inline(always)]
    fn slot(&self, node: u32) -> u32 {
        self.slots.get(node as usize).copied().unwrap_or(NONE)
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.slots.len()
    }
}

/// Links that count.
#[inline(always)]
pub(super) fn counted(links: &[u32]) -> impl Iterator<Item = u32> {
    links.iter().copied().take_while(|it| *it != NONE)
}

/// Puts links in the place of those that were there.
fn put(row: &mut [u32], links: &[u32]) {
    row.fill(NONE);
    row.iter_mut().zip(links).for_each(|(place, link)| *place = *link);
}

impl Ground {
    pub(super) fn new(degree: usize) -> Self {
        let width = degree.next_multiple_of(LINE);
        let piece = rows_a_piece(width * size_of::<u32>());
        Ground { links: Rows::new(width, piece), degree }
    }

    /// How many links a node may have.
    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// For how many there is room in its list.
    pub(super) fn width(&self) -> usize {
        self.links.width()
    }

    /// Makes room for slots below this one.
    pub(super) fn reserve(&mut self, end: usize) {
        let before = self.links.room();
        self.links.reserve(end);
        (before..self.links.room()).for_each(|row| self.links.row_mut(row).fill(NONE));
    }

    pub(super) fn put(&mut self, node: u32, links: &[u32]) {
        put(self.links.row_mut(node as usize), links);
    }

    pub(super) fn bytes(&self) -> usize {
        self.links.bytes()
    }
}

impl Upper {
    pub(super) fn new(degree: usize) -> Self {
        Upper { degree, links: Vec::new(), slots: Vec::new(), below: Vec::new() }
    }

    fn width(&self) -> usize {
        self.degree.next_multiple_of(LINE)
    }

    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// Adds a node, without links; answers with its number.
    pub(super) fn add(&mut self, slot: u32, below: u32) -> u32 {
        let node = self.slots.len() as u32;
        self.slots.push(slot);
        self.below.push(below);
        self.links.resize(self.links.len() + self.width(), NONE);
        node
    }

    /// Where a node is on the level below.
    #[inline(always)]
    pub(super) fn below(&self, node: u32) -> u32 {
        self.below.get(node as usize).copied().unwrap_or(NONE)
    }

    pub(super) fn put(&mut self, node: u32, links: &[u32]) {
        let width = self.width();
        let at = node as usize * width;
        put(self.links.get_mut(at..at + width).unwrap_or_default(), links);
    }

    /// The node of a slot.
    pub(super) fn node_of(&self, slot: u32) -> Option<u32> {
        self.slots.iter().position(|it| *it == slot).map(|at| at as u32)
    }

    /// Any node that is there.
    pub(super) fn any(&self) -> Option<u32> {
        self.slots.iter().position(|it| *it != NONE).map(|at| at as u32)
    }

    /// Takes a node's slot away: it is no node any more.
    pub(super) fn forget(&mut self, node: u32) {
        if let Some(slot) = self.slots.get_mut(node as usize) {
            *slot = NONE;
        }
        self.put(node, &[]);
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<u32>() * (self.links.len() + self.slots.len() + self.below.len())
    }
}
