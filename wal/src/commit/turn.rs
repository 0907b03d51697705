//! Lets one of those who wait do the work for all of them, and wakes them when it is done.
//!
//! Owns: whose turn it is, and who waits. What the work is, is for [`Work`] to say.
//!
//! Promises
//!  1. Whoever waits for a number returns once it is reached, or once the work is over for good, if
//!     somebody does the work; and if nobody does it, the waiter does.
//!  2. Nobody sleeps while work is there that no one is at.
//!
//! How a wake-up cannot be lost: who waits notes itself and then tries to take the turn; who ends a turn
//! lets go of it and then looks who is noted. Both go through the list's lock. If the waiter is first,
//! it is seen there; if it is second, the turn was free by then and it takes it, or another has it, who
//! will look later. `wal/src/commit/turn/models.rs` goes through all orders.
//!
//! Never: keeps time; starts a thread; knows of the log.

use std::task::Waker;

use super::primitives::{
    AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, Thread, current, lock, park, try_lock,
};

/// The work that is done by turns.
pub(crate) trait Work {
    /// Does what there is to do: all of it, or a good part.
    fn work(&mut self);

    /// How far it came.
    fn done(&self) -> Done;
}

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    /// Everything up to this number is done.
    pub(crate) reached: u64,
    /// Nothing more will be done.
    pub(crate) is_over: bool,
}

/// What became of a number that was waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It is done.
    Reached,
    /// It will not be.
    Over,
}

/// Work that is done by turns, and those who wait for it.
#[derive(Debug)]
pub(crate) struct Turn<W> {
    work: Mutex<W>,
    reached: AtomicU64,
    is_over: AtomicBool,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    who: Who,
}

#[derive(Clone, Debug)]
enum Who {
    Thread(Thread),
    Task(Waker),
}

impl Who {
    fn wake(self) {
        match self {
            Who::Thread(thread) => thread.unpark(),
            Who::Task(waker) => waker.wake(),
        }
    }
}

impl<W: Work> Turn<W> {
    /// Nothing done beyond this number.
    pub(crate) fn new(work: W, reached: u64) -> Self {
        Turn {
            work: Mutex::new(work),
            reached: AtomicU64::new(reached),
            is_over: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Everything up to this number is done.
    pub(crate) fn reached(&self) -> u64 {
        self.reached.load(Ordering::Acquire)
    }

    /// What became of a number, if that is known.
    pub(crate) fn answer(&self, number: u64) -> Option<Answer> {
        // In this order: what was reached last was reached before it was over.
        let is_over = self.is_over.load(Ordering::Acquire);
        if self.reached() >= number {
            Some(Answer::Reached)
        } else {
            is_over.then_some(Answer::Over)
        }
    }

    /// Waits for a number, and works meanwhile if nobody else does.
    pub(crate) fn wait(&self, number: u64) -> Answer {
        let mut is_noted = false;
        loop {
            if let Some(answer) = self.answer(number) {
                return answer;
            }
            if self.try_take() {
                continue;
            }
            if !is_noted {
                self.note(number, Who::Thread(current()));
                is_noted = true;
                // The turn may have ended before we were noted, and nobody would wake us.
                continue;
            }
            park();
        }
    }

    /// Asks for a number; if it is not reached, wakes the task later. Somebody else has to work.
    pub(crate) fn poll(&self, number: u64, waker: &Waker) -> Option<Answer> {
        if let Some(answer) = self.answer(number) {
            return Some(answer);
        }
        self.note(number, Who::Task(waker.clone()));
        self.answer(number)
    }

    /// Takes the turn if it is free, and works; says whether it did.
    pub(crate) fn try_take(&self) -> bool {
        let work = try_lock(&self.work);
        work.map(|work| self.hold(work).act(W::work)).is_some()
    }

    /// Waits for the turn, works, and then does something more with it.
    pub(crate) fn take_and<T>(&self, more: impl FnOnce(&mut W) -> T) -> T {
        let mut held = self.hold(lock(&self.work));
        held.act(|work| {
            work.work();
            more(work)
        })
    }

    fn hold<'a>(&'a self, work: MutexGuard<'a, W>) -> Held<'a, W> {
        Held { turn: self, work: Some(work), is_whole: false }
    }

    fn note(&self, number: u64, who: Who) {
        let mut waiting = lock(&self.waiting);
        // A task that asks again, maybe on behalf of another waker.
        if let Who::Task(_) = &who {
            waiting.retain(|waiting| {
                waiting.number != number || matches!(waiting.who, Who::Thread(_))
            });
        }
        waiting.push(Waiting { number, who });
    }

    /// Wakes those whose number is reached, and one of the others to take the next turn.
    fn hand_over(&self) {
        let mut done = Vec::new();
        let next = {
            let mut waiting = lock(&self.waiting);
            let is_done = |waiting: &Waiting| self.answer(waiting.number).is_some();
            done.extend(waiting.extract_if(.., |waiting| is_done(waiting)));
            let threads = waiting.iter().filter(|it| matches!(it.who, Who::Thread(_)));
            threads.map(|waiting| waiting.who.clone()).next()
        };
        // The next turn can begin while the others are being woken.
        if let Some(next) = next {
            next.wake();
        }
        done.into_iter().for_each(|waiting| waiting.who.wake());
    }
}

/// A turn. When it ends, the work is free again before anybody is woken.
struct Held<'a, W: Work> {
    turn: &'a Turn<W>,
    work: Option<MutexGuard<'a, W>>,
    /// Whether the work came to its end, and did not panic.
    is_whole: bool,
}

impl<W: Work> Held<'_, W> {
    /// Does something, and tells how far it came.
    fn act<T>(&mut self, act: impl FnOnce(&mut W) -> T) -> T {
        let work = self.work.as_deref_mut().expect("it is held until it is dropped");
        let result = act(work);
        let Done { reached, is_over } = work.done();
        self.turn.reached.store(reached, Ordering::Release);
        if is_over {
            self.turn.is_over.store(true, Ordering::Release);
        }
        self.is_whole = true;
        result
    }
}

impl<W: Work> Drop for Held<'_, W> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.turn.is_over.store(true, Ordering::Release);
        }
        self.work = None;
        self.turn.hand_over();
    }
}

#[cfg(all(test, loom))]
mod models;
