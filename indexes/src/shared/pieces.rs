//! Room that grows and never moves: pieces, each twice as long as the one before, made when they are first needed.
//!
//! Whoever reads waits for nobody; whoever needs a piece first makes it. Room that was not written to costs no memory,
//! but for what is left of a large page (`pages.rs`).
//!
//! Why not a cell of the standard library for each piece: a row is asked for some thousand times a search, and what those say
//! of themselves would be read each time, too.
#![expect(unsafe_code, reason = "finds a row in a few instructions")]

use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

use bytemuck::Zeroable;

use super::pages::prefer_large;

/// With so many pieces there is room for every row there can be, if the first has 64; a power of two is found without asking
/// whether it is one of them.
const PIECES: usize = 32;

/// The fewest rows that the first piece has.
const FIRST_MIN: usize = 64;

/// Rows of so many cells, which are zero at first.
#[derive(Debug)]
pub(crate) struct Pieces<T> {
    /// How many cells a row has.
    width: usize,
    /// How many rows the first piece has is a power of two, of which this is the exponent.
    first: u32,
    /// The first cell of each piece; none, before it is made. They are freed when this is dropped, and not before.
    pieces: [AtomicPtr<T>; PIECES],
    owned: PhantomData<Box<[T]>>,
}

impl<T: Zeroable> Pieces<T> {
    /// No rows yet, of so many cells each; at least so many of them in the first piece.
    pub(crate) fn new(width: usize, first: usize) -> Self {
        let first = first.max(FIRST_MIN).next_power_of_two().trailing_zeros();
        let pieces = [const { AtomicPtr::new(std::ptr::null_mut()) }; PIECES];
        Pieces { width, first, pieces, owned: PhantomData }
    }

    /// In which piece a row is, and where in it: below the length of that piece.
    #[inline(always)]
    fn place(&self, row: usize) -> (usize, usize) {
        let at = (row >> self.first) + 1;
        let piece = at.ilog2();
        (piece as usize % PIECES, row - (((1 << piece) - 1) << self.first))
    }

    /// A row; nothing, if there is no room for it.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[T] {
        self.rows(row, 1)
    }

    /// So many rows, a power of two, from a multiple of it on; nothing, if there is no room for them, or they are too many to
    /// lie in one piece.
    #[inline(always)]
    pub(crate) fn rows(&self, row: usize, count: usize) -> &[T] {
        // No piece is so long: what is beyond all of them must not be found in one.
        let is_whole = count.is_power_of_two() && count <= FIRST_MIN && row.is_multiple_of(count);
        if row > u32::MAX as usize || !is_whole {
            return &[];
        }
        let (piece, at) = self.place(row);
        let Some(place) = self.pieces.get(piece) else { return &[] };
        let cells = place.load(Ordering::Acquire);
        if cells.is_null() {
            return &[];
        }
        // SAFETY: the piece was made by `make`, with `len` cells. It has `1 << first << piece` rows, and `at` is below that.
        let row = unsafe { cells.add(at * self.width) };
        // SAFETY: for the same reason all cells of the row are in the piece; those of the rows behind it are, too, as every piece
        // begins and ends at a multiple of `FIRST_MIN` rows, and so of `count`. They were there before the piece's first one was
        // stored, and are until `self` is dropped.
        unsafe { std::slice::from_raw_parts(row, self.width * count) }
    }

    /// A row, for which room is made, and for all before it.
    pub(crate) fn make(&self, row: usize) -> &[T] {
        let (last, _) = self.place(row);
        for (piece, place) in self.pieces.iter().enumerate().take(last + 1) {
            if place.load(Ordering::Acquire).is_null() {
                let made = bytemuck::zeroed_slice_box::<T>(self.len(piece));
                prefer_large(&made);
                let (made, none) = (Box::into_raw(made).cast::<T>(), std::ptr::null_mut());
                if place.compare_exchange(none, made, Ordering::AcqRel, Ordering::Acquire).is_err()
                {
                    // Another one was faster.
                    self.free(made, piece);
                }
            }
        }
        self.row(row)
    }

    /// Above every row for which there is room.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        let is_made = |place: &&AtomicPtr<T>| !place.load(Ordering::Acquire).is_null();
        let made = self.pieces.iter().take_while(is_made).count();
        ((1 << made) - 1) << self.first
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.made().map(|(piece, _)| self.len(piece)).sum::<usize>() * size_of::<T>()
    }
}

