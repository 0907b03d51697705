//! Tells what was committed, in order, from any place of the history that is retained: the log, read again.
//!
//! Promises
//!  1. What is told is durable and visible, in the order of the batches, each of them as a whole; nothing is left out.
//!  2. A position of a history that was abandoned, or that is no longer retained, is an error: it is never taken for
//!     another place.
//!
//! Never: holds up who writes; keeps anything from being dropped between two calls.
//!
//! So a follower reads everything once, and from there on what changed. It keeps the [`Position`] of the last batch that
//! it has done with, as a text, and goes on behind that. The log has what came since the checkpoint before the last: who
//! was away for longer is told so, and reads everything once more.
//!
//! ```
//! use std::collections::BTreeMap;
//! use arrwdb::changes::{Changed, Position};
//! use arrwdb::{CollectionConfig, Id, Metric, Store};
//!
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
//! docs.upsert("one", &[1.0])?;
//!
//! // Once: first the position, so that nothing between the two is missed.
//! let mut kept = store.position().map(|position| position.to_string());
//! let mut copy = BTreeMap::new();
//! for record in docs.scan(None)? {
//!     let record = record?;
//!     copy.insert(record.id().clone(), record.vector().to_vec());
//! }
//!
//! docs.upsert("two", &[2.0])?;
//! docs.remove("one")?;
//!
//! // And again and again.
//! let after = kept.as_deref().map(str::parse::<Position>).transpose()?;
//! for change in store.changes(after)? {
//!     let change = change?;
//!     match change.what {
//!         Changed::Upserted { id, vector, .. } => drop(copy.insert(id, vector.to_vec())),
//!         Changed::Removed { id } => drop(copy.remove(&id)),
//!         Changed::Cleared => copy.clear(),
//!         other => println!("{}: {other:?}", change.collection),
//!     }
//!     kept = Some(change.position.to_string());
//! }
//! assert_eq!(copy, BTreeMap::from([(Id::from("two"), vec![2.0])]));
//! # assert_eq!(kept, store.position().map(|position| position.to_string()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod position;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use base::{CollectionId, LogPlace, Sequence, Timeline};
use snapshot::{Branch, Image, Manifests};
use wal::Replay;

use crate::checkpoint::Checkpoints;
use crate::format::{Op, Outcome, decode_ops, decode_outcomes};
use crate::image::read_catalogue;
use crate::inner::Inner;
use crate::{CollectionConfig, Error, Id, Invalid, Payload, Result};

pub use position::Position;

/// So many batches are read at a time.
const AT_A_TIME: usize = 256;
/// And no more behind so many bytes of them.
const BYTES_AT_A_TIME: usize = 8 << 20;

/// Something that was committed.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store, changes::Changed};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// let before = store.position();
/// let sequence = docs.upsert("one", &[1.0, 2.0])?;
/// let change = store.changes(before)?.next().unwrap()?;
/// assert_eq!((change.position.sequence(), &*change.collection), (sequence, "docs"));
/// assert!(matches!(change.what, Changed::Upserted { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Change {
    /// The batch that it was part of, and what to [go on](crate::Store::changes) behind once all of the batch is done.
    pub position: Position,
    /// The collection.
    pub collection: Arc<str>,
    /// What became of it.
    pub what: Changed,
}

/// What became of a collection, or of an id in it. There will be more.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store, changes::Changed};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// docs.clear()?;
/// for change in store.changes(None)? {
///     match change?.what {
///         Changed::Created(config) => println!("made, for {} numbers", config.dim()),
///         Changed::Upserted { id, vector, payload } => println!("{id} has {vector:?} {payload:?}"),
///         Changed::Updated { id, payload } => println!("{id} has another payload: {payload:?}"),
///         Changed::Removed { id } => println!("{id} was taken away"),
///         Changed::Cleared | Changed::Dropped => println!("all were taken away"),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Changed {
    /// It was made.
    Created(CollectionConfig),
    /// All its ids were taken away.
    Cleared,
    /// It was dropped.
    Dropped,
    /// An id was given this vector and this payload, whatever it had before.
    Upserted {
        /// The id.
        id: Id,
        /// Its vector.
        vector: Arc<[f32]>,
        /// Its payload, if it was given one.
        payload: Option<Payload>,
    },
    /// An id was given another payload; its vector stayed.
    Updated {
        /// The id.
        id: Id,
        /// Its payload, if it was given one.
        payload: Option<Payload>,
    },
    /// An id was taken away that was there.
    Removed {
        /// The id.
        id: Id,
    },
}

