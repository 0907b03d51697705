//! A store under test: operations, what has to be there after each, and how to look.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrwdb::{
    Collection, CollectionConfig, Distance, Durability, Error, Id, IndexConfig, Metric, Payload,
    Sequence, Store, StoreOptions, Value, payload,
};
use disk::sim::{Image, Progress, Recording, SimOptions};
use disk::{Disk, SimDisk};

pub(crate) const DIM: u32 = 16;

/// What a workload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    PutNew,
    PutDuplicate,
    Overwrite,
    Update,
    Delete,
    DeleteLast,
    Batch,
    BatchWithDuplicate,
    Clear,
    Remake,
    Checkpoint,
    Rotate,
    CatchUp,
    Reindex,
    Close,
    Reopen,
}

pub(crate) const OPS: [Op; 16] = [
    Op::PutNew,
    Op::PutDuplicate,
    Op::Overwrite,
    Op::Update,
    Op::Delete,
    Op::DeleteLast,
    Op::Batch,
    Op::BatchWithDuplicate,
    Op::Clear,
    Op::Remake,
    Op::Checkpoint,
    Op::Rotate,
    Op::CatchUp,
    Op::Reindex,
    Op::Close,
    Op::Reopen,
];

/// What is in the two collections: for each id the number of its vector, and that of its payload, or 0.
pub(crate) type Content = [BTreeMap<Id, (u32, u32)>; 2];

/// The vector of a number: no two have the same.
pub(crate) fn vector(number: u32) -> Vec<f32> {
    let word = |at: u32| number.wrapping_mul(0x9e37_79b9) ^ at.wrapping_mul(0x85eb_ca6b);
    (0..DIM).map(|at| if at == 0 { number as f32 } else { (word(at) >> 8) as f32 / 1e6 }).collect()
}

/// The payload of a number: no two have the same. Files of 512 bytes hold few.
pub(crate) fn payload(number: u32) -> Payload {
    payload! { "number" => number, "text" => "0123456789".repeat(number as usize % 7) }
}

/// What the record of such a payload takes.
fn record_bytes(number: u32) -> u64 {
    let bytes = |payload: Payload| payload.encoded().unwrap().len() as u64;
    if number == 0 { 0 } else { (16 + bytes(payload(number))).next_multiple_of(16) }
}

/// A distance that is none of the metrics.
pub(crate) struct Manhattan;

impl Distance for Manhattan {
    fn name(&self) -> &str {
        "manhattan"
    }

    fn distance(&self, one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum()
    }
}

/// The two collections of a store: by a metric, and by that distance.
pub(crate) fn configs() -> [(&'static str, CollectionConfig); 2] {
    let more = CollectionConfig::with_distance(DIM, Manhattan.name());
    [("docs", CollectionConfig::new(DIM, Metric::L2)), ("more", more)]
}

pub(crate) fn options() -> StoreOptions {
    let options = Store::options().stepped().log_file_bytes(8_192, 8_192).payload_file_bytes(512);
    options.distance(Arc::new(Manhattan))
}

pub(crate) fn open(disk: &SimDisk) -> arrwdb::Result<Store> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    options().existing().open_on(disk)
}

/// A store and what has to be in it after each step.
pub(crate) struct Run {
    pub(crate) disk: SimDisk,
    store: Option<Store>,
    pub(crate) content: Content,
    /// The index that was asked for last, by name.
    index: &'static str,
    /// The content after each step; that before all is after step 0.
    pub(crate) contents: Contents,
}

/// What is there after each step, of one run or of several that begin alike.
pub(crate) type Contents = BTreeMap<u64, There>;

/// What is there after a step: the number of the last batch, once it is acknowledged.
#[derive(Clone)]
pub(crate) struct There {
    content: Content,
    index: &'static str,
    last: Option<Sequence>,
}

/// What a workload starts with, and what "docs" is looked for by then.
const FLAT: &str = "flat";
const HNSW: &str = "hnsw";

/// The step that does an operation after a step. A step has a number that tells all operations up to it, so no two
/// runs that differ have a step in common behind that.
fn step_after(step: u64, op: Op) -> u64 {
    let operation = OPS.iter().position(|it| *it == op).unwrap() as u64 + 1;
    step * (OPS.len() as u64 + 1) + operation
}

/// Where a workload starts: the disk, and what is in its store.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) name: &'static str,
    image: Image,
    content: Content,
}

