//! Payloads as users see them: beside their vectors, updated alone, and the same for who saw them before, whatever is
//! written, compacted, used again or lost meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrwdb::{
    Collection, CollectionConfig, Durability, Error, Id, Metric, Payload, Record, Sequence, Store,
    Value, View, payload,
};
use disk::{Disk, SimDisk};
use proptest::prelude::*;

/// Eight slots in each of the first two segments.
const DIM: usize = 2_048;

fn open(disk: &SimDisk) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Store::options().stepped().log_file_bytes(65_536, 1 << 20);
    options.payload_file_bytes(512).open_on(disk).unwrap()
}

fn docs(store: &Store) -> Collection {
    store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap()
}

fn page(record: Option<Record>) -> Option<i64> {
    let payload = record.unwrap().payload().unwrap()?;
    Some(payload.get("page").and_then(Value::as_i64).unwrap())
}

#[test]
fn a_payload_stays_with_its_vector_until_either_is_written_again() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    let docs = docs(&store);
    docs.upsert_with("one", &[1.0, 2.0], payload! { "page" => 1 }).unwrap();
    docs.upsert_with("two", &[1.0, 2.0], payload! {}).unwrap();
    let before = store.view();
    let (version, slot) = {
        let one = docs.get("one").unwrap().unwrap();
        (one.version(), one.slot())
    };
    let updated = docs.update_payload("one", payload! { "page" => 2 }).unwrap();
    let one = docs.get("one").unwrap().unwrap();
    assert_eq!((one.version(), one.slot(), one.vector()), (updated, slot, &[1.0, 2.0][..]));
    assert!(updated > version);
    let counted = docs.statistics();
    let counts = (counted.vectors, counted.total_references, counted.unique_vectors);
    assert_eq!(counts, (2, 2, 1), "the slot has as many references as before");
    assert_eq!(page(docs.get("one").unwrap()), Some(2));
    assert_eq!(page(before.get(&docs, "one").unwrap()), Some(1));
    let empty = docs.get("two").unwrap().unwrap().payload().unwrap();
    assert!(empty.unwrap().is_empty(), "which is another thing than none");
    docs.upsert("one", &[3.0, 4.0]).unwrap();
    assert_eq!(page(docs.get("one").unwrap()), None);
    assert_eq!(page(before.get(&docs, "one").unwrap()), Some(1));
    docs.update_payload("one", payload! { "page" => 3 }).unwrap();
    let hits = docs.search(&[3.0, 4.0]).k(1).run().unwrap();
    store.close().unwrap();
    assert_eq!(page(Some(hits[0].record().unwrap())), Some(3), "what was found stays");
    drop((store, docs, before, hits, one));
    let store = open(&disk);
    let docs = store.collection("docs").unwrap();
    assert_eq!(page(docs.get("one").unwrap()), Some(3));
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn a_payload_that_cannot_be_is_refused_with_its_batch() {
    let store = open(&SimDisk::new(1));
    let docs = docs(&store);
    let refused = docs.update_payload("nobody", payload! { "page" => 1 }).unwrap_err();
    assert!(
        matches!(&refused, Error::NoId { collection, id } if collection == "docs" && *id == "nobody".into())
    );
    let at = docs.upsert("one", &[1.0, 2.0]).unwrap();
    let nested = Payload::from(vec![Payload::from(1), Payload::from("a")]);
    let twice = Payload::new().with("a", 1).with("a", 2);
    for (payload, words) in
        [(nested, "only a map"), (twice, "because of a: the key is there twice")]
    {
        let refused = docs.update_payload("one", payload).unwrap_err();
        assert!(matches!(refused, Error::NotAPayload { .. }), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let mut batch = store.batch();
    batch.upsert(&docs, "two", &[1.0, 2.0]).remove(&docs, "one").payload(payload! {});
    let refused = batch.commit(Durability::Sync).unwrap_err();
    assert!(matches!(refused, Error::NotAPayload { id: None, .. }), "{refused}");
    let mut batch = store.batch();
    batch.update_payload_if(&docs, "one", payload! { "page" => 1 }, at);
    batch.update_payload(&docs, "nobody", payload! { "page" => 1 });
    assert!(matches!(batch.commit(Durability::Sync), Err(Error::NoId { .. })));
    assert_eq!((docs.len(), page(docs.get("one").unwrap())), (1, None), "nothing was done");
    let mut batch = store.batch();
    batch.update_payload_if(&docs, "one", payload! { "page" => 1 }, at);
    let then = batch.commit(Durability::Sync).unwrap().wait().unwrap();
    let mut batch = store.batch();
    batch.update_payload_if(&docs, "one", payload! { "page" => 2 }, at);
    let refused = batch.commit(Durability::Sync).unwrap_err();
    assert!(matches!(refused, Error::OtherVersion { found: Some(found), .. } if found == then));
    assert_eq!(page(docs.get("one").unwrap()), Some(1));
}

/// The largest there can be, and more than one file takes.
#[test]
fn payloads_may_be_large() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    let docs = docs(&store);
    let large = |fill: u8| payload! { "bytes" => Value::Bytes(&vec![fill; (16 << 20) - 100]) };
    docs.upsert_with(1, &[1.0, 2.0], large(7)).unwrap();
    docs.upsert_with(2, &[1.0, 2.0], large(8)).unwrap();
    let too_large = payload! { "bytes" => Value::Bytes(&vec![0; 16 << 20]) };
    let refused = docs.update_payload(1, too_large).unwrap_err();
    assert!(refused.to_string().contains("16 MiB"), "{refused}");
    let read = |docs: &Collection, id: u64| docs.get(id).unwrap().unwrap().payload().unwrap();
    assert!(read(&docs, 1) == Some(large(7)) && read(&docs, 2) == Some(large(8)));
    drop((store, docs));
    let store = open(&disk.after_kill(2));
    let docs = store.collection("docs").unwrap();
    assert!(read(&docs, 1) == Some(large(7)) && read(&docs, 2) == Some(large(8)));
}

/// What an id has: the numbers of its vector and its payload, and since when.
type Content = BTreeMap<Id, (u64, Option<u64>, Sequence)>;

#[derive(Clone, Debug)]
enum Op {
    Put(u64, Option<u64>),
    Update(u64, Option<u64>),
    Remove(u64),
    Clear,
    View,
    /// Lets go of the oldest view.
    Forget,
    Checkpoint,
    Kill,
    PowerLoss,
}

fn any_op() -> impl Strategy<Value = Op> {
    let payload = || prop::option::weighted(0.8, 0..40_u64);
    prop_oneof![
        8 => (0..10_u64, payload()).prop_map(|(id, payload)| Op::Put(id, payload)),
        6 => (0..10_u64, payload()).prop_map(|(id, payload)| Op::Update(id, payload)),
        4 => (0..10_u64).prop_map(Op::Remove),
        1 => Just(Op::Clear),
        3 => Just(Op::View),
        1 => Just(Op::Forget),
        5 => Just(Op::Checkpoint),
        1 => Just(Op::Kill),
        1 => Just(Op::PowerLoss),
    ]
}

fn numbered(number: u64) -> Payload {
    payload! { "number" => number as i64, "text" => "0123456789".repeat(number as usize) }
}

/// A store, what is in it, and views of before with what was in it then.
struct Life {
    disk: SimDisk,
    store: Store,
    content: Content,
    views: Vec<(View, Collection, Content)>,
    written: u64,
}

impl Life {
    fn begin() -> Life {
        let disk = SimDisk::new(1);
        let store = open(&disk);
        let config = CollectionConfig::new(DIM as u32, Metric::L2);
        store.create_collection("docs", config).unwrap();
        Life { disk, store, content: Content::new(), views: Vec::new(), written: 0 }
    }

    fn docs(&self) -> Collection {
        self.store.collection("docs").unwrap()
    }

    fn step(&mut self, op: &Op) {
        let docs = self.docs();
        self.written += 1;
        match *op {
            Op::Put(id, payload) => {
                let mut batch = self.store.batch();
                // Each third vector is one that was there before.
                let number = if self.written.is_multiple_of(3) { id } else { self.written };
                let put = batch.upsert(&docs, id, &[number as f32; DIM]);
                if let Some(payload) = payload {
                    put.payload(numbered(payload));
                }
                let at = batch.commit(Durability::Sync).unwrap().wait().unwrap();
                self.content.insert(Id::from(id), (number, payload, at));
            }
            Op::Update(id, payload) => match docs.update_payload(id, payload.map(numbered)) {
                Ok(at) => {
                    let has = self.content.get_mut(&Id::from(id)).unwrap();
                    *has = (has.0, payload, at);
                }
                Err(error) => assert!(matches!(error, Error::NoId { .. }), "{error}"),
            },
            Op::Remove(id) => {
                assert_eq!(docs.remove(id).unwrap(), self.content.remove(&Id::from(id)).is_some());
            }
            Op::Clear => {
                docs.clear().unwrap();
                self.content.clear();
            }
            Op::View => self.views.push((self.store.view(), docs, self.content.clone())),
            Op::Forget if self.views.is_empty() => {}
            Op::Forget => drop(self.views.remove(0)),
            Op::Checkpoint => drop(self.store.checkpoint().unwrap()),
            Op::Kill => self.go_on(self.disk.after_kill(self.written)),
            Op::PowerLoss => {
                let image = self.disk.after_power_loss();
                self.go_on(SimDisk::from_image(&image, self.written));
            }
        }
    }

    /// Opens the store on another disk. Views do not outlive their process.
    fn go_on(&mut self, disk: SimDisk) {
        self.views.clear();
        self.store = open(&disk);
        self.disk = disk;
    }

    fn check(&self) {
        for (view, docs, content) in &self.views {
            assert_eq!(seen(view, docs), *content);
        }
        assert_eq!(seen(&self.store.view(), &self.docs()), self.content);
    }
}

fn seen(view: &View, docs: &Collection) -> Content {
    let has = |record: Record| {
        let number = record.vector()[0];
        assert!(record.vector().iter().all(|it| *it == number));
        let payload = record.payload().unwrap().map(|payload| {
            let number = payload.get("number").and_then(Value::as_i64).unwrap() as u64;
            assert_eq!(payload, numbered(number));
            number
        });
        (record.id().clone(), (number as u64, payload, record.version()))
    };
    view.scan(docs, None).unwrap().map(|record| has(record.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Slots are used again and files of payloads emptied as checkpoints come, whoever still looks.
    #[test]
    fn nothing_that_a_view_can_see_changes(ops in prop::collection::vec(any_op(), 1..120)) {
        let mut life = Life::begin();
        for op in &ops {
            life.step(op);
            life.check();
        }
        prop_assert!(life.store.verify().unwrap().is_sound());
    }
}

/// Says that the test above sees what it is for.
#[test]
fn files_of_payloads_are_emptied_and_removed() {
    let mut life = Life::begin();
    for round in 0..20 {
        for id in 0..10 {
            // One of them stays as it is, so that there is something to be copied.
            if id > 0 || round == 0 {
                life.step(&Op::Put(id, Some(30)));
            }
        }
        life.step(&Op::View);
        life.step(&Op::Checkpoint);
        life.check();
        if round > 4 {
            life.step(&Op::Forget);
        }
        let counted = life.docs().statistics();
        assert!(counted.payload_file_bytes < 32 << 10, "{counted:?}");
    }
    let written = 190 * 300;
    let files = life.disk.contents();
    let files = files.files().filter(|path| path.extension().is_some_and(|it| it == "pay"));
    assert!(files.count() < 10, "of {written} bytes most are gone");
}

/// Room is made for all of it, and not for one payload after the other.
#[test]
fn a_large_batch_makes_one_file() {
    let disk = SimDisk::new(1);
    let store = open(&disk);
    let docs = docs(&store);
    let mut batch = store.batch();
    for id in 0..20_000 {
        batch.upsert(&docs, id, &[1.0, 2.0]).payload(numbered(30));
    }
    let before = store.stats().syncs;
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    assert_eq!(docs.statistics().payload_bytes >> 20, 7);
    assert!(pay_files(&disk).len() <= 1 && store.stats().syncs - before < 12);
}

/// The files of payloads, and how long they are.
fn pay_files(disk: &SimDisk) -> BTreeMap<String, usize> {
    let contents = disk.contents();
    let files = contents.files().filter(|path| path.extension().is_some_and(|it| it == "pay"));
    files.map(|path| (path.display().to_string(), contents.bytes(path).unwrap().len())).collect()
}

/// What was copied to a new file counts for nothing where the disk is full then, and does not stay there.
#[test]
fn a_checkpoint_that_is_refused_leaves_no_file_behind() {
    let mut life = Life::begin();
    for round in 0..3 {
        (0..10).filter(|id| *id > 0 || round == 0).for_each(|id| life.step(&Op::Put(id, Some(30))));
    }
    let before = pay_files(&life.disk);
    let contents = life.disk.contents();
    let used: usize = contents.files().map(|path| contents.bytes(path).unwrap().len()).sum();
    let mut refused = 0;
    for room in (4_096..40_960).step_by(1_024) {
        life.disk.set_capacity(used as u64 + room);
        match life.store.checkpoint() {
            Ok(_) => break,
            Err(error) => assert!(error.is_clean_refusal(), "{error}"),
        }
        refused += 1;
        assert_eq!(pay_files(&life.disk), before);
        life.check();
    }
    assert!(refused > 3, "{refused}");
    life.disk.set_capacity(u64::MAX);
    life.step(&Op::Checkpoint);
    life.step(&Op::Checkpoint);
    assert_ne!(pay_files(&life.disk), before, "files were emptied");
    life.check();
}
