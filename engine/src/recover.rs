//! Opens a store: the newest manifest, its image, and the log from there on.
//!
//! Promises
//!  1. What was acknowledged is found, whatever happened to the process and the power; or damage is an error that
//!     names it, and nothing is changed.
//!  2. Opening reads no table of the image, and a store that was closed is not written to.
//!  3. A store whose collections are compared by distances that were not given is not opened. Nothing is published or
//!     cut off then; at most vectors that the log holds are written to their slots once more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use base::{CollectionId, FileId, Sequence, StoreId};
use disk::{Disk, LockGuard};
use segments::{
    Element, Geometry, HeapList, HeapOwner, HeapRecovery, Owner, Pins, Placed, Recovery, SlotBase,
    SlotList,
};
use snapshot::{Branch, Image, Manifests, Point};
use wal::{Log, Replay};

use crate::distances::Distances;
use crate::format::{Op, Outcome, decode_ops, decode_outcomes};
use crate::image::{self, Catalogue, Entry, ImageRows, ImageSlots, read_catalogue};
use crate::index::{Events, Found, Indexing, find_images};
use crate::named::{About, CollectionState, Kept, State, no_rows, rows_behind};
use crate::notes::Notes;
use crate::rows::{RowBase, Rows};
use crate::{CollectionConfig, Error, Id, IndexConfig, Result};

/// A store that was found, with its log open.
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) pins: Arc<Pins>,
    pub(crate) state: State,
    pub(crate) notes: Notes,
    pub(crate) timelines: Vec<Branch>,
    pub(crate) logged: u64,
    /// What was cut off the log's end, if anything was.
    pub(crate) cut: Option<wal::Cut>,
}

/// A collection that is being rebuilt.
struct Rebuilt {
    about: Arc<About>,
    set: Recovery,
    heap: HeapRecovery,
    rows: Rows,
    index: IndexConfig,
    events: Events,
    /// Of vectors and of payloads.
    files: Vec<FileId>,
}

/// All that is being rebuilt.
struct All<'r> {
    with: With<'r>,
    collections: BTreeMap<CollectionId, Rebuilt>,
    /// Files of what was cleared or dropped: the image from before has it.
    retired: Vec<(Sequence, Vec<FileId>)>,
    next: CollectionId,
}

/// What all collections are rebuilt with.
struct With<'r> {
    disk: &'r Arc<dyn Disk>,
    store: StoreId,
    distances: &'r Distances,
}

/// Recovers the store that a point of the manifests stands for.
pub(crate) fn recover(
    (disk, lock): (&Arc<dyn Disk>, &Arc<LockGuard>),
    (manifests, point): (&mut Manifests, &Point),
    (options, payload_file_bytes): (&wal::Options, u64),
    distances: &Distances,
) -> Result<Recovered> {
    let recovering = disk.recovering();
    let store = manifests.store();
    let with = With { disk, store, distances };
    let image = Image::open(&**disk, store, &point.image)?;
    let Catalogue { entries, next, notes: noted } = read_catalogue(&image)?;
    let mut notes = Notes::default();
    noted.into_iter().for_each(|note| notes.set(Sequence::FIRST, note, None));
    let (mut collections, retired) = (BTreeMap::new(), Vec::new());
    for entry in entries {
        collections.insert(entry.id, Rebuilt::of_image(&with, &image, entry)?);
    }
    let mut all = All { with, collections, retired, next };
    let mut replay = Replay::begin(Arc::clone(disk), options, &point.log, None)?;
    let mut replayed = false;
    while let Some(batch) = replay.next()? {
        replayed = true;
        let bad = |what| Error::bad_batch(batch.sequence, what);
        let ops = decode_ops(batch.body).map_err(bad)?;
        let outcomes = decode_outcomes(batch.table, &ops).map_err(bad)?;
        for (op, outcome) in ops.iter().zip(&outcomes) {
            if let Op::Note(note) = op {
                // Whatever is found is visible.
                notes.set(batch.sequence, note.clone(), Some(batch.sequence));
            }
            all.apply((op, outcome), batch.sequence)?;
        }
    }
    // Marks are no reason for a checkpoint: a store that is only read is closed as it was opened.
    let logged = if replayed { replay.progress().0 } else { 0 };
    let ended = replay.finish()?;
    if !ended.was_closed() {
        // What was found may be in the cache alone.
        manifests.confirm()?;
    }
    let cut = ended.cut.clone();
    let mut timelines = manifests.newest().timelines.clone();
    add_branches(&mut timelines, &ended.branches);
    let log = Log::resume(ended, options)?;
    add_branches(&mut timelines, &[log.branch()]);
    drop(recovering);
    let pins = Pins::new(log.last());
    let All { collections, retired, next, .. } = all;
    let images = find_images(&manifests.newest().indexes);
    let found = collections.into_iter().map(|(id, rebuilt)| {
        let Rebuilt { about, set, heap, rows, index, events, .. } = rebuilt;
        let history = (&timelines[..], pins.visible());
        let image = Found::of((&**disk, store), (&images, id), &about.measure, history);
        let indexing = Indexing::found(&about, index, (events, pins.visible()), image);
        let lock = || Arc::clone(lock) as _;
        let set = set.finish(Arc::clone(&pins)).holding(lock());
        let heap = heap.finish().first_bytes(payload_file_bytes).holding(lock());
        let kept = Kept { set, heap };
        CollectionState::found(id, about, kept, (rows, indexing))
    });
    let state = State::new(found, retired, next);
    Ok(Recovered { log, pins, state, notes, timelines, logged, cut })
}

