//! Reads a store again and checks everything there is: manifests, images, the log, vectors, payloads, and that they agree.
//!
//! What is checked does not change while it is: images never do, and no vector that one of them has is written over
//! while the manifests name it. So a store that is open is checked while others read and write.
//!
//! Promises
//!  1. Damage of anything that an answer could come from, now or after falling back on the manifest before, is told,
//!     with the file, the place and what it affects.
//!  2. One damage hides no other, as far as what is damaged does not say where the other is.
//!  3. Nothing is changed: not by finding damage, and not where a store is checked that nobody has open.
//!
//! Never: repairs.

mod images;
mod indexes;
mod log;
mod payloads;
mod problem;
mod vectors;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Disk, LockKind, OsDisk};
use snapshot::Manifests;

use crate::report::TornEnd;
use crate::store::{check_never_used, check_there};
use crate::{Error, Result, Store, StoreOptions};

use payloads::Checked;
pub use problem::Problem;

/// What a check of a store found. See [`Store::verify`] and [`StoreOptions::verify`].
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2))?;
/// docs.upsert("one", &[1.0, 2.0])?;
/// let found = store.verify()?;
/// assert!(found.is_sound() && found.bytes > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verification {
    /// What is damaged; nothing if the store is sound.
    pub problems: Vec<Problem>,
    /// How many bytes were read and checked.
    pub bytes: u64,
    /// Where the log ends in something that was being written when its process ended; if it is in doubt whether it is
    /// that, it is among the problems as well. `None` if the log ended well, or the store is open.
    pub torn_end: Option<TornEnd>,
}

impl Verification {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What was found so far, and who wants to know how far it is.
struct Report<'p> {
    root: PathBuf,
    problems: Vec<Problem>,
    told: HashSet<Problem>,
    read: u64,
    of: u64,
    tell: &'p mut dyn FnMut(u64, u64),
}

impl<'p> Report<'p> {
    fn new(root: &Path, tell: &'p mut dyn FnMut(u64, u64)) -> Self {
        Report {
            root: root.to_path_buf(),
            problems: Vec::new(),
            told: HashSet::new(),
            read: 0,
            of: 0,
            tell,
        }
    }

    fn note(&mut self, mut problem: Problem) {
        if let Ok(file) = problem.file.strip_prefix(&self.root) {
            problem.file = file.to_path_buf();
        }
        if self.told.insert(problem.clone()) {
            self.problems.push(problem);
        }
    }

    /// Notes what an error says is damaged, or cannot be read; any other is why the check could not be made.
    fn note_error(&mut self, error: Error, affects: &str) -> Result<()> {
        let Some(problem) = Problem::of(&error, affects) else { return Err(error) };
        self.note(problem);
        Ok(())
    }

    fn is_to_read(&mut self, bytes: u64) {
        self.of = self.of.saturating_add(bytes);
    }

    fn has_read(&mut self, bytes: u64) {
        self.read = self.read.saturating_add(bytes);
        (self.tell)(self.read, self.of.max(self.read));
    }

    fn finish(self, torn_end: Option<TornEnd>) -> Verification {
        Verification { problems: self.problems, bytes: self.read, torn_end }
    }
}

const EVERYTHING: &str = "the whole store: it cannot be opened";
const FALL_BACK: &str = "the state before, to fall back on; no answer";

fn check_manifests(manifests: &Manifests, report: &mut Report<'_>) -> Result<()> {
    for error in manifests.verify() {
        report
            .note_error(error.into(), "which state the store is in, if another manifest is lost")?;
    }
    Ok(())
}

impl StoreOptions {
    /// Checks the store in a directory, which nobody has open for writing, without changing anything; `tell` is told
    /// how many bytes were checked, and of how many.
    ///
    /// A store that cannot be opened is checked as well, and so is one whose process died: it does not need to be
    /// opened first.
    ///
    /// # Errors
    /// If the check cannot be made: there is no store, somebody has it open, the disk refuses. Damage is no error.
    pub fn verify(
        &self,
        path: impl AsRef<Path>,
        tell: impl FnMut(u64, u64),
    ) -> Result<Verification> {
        self.verify_on(Arc::new(OsDisk::options().open(path.as_ref())?), tell)
    }

