//! Stands in front of a disk, and tells what was written for what, how long the syncs of the log took, and when images of
//! indexes were written.
//!
//! What an image is for is not told by its name: one that is begun by the store's own thread for checkpoints, or within
//! [`checkpoint`], is of the store. Any other is of an index, whose images are written by whoever waits for it, too.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrwdb::Store;
use disk::{Call, Disk, Error, Hook, Hooked};

/// What bytes are written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Log,
    ZeroingAhead,
    Vectors,
    StoreImages,
    IndexImages,
    Manifests,
    Other,
}

/// From when to when something was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// All that was seen.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    written: Vec<(Purpose, u64)>,
    /// The syncs of log files.
    pub(crate) log_syncs: Vec<Span>,
    /// Images of indexes, from their first byte until they had their names.
    pub(crate) index_images: Vec<Span>,
    /// Images of indexes that are in the making, or once were.
    of_indexes: HashSet<PathBuf>,
    image_since: Option<Instant>,
}

/// What sees it.
#[derive(Default, Debug)]
pub(crate) struct Watch(Mutex<Seen>);

/// The store's thread for checkpoints.
const CHECKPOINT_THREAD: &str = "arrwdb-checkpoint";

thread_local! {
    /// Since when this thread waits for a sync.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Whether this thread makes a checkpoint.
    static MAKES_CHECKPOINT: Cell<bool> = const { Cell::new(false) };
}

/// Makes a checkpoint.
pub(crate) fn checkpoint(store: &Store) -> arrwdb::Result<()> {
    MAKES_CHECKPOINT.set(true);
    let made = store.checkpoint();
    MAKES_CHECKPOINT.set(false);
    made.map(drop)
}

impl Watch {
    pub(crate) fn guard(disk: Arc<dyn Disk>) -> (Arc<dyn Disk>, Arc<Watch>) {
        let watch = Arc::new(Watch::default());
        (Arc::new(Hooked::new(disk, Arc::clone(&watch) as _)), watch)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// Forgets all that was counted.
    pub(crate) fn begin_anew(&self) {
        let mut seen = self.lock();
        seen.written.clear();
        seen.log_syncs.clear();
        seen.index_images.clear();
    }
}

impl Seen {
    /// How many bytes were written for this.
    pub(crate) fn written(&self, purpose: Purpose) -> u64 {
        let of = |(it, bytes): &(Purpose, u64)| (*it == purpose).then_some(*bytes);
        self.written.iter().filter_map(of).sum()
    }

    fn add(&mut self, purpose: Purpose, bytes: u64) {
        match self.written.iter_mut().find(|(it, _)| *it == purpose) {
            Some((_, sum)) => *sum += bytes,
            None => self.written.push((purpose, bytes)),
        }
    }

    fn purpose(&self, path: &Path, bytes: &[u8]) -> Purpose {
        match folder(path) {
            "wal" if bytes.iter().all(|byte| *byte == 0) => Purpose::ZeroingAhead,
            "wal" => Purpose::Log,
            "vectors" => Purpose::Vectors,
            "images" if self.of_indexes.contains(path) => Purpose::IndexImages,
            "images" => Purpose::StoreImages,
            "manifests" => Purpose::Manifests,
            _ => Purpose::Other,
        }
    }
}

fn folder(path: &Path) -> &str {
    path.iter().next().and_then(|it| it.to_str()).unwrap_or_default()
}

impl Hook for Watch {
    fn before(&self, call: &Call<'_>) -> disk::Result<()> {
        if let Call::SyncData { path } | Call::SyncAll { path } = call
            && folder(path) == "wal"
        {
            SINCE.set(Some(Instant::now()));
        }
        Ok(())
    }

    fn after(&self, call: &Call<'_>, outcome: Result<(), &Error>) {
        if outcome.is_err() {
            return;
        }
        let is_for_index =
            || std::thread::current().name() != Some(CHECKPOINT_THREAD) && !MAKES_CHECKPOINT.get();
        match call {
            Call::WriteAt { path, bytes, .. } => {
                let mut seen = self.lock();
                let purpose = seen.purpose(path, bytes);
                seen.add(purpose, bytes.len() as u64);
            }
            Call::SyncData { .. } | Call::SyncAll { .. } => {
                if let Some(from) = SINCE.take() {
                    self.lock().log_syncs.push(Span { from, to: Instant::now() });
                }
            }
            Call::Create { path } if folder(path) == "images" && is_for_index() => {
                let mut seen = self.lock();
                seen.of_indexes.insert(path.to_path_buf());
                seen.image_since = Some(Instant::now());
            }
            Call::Rename { from, .. } if folder(from) == "images" && is_for_index() => {
                let mut seen = self.lock();
                if let Some(from) = seen.image_since.take() {
                    seen.index_images.push(Span { from, to: Instant::now() });
                }
            }
            _ => {}
        }
    }
}

impl Span {
    pub(crate) fn took(self) -> Duration {
        self.to - self.from
    }

    /// How long both were.
    pub(crate) fn shared(self, other: Span) -> Duration {
        self.to.min(other.to).saturating_duration_since(self.from.max(other.from))
    }

    /// Whether both were at some moment.
    pub(crate) fn meets(self, other: Span) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}
