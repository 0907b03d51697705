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

use base::{CollectionId, FileId, Row, Sequence, StoreId};
use disk::{Disk, LockGuard};
use indexes::Measure;
use segments::{Element, Geometry, Owner, Pins, Placed, Recovery, SlotBase, SlotList};
use snapshot::{Branch, Image, Manifests, Point};
use wal::{Log, Replay};

use crate::distances::Distances;
use crate::format::{Op, Outcome, decode_ops, decode_outcomes};
use crate::image::{Catalogue, Entry, ImageRows, ImageSlots, read_catalogue};
use crate::inner::{CollectionState, State};
use crate::notes::Notes;
use crate::rows::{RowBase, RowList, Rows};
use crate::{CollectionConfig, Error, Id, Result};

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
    name: String,
    config: CollectionConfig,
    measure: Measure,
    set: Recovery,
    rows: Rows,
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
    options: &wal::Options,
    distances: &Distances,
) -> Result<Recovered> {
    let recovering = disk.recovering();
    let store = manifests.store();
    let with = With { disk, store, distances };
    let image = Image::open(&**disk, store, &point.image)?;
    let mut collections = BTreeMap::new();
    let Catalogue { entries, notes: noted } = read_catalogue(&image)?;
    let mut notes = Notes::default();
    noted.into_iter().for_each(|note| notes.set(Sequence::FIRST, note, None));
    for entry in entries {
        collections.insert(entry.id, Rebuilt::of_image(&with, &image, entry)?);
    }
    let mut replay = Replay::begin(Arc::clone(disk), options, &point.log, None)?;
    let mut replayed = false;
    while let Some(batch) = replay.next()? {
        replayed = true;
        let bad = |what| Error::BadBatch { sequence: batch.sequence, what };
        let ops = decode_ops(batch.body).map_err(bad)?;
        let outcomes = decode_outcomes(batch.table, &ops).map_err(bad)?;
        for (op, outcome) in ops.iter().zip(&outcomes) {
            if let Op::Note(note) = op {
                // Whatever is found is visible.
                notes.set(batch.sequence, note.clone(), Some(batch.sequence));
            }
            apply(&with, &mut collections, (op, outcome), batch.sequence)?;
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
    let finish = |(id, rebuilt): (CollectionId, Rebuilt)| {
        let Rebuilt { name, config, measure, set, rows } = rebuilt;
        let set = set.finish(Arc::clone(&pins)).holding(Arc::clone(lock) as _);
        (id, CollectionState::new(id, (name, config, measure), set, rows))
    };
    let state = State { collections: collections.into_iter().map(finish).collect() };
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
        let Entry { id, name, config, next_row, highest, alive, references, files } = entry;
        let slots: Arc<dyn SlotBase> = Arc::new(ImageSlots::open(image, id, (alive, references))?);
        let rows: Arc<dyn RowBase> = Arc::new(ImageRows::open(image, id)?);
        let rows = Rows::new(rows, next_row, highest);
        Self::begin(with, id, (name, config), (&files, slots), rows)
    }

    fn new(with: &With<'_>, id: CollectionId, named: (String, CollectionConfig)) -> Result<Self> {
        let slots: Arc<dyn SlotBase> = Arc::new(SlotList::default());
        let rows = Rows::new(Arc::new(RowList::default()), Row(1), None);
        Self::begin(with, id, named, (&[], slots), rows)
    }

    fn begin(
        with: &With<'_>,
        id: CollectionId,
        (name, config): (String, CollectionConfig),
        (files, slots): (&[FileId], Arc<dyn SlotBase>),
        rows: Rows,
    ) -> Result<Self> {
        let With { disk, store, distances } = with;
        let measure = distances.measure(disk.root(), &name, &config)?;
        let owner = owner(*store, id, &config)?;
        let set = Recovery::begin(Arc::clone(disk), owner, files, config.dedup_rule(), slots)?;
        Ok(Rebuilt { name, config, measure, set, rows })
    }

    /// Repeats what was decided about an id.
    fn apply(
        &mut self,
        at: Sequence,
        (id, vector): (&Id, Option<&[f32]>),
        outcome: &Outcome,
    ) -> Result<()> {
        if let (Outcome::Upserted { placed, .. }, Some(vector)) = (outcome, vector) {
            match *placed {
                Placed::Own(slot) => self.set.born(slot, vector, at)?,
                Placed::Shared(slot) => self.set.referred(slot)?,
            }
        }
        if let Outcome::Upserted { ended: Some(ended), .. }
        | Outcome::Removed { ended: Some(ended) } = outcome
        {
            self.set.released(ended.slot, ended.slot_ended, at)?;
        }
        self.rows.apply(at, id, outcome);
        Ok(())
    }
}

fn apply(
    with: &With<'_>,
    collections: &mut BTreeMap<CollectionId, Rebuilt>,
    (op, outcome): (&Op, &Outcome),
    at: Sequence,
) -> Result<()> {
    let unknown = crate::Invalid::Value("collection");
    let bad = || Error::BadBatch { sequence: at, what: unknown };
    match op {
        Op::CreateCollection { collection, name, config } => {
            if collections.contains_key(collection) {
                return Err(bad());
            }
            let new = Rebuilt::new(with, *collection, (name.clone(), config.clone()))?;
            collections.insert(*collection, new);
            Ok(())
        }
        Op::Segment { collection, file } => {
            Ok(collections.get_mut(collection).ok_or_else(bad)?.set.grew(*file)?)
        }
        Op::Upsert { collection, id, vector } => {
            let rebuilt = collections.get_mut(collection).ok_or_else(bad)?;
            rebuilt.apply(at, (id, Some(vector)), outcome)
        }
        Op::Remove { collection, id } => {
            collections.get_mut(collection).ok_or_else(bad)?.apply(at, (id, None), outcome)
        }
        Op::Cut | Op::Note(_) => Ok(()),
    }
}

/// The number of the next file of vectors: above all that there are.
pub(crate) fn next_file(disk: &dyn Disk, state: &State) -> Result<AtomicU64> {
    let listed = segments::list(disk)?.into_iter().map(|name| name.file());
    let known = state.collections.values().flat_map(|collection| collection.set.files());
    let highest = listed.chain(known).max().unwrap_or(FileId(0));
    Ok(AtomicU64::new(highest.0.saturating_add(1)))
}
