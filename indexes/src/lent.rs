//! Rows of bytes that lie in an image.

use std::sync::Arc;

use bytes::Bytes;

use crate::image::Image;

/// Rows that lie in an image.
#[derive(Clone, Debug)]
pub(crate) struct LentRows {
    image: Arc<Image>,
    /// Where they are in its data.
    first: usize,
    bytes: Bytes,
    width: usize,
    rows: usize,
}

impl LentRows {
    /// So many rows that lie in an image from one byte on, where its data begins at another.
    pub(crate) fn new(
        image: &Arc<Image>,
        (data, first): (usize, usize),
        (rows, width): (usize, usize),
    ) -> Option<Self> {
        let end = first.checked_add(rows.checked_mul(width)?)?;
        let bytes = (end <= image.bytes().len()).then(|| image.bytes().slice(first..end))?;
        let first = first.checked_sub(data)?;
        Some(LentRows { image: Arc::clone(image), first, bytes, width, rows })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.rows
    }

    /// A row; if it is to be checked and is not what was written, or not there, nothing.
    #[inline(always)]
    pub(crate) fn row<const CHECK: bool>(&self, at: usize) -> &[u8] {
        if at >= self.rows {
            return &[];
        }
        let begin = at * self.width;
        if CHECK && !self.image.has(self.first + begin, self.width) {
            return &[];
        }
        self.bytes.get(begin..begin + self.width).unwrap_or_default()
    }
}
