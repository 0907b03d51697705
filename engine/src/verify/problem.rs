//! Says what is damaged: the file, the place, and what it affects.

use std::fmt;
use std::path::PathBuf;

use crate::Error;

/// Something that is not as it was written, or does not fit to the rest.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # let store = Store::open(&path)?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// store.close()?;
/// # drop((docs, store));
/// // Somebody damages the images.
/// for image in std::fs::read_dir(path.join("images"))? {
///     std::fs::OpenOptions::new().write(true).open(image?.path())?.set_len(100)?;
/// }
/// let found = Store::options().verify(&path, |_, _| ())?;
/// let problem = found.problems.first().expect("damage is told");
/// assert!(problem.file.starts_with("images"));
/// println!("{problem}"); // the file, the place, what is wrong, and what cannot be relied on
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The file, seen from the store's directory.
    pub file: PathBuf,
    /// Where in the file, if that is known.
    pub offset: Option<u64>,
    /// What is wrong with it.
    pub what: String,
    /// What cannot be relied on because of it.
    pub affects: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(offset) = self.offset {
            write!(f, " at offset {offset}")?;
        }
        write!(f, ": {}; affects {}", self.what, self.affects)
    }
}

impl Problem {
    /// What an error says is damaged; `None` if it says something else: somebody has the store open, say.
    pub(crate) fn of(error: &Error, affects: &str) -> Option<Self> {
        let (file, offset) = place_of(error)?;
        let (what, affects) = (error.to_string(), affects.to_owned());
        Some(Problem { file, offset, what, affects })
    }
}

/// Where an error says that something is damaged.
fn place_of(error: &Error) -> Option<(PathBuf, Option<u64>)> {
    match error {
        Error::Log(error) => place_in_log(error),
        Error::Snapshot(error) => place_in_snapshot(error),
        Error::Vectors(error) => place_in_vectors(error),
        Error::ManifestLost { path } => Some((path.join("manifests"), None)),
        Error::BadBatch { .. } => Some(("wal".into(), None)),
        Error::BadImage { .. } => Some(("images".into(), None)),
        Error::Unreadable { source, .. } => place_in_vectors(source),
        Error::Disk(error) => place_on_disk(error),
        _ => None,
    }
}

/// A file that cannot be read is a problem of the store, and hides no other.
fn place_on_disk(error: &disk::Error) -> Option<(PathBuf, Option<u64>)> {
    use disk::Error as E;
    match error {
        E::Missing { path }
        | E::NotAFile { path }
        | E::NotADirectory { path }
        | E::Denied { path, .. }
        | E::PastEnd { path, .. }
        | E::Io { path, .. } => Some((path.clone(), None)),
        _ => None,
    }
}

fn place_in_log(error: &wal::Error) -> Option<(PathBuf, Option<u64>)> {
    match error {
        wal::Error::Rot { path, offset, .. }
        | wal::Error::Unreadable { path, offset, .. }
        | wal::Error::InDoubt { path, offset } => Some((path.clone(), Some(*offset))),
        wal::Error::Damaged { path, .. } | wal::Error::Missing { path, .. } => {
            Some((path.clone(), None))
        }
        wal::Error::Disk(error) => place_on_disk(error),
        _ => None,
    }
}

fn place_in_snapshot(error: &snapshot::Error) -> Option<(PathBuf, Option<u64>)> {
    use snapshot::Error as E;
    match error {
        E::DamagedSection { path, offset, .. } | E::Unreadable { path, offset, .. } => {
            Some((path.clone(), Some(*offset)))
        }
        E::CutShort { path, found, .. } => Some((path.clone(), Some(*found))),
        E::Damaged { path, .. }
        | E::Missing { path }
        | E::NoSection { path, .. }
        | E::PastEnd { path, .. }
        | E::Split { path, .. } => Some((path.clone(), None)),
        E::NoManifest { path, .. } => Some((path.clone(), None)),
        E::Disk(error) => place_on_disk(error),
        _ => None,
    }
}

fn place_in_vectors(error: &segments::Error) -> Option<(PathBuf, Option<u64>)> {
    use segments::Error as E;
    match error {
        E::Rotten { path, offset, .. }
        | E::Unreadable { path, offset, .. }
        | E::BadPayload { path, offset, .. } => Some((path.clone(), Some(*offset))),
        E::CutShort { path, found, .. } => Some((path.clone(), Some(*found))),
        E::Damaged { path, .. } | E::Missing { path } => Some((path.clone(), None)),
        E::Disk(error) => place_on_disk(error),
        E::Inconsistent { .. } | E::NoPayload { .. } => Some(("images".into(), None)),
        E::Description { source } => match source.downcast_ref::<Error>() {
            Some(error) => place_of(error),
            None => Some(("images".into(), None)),
        },
        _ => None,
    }
}