/// Stores that are empty; with a checkpoint; with a checkpoint, slots at rest, and dead payloads.
pub(crate) fn starts() -> [Start; 3] {
    let make = |name, ops: &[Op]| {
        let disk = SimDisk::new(7);
        let at: Arc<dyn Disk> = Arc::new(disk.clone());
        let store = options().open_on(at).unwrap();
        for (name, config) in configs() {
            store.create_collection(name, config).unwrap();
        }
        let content = Content::default();
        let there = There { content: content.clone(), index: FLAT, last: None };
        let contents = Contents::from([(0, there)]);
        let mut run = Run { disk, store: Some(store), content, index: FLAT, contents };
        ops.iter().for_each(|op| run.step(*op).unwrap());
        Start { name, image: run.disk.contents(), content: run.content }
    };
    [
        make("empty", &[]),
        make("checkpoint", &[Op::PutNew, Op::Overwrite, Op::PutDuplicate, Op::Checkpoint]),
        make(
            "quarantine",
            &[
                Op::PutNew,
                Op::Overwrite,
                Op::PutDuplicate,
                Op::Batch,
                Op::Checkpoint,
                Op::DeleteLast,
                Op::Overwrite,
                Op::Update,
                Op::Checkpoint,
                Op::PutDuplicate,
            ],
        ),
    ]
}

impl Start {
    /// The disk of this start.
    pub(crate) fn disk(&self) -> SimOptions {
        SimDisk::options(3).image(&self.image)
    }
}

impl Run {
    /// Opens the store of a start on its disk.
    pub(crate) fn on(disk: &SimDisk, start: &Start) -> arrwdb::Result<Run> {
        let (disk, store, content) = (disk.clone(), open(disk)?, start.content.clone());
        let there = There { content: content.clone(), index: FLAT, last: store.sequence() };
        let contents = Contents::from([(0, there)]);
        Ok(Run { disk, store: Some(store), content, index: FLAT, contents })
    }

    /// Does a step, and promises it.
    pub(crate) fn step(&mut self, op: Op) -> arrwdb::Result<()> {
        let number = self.contents.len() as u64;
        let index = match (op, self.index) {
            (Op::Reindex, FLAT) => HNSW,
            (Op::Reindex, _) => FLAT,
            (_, index) => index,
        };
        let mut there = There { content: self.changed(op, number), index, last: None };
        let step = step_after(self.disk.progress().begun, op);
        self.contents.insert(step, there.clone());
        self.disk.begin(step);
        there.last = self.act(op, number)?;
        self.disk.acknowledge(step);
        (self.content, self.index) = (there.content.clone(), there.index);
        self.contents.insert(step, there);
        Ok(())
    }

    /// What is there after an operation.
    fn changed(&self, op: Op, number: u64) -> Content {
        let mut content = self.content.clone();
        let fresh = number as u32 * 10;
        let [docs, more] = &mut content;
        match op {
            Op::PutNew => drop(docs.insert(Id::from(number), (fresh, 0))),
            Op::PutDuplicate => drop(docs.insert(Id::from(format!("duplicate {number}")), (1, 0))),
            Op::Overwrite => drop(docs.insert(Id::from("base"), (fresh, fresh + 1))),
            Op::Update => {
                let ids = both_ends(docs);
                ids.iter().zip(fresh + 2..).for_each(|(id, payload)| {
                    docs.entry(id.clone()).and_modify(|it| it.1 = payload);
                });
            }
            Op::Delete => drop(docs.pop_first()),
            Op::DeleteLast => drop(docs.pop_last()),
            Op::Batch => {
                docs.insert(Id::from(number), (fresh, fresh + 1));
                more.insert(Id::from(number), (fresh + 1, fresh + 2));
                docs.remove(&Id::from("base"));
            }
            Op::BatchWithDuplicate => {
                docs.insert(Id::from(number), (fresh, 0));
                docs.insert(Id::from(format!("twin {number}")), (fresh, fresh + 1));
            }
            Op::Clear => docs.clear(),
            Op::Remake => more.clear(),
            Op::Checkpoint | Op::Rotate | Op::CatchUp | Op::Reindex | Op::Close | Op::Reopen => {}
        }
        content
    }

    /// The store, opened again if the operation is that, or if it was closed.
    fn opened(&mut self, op: Op) -> arrwdb::Result<Store> {
        if op == Op::Reopen {
            self.store = None;
        }
        match self.store.take() {
            Some(store) => Ok(store),
            None => open(&self.disk),
        }
    }

