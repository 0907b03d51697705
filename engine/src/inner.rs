//! The state that all handles of a store share, and how a batch is decided.
//!
//! Locks, in the order in which they are taken: `checkpoints`, `ddl`, a collection's `growth`, `committer`, the
//! sequencer's (inside the log), `state`, `notes`, a collection's `rows`, and those inside a set of vectors.
//!
//! Promises
//!  1. A batch that is refused leaves no trace.
//!  2. What is decided is decided in the order of the batches' numbers, by one thread at a time.
//!  3. After a failure nothing is written, and what was visible stays so.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use base::{CollectionId, FileId, LogPlace, Sequence, StoreId};
use disk::{Disk, LockGuard};
use indexes::Measure;
use parking_lot::{Mutex, RwLock};
use segments::{Ended, Pins, Placed, Prepared, Reclaimed, RestingUntil, VectorSet, Writes};
use wal::{Apply, Body, Committer, Level, Purpose, Request};

use crate::background::Wake;
use crate::checkpoint::Checkpoints;
use crate::distances::Distances;
use crate::format::{EndedRow, Op, Outcome, encode_ops, encode_outcomes, table_bytes};
use crate::notes::{Note, Notes};
use crate::rows::{Current, Rows, RowsView};
use crate::{CollectionConfig, Error, Id, Result};

/// How many slots are given back at a time, while batches wait.
pub(crate) const RECLAIMED_AT_A_TIME: u32 = 10_000;

/// A collection, as all its handles share it.
#[derive(Debug)]
pub(crate) struct CollectionState {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    pub(crate) config: CollectionConfig,
    pub(crate) measure: Measure,
    pub(crate) set: VectorSet,
    pub(crate) rows: RwLock<Rows>,
    /// Held by who makes a segment.
    pub(crate) growth: Mutex<()>,
}

impl CollectionState {
    pub(crate) fn new(
        id: CollectionId,
        (name, config, measure): (String, CollectionConfig, Measure),
        set: VectorSet,
        rows: Rows,
    ) -> Arc<Self> {
        let (rows, growth) = (RwLock::new(rows), Mutex::new(()));
        Arc::new(CollectionState { id, name, config, measure, set, rows, growth })
    }
}

/// The collections there are. A view takes its pin and its layers under the lock for reading; layers are replaced
/// under the lock for writing.
#[derive(Default, Debug)]
pub(crate) struct State {
    pub(crate) collections: BTreeMap<CollectionId, Arc<CollectionState>>,
}

impl State {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<CollectionState>> {
        self.collections.values().find(|collection| collection.name == name)
    }
}

/// What all handles share.
pub(crate) struct Inner {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: StoreId,
    pub(crate) log_options: wal::Options,
    pub(crate) committer: RwLock<Option<Committer<Applier>>>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) state: RwLock<State>,
    pub(crate) notes: Mutex<Notes>,
    pub(crate) ddl: Mutex<()>,
    pub(crate) checkpoints: Mutex<Checkpoints>,
    /// The number of the next file of vectors.
    pub(crate) next_file: AtomicU64,
    /// Bytes that the log took since the last checkpoint, about.
    pub(crate) logged: AtomicU64,
    /// How long the newest image is.
    pub(crate) image_bytes: AtomicU64,
    pub(crate) failure: Arc<OnceLock<Error>>,
    /// Wakes the background thread, if there is one.
    pub(crate) wake: OnceLock<Sender<Wake>>,
    /// The distances of the caller's own that it was opened with.
    pub(crate) distances: Distances,
    /// What was cut off the log's end when the store was opened.
    pub(crate) cut: Option<wal::Cut>,
    /// How much the log may grow, at least, before there is a checkpoint.
    pub(crate) checkpoint_bytes: u64,
    /// What was written since the store was opened.
    pub(crate) meter: Arc<disk::Meter>,
    /// What was wrong with the newest manifest, if it had to be passed over when the store was opened.
    pub(crate) passed_over: Option<Error>,
    /// Slots that were freed by this batch or before it are in no checkpoint that is kept.
    pub(crate) unkept: Mutex<Option<Sequence>>,
    /// Released with the last handle, view and vector.
    pub(crate) lock: Arc<LockGuard>,
}