    /// Checks the store on a disk: a simulated one, say.
    ///
    /// # Errors
    /// As [`StoreOptions::verify`].
    pub fn verify_on(
        &self,
        disk: Arc<dyn Disk>,
        mut tell: impl FnMut(u64, u64),
    ) -> Result<Verification> {
        check_there(&disk)?;
        let _nobody_writes = disk.lock(LockKind::Shared)?;
        let mut report = Report::new(disk.root(), &mut tell);
        let manifests = match Manifests::open(Arc::clone(&disk)) {
            Ok(Some(manifests)) => manifests,
            Ok(None) => return Err(Error::NoStore { path: disk.root().to_path_buf() }),
            Err(error) => {
                report.note_error(error.into(), EVERYTHING)?;
                return Ok(report.finish(None));
            }
        };
        if manifests.newest().newest().is_none() {
            // A store that was never finished; or one that was, and its later manifests are damaged or lost.
            check_never_used(&disk, &manifests, self)
                .and_then(|()| Err(Error::NoStore { path: disk.root().to_path_buf() }))
                .or_else(|error| report.note_error(error, EVERYTHING))?;
            return Ok(report.finish(None));
        }
        check_manifests(&manifests, &mut report)?;
        let images = images::check(&disk, &manifests, &mut report)?;
        indexes::check(&*disk, &manifests, &mut report)?;
        let options = self.log_options(manifests.store());
        let torn_end = log::check(&disk, (&manifests, &images), &options, None, &mut report)?;
        vectors::check(&disk, manifests.store(), &images, &|_, _| false, &mut report)?;
        payloads::check(&disk, manifests.store(), &images, Checked::default(), &mut report)?;
        Ok(report.finish(torn_end))
    }
}

impl Store {
    /// Checks everything there is, while others read and write; checkpoints wait meanwhile.
    ///
    /// # Errors
    /// If the check cannot be made. Damage is no error.
    pub fn verify(&self) -> Result<Verification> {
        self.verify_telling(|_, _| ())
    }

    /// As [`Store::verify`]; `tell` is told how many bytes were checked, and of how many. It must not make a checkpoint
    /// or close the store: those wait for the check.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub fn verify_telling(&self, mut tell: impl FnMut(u64, u64)) -> Result<Verification> {
        let inner = &self.inner;
        // Nothing that a manifest names goes away or is written over.
        let checkpoints = inner.checkpoints.lock();
        let manifests = &checkpoints.manifests;
        let mut report = Report::new(inner.disk.root(), &mut tell);
        check_manifests(manifests, &mut report)?;
        let images = images::check(&inner.disk, manifests, &mut report)?;
        indexes::check(&*inner.disk, manifests, &mut report)?;
        // What is visible was written; what is behind it may be on its way.
        let until = inner.pins.visible();
        let from = (manifests, &*images);
        log::check(&inner.disk, from, &inner.log_options, Some(until), &mut report)?;
        let live: Vec<_> = inner.state.read().all().cloned().collect();
        vectors::check_live(inner, &live, &mut report)?;
        let checked = payloads::check_live(inner, &live, &mut report)?;
        // Whatever is alive now was so before, or is younger than the check.
        let is_checked = |collection, slot| {
            let live = live.iter().filter_map(|named| named.now().ok());
            let live = live.into_iter().find(|state| state.id == collection);
            live.is_some_and(|state| matches!(state.set.known(slot), Ok(Some(it)) if it.is_alive()))
        };
        vectors::check(&inner.disk, inner.store, &images, &is_checked, &mut report)?;
        payloads::check(&inner.disk, inner.store, &images, checked, &mut report)?;
        Ok(report.finish(None))
    }
}