fn add_branches(timelines: &mut Vec<Branch>, found: &[wal::Branch]) {
    for wal::Branch { timeline, first, parent } in found.iter().copied() {
        // The last one is the one that goes on.
        timelines.retain(|branch| branch.timeline != timeline);
        timelines.push(Branch { timeline, first, parent });
    }
}

/// Who owns the vectors of a collection.
pub(crate) fn owner(
    store: StoreId,
    collection: CollectionId,
    config: &CollectionConfig,
) -> Result<Owner> {
    let geometry = Geometry::new(config.check()?, Element::F32);
    Ok(Owner { store, collection, geometry })
}

impl Rebuilt {
    fn of_image(with: &With<'_>, image: &Image, entry: Entry) -> Result<Self> {
        let Entry { id, name, config, next_row, highest, alive, references, files, heap, .. } =
            entry;
        let events = Events::new(entry.floor, image::read_events(image, id)?);
        let slots: Arc<dyn SlotBase> = Arc::new(ImageSlots::open(image, id, (alive, references))?);
        let rows: Arc<dyn RowBase> = Arc::new(ImageRows::open(image, id)?);
        let rows = Rows::new(rows, next_row, highest);
        let about = with.about(name, config)?;
        let begun = Self::begin(with, (id, about), (files, slots, heap), rows)?;
        Ok(Rebuilt { events, ..begun })
    }

    fn new(with: &With<'_>, id: CollectionId, about: Arc<About>, rows: Rows) -> Result<Self> {
        let slots: Arc<dyn SlotBase> = Arc::new(SlotList::default());
        Self::begin(with, (id, about), (Vec::new(), slots, HeapList::default()), rows)
    }

    fn begin(
        with: &With<'_>,
        (id, about): (CollectionId, Arc<About>),
        (files, slots, list): (Vec<FileId>, Arc<dyn SlotBase>, HeapList),
        rows: Rows,
    ) -> Result<Self> {
        let With { disk, store, .. } = with;
        let config = &about.config;
        let owner = owner(*store, id, config)?;
        let set = Recovery::begin(Arc::clone(disk), owner, &files, config.rule()?, slots)?;
        let heap_owner = HeapOwner { store: *store, collection: id };
        let heap = HeapRecovery::begin(Arc::clone(disk), heap_owner, &list)?;
        let files = files.into_iter().chain(list.files().iter().map(|it| it.file)).collect();
        let (index, events) = (about.config.index_kind(), Events::default());
        Ok(Rebuilt { about, set, heap, rows, index, events, files })
    }

