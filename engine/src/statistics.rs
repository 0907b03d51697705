//! Says what a store and its collections hold, and what the store wrote.

use std::sync::atomic::Ordering;

use base::Sequence;
use wal::Committer;

use crate::{Collection, Store};

/// What a store holds, and what it did since it was opened. See [`Store::stats`].
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// let found = store.stats();
/// assert_eq!(found.sequence, store.sequence());
/// for (name, held) in &found.collections {
///     println!("{name}: {} vectors, {} different ones", held.vectors, held.unique_vectors);
/// }
/// assert!(found.bytes_written > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of the last batch that is visible.
    pub sequence: Option<Sequence>,
    /// Bytes that the files of the log take; 0 once it is closed.
    pub log_bytes: u64,
    /// Bytes of the newest image.
    pub image_bytes: u64,
    /// Bytes of all vector files.
    pub vector_file_bytes: u64,
    /// Bytes of all files of payloads, but for their headers and for those that are about to be removed.
    pub payload_file_bytes: u64,
    /// Bytes written to the disk since the store was opened: log, vectors, payloads, images and manifests.
    pub bytes_written: u64,
    /// Syncs of files and directories since the store was opened.
    pub syncs: u64,
    /// The collections with their names, in the order of these.
    pub collections: Vec<(String, CollectionStatistics)>,
}

/// What a collection holds, by what was decided. See [`Collection::statistics`].
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// docs.upsert("same", &[1.0, 2.0])?;
/// let held = docs.statistics();
/// assert_eq!((held.vectors, held.unique_vectors, held.total_references), (2, 1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct CollectionStatistics {
    /// How many ids have a vector.
    pub vectors: u64,
    /// How many different vectors they have.
    pub unique_vectors: u64,
    /// How often those are referred to.
    pub total_references: u64,
    /// Bytes of the files they lie in.
    pub vector_file_bytes: u64,
    /// Bytes that payloads take which an id has, with what stands in front of each.
    pub payload_bytes: u64,
    /// Bytes of the files they lie in.
    pub payload_file_bytes: u64,
}

pub(crate) fn of(store: &Store) -> Statistics {
    let inner = &store.inner;
    let of = |collection: &Collection| (collection.name().to_owned(), collection.statistics());
    let collections: Vec<_> = store.collections().iter().map(of).collect();
    let log = inner.committer.read().as_ref().map(Committer::stats);
    Statistics {
        sequence: store.sequence(),
        log_bytes: log.map_or(0, |log| log.file_bytes),
        image_bytes: inner.image_bytes.load(Ordering::Relaxed),
        vector_file_bytes: collections.iter().map(|(_, it)| it.vector_file_bytes).sum(),
        payload_file_bytes: collections.iter().map(|(_, it)| it.payload_file_bytes).sum(),
        bytes_written: inner.meter.bytes_written(),
        syncs: inner.meter.syncs(),
        collections,
    }
}

impl Collection {
    /// What it holds: nothing, once it is dropped.
    pub fn statistics(&self) -> CollectionStatistics {
        let Ok(state) = self.named.now() else { return CollectionStatistics::default() };
        let counts = state.set.counts();
        let geometry = state.set.owner().geometry;
        let segments = 0..u32::try_from(state.set.files().len()).unwrap_or(u32::MAX);
        let heap = state.heap.list();
        CollectionStatistics {
            vectors: state.rows.read().alive(),
            unique_vectors: counts.alive,
            total_references: counts.references,
            vector_file_bytes: segments.map(|segment| geometry.file_bytes(segment)).sum(),
            payload_bytes: heap.files().iter().map(|file| file.live).sum(),
            payload_file_bytes: heap.files().iter().map(|file| file.capacity).sum(),
        }
    }
}
