//! Lets many threads commit to one log: each batch gets its number under a short lock, and one write and
//! one sync serve all who wait.
//!
//! Owns: who may write when. A thread that waits for its batch writes and syncs it itself, and with it
//! whatever else is queued by then; while it does, others queue up for the next turn. So the groups find
//! their size without a timer. A background thread serves those that nobody is blocked on: tasks,
//! handles that were dropped.
//!
//! Promises
//!  1. What was acknowledged is applied, and so is everything before it: acknowledged means visible.
//!  2. What was acknowledged at [`Level::Sync`] is durable, and so is everything before it.
//!  3. A batch that is refused has no number and leaves no trace; one that has a number has its place.
//!  4. After a failure nobody is told that a batch is safe, or that it is not, where that is not known.
//!  5. A process that was split off from the one that made this waits for none of its threads.
//!
//! Never: keeps time; retries a write or a sync.

mod background;
mod handle;
mod leader;
mod plan;
mod primitives;
mod turn;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base::{LogPlace, Sequence};
use disk::Owner;

pub use handle::Commit;

use crate::format::BATCH_BYTES_MAX;
use crate::frame::lengths;
use crate::options::Options;
use crate::stats::{Pruned, Stats};
use crate::{Body, Branch, Error, Log, Result};
use leader::{Entry, Leader, Shared};
use plan::Plan;
use primitives::{Mutex, MutexGuard, Ordering, lock};
use turn::{Answer, Turn};

/// When so much is queued, whoever commits takes a turn himself.
const QUEUED_BYTES: u64 = 16 << 20;

/// What is done with a batch once it has reached its level: makes it visible.
pub trait Apply: Send + 'static {
    /// What is known of a batch besides its bytes.
    type Batch: Send + 'static;

    /// Applies a batch, in the order of the numbers. The place is the one behind it in the log.
    fn apply(&mut self, sequence: Sequence, batch: Self::Batch, place: &LogPlace);
}

/// What a batch must have reached before it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Level {
    /// The device: it survives the power.
    #[default]
    Sync,
    /// The operating system: it survives the process. It is synced later, in the background or with the
    /// next batch that is.
    Os,
}

/// Whether a batch may use the room that is kept for when the disk is full.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Purpose {
    /// It may not.
    #[default]
    Any,
    /// It may: it frees space, or leads to that.
    FreesSpace,
}

/// A batch, as far as it is known before it has a number.
#[derive(Clone, Debug)]
pub struct Request {
    /// What was prepared.
    pub body: Body,
    /// How long the table can get at most.
    pub table_bytes_most: usize,
    /// What the batch must have reached before it is acknowledged.
    pub level: Level,
    /// What it is for.
    pub purpose: Purpose,
}

/// A log that many threads commit to.
///
/// ```
/// # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// # use base::{LogPlace, Sequence, StoreId, Timeline};
/// # use wal::{Apply, Beginning, Body, Committer, Level, Log, Options, Purpose, Request};
/// # let disk: Arc<dyn disk::Disk> = Arc::new(disk::SimDisk::new(1));
/// /// Adds up what was committed: the state of this little store.
/// struct Sum(Arc<AtomicU64>);
///
/// impl Apply for Sum {
///     type Batch = u64;
///     fn apply(&mut self, _: Sequence, amount: u64, _: &LogPlace) {
///         self.0.fetch_add(amount, Ordering::Relaxed);
///     }
/// }
///
/// let options = Options::new(StoreId(*b"0123456789abcdef"));
/// let beginning = Beginning::of_a_new_store(Timeline::new(7).unwrap());
/// let log = Log::create(Arc::clone(&disk), &options, &beginning)?;
/// let sum = Arc::new(AtomicU64::new(0));
/// let committer = Committer::start(log, Sum(Arc::clone(&sum)))?;
///
/// let request = Request {
///     body: Body::new(b"five".to_vec(), &options),
///     table_bytes_most: 8,
///     level: Level::Sync,
///     purpose: Purpose::Any,
/// };
/// let commit = committer.commit(request, |sequence, table| {
///     table.extend_from_slice(&sequence.get().to_le_bytes());
///     Ok::<u64, wal::Error>(5)
/// })?;
/// commit.wait()?; // or .await
/// assert_eq!(sum.load(Ordering::Relaxed), 5);
/// committer.close()?;
/// # Ok::<(), wal::Error>(())
/// ```
pub struct Committer<A: Apply> {
    inner: Arc<Inner<A>>,
    background: Option<std::thread::JoinHandle<()>>,
}