    /// Repeats what was decided about an id.
    fn apply(&mut self, at: Sequence, (id, op): (&Id, &Op), outcome: &Outcome) -> Result<()> {
        let (payload, ended) = match *outcome {
            Outcome::Upserted { payload, ended, .. } => (payload, ended),
            Outcome::Updated { payload, ended, .. } => (payload, Some(ended)),
            Outcome::Removed { ended } => (None, ended),
            Outcome::Done(_) => (None, None),
        };
        if let (Outcome::Upserted { placed, .. }, Op::Upsert { vector, .. }) = (outcome, op) {
            match *placed {
                Placed::Own(slot) => self.set.born(slot, vector, at)?,
                Placed::Shared(slot) => self.set.referred(slot)?,
            }
        }
        if let (Some(place), Some(bytes)) = (payload, op.payload()) {
            self.heap.wrote(place, bytes)?;
        }
        if let Some(ended) = ended {
            // A row that is updated leaves its slot to the next one.
            if !matches!(outcome, Outcome::Updated { .. }) {
                self.set.released(ended.slot, ended.slot_ended, at)?;
            }
            ended.payload.into_iter().for_each(|place| self.heap.released(place));
        }
        self.rows.apply(at, id, outcome);
        self.events.note(at, outcome);
        Ok(())
    }
}

impl With<'_> {
    fn about(&self, name: String, config: CollectionConfig) -> Result<Arc<About>> {
        let measure = self.distances.measure(self.disk.root(), &name, &config)?;
        Ok(Arc::new(About { name, config, measure }))
    }
}

impl All<'_> {
    /// Repeats what was decided.
    fn apply(&mut self, (op, outcome): (&Op, &Outcome), at: Sequence) -> Result<()> {
        match op {
            Op::CreateCollection { collection, name, config } => {
                let about = self.with.about(name.clone(), config.clone())?;
                self.begin(*collection, about, no_rows(), at)
            }
            Op::Clear { collection, next } => {
                let ended = self.end(*collection, at)?;
                self.begin(*next, ended.about, rows_behind(&ended.rows), at)?;
                self.at(*next, at)?.index = ended.index;
                Ok(())
            }
            Op::Index { collection, index } => {
                self.at(*collection, at)?.index = *index;
                Ok(())
            }
            Op::DropCollection { collection } => self.end(*collection, at).map(drop),
            Op::Segment { collection, file } => {
                let rebuilt = self.at(*collection, at)?;
                rebuilt.files.push(*file);
                Ok(rebuilt.set.grew(*file)?)
            }
            Op::Payloads { collection, file, base, capacity } => {
                let rebuilt = self.at(*collection, at)?;
                rebuilt.files.push(*file);
                Ok(rebuilt.heap.grew(*file, *base, *capacity)?)
            }
            Op::Upsert { collection, id, .. }
            | Op::Update { collection, id, .. }
            | Op::Remove { collection, id } => {
                self.at(*collection, at)?.apply(at, (id, op), outcome)
            }
            Op::Cut | Op::Note(_) => Ok(()),
        }
    }

    fn at(&mut self, id: CollectionId, at: Sequence) -> Result<&mut Rebuilt> {
        self.collections.get_mut(&id).ok_or_else(|| unknown(at))
    }

    fn begin(
        &mut self,
        id: CollectionId,
        about: Arc<About>,
        rows: Rows,
        at: Sequence,
    ) -> Result<()> {
        let is_named = self.collections.values().any(|it| it.about.name == about.name);
        if self.collections.contains_key(&id) || is_named {
            return Err(unknown(at));
        }
        self.next = self.next.max(CollectionId(id.0.saturating_add(1)));
        self.collections.insert(id, Rebuilt::new(&self.with, id, about, rows)?);
        Ok(())
    }

    fn end(&mut self, id: CollectionId, at: Sequence) -> Result<Rebuilt> {
        let mut ended = self.collections.remove(&id).ok_or_else(|| unknown(at))?;
        self.retired.push((at, std::mem::take(&mut ended.files)));
        Ok(ended)
    }
}

/// A batch of the log is for a collection that cannot be.
fn unknown(at: Sequence) -> Error {
    Error::bad_batch(at, crate::Invalid::Value("collection"))
}

/// The number of the next file of vectors or payloads: above all that there are.
pub(crate) fn next_file(disk: &dyn Disk, state: &State) -> Result<AtomicU64> {
    let listed = segments::list(disk)?.into_iter().map(|name| name.file());
    let known = state.going_on().flat_map(|collection| collection.files_kept());
    let highest = listed.chain(known).max().unwrap_or(FileId(0));
    Ok(AtomicU64::new(highest.0.saturating_add(1)))
}
