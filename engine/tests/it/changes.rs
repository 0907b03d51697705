//! Following what is committed: from any place, through checkpoints, openings and crashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrwdb::changes::{Change, Changed, Changes, Position};
use arrwdb::{Collection, CollectionConfig, Durability, Error, Id, Metric, Store};
use disk::{Disk, SimDisk};

fn on(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::options().stepped().log_file_bytes(8_192, 16_384).open_on(disk).unwrap()
}

fn docs(store: &Store) -> Collection {
    store.create_collection("docs", CollectionConfig::new(1, Metric::L2)).unwrap()
}

fn told(changes: &mut Changes) -> Vec<Change> {
    changes.map(Result::unwrap).collect()
}

/// What a follower has of each collection.
#[derive(Default)]
struct Follower {
    content: BTreeMap<String, BTreeMap<Id, f32>>,
    at: Option<Position>,
}

impl Follower {
    fn follow(&mut self, changes: impl IntoIterator<Item = Change>) {
        for Change { position, collection, what, .. } in changes {
            assert!(self.at.is_none_or(|at| at.sequence() <= position.sequence()));
            self.at = Some(position);
            let name = collection.to_string();
            match what {
                Changed::Created(_) => {
                    assert!(self.content.insert(name, BTreeMap::new()).is_none())
                }
                Changed::Dropped => assert!(self.content.remove(&name).is_some()),
                Changed::Cleared => self.content.get_mut(&name).unwrap().clear(),
                Changed::Upserted { id, vector, .. } => {
                    self.content.get_mut(&name).unwrap().insert(id, vector[0]);
                }
                Changed::Removed { id } => {
                    assert!(self.content.get_mut(&name).unwrap().remove(&id).is_some());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn check(&self, store: &Store) {
        let names: Vec<_> = store.collections().iter().map(|it| it.name().to_owned()).collect();
        assert!(self.content.keys().eq(names.iter()));
        for collection in store.collections() {
            let all = collection.scan(None).unwrap().map(Result::unwrap);
            let all: BTreeMap<_, _> = all.map(|it| (it.id().clone(), it.vector()[0])).collect();
            assert_eq!(self.content[collection.name()], all);
        }
    }
}

/// Does something of each kind.
fn live(store: &Store, docs: &Collection, round: u64) {
    for number in 0..40 {
        docs.upsert(number * (round + 1) % 61, &[(round * 100 + number) as f32]).unwrap();
    }
    let mut batch = store.batch();
    batch.upsert(docs, "a", &[round as f32]).remove(docs, 7).remove(docs, "nobody").note("n", b"1");
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    if round % 3 == 1 {
        docs.clear().unwrap();
        docs.insert("after", &[round as f32]).unwrap();
    }
    let more = store.create_collection("more", CollectionConfig::new(1, Metric::Dot)).unwrap();
    more.insert(1, &[1.0]).unwrap();
    store.drop_collection("more").unwrap();
    if !round.is_multiple_of(2) {
        let again = store.create_collection("more", CollectionConfig::new(1, Metric::L2)).unwrap();
        again.insert(2, &[2.0]).unwrap();
        store.drop_collection("more").unwrap();
    }
}

#[test]
fn who_follows_has_what_the_store_has() {
    let disk = SimDisk::new(1);
    let mut store = on(&disk);
    let mut collection = docs(&store);
    let (mut steadily, mut now_and_then) = (Follower::default(), Follower::default());
    let mut changes = store.changes(None).unwrap();
    for round in 0..8 {
        live(&store, &collection, round);
        steadily.follow(told(&mut changes));
        steadily.check(&store);
        now_and_then.follow(told(&mut store.changes(now_and_then.at).unwrap()));
        now_and_then.check(&store);
        if round % 2 == 1 {
            store.checkpoint().unwrap();
        }
        if round == 4 {
            drop((changes, collection, store));
            store = on(&disk);
            collection = store.collection("docs").unwrap();
            changes = store.changes(steadily.at).unwrap();
        }
    }
    assert!(changes.next().is_none());
    assert!(store.position().unwrap().sequence() >= steadily.at.unwrap().sequence());
    assert_eq!(told(&mut store.changes(store.position()).unwrap()), []);
}

#[test]
fn a_batch_is_told_as_a_whole_and_with_its_position() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store);
    let before = store.position();
    let mut batch = store.batch();
    batch.upsert(&docs, 1, &[1.0]).upsert(&docs, 2, &[2.0]).remove(&docs, 3);
    let at = batch.commit(Durability::Sync).unwrap().wait().unwrap();
    let all = told(&mut store.changes(before).unwrap());
    assert_eq!(all.len(), 2, "what was not there is not removed");
    assert!(all.iter().all(|it| it.position.sequence() == at && &*it.collection == "docs"));
    let (id, vector) = (Id::from(2), Arc::from([2.0]));
    assert_eq!(all[1].what, Changed::Upserted { id, vector, payload: None });
    assert_eq!(Some(all[1].position), store.position());
}

#[test]
fn what_could_still_be_lost_is_not_told() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store);
    let mut changes = store.changes(store.position()).unwrap();
    let mut batch = store.batch();
    batch.upsert(&docs, 1, &[1.0]);
    batch.commit(Durability::Os).unwrap().wait().unwrap();
    assert!(docs.contains(1).unwrap() && changes.next().is_none());
    store.sync().unwrap();
    assert_eq!(told(&mut changes).len(), 1);
}

#[test]
fn who_is_too_slow_is_told_so() {
    let store = on(&SimDisk::new(1));
    let docs = docs(&store);
    let (old, mut changes) = (store.position(), store.changes(None).unwrap());
    for number in 0..6_u64 {
        docs.upsert(number, &[number as f32]).unwrap();
        store.checkpoint().unwrap();
    }
    let late = store.changes(old).unwrap_err();
    assert!(
        matches!(late, Error::NotRetained { after, oldest } if Some(after) == old && oldest > old.map(Position::sequence)),
        "{late}"
    );
    assert!(late.to_string().contains("is no longer in the log"), "{late}");
    assert!(matches!(changes.next(), Some(Err(Error::NotRetained { .. }))));
    assert!(store.changes(None).unwrap().map(Result::unwrap).count() <= 2);
}

#[test]
fn a_position_of_elsewhere_or_of_what_was_lost_is_told() {
    let disk = SimDisk::new(1);
    let store = on(&disk);
    let docs = docs(&store);
    docs.upsert(1, &[1.0]).unwrap();
    let safe = store.position().unwrap();
    let mut batch = store.batch();
    batch.upsert(&docs, 2, &[2.0]);
    batch.commit(Durability::Os).unwrap().wait().unwrap();
    assert_eq!(store.position(), Some(safe), "nobody is given a place that may be lost");
    store.sync().unwrap();
    let later = store.position().unwrap();
    assert!(later.sequence() > safe.sequence());
    let elsewhere = on(&SimDisk::new(3));
    for position in [safe, later] {
        let refused = elsewhere.changes(Some(position)).unwrap_err();
        assert!(
            matches!(refused, Error::Abandoned { position: it } if it == position),
            "{refused}"
        );
        assert!(refused.to_string().contains("is not in this store's history"), "{refused}");
    }
    // The one behind it, on the same branch: as text, since nobody outside makes positions.
    let (number, branch) = (later.sequence().get(), later.to_string());
    let branch = branch.split_once('@').unwrap().1;
    let future: Position = format!("{}@{branch}", number + 1).parse().unwrap();
    assert!(matches!(store.changes(Some(future)), Err(Error::Abandoned { .. })));
}
