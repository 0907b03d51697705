//! A range of points that is split into halves, and down to its leaves.

use std::ops::Range;

use crate::kdtree::shape::Shape;
use crate::lanes::LANES;

/// So many points of a range say in which dimension it is widest.
const SAMPLES: usize = 32;

/// From so many rows on a sample says about where their middle is, and from so many on a larger one.
const MANY: usize = 512;
const VERY_MANY: usize = 1 << 14;

/// What a split needs besides.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Numbers of one dimension, in order as numbers, with the row that each is of.
    keys: Vec<u64>,
    lowest: Vec<f32>,
    highest: Vec<f32>,
}

impl Scratch {
    pub(super) fn new(dim: usize) -> Self {
        Scratch { keys: Vec::new(), lowest: vec![0.0; dim], highest: vec![0.0; dim] }
    }
}

/// Puts rows of some width into the room, those that are before others along an axis first: so many.
fn split_rows(
    (width, axis, before): (usize, usize, usize),
    rows: &[u32],
    room: &mut [u32],
    keys: &mut Vec<u64>,
) {
    // Rows of a known width are a few registers.
    macro_rules! choose {
        ($($width:literal)*) => {
            match width {
                $($width => {
                    let (rows, room) = (rows.as_chunks().0, room.as_chunks_mut().0);
                    split_known::<$width>((axis, before), rows, room, keys);
                })*
                _ => {
                    let numbers = rows.chunks_exact(width).filter_map(|row| row.get(axis));
                    select(numbers, before, keys);
                    for (into, key) in room.chunks_exact_mut(width).zip(keys.iter()) {
                        let at = row_of(*key) * width;
                        let from = rows.get(at..at + width).unwrap_or_default();
                        into.iter_mut().zip(from).for_each(|(into, from)| *into = *from);
                    }
                }
            }
        };
    }
    choose!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17);
}

fn split_known<const WIDTH: usize>(
    (axis, before): (usize, usize),
    rows: &[[u32; WIDTH]],
    room: &mut [[u32; WIDTH]],
    keys: &mut Vec<u64>,
) {
    if rows.len() >= MANY && split_many((axis, before), rows, room, keys) {
        return;
    }
    select(rows.iter().filter_map(|row| row.get(axis)), before, keys);
    for (into, key) in room.iter_mut().zip(keys.iter()) {
        if let Some(from) = rows.get(row_of(*key)) {
            *into = *from;
        }
    }
}

/// The same in one pass, but for the few rows that may be in the middle; or not at all, where a sample does not say which those are.
fn split_many<const WIDTH: usize>(
    (axis, before): (usize, usize),
    rows: &[[u32; WIDTH]],
    room: &mut [[u32; WIDTH]],
    keys: &mut Vec<u64>,
) -> bool {
    let number = |row: &[u32; WIDTH]| row.get(axis).map_or(0, |bits| ordered(*bits));
    let Some((low, high)) = around_middle(rows.iter().map(number), before) else { return false };
    keys.clear();
    let (mut first, mut end) = (0, room.len());
    for (at, row) in (0..).zip(rows) {
        let number = number(row);
        let (is_before, is_behind) = (number < low, number > high);
        // Written in any case, and written over by the next one if it is in the middle: so there is no branch to be guessed.
        let place = if is_before { first } else { end.wrapping_sub(1) };
        if let Some(into) = room.get_mut(place) {
            *into = *row;
        }
        first += usize::from(is_before);
        end -= usize::from(is_behind);
        if !is_before && !is_behind {
            keys.push(u64::from(number) << 32 | at);
        }
    }
    let Some(more) = before.checked_sub(first).filter(|more| *more <= keys.len()) else {
        return false;
    };
    if more < keys.len() {
        keys.select_nth_unstable(more);
    }
    for (into, key) in room.iter_mut().skip(first).zip(keys.iter()) {
        if let Some(from) = rows.get(row_of(*key)) {
            *into = *from;
        }
    }
    true
}

/// Between which two numbers, most likely, the one is that so many are before, and not many others.
fn around_middle(numbers: impl ExactSizeIterator<Item = u32>, before: usize) -> Option<(u32, u32)> {
    let count = numbers.len();
    let every = count / if count >= VERY_MANY { 512 } else { 128 };
    let mut sample: Vec<u32> = numbers.skip(every / 2).step_by(every).collect();
    sample.sort_unstable();
    // It is off by half of that, as a rule, and hardly ever by more.
    let (middle, off) = (before * sample.len() / count, sample.len().isqrt());
    Some((*sample.get(middle.checked_sub(off)?)?, *sample.get(middle + off)?))
}

