//! Says how a store is opened, one thing at a time.

use std::path::Path;
use std::sync::Arc;

use base::StoreId;
use disk::OsDisk;
use indexes::Distance;
use wal::Doubt;

use crate::distances::Distances;
use crate::{Error, Result, Store};

/// How a store is opened, where [`Store::open`] is not all there is to say. [`Store::options`] gives the defaults.
///
/// ```
/// use arrwdb::{Error, Store};
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("data");
/// let refused = Store::options().existing().open(&path).unwrap_err();
/// assert!(refused.is_clean_refusal(), "there is no store, and none is made");
///
/// let store = Store::options().checkpoint_bytes(16 << 20).open(&path)?;
/// store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) missing: Missing,
    pub(crate) threads: Threads,
    pub(crate) log_file_bytes: (u64, u64),
    pub(crate) payload_file_bytes: u64,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) index_lag: usize,
    pub(crate) index_memory: Option<usize>,
    pub(crate) doubt: Doubt,
    /// Or what is wrong with the first one that cannot be.
    pub(crate) distances: Result<Distances>,
}

/// What to do where there is no store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Missing {
    Create,
    Refuse,
}

/// Who does what nobody waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Threads {
    Background,
    Nobody,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            missing: Missing::Create,
            threads: Threads::Background,
            log_file_bytes: (1 << 20, 64 << 20),
            payload_file_bytes: 64 << 10,
            checkpoint_bytes: 64 << 20,
            index_lag: 32_768,
            index_memory: None,
            doubt: Doubt::default(),
            distances: Ok(Distances::default()),
        }
    }
}

impl StoreOptions {
    /// Refuses to open where there is no store, instead of making one.
    #[must_use]
    pub fn existing(self) -> Self {
        StoreOptions { missing: Missing::Refuse, ..self }
    }

    /// Starts no threads: whoever has the store calls [`Store::step`]. For simulations.
    #[must_use]
    pub fn stepped(self) -> Self {
        StoreOptions { threads: Threads::Nobody, ..self }
    }

    /// The length of the first log file, and of the longest: multiples of 4096, at least 8192. For tests; larger ones
    /// spare nothing.
    #[must_use]
    pub fn log_file_bytes(self, first: u64, most: u64) -> Self {
        StoreOptions { log_file_bytes: (first, most), ..self }
    }

    /// The length of the first file of payloads, 64 KiB: each next one is in proportion to what is alive. For tests.
    #[must_use]
    pub fn payload_file_bytes(self, first: u64) -> Self {
        StoreOptions { payload_file_bytes: first, ..self }
    }

    /// How much the log may grow, at least, before there is a checkpoint: 64 MiB. Less makes opening after a crash
    /// faster, and writing slower.
    #[must_use]
    pub fn checkpoint_bytes(self, bytes: u64) -> Self {
        StoreOptions { checkpoint_bytes: bytes, ..self }
    }

    /// How many vectors an index may be behind before writes wait for it: 32,768. They are found all the same, by looking at all
    /// of them: with more, writes wait later and searches take longer meanwhile. A write that waits brings the index further itself.
    #[must_use]
    pub fn index_lag(self, vectors: usize) -> Self {
        StoreOptions { index_lag: vectors.max(1), ..self }
    }

    /// How many bytes of memory the indexes of all collections may take, beyond what is mapped from files: as many as they need,
    /// if nobody says otherwise. An index for which there is no memory stays as it lies in its image, or is not built; what it does not
    /// have is looked at in full, and writes do not wait for it.
    ///
    /// An index takes memory once it is built or changed; one that was opened and not changed is read in its image. A vector of 384
    /// numbers takes 448 bytes in a flat index, and some 580 in a graph with 16 links: 0.45 and 0.58 GB a million. Where room
    /// is used up, twice as much is made again, and counts from then on, though what is not used yet takes no memory of the machine. What
    /// an index does not have yet takes about as much as in a flat one. Hash tables take 64 bytes a vector more than a flat index, with 16
    /// of them; trees of vectors of few numbers some 8 bytes a number while they are made, and half of that when they are.
    ///
    /// An index that stays in its image lets go of nothing: what a vector that ended took on the disk is not given out again until there is
    /// memory for it, or the index is another. Views that are kept keep the index they began with, which does not count.
    #[must_use]
    pub fn index_memory(self, bytes: usize) -> Self {
        StoreOptions { index_memory: Some(bytes), ..self }
    }

    /// Refuses to open where it is in doubt how the log ends: in a write that was not finished, or in damage of the very
    /// last ones that were. Nearly always it is the first: so otherwise the log is cut off there, and
    /// [`Store::torn_end`] says where.
    #[must_use]
    pub fn refuse_in_doubt(self) -> Self {
        StoreOptions { doubt: Doubt::Refuse, ..self }
    }

    /// Gives a distance of the caller's own, for collections that are compared by it; several may be given. Their names
    /// are kept with those collections, and the store is not opened without them: vectors would be compared by another
    /// distance than the one they were put in for. The name is all that tells it: another distance needs another one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrwdb::{CollectionConfig, Distance, Error, Store};
    ///
    /// struct Manhattan;
    ///
    /// impl Distance for Manhattan {
    ///     fn name(&self) -> &str {
    ///         "manhattan"
    ///     }
    ///
    ///     fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
    ///         one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum()
    ///     }
    /// }
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let store = Store::options().distance(Arc::new(Manhattan)).open(&path)?;
    /// let blocks = store.create_collection("blocks", CollectionConfig::with_distance(2, "manhattan"))?;
    /// blocks.upsert("corner", &[3.0, 4.0])?;
    /// assert_eq!(blocks.search(&[0.0, 0.0]).run()?[0].distance, 7.0);
    /// store.close()?;
    /// # drop((store, blocks));
    ///
    /// let refused = Store::open(&path).unwrap_err();
    /// assert!(matches!(refused, Error::DistanceMissing { distance, .. } if distance == "manhattan"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn distance(self, distance: Arc<dyn Distance>) -> Self {
        let distances = self.distances.and_then(|distances| distances.with(distance));
        StoreOptions { distances, ..self }
    }

    /// Opens the store in a directory.
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::BadDistanceName`] and [`Error::DistanceTwice`], before anything is made.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store> {
        self.distances.as_ref().map_err(Error::clone)?;
        let options = OsDisk::options();
        let disk = match self.missing {
            Missing::Create => options.create_missing().open(path.as_ref())?,
            Missing::Refuse => options.open(path.as_ref())?,
        };
        self.open_on(Arc::new(disk))
    }

    pub(crate) fn log_options(&self, store: StoreId) -> wal::Options {
        let (first, most) = self.log_file_bytes;
        wal::Options::new(store).file_bytes(first, most).doubt(self.doubt)
    }
}