    /// Does it; the number of the last batch then.
    fn act(&mut self, op: Op, number: u64) -> arrwdb::Result<Option<Sequence>> {
        let store = self.opened(op)?;
        let (docs, more) = (store.collection("docs")?, store.collection("more")?);
        refuse(&store, [&docs, &more]);
        let fresh = number as u32 * 10;
        let mut batch = store.batch();
        match op {
            Op::PutNew => {
                put(&store, (&docs, Id::from(number)), &vector(fresh), None)?;
            }
            Op::PutDuplicate => {
                docs.upsert(format!("duplicate {number}").as_str(), &vector(1))?;
            }
            Op::Overwrite => {
                let payload = Some(payload(fresh + 1));
                put(&store, (&docs, Id::from("base")), &vector(fresh), payload)?;
            }
            Op::Update => {
                for (id, number) in both_ends(&self.content[0]).iter().zip(fresh + 2..) {
                    batch.update_payload(&docs, id, payload(number));
                }
                batch.commit(Durability::Sync)?.wait()?;
            }
            Op::Delete | Op::DeleteLast => {
                let mut ids = self.content[0].keys();
                let id = if op == Op::Delete { ids.next() } else { ids.next_back() };
                if let Some(id) = id {
                    assert!(docs.remove(id)?);
                }
            }
            Op::Batch => {
                batch.upsert(&docs, number, &vector(fresh)).payload(payload(fresh + 1));
                batch.upsert(&more, number, &vector(fresh + 1)).payload(payload(fresh + 2));
                batch.remove(&docs, "base");
                batch.commit(Durability::Sync)?.wait()?;
            }
            Op::BatchWithDuplicate => {
                let twin = format!("twin {number}");
                batch.upsert(&docs, number, &vector(fresh));
                batch.upsert(&docs, twin.as_str(), &vector(fresh)).payload(payload(fresh + 1));
                batch.commit(Durability::Sync)?.wait()?;
            }
            Op::Clear => {
                docs.clear()?;
            }
            Op::Remake => {
                store.drop_collection("more")?;
                store.create_collection("more", more.config().clone())?;
            }
            Op::Checkpoint => {
                store.checkpoint()?;
            }
            Op::Rotate => rotate(&store, &docs)?,
            Op::CatchUp => while store.step()? {},
            Op::Reindex => {
                // From the one to the other; it is built, and its image written and named.
                let is_flat = self.index == FLAT;
                docs.set_index(if is_flat { IndexConfig::hnsw() } else { IndexConfig::flat() })?;
                while store.step()? {}
            }
            Op::Close => {
                store.close()?;
                return Ok(store.sequence());
            }
            Op::Reopen => {}
        }
        let sequence = store.sequence();
        self.store = Some(store);
        Ok(sequence)
    }
}

/// Writes on the condition that the id has what it has.
fn put(
    store: &Store,
    (docs, id): (&Collection, Id),
    vector: &[f32],
    payload: Option<Payload>,
) -> arrwdb::Result<()> {
    let mut batch = store.batch();
    let put = match docs.get(&id)? {
        Some(record) => batch.upsert_if(docs, id, vector, record.version()),
        None => batch.insert(docs, id, vector),
    };
    if let Some(payload) = payload {
        put.payload(payload);
    }
    batch.commit(Durability::Sync)?.wait().map(drop)
}

/// Writes more than a log file takes, of which nothing is left.
fn rotate(store: &Store, docs: &Collection) -> arrwdb::Result<()> {
    let mut batch = store.batch();
    for at in 0..9 {
        batch.remove(docs, format!("{at}{}", "x".repeat(1_000)).as_str());
    }
    batch.commit(Durability::Sync)?.wait().map(drop)
}

/// The first id and the last, if there are any.
fn both_ends(docs: &BTreeMap<Id, (u32, u32)>) -> BTreeSet<Id> {
    docs.keys().next().into_iter().chain(docs.keys().next_back()).cloned().collect()
}

/// A batch that is refused for the last thing in it: nothing of it is ever found.
fn refuse(store: &Store, [docs, more]: [&Collection; 2]) {
    let mut refused = store.batch();
    refused.upsert(docs, "refused", &vector(7)).remove(docs, "base");
    refused.upsert(more, "refused", &[f32::NAN; DIM as usize]);
    assert!(refused.commit(Durability::Sync).is_err());
}

/// Does all steps from a start, and says what has to be there after each.
pub(crate) fn record(start: &Start, ops: &[Op]) -> (Recording, Contents) {
    let (recording, contents, _) = record_parts(start, ops, &[]);
    (recording, contents)
}

