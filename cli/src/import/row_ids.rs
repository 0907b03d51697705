//! Gives each row of an import its id: counted, or from a file of numbers or of lines.

use std::path::Path;

use arrwdb::{ID_BYTES_MAX, Id};

use crate::failure::{Failure, Result};
use crate::ids;
use crate::npy::{Integers, MAGIC, Npy};
use crate::user_files::Input;

/// A line with the longest id, each byte of it escaped, in quotes.
const LINE_BYTES_MAX: usize = ID_BYTES_MAX * 6 + 2;

/// The ids of the rows, in their order.
pub(super) enum RowIds {
    /// This one next, then one more for each row.
    Counted(u64),
    Numbers(Integers),
    Lines(Input, u64),
}

impl RowIds {
    /// Ids from a file: a `.npy` of integers, or one a line.
    pub(super) fn open(path: &Path) -> Result<RowIds> {
        let mut start = [0; MAGIC.len()];
        let mut input = Input::open(path)?;
        let length = input.some(&mut start)?;
        input.seek(0)?;
        if start.get(..length) != Some(MAGIC.as_slice()) {
            return Ok(RowIds::Lines(input, 0));
        }
        let numbers = Npy::open(path)?.integers()?;
        if numbers.columns() != 1 {
            let (path, columns) = (path.display(), numbers.columns());
            let sentence = format!("{path} has {columns} numbers in a row; give one id for each");
            return Err(Failure::refused(sentence));
        }
        Ok(RowIds::Numbers(numbers))
    }

    /// The file they are from, if they are from one, wherever it was left.
    pub(super) fn file(&mut self) -> Option<&mut Input> {
        match self {
            RowIds::Counted(_) => None,
            RowIds::Numbers(numbers) => Some(numbers.file()),
            RowIds::Lines(input, _) => Some(input),
        }
    }

    /// Goes on with the id of a row.
    pub(super) fn go_to(&mut self, row: u64) -> Result<()> {
        match self {
            // Counted from where the import begins or goes on.
            RowIds::Counted(_) => Ok(()),
            RowIds::Numbers(numbers) => numbers.go_to(row),
            RowIds::Lines(input, next) => {
                input.seek(0)?;
                *next = 0;
                while *next < row && input.line(LINE_BYTES_MAX)?.is_some() {
                    *next += 1;
                }
                Ok(())
            }
        }
    }

    /// The id of the next row; `None` where the file has none for it.
    pub(super) fn next(&mut self) -> Result<Option<Id>> {
        match self {
            RowIds::Counted(next) => {
                let id = Id::from(*next);
                // Behind the last number there is no row.
                *next = next.saturating_add(1);
                Ok(Some(id))
            }
            RowIds::Numbers(numbers) => {
                let Some(number) = numbers.next()?.and_then(|row| row.first().copied()) else {
                    return Ok(None);
                };
                let number = u64::try_from(number).map_err(|_| {
                    let path = numbers.file().path().display();
                    Failure::refused(format!("{path}: {number} is no id; ids are not negative"))
                })?;
                Ok(Some(Id::from(number)))
            }
            RowIds::Lines(input, next) => {
                let Some(line) = input.line(LINE_BYTES_MAX)? else { return Ok(None) };
                *next += 1;
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                let word = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned());
                word.and_then(ids::parse).map(Some).map_err(|why| {
                    let path = input.path().display();
                    Failure::refused(format!("{path}, line {next}, is no id: {why}; mend it"))
                })
            }
        }
    }
}
