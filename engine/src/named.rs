//! Knows which vectors a collection has at which batch: a handle is of a name, and what stands under it is replaced as a
//! whole when the collection is cleared, and ends when it is dropped.
//!
//! Promises
//!  1. Each batch is for what stood under the name when it was decided, and a view sees what stood there at its number.
//!  2. What was dropped never comes back under a handle: who makes a collection of the same name has another handle.
//!
//! Never: decides anything, or touches a vector.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use base::{CollectionId, FileId, Row, Sequence};
use indexes::Measure;
use parking_lot::{Mutex, RwLock};
use segments::{HeapOwner, PayloadHeap, RestingUntil, VectorSet};

use crate::index::Indexing;
use crate::inner::Inner;
use crate::recover::owner;
use crate::rows::{RowList, Rows};
use crate::{CollectionConfig, Error, IndexConfig, Result};

/// What a collection is, apart from what it holds.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) config: CollectionConfig,
    pub(crate) measure: Measure,
}

/// Where a collection keeps what it holds.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) set: VectorSet,
    pub(crate) heap: PayloadHeap,
}

/// What stands under a collection's name from the batch that made or cleared it to the one that clears or drops it.
#[derive(Debug)]
pub(crate) struct CollectionState {
    pub(crate) id: CollectionId,
    /// The handles that it is for: all that stood under them have the same.
    pub(crate) line: CollectionId,
    pub(crate) about: Arc<About>,
    pub(crate) set: VectorSet,
    pub(crate) heap: PayloadHeap,
    pub(crate) rows: RwLock<Rows>,
    pub(crate) indexing: Indexing,
    /// Held by who makes a segment, or a file of payloads.
    pub(crate) growth: Mutex<()>,
    born: Option<Sequence>,
    ended: OnceLock<Sequence>,
}

impl CollectionState {
    /// What an image has, and what the log made behind it: everybody sees it.
    pub(crate) fn found(
        id: CollectionId,
        about: Arc<About>,
        kept: Kept,
        (rows, indexing): (Rows, Indexing),
    ) -> Self {
        let (Kept { set, heap }, rows, growth) = (kept, RwLock::new(rows), Mutex::new(()));
        let (born, ended) = (None, OnceLock::new());
        CollectionState { id, line: id, about, set, heap, rows, indexing, growth, born, ended }
    }

    /// What a batch makes: for handles of this line.
    pub(crate) fn made(
        (id, line): (CollectionId, CollectionId),
        about: Arc<About>,
        kept: Kept,
        (rows, index): (Rows, IndexConfig),
        born: Sequence,
    ) -> Self {
        let indexing = Indexing::of_nothing(&about, index);
        let made = Self::found(id, about, kept, (rows, indexing));
        CollectionState { line, born: Some(born), ..made }
    }

    /// Up to which batch slots may be used again that were freed by then: none that a checkpoint which is kept knows of, nor any
    /// that the index has.
    pub(crate) fn resting_until(&self, unkept: Option<Sequence>) -> RestingUntil {
        let freed = self.indexing.detached().map_or(unkept, |detached| detached.min(unkept));
        RestingUntil { freed, spans: Vec::new() }
    }

    /// Whether no batch is for it any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Whether a view at this number sees it.
    fn is_at(&self, at: Option<Sequence>) -> bool {
        let is_born = self.born.is_none_or(|born| Some(born) <= at);
        is_born && self.ended.get().is_none_or(|ended| Some(*ended) > at)
    }

    /// The files that have to stay in the directory.
    pub(crate) fn files_kept(&self) -> Vec<FileId> {
        self.set.files_made().into_iter().chain(self.heap.files_kept()).collect()
    }

    fn ended_by(&self, at: Option<Sequence>) -> bool {
        self.ended.get().is_some_and(|ended| Some(*ended) <= at)
    }
}

/// What all handles of a collection share.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) line: CollectionId,
    pub(crate) about: Arc<About>,
    /// The oldest first; the last one may go on.
    states: RwLock<Vec<Arc<CollectionState>>>,
}

impl Named {
    fn of(state: Arc<CollectionState>) -> Arc<Self> {
        let (line, about) = (state.line, Arc::clone(&state.about));
        Arc::new(Named { line, about, states: RwLock::new(vec![state]) })
    }

    /// What the next batch is for.
    pub(crate) fn now(&self) -> Result<Arc<CollectionState>> {
        let states = self.states.read();
        let last = states.last().filter(|last| !last.has_ended());
        last.cloned().ok_or_else(|| self.dropped())
    }

    /// What a view at this number sees. What was just made and is not visible yet is empty.
    pub(crate) fn at(&self, at: Option<Sequence>) -> Result<Arc<CollectionState>> {
        let states = self.states.read();
        let seen = states.iter().find(|state| state.is_at(at));
        let first = || states.first().filter(|first| !first.ended_by(at));
        seen.or_else(first).cloned().ok_or_else(|| self.dropped())
    }

    fn dropped(&self) -> Error {
        Error::NoCollection { name: self.about.name.clone() }
    }
}

/// The number of the first collection.
pub(crate) const FIRST: CollectionId = CollectionId(1);

