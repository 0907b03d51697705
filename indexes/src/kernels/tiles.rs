//! Products of 16 rows with several queries at a time: rows and queries lie so that no sum is made across lanes.
//!
//! A tile holds 16 rows, number by number: first the first ones of all rows, then the second ones. Whole numbers go by
//! fours. Queries are packed the same way, a few of them at a time ([`group`]), so that every number that was loaded
//! is used as often as there are registers.

use crate::lanes::{GATHER_AFTER, Isa, LANES};

/// Sixteen rows of nibbles, each in a byte, by fours.
pub(crate) type Nibbles = Vec<[[u8; 4]; LANES]>;

/// Sixteen rows of floats.
pub(crate) type Numbers = Vec<[f32; LANES]>;

/// Puts a row into a tile of nibbles, of which the planes have been spread over bytes. Fours that a row does not have
/// stay as they are.
#[inline(always)]
pub(crate) fn spread(tile: &mut [[[u8; 4]; LANES]], row: usize, plane: &[[u8; 64]]) {
    let steps = tile.chunks_mut(32).zip(plane);
    for (fours, plane) in steps {
        let (low, high) = fours.split_at_mut(fours.len().min(16));
        let plane = plane.as_chunks::<4>().0;
        for (fours, shift) in [(low, 0), (high, 4)] {
            for (four, bytes) in fours.iter_mut().zip(plane) {
                if let Some(place) = four.get_mut(row) {
                    *place = ((u32::from_le_bytes(*bytes) >> shift) & 0x0f0f_0f0f).to_le_bytes();
                }
            }
        }
    }
}

/// Packs queries: the first of what each has, then the second.
pub(crate) fn group<T: Copy, const QUERIES: usize>(queries: [&[T]; QUERIES]) -> Vec<[T; QUERIES]> {
    let shortest = queries.iter().map(|it| it.len()).min().unwrap_or(0);
    let of = |at| {
        let mut packed = queries.iter().filter_map(|query: &&[T]| query.get(at).copied());
        let first = packed.next()?;
        let mut made = [first; QUERIES];
        made.iter_mut().skip(1).zip(packed).for_each(|(place, it)| *place = it);
        Some(made)
    };
    (0..shortest).map_while(of).collect()
}

/// The sums of products of 16 rows with each of some queries.
#[inline(always)]
pub(crate) fn whole_products<I: Isa, const QUERIES: usize>(
    isa: I,
    tile: &[[[u8; 4]; LANES]],
    queries: &[[[i8; 4]; QUERIES]],
) -> [I::Wholes; QUERIES] {
    let mut sums = [isa.no_wholes(); QUERIES];
    for (tile, queries) in tile.chunks(GATHER_AFTER).zip(queries.chunks(GATHER_AFTER)) {
        let mut partials = [isa.no_partials(); QUERIES];
        for (rows, fours) in tile.iter().zip(queries) {
            let rows = isa.bytes(rows);
            for (partial, four) in partials.iter_mut().zip(fours) {
                *partial = isa.multiply(*partial, rows, isa.four(*four));
            }
        }
        for (sum, partial) in sums.iter_mut().zip(partials) {
            *sum = isa.gather(*sum, partial);
        }
    }
    sums
}

/// The same of floats: off by [`product_error`] of the product of both lengths, at most.
#[inline(always)]
pub(crate) fn products<I: Isa, const QUERIES: usize>(
    isa: I,
    tile: &[[f32; LANES]],
    queries: &[[f32; QUERIES]],
) -> [I::Floats; QUERIES] {
    let mut sums = [isa.splat(0.0); QUERIES];
    for (rows, numbers) in tile.iter().zip(queries) {
        let rows = isa.load(rows);
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum = isa.mul_add(rows, isa.splat(*number), *sum);
        }
    }
    sums
}

/// By how much a product of so many pairs is off, at most, as a part of the product of both lengths.
pub(crate) fn product_error(dim: usize) -> f64 {
    (dim + 2) as f64 * f64::from(f32::EPSILON) / 2.0
}

#[cfg(test)]
mod tests;
