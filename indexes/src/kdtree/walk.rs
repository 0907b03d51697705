//! Goes through trees and buffers for a query, sixteen points or boxes at a time.
//!
//! A walk goes from the root to where something may be near enough, the nearest first, and comes back to what it left out
//! as long as that still may be. What lies in no order is looked at as it lies.

use super::buffer::{BLOCK, Block, Buffer};
use super::forest::Trees;
use super::kernel::{COLUMN, Kernel, WithKernel};
use super::leaves::{Leaves, OwnersRow};
use super::seek::{Note, Seek, Sixteen};
use super::shape::LEVELS_MAX;
use super::tree::{Tree, Way};
use crate::Error;
use crate::lanes::{Isa, LANES, Work};

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Where<'w> {
    Everywhere(&'w Trees),
    In(&'w Tree),
}

/// Looks for what is near.
pub(super) struct Look<'l, 's> {
    pub(super) seek: &'l mut Seek<'s>,
    pub(super) place: Where<'l>,
}

impl WithKernel for Look<'_, '_> {
    type Answer = Result<(), Error>;

    #[inline(always)]
    fn run<I: Isa, K: Kernel>(self, isa: I, kernel: K) -> Self::Answer {
        let Look { seek, place } = self;
        let mut walk = Walk { seek, kernel };
        let (trees, rest) = match place {
            Where::In(tree) => return walk.tree(isa, tree),
            Where::Everywhere(all) => (&all.trees, all),
        };
        for tree in trees {
            walk.tree(isa, tree)?;
            if walk.is_over() {
                return Ok(());
            }
        }
        if let Some(loose) = &rest.loose {
            walk.loose(isa, loose)?;
        }
        for buffer in rest.buffers() {
            if walk.is_over() {
                break;
            }
            walk.buffer(isa, buffer)?;
        }
        Ok(())
    }
}

/// A search by a kernel.
struct Walk<'l, 's, K> {
    seek: &'l mut Seek<'s>,
    kernel: K,
}

/// Children of a node: of each that is still to be looked at the bits of its square, of which the last four are its number.
#[derive(Clone, Copy)]
struct Frame {
    keys: [u32; LANES],
    /// The first of them on its level.
    first: usize,
}

/// What is no key: a child that was looked at, or is not there.
const NONE: u32 = u32::MAX;

/// A key of a child.
const NUMBER: u32 = LANES as u32 - 1;

impl Frame {
    #[inline(always)]
    fn new(squares: [f32; LANES], first: usize) -> Self {
        let mut keys = [NONE; LANES];
        for (at, (key, square)) in (0..).zip(keys.iter_mut().zip(squares)) {
            // Squares are no less than 0, and so in order as their bits are.
            *key = square.to_bits() & !NUMBER | at;
        }
        Frame { keys, first }
    }

    /// Which of them is the nearest, if it may be that near.
    #[inline(always)]
    fn nearest(&self, limit: f32) -> Option<usize> {
        let mut least = NONE;
        for key in self.keys {
            least = least.min(key);
        }
        let is_near = least != NONE && f32::from_bits(least & !NUMBER) <= limit;
        is_near.then_some((least & NUMBER) as usize)
    }

    /// The nearest of them, if it may be that near; it is looked at from now on.
    #[inline(always)]
    fn next(&mut self, limit: f32) -> Option<usize> {
        let child = self.nearest(limit)?;
        if let Some(key) = self.keys.get_mut(child) {
            *key = NONE;
        }
        Some(self.first + child)
    }
}

const NOTHING: Frame = Frame { keys: [NONE; LANES], first: 0 };

impl<'s, K: Kernel> Walk<'_, 's, K> {
    /// Whether nothing more may be looked at.
    #[inline(always)]
    fn is_over(&self) -> bool {
        self.seek.incomplete.is_some()
    }

    // What follows is compiled once for each kernel, and called: as a part of whatever calls it, it would be there many times.
    fn tree<I: Isa>(&mut self, isa: I, tree: &Tree) -> Result<(), Error> {
        if tree.judged.way == Way::Walk && tree.shape.levels() > 0 {
            let (seek, kernel) = (&mut *self.seek, self.kernel);
            return isa.enter(Descent { seek, kernel, tree });
        }
        for leaf in 0..tree.shape.leaves() {
            if self.is_over() {
                break;
            }
            let Some((numbers, owners, count)) = tree.leaf(leaf) else { continue };
            self.points(isa, (numbers, owners), count)?;
        }
        Ok(())
    }

    /// Looks at so many points that lie in no order.
    fn loose<I: Isa>(&mut self, isa: I, (leaves, count): &(Leaves, usize)) -> Result<(), Error> {
        let room = leaves.room();
        for leaf in 0..count.div_ceil(room) {
            if self.is_over() {
                break;
            }
            let some = (count - leaf * room).min(room);
            let Some(row) = leaves.row(leaf) else { continue };
            self.points(isa, row, some)?;
        }
        Ok(())
    }

    /// Looks at the points of a buffer.
    fn buffer<I: Isa>(&mut self, isa: I, buffer: &Buffer) -> Result<(), Error> {
        for block in buffer.blocks() {
            if self.is_over() {
                break;
            }
            match block.numbers() {
                Some(numbers) => self.points(isa, (numbers, block.owners()), BLOCK)?,
                None => self.block(isa, block)?,
            }
        }
        Ok(())
    }

    /// Looks at those of a block that are ready.
    fn block<I: Isa>(&mut self, isa: I, block: &Block) -> Result<(), Error> {
        let ready = block.ready();
        let mut columns = vec![0.0; LANES * self.kernel.dim()];
        for first in (0..BLOCK).step_by(LANES) {
            let some = (ready >> first) as u16;
            if some == 0 || self.is_over() {
                continue;
            }
            block.lay_out(ready, first, &mut columns);
            let numbers = bytemuck::cast_slice(&columns);
            let allowed = self.seek.allowed(some.count_ones() as usize);
            let (sixteen, some) =
                (Sixteen { numbers, owners: block.owners(), first }, lowest(some, allowed));
            isa.enter(Compare { seek: self.seek, kernel: self.kernel, sixteen, some })?;
        }
        Ok(())
    }

    /// Looks at the first so many points of a leaf.
    #[inline(always)]
    fn points<I: Isa>(
        &mut self,
        isa: I,
        (numbers, owners): (&[u8], OwnersRow<'_>),
        count: usize,
    ) -> Result<(), Error> {
        let (seek, kernel) = (&mut *self.seek, self.kernel);
        isa.enter(Points { seek, kernel, numbers, owners, count })
    }
}

/// Sixteen points are compared, of which some are wanted.
struct Compare<'l, 's, K> {
    seek: &'l mut Seek<'s>,
    kernel: K,
    sixteen: Sixteen<'l>,
    some: u16,
}

impl<K: Kernel> Work for Compare<'_, '_, K> {
    type Answer = Result<(), Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Compare { seek, kernel, sixteen, some } = self;
        let squares = kernel.points(isa, sixteen.numbers);
        let near = some & !isa.above(squares, isa.splat(seek.limit));
        if near == 0 {
            return Ok(());
        }
        isa.enter(Note { seek, sixteen, squares: isa.numbers(squares), near })
    }
}

