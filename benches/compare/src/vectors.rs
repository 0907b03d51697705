//! Says which vectors are searched: those of a directory, or made-up ones where none is given.
//!
//! Promises: all contestants of a run read the same three files; a directory that was made up goes with the run.

use std::path::{Path, PathBuf};

use benches::dataset::Dataset;
use tempfile::TempDir;

use crate::Failure;

/// What is made up where no directory is given.
const COUNT: usize = 200_000;
const DIM: usize = 384;
const QUERIES: usize = 1_000;

/// Vectors, queries and the truth about them, and the directory that they are in.
pub struct Vectors {
    /// What is in the directory.
    pub data: Dataset,
    place: Place,
}

enum Place {
    Given(PathBuf),
    MadeUp(TempDir),
}

impl Vectors {
    /// Those of a directory, or made-up ones, of which `k` neighbours are known at the least.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn of(given: Option<PathBuf>, k: usize) -> Result<Self, Failure> {
        Self::of_these_or(given, k, COUNT)
    }

    /// The same, with so many made up where no directory is given.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn of_these_or(given: Option<PathBuf>, k: usize, count: usize) -> Result<Self, Failure> {
        let place = match given {
            Some(dir) => Place::Given(dir),
            None => {
                println!(
                    "making up {count} vectors, and finding the truth about {QUERIES} queries"
                );
                let made_up = tempfile::tempdir()?;
                Dataset::clustered(count, DIM, QUERIES).write(made_up.path())?;
                Place::MadeUp(made_up)
            }
        };
        let dir = place.dir();
        let data = Dataset::read(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        if data.known < k || data.queries.is_empty() {
            return Err(format!("{}: no truth about the {k} nearest", dir.display()).into());
        }
        Ok(Vectors { data, place })
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }
}

impl Place {
    fn dir(&self) -> &Path {
        match self {
            Place::Given(dir) => dir,
            Place::MadeUp(dir) => dir.path(),
        }
    }
}
