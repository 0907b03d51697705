//! Crashes a program everywhere and looks whether it recovers: for arrwDB's own layers, and for
//! anything else that keeps its files behind [`Disk`](crate::Disk).
//!
//! Three things are needed. A *workload* that does numbered steps on a [`SimDisk`] and says which have
//! begun ([`SimDisk::begin`]) and which it has promised to keep ([`SimDisk::acknowledge`]). A
//! *recovery* that opens what a crash left, and returns what it found. And a judgement: the recovery
//! returns an error in words if what it found is wrong. The least a store owes is that it finds the
//! effects of the first `p` steps for one `p` with `acknowledged <= p <= begun`.
//!
//! [`crash_everywhere`] then builds every disk that a crash at any point of the workload could leave,
//! and runs the recovery on each. It also crashes the recovery itself, to the depth that is asked for,
//! and checks that what was recovered once stays so. [`fail_every_call`] makes the calls of a workload
//! fail one by one; a recovery can be such a workload. [`elide_syncs`] skips the syncs one by one and
//! says which nobody missed.
//!
//! # Example: writing a settings file
//!
//! Write a new file, rename it over the old one: it looks atomic, and loses the settings.
//!
//! ```
//! use disk::harness::{Config, crash_everywhere};
//! use disk::sim::Progress;
//! use disk::{Access, Disk, SimDisk};
//! use std::path::Path;
//!
//! /// Replaces the settings, as one would at first.
//! fn save_naively(disk: &SimDisk, settings: &[u8]) -> disk::Result<()> {
//!     let (file, pending) = disk.create(Path::new("settings.tmp"))?;
//!     file.write_at(0, settings)?;
//!     pending.forgo("the rename makes it safe, or so one thinks");
//!     disk.rename(Path::new("settings.tmp"), Path::new("settings"))?.forgo("it is atomic");
//!     Ok(())
//! }
//!
//! /// Replaces them so that a crash leaves the old ones or the new ones.
//! fn save(disk: &SimDisk, settings: &[u8]) -> disk::Result<()> {
//!     // A crash may have left one behind.
//!     if let Ok(pending) = disk.remove(Path::new("settings.tmp")) {
//!         pending.forgo("it is made anew at once");
//!     }
//!     let (file, pending) = disk.create(Path::new("settings.tmp"))?;
//!     file.write_at(0, settings)?;
//!     file.sync_all()?; // first the bytes, then the name that stands for them
//!     let renamed = disk.rename(Path::new("settings.tmp"), Path::new("settings"))?;
//!     pending.and(renamed).sync(disk) // and the name itself
//! }
//!
//! /// The settings of each step; a step is safe once `save` has returned.
//! const SETTINGS: [&[u8]; 3] = [b"dim = 384", b"dim = 768, metric = cosine", b"dim = 2"];
//!
//! fn record(save: impl Fn(&SimDisk, &[u8]) -> disk::Result<()>) -> disk::sim::Recording {
//!     let disk = SimDisk::new(1);
//!     for (step, settings) in (1..).zip(SETTINGS) {
//!         disk.begin(step);
//!         save(&disk, settings).expect("nothing fails here");
//!         disk.acknowledge(step);
//!     }
//!     disk.recording()
//! }
//!
//! /// Reads the settings after a crash: they must be those of the last safe step, or of the next.
//! fn load(disk: &SimDisk, progress: Progress) -> Result<Option<Vec<u8>>, String> {
//!     let found = match disk.open(Path::new("settings"), Access::Read) {
//!         Ok(file) => {
//!             // If only the process died, what is seen need not be durable. Make it so before
//!             // anyone relies on it, or the next power failure takes it back.
//!             file.sync_all().map_err(|error| error.to_string())?;
//!             disk.sync_dir(Path::new("")).map_err(|error| error.to_string())?;
//!             let mut bytes = vec![0; file.size().map_err(|error| error.to_string())? as usize];
//!             file.read_at(0, &mut bytes).map_err(|error| error.to_string())?;
//!             Some(bytes)
//!         }
//!         Err(disk::Error::Missing { .. }) => None,
//!         Err(error) => return Err(error.to_string()),
//!     };
//!     let is_right = (progress.acknowledged..=progress.begun).any(|step| match step {
//!         0 => found.is_none(),
//!         step => found.as_deref() == Some(SETTINGS[step as usize - 1]),
//!     });
//!     if is_right { Ok(found) } else { Err(format!("found {found:?} at {progress:?}")) }
//! }
//!
//! let lost = crash_everywhere(&Config::default(), &record(save_naively), load).unwrap_err();
//! assert!(lost.to_string().contains("found"), "{lost}"); // and says how it came to that
//!
//! let report = crash_everywhere(&Config::default(), &record(save), load).unwrap();
//! assert!(report.images > 50, "{report:?}");
//! ```

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::SimDisk;
use crate::sim::{CrashPoint, Density, Progress, Recording};

