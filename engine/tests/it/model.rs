//! Many threads write, read, clear, make checkpoints and follow at once, and all they see is held against a plain model:
//! a map for each batch's number, made behind it of what each batch did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrwdb::{
    Changed, Changes, Collection, CollectionConfig, Durability, Error, Id, Metric, Position,
    Sequence, Store, View,
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
    Put(usize, Id, u64),
    Remove(usize, Id),
    Clear(usize),
}

/// What an id has: a vector's number, and since which batch.
type Content = [BTreeMap<Id, (u64, Sequence)>; 2];

/// Something that was seen.
enum Seen {
    /// All of a view, by scanning.
    All(Option<Sequence>, Content),
    /// What was found near this vector.
    Near(Option<Sequence>, usize, u64, Vec<(Id, f32)>),
    /// A batch gave an id something.
    Wrote(usize, Id, Sequence),
    /// An id had this at some time.
    Had(usize, Id, u64, Sequence),
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
            let has = (number_of(record.vector()), record.version());
            assert!(content.insert(record.id().clone(), has).is_none());
        }
        assert_eq!(view.count(collection).unwrap(), content.len() as u64);
    }
    content
}

/// Commits a batch of several ids; what it did.
fn batch(
    store: &Store,
    collections: &[Collection; 2],
    chance: &mut Chance,
) -> (Sequence, Vec<Act>) {
    let level = if chance.below(4) == 0 { Durability::Os } else { Durability::Sync };
    let (mut batch, mut acts) = (store.batch(), BTreeMap::new());
    for _ in 0..=chance.below(5) {
        let (at, id) = (chance.below(2) as usize, id(chance));
        let act = match chance.below(3) {
            0 => Act::Remove(at, id.clone()),
            _ => Act::Put(at, id.clone(), chance.below(VECTORS)),
        };
        acts.insert((at, id), act);
    }
    for act in acts.values() {
        match act {
            Act::Put(at, id, number) => batch.upsert(&collections[*at], id, &vector(*number)),
            Act::Remove(at, id) => batch.remove(&collections[*at], id),
            Act::Clear(_) => unreachable!("no batch clears"),
        };
    }
    let sequence = batch.commit(level).unwrap().wait().unwrap();
    (sequence, acts.into_values().collect())
}

/// One operation of one thread.
fn step(store: &Store, collections: &[Collection; 2], notes: &Notes, chance: &mut Chance) {
    let at = chance.below(2) as usize;
    let docs = &collections[at];
    let (id, number) = (id(chance), chance.below(VECTORS));
    let did = |sequence: Sequence, acts: Vec<Act>| {
        assert!(notes.batches.lock().unwrap().insert(sequence, acts).is_none());
    };
    let saw = |seen| notes.seen.lock().unwrap().push(seen);
    match chance.below(20) {
        0..5 => {
            let put = docs.upsert(&id, &vector(number)).unwrap();
            did(put, vec![Act::Put(at, id, number)]);
        }
        5..7 => match docs.insert(&id, &vector(number)) {
            Ok(sequence) => did(sequence, vec![Act::Put(at, id, number)]),
            Err(Error::IdExists { version, .. }) => saw(Seen::Wrote(at, id, version)),
            Err(error) => panic!("{error}"),
        },
        7..10 => {
            let Some(record) = docs.get(&id).unwrap() else { return };
            saw(Seen::Had(at, id.clone(), number_of(record.vector()), record.version()));
            let written = match chance.below(3) {
                0 => docs.remove_if(&id, record.version()).map(|it| (it, Act::Remove(at, id))),
                _ => docs
                    .upsert_if(&id, &vector(number), record.version())
                    .map(|it| (it, Act::Put(at, id, number))),
            };
            match written {
                Ok((sequence, act)) => did(sequence, vec![act]),
                Err(Error::OtherVersion { expected, found, .. }) => {
                    assert!(expected == record.version() && found != Some(expected));
                }
                Err(error) => panic!("{error}"),
            }
        }
        10..14 => {
            let (sequence, acts) = batch(store, collections, chance);
            did(sequence, acts);
        }
        14 => {
            let sequence = docs.clear().unwrap();
            did(sequence, vec![Act::Clear(at)]);
        }
        15..17 => {
            let view = store.view();
            std::thread::yield_now();
            saw(Seen::All(view.number(), all_of(&view, collections)));
        }
        17..19 => {
            let view = store.view();
            let hits = view.search(docs, &vector(number)).unwrap().k(5).run().unwrap();
            let near = hits.iter().map(|hit| (hit.id.clone(), hit.distance)).collect();
            for hit in &hits {
                let record = hit.record().unwrap();
                saw(Seen::Had(at, hit.id.clone(), number_of(record.vector()), record.version()));
            }
            saw(Seen::Near(view.number(), at, number, near));
        }
        _ => drop(store.checkpoint().unwrap()),
    }
}

/// Follows what is committed, behind what a view had.
fn follow(changes: &mut Changes, content: &mut Content) {
    for change in changes {
        let change = change.unwrap();
        let which = NAMES.iter().position(|name| **name == *change.collection).unwrap();
        let (content, version) = (&mut content[which], change.position.sequence);
        match change.what {
            Changed::Cleared => content.clear(),
            Changed::Upserted { id, vector } => {
                content.insert(id, (number_of(&vector), version));
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
                Act::Put(at, id, number) => drop(content[at].insert(id, (number, *sequence))),
                Act::Remove(at, id) => drop(content[at].remove(&id)),
                Act::Clear(at) => content[at].clear(),
            }
        }
        (*sequence, content.clone())
    };
    batches.iter().map(after).collect()
}

fn check(seen: &Seen, batches: &BTreeMap<Sequence, Vec<Act>>, all: &BTreeMap<Sequence, Content>) {
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
            let mut near: Vec<_> = rows.map(|(id, (it, _))| (id.clone(), distance(*it))).collect();
            near.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
            near.truncate(5);
            assert_eq!(found, &near, "at {number:?}");
        }
        Seen::Wrote(which, id, version) => {
            let is_it = |act: &Act| matches!(act, Act::Put(at, it, _) if (at, it) == (which, id));
            assert!(batches[version].iter().any(is_it), "{id} was not written by {version}");
        }
        Seen::Had(which, id, number, version) => {
            let is_it = |act: &Act| matches!(act, Act::Put(at, it, n) if (at, it, n) == (which, id, number));
            assert!(batches[version].iter().any(is_it), "{id} never had {number}");
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
            scope.spawn(move || {
                let mut chance = Chance::of(seed * THREADS + thread);
                for _ in 0..OPERATIONS / THREADS {
                    step(store, collections, notes, &mut chance);
                }
            });
        }
    });
    let batches = notes.batches.into_inner().unwrap();
    let contents = contents(&batches);
    let seen = notes.seen.into_inner().unwrap();
    seen.iter().for_each(|seen| check(seen, &batches, &contents));
    store.sync().unwrap();
    let last = contents.last_key_value().map(|(_, content)| content.clone()).unwrap_or_default();
    assert_eq!(all_of(&store.view(), &collections), last);
    // From anywhere that the log still has, one comes to the same.
    let first = store.changes(None).unwrap().next().map(|first| first.unwrap().position);
    for (number, content) in &contents {
        let Some(Position { timeline, sequence }) = first.filter(|it| it.sequence <= *number)
        else {
            continue;
        };
        assert!(sequence <= *number);
        let (mut changes, mut content) = (
            store.changes(Some(Position { timeline, sequence: *number })).unwrap(),
            content.clone(),
        );
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
