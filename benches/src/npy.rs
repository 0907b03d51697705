//! Writes and reads arrays of NumPy's `.npy`: one of rows, in C order, little-endian, as our peers' scripts do.
//!
//! Never: reads what anybody else may have written; the `arrwdb` command does that.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::Path;

/// Numbers that such an array can have here.
pub trait Number: Copy {
    /// The array's `descr`.
    const NAME: &str;
    /// Its bytes, the least first.
    fn to_bytes(self) -> [u8; 4];
    /// The number with these bytes.
    fn from_bytes(bytes: [u8; 4]) -> Self;
}

impl Number for f32 {
    const NAME: &str = "<f4";
    fn to_bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 4]) -> Self {
        f32::from_le_bytes(bytes)
    }
}

impl Number for i32 {
    const NAME: &str = "<i4";
    fn to_bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 4]) -> Self {
        i32::from_le_bytes(bytes)
    }
}

/// What every array of version 1.0 begins with; the length of its header follows, in two bytes.
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// The numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes rows of so many numbers.
///
/// # Errors
/// If the file cannot be written.
pub fn write<T: Number>(path: &Path, numbers: &[T], columns: usize) -> Result<()> {
    let rows = numbers.len() / columns;
    let name = T::NAME;
    let header =
        format!("{{'descr': '{name}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let whole = (MAGIC.len() + 2 + header.len() + 1).next_multiple_of(ALIGNMENT);
    let length = whole - MAGIC.len() - 2;
    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&(length as u16).to_le_bytes())?;
    file.write_all(format!("{header:<width$}\n", width = length - 1).as_bytes())?;
    for some in numbers.chunks(1 << 16) {
        let bytes: Vec<u8> = some.iter().flat_map(|number| number.to_bytes()).collect();
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads rows, and how many numbers each of them has.
///
/// # Errors
/// If the file cannot be read, or has other numbers, or is not of version 1.0.
pub fn read<T: Number>(path: &Path) -> Result<(Vec<T>, usize)> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    parsed(&bytes).ok_or_else(|| {
        let name = T::NAME;
        let what = format!("{}: not rows of {name} in C order, .npy 1.0", path.display());
        Error::new(ErrorKind::InvalidData, what)
    })
}

fn parsed<T: Number>(bytes: &[u8]) -> Option<(Vec<T>, usize)> {
    let (length, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (header, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let header: String = std::str::from_utf8(header).ok()?.split_whitespace().collect();
    let header = header.strip_prefix(&format!("{{'descr':'{}','fortran_order':False,", T::NAME))?;
    let (rows, columns) = header.strip_prefix("'shape':(")?.split_once(')')?.0.split_once(',')?;
    let (rows, columns): (usize, usize) = (rows.parse().ok()?, columns.parse().ok()?);
    let (numbers, rest) = rest.as_chunks();
    let whole = rest.is_empty() && Some(numbers.len()) == rows.checked_mul(columns);
    whole.then(|| (numbers.iter().map(|bytes| T::from_bytes(*bytes)).collect(), columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        write(&path, &[1.5_f32, -2.0, 0.0, 4.0, 5.0, 6.0], 3).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![1.5_f32, -2.0, 0.0, 4.0, 5.0, 6.0], 3));
        assert!(read::<i32>(&path).is_err(), "other numbers");
        let bytes = std::fs::read(&path).unwrap();
        let begin = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  ";
        assert!(bytes.starts_with(begin));
        assert_eq!((bytes.len(), bytes[127]), (128 + 24, b'\n'));
        std::fs::write(&path, &bytes[..150]).unwrap();
        assert!(read::<f32>(&path).is_err(), "cut off");
    }
}