/// Does all steps, some before others, and says what has to be there after each, and how many events were those of the
/// first part.
pub(crate) fn record_parts(
    start: &Start,
    before: &[Op],
    others: &[Op],
) -> (Recording, Contents, usize) {
    let mut run = Run::on(&start.disk().build(), start).unwrap();
    let mut all = |ops: &[Op]| {
        for op in ops {
            let failed = |error| panic!("{op:?} of {before:?}, {others:?}: {error}");
            run.step(*op).unwrap_or_else(failed);
        }
        run.disk.recording()
    };
    let events = all(before).events();
    let recording = all(others);
    (recording, run.contents, events)
}

/// What is found after a crash, and by what index: all steps that were acknowledged, and perhaps the one that had begun; and no
/// batch will have the number of one that is safe. That it is found again, whatever crash comes next, the harness sees to.
pub(crate) fn recover(
    disk: &SimDisk,
    progress: Progress,
    contents: &Contents,
) -> Result<(Content, &'static str), String> {
    let store = open(disk).map_err(|error| error.to_string())?;
    let content = look(&store)?;
    let docs = store.collection("docs").map_err(|error| error.to_string())?;
    let found = (content, docs.index().name());
    let Progress { acknowledged, begun } = progress;
    let safe = contents[&acknowledged].last;
    if store.sequence() < safe {
        return Err(format!("numbers go on from {:?}, behind {safe:?}", store.sequence()));
    }
    // One is begun when the one before is done.
    let is_one = |step| (&contents[&step].content, contents[&step].index) == (&found.0, found.1);
    let is_one = is_one(acknowledged) || is_one(begun);
    if is_one { Ok(found) } else { Err(format!("found {found:?} at {progress:?}")) }
}

/// Everything that is in a store, by each way to see it.
pub(crate) fn look(store: &Store) -> Result<Content, String> {
    let mut content = Content::default();
    for (content, name) in content.iter_mut().zip(["docs", "more"]) {
        let collection = match store.collection(name) {
            // It was dropped, and was to be made again.
            Err(Error::NoCollection { .. }) => continue,
            collection => collection.map_err(|error| error.to_string())?,
        };
        *content = look_at(store, &collection).map_err(|error| error.to_string())?;
        let statistics = collection.statistics();
        let unique: HashSet<_> = content.values().map(|(vector, _)| vector).collect();
        let counted = (statistics.vectors, statistics.total_references, statistics.unique_vectors);
        let expected = (content.len() as u64, content.len() as u64, unique.len() as u64);
        if counted != expected {
            return Err(format!("{name}: counted {counted:?}, and there are {expected:?}"));
        }
        let payloads = content.values().map(|(_, payload)| record_bytes(*payload)).sum::<u64>();
        if statistics.payload_bytes != payloads {
            let counted = statistics.payload_bytes;
            return Err(format!("{name}: {counted} bytes of payloads, and there are {payloads}"));
        }
    }
    Ok(content)
}

fn look_at(store: &Store, collection: &Collection) -> arrwdb::Result<BTreeMap<Id, (u32, u32)>> {
    let view = store.view();
    let mut content = BTreeMap::new();
    for listed in view.scan(collection, None)? {
        let listed = listed?;
        let id = listed.id().clone();
        assert!(content.last_key_value().is_none_or(|(last, _)| *last < id), "not in order");
        let record =
            view.get(collection, &id)?.unwrap_or_else(|| panic!("{id} is listed, and not there"));
        assert_eq!((listed.version(), listed.vector()), (record.version(), record.vector()));
        let number = record.vector()[0] as u32;
        assert_eq!(record.vector(), vector(number), "{id} has a vector that nobody wrote");
        let found = record.payload()?;
        let has = found.as_ref().map(|it| it.get("number").and_then(Value::as_i64).unwrap() as u32);
        assert_eq!(found, has.map(payload), "{id} has a payload that nobody wrote");
        content.insert(id, (number, has.unwrap_or(0)));
    }
    let query = vector(1);
    let distance = |vector: &[f32]| match collection.config().metric() {
        Some(metric) => metric.distance(&query, vector),
        None => Manhattan.distance(&query, vector),
    };
    let distance = |(id, has): (&Id, &(u32, u32))| (distance(&vector(has.0)), id.clone());
    let mut nearest: Vec<(f32, Id)> = content.iter().map(distance).collect();
    nearest.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
    let hits = view.search(collection, &query)?.k(usize::MAX).run()?;
    let found: Vec<(f32, Id)> = hits.into_iter().map(|hit| (hit.distance, hit.id)).collect();
    assert_eq!(found, nearest, "a search finds all there is, in order");
    Ok(content)
}
