//! Room that grows and never moves: pieces, each twice as long as the one before, made when they are first needed.
//!
//! Whoever reads waits for nobody; whoever needs a piece first makes it. Room that was not written to costs no memory.

use std::sync::OnceLock;

use bytemuck::Zeroable;

/// With so many pieces there is room for every row there can be, if the first has 64.
const PIECES: usize = 27;

/// The fewest rows that the first piece has.
const FIRST_MIN: usize = 64;

/// Rows of so many cells, which are zero at first.
#[derive(Debug)]
pub(crate) struct Pieces<T> {
    /// How many cells a row has.
    width: usize,
    /// How many rows the first piece has is a power of two, of which this is the exponent.
    first: u32,
    pieces: [OnceLock<Box<[T]>>; PIECES],
}

impl<T: Zeroable> Pieces<T> {
    /// No rows yet, of so many cells each; at least so many of them in the first piece.
    pub(crate) fn new(width: usize, first: usize) -> Self {
        let first = first.max(FIRST_MIN).next_power_of_two().trailing_zeros();
        Pieces { width, first, pieces: [const { OnceLock::new() }; PIECES] }
    }

    /// In which piece a row is, and where in it.
    #[inline(always)]
    fn place(&self, row: usize) -> (usize, usize) {
        let at = (row >> self.first) + 1;
        let piece = at.ilog2();
        (piece as usize, row - (((1 << piece) - 1) << self.first))
    }

    /// A row; nothing, if there is no room for it.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[T] {
        let (piece, at) = self.place(row);
        let Some(cells) = self.pieces.get(piece).and_then(OnceLock::get) else { return &[] };
        cells.get(at * self.width..(at + 1) * self.width).unwrap_or_default()
    }

    /// A row, for which room is made.
    pub(crate) fn make(&self, row: usize) -> &[T] {
        let (piece, _) = self.place(row);
        if let Some(place) = self.pieces.get(piece) {
            place.get_or_init(|| bytemuck::zeroed_slice_box((self.width << self.first) << piece));
        }
        self.row(row)
    }

    /// Above every row for which there is room, if room was made from the first one on.
    pub(crate) fn end(&self) -> usize {
        let made = self.pieces.iter().take_while(|piece| piece.get().is_some()).count();
        ((1 << made) - 1) << self.first
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        let cells: usize = self.pieces.iter().filter_map(OnceLock::get).map(|it| it.len()).sum();
        cells * size_of::<T>()
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
    fn there_is_a_place_for_the_last_row() {
        let pieces = Pieces::<u64>::new(1, 1);
        assert_eq!(pieces.place(u32::MAX as usize).0, PIECES - 1);
    }
}
