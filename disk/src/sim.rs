//! A disk in memory that can lose power at any moment, and fail in every way a real one does.
//!
//! It behaves as a directory of a Linux file system does, as long as nothing goes wrong; a property
//! test holds it against the real one. What it adds is the truth about durability. Every write, every
//! change of a name and every sync is recorded, and from the [`Recording`] every disk can be built that
//! a crash at any point could have left: see [`crash_points`](Recording::crash_points), and
//! [`harness`](crate::harness) for the loop around it.
//!
//! The fault model
//!  * A write, a cut or a name is durable when its sync has returned, and not before. Until then a
//!    crash keeps it, drops it, or tears it at sectors, whatever else it keeps or drops. A name needs
//!    the sync of its directory; syncing the file does nothing for it.
//!  * A file that grew may have its new size without its bytes: zeros, garbage, or bytes of something
//!    older.
//!  * Torn or trashed, a write harms no byte it does not cover: power-safe overwrite, which is assumed.
//!  * A failed sync has lost what it was for, and the next one says "done".
//!  * On request: unreadable sectors, a full device, lost and misdirected writes, too many open files.
//!
//! Maps see writes at once. A write to bytes that are lent panics, as does a map that was written
//! through (at the next sync, if the map still lives), a mapped file that is cut, and lending bytes of a
//! map while the store says it recovers. Bytes read through a bare pointer pass unseen.
//!
//! Everything follows from the seed: the same calls give the same disk.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use event::{Event, Note, SyncsName};
use platter::Platter;
use state::{Limits, State};

mod bytes;
mod calls;
mod change;
mod choice;
mod crash;
mod damage;
mod event;
mod fault;
mod file;
mod history;
mod image;
mod names;
mod platter;
mod random;
mod recording;
mod state;
mod take;

pub use crash::{CrashImage, CrashPoint, CrashPoints, Density};
pub use event::Progress;
pub use fault::{BusError, Fault, FaultKind, Lasting, LostSync};
pub use image::Image;
pub use recording::Recording;
pub use take::{InFlight, Neighbours};

/// A simulated disk. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    root: PathBuf,
}

/// What a simulated disk is like, where [`SimDisk::new`] does not do.
#[derive(Clone, Debug)]
pub struct SimOptions {
    start: Platter,
    progress: Progress,
    seed: u64,
    limits: Limits,
}

impl SimDisk {
    /// An empty disk without limits; the seed decides what [`Disk::random`](crate::Disk::random) returns.
    pub fn new(seed: u64) -> Self {
        Self::options(seed).build()
    }

    /// The disk that holds this image, all of it durable: what one finds after a crash.
    pub fn from_image(image: &Image, seed: u64) -> Self {
        Self::options(seed).image(image).build()
    }

    /// The defaults of [`SimDisk::new`], to be changed one by one.
    pub fn options(seed: u64) -> SimOptions {
        let limits = Limits { bytes: u64::MAX, open_files: usize::MAX, sync_all: SyncsName::No };
        SimOptions {
            start: Platter::new(&Image::new()),
            progress: Progress::default(),
            seed,
            limits,
        }
    }

    /// What happened so far.
    pub fn recording(&self) -> Recording {
        self.state.lock().recording()
    }

    /// How far the workload is.
    pub fn progress(&self) -> Progress {
        self.state.lock().progress
    }

    /// What reads see now: all that was written, durable or not.
    pub fn contents(&self) -> Image {
        self.state.lock().platter.contents()
    }

    /// The disk as the next process finds it if this one dies now and the power stays on: all that was
    /// written is seen, and what was not synced can still be lost.
    pub fn after_kill(&self, seed: u64) -> SimDisk {
        let state = self.state.lock();
        let options = SimDisk::options(seed).limits(state.limits).progress(state.progress);
        options.start(state.platter.clone()).build()
    }

    /// What is found if the power fails now and no change survives that was not synced.
    pub fn after_power_loss(&self) -> Image {
        self.state.lock().platter.after_crash(&|_| take::Take::Nothing)
    }

    /// What is found if the power fails now and each unsynced change survives, vanishes or is torn by
    /// chance; the seed decides.
    pub fn after_random_crash(&self, seed: u64) -> Image {
        choice::random_image(&self.state.lock().platter, seed)
    }

    /// Makes a coming call fail.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().faults.set(fault);
    }

    /// Takes back all faults that have not struck, or strike again and again.
    pub fn heal(&self) {
        self.state.lock().faults.clear();
    }

    /// How many calls have been made to fail so far.
    pub fn faults_struck(&self) -> u64 {
        self.state.lock().faults.struck()
    }

    /// Gives the device another size; smaller than what is taken, it is full.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().limits.bytes = bytes;
    }

    /// Notes that the workload begins its `step`-th step (the first is 1): a crash from here on may
    /// find it done, half done or not done.
    pub fn begin(&self, step: u64) {
        self.state.lock().record(Event::Note(Note::Begun(step)));
    }

    /// Notes that the first `step` steps are safe: every crash from here on must find them.
    ///
    /// # Panics
    /// If one of them has not begun.
    pub fn acknowledge(&self, step: u64) {
        let begun = self.progress().begun;
        assert!(step <= begun, "step {step} is acknowledged, and only {begun} have begun");
        self.state.lock().record(Event::Note(Note::Acknowledged(step)));
    }
}

impl SimOptions {
    /// What the disk holds at first.
    pub fn image(self, image: &Image) -> Self {
        self.start(Platter::new(image))
    }

    /// What the disk holds at first, not all of it durable.
    fn start(mut self, start: Platter) -> Self {
        self.start = start;
        self
    }

    /// How far the workload was, where the disk takes up after a crash.
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many bytes files can take before the device is full.
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// How many files can be open at a time.
    pub fn open_files(mut self, most: usize) -> Self {
        self.limits.open_files = most;
        self
    }

    /// Lets `sync_all` of a file make its name durable too, as ext4 does for a new file. Without it
    /// the disk is as strict as POSIX allows.
    pub fn sync_all_syncs_the_name(mut self) -> Self {
        self.limits.sync_all = SyncsName::Yes;
        self
    }

    /// Builds the disk.
    pub fn build(self) -> SimDisk {
        let state = State::new(self.start, self.progress, self.seed, self.limits);
        SimDisk { state: Arc::new(Mutex::new(state)), root: PathBuf::from("sim") }
    }
}

#[cfg(test)]
mod tests;
