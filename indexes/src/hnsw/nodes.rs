//! The codes of a graph's vectors: what is asked of a node lies together, so that one visit is few cache lines.
//!
//! A row is the upper plane of a vector (`codes.rs`) and, in the cache line behind it, what it means. The lower plane
//! lies apart: it is asked only of the few that may be in the answer.

use std::sync::Arc;

use base::Slot;

use super::between::{Meaning, Planes};
use crate::Metric;
use crate::codes::Limit;
use crate::codes::{CodedQuery, DIM_MAX, Fine, Shape, encode, is_beyond, upper_products};
use crate::lanes::{Isa, STEP};
use crate::lent::LentRows;
use crate::rows::{LINE, rows_a_piece};
use crate::shared::{Held, Pin, Readers, Rows, RowsInUse};

// A sum over both planes is a whole number.
const _: () = assert!((16 + 1) * 15 * 128 * DIM_MAX <= i32::MAX as usize);

/// Codes by slots.
#[derive(Debug)]
pub(super) struct Nodes {
    dim: usize,
    shape: Shape,
    /// How many bytes a plane has.
    plane: usize,
    rows: Tables,
}

/// The rows of nodes, and their lower planes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
enum Tables {
    Own(Rows),
    Lent([LentRows; 2]),
}

/// Codes, for as long as somebody has a pin.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodesInUse<'p> {
    dim: usize,
    shape: Shape,
    plane: usize,
    rows: TablesInUse<'p>,
}

#[derive(Clone, Copy, Debug)]
enum TablesInUse<'p> {
    Own(RowsInUse<'p>),
    Lent(&'p [LentRows; 2]),
}

/// What stands behind an upper plane, as numbers of four bytes.
#[derive(Clone, Copy, Debug)]
struct Beside {
    base: f32,
    step: f32,
    /// Half of the square of the length of what the upper plane says, less half of that of its error: as the error points
    /// anywhere, that is what a score should have to it. 0 where scores are products.
    half: f32,
    /// How far the vector is from what its upper plane says.
    error: f32,
    fine_base: f32,
    fine_error: f32,
    fine_size: f32,
    /// As `half`, of both planes.
    fine_half: f32,
}

/// All of a code.
struct Whole<'p> {
    upper: &'p [[u8; 64]],
    beside: Beside,
    lower: &'p [[u8; 64]],
}

impl Beside {
    #[inline(always)]
    fn read(bytes: &[u8]) -> Option<Self> {
        let numbers = bytes.as_chunks::<4>().0.first_chunk::<8>()?;
        let [base, step, half, error, fine_base, fine_error, fine_size, fine_half] =
            numbers.map(f32::from_le_bytes);
        Some(Beside { base, step, half, error, fine_base, fine_error, fine_size, fine_half })
    }

    fn write(self, bytes: &mut [u8]) {
        let Beside { base, step, half, error, fine_base, fine_error, fine_size, fine_half } = self;
        let numbers = [base, step, half, error, fine_base, fine_error, fine_size, fine_half];
        for (place, number) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
    }
}

/// How many bytes the plane of a vector of so many numbers has.
fn plane_of(dim: usize) -> usize {
    dim.div_ceil(STEP) * (STEP / 2)
}

/// How many bytes a row has for vectors of so many numbers, and a lower plane.
pub(super) fn widths(dim: usize) -> [usize; 2] {
    [plane_of(dim) + LINE, plane_of(dim)]
}

impl Nodes {
    /// None yet.
    pub(super) fn new(dim: usize, metric: Metric, readers: &Arc<Readers>) -> Self {
        let widths = widths(dim);
        let rows = Rows::new(readers, widths, rows_a_piece(widths.iter().sum()));
        Nodes { dim, shape: metric.into(), plane: plane_of(dim), rows: Tables::Own(rows) }
    }

    /// Codes that lie in an image.
    pub(super) fn lent(dim: usize, metric: Metric, rows: [LentRows; 2]) -> Self {
        Nodes { dim, shape: metric.into(), plane: plane_of(dim), rows: Tables::Lent(rows) }
    }

