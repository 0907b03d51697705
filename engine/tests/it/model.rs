//! Many threads write, read, clear, make checkpoints and follow at once, and all they see is held against a plain model:
//! a map for each batch's number, made behind it of what each batch did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrwdb::changes::{Changed, Changes, Position};
use arrwdb::{
    Collection, CollectionConfig, Durability, Error, Id, Metric, Payload, Record, Sequence, Store,
    Value, View, payload,
};
use disk::{Disk, SimDisk};

use crate::chance::Chance;
use crate::crash::is_full;

const THREADS: u64 = 8;
/// Of all threads together.
const OPERATIONS: u64 = 200;
const NAMES: [&str; 2] = ["docs", "more"];
const IDS: u64 = 12;
/// Few, so that many ids have the same.
const VECTORS: u64 = 9;

/// What a batch did to an id of a collection, or to all of them.
#[derive(Clone, Debug)]
enum Act {
    Put(usize, Id, u64, Option<u64>),
    /// Another payload.
    Update(usize, Id, Option<u64>),
    Remove(usize, Id),
    Clear(usize),
}

/// What an id has: the numbers of a vector and a payload, and since which batch.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Has {
    vector: u64,
    payload: Option<u64>,
    version: Sequence,
}

type Content = [BTreeMap<Id, Has>; 2];

/// Something that was seen.
enum Seen {
    /// All of a view, by scanning.
    All(Option<Sequence>, Content),
    /// What was found near this vector.
    Near(Option<Sequence>, usize, u64, Vec<(Id, f32)>),
    /// A batch gave an id something.
    Wrote(usize, Id, Sequence),
    /// An id had this at some time.
    Had(usize, Id, Has),
}

#[derive(Default)]
struct Notes {
    batches: Mutex<BTreeMap<Sequence, Vec<Act>>>,
    seen: Mutex<Vec<Seen>>,
}

fn vector(number: u64) -> [f32; 2] {
    [number as f32, (number * 7 % 13) as f32]
}

fn number_of(vector: &[f32]) -> u64 {
    let number = vector[0] as u64;
    assert_eq!(vector, self::vector(number), "a vector that nobody wrote");
    number
}

/// Of many sizes: where they are large, files of payloads become sparse, and checkpoints empty them.
fn payload(number: u64) -> Payload {
    let bytes = vec![number as u8; (number / 100 * 900 + number % 100) as usize];
    payload! { "number" => number as i64, "bytes" => Value::Bytes(&bytes) }
}

fn payload_number(payload: &Payload) -> u64 {
    let number = payload.get("number").and_then(Value::as_i64).unwrap() as u64;
    assert_eq!(*payload, self::payload(number), "a payload that nobody wrote");
    number
}

fn has(record: &Record) -> Has {
    let payload = record.payload().unwrap().as_ref().map(payload_number);
    Has { vector: number_of(record.vector()), payload, version: record.version() }
}

fn id(chance: &mut Chance) -> Id {
    let number = chance.below(IDS);
    match number % 3 {
        0 => Id::from(number),
        1 => Id::from([number as u8; 16]),
        _ => Id::from(format!("text {number}")),
    }
}

fn all_of(view: &View, collections: &[Collection; 2]) -> Content {
    let mut content = Content::default();
    for (content, collection) in content.iter_mut().zip(collections) {
        for record in view.scan(collection, None).unwrap() {
            let record = record.unwrap();
            assert!(content.insert(record.id().clone(), has(&record)).is_none());
        }
        assert_eq!(view.count(collection).unwrap(), content.len() as u64);
        check_ways(view, collection, content);
    }
    content
}

