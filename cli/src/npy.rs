//! Reads and writes NumPy's `.npy` files, row by row.
//!
//! An own reader, because those to be had reserve as many bytes for a header as it says it has, and follow its brackets
//! as deep as they go: a forged file would end the process.
//!
//! Promises
//!  1. A file is as long as its header says before a row of it is read, and no more is reserved than one row.
//!  2. What cannot be read as it is meant is refused, with the file, and the row where there is one.
//!
//! Never: reads Fortran's order, big-endian numbers, structures or Python objects.

mod element;
mod header;
mod rows;

pub(crate) use header::Header;
pub(crate) use rows::{Floats, Integers};

use crate::failure::{Failure, Result};
use crate::user_files::{Input, Whole};

/// What every such file begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// An opened file whose header was read and fits its length.
pub(crate) struct Npy {
    input: Input,
    header: Header,
}

impl Npy {
    pub(crate) fn open(path: &std::path::Path) -> Result<Npy> {
        let mut input = Input::open(path)?;
        let header = header::read(&mut input).map_err(|it| it.about(path.display()))?;
        let data = input.bytes().saturating_sub(header.bytes);
        if header.data_bytes() != Some(data) {
            let wanted = header.data_bytes().map_or("more than 2^64".into(), |it| it.to_string());
            return Err(Failure::refused(format!(
                "{}: its header, of shape {}, stands for {wanted} bytes of data, and {data} follow; \
                 the file is cut or damaged: write it again",
                path.display(),
                header.shape_text(),
            )));
        }
        Ok(Npy { input, header })
    }

    /// Its rows as vectors.
    pub(crate) fn floats(self) -> Result<Floats> {
        let path = self.input.path().to_owned();
        Floats::new(self.input, self.header).map_err(|it| it.about(path.display()))
    }

    /// Its rows as integers; a file of one dimension has one in each.
    pub(crate) fn integers(self) -> Result<Integers> {
        let path = self.input.path().to_owned();
        Integers::new(self.input, self.header).map_err(|it| it.about(path.display()))
    }
}

/// A file of int64 that is being written.
pub(crate) struct Int64File(Whole);

impl Int64File {
    pub(crate) fn create(path: &std::path::Path, rows: u64, columns: u64) -> Result<Int64File> {
        let mut file = Whole::create(path)?;
        file.write(&header::encode("<i8", rows, columns))?;
        Ok(Int64File(file))
    }

    pub(crate) fn write(&mut self, number: i64) -> Result<()> {
        self.0.write(&number.to_le_bytes())
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.finish()
    }
}

/// Writes a file of f32.
pub(crate) fn write_floats(path: &std::path::Path, rows: &[Vec<f32>]) -> Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut file = Whole::create(path)?;
    file.write(&header::encode("<f4", rows.len() as u64, columns as u64))?;
    for row in rows {
        let bytes: Vec<u8> = row.iter().flat_map(|number| number.to_le_bytes()).collect();
        file.write(&bytes)?;
    }
    file.finish()
}
