//! The state that all handles of a store share, and how a batch is queued for the log.
//!
//! Locks, in the order in which they are taken: `checkpoints`, `ddl`, a collection's `growth`, `committer`, the
//! sequencer's (inside the log), `state` and what is in it, `notes`, those inside a set of vectors and a heap of payloads
//! while a batch is decided, a collection's `rows`, what serves as its index, its events, the tail of that. Who works on an index
//! takes its `work` first, then its `keeping`; the latter is only tried by who holds any of the others, and so is `checkpoints`
//! by who works on an index.
//!
//! Promises
//!  1. A batch that is refused leaves no trace.
//!  2. After a failure nothing is written, and what was visible stays so.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use base::{CollectionId, FileId, LogPlace, Sequence, StoreId, Timeline};
use disk::{Disk, LockGuard, Owner};
use parking_lot::{Mutex, RwLock};
use segments::{Pins, Reclaimed};
use snapshot::Branch;
use wal::{Apply, Body, Committer, Level, Purpose, Request};

use crate::background::Wake;
use crate::checkpoint::Checkpoints;
use crate::decide::{Refused, Room, ToApply};
use crate::distances::Distances;
use crate::format::{Op, Outcome, encode_ops, encode_outcomes, table_bytes};
use crate::image::Entry;
use crate::index::{EventsCut, Images, IndexWake, Pools, Progress};
use crate::named::{CollectionState, State};
use crate::notes::{Note, Notes};
use crate::report::TornEnd;
use crate::rows::RowsView;
use crate::wish::{Aimed, Wish};
use crate::written::Writes;
use crate::{Error, IndexConfig, Result};

/// How many slots are given back at a time, while batches wait.
pub(crate) const RECLAIMED_AT_A_TIME: u32 = 10_000;

/// What all handles share.
pub(crate) struct Inner {
    pub(crate) disk: Arc<dyn Disk>,
    /// Who opened it.
    pub(crate) owner: Owner,
    pub(crate) store: StoreId,
    pub(crate) log_options: wal::Options,
    pub(crate) payload_file_bytes: u64,
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
    /// The same for indexes.
    pub(crate) index_wake: Arc<IndexWake>,
    /// Tells those who wait for indexes.
    pub(crate) index_progress: Progress,
    /// How many vectors an index may be behind before writes wait for it.
    pub(crate) index_lag: usize,
    /// How many bytes of memory indexes may take.
    pub(crate) index_memory: Option<usize>,
    /// What indexes work with.
    pub(crate) pools: Pools,
    /// How many events the image of the store has: whoever opens it reads them.
    pub(crate) events_in_image: AtomicUsize,
    /// The numbers of images.
    pub(crate) images: Images,
    /// The branch of history that goes on, and all that lead to it.
    pub(crate) timeline: Timeline,
    pub(crate) timelines: Vec<Branch>,
    /// The distances of the caller's own that it was opened with.
    pub(crate) distances: Distances,
    /// What was cut off the log's end when the store was opened.
    pub(crate) cut: Option<TornEnd>,
    /// How much the log may grow, at least, before there is a checkpoint.
    pub(crate) checkpoint_bytes: u64,
    /// What was written since the store was opened.
    pub(crate) writes: Arc<Writes>,
    /// What was wrong with the newest manifest, if it had to be passed over when the store was opened.
    pub(crate) passed_over: Option<Error>,
    /// Slots that were freed by this batch or before it are in no checkpoint that is kept.
    pub(crate) unkept: Mutex<Option<Sequence>>,
    /// Released with the last handle, view and vector.
    pub(crate) lock: Arc<LockGuard>,
}

/// What is left to do with a batch once it has reached its level.
pub(crate) struct Applied {
    writes: Vec<ToApply>,
    /// Whoever waits to know where in the log the batch ends.
    place: Option<Arc<OnceLock<LogPlace>>>,
}

/// Makes batches visible, in order.
pub(crate) struct Applier {
    pub(crate) pins: Arc<Pins>,
    pub(crate) index_wake: Arc<IndexWake>,
    pub(crate) failure: Arc<OnceLock<Error>>,
}

impl Apply for Applier {
    type Batch = Applied;

    fn apply(&mut self, sequence: Sequence, batch: Applied, place: &LogPlace) {
        if self.failure.get().is_some() {
            return;
        }
        let mut is_behind = false;
        for ToApply { collection, vectors, born, payloads } in batch.writes {
            let payloads = payloads.iter().map(|(place, bytes)| (*place, &**bytes));
            let applied =
                collection.set.apply(vectors).and_then(|()| collection.heap.write(payloads));
            if let Err(error) = applied {
                // It is in the log, and found when the store is opened again; nothing behind it is shown.
                self.failure.get_or_init(|| error.into());
                // The thread that sees to indexes finds out, and tells those who wait for them.
                self.index_wake.wake();
                return;
            }
            // Before it is visible: whoever sees it finds it.
            collection.indexing.born(sequence, &born);
            is_behind = true;
        }
        if let Some(wanted) = &batch.place {
            wanted.get_or_init(|| *place);
        }
        self.pins.advance(sequence);
        if is_behind {
            self.index_wake.wake();
        }
    }
}