/// By each way to read a view sees the same.
fn check_ways(view: &View, collection: &Collection, content: &BTreeMap<Id, Has>) {
    let ids: Vec<Id> = content.keys().cloned().chain([Id::from("nobody")]).collect();
    let many = view.get_many(collection, &ids).unwrap();
    assert_eq!(many.last().map(Option::is_none), Some(true));
    let mut of_slot: BTreeMap<u32, Vec<&Id>> = BTreeMap::new();
    for (record, (id, expected)) in many.iter().flatten().zip(content) {
        assert_eq!((record.id(), has(record)), (id, *expected));
        assert!(view.contains(collection, id).unwrap());
        of_slot.entry(record.slot()).or_default().push(id);
    }
    assert_eq!(many.iter().flatten().count(), content.len());
    let slots: Vec<u32> = of_slot.keys().copied().collect();
    let sharing = view.get_by_slot(collection, &slots).unwrap();
    for (records, ids) in sharing.iter().zip(of_slot.values()) {
        assert!(records.iter().map(Record::id).eq(ids.iter().copied()));
    }
    let queries = [vector(1), vector(2)];
    let batch = view.search_batch(collection, &queries).unwrap().k(3).run().unwrap();
    for (query, hits) in queries.iter().zip(&batch) {
        assert_eq!(view.search(collection, query).unwrap().k(3).run().unwrap(), *hits);
    }
}

/// One thread, and what it notes down.
struct Thread<'t> {
    store: &'t Store,
    collections: &'t [Collection; 2],
    notes: &'t Notes,
    chance: Chance,
    has_large_payloads: bool,
}

