//! Rows of bytes that lie in an image, table by table.

use std::sync::Arc;

use bytes::Bytes;

use crate::Error;
use crate::format::{ALIGNMENT, HEADER};
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
    fn new(
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

/// The tables of an image, in their order.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) image: Arc<Image>,
    left: std::vec::IntoIter<LentRows>,
}

impl Tables {
    /// Tables of so many rows of some width behind the header of an image, which must be as long as they need.
    pub(crate) fn new(
        bytes: &Bytes,
        root: u64,
        wanted: Vec<(usize, usize)>,
    ) -> Result<Self, Error> {
        let long = || Error::BadImage { what: "length", offset: bytes.len() };
        let mut end = HEADER;
        let mut places = Vec::with_capacity(wanted.len());
        for (rows, width) in wanted {
            places.push((end, rows, width));
            let table =
                rows.checked_mul(width).and_then(|bytes| bytes.checked_next_multiple_of(ALIGNMENT));
            end = table
                .and_then(|table| end.checked_add(table))
                .filter(|end| *end <= bytes.len())
                .ok_or_else(long)?;
        }
        let image = Arc::new(Image::new(bytes.clone(), (HEADER, end), root)?);
        let lent = |(first, rows, width)| LentRows::new(&image, (HEADER, first), (rows, width));
        let tables = places.into_iter().map(lent).collect::<Option<Vec<_>>>().ok_or_else(long)?;
        Ok(Tables { image, left: tables.into_iter() })
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Result<LentRows, Error> {
        self.left.next().ok_or(Error::BadImage { what: "length", offset: HEADER })
    }
}