/// What is to be done with an id, looked at outside any lock.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Upsert(Arc<CollectionState>, Id, Prepared),
    Remove(Arc<CollectionState>, Id),
    CreateCollection(CollectionId, String, CollectionConfig),
    Segment(Arc<CollectionState>, FileId),
    Cut,
    Note(Note),
}

/// What is left to do with a batch once it has reached its level.
pub(crate) struct Applied {
    writes: Kept,
    /// Whoever waits to know where in the log the batch ends.
    place: Option<Arc<OnceLock<LogPlace>>>,
}

/// Makes batches visible, in order.
pub(crate) struct Applier {
    pub(crate) pins: Arc<Pins>,
    pub(crate) failure: Arc<OnceLock<Error>>,
}

impl Apply for Applier {
    type Batch = Applied;

    fn apply(&mut self, sequence: Sequence, batch: Applied, place: &LogPlace) {
        if self.failure.get().is_some() {
            return;
        }
        for (collection, writes) in batch.writes {
            if let Err(error) = collection.set.apply(writes) {
                // It is in the log, and found when the store is opened again; nothing behind it is shown.
                self.failure.get_or_init(|| error.into());
                return;
            }
        }
        if let Some(wanted) = &batch.place {
            wanted.get_or_init(|| *place);
        }
        self.pins.advance(sequence);
    }
}

/// A batch that was decided.
pub(crate) struct Decided {
    pub(crate) commit: wal::Commit,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What a cut sets apart.
#[derive(Default)]
pub(crate) struct Cuts {
    pub(crate) collections: Vec<CutOff>,
    pub(crate) notes: Vec<Note>,
}

/// What a cut sets apart of a collection.
pub(crate) struct CutOff {
    pub(crate) collection: Arc<CollectionState>,
    pub(crate) rows: RowsView,
    pub(crate) slots: segments::Cut,
    pub(crate) next_row: base::Row,
    pub(crate) highest: Option<u64>,
    pub(crate) files: Vec<FileId>,
}

impl Inner {
    /// The failure after which nothing is written.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Decides a batch and queues it for the log; makes segments until there is room for it.
    pub(crate) fn commit(&self, wishes: &[Wish], level: Level) -> Result<Decided> {
        loop {
            match self.queue(wishes, level, None, |_| ()) {
                Err(Refused::Full(collection)) => self.grow(&collection, level)?,
                Err(Refused::Because(error)) => return Err(error),
                Ok(decided) => return Ok(decided),
            }
        }
    }

    /// Decides a batch for which there is room, and queues it. `then` is called under the sequencer's lock, with the
    /// batch's number; `place` gets to know where in the log it ends.
    pub(crate) fn queue(
        &self,
        wishes: &[Wish],
        level: Level,
        place: Option<Arc<OnceLock<LogPlace>>>,
        mut then: impl FnMut(Sequence),
    ) -> std::result::Result<Decided, Refused> {
        self.check()?;
        let ops: Vec<Op> = wishes.iter().map(Wish::op).collect();
        let frees = wishes.iter().all(|wish| matches!(wish, Wish::Remove(..) | Wish::Cut));
        let request = Request {
            body: Body::new(encode_ops(&ops), &self.log_options),
            table_bytes_most: table_bytes(ops.len()),
            level,
            purpose: if frees { Purpose::FreesSpace } else { Purpose::Any },
        };
        let bytes = (request.body.bytes().len() + request.table_bytes_most) as u64;
        let committer = self.committer.read();
        let committer = committer.as_ref().ok_or(Error::Closed)?;
        let mut outcomes = Vec::new();
        let commit = committer.commit(request, |sequence, table| {
            let (decided, writes) = self.decide(wishes, sequence)?;
            encode_outcomes(&decided, table);
            outcomes = decided;
            then(sequence);
            Ok::<Applied, Refused>(Applied { writes, place })
        })?;
        let logged = self.logged.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if logged >= self.checkpoint_bytes
            && let Some(wake) = self.wake.get()
        {
            // If nobody hears it, the store is being closed.
            let _heard = wake.send(Wake::Look).is_ok();
        }
        Ok(Decided { commit, outcomes })
    }

