//! Says what a store and its collections hold, and what the store wrote.

use std::sync::atomic::Ordering;

use base::Sequence;
use wal::Committer;

use crate::report::Written;
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
#[derive(Clone, PartialEq, Debug)]
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
    /// The same by what it was for.
    pub written: Written,
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
#[derive(Clone, PartialEq, Default, Debug)]
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
    /// What its index is, and how far.
    pub index: IndexStatistics,
    /// Bytes that payloads take which an id has, with what stands in front of each.
    pub payload_bytes: u64,
    /// Bytes of the files they lie in.
    pub payload_file_bytes: u64,
}

/// What the index of a collection is, and how far it is. See [`Collection::statistics`].
///
/// ```
/// # use arrwdb::{CollectionConfig, IndexConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// let config = CollectionConfig::new(2, Metric::L2).index(IndexConfig::hnsw());
/// let docs = store.create_collection("docs", config)?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// docs.wait_indexed()?;
/// let index = docs.statistics().index;
/// assert_eq!((index.kind, index.indexed, index.behind, index.inserted), ("hnsw", 1, 0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Default, Debug)]
#[non_exhaustive]
pub struct IndexStatistics {
    /// The kind that searches go by; `rows` where there is none yet, and all rows are looked at.
    pub kind: &'static str,
    /// How many different vectors it has, of those that an id has.
    pub indexed: u64,
    /// How many it does not have yet. They are found all the same, by looking at all of them.
    pub behind: u64,
    /// How many it took up since the store was opened, or since it was built.
    pub inserted: u64,
    /// How many it removed since then.
    pub removed: u64,
    /// How many it still goes by that no id has any more.
    pub leaving: u64,
    /// How many changes behind its image it was told of when the store was opened.
    pub replayed: u64,
    /// Whether it lies in its image and is read there; at its first change it is copied into memory.
    pub is_mapped: bool,
    /// Why it was built anew, if it was, or is to be.
    pub rebuilt: Option<String>,
    /// How many of how many vectors an index has that is being built; none, if none is.
    pub building: Option<(u64, u64)>,
    /// How many bytes it would take to catch up, beyond what indexes [may](crate::StoreOptions::index_memory): it is held back
    /// then. None, if it is not.
    pub lacking: Option<u64>,
    /// Why it does not catch up any more, if that is so: something was wrong that nobody expects, and the next opening tries again.
    pub stopped: Option<String>,
    /// Why it is of this kind, where that is [chosen](crate::IndexConfig::Auto).
    pub chosen: Option<String>,
    /// How many of a hundred vectors its trees would look at for a search, where that is so many that all are looked at instead:
    /// vectors have too many numbers for trees.
    pub scanned: Option<u8>,
    /// Which share of the ten nearest a search finds, as an index of hash tables found out by itself.
    pub recall: Option<f32>,
    /// Bytes of memory that it takes, beyond what is mapped from files, with the vectors that it does not have yet.
    pub bytes: u64,
    /// Bytes of its image.
    pub image_bytes: u64,
}

pub(crate) fn of(store: &Store) -> Statistics {
    let inner = &store.inner;
    let of = |collection: &Collection| (collection.name().to_owned(), collection.statistics());
    let collections: Vec<_> = store.collections().iter().map(of).collect();
    let written = inner.writes.written();
    let log = inner.committer.read().as_ref().map(Committer::stats);
    Statistics {
        sequence: store.sequence(),
        log_bytes: log.map_or(0, |log| log.file_bytes),
        image_bytes: inner.image_bytes.load(Ordering::Relaxed),
        vector_file_bytes: collections.iter().map(|(_, it)| it.vector_file_bytes).sum(),
        payload_file_bytes: collections.iter().map(|(_, it)| it.payload_file_bytes).sum(),
        bytes_written: written.total(),
        written,
        syncs: inner.writes.syncs(),
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
            index: state.indexing.statistics(),
            payload_bytes: heap.files().iter().map(|file| file.live).sum(),
            payload_file_bytes: heap.files().iter().map(|file| file.capacity).sum(),
        }
    }
}
