//! Rows of equal length that begin at cache lines and never move: what an index holds, in pieces.
//!
//! Promises
//!  1. A row that begins a multiple of [`LINE`] bytes behind the first one begins at a cache line.
//!  2. Growing copies nothing. Room that was not written to costs no memory.

/// How many bytes a cache line has.
pub(crate) const LINE: usize = 64;

/// How many rows lie one behind the other.
pub(crate) const PIECE: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Rows<T> {
    width: usize,
    pieces: Vec<Piece<T>>,
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
        Rows { width: self.width, pieces: self.pieces.clone() }
    }
}

impl<T: Copy + Default> Rows<T> {
    /// No rows yet, of so many cells each.
    pub(crate) fn new(width: usize) -> Self {
        Rows { width, pieces: Vec::new() }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// For how many rows there is room.
    pub(crate) fn room(&self) -> usize {
        self.pieces.len() * PIECE
    }

    /// Makes room for so many.
    pub(crate) fn reserve(&mut self, rows: usize) {
        while self.room() < rows {
            self.pieces.push(Piece::new(PIECE * self.width));
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
        let Some(piece) = self.pieces.get(first / PIECE) else { return &[] };
        let begin = (first % PIECE) * self.width;
        piece.get().get(begin..begin + count * self.width).unwrap_or_default()
    }

    pub(crate) fn row_mut(&mut self, at: usize) -> &mut [T] {
        let Some(piece) = self.pieces.get_mut(at / PIECE) else { return &mut [] };
        let begin = (at % PIECE) * self.width;
        piece.get_mut().get_mut(begin..begin + self.width).unwrap_or_default()
    }

    /// All rows there is room for, piece by piece, for several to write at the same time.
    pub(crate) fn pieces_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        self.pieces.iter_mut().map(Piece::get_mut)
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.room() * self.width * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_at_cache_lines_and_stay_where_they_are() {
        let mut rows = Rows::<f32>::new(16);
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
        let mut rows = Rows::<u8>::new(3);
        assert_eq!(rows.row(0), [0; 0]);
        rows.reserve(1);
        assert_eq!((rows.row(PIECE), rows.run(PIECE - 1, 2)), (&[][..], &[][..]));
        assert_eq!(rows.row_mut(PIECE), [0; 0]);
        assert_eq!(rows.run(PIECE - 2, 2), [0; 6]);
    }
}
