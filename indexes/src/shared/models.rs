//! Readers and writers of one row, in every order of events: by
//! `RUSTFLAGS="--cfg loom" cargo test --release -p arrwdb-indexes --lib models`.

use std::sync::Arc;

use loom::cell::Cell;
use loom::sync::RwLock;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::gate::Gate;
use super::readers::Readers;

const OLD: u32 = 1;
const NEW: u32 = 2;

/// A row whose bytes are one number, of which `loom` says if anybody writes it beside somebody else, and a link to it, which
/// orders nothing.
struct Row {
    readers: Readers,
    gate: Gate,
    bytes: Cell<u32>,
    link: AtomicU32,
}

impl Row {
    fn new() -> Arc<Self> {
        let (readers, gate, link) = (Readers::new(), Gate::new(), AtomicU32::new(0));
        Arc::new(Row { readers, gate, bytes: Cell::new(0), link })
    }

    /// One that is there already.
    fn written() -> Arc<Self> {
        let row = Row::new();
        assert!(row.write(OLD));
        row
    }

    /// What who has come to the row by a link does.
    fn read(&self) -> Option<u32> {
        let _pin = self.readers.pin();
        if self.link.load(Ordering::Relaxed) == 0 || !self.gate.is_open() {
            return None;
        }
        Some(self.bytes.get())
    }

    /// Takes the row up, if it is free: bytes, gate, link.
    fn write(&self, number: u32) -> bool {
        let held = self.gate.hold();
        if held {
            self.bytes.set(number);
            self.gate.open();
            self.link.store(1, Ordering::Relaxed);
        }
        held
    }

    /// Detaches the row, and gives it back if nobody reads it any more.
    fn free(&self) -> bool {
        self.link.store(0, Ordering::Relaxed);
        assert!(self.gate.close());
        let moment = self.readers.moment();
        let gone = self.readers.are_gone(moment);
        if gone {
            self.gate.shut();
        }
        gone
    }
}

/// Two readers beside what the first thread does, with as many preemptions as find every mistake that was tried.
fn model(start: fn() -> Arc<Row>, work: fn(&Arc<Row>), seen: fn(Option<u32>) -> bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let row = start();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let row = Arc::clone(&row);
                thread::spawn(move || assert!(seen(row.read())))
            })
            .collect();
        work(&row);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn what_is_published_is_seen_whole_or_not_at_all() {
    let write = |row: &Arc<Row>| assert!(row.write(NEW));
    model(Row::new, write, |seen| seen.is_none_or(|number| number == NEW));
}

#[test]
fn what_is_deleted_is_not_seen_by_who_begins_behind_it() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let row = Row::written();
        let deleted = Arc::new(AtomicU32::new(0));
        let reader = {
            let (row, deleted) = (Arc::clone(&row), Arc::clone(&deleted));
            thread::spawn(move || {
                let behind = deleted.load(Ordering::Acquire) == 1;
                let seen = row.read();
                assert!(!behind || seen.is_none(), "seen behind its deletion");
            })
        };
        row.free();
        deleted.store(1, Ordering::Release);
        reader.join().unwrap();
    });
}

#[test]
fn a_row_is_written_anew_only_when_all_are_gone_who_may_read_it() {
    let reuse = |row: &Arc<Row>| {
        if row.free() {
            assert!(row.write(NEW));
        }
    };
    model(Row::written, reuse, |_| true);
}

#[test]
fn of_several_who_take_a_row_up_one_does() {
    let write = |row: &Arc<Row>| {
        let other = Arc::clone(row);
        let other = thread::spawn(move || other.write(OLD));
        let mine = row.write(NEW);
        assert!(mine != other.join().unwrap());
    };
    // One reader less than elsewhere.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let row = Row::new();
        let reading = Arc::clone(&row);
        let reader = thread::spawn(move || {
            assert!(reading.read().is_none_or(|number| [OLD, NEW].contains(&number)));
        });
        write(&row);
        reader.join().unwrap();
    });
}

#[test]
fn who_takes_a_row_up_again_need_not_be_who_gave_it_back() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let row = Row::written();
        let [reading, writing] = [0; 2].map(|_| Arc::clone(&row));
        let reader = thread::spawn(move || reading.read());
        let writer = thread::spawn(move || writing.write(NEW));
        row.free();
        writer.join().unwrap();
        reader.join().unwrap();
    });
}

/// A slot without a gate, whose vector nothing guards but that no link leads to it when it is overwritten.
struct Linked {
    readers: Readers,
    /// Held by all who set links, and alone by who dooms the slot.
    writing: RwLock<()>,
    doomed: AtomicU32,
    /// Whether nodes are linked to it.
    links: [AtomicU32; 2],
    vector: Cell<u32>,
}

impl Linked {
    /// What a walk does.
    fn read(&self) {
        let _pin = self.readers.pin();
        if self.links.iter().any(|link| link.load(Ordering::Relaxed) == 1) {
            self.vector.get();
        }
    }

    /// What who inserts does: it comes to the slot, and links another node to it.
    fn insert(&self) {
        let _beside_others = self.writing.read().unwrap();
        let _pin = self.readers.pin();
        let [first, second] = &self.links;
        if first.load(Ordering::Relaxed) == 1 {
            self.vector.get();
            if self.doomed.load(Ordering::Relaxed) == 0 {
                second.store(1, Ordering::Relaxed);
            }
        }
    }

    /// What a sweep does; says whether all are gone who might be on the slot.
    fn sweep(&self) -> bool {
        {
            let _alone = self.writing.write().unwrap();
            self.doomed.store(1, Ordering::Relaxed);
        }
        self.links.iter().for_each(|link| link.store(0, Ordering::Relaxed));
        let moment = self.readers.moment();
        self.readers.are_gone(moment)
    }
}

#[test]
fn a_vector_is_overwritten_only_when_no_link_leads_to_it_and_nobody_is_there() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let slot = Arc::new(Linked {
            readers: Readers::new(),
            writing: RwLock::new(()),
            doomed: AtomicU32::new(0),
            links: [AtomicU32::new(1), AtomicU32::new(0)],
            vector: Cell::new(OLD),
        });
        let [reading, writing] = [0; 2].map(|_| Arc::clone(&slot));
        let reader = thread::spawn(move || reading.read());
        let writer = thread::spawn(move || writing.insert());
        if slot.sweep() {
            slot.vector.set(NEW);
        }
        reader.join().unwrap();
        writer.join().unwrap();
    });
}
