//! The links of a graph: who is next to whom, on each of its levels.
//!
//! On the ground every slot has a place of its own; above it each level lists the few slots that it has, and says
//! where each is on the level below. Lists have room for a fixed number of links, the first free place ends them. All is
//! kept as an image has it, so that it can lie in one: a link is one more than the node it leads to, and 0 is a
//! free place.

use crate::rows::rows_a_piece;
use crate::table::{Shape, Table};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// How many bytes a link takes.
pub(super) const LINK: usize = size_of::<u32>();

/// What is said about a node: its slot and its number on the level below.
pub(super) const ABOUT: Shape = Shape { width: 2 * size_of::<u32>(), piece: 4_096 };

/// A level of the graph: nodes by their numbers on it, which on the ground are slots.
#[derive(Clone, Debug)]
pub(super) struct Level {
    degree: usize,
    links: Table,
    /// The slot of each node, and its number on the level below; nothing on the ground.
    about: Option<Table>,
    /// How many nodes it has; on the ground it has as many as there is room for.
    count: usize,
}

/// The links that lead away from a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<'l>(&'l [[u8; LINK]]);

impl Iterator for Links<'_> {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let (link, rest) = self.0.split_first()?;
        self.0 = rest;
        let node = u32::from_le_bytes(*link).wrapping_sub(1);
        (node != NONE).then_some(node)
    }
}

/// Lists of so many links: they fill cache lines.
pub(super) fn lists(degree: usize) -> Shape {
    let width = (degree * LINK).next_multiple_of(crate::rows::LINE);
    Shape { width, piece: rows_a_piece(width) }
}

impl Level {
    /// The ground, where a node may have so many links.
    pub(super) fn ground(degree: usize) -> Self {
        Level { degree, links: Table::new(lists(degree)), about: None, count: 0 }
    }

    /// A level above it.
    pub(super) fn upper(degree: usize) -> Self {
        Level { about: Some(Table::new(ABOUT)), ..Level::ground(degree) }
    }

    /// One whose lists are there.
    pub(super) fn of(degree: usize, links: Table, about: Option<Table>, count: usize) -> Self {
        Level { degree, links, about, count }
    }

    /// How many links a node may have.
    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// Above every node's number.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        match self.about {
            None => self.links.room(),
            Some(_) => self.count,
        }
    }

    /// Who is next to a node.
    #[inline(always)]
    pub(super) fn links<const CHECK: bool>(&self, node: u32) -> Links<'_> {
        Links(self.links.row::<CHECK>(node as usize).as_chunks().0)
    }

    /// The place of a node's links, be it only to fetch them.
    #[inline(always)]
    pub(super) fn lines(&self, node: u32) -> &[[u8; 64]] {
        self.links.row::<false>(node as usize).as_chunks().0
    }

    /// The slot of a node: none, if it was removed.
    #[inline(always)]
    pub(super) fn slot<const CHECK: bool>(&self, node: u32) -> u32 {
        match &self.about {
            None => node,
            Some(about) => number(about.row::<CHECK>(node as usize), 0).wrapping_sub(1),
        }
    }

    /// Where a node is on the level below.
    #[inline(always)]
    pub(super) fn below<const CHECK: bool>(&self, node: u32) -> u32 {
        let about = self.about.as_ref().map_or(&[][..], |about| about.row::<CHECK>(node as usize));
        if about.is_empty() { NONE } else { number(about, 1) }
    }

    /// Makes room for nodes below this one.
    pub(super) fn reserve(&mut self, end: usize) {
        if self.links.room() < end {
            self.links.own().reserve(end);
        }
    }

    /// Copies what is lent.
    pub(super) fn make_own(&mut self) {
        self.links.own();
        self.about.as_mut().map(Table::own);
    }

    /// Puts links in the place of those that were there.
    pub(super) fn put(&mut self, node: u32, links: &[u32]) {
        let row = self.links.own().row_mut(node as usize).as_chunks_mut().0;
        row.fill([0; LINK]);
        for (place, link) in row.iter_mut().zip(links) {
            *place = link.wrapping_add(1).to_le_bytes();
        }
    }

    /// Adds a node, without links; answers with its number.
    pub(super) fn add(&mut self, slot: u32, below: u32) -> u32 {
        let node = self.count as u32;
        self.count += 1;
        self.reserve(self.count);
        self.set_about(node, slot, below);
        node
    }

    fn set_about(&mut self, node: u32, slot: u32, below: u32) {
        let Some(about) = &mut self.about else { return };
        let about = about.own();
        about.reserve(node as usize + 1);
        let numbers = [slot.wrapping_add(1), below];
        for (place, number) in
            about.row_mut(node as usize).as_chunks_mut().0.iter_mut().zip(numbers)
        {
            *place = number.to_le_bytes();
        }
    }

    /// Takes a node's slot away: it is no node any more.
    pub(super) fn forget(&mut self, node: u32) {
        self.set_about(node, NONE, self.below::<false>(node));
        self.put(node, &[]);
    }

    /// The node of a slot.
    pub(super) fn node_of(&self, slot: u32) -> Option<u32> {
        (0..self.end() as u32).find(|node| self.slot::<false>(*node) == slot)
    }

    /// Any node that is there.
    pub(super) fn any(&self) -> Option<u32> {
        (0..self.end() as u32).find(|node| self.slot::<false>(*node) != NONE)
    }

    /// The bytes of a node's links, and what is said about it, as they go into an image.
    pub(super) fn bytes_of(&self, node: u32) -> (&[u8], &[u8]) {
        let about = self.about.as_ref().map_or(&[][..], |about| about.row::<false>(node as usize));
        (self.links.row::<false>(node as usize), about)
    }

    /// How many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        self.links.bytes() + self.about.as_ref().map_or(0, Table::bytes)
    }
}

/// A number of those that are said about a node; 0, if nothing is.
#[inline(always)]
fn number(about: &[u8], at: usize) -> u32 {
    about.as_chunks().0.get(at).map_or(0, |number| u32::from_le_bytes(*number))
}