    /// Decides what becomes of each wish: under the sequencer's lock.
    fn decide(
        &self,
        wishes: &[Wish],
        at: Sequence,
    ) -> std::result::Result<(Vec<Outcome>, Kept), Refused> {
        let mut notes = self.notes.lock();
        notes.check_room(wishes.iter().filter_map(Wish::note))?;
        let mut parts: BTreeMap<CollectionId, Part<'_>> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let outcome = match wish {
                Wish::Upsert(collection, id, prepared) => {
                    let part =
                        parts.entry(collection.id).or_insert_with(|| Part::new(collection, at));
                    part.upsert(id, prepared).map_err(|error| Refused::by(collection, error))?
                }
                Wish::Remove(collection, id) => {
                    let part =
                        parts.entry(collection.id).or_insert_with(|| Part::new(collection, at));
                    part.remove(id)?
                }
                Wish::Segment(collection, file) => {
                    collection.set.open_segment(*file);
                    Outcome::Done(wish.op().kind())
                }
                Wish::CreateCollection(..) | Wish::Cut | Wish::Note(_) => {
                    Outcome::Done(wish.op().kind())
                }
            };
            outcomes.push(outcome);
        }
        // From here on nothing can fail.
        let visible = self.pins.visible();
        for (wish, outcome) in wishes.iter().zip(&outcomes) {
            match wish {
                Wish::Upsert(collection, id, _) | Wish::Remove(collection, id) => {
                    collection.rows.write().apply(at, id, outcome);
                }
                Wish::Note(note) => notes.set(at, note.clone(), visible),
                Wish::CreateCollection(..) | Wish::Segment(..) | Wish::Cut => {}
            }
        }
        let writes = parts.into_values().map(Part::keep).collect();
        Ok((outcomes, writes))
    }

    /// Makes room in a collection, unless somebody did meanwhile: of slots that nobody needs any more, or by one more
    /// segment.
    fn grow(&self, collection: &Arc<CollectionState>, level: Level) -> Result<()> {
        let before = collection.set.files().len();
        let _alone = collection.growth.lock();
        if collection.set.files().len() > before {
            return Ok(());
        }
        self.check()?;
        if self.reuse(collection, level)? {
            return Ok(());
        }
        let file = FileId(self.next_file.fetch_add(1, Ordering::Relaxed));
        let file = collection.set.make_segment(file)?;
        // Its slots are given out once the log says that it is there.
        let wish = Wish::Segment(Arc::clone(collection), file);
        let _written_in_order = self.queue(&[wish], level, None, |_| ())?;
        Ok(())
    }
}

impl Inner {
    /// Gives slots back that no checkpoint and no view needs; says whether there were any. A process that makes one
    /// checkpoint, when it ends, has no other time for it.
    fn reuse(&self, collection: &Arc<CollectionState>, level: Level) -> Result<bool> {
        let until = RestingUntil { freed: *self.unkept.lock(), spans: Vec::new() };
        let reclaim = || collection.set.reclaim(&until, RECLAIMED_AT_A_TIME);
        let Reclaimed { freed, waiting, .. } = reclaim()?;
        if freed > 0 || waiting == 0 {
            return Ok(freed > 0);
        }
        // Free is what was closed before all views there are: those from here on have a later number.
        self.queue(&[Wish::Cut], level, None, |_| ())?.commit.wait()?;
        Ok(reclaim()?.freed > 0)
    }
}

