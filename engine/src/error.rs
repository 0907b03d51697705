//! Says why a store could not be opened, read or written, where, and what can be done about it.
//!
//! One variant for each thing a caller would do differently; what a lower layer said is in `source()`, or is the
//! message itself.

mod words;

use std::path::PathBuf;
use std::sync::Arc;

use base::{Row, Sequence};

use crate::changes::Position;
use crate::{Id, Invalid};

/// What every operation of a store returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong with a store.
///
/// What is printed names the file, the id or the value, and says what to do where anything can be done; a cause that it
/// leaves out is its `source()`. There will be more kinds.
///
/// ```
/// # use arrwdb::{CollectionConfig, Error, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// match docs.insert("one", &[1.0, 2.0, 3.0]) {
///     Ok(_) => unreachable!("a vector of docs has two numbers"),
///     Err(Error::IdExists { version, .. }) => println!("somebody was faster: batch {version}"),
///     // Nothing was changed: what the message says can be mended, and the call made again.
///     Err(error) if error.is_clean_refusal() => println!("{error}"),
///     // The disk failed, and nothing is written any more: the store is to be opened again.
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused or failed.
    Disk(disk::Error),
    /// The log refused or failed.
    Log(wal::Error),
    /// An image or a manifest is damaged, or could not be made.
    Snapshot(snapshot::Error),
    /// A vector cannot be stored or read.
    Vectors(segments::Error),
    /// From an index. What is stored is not touched by it.
    Index(Arc<indexes::Error>),
    /// Indexes may take no more memory, and what this one waits for takes some. What it does not have is found all the same.
    IndexMemory {
        /// The collection.
        name: String,
        /// How many bytes they may take.
        limit: usize,
    },
    /// An index was being changed when something panicked, a distance of the caller's own, say: nobody works on it any more
    /// before the store is opened again. What it does not have is found all the same.
    IndexPanicked {
        /// The collection.
        name: String,
    },
    /// There is no store in the directory.
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// A file is none of a store.
    NotOfAStore {
        /// The file.
        path: PathBuf,
    },
    /// There is no store in the directory, and something that is none of one: another program's files, say.
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// The first name that is none of a store.
        found: String,
    },
    /// There is a store already where one was to be made.
    StoreExists {
        /// The directory.
        path: PathBuf,
    },
    /// The store was used, and no manifest says where its images and its log are.
    ManifestLost {
        /// The directory.
        path: PathBuf,
    },
    /// There is no collection of that name.
    NoCollection {
        /// The name.
        name: String,
    },
    /// There is a collection of that name already.
    CollectionExists {
        /// The name.
        name: String,
    },
    /// No collection can have this name.
    BadName {
        /// The name.
        name: String,
        /// Why it cannot.
        why: &'static str,
    },
    /// A dimension that no collection can have.
    BadDimension {
        /// The dimension.
        dim: u32,
    },
    /// Vectors cannot be told apart by so many decimals: 12 are the most.
    BadDecimals {
        /// How many were asked for.
        decimals: u8,
    },
    /// No distance of the caller's own can have this name.
    BadDistanceName {
        /// The name.
        name: String,
        /// Why it cannot.
        why: String,
    },
    /// There is no index of this kind of vectors that are compared like this: nothing was changed.
    UnsuitedIndex {
        /// The kind.
        kind: &'static str,
        /// The metric, or the distance of the caller's own, by its name.
        distance: String,
    },
    /// A store was to be opened with two distances of the same name.
    DistanceTwice {
        /// The name.
        name: String,
    },
    /// A collection is compared by a distance of the caller's own that the store was not opened with.
    DistanceMissing {
        /// The directory.
        path: PathBuf,
        /// The collection's name.
        collection: String,
        /// The name of the distance.
        distance: String,
    },
    /// A collection cannot have this vector: it has another dimension, or a number that is not finite.
    BadVector {
        /// The collection's name.
        collection: String,
        /// The id that was to have it.
        id: Id,
        /// What is wrong with it.
        source: Box<segments::Error>,
    },
    /// An id is empty or too long.
    BadId {
        /// How many bytes it has.
        bytes: usize,
    },
    /// A batch has an id of one collection twice: which of the two counts?
    TwiceInBatch {
        /// The collection's name.
        collection: String,
        /// The id.
        id: Id,
    },
    /// An id was to be new, and is not.
    IdExists {
        /// The collection's name.
        collection: String,
        /// The id.
        id: Id,
        /// The batch that gave it what it has.
        version: Sequence,
    },
    /// An id was to get another payload that is not there.
    NoId {
        /// The collection's name.
        collection: String,
        /// The id.
        id: Id,
    },
    /// A payload cannot be stored.
    NotAPayload {
        /// Whose it was to be, if that is known.
        id: Option<Id>,
        /// What is wrong with it, and where.
        what: String,
    },
    /// An id was written since the version that it was to have.
    OtherVersion {
        /// The collection's name.
        collection: String,
        /// The id.
        id: Id,
        /// The version that it was to have.
        expected: Sequence,
        /// The one it has; `None` if there is no such id.
        found: Option<Sequence>,
    },
    /// A position that is not in the history of this store: of a branch that was abandoned when a log's end was lost or a
    /// backup restored, or of another store.
    Abandoned {
        /// The position.
        position: Position,
    },
    /// What came behind a position is no longer in the log.
    NotRetained {
        /// The position.
        after: Position,
        /// The last batch whose followers are retained.
        oldest: Option<Sequence>,
    },
    /// A text that is no position.
    BadPosition {
        /// The text.
        text: String,
    },
    /// A search was to find 0 vectors.
    NothingAskedFor,
    /// A note's name is empty or too long, or the note is too long.
    BadNote {
        /// How many bytes the name has.
        name: usize,
        /// How many bytes the note has.
        value: usize,
    },
    /// All notes together would take more than a store keeps of them.
    TooManyNotes {
        /// How many bytes they would take.
        bytes: usize,
    },
    /// A batch uses a collection of another store.
    Foreign {
        /// The collection's name.
        name: String,
    },
    /// The log holds a batch that cannot be read, although its sums are right.
    BadBatch {
        /// The batch.
        sequence: Sequence,
        /// What is wrong with it.
        what: String,
    },
    /// What the image says contradicts itself, although its sums are right.
    BadImage {
        /// The section.
        section: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// All numbers for rows are used up.
    Exhausted {
        /// The last one.
        row: Row,
    },
    /// A collection has no room left, and none could be made.
    Full {
        /// The collection's name.
        name: String,
    },
    /// The store was closed.
    Closed,
    /// A vector that a row refers to was found damaged while it was read for this id.
    Unreadable {
        /// The id.
        id: Id,
        /// What the vectors say, or the payloads.
        source: segments::Error,
    },
}

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Self {
        Error::Disk(error)
    }
}