    /// A copy of those of these slots.
    pub(super) fn copied(
        &self,
        slots: impl Iterator<Item = Slot>,
        readers: &Arc<Readers>,
        pin: &Pin<'_>,
    ) -> Self {
        let Nodes { dim, shape, plane, .. } = *self;
        let [first, second] = widths(dim);
        let rows = Rows::new(readers, [first, second], rows_a_piece(first + second));
        let these = self.under(pin);
        for slot in slots {
            let Some(mut held) = rows.hold(slot.0 as usize) else { continue };
            held.write(|row, lower| {
                // Of one that is lent the gate is there, too.
                let (from, behind) = these.both::<false, false>(slot.0);
                row.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
                lower.iter_mut().zip(behind).for_each(|(into, from)| *into = *from);
            });
            held.open();
        }
        Nodes { dim, shape, plane, rows: Tables::Own(rows) }
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.rows {
            Tables::Own(rows) => rows.bytes(),
            Tables::Lent(_) => 0,
        }
    }

    /// The codes, to be read under a pin.
    pub(super) fn under<'p>(&'p self, pin: &'p Pin<'_>) -> NodesInUse<'p> {
        let Nodes { dim, shape, plane, .. } = *self;
        let rows = match &self.rows {
            Tables::Own(rows) => TablesInUse::Own(rows.under(pin)),
            Tables::Lent(rows) => TablesInUse::Lent(rows),
        };
        NodesInUse { dim, shape, plane, rows }
    }

    /// The rows, to be written: nothing, where they lie in an image.
    pub(super) fn own(&self) -> Option<&Rows> {
        match &self.rows {
            Tables::Own(rows) => Some(rows),
            Tables::Lent(_) => None,
        }
    }

    /// Makes the code of a vector, which nobody sees before it is opened; nothing, if another one is in its place.
    pub(super) fn make(&self, slot: u32, vector: &[f32]) -> Option<Held<'_>> {
        let mut held = self.own()?.hold(slot as usize)?;
        held.write(|row, lower| {
            let (upper, beside) = row.split_at_mut_checked(self.plane)?;
            encode_node(self.shape, vector, (upper, lower), beside);
            Some(())
        })?;
        Some(held)
    }
}

impl<'p> NodesInUse<'p> {
    pub(super) fn shape(self) -> Shape {
        self.shape
    }

    pub(super) fn dim(self) -> usize {
        self.dim
    }

