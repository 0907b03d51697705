//! arrwDB: an embedded, durable vector store. One directory, one process, no server.
//!
//! Owns: how log, segments, images and indexes make one store; only here do they meet.
//!
//! Promises
//!  1. What was acknowledged at [`Durability::Sync`] survives the process and the power.
//!  2. A batch happens as a whole or not at all, in all collections at once, and a view sees all batches up to its
//!     number and none behind.
//!  3. What is read is what was written, or an error that names what is damaged.
//!
//! Never: touches the disk except through the `disk` crate; takes a lock that a reader holds while it searches.
//!
//! # Quick start
//!
//! ```
//! use arrwdb::{CollectionConfig, Metric, Store};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! let store = Store::open(&path)?; // opens it, or makes it
//! let docs = store.create_collection("docs", CollectionConfig::new(3, Metric::Cosine))?;
//! docs.upsert("chunk-1", &[1.0, 0.0, 0.0])?; // durable when it returns
//! docs.upsert("chunk-2", &[0.0, 1.0, 0.0])?;
//!
//! for hit in docs.search(&[0.9, 0.1, 0.0]).k(10).run()? {
//!     println!("{} {}", hit.id, hit.distance);
//! }
//! store.close()?;
//! # drop((docs, store));
//!
//! let store = Store::open(&path)?;
//! let docs = store.collection("docs")?;
//! assert_eq!(docs.get("chunk-2")?.unwrap().vector(), [0.0, 1.0, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Store`] is a directory that one process has open. It has collections, and a [`Collection`] has vectors of one
//! dimension under [ids](Id): numbers, UUIDs or texts. A [`CollectionConfig`] says how they are compared, by a
//! [`Metric`] or by a [`Distance`] of one's own, and [when two are kept once](Dedup). All handles are cheap to clone and
//! can be used by many threads at once.
//!
//! # Writing
//!
//! What is written through a [`Collection`] is durable and visible when the call returns. Each such call waits for a sync
//! of the disk; many threads that write at once share one. Who has much to write puts it into a [`Batch`]: that happens
//! as a whole or not at all, in all collections at once, for one sync. A batch has a number, its [`Sequence`], and
//! everything it wrote has that as its version.
//!
//! [`Durability`] says what is waited for: at `Sync` until the batch survives the power, at `Os` until it survives the
//! process. [`Store::sync`] makes everything durable that was acknowledged before it.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Durability, Metric, Store};
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
//! # let users = store.create_collection("users", CollectionConfig::new(1, Metric::L2))?;
//! let mut batch = store.batch();
//! batch.upsert(&docs, "chunk-1", &[1.0, 2.0]).remove(&docs, "chunk-0");
//! batch.upsert(&users, 17, &[3.0]);
//! batch.note("read so far", b"line 4711"); // kept with the batch: who feeds a store goes on there after a crash
//! let commit = batch.commit(Durability::Sync)?; // queued
//! let sequence = commit.wait()?; // or commit.await, on any runtime
//! assert_eq!(docs.get("chunk-1")?.unwrap().version(), sequence);
//! assert_eq!(store.note("read so far").as_deref(), Some(&b"line 4711"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `insert` writes where there is nothing yet, and `upsert_if` and `remove_if` write if nobody did since a version that
//! was read. In a batch all such conditions hold, or nothing of it happens.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Error, Metric, Store};
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
//! docs.insert("counter", &[1.0])?;
//! loop {
//!     let read = docs.get("counter")?.unwrap();
//!     match docs.upsert_if("counter", &[read.vector()[0] + 1.0], read.version()) {
//!         Err(Error::OtherVersion { .. }) => continue, // somebody was faster: read it again
//!         written => break drop(written?),
//!     }
//! }
//! assert_eq!(docs.get("counter")?.unwrap().vector(), [2.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Payloads
//!
//! Beside its vector an id may have a [`Payload`]: a map of typed values, of which [`payload!`](macro@payload) spells one
//! out. It is read where it lies, and only when it is asked for. A vector that is written without one takes away what was
//! there; [`update_payload`](Collection::update_payload) leaves the vector as it is.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Durability, Metric, Store, Value, payload};
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
//! let mut batch = store.batch();
//! batch.upsert(&docs, "chunk-1", &[1.0, 2.0]).payload(payload! { "lang" => "en", "tags" => ["a", "b"] });
//! batch.commit(Durability::Sync)?.wait()?;
//! docs.update_payload("chunk-1", payload! { "lang" => "de" })?;
//!
//! let hits = docs.search(&[1.0, 2.0]).run()?;
//! let payload = hits[0].record()?.payload()?.unwrap();
//! assert_eq!(payload.get("lang").and_then(Value::as_str), Some("de"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Checkpoints
//!
//! A store makes checkpoints by itself as its log grows, and when it is [closed](Store::close): the next opening then
//! has no log to read. One that was not closed is found as it was acknowledged, all the same.
//!
//! # Reading and views
//!
//! A read sees what is visible when it begins. A [`Record`] is what an id had then; its vector is lent where it lies, not
//! copied, and stays as it is for as long as the record is kept. A [`Scan`] goes through a collection in the order of
//! ids. A [`View`] sees the whole store at one moment, for as long as it lives.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Id, Metric, Store};
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
//! for number in 1..=3 {
//!     docs.upsert(number, &[number as f32])?;
//! }
//! let view = store.view();
//! docs.remove(2)?;
//! assert_eq!(view.get(&docs, 2)?.unwrap().vector(), [2.0]);
//! assert_eq!((view.count(&docs)?, docs.len()), (3, 2));
//!
//! let ids: Vec<Id> = docs.scan(None)?.ids().collect::<Result<_, _>>()?;
//! assert_eq!(ids, [Id::from(1), Id::from(3)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Searching
//!
//! A [`Search`] finds the `k` nearest vectors, or those within a distance: for every metric, the smaller a distance is,
//! the nearer. [`Hits`] come by distance and then by id, so that the same search of the same content has the same answer.
//! Ids that share a vector are hits of their own. [`Collection::search_batch`] takes many queries at one moment, on all
//! cores.
//!
//! *Complete* means that no nearer vector was left out: the hits are the `k` nearest, or all there are within the
//! distance. [`Hits::complete`] says whether they are, and [`Hits::reason`] why not. An exact [index](IndexConfig)
//! looks at every vector; a graph looks at few, and may miss some of the nearest: [`Search::ef`] says how far it looks.
//! Either catches up behind the writes, and what it does not have yet is looked at in full: so what was written is found
//! at once. [`Collection::wait_indexed`] waits for it, [`Collection::set_index`] puts another in its place.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Metric, Store};
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
//! docs.upsert("origin", &[0.0, 0.0])?;
//! docs.upsert("corner", &[3.0, 4.0])?;
//! let hits = docs.search(&[0.0, 0.0]).k(10).within(5.0).run()?;
//! assert!(hits.complete());
//! assert_eq!((hits.len(), hits[1].distance), (2, 5.0));
//! assert_eq!(hits[1].record()?.vector(), [3.0, 4.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Following changes
//!
//! [`Store::changes`] tells what was committed behind a [position](changes::Position), in order: for a copy elsewhere, a
//! cache, or an index of another kind. What is told survives the power. [`changes`] has the whole loop.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Metric, Store};
//! # let dir = tempfile::tempdir()?;
//! # let store = Store::open(dir.path().join("data"))?;
//! # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
//! let here = store.position();
//! docs.upsert("one", &[1.0])?;
//! for change in store.changes(here)? {
//!     let change = change?;
//!     println!("{} {}: {:?}", change.position, change.collection, change.what);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Checking a store
//!
//! Whatever is read is checked where it is read. [`Store::verify`] reads everything again, while others read and write,
//! and [`StoreOptions::verify`] does so with a store that nobody has open, also with one that cannot be opened. Both
//! change nothing, and say of each damage where it is and what it affects. [`report`] has all that a store says of itself.
//!
//! ```
//! # use arrwdb::{CollectionConfig, Metric, Store};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("data");
//! # let store = Store::open(&path)?;
//! let found = store.verify()?;
//! assert!(found.is_sound());
//! store.close()?;
//! # drop(store);
//!
//! for problem in Store::options().verify(&path, |_, _| ())?.problems {
//!     println!("{problem}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! When a store is opened whose process died in mid-write, what was not finished is cut off: [`Store::torn_end`] says
//! where.
//!
//! # Errors, and what to do about them
//!
//! There is one [`Error`], with a kind for each thing that one would do differently. What it prints says what to do.
//!
//! * [`Error::is_clean_refusal`]: nothing was changed. The disk is full, the vector has too few numbers, somebody was
//!   faster: mend that, and try again.
//! * Otherwise, when something was written: the disk failed. Nothing is written from there on, and what was visible can
//!   still be read. Drop all handles and open the store again: whatever was acknowledged at `Sync` is there, and a
//!   batch that was under way is there as a whole or not at all.
//! * Damage, when something is read: it names the file, and no wrong answer is given in its place. What is not damaged is
//!   served. `verify` says how much is affected; a copy of the store, or what it was fed from, mends it.
//! * [`Error::Abandoned`] and [`Error::NotRetained`], when changes are followed: read everything once more.
//!
//! # Limits
//!
//! * One process has a store open at a time; within it there are any number of threads.
//! * Vectors have 1 to 65,536 numbers of 32 bits, all of them finite.
//! * A text as an id has at most [`ID_BYTES_MAX`] bytes, a name of a collection [`NAME_BYTES_MAX`], a note
//!   [`NOTE_BYTES_MAX`], and all notes together [`NOTES_BYTES_MAX`]; a payload [`PAYLOAD_BYTES_MAX`], with maps and
//!   lists that lie [`PAYLOAD_DEPTH_MAX`] deep in each other. A batch takes at most 64 MiB in the log.
//! * A search looks at every vector of its collection: it takes as long as reading them does.
//! * Linux is what it is tested on. Network file systems are refused where they are recognised, and big-endian machines
//!   when it is compiled.