struct Inner<A: Apply> {
    options: Options,
    owner: Owner,
    /// For messages.
    root: PathBuf,
    sequencer: Mutex<Sequencer>,
    turn: Turn<Leader<A>>,
    shared: Arc<Shared<A::Batch>>,
}

/// What gives out numbers and room, in one order.
struct Sequencer {
    last: Option<Sequence>,
    plan: Plan,
}

impl<A: Apply> Committer<A> {
    /// Opens a log for commits, with a background thread.
    ///
    /// # Errors
    /// [`Error::Thread`] if the thread cannot be started.
    pub fn start(log: Log, apply: A) -> Result<Self> {
        let mut committer = Self::stepped(log, apply);
        let inner = Arc::clone(&committer.inner);
        let thread = std::thread::Builder::new().name("arrwdb-log".into());
        let spawned = thread.spawn(move || inner.shared.background.run(|| inner.serve()));
        let thread = spawned.map_err(|source| Error::Thread { source: Arc::new(source) })?;
        committer.background = Some(thread);
        Ok(committer)
    }

    /// Opens a log for commits, without a thread: whoever has it calls [`step`](Committer::step).
    pub fn stepped(log: Log, apply: A) -> Self {
        let options = log.options.clone();
        let last = log.last();
        let shared = Arc::new(Shared::new(last.map_or(0, Sequence::get)));
        let plan = Plan::new(log.rooms());
        let root = log.disk.root().to_path_buf();
        let leader = Leader::new(log, apply, Arc::clone(&shared));
        let inner = Inner {
            options,
            owner: Owner::this_process(),
            root,
            sequencer: Mutex::new(Sequencer { last, plan }),
            turn: Turn::new(leader, last.map_or(0, Sequence::get)),
            shared,
        };
        Committer { inner: Arc::new(inner), background: None }
    }

    /// Queues a batch. Under the sequencer's lock it gets its number, and `decide` writes the table and
    /// says what is to be applied later; it must be short, and must not commit. If it refuses, nothing
    /// has happened.
    ///
    /// The batch is written when somebody waits for it or for another one, when the handle is polled or
    /// dropped, or when much is queued.
    ///
    /// # Errors
    /// What `decide` returns; [`Error::TooLarge`]; [`Error::Disk`] where the disk is too full;
    /// [`Error::Stopped`] after a failure.
    ///
    /// # Panics
    /// If `decide` writes a longer table than was announced.
    pub fn commit<E: From<Error>>(
        &self,
        request: Request,
        decide: impl FnOnce(Sequence, &mut Vec<u8>) -> std::result::Result<A::Batch, E>,
    ) -> std::result::Result<Commit, E> {
        let inner = &self.inner;
        let Request { body, table_bytes_most, level, purpose } = request;
        let bytes = body.bytes().len();
        if bytes + table_bytes_most > BATCH_BYTES_MAX {
            let bytes = bytes + table_bytes_most;
            return Err(Error::TooLarge { bytes, most: BATCH_BYTES_MAX }.into());
        }
        let part_bytes = inner.options.part_bytes;
        let most = lengths(table_bytes_most, bytes, part_bytes).sum();
        let mut sequencer = inner.room_for(most, purpose)?;
        let sequence = sequencer.last.map_or(Some(Sequence::FIRST), Sequence::next);
        let sequence = sequence.ok_or(Error::Exhausted)?;
        let mut table = Vec::new();
        let batch = decide(sequence, &mut table)?;
        assert!(
            table.len() <= table_bytes_most,
            "{} bytes of table were not announced",
            table.len()
        );
        sequencer.last = Some(sequence);
        sequencer.plan.take(lengths(table.len(), bytes, part_bytes));
        let wants_file = sequencer.plan.asks_for_more();
        let length = (table.len() + bytes) as u64;
        let queued = inner.shared.queued.fetch_add(length, Ordering::Relaxed) + length;
        // In the lock: batches are queued in the order of their numbers.
        inner.shared.queue.push(Entry { sequence, level, table, body, batch });
        drop(sequencer);
        if wants_file {
            inner.shared.background.poke();
        }
        if queued > QUEUED_BYTES {
            inner.turn.take_and(|_| ());
        }
        Ok(Commit::new(Arc::clone(inner) as Arc<dyn handle::Answers>, sequence))
    }

