//! Readers and a writer of one slot, in every order of events: by
//! `RUSTFLAGS="--cfg loom" cargo test --release -p arrwdb-segments --lib models`.

use std::sync::Arc;

use base::Sequence;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::*;
use crate::slots::Pins;

const OLD: u64 = 1;
const NEW: u64 = 2;

/// A slot whose vector is a number, which orders nothing by itself.
struct Slot {
    states: States,
    pins: Arc<Pins>,
    vector: AtomicU64,
}

impl Slot {
    fn new(states: States) -> Arc<Self> {
        let pins = Pins::new(Sequence::new(2));
        Arc::new(Slot { states, pins, vector: AtomicU64::new(OLD) })
    }

    /// What a reader does that asks for the slot whatever its view: checks it at the first touch, and reads.
    fn read(&self) -> Option<u64> {
        let _pin = self.pins.pin();
        let state = match self.states.get(0) {
            State::Unknown => {
                let is_good = self.vector() == OLD;
                self.states.note(0, if is_good { State::Good } else { State::Bad })
            }
            state => state,
        };
        (state == State::Good).then(|| self.vector())
    }

    /// The vector, which nobody may write while it is read.
    fn vector(&self) -> u64 {
        let first = self.vector.load(Ordering::Relaxed);
        assert_eq!(self.vector.load(Ordering::Relaxed), first, "written under a reader");
        first
    }

    /// What a writer does: the slot was freed by batch 2, which all see; it closes it, and rewrites it once
    /// everybody is gone who was there then.
    fn reuse(&self) {
        if self.pins.unread_before() < Sequence::new(2) {
            return;
        }
        self.states.close(0);
        let visible = self.pins.visible();
        if self.pins.unread_before() > visible {
            self.write();
        }
    }

    fn write(&self) {
        self.vector.store(NEW, Ordering::Relaxed);
        self.states.publish(0);
    }
}

/// Runs two readers, a writer, and one who lets the next batch be seen; with as many preemptions as find every
/// mistake that was tried.
fn model(start: fn() -> States, write: fn(&Slot), seen: fn(Option<u64>) -> bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let slot = Slot::new(start());
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || assert!(seen(slot.read())))
            })
            .collect();
        let next = Arc::clone(&slot);
        let committer = thread::spawn(move || next.pins.advance(Sequence::new(3).unwrap()));
        write(&slot);
        for thread in readers.into_iter().chain([committer]) {
            thread.join().unwrap();
        }
    });
}

#[test]
fn what_is_published_is_seen_whole_or_not_at_all() {
    model(|| States::closed(1), Slot::write, |seen| seen.is_none_or(|vector| vector == NEW));
}

#[test]
fn a_check_never_shows_what_is_being_rewritten() {
    model(|| States::unknown(1), Slot::reuse, |_| true);
}

#[test]
fn a_slot_is_rewritten_only_when_all_are_gone_who_could_begin_to_read_it() {
    let good = || {
        let states = States::closed(1);
        states.publish(0);
        states
    };
    model(good, Slot::reuse, |_| true);
}