impl Thread<'_> {
    fn did(&self, sequence: Sequence, acts: Vec<Act>) {
        assert!(self.notes.batches.lock().unwrap().insert(sequence, acts).is_none());
    }

    fn saw(&self, seen: Seen) {
        self.notes.seen.lock().unwrap().push(seen);
    }

    fn payload(&mut self) -> Option<u64> {
        match self.chance.below(3) {
            0 => None,
            _ if self.has_large_payloads => Some(self.chance.below(1_000)),
            _ => Some(self.chance.below(100)),
        }
    }

    /// One operation.
    fn step(&mut self) {
        let at = self.chance.below(2) as usize;
        let docs = &self.collections[at];
        let (id, number) = (id(&mut self.chance), self.chance.below(VECTORS));
        match self.chance.below(24) {
            0..5 => self.put(at, id, number),
            5..7 => match docs.insert(&id, &vector(number)) {
                Ok(sequence) => self.did(sequence, vec![Act::Put(at, id, number, None)]),
                Err(Error::IdExists { version, .. }) => self.saw(Seen::Wrote(at, id, version)),
                Err(error) => panic!("{error}"),
            },
            7..10 => self.change_what_was_read(at, id, number),
            10..14 => self.write_many(),
            14 => {
                let sequence = docs.clear().unwrap();
                self.did(sequence, vec![Act::Clear(at)]);
            }
            15..17 => {
                let view = self.store.view();
                std::thread::yield_now();
                self.saw(Seen::All(view.number(), all_of(&view, self.collections)));
            }
            17..19 => self.search(at, number),
            19..21 => self.update(at, id),
            21 => self.make_and_drop(number),
            22 => assert!(self.store.verify().unwrap().is_sound()),
            _ => drop(self.store.checkpoint().unwrap()),
        }
    }

    /// A collection of this thread's own comes and goes.
    fn make_and_drop(&self, number: u64) {
        let name = format!("of {:?}", std::thread::current().id());
        let config = CollectionConfig::new(2, Metric::L2);
        let own = self.store.create_collection(&name, config).unwrap();
        own.upsert_with("it", &vector(number), payload(number)).unwrap();
        let view = self.store.view();
        self.store.drop_collection(&name).unwrap();
        let seen = view.get(&own, "it").unwrap().unwrap();
        assert_eq!(
            (number_of(seen.vector()), seen.payload().unwrap()),
            (number, Some(payload(number)))
        );
        assert!(matches!(own.get("it"), Err(Error::NoCollection { .. })));
    }

    fn put(&mut self, at: usize, id: Id, number: u64) {
        let (docs, payload) = (&self.collections[at], self.payload());
        let put = match payload {
            None => docs.upsert(&id, &vector(number)),
            Some(payload) => docs.upsert_with(&id, &vector(number), self::payload(payload)),
        };
        self.did(put.unwrap(), vec![Act::Put(at, id, number, payload)]);
    }

    fn update(&mut self, at: usize, id: Id) {
        let payload = self.payload();
        match self.collections[at].update_payload(&id, payload.map(self::payload)) {
            Ok(sequence) => self.did(sequence, vec![Act::Update(at, id, payload)]),
            Err(Error::NoId { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Writes on the condition that nobody else did.
    fn change_what_was_read(&mut self, at: usize, id: Id, number: u64) {
        let docs = &self.collections[at];
        let Some(record) = docs.get(&id).unwrap() else { return };
        self.saw(Seen::Had(at, id.clone(), has(&record)));
        let (version, payload) = (record.version(), self.payload());
        let (written, act) = match self.chance.below(3) {
            0 => (docs.remove_if(&id, version), Act::Remove(at, id)),
            1 => {
                let mut batch = self.store.batch();
                batch.update_payload_if(docs, &id, payload.map(self::payload), version);
                let written = batch.commit(Durability::Sync).and_then(|commit| commit.wait());
                (written, Act::Update(at, id, payload))
            }
            _ => (docs.upsert_if(&id, &vector(number), version), Act::Put(at, id, number, None)),
        };
        match written {
            Ok(sequence) => self.did(sequence, vec![act]),
            Err(Error::OtherVersion { expected, found, .. }) => {
                assert!(expected == version && found != Some(expected));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn write_many(&mut self) {
        let (mut batch, mut acts) = (self.store.batch(), BTreeMap::new());
        for _ in 0..=self.chance.below(5) {
            let (at, id) = (self.chance.below(2) as usize, id(&mut self.chance));
            let act = match self.chance.below(3) {
                0 => Act::Remove(at, id.clone()),
                _ => {
                    let (number, payload) = (self.chance.below(VECTORS), self.payload());
                    Act::Put(at, id.clone(), number, payload)
                }
            };
            acts.insert((at, id), act);
        }
        for act in acts.values() {
            match act {
                Act::Put(at, id, number, payload) => {
                    let put = batch.upsert(&self.collections[*at], id, &vector(*number));
                    if let Some(payload) = payload {
                        put.payload(self::payload(*payload));
                    }
                }
                Act::Remove(at, id) => {
                    batch.remove(&self.collections[*at], id);
                }
                Act::Update(..) | Act::Clear(_) => unreachable!("no batch does"),
            }
        }
        let level = if self.chance.below(4) == 0 { Durability::Os } else { Durability::Sync };
        let sequence = batch.commit(level).unwrap().wait().unwrap();
        self.did(sequence, acts.into_values().collect());
    }

    fn search(&mut self, at: usize, number: u64) {
        let (docs, view) = (&self.collections[at], self.store.view());
        let hits = view.search(docs, &vector(number)).unwrap().k(5).run().unwrap();
        let near = hits.iter().map(|hit| (hit.id.clone(), hit.distance)).collect();
        for hit in &hits {
            self.saw(Seen::Had(at, hit.id.clone(), has(&hit.record().unwrap())));
        }
        self.saw(Seen::Near(view.number(), at, number, near));
    }
}

/// Follows what is committed, behind what a view had.
fn follow(changes: &mut Changes, content: &mut Content) {
    for change in changes {
        let change = change.unwrap();
        let Some(which) = NAMES.iter().position(|name| **name == *change.collection) else {
            continue;
        };
        let (content, version) = (&mut content[which], change.position.sequence());
        match change.what {
            Changed::Cleared => content.clear(),
            Changed::Upserted { id, vector, payload } => {
                let payload = payload.as_ref().map(payload_number);
                content.insert(id, Has { vector: number_of(&vector), payload, version });
            }
            Changed::Updated { id, payload } => {
                let payload = payload.as_ref().map(payload_number);
                content.entry(id).and_modify(|has| *has = Has { payload, version, ..*has });
            }
            Changed::Removed { id } => assert!(content.remove(&id).is_some()),
            other => panic!("{other:?}"),
        }
    }
}

/// The content at each number at which there is another than before.
fn contents(batches: &BTreeMap<Sequence, Vec<Act>>) -> BTreeMap<Sequence, Content> {
    let mut content = Content::default();
    let after = |(sequence, acts): (&Sequence, &Vec<Act>)| {
        for act in acts.iter().cloned() {
            match act {
                Act::Put(at, id, vector, payload) => {
                    content[at].insert(id, Has { vector, payload, version: *sequence });
                }
                Act::Update(at, id, payload) => {
                    let has = content[at].get_mut(&id).unwrap();
                    *has = Has { payload, version: *sequence, ..*has };
                }
                Act::Remove(at, id) => drop(content[at].remove(&id)),
                Act::Clear(at) => content[at].clear(),
            }
        }
        (*sequence, content.clone())
    };
    batches.iter().map(after).collect()
}

fn check(seen: &Seen, all: &BTreeMap<Sequence, Content>) {
    let empty = Content::default();
    let at = |number: Option<Sequence>| {
        let last = number.and_then(|number| all.range(..=number).next_back());
        last.map_or(&empty, |(_, content)| content)
    };
    match seen {
        Seen::All(number, content) => assert_eq!(content, at(*number), "at {number:?}"),
        Seen::Near(number, which, query, found) => {
            let distance = |number: u64| Metric::L2.distance(&vector(*query), &vector(number));
            let rows = at(*number)[*which].iter();
            let mut near: Vec<_> = rows.map(|(id, it)| (id.clone(), distance(it.vector))).collect();
            near.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
            near.truncate(5);
            assert_eq!(found, &near, "at {number:?}");
        }
        Seen::Wrote(which, id, version) => {
            assert!(all[version][*which].contains_key(id), "{id} was not written by {version}");
        }
        Seen::Had(which, id, has) => {
            assert_eq!(all[&has.version][*which].get(id), Some(has), "{id}");
        }
    }
}

fn run(seed: u64, open: impl Fn() -> Store) {
    let store = open();
    let make = |name| store.create_collection(name, CollectionConfig::new(2, Metric::L2)).unwrap();
    let (collections, notes) = (NAMES.map(make), Notes::default());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, collections, notes) = (&store, &collections, &notes);
            let chance = Chance::of(seed * THREADS + thread);
            let has_large_payloads = seed.is_multiple_of(4);
            let mut thread = Thread { store, collections, notes, chance, has_large_payloads };
            scope.spawn(move || (0..OPERATIONS / THREADS).for_each(|_| thread.step()));
        }
    });
    let batches = notes.batches.into_inner().unwrap();
    let contents = contents(&batches);
    let seen = notes.seen.into_inner().unwrap();
    seen.iter().for_each(|seen| check(seen, &contents));
    store.sync().unwrap();
    let last = contents.last_key_value().map(|(_, content)| content.clone()).unwrap_or_default();
    assert_eq!(all_of(&store.view(), &collections), last);
    // From anywhere that the log still has, one comes to the same.
    let first = store.changes(None).unwrap().next().map(|first| first.unwrap().position);
    for (number, content) in &contents {
        let Some(first) = first.filter(|it| it.sequence() <= *number) else { continue };
        // The branch is behind the number.
        let first = first.to_string();
        let after: Position =
            format!("{number}@{}", &first.split_once('@').unwrap().1).parse().unwrap();
        let (mut changes, mut content) = (store.changes(Some(after)).unwrap(), content.clone());
        follow(&mut changes, &mut content);
        assert_eq!(content, last, "from {number} on");
    }
    drop((store, collections));
    let store = open();
    let collections = NAMES.map(|name| store.collection(name).unwrap());
    assert_eq!(all_of(&store.view(), &collections), last, "opened again");
}

#[test]
fn whatever_many_do_at_once_each_sees_what_a_plain_model_has() {
    let seeds = if is_full() { 10_000 } else { 1_000 };
    for seed in 0..seeds {
        let disk = SimDisk::new(seed);
        run(seed, || {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            Store::options().log_file_bytes(8_192, 1 << 20).open_on(disk).unwrap()
        });
    }
}

#[test]
fn the_same_on_a_real_disk() {
    for seed in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        run(seed, || Store::open(dir.path().join("store")).unwrap());
    }
}