/// What was committed behind a place of the history: see [`Store::changes`](crate::Store::changes).
///
/// It ends where there is nothing more for now. Gone through again, it goes on.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// let mut changes = store.changes(store.position())?;
/// assert!(changes.next().is_none());
/// docs.upsert("one", &[1.0, 2.0])?;
/// assert_eq!(changes.by_ref().count(), 1);
/// assert!(changes.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "changes are read as they are gone through"]
pub struct Changes {
    inner: Arc<Inner>,
    /// Where reading goes on, and the last batch that was told or is not wanted.
    place: LogPlace,
    after: Option<Sequence>,
    branches: Vec<Branch>,
    /// The branch that goes on.
    now: Timeline,
    names: BTreeMap<CollectionId, Arc<str>>,
    read: VecDeque<Change>,
}

impl Changes {
    pub(crate) fn begin(inner: &Arc<Inner>, after: Option<Position>) -> Result<Self> {
        let checkpoints = inner.checkpoints.lock();
        let place = oldest(&checkpoints.manifests)?;
        let branches = checkpoints.timelines.clone();
        let now = branches.last().map(|branch| branch.timeline).ok_or(Error::Closed)?;
        if let Some(after) = after {
            check_lineage(&branches, after)?;
            if Some(after.sequence()) < place.sequence {
                return Err(Error::NotRetained { after, oldest: place.sequence });
            }
            if Some(after.sequence()) > inner.told() {
                return Err(Error::Abandoned { position: after });
            }
        }
        let (after, names) = (after.map(Position::sequence), names(inner, &checkpoints));
        let (inner, read) = (Arc::clone(inner), VecDeque::new());
        Ok(Changes { inner, place, after, branches, now, names, read })
    }

    /// Reads some more batches.
    fn read_on(&mut self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        // Held so that the log is not pruned meanwhile.
        let checkpoints = inner.checkpoints.lock();
        let until = inner.told();
        if self.after.max(self.place.sequence) >= until {
            return Ok(());
        }
        let oldest = oldest(&checkpoints.manifests)?;
        if oldest.is_behind(&self.place) {
            let after = self.after.or(self.place.sequence).unwrap_or(Sequence::FIRST);
            let after = self.position_of(after);
            return Err(Error::NotRetained { after, oldest: oldest.sequence });
        }
        let disk = Arc::clone(&inner.disk);
        let mut replay = Replay::begin(disk, &inner.log_options, &self.place, None)?;
        let (mut batches, mut bytes) = (0, 0);
        while batches < AT_A_TIME && bytes < BYTES_AT_A_TIME && self.place.sequence < until {
            let Some(batch) = replay.next()? else { break };
            let sequence = batch.sequence;
            let bad = |what| Error::bad_batch(sequence, what);
            let ops = decode_ops(batch.body).map_err(bad)?;
            let outcomes = decode_outcomes(batch.table, &ops).map_err(bad)?;
            let is_wanted = Some(sequence) > self.after;
            (batches, bytes) = (batches + usize::from(is_wanted), bytes + batch.body.len());
            // All of it or nothing is told.
            let mut told = Vec::new();
            for (op, outcome) in ops.into_iter().zip(&outcomes) {
                let change = self.change(op, outcome, sequence).map_err(bad)?;
                told.extend(change.filter(|_| is_wanted));
            }
            self.read.extend(told);
            self.place = replay.place();
        }
        Ok(())
    }

    /// What an operation changed that anybody can see.
    fn change(
        &mut self,
        op: Op,
        outcome: &Outcome,
        sequence: Sequence,
    ) -> std::result::Result<Option<Change>, Invalid> {
        let (collection, what) = match op {
            Op::CreateCollection { collection, name, config } => {
                self.names.insert(collection, name.into());
                (collection, Changed::Created(config))
            }
            Op::Clear { collection, next } => {
                let name = self.name(collection);
                self.names.insert(next, name);
                (collection, Changed::Cleared)
            }
            Op::DropCollection { collection } => (collection, Changed::Dropped),
            Op::Upsert { collection, id, vector, payload } => {
                let payload = payload.map(read_payload).transpose()?;
                (collection, Changed::Upserted { id, vector, payload })
            }
            Op::Update { collection, id, payload } => {
                let payload = payload.map(read_payload).transpose()?;
                (collection, Changed::Updated { id, payload })
            }
            Op::Remove { collection, id } => match outcome {
                Outcome::Removed { ended: Some(_) } => (collection, Changed::Removed { id }),
                _ => return Ok(None),
            },
            Op::Segment { .. } | Op::Payloads { .. } | Op::Index { .. } | Op::Cut | Op::Note(_) => {
                return Ok(None);
            }
        };
        let position = self.position_of(sequence);
        Ok(Some(Change { position, collection: self.name(collection), what }))
    }

