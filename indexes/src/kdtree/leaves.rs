//! Points in leaves: their coordinates, sixteen points at a time and one coordinate behind the other, and whose they are. Our
//! own, or lying in an image.
//!
//! Promise: coordinates never change. Whose a point is does once, when it is nobody's any more.

use std::sync::atomic::{AtomicU32, Ordering};

use super::lines::Lines;
use crate::lanes::{Isa, LANES};
use crate::lent::LentRows;

/// The owner of a point that is nobody's.
pub(super) const NONE: u32 = u32::MAX;

/// Rows of numbers.
#[derive(Debug)]
pub(super) enum Numbers {
    Own(Lines, usize),
    Lent(LentRows),
}

impl Numbers {
    /// A row, as bytes; nothing, if it is not there, or not what was written.
    #[inline(always)]
    pub(super) fn row(&self, at: usize) -> &[u8] {
        match self {
            Numbers::Own(lines, width) => {
                let row = lines.get().get(at * width..(at + 1) * width).unwrap_or_default();
                bytemuck::cast_slice(row)
            }
            Numbers::Lent(rows) => rows.row::<true>(at),
        }
    }

    /// A copy of our own, of so many rows of so many numbers.
    pub(super) fn copied(&self, rows: usize, width: usize) -> Self {
        let mut lines = Lines::new(rows * width);
        for at in 0..rows {
            let Some(into) = lines.get_mut().get_mut(at * width..(at + 1) * width) else { break };
            let from = self.row(at).as_chunks::<4>().0;
            into.iter_mut().zip(from).for_each(|(into, from)| *into = f32::from_le_bytes(*from));
        }
        Numbers::Own(lines, width)
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Numbers::Own(lines, _) => lines.bytes(),
            Numbers::Lent(_) => 0,
        }
    }
}

/// Whose the points are, leaf by leaf.
#[derive(Debug)]
pub(super) enum Owners {
    Own(Box<[AtomicU32]>),
    Lent(LentRows),
}

/// Whose the points of a leaf are.
#[derive(Clone, Copy, Debug)]
pub(super) enum OwnersRow<'r> {
    Own(&'r [AtomicU32]),
    Lent(&'r [u8]),
}

impl OwnersRow<'_> {
    /// Says that these will be needed soon.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(self, isa: I, lane: usize) {
        match self {
            OwnersRow::Own(owners) => {
                if let Some(owner) = owners.get(lane) {
                    isa.fetch(owner);
                }
            }
            OwnersRow::Lent(bytes) => {
                if let Some(owner) = bytes.get(lane * size_of::<u32>()) {
                    isa.fetch(owner);
                }
            }
        }
    }

    /// Whose a point is.
    #[inline(always)]
    pub(super) fn get(self, lane: usize) -> u32 {
        match self {
            OwnersRow::Own(owners) => {
                owners.get(lane).map_or(NONE, |owner| owner.load(Ordering::Acquire))
            }
            OwnersRow::Lent(bytes) => {
                bytes.as_chunks::<4>().0.get(lane).map_or(NONE, |owner| u32::from_le_bytes(*owner))
            }
        }
    }
}

/// Points in leaves, each with room for so many times sixteen.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) dim: usize,
    pub(super) blocks: usize,
    pub(super) numbers: Numbers,
    pub(super) owners: Owners,
}

impl Leaves {
    /// For how many points a leaf has room.
    #[inline(always)]
    pub(super) fn room(&self) -> usize {
        self.blocks * LANES
    }

    /// How many numbers a leaf has.
    pub(super) fn width(&self) -> usize {
        self.room() * self.dim
    }

    /// The coordinates in a leaf, and whose they are; nothing, if it is not there or not what was written.
    #[inline(always)]
    pub(super) fn row(&self, leaf: usize) -> Option<(&[u8], OwnersRow<'_>)> {
        let (numbers, room) = (self.numbers.row(leaf), self.room());
        let owners = match &self.owners {
            Owners::Own(owners) => {
                OwnersRow::Own(owners.get(leaf * room..(leaf + 1) * room).unwrap_or_default())
            }
            Owners::Lent(rows) => match rows.row::<true>(leaf) {
                [] => return None,
                row => OwnersRow::Lent(row),
            },
        };
        (!numbers.is_empty() || self.dim == 0).then_some((numbers, owners))
    }

    /// Makes a point nobody's, if it is this one's; says whether it was.
    pub(super) fn disown(&self, (leaf, lane): (usize, usize), owner: u32) -> bool {
        let Owners::Own(owners) = &self.owners else { return false };
        if lane >= self.room() {
            return false;
        }
        let Some(place) = owners.get(leaf * self.room() + lane) else { return false };
        place.compare_exchange(owner, NONE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        let owners = match &self.owners {
            Owners::Own(owners) => size_of_val(&**owners),
            Owners::Lent(_) => 0,
        };
        self.numbers.bytes() + owners
    }
}

/// The coordinates of one of the points of a leaf.
pub(super) fn point(numbers: &[u8], dim: usize, lane: usize) -> impl Iterator<Item = f32> {
    let numbers = numbers.as_chunks::<4>().0;
    let first = lane / LANES * LANES * dim + lane % LANES;
    let numbers = numbers.get(first..).unwrap_or_default().iter().step_by(LANES).take(dim);
    numbers.map(|number| f32::from_le_bytes(*number))
}
