//! The codes of vectors by their slots: what is asked of a slot lies together, so that one visit is few cache lines.
//!
//! A row is the upper plane of a vector and, in the cache line behind it, what it means. The lower plane
//! lies apart: it is asked only of the few that may be in the answer.

use std::sync::Arc;

use base::Slot;

use super::{
    Coarse, CodedQuery, Fine, Limit, Shape, Sums, beyond, encode, is_beyond, put, upper_products,
};
use crate::lanes::{Isa, LANES, STEP};
use crate::lent::{LentRows, Tables};
use crate::rows::{LINE, rows_a_piece};
use crate::shared::{Held, Pin, Readers, Rows, RowsInUse, RunInUse};
use crate::{Error, Metric};

/// Codes by slots.
#[derive(Debug)]
pub(crate) struct Codes {
    dim: usize,
    shape: Shape,
    /// How many bytes a plane has.
    plane: usize,
    rows: Place,
}

/// Where the rows of slots are, and their lower planes.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
enum Place {
    Own(Rows),
    Lent([LentRows; 2]),
}

/// Codes, for as long as somebody has a pin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodesInUse<'p> {
    dim: usize,
    shape: Shape,
    plane: usize,
    rows: PlaceInUse<'p>,
}

#[derive(Clone, Copy, Debug)]
enum PlaceInUse<'p> {
    Own(RowsInUse<'p>),
    Lent(&'p [LentRows; 2]),
}

/// What stands behind an upper plane, as numbers of four bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    pub(crate) base: f32,
    pub(crate) step: f32,
    /// Half of the square of the length of what the upper plane says, less half of that of its error: as the error points
    /// anywhere, that is what a score should have to it. 0 where scores are products.
    pub(crate) half: f32,
    /// How far the vector is from what its upper plane says.
    pub(crate) error: f32,
    pub(crate) fine_base: f32,
    pub(crate) fine_error: f32,
    pub(crate) fine_size: f32,
    /// As `half`, of both planes.
    pub(crate) fine_half: f32,
    /// What bounds by the upper plane are made of (`Coarse`): how far it is off at most, and its size.
    pub(crate) bound_error: f32,
    pub(crate) bound_size: f32,
}

/// All of a code.
pub(crate) struct Whole<'p> {
    pub(crate) upper: &'p [[u8; 64]],
    pub(crate) beside: Beside,
    pub(crate) lower: &'p [[u8; 64]],
}

impl Beside {
    #[inline(always)]
    fn read(bytes: &[u8]) -> Option<Self> {
        let numbers = bytes.as_chunks::<4>().0.first_chunk::<10>()?;
        let [base, step, half, error, fine_base, fine_error, fine_size, fine_half, bounds @ ..] =
            numbers.map(f32::from_le_bytes);
        let [bound_error, bound_size] = bounds;
        Some(Beside {
            base,
            step,
            half,
            error,
            fine_base,
            fine_error,
            fine_size,
            fine_half,
            bound_error,
            bound_size,
        })
    }

    fn write(self, bytes: &mut [u8]) {
        let numbers = [
            self.base,
            self.step,
            self.half,
            self.error,
            self.fine_base,
            self.fine_error,
            self.fine_size,
            self.fine_half,
            self.bound_error,
            self.bound_size,
        ];
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
pub(crate) fn widths(dim: usize) -> [usize; 2] {
    [plane_of(dim) + LINE, plane_of(dim)]
}

impl Codes {
    /// None yet.
    pub(crate) fn new(dim: usize, metric: Metric, readers: &Arc<Readers>) -> Self {
        let widths = widths(dim);
        let rows = Rows::new(readers, widths, rows_a_piece(widths.iter().sum()));
        Codes { dim, shape: metric.into(), plane: plane_of(dim), rows: Place::Own(rows) }
    }

    /// Codes that lie in the next tables of an image.
    pub(crate) fn lent(dim: usize, metric: Metric, tables: &mut Tables) -> Result<Self, Error> {
        let rows = Place::Lent([tables.next()?, tables.next()?]);
        Ok(Codes { dim, shape: metric.into(), plane: plane_of(dim), rows })
    }

    /// A copy of those of these slots.
    pub(crate) fn copied(
        &self,
        slots: impl Iterator<Item = Slot>,
        readers: &Arc<Readers>,
        pin: &Pin<'_>,
    ) -> Self {
        let Codes { dim, shape, plane, .. } = *self;
        let [first, second] = widths(dim);
        let rows = Rows::new(readers, [first, second], rows_a_piece(first + second));
        let these = self.under(pin);
        for slot in slots {
            copy(&rows, slot, these.both::<false, false>(slot.0));
        }
        Codes { dim, shape, plane, rows: Place::Own(rows) }
    }

    pub(crate) fn bytes(&self) -> usize {
        match &self.rows {
            Place::Own(rows) => rows.bytes(),
            Place::Lent(_) => 0,
        }
    }

    /// The codes, to be read under a pin.
    pub(crate) fn under<'p>(&'p self, pin: &'p Pin<'_>) -> CodesInUse<'p> {
        let Codes { dim, shape, plane, .. } = *self;
        let rows = match &self.rows {
            Place::Own(rows) => PlaceInUse::Own(rows.under(pin)),
            Place::Lent(rows) => PlaceInUse::Lent(rows),
        };
        CodesInUse { dim, shape, plane, rows }
    }

