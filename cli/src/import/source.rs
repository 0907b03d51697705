//! Opens what is imported, looks at all of it before a row is written, and hands it out row by row.
//!
//! Promises
//!  1. A file with a row, or an id, that cannot be imported is refused before the first row of it is.

use std::path::Path;

use arrwdb::Id;
use base::checksum::Xxh3;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::npy::{Floats, Npy};
use crate::progress;
use crate::user_files::Input;

use super::row_ids::RowIds;

/// What a file is known by, whatever its name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct Fingerprint {
    pub(crate) file_bytes: u64,
    /// XXH3-128 of the file, in hexadecimal digits.
    pub(crate) file_sum: String,
    /// That of the file of ids, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ids_sum: Option<String>,
}

/// The rows that are imported, and their ids.
pub(crate) struct Source {
    rows: Floats,
    ids: RowIds,
    fingerprint: Fingerprint,
}

impl Source {
    pub(crate) fn open(path: &Path, ids: Option<&Path>, dim: u32) -> Result<Source> {
        let mut rows = Npy::open(path)?.floats()?.expect_dim(dim)?;
        let mut ids = ids.map_or(Ok(RowIds::Counted(0)), RowIds::open)?;
        // Of the files that are open, whatever has their names by now.
        let (file_bytes, file_sum) = sum(rows.file())?;
        let ids_sum = ids.file().map(sum).transpose()?.map(|(_, sum)| sum);
        let fingerprint = Fingerprint { file_bytes, file_sum, ids_sum };
        Ok(Source { rows, ids, fingerprint })
    }

    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.rows()
    }

    /// Looks at all rows from one on, and at all ids.
    pub(crate) fn check(&mut self, from: u64, ids: Option<&Path>) -> Result<()> {
        if let Some(path) = ids {
            self.ids.go_to(0)?;
            let mut count = 0_u64;
            while self.ids.next()?.is_some() {
                count += 1;
            }
            let rows = self.rows();
            if count != rows {
                let path = path.display();
                return Err(Failure::refused(format!(
                    "{path} has {count} ids for {rows} rows; give one for each"
                )));
            }
        }
        self.rows.go_to(from)?;
        let bar = progress::bar("checking", self.rows().saturating_sub(from));
        let mut vector = Vec::new();
        while self.rows.next(&mut vector)? {
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Goes on with a row; where ids are counted, this is its id.
    pub(crate) fn go_to(&mut self, row: u64, counted: Option<u64>) -> Result<()> {
        if let (RowIds::Counted(next), Some(id)) = (&mut self.ids, counted) {
            *next = id;
        }
        self.ids.go_to(row)?;
        self.rows.go_to(row)
    }

    /// The next row and its id; `None` at the end.
    pub(crate) fn next(&mut self, vector: &mut Vec<f32>) -> Result<Option<Id>> {
        if !self.rows.next(vector)? {
            return Ok(None);
        }
        let id = self.ids.next()?;
        let changed = || Failure::refused("the file of ids became shorter while it was read");
        id.map(Some).ok_or_else(changed)
    }
}

/// The length of a file and its sum, by reading all of it.
fn sum(input: &mut Input) -> Result<(u64, String)> {
    input.seek(0)?;
    let bar = progress::bar("reading", input.bytes());
    let (mut sum, mut bytes) = (Xxh3::new(), 0_u64);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = input.some(&mut buffer)?;
        let Some(read @ [_, ..]) = buffer.get(..count) else { break };
        sum.update(read);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        bytes = bytes.saturating_add(count);
        bar.inc(count);
    }
    bar.finish_and_clear();
    Ok((bytes, format!("{:032x}", sum.sum_128())))
}
