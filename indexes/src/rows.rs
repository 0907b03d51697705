//! Rows of equal length that begin at cache lines and never move: what an index holds, in pieces.
//!
//! Promises
//!  1. A row that begins a multiple of [`LINE`] bytes behind the first one begins at a cache line.
//!  2. Growing copies nothing. Room that was not written to costs no memory.

/// How many bytes a cache line has.
pub(crate) const LINE: usize = 64;

/// So many rows lie one behind the other at least: a word of slots is never torn apart.
const PIECE_MIN: usize = crate::slots::WORD;

/// And so many at most.
const PIECE_MAX: usize = 4_096;

/// A piece should not take more bytes than this.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Rows<T> {
    width: usize,
    /// How many rows a piece has: a power of two.
    piece: usize,
    pieces: Vec<Piece<T>>,
}

/// How many rows of so many bytes a piece has.
pub(crate) fn rows_a_piece(bytes: usize) -> usize {
    let fit = PIECE_BYTES / bytes.max(1);
    (fit / 2 + 1).next_power_of_two().clamp(PIECE_MIN, PIECE_MAX)
}

#[derive(Debug)]
struct Piece<T> {
    cells: Vec<T>,
    /// Where the first cell is that begins a cache line.
    first: usize,
    /// How many cells count.
    len: usize,
}

impl<T: Copy + Default> Piece<T> {
    fn new(len: usize) -> Self {
        let cells = vec![T::default(); len + LINE / size_of::<T>()];
        // Where it cannot be had (only the interpreter says so) rows lie as they come.
        let first = Some(cells.as_ptr().align_offset(LINE)).filter(|it| it + len <= cells.len());
        Piece { first: first.unwrap_or(0), cells, len }
    }

    fn get(&self) -> &[T] {
        self.cells.get(self.first..self.first + self.len).unwrap_or_default()
    }

    fn get_mut(&mut self) -> &mut [T] {
        self.cells.get_mut(self.first..self.first + self.len).unwrap_or_default()
    }
}

impl<T: Copy + Default> Clone for Piece<T> {
    fn clone(&self) -> Self {
        // Elsewhere cache lines begin elsewhere.
        let mut piece = Piece::new(self.len);
        piece.get_mut().copy_from_slice(self.get());
        piece
    }
}

impl<T: Copy + Default> Clone for Rows<T> {
    fn clone(&self) -> Self {
        Rows { width: self.width, piece: self.piece, pieces: self.pieces.clone() }
    }
}

impl<T: Copy + Default> Rows<T> {
    /// No rows yet, of so many cells each, and so many of them in a piece.
    pub(crate) fn new(width: usize, piece: usize) -> Self {
        Rows { width, piece, pieces: Vec::new() }
    }

    /// For how many rows there is room.
    pub(crate) fn room(&self) -> usize {
        self.pieces.len() * self.piece
    }

    /// Makes room for so many.
    pub(crate) fn reserve(&mut self, rows: usize) {
        while self.room() < rows {
            self.pieces.push(Piece::new(self.piece * self.width));
        }
    }

    /// A row; nothing, if there is no room for it.
    #[inline]
    pub(crate) fn row(&self, at: usize) -> &[T] {
        self.run(at, 1)
    }

    /// So many rows from one on; nothing, if they do not lie one behind the other.
    #[inline]
    pub(crate) fn run(&self, first: usize, count: usize) -> &[T] {
        let mask = self.piece - 1;
        let Some(piece) = self.pieces.get(first >> mask.count_ones()) else { return &[] };
        let begin = (first & mask) * self.width;
        piece.get().get(begin..begin + count * self.width).unwrap_or_default()
    }

    pub(crate) fn row_mut(&mut self, at: usize) -> &mut [T] {
        let mask = self.piece - 1;
        let Some(piece) = self.pieces.get_mut(at >> mask.count_ones()) else { return &mut [] };
        let begin = (at & mask) * self.width;
        piece.get_mut().get_mut(begin..begin + self.width).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 64;

    #[test]
    fn rows_begin_at_cache_lines_and_stay_where_they_are() {
        let mut rows = Rows::<f32>::new(16, PIECE);
        rows.reserve(1);
        rows.row_mut(5).fill(5.0);
        let place = rows.row(5).as_ptr();
        rows.reserve(PIECE + 1);
        assert_eq!((rows.room(), rows.row(5).as_ptr()), (2 * PIECE, place));
        assert_eq!((rows.row(5), rows.row(PIECE)), (&[5.0; 16][..], &[0.0; 16][..]));
        let copy = rows.clone();
        for rows in [&rows, &copy] {
            for row in [0, 5, PIECE - 1, PIECE, 2 * PIECE - 1] {
                assert_eq!(rows.row(row).as_ptr().align_offset(LINE), 0, "{row}");
            }
        }
        assert_eq!(copy.row(5), rows.row(5));
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        let mut rows = Rows::<u8>::new(3, PIECE);
        assert_eq!(rows.row(0), [0; 0]);
        rows.reserve(1);
        assert_eq!((rows.row(PIECE), rows.run(PIECE - 1, 2)), (&[][..], &[][..]));
        assert_eq!(rows.row_mut(PIECE), [0; 0]);
        assert_eq!(rows.run(PIECE - 2, 2), [0; 6]);
    }

    #[test]
    fn pieces_are_neither_large_nor_short() {
        let cases =
            [(1, 4_096), (192, 4_096), (512, 2_048), (1_536, 512), (1 << 20, 64), (0, 4_096)];
        for (bytes, rows) in cases {
            assert_eq!(rows_a_piece(bytes), rows, "{bytes}");
        }
    }
}
