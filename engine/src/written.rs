//! Counts what is written to the disk, and what for.
//!
//! Never: changes or refuses a call.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::FileId;
use disk::{Call, Disk, Hook, Hooked};
use parking_lot::Mutex;

/// How many bytes were written for what, since a store was opened. See [`Statistics`](crate::report::Statistics).
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// store.checkpoint()?;
/// let written = store.stats().written;
/// assert!(written.log > 0 && written.vectors > 0 && written.store_images > 0);
/// assert_eq!(written.total(), store.stats().bytes_written);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Written {
    /// Batches, in the log.
    pub log: u64,
    /// Zeros, to files of the log that are made ahead: a sync is shorter where there is something already.
    pub log_ahead: u64,
    /// Vectors, and what stands at the front of each file of payloads.
    pub vectors: u64,
    /// Payloads.
    pub payloads: u64,
    /// Images of the store, by checkpoints.
    pub store_images: u64,
    /// Images of indexes.
    pub index_images: u64,
    /// What says which images count.
    pub manifests: u64,
    /// Anything else.
    pub other: u64,
}

impl Written {
    /// All of it.
    pub fn total(&self) -> u64 {
        let Written { log, log_ahead, vectors, payloads, .. } = self;
        let Written { store_images, index_images, manifests, other, .. } = self;
        log + log_ahead + vectors + payloads + store_images + index_images + manifests + other
    }
}

/// What counts it, in front of the disk.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    log: AtomicU64,
    log_ahead: AtomicU64,
    vectors: AtomicU64,
    payloads: AtomicU64,
    store_images: AtomicU64,
    index_images: AtomicU64,
    manifests: AtomicU64,
    other: AtomicU64,
    syncs: AtomicU64,
    /// The images that are being written for indexes: their names do not tell.
    for_indexes: Mutex<HashSet<FileId>>,
}

impl Writes {
    /// Counts what goes to a disk from now on, by the disk that this gives.
    pub(crate) fn count(disk: Arc<dyn Disk>) -> (Arc<dyn Disk>, Arc<Writes>) {
        let writes = Arc::new(Writes::default());
        (Arc::new(Hooked::new(disk, Arc::clone(&writes) as _)), writes)
    }

    /// What is written to this image meanwhile is written for an index.
    pub(crate) fn for_index<A>(&self, image: FileId, write: impl FnOnce() -> A) -> A {
        self.for_indexes.lock().insert(image);
        let answer = write();
        self.for_indexes.lock().remove(&image);
        answer
    }

    /// How often files and directories were synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// What was written so far.
    pub(crate) fn written(&self) -> Written {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Written {
            log: of(&self.log),
            log_ahead: of(&self.log_ahead),
            vectors: of(&self.vectors),
            payloads: of(&self.payloads),
            store_images: of(&self.store_images),
            index_images: of(&self.index_images),
            manifests: of(&self.manifests),
            other: of(&self.other),
        }
    }

    /// Where bytes that are written to this file are counted.
    fn counter(&self, path: &Path, bytes: &[u8]) -> &AtomicU64 {
        let folder = path.iter().next().and_then(|it| it.to_str()).unwrap_or_default();
        let is_of_payloads = || path.extension().is_some_and(|it| it == "pay");
        match folder {
            "wal" if bytes.iter().all(|byte| *byte == 0) => &self.log_ahead,
            "wal" => &self.log,
            "vectors" if is_of_payloads() => &self.payloads,
            "vectors" => &self.vectors,
            "images" if self.is_of_index(path) => &self.index_images,
            "images" => &self.store_images,
            "manifests" => &self.manifests,
            _ => &self.other,
        }
    }

    fn is_of_index(&self, path: &Path) -> bool {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        number.is_some_and(|number| self.for_indexes.lock().contains(&FileId(number)))
    }
}

impl Hook for Writes {
    fn before(&self, _: &Call<'_>) -> disk::Result<()> {
        Ok(())
    }

    fn after(&self, call: &Call<'_>, outcome: Result<(), &disk::Error>) {
        if outcome.is_err() {
            return;
        }
        match call {
            Call::WriteAt { path, bytes, .. } => {
                self.counter(path, bytes).fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Call::SyncData { .. } | Call::SyncAll { .. } | Call::SyncDir { .. } => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use disk::SimDisk;

    use super::*;

    #[test]
    fn what_works_is_counted_by_what_it_is_for_and_what_fails_is_not() {
        let (disk, writes) = Writes::count(Arc::new(SimDisk::new(1)));
        let write = |name: &str, bytes: &[u8]| {
            let (file, named) = disk.create(Path::new(name)).unwrap();
            named.forgo("a test of counting");
            file.write_at(0, bytes).unwrap();
        };
        for folder in ["wal", "vectors", "images", "manifests"] {
            disk.create_dir(Path::new(folder)).unwrap().forgo("a test of counting");
        }
        write("wal/00000000000000000001.new", &[0; 1]);
        write("wal/00000000000000000001.wal", &[0, 1]);
        write("vectors/00000000000000000002.seg", &[1; 4]);
        write("vectors/00000000000000000003.pay", &[1; 8]);
        write("images/00000000000000000004.new", &[1; 16]);
        writes.for_index(FileId(5), || write("images/00000000000000000005.new", &[0; 32]));
        write("manifests/00000000000000000001.new", &[1; 64]);
        write("elsewhere", &[1; 128]);
        disk.create(Path::new("elsewhere")).unwrap_err();
        let counted = writes.written();
        let expected = Written {
            log_ahead: 1,
            log: 2,
            vectors: 4,
            payloads: 8,
            store_images: 16,
            index_images: 32,
            manifests: 64,
            other: 128,
        };
        assert_eq!((counted, counted.total(), writes.syncs()), (expected, 255, 0));
        disk.sync_dir(Path::new("")).unwrap();
        assert_eq!(writes.syncs(), 1);
    }
}
