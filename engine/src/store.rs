//! Makes, opens and closes a store, and says what is in it.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use base::{FileId, Sequence, StoreId, Timeline};
use disk::{Disk, LockGuard, LockKind, Owner};
use parking_lot::{Mutex, RwLock};
use segments::Pins;
use snapshot::{Branch, ImageWriter, Manifest, Manifests, Point};
use wal::{Beginning, Committer, Level, Log};

use crate::background::Background;
use crate::changes::{Changes, Position};
use crate::checkpoint::{Checkpoints, unkept};
use crate::distances::Distances;
use crate::error::check_name;
use crate::image::{self, Catalogue};
use crate::index::{Haste, Images, IndexWake, Pools, Progress};
use crate::inner::{Applier, Inner};
use crate::named::{About, CollectionState, FIRST, Named, State, no_rows};
use crate::notes::Notes;
use crate::options::{Missing, Threads};
use crate::recover::{self, Recovered};
use crate::report::{Statistics, TornEnd};
use crate::statistics;
use crate::wish::Wish;
use crate::written::Writes;
use crate::{Batch, Collection, CollectionConfig, Error, Result, StoreOptions, View};

/// A store: one directory, open for one process.
///
/// Handles are cheap to clone, and share everything. The directory is locked until the last handle, view, vector and
/// unfinished commit of it is gone. Dropped without [`close`](Store::close) it loses nothing that was acknowledged; the
/// next opening replays the log.
///
/// It belongs to the process that opened it. In a process that was split off from that one (`fork`), whatever writes is
/// refused ([`disk::Error::OtherProcess`]), and to let go of it changes nothing for the other; to read there is not
/// safe, since a thread that is not there may hold a lock.
///
/// If its directory is removed while it is open, what is read goes on to be there. A batch at
/// [`Durability::Sync`](crate::Durability::Sync), a sync, a checkpoint and closing are refused from then on
/// ([`disk::Error::Removed`]); a batch at [`Durability::Os`](crate::Durability::Os) may be acknowledged until one of them
/// or the background has found out.
///
/// ```
/// use arrwdb::{CollectionConfig, Metric, Store};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// let store = Store::open(&path)?; // opens it, or makes it
/// let docs = store.create_collection("docs", CollectionConfig::new(3, Metric::Cosine))?;
/// docs.upsert("chunk-1", &[1.0, 0.0, 0.0])?; // durable when it returns
/// docs.upsert("chunk-2", &[0.0, 1.0, 0.0])?;
///
/// let hits = docs.search(&[0.9, 0.1, 0.0]).k(1).run()?;
/// assert_eq!(hits[0].id.to_string(), "chunk-1");
/// store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    pub(crate) background: Arc<Background>,
}

impl StoreOptions {
    /// Opens the store on a disk: a simulated one, say.
    ///
    /// # Errors
    /// As [`StoreOptions::open`].
    pub fn open_on(self, disk: Arc<dyn Disk>) -> Result<Store> {
        let distances = self.distances.clone()?;
        match self.missing {
            Missing::Refuse => check_there(&disk)?,
            Missing::Create => check_free(&disk)?,
        }
        let lock = Arc::new(disk.lock(LockKind::Exclusive)?);
        // Behind the first failed write or sync nothing is written, whoever asks for it.
        let (disk, _latch) = disk::Latch::guard(disk);
        let (disk, writes) = Writes::count(disk);
        let found = Manifests::open(Arc::clone(&disk))?;
        let point = found.as_ref().and_then(|manifests| manifests.newest().newest().cloned());
        match (found, point) {
            (Some(mut manifests), Some(point)) => {
                let options = self.log_options(manifests.store());
                let from = (&mut manifests, &point);
                let with = (&options, self.payload_file_bytes);
                let recovered = recover::recover((&disk, &lock), from, with, &distances)?;
                let found = (manifests, recovered, point.image.bytes);
                self.finish(found, (disk, writes), lock, distances)
            }
            (unfinished, _) if self.missing == Missing::Refuse => {
                if let Some(manifests) = &unfinished {
                    check_never_used(&disk, manifests, &self)?;
                }
                Err(Error::NoStore { path: disk.root().to_path_buf() })
            }
            (unfinished, _) => {
                let created = create(&disk, unfinished, &self)?;
                self.finish(created, (disk, writes), lock, distances)
            }
        }
    }