impl<T> Pieces<T> {
    /// How many cells a piece has.
    fn len(&self, piece: usize) -> usize {
        (self.width << self.first) << piece
    }

    fn free(&self, cells: *mut T, piece: usize) {
        let cells = std::ptr::slice_from_raw_parts_mut(cells, self.len(piece));
        // SAFETY: `make` got it from a box of as many cells, and either nobody else ever had it, or nobody has it any more.
        drop(unsafe { Box::from_raw(cells) });
    }

    fn made(&self) -> impl Iterator<Item = (usize, *mut T)> {
        let pieces = self.pieces.iter().map(|place| place.load(Ordering::Acquire)).enumerate();
        pieces.filter(|(_, cells)| !cells.is_null())
    }
}

impl<T> Drop for Pieces<T> {
    fn drop(&mut self) {
        // Nobody has a row any more: they were lent by `self`.
        self.made().for_each(|(piece, cells)| self.free(cells, piece));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_place_and_keeps_it() {
        for first in [1, 64, 100, 4_096] {
            let pieces = Pieces::<u64>::new(3, first);
            assert_eq!(pieces.row(0), [0; 0]);
            let mut places = Vec::new();
            for row in 0..10_000 {
                assert_eq!(pieces.make(row), [0; 3], "{row}");
                places.push(pieces.row(row).as_ptr() as usize);
            }
            assert!((10_000..20_000 + first).contains(&pieces.end()), "{}", pieces.end());
            assert_eq!(pieces.row(pieces.end()), [0; 0]);
            assert!((0..10_000).all(|row| pieces.row(row).as_ptr() as usize == places[row]));
            places.sort_unstable();
            assert!(places.windows(2).all(|two| two[1] - two[0] >= 24));
        }
    }

    #[test]
    fn rows_that_belong_together_lie_one_behind_the_other() {
        let pieces = Pieces::<u64>::new(3, 64);
        pieces.make(200);
        for count in [1, 2, 16, 64] {
            for row in (0..448).step_by(count) {
                let rows = pieces.rows(row, count);
                assert_eq!((rows.as_ptr(), rows.len()), (pieces.row(row).as_ptr(), 3 * count));
            }
        }
        let none = [(0, 3), (8, 16), (0, 128), (0, 0), (448, 64), (usize::MAX - 15, 16)];
        assert!(none.iter().all(|(row, count)| pieces.rows(*row, *count).is_empty()));
    }

    #[test]
    fn there_is_a_place_for_the_last_row() {
        let pieces = Pieces::<u64>::new(1, 1);
        assert_eq!(pieces.place(u32::MAX as usize).0, 26);
        assert_eq!(pieces.row(usize::MAX), [0; 0]);
    }

    #[test]
    fn there_is_room_for_all_before_a_row() {
        let pieces = Pieces::<u64>::new(2, 64);
        assert_eq!((pieces.make(1_000), pieces.end()), (&[0; 2][..], 64 * 31));
        assert!((0..1_984).all(|row| pieces.row(row) == [0; 2]) && pieces.row(1_984).is_empty());
        assert_eq!(pieces.bytes(), 1_984 * 16);
    }

    #[test]
    fn of_several_who_make_a_piece_one_does() {
        for _ in 0..200 {
            let pieces = Pieces::<u64>::new(1, 64);
            let make = || pieces.make(500).as_ptr() as usize;
            let made = std::thread::scope(|scope| {
                [scope.spawn(make), scope.spawn(make)].map(|it| it.join().expect("made"))
            });
            assert_eq!(made[0], made[1]);
        }
    }
}