    /// The rows, to be written: nothing, where they lie in an image.
    pub(crate) fn own(&self) -> Option<&Rows> {
        match &self.rows {
            Place::Own(rows) => Some(rows),
            Place::Lent(_) => None,
        }
    }

    /// Makes the code of a vector, which nobody sees before it is opened; nothing, if another one is in its place.
    pub(crate) fn make(&self, slot: u32, vector: &[f32]) -> Option<Held<'_>> {
        let mut held = self.own()?.hold(slot as usize)?;
        held.write(|row, lower| {
            let (upper, beside) = row.split_at_mut_checked(self.plane)?;
            encode_row(self.shape, vector, (upper, lower), beside);
            Some(())
        })?;
        Some(held)
    }
}

impl<'p> CodesInUse<'p> {
    pub(crate) fn shape(self) -> Shape {
        self.shape
    }

    pub(crate) fn dim(self) -> usize {
        self.dim
    }

    /// The row of a slot, its gate left out where there is one.
    #[inline(always)]
    pub(crate) fn first<const CHECK: bool>(self, slot: u32) -> &'p [u8] {
        match self.rows {
            PlaceInUse::Own(rows) => rows.first(slot as usize),
            PlaceInUse::Lent([rows, _]) => rows.row::<CHECK>(slot as usize),
        }
    }

    /// The same, and the lower plane.
    #[inline(always)]
    pub(crate) fn both<const FIRST: bool, const SECOND: bool>(
        self,
        slot: u32,
    ) -> (&'p [u8], &'p [u8]) {
        match self.rows {
            PlaceInUse::Own(rows) => rows.both(slot as usize),
            PlaceInUse::Lent([rows, lower]) => {
                (rows.row::<FIRST>(slot as usize), lower.row::<SECOND>(slot as usize))
            }
        }
    }

    /// The row of a slot: its upper plane, and what stands beside it.
    #[inline(always)]
    pub(crate) fn row<const CHECK: bool>(self, slot: u32) -> Option<(&'p [[u8; 64]], Beside)> {
        self.split(self.first::<CHECK>(slot))
    }

    /// The same, and its lower plane.
    #[inline(always)]
    pub(crate) fn whole<const FIRST: bool, const SECOND: bool>(
        self,
        slot: u32,
    ) -> Option<Whole<'p>> {
        let (row, lower) = self.both::<FIRST, SECOND>(slot);
        let (upper, beside) = row.split_at_checked(self.plane)?;
        let (upper, lower) = (upper.as_chunks().0, lower.as_chunks().0);
        Some(Whole { upper, beside: Beside::read(beside)?, lower })
    }

    /// Which of 16 slots at most are proved to be beyond the limit by their upper planes: a bit for each.
    #[inline(always)]
    pub(crate) fn are_beyond<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        slots: &[u32],
        limit: Limit,
    ) -> u16 {
        let mut seen = Seen::NOTHING;
        for (lane, slot) in slots.iter().enumerate() {
            seen.look(isa, query, lane, self.row::<CHECK>(*slot));
        }
        seen.beyond(isa, query, limit)
    }

    /// The same of 16 slots from one on, a multiple of 16, which lie one behind the other.
    #[inline(always)]
    pub(crate) fn sixteen_are_beyond<I: Isa, const CHECK: bool>(
        self,
        isa: I,
        query: &CodedQuery,
        first: u32,
        limit: Limit,
    ) -> u16 {
        let (mut seen, rows) = (Seen::NOTHING, self.sixteen(first));
        for lane in 0..LANES {
            seen.look(isa, query, lane, rows.row::<CHECK>(lane));
        }
        seen.beyond(isa, query, limit)
    }

    /// 16 slots from one on, a multiple of 16.
    #[inline(always)]
    pub(crate) fn sixteen(self, first: u32) -> Sixteen<'p> {
        let run = match self.rows {
            PlaceInUse::Own(rows) => Some(rows.run(first as usize, LANES)),
            PlaceInUse::Lent(_) => None,
        };
        Sixteen { codes: self, run, first }
    }

    /// The upper plane of a row, and what stands beside it.
    #[inline(always)]
    fn split(self, row: &[u8]) -> Option<(&[[u8; 64]], Beside)> {
        let (upper, beside) = row.split_at_checked(self.plane)?;
        Some((upper.as_chunks().0, Beside::read(beside)?))
    }

    /// Whether both planes prove that a vector is beyond the limit.
    #[inline(always)]
    pub(crate) fn is_beyond<I: Isa, const CHECK: bool>(
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
    pub(crate) fn fetch<I: Isa>(self, isa: I, slot: u32) {
        match self.rows {
            PlaceInUse::Own(rows) => {
                for line in rows.first_lines(slot as usize) {
                    isa.fetch(line);
                }
            }
            PlaceInUse::Lent([rows, _]) => {
                for line in rows.row::<false>(slot as usize).as_chunks::<64>().0 {
                    isa.fetch(line);
                }
            }
        }
    }

    /// Says that the lower plane of a slot will be asked soon.
    #[inline(always)]
    pub(crate) fn fetch_lower<I: Isa>(self, isa: I, slot: u32) {
        match self.rows {
            PlaceInUse::Own(rows) => {
                for line in rows.second_lines(slot as usize) {
                    isa.fetch(line);
                }
            }
            PlaceInUse::Lent([_, lower]) => {
                for line in lower.row::<false>(slot as usize).as_chunks::<64>().0 {
                    isa.fetch(line);
                }
            }
        }
    }
}