    /// Makes everything durable that was queued so far.
    ///
    /// # Errors
    /// If the disk fails: then nothing is written any more.
    pub fn sync(&self) -> Result<()> {
        self.inner.settled(|leader| leader.sync())
    }

    /// Syncs, and says so in the log: see [`Log::mark`]. For when nothing else is to be done.
    ///
    /// # Errors
    /// As [`sync`](Committer::sync).
    pub fn mark(&self) -> Result<()> {
        self.inner.settled(|leader| {
            leader.log.mark()?;
            leader.synced(leader.log.last().map_or(0, Sequence::get));
            Ok(())
        })
    }

    /// Lets the next batch begin a new file: see [`Log::rotate`].
    ///
    /// # Errors
    /// [`Error::Stopped`] after a failure.
    pub fn rotate(&self) -> Result<()> {
        let inner = &self.inner;
        inner.settled(|leader| {
            let mut sequencer = inner.when_nothing_is_queued(leader)?;
            leader.log.rotate();
            sequencer.plan = Plan::new(leader.log.rooms());
            Ok(())
        })
    }

    /// Removes log files in front of this place: see [`Log::prune`].
    ///
    /// # Errors
    /// If the disk fails.
    pub fn prune(&self, before: &LogPlace, keep: u64) -> Result<Pruned> {
        self.inner.settled(|leader| leader.log.prune(before, keep))
    }

    /// The last batch that is visible: it and all before it have been applied.
    pub fn visible(&self) -> Option<Sequence> {
        Sequence::new(self.inner.turn.reached())
    }

    /// The last batch that is known to be durable.
    pub fn synced(&self) -> Option<Sequence> {
        Sequence::new(self.inner.shared.synced.load(Ordering::Acquire))
    }

    /// The branch of history that the log is on.
    pub fn branch(&self) -> Branch {
        self.inner.turn.take_and(|leader| leader.log.branch())
    }

    /// What the log did since it was opened, and what it takes on the disk.
    pub fn stats(&self) -> Stats {
        self.inner.turn.take_and(|leader| leader.log.stats())
    }

    /// The failure since which nothing is written, if there was one.
    pub fn failure(&self) -> Option<Arc<Error>> {
        lock(&self.inner.shared.failure).clone()
    }

    /// Does what the background thread does when it is woken: serves what nobody is blocked on, syncs
    /// what has waited long enough, makes the next file. Says whether there was anything to do.
    pub fn step(&self) -> bool {
        self.inner.owner.is_here() && self.inner.shared.background.take_poke() && self.inner.serve()
    }

    /// Writes, syncs and applies everything that is queued, and closes the log: see [`Log::close`].
    ///
    /// # Errors
    /// If the disk fails, or did before.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        self.inner.settled(|leader| {
            let _sequencer = self.inner.when_nothing_is_queued(leader)?;
            leader.log.close_for_good()
        })
    }

    fn stop(&mut self) {
        if let Some(thread) = self.background.take() {
            if !self.inner.owner.is_here() {
                return std::mem::forget(thread); // It is none of this process.
            }
            self.inner.shared.background.stop();
            // A panic of the thread is one of `Apply`; whoever waited has heard of it.
            if thread.join().is_err() {
                self.inner.shared.background.poke();
            }
        }
    }
}

impl<A: Apply> Drop for Committer<A> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<A: Apply> fmt::Debug for Committer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer")
            .field("visible", &self.visible())
            .field("synced", &self.synced())
            .finish_non_exhaustive()
    }
}