    /// The row of a slot, its gate left out where there is one.
    #[inline(always)]
    pub(super) fn first<const CHECK: bool>(self, slot: u32) -> &'p [u8] {
        match self.rows {
            TablesInUse::Own(rows) => rows.first(slot as usize),
            TablesInUse::Lent([rows, _]) => rows.row::<CHECK>(slot as usize),
        }
    }

    /// The same, and the lower plane.
    #[inline(always)]
    pub(super) fn both<const FIRST: bool, const SECOND: bool>(
        self,
        slot: u32,
    ) -> (&'p [u8], &'p [u8]) {
        match self.rows {
            TablesInUse::Own(rows) => rows.both(slot as usize),
            TablesInUse::Lent([rows, lower]) => {
                (rows.row::<FIRST>(slot as usize), lower.row::<SECOND>(slot as usize))
            }
        }
    }

    /// The row of a slot: its upper plane, and what stands beside it.
    #[inline(always)]
    fn row<const CHECK: bool>(self, slot: u32) -> Option<(&'p [[u8; 64]], Beside)> {
        let (upper, beside) = self.first::<CHECK>(slot).split_at_checked(self.plane)?;
        Some((upper.as_chunks().0, Beside::read(beside)?))
    }

    /// The same, and its lower plane.
    #[inline(always)]
    fn whole<const FIRST: bool, const SECOND: bool>(self, slot: u32) -> Option<Whole<'p>> {
        let (row, lower) = self.both::<FIRST, SECOND>(slot);
        let (upper, beside) = row.split_at_checked(self.plane)?;
        let (upper, lower) = (upper.as_chunks().0, lower.as_chunks().0);
        Some(Whole { upper, beside: Beside::read(beside)?, lower })
    }

    /// The code of a slot, to be compared with those of others.
    #[inline(always)]
    pub(super) fn planes<I: Isa>(self, isa: I, slot: u32) -> Option<Planes<'p>> {
        let Whole { upper, beside, lower } = self.whole::<false, false>(slot)?;
        let Beside { base, step, half, error, fine_base, fine_error, fine_size, fine_half } =
            beside;
        let coarse = Meaning { base, step, half, error, length: fine_size };
        let step = encode::fine_step(step);
        let (half, error) = (fine_half, fine_error);
        let fine = Meaning { base: fine_base, step, half, error, length: fine_size };
        Some(Planes::new(isa, (upper, lower), (coarse, fine)))
    }

    /// Something that grows with how far a vector is from a query, by its upper plane alone.
    #[inline(always)]
    pub(super) fn guess<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
    ) -> f32 {
        let Some((upper, Beside { base, step, half, .. })) = self.row::<CHECK>(slot) else {
            return f32::INFINITY;
        };
        half - query.product(base, step, upper_products(isa, upper, query))
    }

    /// The sum of products that the guess is made of; nothing, if the guess is beyond `least`, less what it is off by: about
    /// `reach` times how far the upper plane is from the vector.
    #[inline(always)]
    pub(super) fn glance<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        (least, reach): (f32, f32),
    ) -> Option<i32> {
        let (upper, Beside { base, step, half, error, .. }) = self.row::<CHECK>(slot)?;
        let sum = upper_products(isa, upper, query);
        let guess = half - query.product(base, step, sum);
        // Not the other way round: what is no number is looked at.
        if guess - reach * error > least { None } else { Some(sum) }
    }

    /// The same as a guess, by both planes: the sum of products with the upper one is there already.
    #[inline(always)]
    pub(super) fn score<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        sum: i32,
    ) -> f32 {
        let Some(Whole { beside, lower, .. }) = self.whole::<false, CHECK>(slot) else {
            return f32::INFINITY;
        };
        let Beside { step, fine_base, fine_half, .. } = beside;
        let sum = 16 * sum + upper_products(isa, lower, query);
        fine_half - query.product(fine_base, encode::fine_step(step), sum)
    }

    /// Whether both planes prove that a vector is beyond the limit.
    #[inline(always)]
    pub(super) fn is_beyond<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        limit: Limit,
    ) -> bool {
        let Some(whole) = self.whole::<CHECK, CHECK>(slot) else { return false };
        let Whole { upper, beside, lower } = whole;
        let fine = Fine {
            base: beside.fine_base,
            step: encode::fine_step(beside.step),
            error: beside.fine_error,
            size: beside.fine_size,
        };
        is_beyond(isa, query, fine, (upper, lower), limit)
    }

    /// Says that the score of a slot will be asked soon.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(self, isa: I, slot: u32) {
        match self.rows {
            TablesInUse::Own(rows) => {
                for line in rows.first_lines(slot as usize) {
                    isa.fetch(line);
                }
            }
            TablesInUse::Lent([rows, _]) => {
                for line in rows.row::<false>(slot as usize).as_chunks::<64>().0 {
                    isa.fetch(line);
                }
            }
        }
    }

    /// Says that the lower plane of a slot will be asked soon.
    #[inline(always)]
    pub(super) fn fetch_lower<I: Isa>(self, isa: I, slot: u32) {
        match self.rows {
            TablesInUse::Own(rows) => {
                for line in rows.second_lines(slot as usize) {
                    isa.fetch(line);
                }
            }
            TablesInUse::Lent([_, lower]) => {
                for line in lower.row::<false>(slot as usize).as_chunks::<64>().0 {
                    isa.fetch(line);
                }
            }
        }
    }
}

/// Makes the code of a vector.
fn encode_node(shape: Shape, vector: &[f32], planes: (&mut [u8], &mut [u8]), beside: &mut [u8]) {
    let made = encode::encode(shape, vector, planes);
    let [base, step, error, size] = made.coarse;
    let [fine_base, fine_error, fine_size, _] = made.fine;
    let half_of = |size: f32, error: f32| (size - error * error) / 2.0;
    let (error, half, fine_half) = match shape {
        Shape::Product => (error, 0.0, 0.0),
        _ if error.is_finite() => (error, half_of(size, error), half_of(fine_size, fine_error)),
        // What has no direction is at a right angle to everything; what is too long is far from everything.
        Shape::Directions => (0.0, 0.5, 0.5),
        Shape::Apart => (0.0, f32::MAX, f32::MAX),
    };
    let error = if error.is_finite() { error } else { 0.0 };
    Beside { base, step, half, error, fine_base, fine_error, fine_size, fine_half }.write(beside);
}