    fn finish(
        &self,
        (manifests, recovered, image_bytes): (Manifests, Recovered, u64),
        (disk, writes): (Arc<dyn Disk>, Arc<Writes>),
        lock: Arc<LockGuard>,
        distances: Distances,
    ) -> Result<Store> {
        let Recovered { log, pins, state, notes, timelines, logged, cut } = recovered;
        let failure = Arc::new(OnceLock::new());
        let index_wake = Arc::<IndexWake>::default();
        let applier = Applier {
            pins: Arc::clone(&pins),
            index_wake: Arc::clone(&index_wake),
            failure: Arc::clone(&failure),
        };
        let timeline = timelines.last().map(|branch| branch.timeline).ok_or(Error::Closed)?;
        let images = Images::new(manifests.next_file()?);
        let events = state.going_on().map(|it| it.indexing.events.lock().count()).sum();
        let committer = match self.threads {
            Threads::Background => Committer::start(log, applier)?,
            Threads::Nobody => Committer::stepped(log, applier),
        };
        let store = manifests.store();
        let passed_over = manifests.passed_over().cloned().map(Error::from);
        let inner = Arc::new(Inner {
            next_file: recover::next_file(&*disk, &state)?,
            log_options: self.log_options(store),
            payload_file_bytes: self.payload_file_bytes,
            disk,
            owner: Owner::this_process(),
            store,
            committer: RwLock::new(Some(committer)),
            pins,
            state: RwLock::new(state),
            notes: Mutex::new(notes),
            ddl: Mutex::new(()),
            unkept: Mutex::new(unkept(&manifests)),
            checkpoints: Mutex::new(Checkpoints { manifests, timelines: timelines.clone() }),
            logged: AtomicU64::new(logged),
            image_bytes: AtomicU64::new(image_bytes),
            checkpoint_bytes: self.checkpoint_bytes,
            failure,
            wake: OnceLock::new(),
            index_wake,
            index_progress: Progress::default(),
            index_lag: self.index_lag,
            index_memory: self.index_memory,
            pools: Pools::new(self.threads),
            events_in_image: AtomicUsize::new(events),
            images,
            timeline,
            timelines,
            distances,
            cut: cut.map(TornEnd::of),
            writes,
            passed_over,
            lock,
        });
        inner.note_index_memory();
        let background = match self.threads {
            Threads::Background => Background::start(&inner)?,
            Threads::Nobody => Background::none(),
        };
        Ok(Store { inner, background: Arc::new(background) })
    }
}

/// Makes a store where there is none, or where one was begun and not finished: nothing of it was ever handed out.
fn create(
    disk: &Arc<dyn Disk>,
    unfinished: Option<Manifests>,
    options: &StoreOptions,
) -> Result<(Manifests, Recovered, u64)> {
    let mut manifests = match unfinished {
        // That of the process before may be in the cache alone.
        Some(mut manifests) => {
            check_never_used(disk, &manifests, options)?;
            manifests.confirm()?;
            clear_log(&**disk)?;
            manifests
        }
        None => Manifests::create(Arc::clone(disk), StoreId(disk.random()?))?,
    };
    let store = manifests.store();
    segments::make_directory(&**disk)?;
    let random = disk.random()?;
    let name = u64::from_le_bytes(random.first_chunk().copied().unwrap_or_default());
    let timeline = Timeline::new(name.max(1)).ok_or(Error::Closed)?;
    let beginning = Beginning::of_a_new_store(timeline);
    let log = Log::create(Arc::clone(disk), &options.log_options(store), &beginning)?;
    let into = ImageWriter::create(Arc::clone(disk), store, manifests.next_file()?)?;
    let image = image::finish(into, &Catalogue::of_nothing())?;
    let timelines = vec![Branch { timeline, first: Sequence::FIRST, parent: None }];
    let place = log.place();
    let point = Point { name: None, sequence: None, timeline, image, log: place, log_end: None };
    manifests.publish(Manifest {
        next_file: FileId(image.file.0 + 1),
        points: vec![point],
        timelines: timelines.clone(),
        indexes: Vec::new(),
    })?;
    let state = State::new(std::iter::empty(), Vec::new(), FIRST);
    let (pins, notes) = (Pins::new(None), Notes::default());
    let recovered = Recovered { log, pins, state, notes, timelines, logged: 0, cut: None };
    Ok((manifests, recovered, image.bytes))
}