impl<A: Apply> Inner<A> {
    /// The sequencer's lock, held while there is room for records of this length.
    fn room_for(&self, records: u64, purpose: Purpose) -> Result<MutexGuard<'_, Sequencer>> {
        let kept = match purpose {
            Purpose::Any => self.options.kept_bytes(),
            Purpose::FreesSpace => 0,
        };
        loop {
            let sequencer = lock(&self.sequencer);
            if self.turn.answer(u64::MAX) == Some(Answer::Over) {
                return Err(self.shared.stopped().unwrap_or(Error::Closed));
            }
            if sequencer.plan.fits(records + kept) {
                return Ok(sequencer);
            }
            drop(sequencer);
            self.make_room(records + kept)?;
        }
    }

    /// Makes the next file, while nobody else gets a number.
    fn make_room(&self, records: u64) -> Result<()> {
        self.settled(|leader| {
            let mut sequencer = self.when_nothing_is_queued(leader)?;
            if !sequencer.plan.fits(records) {
                let reserved = leader.log.reserve(records);
                sequencer.plan = Plan::new(leader.log.rooms());
                reserved?;
            }
            Ok(())
        })
    }

    /// Takes the turn, and does something with the log. A failure that leaves open what is on the disk is
    /// the last thing that is done.
    fn settled<T>(&self, act: impl FnOnce(&mut Leader<A>) -> Result<T>) -> Result<T> {
        self.owner.check(&self.root)?;
        self.turn.take_and(|leader| {
            if let Some(stopped) = self.shared.stopped() {
                return Err(stopped);
            }
            let result = act(leader);
            if let Err(error) = &result
                && leader.log.failure().is_some()
            {
                leader.fail(error.clone());
            }
            result
        })
    }

    /// The sequencer's lock, at a moment when everything that has a number is written.
    fn when_nothing_is_queued(&self, leader: &mut Leader<A>) -> Result<MutexGuard<'_, Sequencer>> {
        let sequencer = lock(&self.sequencer);
        while !self.shared.queue.is_empty() {
            turn::Work::work(leader);
        }
        match self.shared.stopped() {
            Some(stopped) => Err(stopped),
            None => Ok(sequencer),
        }
    }

    /// What the background thread does; says whether there was anything to do.
    fn serve(&self) -> bool {
        let mut was_busy = false;
        while !self.shared.queue.is_empty() {
            self.turn.take_and(|_| ());
            was_busy = true;
        }
        was_busy |= self.sync_aside();
        was_busy |= self.make_ahead();
        was_busy
    }

    /// Syncs what was acknowledged without, while others go on.
    fn sync_aside(&self) -> bool {
        if !self.shared.wants_sync.load(Ordering::Acquire) {
            return false;
        }
        let Some(aside) = self.turn.take_and(|leader| leader.log.sync_aside()) else {
            return false;
        };
        let synced = aside.run();
        self.turn.take_and(|leader| match synced {
            Ok(()) => {
                leader.log.synced_aside(&aside);
                leader.synced(aside.last.map_or(0, Sequence::get));
            }
            Err(error) => leader.fail(error),
        });
        true
    }

    /// Makes the next file, if there is none. A disk that is too full for it is for those to hear of who
    /// need the room.
    fn make_ahead(&self) -> bool {
        if !lock(&self.sequencer).plan.wants_more() {
            return false;
        }
        let preparation = self.settled(|leader| leader.log.prepare_another());
        let Ok(Some(preparation)) = preparation else {
            return false;
        };
        match preparation.run() {
            Ok(spare) => self.turn.take_and(|leader| {
                let room = spare.room();
                if leader.log.supply(spare) {
                    lock(&self.sequencer).plan.add(room);
                }
            }),
            Err(error) if error.is_clean_refusal() => return false,
            Err(error) => self.turn.take_and(|leader| leader.fail(error)),
        }
        true
    }
}

impl<A: Apply> handle::Answers for Inner<A> {
    fn wait(&self, number: u64) -> Answer {
        self.answer(number).unwrap_or_else(|| self.turn.wait(number))
    }

    fn poll(&self, number: u64, waker: &std::task::Waker) -> Option<Answer> {
        self.answer(number).or_else(|| self.turn.poll(number, waker))
    }

    fn answer(&self, number: u64) -> Option<Answer> {
        // In a copy of the process nobody writes it, whoever would wait for that.
        self.turn.answer(number).or_else(|| (!self.owner.is_here()).then_some(Answer::Over))
    }

    fn poke(&self) {
        // What nobody waits for gets written at last; what somebody waits for may be, earlier.
        self.shared.background.poke();
    }

    fn failure_of(&self, sequence: Sequence) -> Error {
        if let Err(error) = self.owner.check(&self.root) {
            return error.into();
        }
        let first = lock(&self.shared.failure).clone().unwrap_or(Arc::new(Error::Closed));
        if self.shared.tried.load(Ordering::Acquire) >= sequence.get() {
            Error::Unknown { sequence, first }
        } else {
            Error::Stopped { first }
        }
    }
}