impl From<wal::Error> for Error {
    fn from(error: wal::Error) -> Self {
        Error::Log(error)
    }
}

impl From<snapshot::Error> for Error {
    fn from(error: snapshot::Error) -> Self {
        Error::Snapshot(error)
    }
}

impl From<segments::Error> for Error {
    fn from(error: segments::Error) -> Self {
        Error::Vectors(error)
    }
}

impl From<indexes::Error> for Error {
    fn from(error: indexes::Error) -> Self {
        Error::Index(Arc::new(error))
    }
}

impl Error {
    /// What the log holds of a batch is not one.
    pub(crate) fn bad_batch(sequence: Sequence, what: Invalid) -> Self {
        Error::BadBatch { sequence, what: what.to_string() }
    }

    /// Whether nothing was changed by the call that failed, so that it may be tried again: the disk is full, say.
    pub fn is_clean_refusal(&self) -> bool {
        match self {
            Error::Disk(error) => error.is_clean_refusal(),
            Error::Log(error) => error.is_clean_refusal(),
            Error::Snapshot(error) => error.is_clean_refusal(),
            Error::Vectors(error) => error.is_clean_refusal(),
            _ => true,
        }
    }
}

/// The longest name of a collection.
pub const NAME_BYTES_MAX: usize = 255;

/// Refuses a name that no collection can have.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let bad = |why| Err(Error::BadName { name: name.to_owned(), why });
    match name {
        "" => bad("it is empty"),
        long if long.len() > NAME_BYTES_MAX => bad("it has more than 255 bytes"),
        path if path.contains(['/', '\\']) => bad("it has a slash"),
        odd if odd.contains(char::is_control) => bad("it has a control character"),
        _ => Ok(()),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Disk(error) => error.source(),
            Error::Log(error) => error.source(),
            Error::Snapshot(error) => error.source(),
            Error::Vectors(error) => error.source(),
            Error::BadVector { source, .. } => Some(&**source),
            Error::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
