//! The codes of a graph's vectors: what is asked of a node lies together, so that one visit is few cache lines.
//!
//! A row is the upper plane of a vector (`codes.rs`) and, in the cache line behind it, what it means. The lower plane
//! lies apart: it is asked only of the few that may be in the answer.

use super::between::{Meaning, Planes};
use crate::codes::Limit;
use crate::codes::{CodedQuery, DIM_MAX, Fine, Shape, encode, is_beyond, upper_products};
use crate::lanes::{Isa, STEP};
use crate::query::check;
use crate::rows::rows_a_piece;
use crate::slots::WORD;
use crate::table::{self, Table};
use crate::{Error, Metric, Pool, SlotSet, Vectors};
use base::Slot;

// A sum over both planes is a whole number.
const _: () = assert!((16 + 1) * 15 * 128 * DIM_MAX <= i32::MAX as usize);

/// Codes by slots.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    dim: usize,
    shape: Shape,
    /// How many bytes a plane has.
    plane: usize,
    rows: Table,
    lower: Table,
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

/// What rows are like for vectors of so many numbers, and lower planes.
pub(super) fn shapes(dim: usize) -> [table::Shape; 2] {
    let plane = dim.div_ceil(STEP) * (STEP / 2);
    let width = plane + crate::rows::LINE;
    let piece = rows_a_piece(width);
    [width, plane].map(|width| table::Shape { width, piece })
}

impl Nodes {
    pub(super) fn new(dim: usize, metric: Metric) -> Self {
        Nodes::of(dim, metric, shapes(dim).map(Table::new))
    }

    /// Codes that are there.
    pub(super) fn of(dim: usize, metric: Metric, [rows, lower]: [Table; 2]) -> Self {
        let plane = lower.width();
        Nodes { dim, shape: metric.into(), plane, rows, lower }
    }

    /// The rows, and the lower planes.
    pub(super) fn tables(&self) -> [&Table; 2] {
        [&self.rows, &self.lower]
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + self.lower.bytes()
    }

    /// Copies what is lent.
    pub(super) fn make_own(&mut self) {
        self.rows.own();
        self.lower.own();
    }

    fn reserve(&mut self, end: usize) {
        self.rows.own().reserve(end);
        self.lower.own().reserve(end);
    }

    /// Makes the code of a vector.
    pub(super) fn set(&mut self, slot: u32, vector: &[f32]) {
        let at = slot as usize;
        self.reserve(at + 1);
        let row = self.rows.own().row_mut(at).split_at_mut_checked(self.plane);
        let Some((upper, beside)) = row else { return };
        encode_node(self.shape, vector, (upper, self.lower.own().row_mut(at)), beside);
    }

    /// Makes the codes of the vectors in these slots, on all threads.
    pub(super) fn set_all(
        &mut self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        self.reserve(slots.words() * WORD);
        let (shape, plane, width) = (self.shape, self.plane, self.rows.width());
        let slots_a_piece = rows_a_piece(width);
        let pieces = self.rows.own().pieces_mut().zip(self.lower.own().pieces_mut()).enumerate();
        let done = pool.each(pieces.collect(), |(piece, (rows, lower))| {
            let rows = rows.chunks_exact_mut(width).zip(lower.chunks_exact_mut(plane));
            for (at, (row, lower)) in rows.enumerate() {
                let slot = Slot((piece * slots_a_piece + at) as u32);
                if !slots.contains(slot) {
                    continue;
                }
                let vector = vectors.vector(slot)?;
                check(&vector, vectors.dim())?;
                let Some((upper, beside)) = row.split_at_mut_checked(plane) else { continue };
                encode_node(shape, &vector, (upper, lower), beside);
            }
            Ok(())
        });
        done.into_iter().collect()
    }

    /// A vector as both its planes say it is.
    pub(super) fn decoded(&self, slot: u32) -> Vec<f32> {
        let Some((upper, Beside { fine_base, step, .. })) = self.row::<false>(slot) else {
            return Vec::new();
        };
        let step = encode::fine_step(step);
        let planes = upper.iter().zip(self.lower.row::<false>(slot as usize).as_chunks::<64>().0);
        let code = |upper: u8, lower: u8| fine_base + step * f32::from(16 * upper + lower);
        let numbers = planes.flat_map(|(upper, lower)| {
            let bytes = || upper.iter().zip(lower);
            let low = bytes().map(move |(upper, lower)| code(upper & 15, lower & 15));
            low.chain(bytes().map(move |(upper, lower)| code(upper >> 4, lower >> 4)))
        });
        numbers.take(self.dim).collect()
    }

    /// The row of a slot: its upper plane, and what stands beside it.
    #[inline(always)]
    fn row<const CHECK: bool>(&self, slot: u32) -> Option<(&[[u8; 64]], Beside)> {
        let (upper, beside) = self.rows.row::<CHECK>(slot as usize).split_at_checked(self.plane)?;
        Some((upper.as_chunks().0, Beside::read(beside)?))
    }

    /// The code of a slot, to be compared with those of others.
    #[inline(always)]
    pub(super) fn planes<I: Isa>(&self, isa: I, slot: u32) -> Option<Planes<'_>> {
        let (upper, beside) = self.row::<false>(slot)?;
        let lower = self.lower.row::<false>(slot as usize).as_chunks().0;
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
        &self,
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
        &self,
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
        &self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        sum: i32,
    ) -> f32 {
        let Some((_, Beside { step, fine_base, fine_half, .. })) = self.row::<false>(slot) else {
            return f32::INFINITY;
        };
        let lower = self.lower.row::<CHECK>(slot as usize).as_chunks().0;
        let sum = 16 * sum + upper_products(isa, lower, query);
        fine_half - query.product(fine_base, encode::fine_step(step), sum)
    }

    /// Whether both planes prove that a vector is beyond the limit.
    #[inline(always)]
    pub(super) fn is_beyond<I: Isa, const CHECK: bool>(
        &self,
        isa: I,
        query: &CodedQuery,
        slot: u32,
        limit: Limit,
    ) -> bool {
        let Some((upper, beside)) = self.row::<CHECK>(slot) else { return false };
        let fine = Fine {
            base: beside.fine_base,
            step: encode::fine_step(beside.step),
            error: beside.fine_error,
            size: beside.fine_size,
        };
        let lower = self.lower.row::<CHECK>(slot as usize).as_chunks().0;
        is_beyond(isa, query, fine, (upper, lower), limit)
    }

    /// Says that the score of a slot will be asked soon.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(&self, isa: I, slot: u32) {
        for line in self.rows.row::<false>(slot as usize).as_chunks::<64>().0 {
            isa.fetch(line);
        }
    }

    /// Says that the lower plane of a slot will be asked soon.
    #[inline(always)]
    pub(super) fn fetch_lower<I: Isa>(&self, isa: I, slot: u32) {
        for line in self.lower.row::<false>(slot as usize).as_chunks::<64>().0 {
            isa.fetch(line);
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
