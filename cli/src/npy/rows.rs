//! Reads the rows of a file one after the other, as vectors or as integers.
//!
//! Promises
//!  1. A number that is not finite, or is not in 32 bits, is refused with its row and column.

use crate::failure::{Failure, Result};
use crate::numbers;
use crate::user_files::Input;

use super::Header;
use super::element::Element;

/// Rows as their bytes.
struct Rows {
    input: Input,
    element: Element,
    rows: u64,
    columns: u64,
    /// Where the data begins.
    data: u64,
    next: u64,
    buffer: Vec<u8>,
}

impl Rows {
    fn new(input: Input, header: &Header, rows: u64, columns: u64) -> Rows {
        let Header { element, bytes, .. } = *header;
        Rows { input, element, rows, columns, data: bytes, next: 0, buffer: Vec::new() }
    }

    /// Goes on with a row of this number.
    fn go_to(&mut self, row: u64) -> Result<()> {
        let row = row.min(self.rows);
        // No overflow: the file is as long as all rows.
        let before = row.saturating_mul(self.columns).saturating_mul(self.element.bytes());
        self.next = row;
        self.input.seek(self.data.saturating_add(before))
    }

    /// The next row's bytes, number by number, and its number; `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, std::slice::ChunksExact<'_, u8>)>> {
        if self.next >= self.rows {
            return Ok(None);
        }
        let size = usize::try_from(self.element.bytes()).unwrap_or(1);
        let columns = usize::try_from(self.columns).unwrap_or(usize::MAX);
        // The file has such a row, so that one is not too much to ask for.
        self.buffer.resize(columns.saturating_mul(size), 0);
        self.input.fill(&mut self.buffer)?;
        let row = self.next;
        self.next += 1;
        Ok(Some((row, self.buffer.chunks_exact(size))))
    }
}

/// Rows that are vectors.
pub(crate) struct Floats(Rows);

impl Floats {
    /// The file, wherever it was left: whoever reads it goes on with a row of their choice.
    pub(crate) fn file(&mut self) -> &mut Input {
        &mut self.0.input
    }

    pub(super) fn new(input: Input, header: Header) -> Result<Floats> {
        if !header.element.is_float() {
            let name = header.element.name();
            return Err(Failure::refused(format!(
                "its numbers are {name}; vectors are float32, float64, float16 or uint8"
            )));
        }
        let &[rows, columns] = header.shape.as_slice() else {
            let shape = header.shape_text();
            return Err(Failure::refused(format!(
                "its shape is {shape}; vectors have two dimensions, as many as there are and their \
                 numbers"
            )));
        };
        Ok(Floats(Rows::new(input, &header, rows, columns)))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.0.rows
    }

    /// Refuses vectors that are not of a collection's dimension.
    pub(crate) fn expect_dim(self, dim: u32) -> Result<Floats> {
        if self.0.columns == u64::from(dim) {
            return Ok(self);
        }
        let (path, found) = (self.0.input.path().display(), self.0.columns);
        Err(Failure::refused(format!(
            "{path}: its vectors have {found} numbers, and those of the collection {dim}"
        )))
    }

    /// Goes on with a row of this number.
    pub(crate) fn go_to(&mut self, row: u64) -> Result<()> {
        self.0.go_to(row)
    }

    /// The next row; `false` at the end.
    pub(crate) fn next(&mut self, vector: &mut Vec<f32>) -> Result<bool> {
        let element = self.0.element;
        vector.clear();
        let wrong = match self.0.next()? {
            None => return Ok(false),
            Some((row, numbers)) => {
                vector.reserve_exact(numbers.len());
                let mut wrong = None;
                for (column, bytes) in numbers.enumerate() {
                    let number = element.float(bytes).unwrap_or(f64::NAN);
                    match numbers::narrow(number) {
                        Some(number) => vector.push(number),
                        None => drop(wrong.get_or_insert((row, column, number))),
                    }
                }
                wrong
            }
        };
        let Some((row, column, number)) = wrong else { return Ok(true) };
        let (path, offset) = (self.0.input.path().display(), self.offset_of(row, column));
        let why = if number.is_finite() { "too large for float32" } else { "no finite number" };
        Err(Failure::refused(format!(
            "{path}: {number:?} in row {row} (from 0), column {column}, at offset {offset}, is {why}; \
             mend the file"
        )))
    }

    fn offset_of(&self, row: u64, column: usize) -> u64 {
        let column = u64::try_from(column).unwrap_or(u64::MAX);
        let numbers = row.saturating_mul(self.0.columns).saturating_add(column);
        self.0.data.saturating_add(numbers.saturating_mul(self.0.element.bytes()))
    }

    /// All rows from here on, up to so many.
    pub(crate) fn some(&mut self, most: usize) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::new();
        let mut vector = Vec::new();
        while vectors.len() < most && self.next(&mut vector)? {
            vectors.push(std::mem::take(&mut vector));
        }
        Ok(vectors)
    }
}

/// Rows that are integers.
pub(crate) struct Integers(Rows);

impl Integers {
    /// The file, wherever it was left: whoever reads it goes on with a row of their choice.
    pub(crate) fn file(&mut self) -> &mut Input {
        &mut self.0.input
    }

    pub(super) fn new(input: Input, header: Header) -> Result<Integers> {
        if !header.element.is_integer() {
            let name = header.element.name();
            return Err(Failure::refused(format!(
                "its numbers are {name}; int32, int64, uint32 or uint64 are needed"
            )));
        }
        let (rows, columns) = match *header.shape.as_slice() {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                let shape = header.shape_text();
                let sentence = format!("its shape is {shape}; one or two dimensions are needed");
                return Err(Failure::refused(sentence));
            }
        };
        Ok(Integers(Rows::new(input, &header, rows, columns)))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.0.rows
    }

    pub(crate) fn columns(&self) -> u64 {
        self.0.columns
    }

    /// Goes on with a row of this number.
    pub(crate) fn go_to(&mut self, row: u64) -> Result<()> {
        self.0.go_to(row)
    }

    /// The next row; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<i128>>> {
        let element = self.0.element;
        let row = self.0.next()?;
        Ok(row.map(|(_, numbers)| numbers.filter_map(|bytes| element.integer(bytes)).collect()))
    }
}