/// What is seen of 16 slots by their upper planes.
struct Seen {
    coarse: Coarse,
    sums: Sums,
}

impl Seen {
    /// Of what was not looked at nothing is proved.
    const NOTHING: Self = Seen { coarse: Coarse::UNKNOWN, sums: [0; LANES] };

    /// Looks at the row of one of them, if it is there.
    #[inline(always)]
    fn look<I: Isa>(
        &mut self,
        isa: I,
        query: &CodedQuery,
        lane: usize,
        row: Option<(&[[u8; 64]], Beside)>,
    ) {
        if let Some((upper, beside)) = row {
            self.coarse.put(lane, beside);
            put(&mut self.sums, lane, upper_products(isa, upper, query));
        }
    }

    /// Those that are beyond the limit: a bit for each.
    #[inline(always)]
    fn beyond<I: Isa>(&self, isa: I, query: &CodedQuery, limit: Limit) -> u16 {
        beyond(isa, query.coarse(), &self.coarse, isa.wholes(&self.sums), limit)
    }
}

/// Codes of 16 slots.
#[derive(Clone, Copy)]
pub(crate) struct Sixteen<'p> {
    codes: CodesInUse<'p>,
    /// Where they lie one behind the other.
    run: Option<RunInUse<'p>>,
    first: u32,
}

impl<'p> Sixteen<'p> {
    /// The upper plane of one of them, and what stands beside it.
    #[inline(always)]
    pub(crate) fn row<const CHECK: bool>(self, lane: usize) -> Option<(&'p [[u8; 64]], Beside)> {
        match self.run {
            Some(run) => self.codes.split(run.first(lane)),
            None => self.codes.row::<CHECK>(self.first + lane as u32),
        }
    }
}

/// Puts a row and a lower plane into a slot, and opens it. Of a row from an image the gate is there, too, and is left out.
fn copy(rows: &Rows, slot: Slot, (from, behind): (&[u8], &[u8])) {
    let Some(mut held) = rows.hold(slot.0 as usize) else { return };
    held.write(|row, lower| {
        row.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
        lower.iter_mut().zip(behind).for_each(|(into, from)| *into = *from);
    });
    held.open();
}

/// Makes the code of a vector.
fn encode_row(shape: Shape, vector: &[f32], planes: (&mut [u8], &mut [u8]), beside: &mut [u8]) {
    let made = encode::encode(shape, vector, planes);
    let [base, step, bound_error, size] = made.coarse;
    let [fine_base, fine_error, fine_size] = made.fine;
    let half_of = |size: f32, error: f32| (size - error * error) / 2.0;
    let (error, half, fine_half) = match shape {
        Shape::Product => (bound_error, 0.0, 0.0),
        _ if bound_error.is_finite() => {
            (bound_error, half_of(size, bound_error), half_of(fine_size, fine_error))
        }
        // What has no direction is at a right angle to everything; what is too long is far from everything.
        Shape::Directions => (0.0, 0.5, 0.5),
        Shape::Apart => (0.0, f32::MAX, f32::MAX),
    };
    let error = if error.is_finite() { error } else { 0.0 };
    Beside {
        base,
        step,
        half,
        error,
        fine_base,
        fine_error,
        fine_size,
        fine_half,
        bound_error,
        bound_size: size,
    }
    .write(beside);
}
