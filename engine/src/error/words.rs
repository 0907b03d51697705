//! Says in plain words what went wrong: what it was, where, and what to do about it.

use std::fmt;

use base::Sequence;

use super::Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Disk(error) => write!(f, "{error}"),
            Error::Log(error) => write!(f, "{error}"),
            Error::Snapshot(error) => write!(f, "{error}"),
            Error::Vectors(error) => write!(f, "{error}"),
            Error::Index(error) => write!(f, "{error}"),
            Error::NoStore { .. }
            | Error::NotOfAStore { .. }
            | Error::NotEmpty { .. }
            | Error::StoreExists { .. }
            | Error::ManifestLost { .. } => self.fmt_of_place(f),
            Error::NoCollection { .. }
            | Error::CollectionExists { .. }
            | Error::BadName { .. }
            | Error::BadVector { .. }
            | Error::BadId { .. }
            | Error::Foreign { .. }
            | Error::NotAPayload { .. } => self.fmt_of_argument(f),
            Error::BadDimension { .. }
            | Error::BadDecimals { .. }
            | Error::BadDistanceName { .. }
            | Error::UnsuitedIndex { .. }
            | Error::DistanceTwice { .. }
            | Error::DistanceMissing { .. }
            | Error::IndexMemory { .. }
            | Error::IndexPanicked { .. } => self.fmt_of_config(f),
            Error::TwiceInBatch { .. }
            | Error::IdExists { .. }
            | Error::NoId { .. }
            | Error::OtherVersion { .. }
            | Error::BadPosition { .. }
            | Error::Abandoned { .. }
            | Error::NotRetained { .. } => self.fmt_of_history(f),
            Error::NothingAskedFor => f.write_str("k is 0, which finds nothing; ask for 1 or more"),
            Error::BadNote { name, value } => write!(
                f,
                "a note has a name of 1 to {} bytes and at most {} bytes, not {name} and {value}",
                crate::NOTE_NAME_BYTES_MAX,
                crate::NOTE_BYTES_MAX
            ),
            Error::TooManyNotes { bytes } => write!(
                f,
                "all notes of a store take at most {} bytes, not {bytes}; take some away",
                crate::NOTES_BYTES_MAX
            ),
            Error::BadBatch { sequence, what } => {
                write!(
                    f,
                    "batch {sequence} of the log cannot be read: {what}; restore from a backup"
                )
            }
            Error::BadImage { section, what } => {
                write!(f, "section {section} of the image: {what}; restore from a backup")
            }
            Error::Exhausted { row } => write!(f, "row {row} was the last that there can be"),
            Error::Full { name } => write!(f, "collection {name:?} has no room left"),
            Error::Closed => write!(f, "the store was closed; open it again"),
            Error::Unreadable { id, source } => {
                let of_payload = matches!(
                    source,
                    segments::Error::NoPayload { .. }
                        | segments::Error::BadPayload { .. }
                        | segments::Error::BadPlace { .. }
                );
                let what = if of_payload { "payload" } else { "vector" };
                write!(f, "the {what} of {}: {source}", id.plain())
            }
        }
    }
}