/// A batch that was decided.
pub(crate) struct Decided {
    pub(crate) commit: wal::Commit,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What a cut sets apart.
pub(crate) struct Cuts {
    pub(crate) collections: Vec<CutOff>,
    /// The number of the next collection.
    pub(crate) next: CollectionId,
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
    pub(crate) heap: segments::HeapCut,
    pub(crate) events: EventsCut,
    pub(crate) index: IndexConfig,
}

impl CutOff {
    /// What the catalogue of an image says of it, with what became of its payloads.
    pub(crate) fn entry(&self, moved: Option<&segments::Moved>) -> Entry {
        let (alive, references) = self.slots.totals();
        let heap = moved.map_or(self.heap.list(), segments::Moved::list).clone();
        Entry {
            id: self.collection.id,
            name: self.collection.about.name.clone(),
            config: self.collection.about.config.clone().index(self.index),
            floor: self.events.floor,
            next_row: self.next_row,
            highest: self.highest,
            alive,
            references,
            files: self.files.clone(),
            heap,
        }
    }
}

impl Inner {
    /// Refuses a process that was split off from the one that opened the store. Asked before any lock is taken: who
    /// held it may be a thread that is not there.
    pub(crate) fn check_owner(&self) -> Result<()> {
        Ok(self.owner.check(self.disk.root())?)
    }

    /// The failure after which nothing is written.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Decides a batch and queues it for the log: as often as something comes in between, and makes segments until there
    /// is room for it.
    pub(crate) fn commit(&self, wishes: &[Wish], level: Level) -> Result<Decided> {
        self.wait_for_indexes(wishes)?;
        loop {
            match self.queue(wishes, level, None, |_| ()) {
                Err(Refused::Full(collection, room)) => {
                    if let Err(Refused::Because(error)) = self.grow(&collection, room, level) {
                        return Err(error);
                    }
                }
                Err(Refused::Stale) => {}
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
        self.check_owner()?;
        self.check()?;
        let aimed: Vec<Aimed<'_>> = wishes.iter().map(Wish::aim).collect::<Result<_>>()?;
        let ops: Vec<Op> = aimed.iter().map(Aimed::op).collect();
        let purpose = match wishes.iter().all(Wish::frees_space) {
            true => Purpose::FreesSpace,
            false => Purpose::Any,
        };
        let request = Request {
            body: Body::new(encode_ops(&ops), &self.log_options),
            table_bytes_most: table_bytes(ops.len()),
            level,
            purpose,
        };
        let bytes = (request.body.bytes().len() + request.table_bytes_most) as u64;
        let committer = self.committer.read();
        let committer = committer.as_ref().ok_or(Error::Closed)?;
        let mut outcomes = Vec::new();
        let commit = committer.commit(request, |sequence, table| {
            let (decided, writes) = self.decide(&aimed, sequence)?;
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

    /// As [`queue`](Inner::queue), for a batch that needs no room and is of no collection, or of one that nobody else ends
    /// meanwhile.
    pub(crate) fn queue_alone(
        &self,
        wish: Wish,
        level: Level,
        place: Option<Arc<OnceLock<LogPlace>>>,
        then: impl FnMut(Sequence),
    ) -> Result<Decided> {
        self.queue(&[wish], level, place, then).map_err(|refused| match refused {
            Refused::Because(error) => error,
            Refused::Full(state, _) => Error::Full { name: state.about.name.clone() },
            Refused::Stale => Error::Closed,
        })
    }

    /// Makes room in a collection, unless somebody did meanwhile: of slots that nobody needs any more, or by one more
    /// segment; or by one more file of payloads.
    fn grow(
        &self,
        collection: &Arc<CollectionState>,
        room: Room,
        level: Level,
    ) -> std::result::Result<(), Refused> {
        let files = || match room {
            Room::Slot => collection.set.files().len(),
            Room::Payload(_) => collection.heap.list().files().len(),
        };
        let before = files();
        let _alone = collection.growth.lock();
        if files() > before {
            return Ok(());
        }
        if collection.has_ended() {
            return Err(Refused::Stale);
        }
        self.check()?;
        if matches!(room, Room::Slot) && self.reuse(collection, level)? {
            return Ok(());
        }
        let file = FileId(self.next_file.fetch_add(1, Ordering::Relaxed));
        let wish = match room {
            Room::Slot => {
                let file = collection.set.make_segment(file).map_err(Error::from)?;
                Wish::Segment(Arc::clone(collection), file)
            }
            Room::Payload(bytes) => {
                let made = collection.heap.make_file(file, bytes).map_err(Error::from)?;
                Wish::Payloads(Arc::clone(collection), made)
            }
        };
        // Nothing is given out of it before the log says that it is there.
        let _written_in_order = self.queue(&[wish], level, None, |_| ())?;
        Ok(())
    }

    /// Gives slots back that no checkpoint and no view needs; says whether there were any. A process that makes one
    /// checkpoint, when it ends, has no other time for it.
    fn reuse(&self, collection: &Arc<CollectionState>, level: Level) -> Result<bool> {
        self.see_to_ends(collection);
        let until = collection.resting_until(*self.unkept.lock());
        let reclaim = || collection.set.reclaim(&until, RECLAIMED_AT_A_TIME);
        let Reclaimed { freed, waiting, .. } = reclaim()?;
        if freed > 0 || waiting == 0 {
            return Ok(freed > 0);
        }
        // Free is what was closed before all views there are: those from here on have a later number.
        self.queue_alone(Wish::Cut, level, None, |_| ())?.commit.wait()?;
        Ok(reclaim()?.freed > 0)
    }
}