    fn name(&self, collection: CollectionId) -> Arc<str> {
        let known = self.names.get(&collection).cloned();
        known.unwrap_or_else(|| format!("collection {collection}").into())
    }

    fn position_of(&self, sequence: Sequence) -> Position {
        // Before the first branch there are no batches.
        let timeline = timeline_of(&self.branches, sequence).unwrap_or(self.now);
        Position::new(timeline, sequence)
    }
}

impl Iterator for Changes {
    type Item = Result<Change>;

    /// The next one; `None` where there are no more for now: asked again later, it goes on with what came since.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.read.pop_front() {
                return Some(Ok(change));
            }
            let before = self.place;
            match self.read_on() {
                Err(error) => return Some(Err(error)),
                Ok(()) if self.place == before => return None,
                Ok(()) => {}
            }
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Inner {
    /// The last batch that is visible and cannot be lost any more.
    fn told(&self) -> Option<Sequence> {
        let visible = self.pins.visible();
        let committer = self.committer.read();
        // Closed, it has synced all.
        committer.as_ref().map_or(visible, |committer| committer.synced().min(visible))
    }

    /// The place in the history of the last batch that is visible and durable.
    pub(crate) fn position(&self) -> Option<Position> {
        let sequence = self.told()?;
        let timeline = timeline_of(&self.checkpoints.lock().timelines, sequence)?;
        Some(Position::new(timeline, sequence))
    }
}

/// A payload that the log holds.
fn read_payload(bytes: Arc<[u8]>) -> std::result::Result<Payload, Invalid> {
    Payload::from_bytes(Arc::new(bytes))
}

/// Where the log that is retained begins.
fn oldest(manifests: &Manifests) -> Result<LogPlace> {
    let points = manifests.reachable();
    let oldest = points.min_by_key(|point| (point.log.file, point.log.offset));
    oldest.map(|point| point.log).ok_or(Error::Closed)
}

/// The names of the collections that the images have which are kept. No number is given twice.
fn names(inner: &Inner, checkpoints: &Checkpoints) -> BTreeMap<CollectionId, Arc<str>> {
    let images = checkpoints.manifests.reachable_images();
    // A damaged one costs names, and nothing else.
    let open = |image| Image::open(&*inner.disk, inner.store, &image).ok();
    let catalogues = images.filter_map(open).filter_map(|image| read_catalogue(&image).ok());
    let entries = catalogues.flat_map(|catalogue| catalogue.entries);
    entries.map(|entry| (entry.id, entry.name.into())).collect()
}

/// The branch that a batch is of.
pub(crate) fn timeline_of(branches: &[Branch], sequence: Sequence) -> Option<Timeline> {
    let of = branches.iter().rev().find(|branch| branch.first <= sequence);
    of.map(|branch| branch.timeline)
}

/// Refuses a position that does not lie on the way to the branch that goes on.
fn check_lineage(branches: &[Branch], position: Position) -> Result<()> {
    let is_on_the_way = timeline_of(branches, position.sequence()) == Some(position.timeline());
    if is_on_the_way { Ok(()) } else { Err(Error::Abandoned { position }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_of_the_branch_that_went_on_behind_it() {
        let at = |number| Sequence::new(number).unwrap();
        let timeline = |name| Timeline::new(name).unwrap();
        let branch = |name, first, parent| Branch {
            timeline: timeline(name),
            first: at(first),
            parent: Timeline::new(parent),
        };
        // Of the first branch 1 to 9 are left, of the second 10 to 14.
        let branches = [branch(7, 1, 0), branch(5, 10, 7), branch(9, 15, 5)];
        let is_on_the_way = |name, number| {
            let position = Position::new(timeline(name), at(number));
            check_lineage(&branches, position).is_ok()
        };
        for (name, first, last) in [(7, 1, 9), (5, 10, 14), (9, 15, 1_000)] {
            for number in [1, 9, 10, 14, 15, 1_000] {
                assert_eq!(is_on_the_way(name, number), (first..=last).contains(&number));
            }
        }
        assert!(!is_on_the_way(8, 3));
    }
}
