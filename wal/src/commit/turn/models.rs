//! Goes through every order in which threads can wait, work, hand over and wake: with `loom`, by
//! `RUSTFLAGS="--cfg loom" cargo test --release -p arrwdb-wal --lib models`.

use std::collections::VecDeque;
use std::sync::Arc as PlainArc;
use std::task::{Wake, Waker};

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::*;
use crate::commit::background::Background;

/// Numbers, given out and queued under one lock as the sequencer does it.
struct Numbers {
    last: Mutex<u64>,
    queue: Mutex<VecDeque<u64>>,
}

/// Work that takes numbers off the queue, one a turn: so that a turn can end with work left.
struct TakeOne {
    numbers: Arc<Numbers>,
    reached: u64,
    fails_at: u64,
    is_over: bool,
}

impl Work for TakeOne {
    fn work(&mut self) {
        let number = lock(&self.numbers.queue).pop_front();
        match number {
            Some(number) if number == self.fails_at => self.is_over = true,
            Some(number) if !self.is_over => self.reached = number,
            _ => {}
        }
    }

    fn done(&self) -> Done {
        Done { reached: self.reached, is_over: self.is_over }
    }
}

struct Model {
    numbers: Arc<Numbers>,
    turn: Turn<TakeOne>,
    background: Background,
}

impl Model {
    fn new(fails_at: u64) -> Arc<Self> {
        let numbers = Arc::new(Numbers { last: Mutex::new(0), queue: Mutex::new(VecDeque::new()) });
        let work = TakeOne { numbers: Arc::clone(&numbers), reached: 0, fails_at, is_over: false };
        Arc::new(Model { numbers, turn: Turn::new(work, 0), background: Background::new() })
    }

    fn commit(&self) -> u64 {
        let mut last = lock(&self.numbers.last);
        *last += 1;
        lock(&self.numbers.queue).push_back(*last);
        *last
    }

    fn serve(&self) -> bool {
        while !lock(&self.numbers.queue).is_empty() {
            self.turn.take_and(|_| ());
        }
        true
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Lets each of these act in a thread of its own.
fn together<const N: usize>(model: &Arc<Model>, actors: [fn(&Model); N]) {
    let spawn = |act: fn(&Model)| {
        let model = Arc::clone(model);
        thread::spawn(move || act(&model))
    };
    for thread in actors.map(spawn) {
        thread.join().unwrap();
    }
}

fn commit_and_wait(model: &Model) {
    let number = model.commit();
    assert_eq!(model.turn.wait(number), Answer::Reached);
    assert!(model.turn.reached() >= number);
}

#[test]
fn two_who_wait_are_both_served() {
    check(|| together(&Model::new(0), [commit_and_wait, commit_and_wait]));
}

#[test]
fn three_who_wait_are_all_served() {
    check(|| together(&Model::new(0), [commit_and_wait, commit_and_wait, commit_and_wait]));
}

#[test]
fn after_a_failure_nobody_waits_for_ever() {
    fn commit_in_vain(model: &Model) {
        assert_eq!(model.turn.wait(model.commit()), Answer::Over);
    }
    check(|| together(&Model::new(1), [commit_in_vain, commit_in_vain]));
}

/// A waker that unparks a thread of the model.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: PlainArc<Self>) {
        self.0.unpark();
    }
}

impl Model {
    /// The least runtime there can be: polls one number on this thread until it is answered.
    fn block_on(&self, number: u64) -> Answer {
        let waker = Waker::from(PlainArc::new(Unpark(current())));
        loop {
            if let Some(answer) = self.turn.poll(number, &waker) {
                return answer;
            }
            self.background.poke();
            park();
        }
    }
}

/// What a handle that nobody waits for does when it is dropped.
fn commit_and_drop(model: &Model) {
    model.commit();
    model.background.poke();
}

fn commit_and_await(model: &Model) {
    let number = model.commit();
    assert_eq!(model.block_on(number), Answer::Reached);
}

fn serve(model: &Model) {
    model.background.run(|| model.serve());
}

/// The background thread, a task that stops it when it is answered, and a handle that was dropped: it
/// may be served before, while and after the task asks.
#[test]
fn a_task_is_served_by_the_background() {
    fn commit_await_and_stop(model: &Model) {
        commit_and_await(model);
        model.background.stop();
    }
    check(|| {
        let model = Model::new(0);
        commit_and_drop(&model);
        together(&model, [serve, commit_await_and_stop]);
        assert_eq!(model.turn.reached(), 2);
    });
}

/// What was queued before the stop is done when the thread has ended.
#[test]
fn nothing_is_left_behind_by_a_background_that_is_stopped() {
    fn commit_drop_and_stop(model: &Model) {
        commit_and_drop(model);
        model.background.stop();
    }
    check(|| {
        let model = Model::new(0);
        together(&model, [serve, commit_drop_and_stop]);
        assert_eq!(model.turn.reached(), 1);
    });
}

/// A task and a thread that waits for another batch: either may come first, and the background serves
/// the task if the thread is gone.
#[test]
fn a_task_is_served_by_whoever_waits() {
    fn commit_wait_and_stop(model: &Model) {
        commit_and_wait(model);
        while model.turn.answer(2).is_none() {
            thread::yield_now();
        }
        model.background.stop();
    }
    check(|| together(&Model::new(0), [serve, commit_and_await, commit_wait_and_stop]));
}

/// What was done before a number was reached is seen by who was told so.
#[test]
fn whoever_is_answered_sees_what_was_done() {
    check(|| {
        let model = Model::new(0);
        let seen = Arc::new(AtomicU64::new(0));
        let (other, theirs) = (Arc::clone(&model), Arc::clone(&seen));
        let number = model.commit();
        let thread = thread::spawn(move || {
            other.turn.take_and(|_| theirs.store(7, Ordering::Relaxed));
        });
        if model.turn.reached() >= number {
            assert_eq!(seen.load(Ordering::Relaxed), 7);
        }
        thread.join().unwrap();
    });
}
