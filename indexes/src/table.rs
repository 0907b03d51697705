//! Rows of bytes: our own, which can be written, or lent by an image, which are copied before.

use std::sync::Arc;

use bytes::Bytes;

use crate::image::Image;
use crate::rows::Rows;

/// Rows of bytes.
#[derive(Clone, Debug)]
pub(crate) enum Table {
    Own(Rows<u8>),
    Lent(Lent),
}

/// Rows that lie in an image.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    image: Arc<Image>,
    /// Where they are in its data.
    first: usize,
    bytes: Bytes,
    shape: Shape,
    rows: usize,
}

/// What rows are like, and how many of them a piece has when they are our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) width: usize,
    pub(crate) piece: usize,
}

impl Lent {
    /// So many rows that lie in an image from one byte on, where its data begins at another.
    pub(crate) fn new(
        image: &Arc<Image>,
        (data, first): (usize, usize),
        (rows, shape): (usize, Shape),
    ) -> Option<Self> {
        let end = first.checked_add(rows.checked_mul(shape.width)?)?;
        let bytes = (end <= image.bytes().len()).then(|| image.bytes().slice(first..end))?;
        Some(Lent { image: Arc::clone(image), first: first.checked_sub(data)?, bytes, shape, rows })
    }

    /// A row; if it is to be checked and is not what was written, or not there, nothing.
    #[inline(always)]
    fn row<const CHECK: bool>(&self, at: usize) -> &[u8] {
        if at >= self.rows {
            return &[];
        }
        let width = self.shape.width;
        let begin = at * width;
        if CHECK && !self.image.has(self.first + begin, width) {
            return &[];
        }
        self.bytes.get(begin..begin + width).unwrap_or_default()
    }
}

impl Table {
    /// No rows yet.
    pub(crate) fn new(Shape { width, piece }: Shape) -> Self {
        Table::Own(Rows::new(width, piece))
    }

    pub(crate) fn width(&self) -> usize {
        match self {
            Table::Own(rows) => rows.width(),
            Table::Lent(lent) => lent.shape.width,
        }
    }

    /// For how many rows there is room.
    #[inline(always)]
    pub(crate) fn room(&self) -> usize {
        match self {
            Table::Own(rows) => rows.room(),
            Table::Lent(lent) => lent.rows,
        }
    }

    /// A row; nothing, if it is not there. What an image lends is verified before, if it should be checked.
    #[inline(always)]
    pub(crate) fn row<const CHECK: bool>(&self, at: usize) -> &[u8] {
        match self {
            Table::Own(rows) => rows.row(at),
            Table::Lent(lent) => lent.row::<CHECK>(at),
        }
    }

    /// The rows, to be written: they are copied, if they are lent.
    pub(crate) fn own(&mut self) -> &mut Rows<u8> {
        if let Table::Lent(lent) = self {
            let mut own = Rows::new(lent.shape.width, lent.shape.piece);
            own.reserve(lent.rows);
            for at in 0..lent.rows {
                own.row_mut(at).copy_from_slice(lent.row::<false>(at));
            }
            *self = Table::Own(own);
        }
        match self {
            Table::Own(rows) => rows,
            // It was replaced just now.
            Table::Lent(_) => unreachable!("rows that are lent were copied"),
        }
    }

    /// How many bytes it holds itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Table::Own(rows) => rows.bytes(),
            Table::Lent(_) => 0,
        }
    }
}