impl Error {
    /// What is wrong with the place where a store is, or is to be.
    fn fmt_of_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoStore { path } => {
                write!(f, "there is no store in {}; check the path, or create one", path.display())
            }
            Error::NotOfAStore { path } => {
                write!(f, "{} is no manifest, image, segment or log file", path.display())
            }
            Error::NotEmpty { path, found } => write!(
                f,
                "{} holds no store, and {found:?}, which is none of one; choose an empty directory",
                path.display()
            ),
            Error::StoreExists { path } => {
                write!(f, "there is a store in {} already; open it", path.display())
            }
            Error::ManifestLost { path } => write!(
                f,
                "the manifests of the store in {} are lost, and there are batches in its log; \
                 restore it from a backup",
                path.display()
            ),
            other => write!(f, "{other:?}"),
        }
    }

    /// What is wrong with a name, an id or a vector.
    fn fmt_of_argument(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Foreign { name } => {
                write!(f, "collection {name:?} is one of another store; use a batch of that store")
            }
            Error::NoCollection { name } => {
                write!(f, "there is no collection {name:?}; check its name, or create it")
            }
            Error::CollectionExists { name } => {
                write!(f, "there is a collection {name:?} already; use it, or choose another name")
            }
            Error::BadName { name, why } => {
                write!(f, "no collection can have the name {name:?}: {why}; choose another one")
            }
            Error::BadVector { collection, id, source } => {
                write!(f, "id {} of collection {collection:?}: {source}", id.plain())
            }
            Error::BadId { bytes } => {
                write!(
                    f,
                    "a text as an id has 1 to {} bytes, not {bytes}; choose another id",
                    crate::ID_BYTES_MAX
                )
            }
            Error::NotAPayload { id: Some(id), what } => {
                write!(f, "the payload for id {} cannot be stored: {what}", id.plain())
            }
            Error::NotAPayload { id: None, what } => write!(f, "{what}"),
            other => write!(f, "{other:?}"),
        }
    }

    /// What is wrong with what a collection was to be like, or with a distance of the caller's own.
    fn fmt_of_config(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::IndexMemory { name, limit } => write!(
                f,
                "the index of collection {name:?} cannot catch up: indexes may take {limit} bytes of memory; allow more"
            ),
            Error::IndexPanicked { name } => write!(
                f,
                "the index of collection {name:?} was being changed when something panicked; open the store again"
            ),
            Error::BadDimension { dim } => {
                write!(
                    f,
                    "a vector has 1 to {} numbers, not {dim}; choose a dimension of these",
                    base::Dim::MAX
                )
            }
            Error::BadDecimals { decimals } => write!(
                f,
                "vectors are told apart by 0 to {} decimals, not {decimals}",
                crate::Dedup::DECIMALS_MAX
            ),
            Error::BadDistanceName { name, why } => {
                write!(f, "no distance can have the name {name:?}: {why}")
            }
            Error::UnsuitedIndex { kind, distance } => write!(
                f,
                "an index of kind {kind} cannot go by the distance {distance}; flat and hnsw can, and auto chooses one that does"
            ),
            Error::DistanceTwice { name } => {
                write!(f, "two distances have the name {name:?}; give each another one")
            }
            Error::DistanceMissing { path, collection, distance } => write!(
                f,
                "collection {collection:?} of the store in {} is compared by the distance {distance:?}, which was \
                 not given; open the store by a program that has it (StoreOptions::distance)",
                path.display()
            ),
            other => write!(f, "{other:?}"),
        }
    }

    /// What is wrong with an id's place in the history, or with one's own.
    fn fmt_of_history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TwiceInBatch { collection, id } => write!(
                f,
                "id {} of collection {collection:?} is in the batch twice; put it into two batches",
                id.plain()
            ),
            Error::IdExists { collection, id, version } => write!(
                f,
                "id {} of collection {collection:?} exists already, since batch {version}",
                id.plain()
            ),
            Error::NoId { collection, id } => write!(
                f,
                "there is no id {} in collection {collection:?}: a payload is given to what has a vector",
                id.plain()
            ),
            Error::OtherVersion { collection, id, expected, found } => {
                write!(f, "id {} of collection {collection:?} ", id.plain())?;
                match found {
                    Some(found) => write!(f, "was written by batch {found}")?,
                    None => write!(f, "is not there")?,
                }
                write!(f, ", and was to be as batch {expected} left it; read it again")
            }
            Error::BadPosition { text } => {
                write!(f, "{text:?} is no position; one is as it was printed, as in 7@{:016x}", 42)
            }
            Error::Abandoned { position } => write!(
                f,
                "{position} is not in this store's history: what was written behind a place that was lost, or in another \
                 store; read everything once more"
            ),
            Error::NotRetained { after, oldest } => write!(
                f,
                "what came behind {after} is no longer in the log, which begins behind batch {}; read everything once \
                 more",
                oldest.map_or(0, Sequence::get)
            ),
            other => write!(f, "{other:?}"),
        }
    }
}