mod elide;
mod faults;
mod shrink;
mod watchdog;

pub use elide::{Elision, elide_sites, elide_syncs};
pub use faults::fail_every_call;
pub use shrink::shrink;
pub use watchdog::watched;

/// How thoroughly to crash.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides whatever is left to chance.
    pub seed: u64,
    /// How many of the possible crashes are tried at each point.
    pub density: Density,
    /// 1 crashes the workload; 2 crashes the recovery from that too, and so on.
    pub depth: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { seed: 1, density: Density::default(), depth: 1 }
    }
}

/// What was tried, and held.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// Points at which the workload or a recovery was crashed; at each of them the process died once
    /// with the power on.
    pub points: u64,
    /// Images that were built of what a power failure leaves.
    pub built: u64,
    /// Those of them that no image before was the same as, with the same to be kept: each was recovered.
    pub images: u64,
    /// Times the recovery ran, those on images of its own included.
    pub recoveries: u64,
}

/// A crash after which the recovery found something wrong, or failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the recovery said.
    pub what: String,
    /// The crash that led to it, and the one in the recovery from that, and so on.
    pub crashes: Vec<String>,
    /// The last things that happened before each of them.
    pub trace: Vec<String>,
    /// The seed that leads there again.
    pub seed: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        self.crashes.iter().try_for_each(|crash| writeln!(f, "  after: {crash}"))?;
        writeln!(f, "  the last calls (seed {}):", self.seed)?;
        self.trace.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

impl std::error::Error for Failure {}

/// How many of the last events a failure shows.
const TRACE_LINES: usize = 16;

/// Runs the recovery on every disk that a crash of this run could leave.
///
/// The recovery gets the disk and how far the workload was, and returns what it found, or in words
/// what is wrong with it. A panic counts as wrong too. What it found must be found again, whatever
/// crash comes right behind it.
///
/// # Errors
/// The first failure.
pub fn crash_everywhere<Found: PartialEq + Debug>(
    config: &Config,
    recording: &Recording,
    recover: impl Fn(&SimDisk, Progress) -> Result<Found, String>,
) -> Result<Report, Failure> {
    let mut crashes = Crashes::new(config, recover);
    crashes.everywhere(recording)?;
    Ok(crashes.report())
}

/// Crashes of many runs that share a recovery and a judgement, and often their beginnings: an image that
/// was recovered for one is not recovered again for the next.
///
/// So what the judgement allows may depend on the image and on the [`Progress`] only.
pub struct Crashes<'a, Recover> {
    config: &'a Config,
    recover: Recover,
    report: Report,
    /// Images that were recovered, with the bounds they were held to and the depth left.
    seen: HashSet<(u128, Progress, u32)>,
}