/// Refuses a directory in which there is nothing of a store, before anything is made there: a lock would leave its file
/// behind. What is there is looked at behind the lock.
pub(crate) fn check_there(disk: &Arc<dyn Disk>) -> Result<()> {
    match Manifests::open(Arc::clone(disk)) {
        Ok(None) => Err(Error::NoStore { path: disk.root().to_path_buf() }),
        _ => Ok(()),
    }
}

/// Names that may be there before a store is: its own, and one that a new file system has.
const FREE: [&str; 6] = ["LOCK", "manifests", "images", "vectors", "wal", "lost+found"];

/// Refuses a directory of another program, before anything is made there. A store that is there may have strangers
/// beside it; a new one may not: a directory with a wrong path is full of them.
fn check_free(disk: &Arc<dyn Disk>) -> Result<()> {
    let entries = disk.list(Path::new(""))?;
    let is_strange = |entry: &&disk::Entry| !FREE.iter().any(|name| entry.name == *name);
    let Some(strange) = entries.iter().find(is_strange) else { return Ok(()) };
    match Manifests::open(Arc::clone(disk)) {
        Ok(None) => Err(Error::NotEmpty {
            path: disk.root().to_path_buf(),
            found: strange.name.to_string_lossy().into_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a store that has a manifest of one that was never finished, and was used: then later manifests are damaged
/// or lost, and to begin anew would be to lose the rest.
pub(crate) fn check_never_used(
    disk: &Arc<dyn Disk>,
    manifests: &Manifests,
    options: &StoreOptions,
) -> Result<()> {
    if let Some(damaged) = manifests.passed_over() {
        return Err(damaged.clone().into());
    }
    let used = || Error::ManifestLost { path: disk.root().to_path_buf() };
    if !segments::list(&**disk)?.is_empty() {
        return Err(used());
    }
    let options = options.log_options(manifests.store());
    let Some(place) = wal::oldest_place(&**disk, manifests.store())? else { return Ok(()) };
    let mut replay = wal::Replay::begin(Arc::clone(disk), &options, &place, None)?;
    if replay.next()?.is_some() { Err(used()) } else { Ok(()) }
}

/// Removes the log of a store that was never finished.
fn clear_log(disk: &dyn Disk) -> Result<()> {
    let directory = Path::new("wal");
    let entries = match disk.list(directory) {
        Ok(entries) => entries,
        Err(disk::Error::Missing { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in entries.iter().filter(|entry| entry.kind == disk::EntryKind::File) {
        disk.remove(&directory.join(&entry.name))?.sync(disk)?;
    }
    Ok(())
}

impl Store {
    /// Opens the store in a directory, or makes it.
    ///
    /// # Errors
    /// If somebody has it open; [`Error::NotEmpty`] if there is no store and something else; if it is damaged, with the file and the place: nothing is changed then.
    /// [`Error::DistanceMissing`] if one of its collections is compared by a distance of the caller's own:
    /// [`StoreOptions::distance`] gives it.
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Store::options().open(path)
    }

    /// The defaults of [`Store::open`], to be changed one by one.
    pub fn options() -> StoreOptions {
        StoreOptions::default()
    }

    /// Makes a collection. It is durable when this returns.
    ///
    /// # Errors
    /// [`Error::CollectionExists`], [`Error::BadName`], [`Error::BadDimension`], [`Error::BadDecimals`], [`Error::UnsuitedIndex`];
    /// [`Error::BadDistanceName`] and [`Error::DistanceMissing`] if the store was not opened with the distance; if the
    /// disk fails.
    pub fn create_collection(&self, name: &str, config: CollectionConfig) -> Result<Collection> {
        let inner = &self.inner;
        inner.check_owner()?;
        check_name(name)?;
        config.check()?;
        let measure = inner.distances.measure(inner.disk.root(), name, &config)?;
        let about = Arc::new(About { name: name.to_owned(), config, measure });
        let _one_at_a_time = inner.ddl.lock();
        if inner.state.read().named(name).is_some() {
            return Err(Error::CollectionExists { name: name.to_owned() });
        }
        let id = inner.next_collection();
        let wish = Wish::CreateCollection(id, name.to_owned(), about.config.clone());
        let mut kept = Some(inner.empty(id, &about.config)?);
        let mut named = None;
        let decided = inner.queue_alone(wish, Level::Sync, None, |at| {
            named = kept.take().map(|kept| {
                let with = (no_rows(), about.config.index_kind());
                let made = CollectionState::made((id, id), Arc::clone(&about), kept, with, at);
                inner.state.write().begin(made)
            });
        })?;
        decided.commit.wait()?;
        inner.check()?;
        let named = named.ok_or(Error::Closed)?;
        Ok(Collection::new(self, named))
    }

    /// Ends a collection with all it holds: for good, and durably when this returns. Views from before go on seeing it.
    /// Its files are removed once no checkpoint that is kept needs them.
    ///
    /// # Errors
    /// [`Error::NoCollection`]; if the disk fails.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let inner = &self.inner;
        inner.check_owner()?;
        let _one_at_a_time = inner.ddl.lock();
        let now = inner.named(name)?.now()?;
        let decided = inner.queue_alone(Wish::Drop(Arc::clone(&now)), Level::Sync, None, |at| {
            let mut state = inner.state.write();
            state.end(&now, at);
            state.forget_name(name);
        })?;
        decided.commit.wait()?;
        inner.check()
    }

    /// The collection of this name.
    ///
    /// # Errors
    /// [`Error::NoCollection`].
    pub fn collection(&self, name: &str) -> Result<Collection> {
        Ok(Collection::new(self, self.inner.named(name)?))
    }

    /// All collections, in the order of their names.
    pub fn collections(&self) -> Vec<Collection> {
        let state = self.inner.state.read();
        let handle = |named: &Arc<Named>| Collection::new(self, Arc::clone(named));
        state.all().map(handle).collect()
    }

    /// An empty batch: what is put into it happens as a whole or not at all, in all collections at once.
    pub fn batch(&self) -> Batch {
        Batch::new(Arc::clone(&self.inner))
    }

    /// A small value that was kept by name, in the last batch that is visible and set it.
    pub fn note(&self, name: &str) -> Option<Vec<u8>> {
        // First the lock: meanwhile no version is dropped that a later number would not see.
        let notes = self.inner.notes.lock();
        notes.get(name, self.inner.pins.visible()).map(|note| note.to_vec())
    }

    /// A consistent view of the whole store, for as long as it lives.
    pub fn view(&self) -> View {
        View::new(&self.inner)
    }

    /// Where the history stands: the last batch that is visible and survives the power.
    pub fn position(&self) -> Option<Position> {
        self.inner.position()
    }

    /// What was committed behind a position, or all that the log still has, in order. It ends where there is nothing more
    /// for now; gone through again, it goes on with what came since. The log has what came since the checkpoint before the
    /// last; what is older is told by [`Collection::scan`].
    ///
    /// ```
    /// # use arrwdb::{CollectionConfig, Metric, Store, changes::Changed};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("data"))?;
    /// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
    /// docs.upsert("one", &[1.0])?;
    /// let here = store.position();
    /// docs.upsert("two", &[2.0])?;
    /// docs.remove("one")?;
    /// let mut changes = store.changes(here)?;
    /// assert!(matches!(changes.next().unwrap()?.what, Changed::Upserted { id, .. } if id == "two".into()));
    /// assert!(matches!(changes.next().unwrap()?.what, Changed::Removed { id } if id == "one".into()));
    /// assert!(changes.next().is_none());
    /// docs.clear()?;
    /// assert!(matches!(changes.next().unwrap()?.what, Changed::Cleared));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Abandoned`], [`Error::NotRetained`]: then everything has to be read once more.
    pub fn changes(&self, after: Option<Position>) -> Result<Changes> {
        Changes::begin(&self.inner, after)
    }

    /// Makes everything durable that was committed before.
    ///
    /// # Errors
    /// If the disk fails: then nothing is written any more.
    pub fn sync(&self) -> Result<()> {
        self.inner.check_owner()?;
        self.inner.check()?;
        let committer = self.inner.committer.read();
        Ok(committer.as_ref().ok_or(Error::Closed)?.sync()?)
    }

    /// Makes a checkpoint: what was committed so far is in an image, and the log before is no longer needed.
    ///
    /// # Errors
    /// If the disk fails. A disk that is too full is [a clean refusal](Error::is_clean_refusal).
    pub fn checkpoint(&self) -> Result<Sequence> {
        self.inner.checkpoint()
    }

    /// Does what background threads do where there are any: makes a checkpoint if the log has grown, brings indexes further, and
    /// whatever the log has to do. Says whether there was anything.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn step(&self) -> Result<bool> {
        self.inner.check_owner()?;
        let stepped = self.inner.committer.read().as_ref().is_some_and(Committer::step);
        let indexed = self.inner.index_step(Haste::Beside)?;
        Ok(self.inner.checkpoint_if_due()? | stepped | indexed)
    }

    /// What was cut off the end of the log when the store was opened: something that was being written when the process
    /// before ended. `None` if the log ended well.
    pub fn torn_end(&self) -> Option<&TornEnd> {
        self.inner.cut.as_ref()
    }

    /// What was wrong with the newest manifest when the store was opened, if it was damaged: the one before was used,
    /// and the log from there on, so that nothing is lost. The next checkpoint mends it.
    pub fn passed_over_manifest(&self) -> Option<&Error> {
        self.inner.passed_over.as_ref()
    }

    /// What the store holds and did.
    pub fn stats(&self) -> Statistics {
        statistics::of(self)
    }

    /// The number of the last batch that is visible.
    pub fn sequence(&self) -> Option<Sequence> {
        self.inner.pins.visible()
    }

    /// Makes a checkpoint, if anything was committed since the last one, and closes the log: the next opening has
    /// nothing to do. Other handles can still read, and write nothing any more.
    ///
    /// # Errors
    /// If the disk fails. What was acknowledged is safe all the same.
    pub fn close(&self) -> Result<()> {
        self.inner.check_owner()?;
        self.background.stop();
        if self.inner.check().is_ok() {
            self.inner.finish_indexes()?;
        }
        if self.inner.logged.load(Ordering::Relaxed) > 0 || self.inner.image_tells_too_much() {
            match self.inner.checkpoint() {
                // The log has it all.
                Err(error) if error.is_clean_refusal() => {}
                made => drop(made?),
            }
        }
        self.inner.publish_indexes()?;
        let committer = self.inner.committer.write().take();
        Ok(committer.ok_or(Error::Closed)?.close()?)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.disk.root())
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}