/// What is left to be applied of a batch.
type Kept = Vec<(Arc<CollectionState>, Writes)>;

/// Why a batch was not decided.
pub(crate) enum Refused {
    /// A collection needs another segment first.
    Full(Arc<CollectionState>),
    /// It cannot be.
    Because(Error),
}

impl Refused {
    fn by(collection: &Arc<CollectionState>, error: Error) -> Self {
        match error {
            Error::Vectors(segments::Error::NoRoom { .. }) => Refused::Full(Arc::clone(collection)),
            error => Refused::Because(error),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Because(error)
    }
}

impl From<wal::Error> for Refused {
    fn from(error: wal::Error) -> Self {
        Refused::Because(error.into())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Because(error) => error,
            // Only batches with vectors need room, and they go through `commit`.
            Refused::Full(collection) => Error::Full { name: collection.name.clone() },
        }
    }
}

impl Wish {
    fn op(&self) -> Op {
        match self {
            Wish::Upsert(collection, id, prepared) => {
                let vector = Arc::clone(prepared.vector());
                Op::Upsert { collection: collection.id, id: id.clone(), vector }
            }
            Wish::Remove(collection, id) => {
                Op::Remove { collection: collection.id, id: id.clone() }
            }
            Wish::CreateCollection(collection, name, config) => Op::CreateCollection {
                collection: *collection,
                name: name.clone(),
                config: config.clone(),
            },
            Wish::Segment(collection, file) => {
                Op::Segment { collection: collection.id, file: *file }
            }
            Wish::Cut => Op::Cut,
            Wish::Note(note) => Op::Note(note.clone()),
        }
    }

    fn note(&self) -> Option<&Note> {
        if let Wish::Note(note) = self { Some(note) } else { None }
    }
}

/// What a batch does to one collection.
struct Part<'c> {
    collection: &'c Arc<CollectionState>,
    batch: segments::Batch<'c>,
    /// What ids have by this batch.
    changed: HashMap<Id, Option<Current>>,
    next_row: base::Row,
}

impl<'c> Part<'c> {
    fn new(collection: &'c Arc<CollectionState>, at: Sequence) -> Self {
        let next_row = collection.rows.read().next();
        let batch = collection.set.batch(at);
        Part { collection, batch, changed: HashMap::new(), next_row }
    }

    fn upsert(&mut self, id: &Id, prepared: &Prepared) -> Result<Outcome> {
        let current = self.current(id)?;
        let row = self.next_row;
        let next = row.0.checked_add(1).ok_or(Error::Exhausted { row })?;
        // First the new one: if it is the same vector, its slot stays.
        let placed: Placed = self.batch.place(prepared)?;
        let ended = self.end(current)?;
        self.changed.insert(id.clone(), Some(Current { row, slot: placed.slot() }));
        self.next_row = base::Row(next);
        Ok(Outcome::Upserted { row, placed, ended })
    }

    fn remove(&mut self, id: &Id) -> Result<Outcome> {
        let current = self.current(id)?;
        let ended = self.end(current)?;
        if ended.is_some() {
            self.changed.insert(id.clone(), None);
        }
        Ok(Outcome::Removed { ended })
    }

    fn current(&self, id: &Id) -> Result<Option<Current>> {
        match self.changed.get(id) {
            Some(current) => Ok(*current),
            None => self.collection.rows.read().current(id),
        }
    }

    fn end(&mut self, current: Option<Current>) -> Result<Option<EndedRow>> {
        let Some(Current { row, slot }) = current else { return Ok(None) };
        let slot_ended: Ended = self.batch.release(slot)?;
        Ok(Some(EndedRow { row, slot, slot_ended }))
    }

    fn keep(self) -> (Arc<CollectionState>, Writes) {
        (Arc::clone(self.collection), self.batch.keep())
    }
}