/// The points of a leaf are compared.
struct Points<'l, 's, K> {
    seek: &'l mut Seek<'s>,
    kernel: K,
    numbers: &'l [u8],
    owners: OwnersRow<'l>,
    count: usize,
}

impl<K: Kernel> Work for Points<'_, '_, K> {
    type Answer = Result<(), Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Points { seek, kernel, numbers, owners, count } = self;
        // Of what is near enough it is asked whose it is, and that lies elsewhere.
        for first in (0..count).step_by(LANES) {
            owners.fetch(isa, first);
        }
        let allowed = seek.allowed(count);
        let width = COLUMN * kernel.dim();
        for first in (0..allowed).step_by(LANES) {
            let at = first / LANES * width;
            let numbers = numbers.get(at..at + width).unwrap_or_default();
            let some = lowest(u16::MAX, allowed - first);
            let sixteen = Sixteen { numbers, owners, first };
            Compare { seek, kernel, sixteen, some }.run(isa)?;
        }
        Ok(())
    }
}

/// A walk down a tree, and up again.
struct Descent<'l, 's, K> {
    seek: &'l mut Seek<'s>,
    kernel: K,
    tree: &'l Tree,
}

impl<K: Kernel> Work for Descent<'_, '_, K> {
    type Answer = Result<(), Error>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Descent { seek, kernel, tree } = self;
        let levels = tree.shape.levels();
        let mut frames = [NOTHING; LEVELS_MAX];
        let (mut level, mut node) = (0, 0);
        loop {
            // Down to a node.
            let row = tree.firsts.get(level).map_or(0, |first| first + node);
            // Of one that is not what was written, they are infinitely far.
            let squares = isa.numbers(kernel.boxes(isa, tree.boxes.row(row)));
            let Some(frame) = frames.get_mut(level) else { return Ok(()) };
            *frame = Frame::new(squares, node * LANES);
            if level == 0 {
                frame.keys.iter_mut().skip(tree.shape.fan()).for_each(|key| *key = NONE);
            }
            loop {
                let Some(frame) = frames.get_mut(level) else { return Ok(()) };
                let Some(child) = frame.next(seek.limit) else {
                    // All others are farther.
                    match level.checked_sub(1) {
                        Some(above) => level = above,
                        None => return Ok(()),
                    }
                    continue;
                };
                if level + 1 < levels {
                    (level, node) = (level + 1, child);
                    break;
                }
                // What comes next, most likely, is fetched while this is looked at.
                if let Some(next) = frame.nearest(seek.limit) {
                    tree.fetch(isa, frame.first + next);
                }
                if let Some((numbers, owners, count)) = tree.leaf(child) {
                    isa.enter(Points { seek: &mut *seek, kernel, numbers, owners, count })?;
                }
                if seek.incomplete.is_some() {
                    return Ok(());
                }
            }
        }
    }
}

/// So many of the lowest bits that are set.
#[inline(always)]
fn lowest(bits: u16, count: usize) -> u16 {
    if count >= LANES {
        return bits;
    }
    if bits == u16::MAX {
        return ((1_u32 << count) - 1) as u16;
    }
    let (mut left, mut kept) = (bits, 0);
    for _ in 0..count {
        kept |= left & left.wrapping_neg();
        left &= left.wrapping_sub(1);
    }
    kept
}