/// Makes a key of each number, and puts those of so many of the lowest before the others.
fn select<'n>(numbers: impl Iterator<Item = &'n u32>, before: usize, keys: &mut Vec<u64>) {
    keys.clear();
    keys.extend((0..).zip(numbers).map(|(at, bits)| u64::from(ordered(*bits)) << 32 | at));
    if before < keys.len() {
        keys.select_nth_unstable(before);
    }
}

/// The row that a key is of.
fn row_of(key: u64) -> usize {
    key as u32 as usize
}

/// Points, and the leaves they are on their way to.
pub(super) struct Task<'t> {
    dim: usize,
    shape: Shape,
    leaves: Range<usize>,
    /// Rows, and room for as many.
    rows: [&'t mut [u32]; 2],
    numbers: &'t mut [f32],
    owners: &'t mut [u32],
    hulls: &'t mut [f32],
}

/// Bits of floats that are in order as whole numbers.
fn ordered(bits: u32) -> u32 {
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

impl<'t> Task<'t> {
    /// All points of a tree.
    pub(super) fn new(
        (dim, shape): (usize, Shape),
        [rows, room]: [&'t mut Vec<u32>; 2],
        (numbers, owners, hulls): (&'t mut [f32], &'t mut [u32], &'t mut [f32]),
    ) -> Self {
        let leaves = 0..shape.leaves();
        Task { dim, shape, leaves, rows: [rows, room], numbers, owners, hulls }
    }

    /// Those of some of its leaves.
    pub(super) fn part(&mut self, leaves: Range<usize>) -> Task<'_> {
        let (task, _) = self.lend().skip_to(leaves.start).cut(leaves.end);
        task
    }

    /// The same, lent.
    fn lend(&mut self) -> Task<'_> {
        let [rows, room] = &mut self.rows;
        Task {
            dim: self.dim,
            shape: self.shape,
            leaves: self.leaves.clone(),
            rows: [rows, room],
            numbers: self.numbers,
            owners: self.owners,
            hulls: self.hulls,
        }
    }

    /// Without the leaves before one of them.
    pub(super) fn skip_to(self, leaf: usize) -> Self {
        let (_, behind) = self.cut(leaf);
        behind
    }

    /// In two, before one of its leaves.
    pub(super) fn cut(self, leaf: usize) -> (Self, Self) {
        let Task { dim, shape, leaves, rows: [rows, room], numbers, owners, hulls } = self;
        let count = leaf - leaves.start;
        let points = shape.first(leaf) - shape.first(leaves.start);
        let room_of_leaf = shape.blocks() * LANES;
        let (rows, more_rows) = rows.split_at_mut(points * (dim + 1));
        let (room, more_room) = room.split_at_mut(points * (dim + 1));
        let (numbers, more_numbers) = numbers.split_at_mut(count * room_of_leaf * dim);
        let (owners, more_owners) = owners.split_at_mut(count * room_of_leaf);
        let (hulls, more_hulls) = hulls.split_at_mut(count * 2 * dim);
        let one = Task {
            dim,
            shape,
            leaves: leaves.start..leaf,
            rows: [rows, room],
            numbers,
            owners,
            hulls,
        };
        let other = Task {
            dim,
            shape,
            leaves: leaf..leaves.end,
            rows: [more_rows, more_room],
            numbers: more_numbers,
            owners: more_owners,
            hulls: more_hulls,
        };
        (one, other)
    }

    /// With rows where there was room.
    pub(super) fn flipped(self) -> Self {
        let [rows, room] = self.rows;
        Task { rows: [room, rows], ..self }
    }

    /// Splits down to the leaves.
    pub(super) fn split_all(&mut self, scratch: &mut Scratch) {
        if self.leaves.len() <= 1 {
            return self.write_leaf();
        }
        let middle = self.split(scratch);
        let (one, other) = self.lend().flipped().cut(middle);
        for mut half in [one, other] {
            half.split_all(scratch);
        }
    }

    /// Splits it; answers with the first leaf of the second half.
    pub(super) fn split(&mut self, scratch: &mut Scratch) -> usize {
        let middle = self.leaves.start + self.leaves.len() / 2;
        let axis = self.widest(scratch);
        let before = self.shape.first(middle) - self.shape.first(self.leaves.start);
        let width = self.dim + 1;
        let [rows, room] = &mut self.rows;
        split_rows((width, axis, before), rows, room, &mut scratch.keys);
        middle
    }

    /// In which dimension some of its points are farthest apart.
    fn widest(&self, Scratch { lowest, highest, .. }: &mut Scratch) -> usize {
        lowest.fill(f32::INFINITY);
        highest.fill(f32::NEG_INFINITY);
        let [rows, _] = &self.rows;
        let width = self.dim + 1;
        let every = (rows.len() / width).div_ceil(SAMPLES).max(1);
        for row in rows.chunks_exact(width).step_by(every) {
            let bounds = lowest.iter_mut().zip(highest.iter_mut());
            for ((lowest, highest), bits) in bounds.zip(row) {
                let number = f32::from_bits(*bits);
                *lowest = lowest.min(number);
                *highest = highest.max(number);
            }
        }
        let widths = lowest.iter().zip(highest.iter()).map(|(lowest, highest)| highest - lowest);
        let widest = widths.enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other));
        widest.map_or(0, |(axis, _)| axis)
    }

    /// Writes the points of a leaf to their places.
    fn write_leaf(&mut self) {
        let Task { dim, rows: [rows, _], numbers, owners, hulls, .. } = self;
        let dim = *dim;
        let (lowest, highest) = hulls.split_at_mut(dim.min(hulls.len()));
        lowest.fill(f32::INFINITY);
        highest.fill(f32::NEG_INFINITY);
        for (lane, row) in rows.chunks_exact(dim + 1).enumerate() {
            let Some((owner, row)) = row.split_last() else { continue };
            let first = lane / LANES * LANES * dim + lane % LANES;
            let places = numbers.get_mut(first..).unwrap_or_default().iter_mut().step_by(LANES);
            let bounds = lowest.iter_mut().zip(highest.iter_mut());
            for ((place, (lowest, highest)), bits) in places.zip(bounds).zip(row) {
                let number = f32::from_bits(*bits);
                *place = number;
                *lowest = lowest.min(number);
                *highest = highest.max(number);
            }
            if let Some(place) = owners.get_mut(lane) {
                *place = *owner;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::Random;

    /// Numbers in some order: by chance, rising, few different ones, all the same, and as no sample would expect.
    fn numbers(order: usize, count: usize, random: &mut Random) -> Vec<f32> {
        let number = |at: usize, random: &mut Random| match order {
            0 => random.gaussian(),
            1 => at as f32,
            2 => random.below(3) as f32,
            3 => 7.0,
            // Those that a sample takes are much larger than all others.
            _ if at % (count / 128) == count / 128 / 2 => 1e6 + at as f32,
            _ => random.gaussian(),
        };
        (0..count).map(|at| number(at, random)).collect()
    }

    #[test]
    fn the_lowest_come_before_the_others_and_none_is_lost() {
        let mut random = Random(1);
        let mut is_in_one_pass = [false; 2];
        for order in 0..5 {
            for count in [511, 512, 513, 5_000, 16_383, 16_384, 40_000] {
                let numbers = numbers(order, count, &mut random);
                let rows: Vec<[u32; 2]> =
                    (0..).zip(&numbers).map(|(at, it)| [it.to_bits(), at]).collect();
                for before in [count / 2, count / 3, 1, count - 1] {
                    let (mut room, mut keys) = (vec![[u32::MAX; 2]; count], Vec::new());
                    let whole = split_many((0, before), &rows, &mut room, &mut keys);
                    is_in_one_pass[usize::from(whole)] = true;
                    split_known::<2>((0, before), &rows, &mut room, &mut keys);
                    let number = |row: &[u32; 2]| f32::from_bits(row[0]);
                    let highest = room[..before].iter().map(number).fold(f32::MIN, f32::max);
                    let lowest = room[before..].iter().map(number).fold(f32::MAX, f32::min);
                    assert!(highest <= lowest, "{order}: {before} of {count}");
                    room.sort_unstable_by_key(|row| row[1]);
                    assert!(room == rows, "{order}: {before} of {count}");
                }
            }
        }
        assert_eq!(is_in_one_pass, [true, true]);
    }
}