/// The collections there are. A view takes its pin and its layers under the lock for reading; layers are replaced
/// under the lock for writing.
#[derive(Debug)]
pub(crate) struct State {
    /// Those that somebody may still see.
    states: BTreeMap<CollectionId, Arc<CollectionState>>,
    names: BTreeMap<String, Arc<Named>>,
    /// Those that were dropped, and somebody may still see.
    dropped: Vec<Arc<Named>>,
    /// Files of what ended with a batch: a checkpoint from before may need them.
    retired: Vec<(Sequence, Vec<FileId>)>,
    /// The number of the next collection. None is used twice.
    pub(crate) next: CollectionId,
}

impl Inner {
    /// A number for one more collection.
    pub(crate) fn next_collection(&self) -> CollectionId {
        let mut state = self.state.write();
        let next = state.next;
        state.next = CollectionId(next.0.saturating_add(1));
        next
    }

    /// What one more collection keeps: nothing yet.
    pub(crate) fn empty(&self, id: CollectionId, config: &CollectionConfig) -> Result<Kept> {
        let owner = owner(self.store, id, config)?;
        let (disk, pins) = (Arc::clone(&self.disk), Arc::clone(&self.pins));
        let set = VectorSet::create(Arc::clone(&disk), owner, config.rule()?, pins);
        let heap = PayloadHeap::create(disk, HeapOwner { store: self.store, collection: id });
        let heap = heap.first_bytes(self.payload_file_bytes);
        let lock = || Arc::clone(&self.lock) as _;
        Ok(Kept { set: set.holding(lock()), heap: heap.holding(lock()) })
    }

    /// The collection of a name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Named>> {
        let named = self.state.read().named(name).cloned();
        named.ok_or_else(|| Error::NoCollection { name: name.to_owned() })
    }
}

impl State {
    /// What was found, before anybody has a handle.
    pub(crate) fn new(
        states: impl Iterator<Item = CollectionState>,
        retired: Vec<(Sequence, Vec<FileId>)>,
        next: CollectionId,
    ) -> Self {
        let (states_by_id, names) = (BTreeMap::new(), BTreeMap::new());
        let mut state = State { states: states_by_id, names, dropped: Vec::new(), retired, next };
        states.for_each(|found| drop(state.begin(found)));
        state
    }

    /// The collection of a name, as the next batch finds it.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Named>> {
        self.names.get(name)
    }

    /// All of them, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Named>> {
        self.names.values()
    }

    /// What goes on, in the order in which it was made.
    pub(crate) fn going_on(&self) -> impl Iterator<Item = &Arc<CollectionState>> {
        self.states.values().filter(|state| !state.has_ended())
    }

    /// What a view at this number sees.
    pub(crate) fn at(&self, at: Option<Sequence>) -> impl Iterator<Item = &Arc<CollectionState>> {
        self.states.values().filter(move |state| state.is_at(at))
    }

    /// Puts something under its name: in the place of what ended there, if it is for the same handles.
    pub(crate) fn begin(&mut self, state: CollectionState) -> Arc<Named> {
        let state = Arc::new(state);
        self.states.insert(state.id, Arc::clone(&state));
        match self.names.get(&state.about.name) {
            Some(named) if named.line == state.line => {
                named.states.write().push(state);
                Arc::clone(named)
            }
            _ => {
                let name = state.about.name.clone();
                let named = Named::of(state);
                self.names.insert(name, Arc::clone(&named));
                named
            }
        }
    }

    /// Ends what stands under a name with this batch. Whoever drops a collection also [forgets its
    /// name](State::forget_name).
    pub(crate) fn end(&mut self, state: &CollectionState, at: Sequence) {
        // First this: a checkpoint that comes to fill another file meanwhile sees it, and does without.
        state.ended.get_or_init(|| at);
        self.retired.push((at, state.files_kept()));
    }

    /// Lets a name be given anew.
    pub(crate) fn forget_name(&mut self, name: &str) {
        self.dropped.extend(self.names.remove(name));
    }

    /// Lets go of what nobody can come to see any more: views have what they see.
    pub(crate) fn forget(&mut self, visible: Option<Sequence>) {
        // Who makes a segment, and did not find out yet, is to be waited for before files are taken away.
        let is_left =
            |state: &CollectionState| state.ended_by(visible) && !state.growth.is_locked();
        self.states.retain(|_, state| !is_left(state));
        for named in self.names.values().chain(&self.dropped) {
            named.states.write().retain(|state| !is_left(state));
        }
        self.dropped.retain(|named| !named.states.read().is_empty());
    }

    /// All that was not let go of.
    pub(crate) fn everything(&self) -> Vec<Arc<CollectionState>> {
        self.states.values().cloned().collect()
    }

    /// Files that checkpoints which are kept may need: none of them is of this batch or behind.
    pub(crate) fn needed(&mut self, unkept: Option<Sequence>) -> Vec<FileId> {
        self.retired.retain(|(ended, _)| Some(*ended) > unkept);
        self.retired.iter().flat_map(|(_, files)| files).copied().collect()
    }
}

/// Rows for what takes the place of another: none, with numbers that were not there.
pub(crate) fn rows_behind(rows: &Rows) -> Rows {
    Rows::new(Arc::new(RowList::default()), rows.next(), rows.highest())
}

/// Rows of what there was nothing before.
pub(crate) fn no_rows() -> Rows {
    Rows::new(Arc::new(RowList::default()), Row(1), None)
}