#![forbid(unsafe_code)]

mod background;
mod batch;
pub mod changes;
mod checkpoint;
mod collection;
mod config;
mod decide;
mod dedup;
mod distances;
mod error;
mod format;
mod id;
mod image;
mod index;
mod inner;
mod inspect;
pub mod kinds;
mod named;
mod notes;
mod options;
mod payload;
mod record;
mod recover;
pub mod report;
mod rows;
mod search;
mod statistics;
mod store;
mod verify;
mod view;
mod wish;
mod written;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

pub(crate) use format::Invalid;

/// The number of a batch, and the version of all that it wrote.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Sequence, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
/// let one = docs.upsert("one", &[1.0])?;
/// let two = docs.upsert("two", &[2.0])?;
/// assert!(one < two && store.sequence() == Some(two));
/// assert_eq!(Sequence::new(two.get()), Some(two));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
pub use base::Sequence;
pub use batch::{Batch, Commit, Durability};
pub use collection::Collection;
pub use config::{CollectionConfig, IndexConfig};
pub use dedup::Dedup;
pub use error::{Error, NAME_BYTES_MAX, Result};
pub use id::{ID_BYTES_MAX, Id};
pub use indexes::DISTANCE_NAME_BYTES_MAX;
/// A distance of the caller's own, in the place of a metric: see [`StoreOptions::distance`].
///
/// ```
/// use arrwdb::Distance;
///
/// struct Chebyshev;
///
/// impl Distance for Chebyshev {
///     fn name(&self) -> &str {
///         "chebyshev"
///     }
///
///     fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
///         one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
///     }
/// }
///
/// assert_eq!(Chebyshev.distance(&[0.0, 0.0], &[3.0, 4.0]), 4.0);
/// ```
///
pub use indexes::Distance;
/// What kept an answer from being whole: see [`Hits::reason`].
///
/// ```
/// # use arrwdb::{CollectionConfig, Incomplete, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
/// let hits = docs.search(&[1.0]).run()?;
/// match hits.reason() {
///     None => assert!(hits.complete()),
///     Some(Incomplete::Deadline) => println!("there was too little time"),
///     Some(other) => println!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
pub use indexes::Incomplete;
/// What a collection's vectors are compared by.
///
/// ```
/// use arrwdb::Metric;
///
/// assert_eq!(Metric::L2.distance(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
/// assert_eq!(Metric::ALL.map(Metric::name), ["l2", "cosine", "dot"]);
/// ```
///
pub use indexes::Metric;
pub use inspect::inspect;
pub use notes::{NOTE_BYTES_MAX, NOTE_NAME_BYTES_MAX, NOTES_BYTES_MAX};
pub use options::StoreOptions;
pub use payload::{
    PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, PAYLOAD_KEY_BYTES_MAX, Payload, Value, Values,
};
pub use record::{Record, Scan};
pub use search::{Hit, Hits, Search};
/// The hash of a vector, for who writes the same one often: see [`Batch::upsert_hashed`].
///
/// ```
/// # use arrwdb::{CollectionConfig, Durability, Metric, Store, VectorHash};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// let vector = [1.0, 2.0];
/// let hash = VectorHash::of(&vector);
/// let mut batch = store.batch();
/// for number in 0..100 {
///     batch.upsert_hashed(&docs, number, &vector, hash);
/// }
/// batch.commit(Durability::Sync)?.wait()?;
/// assert_eq!(docs.statistics().unique_vectors, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
pub use segments::VectorHash;
pub use store::Store;
pub use view::View;