impl<'a, Found, Recover> Crashes<'a, Recover>
where
    Found: PartialEq + Debug,
    Recover: Fn(&SimDisk, Progress) -> Result<Found, String>,
{
    /// No crash so far.
    pub fn new(config: &'a Config, recover: Recover) -> Self {
        Crashes { config, recover, report: Report::default(), seen: HashSet::new() }
    }

    /// What was tried so far, and held.
    pub fn report(&self) -> Report {
        self.report
    }

    /// The sums of all images that were recovered, whatever they were held to.
    pub fn images(&self) -> HashSet<u128> {
        self.seen.iter().map(|(sum, _, _)| *sum).collect()
    }

    /// Runs the recovery on every disk that a crash of this run could leave, as [`crash_everywhere`]
    /// does.
    ///
    /// # Errors
    /// The first failure.
    pub fn everywhere(&mut self, recording: &Recording) -> Result<(), Failure> {
        self.behind(recording, None)
    }

    /// The same, but only of crashes behind the first so many events, unless it is of all: how a run goes on whose
    /// beginning was crashed as part of another.
    ///
    /// # Errors
    /// The first failure.
    pub fn behind(&mut self, recording: &Recording, events: Option<usize>) -> Result<(), Failure> {
        self.crash(recording, events, self.config.depth)
    }

    /// A crash at every point of a run, or of those behind so many events.
    fn crash(
        &mut self,
        recording: &Recording,
        behind: Option<usize>,
        depth: u32,
    ) -> Result<(), Failure> {
        for point in recording.crash_points(&self.config.density, self.config.seed) {
            if behind.is_none_or(|events| point.events > events) {
                self.crash_at(&point, recording, depth)?;
            }
        }
        Ok(())
    }

    /// A crash at every point of a recovery, or at some.
    fn crash_recovery(&mut self, recording: &Recording, depth: u32) -> Result<(), Failure> {
        let density = &self.config.density;
        if density.of_recovery == usize::MAX {
            return self.crash(recording, None, depth);
        }
        for point in recording.some_points(density, self.next_seed(), density.of_recovery) {
            self.crash_at(&point, recording, depth)?;
        }
        Ok(())
    }

    /// Every crash at one point of a run.
    fn crash_at(
        &mut self,
        point: &CrashPoint,
        recording: &Recording,
        depth: u32,
    ) -> Result<(), Failure> {
        self.report.points += 1;
        let killed = point.after_kill(self.next_seed());
        self.check(&killed, point.progress, depth)
            .map_err(|failure| failure.behind(recording, point, KILLED))?;
        for crash in point.images() {
            self.report.built += 1;
            if !self.seen.insert((crash.image.sum(), point.progress, depth)) {
                continue;
            }
            self.report.images += 1;
            let disk = point.after_power_loss(&crash, self.next_seed());
            self.check(&disk, point.progress, depth)
                .map_err(|failure| failure.behind(recording, point, &point.describe(&crash)))?;
        }
        Ok(())
    }

    /// Recovers; crashes that, if it is asked for; and recovers again from whatever crash comes right
    /// behind it, which must find the same.
    fn check(&mut self, disk: &SimDisk, progress: Progress, depth: u32) -> Result<(), Failure> {
        let found = self.recover(disk, progress)?;
        let recording = disk.recording();
        if depth > 1 {
            self.crash_recovery(&recording, depth - 1)?;
        }
        let density = &self.config.density;
        let last = if density.again < density.images {
            // Chosen from below, so that what keeps what was synced alone is among them.
            let all = Density { images: usize::MAX, ..density.clone() };
            recording.last_point(&all, self.config.seed)
        } else {
            recording.last_point(density, self.config.seed)
        };
        let killed = last.after_kill(self.next_seed());
        // A power failure that leaves the same bytes has nothing to add to that.
        let mut seen = HashSet::from([killed.contents().sum()]);
        self.check_again(&killed, &found, progress)
            .map_err(|failure| failure.behind(&recording, &last, KILLED))?;
        let images = last.some_images(density.again, self.next_seed());
        for crash in images.filter(|crash| seen.insert(crash.image.sum())) {
            let disk = last.after_power_loss(&crash, self.next_seed());
            self.check_again(&disk, &found, progress)
                .map_err(|failure| failure.behind(&recording, &last, &last.describe(&crash)))?;
        }
        Ok(())
    }

    fn check_again(
        &mut self,
        disk: &SimDisk,
        found: &Found,
        progress: Progress,
    ) -> Result<(), Failure> {
        let again = self.recover(disk, progress)?;
        if again == *found {
            return Ok(());
        }
        Err(self.failure(format!("recovered {found:?}, and after one more crash {again:?}")))
    }

    fn recover(&mut self, disk: &SimDisk, progress: Progress) -> Result<Found, Failure> {
        self.report.recoveries += 1;
        unpanicked(|| (self.recover)(disk, progress)).map_err(|what| self.failure(what))
    }

    /// Another seed for each disk: a process draws other random bytes than the one before it.
    fn next_seed(&self) -> u64 {
        let Report { points, built, recoveries, .. } = self.report;
        self.config.seed.rotate_left(32) ^ ((points + built) << 20) ^ recoveries
    }

    fn failure(&self, what: String) -> Failure {
        Failure { what, crashes: Vec::new(), trace: Vec::new(), seed: self.config.seed }
    }
}

/// How a process ends that leaves the power on.
const KILLED: &str = "the process died";

impl Failure {
    /// The same failure, with a crash that came before all it tells of.
    fn behind(mut self, recording: &Recording, point: &CrashPoint, how: &str) -> Self {
        self.crashes.insert(0, in_words(point, how, recording.events()));
        self.trace.splice(0..0, recording.lines(point.events, TRACE_LINES));
        self
    }
}

fn in_words(point: &CrashPoint, how: &str, events: usize) -> String {
    let Progress { begun, acknowledged } = point.progress;
    format!("{how} after call {} of {events}, {acknowledged} of {begun} steps safe", point.events)
}

/// Turns a panic into words.
fn unpanicked<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(words_of(&*panic)))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let bus = || panic.downcast_ref::<crate::sim::BusError>().map(|error| format!("{error:?}"));
    format!("it panicked: {}", text.or_else(bus).unwrap_or_else(|| "of something odd".into()))
}
