//! Lets something watch or refuse every call that passes through the seam.
//!
//! One wrapper serves the [`Latch`](crate::Latch), the [`Trace`](crate::Trace) and whatever a test
//! wants to do to a disk: it is told of each [`Call`] before it is made and after.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    Access, Disk, Entry, Error, File, LockGuard, LockKind, PendingDirSync, Recovering, Region,
    Result,
};

/// One call at the seam; paths are as the caller gave them, relative to the root.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the variants are the methods of Disk and File, their arguments")]
pub enum Call<'a> {
    Create { path: &'a Path },
    Open { path: &'a Path, access: Access },
    Rename { from: &'a Path, to: &'a Path },
    Remove { path: &'a Path },
    CreateDir { path: &'a Path },
    List { dir: &'a Path },
    SyncDir { dir: &'a Path },
    Lock { kind: LockKind },
    Random,
    Size { path: &'a Path },
    ReadAt { path: &'a Path, offset: u64, bytes: usize },
    WriteAt { path: &'a Path, offset: u64, bytes: &'a [u8] },
    Reserve { path: &'a Path, size: u64 },
    SetSize { path: &'a Path, size: u64 },
    SyncData { path: &'a Path },
    SyncAll { path: &'a Path },
    Map { path: &'a Path, size: u64 },
}

/// What a call does to the disk if it works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing that matters: the disk is the same after it, but for a lock file made by a lock.
    Looks,
    /// It changes names or reserves space. A clean refusal changed nothing
    /// ([`Error::is_clean_refusal`]).
    Changes,
    /// It writes or syncs: after a failure the disk's state is in doubt.
    Writes,
}

impl<'a> Call<'a> {
    /// What the call does to the disk if it works.
    pub fn effect(&self) -> Effect {
        match self {
            Call::Open { .. }
            | Call::List { .. }
            | Call::Lock { .. }
            | Call::Random
            | Call::Size { .. }
            | Call::ReadAt { .. }
            | Call::Map { .. } => Effect::Looks,
            Call::Create { .. }
            | Call::Rename { .. }
            | Call::Remove { .. }
            | Call::CreateDir { .. }
            | Call::Reserve { .. } => Effect::Changes,
            Call::SyncDir { .. }
            | Call::WriteAt { .. }
            | Call::SetSize { .. }
            | Call::SyncData { .. }
            | Call::SyncAll { .. } => Effect::Writes,
        }
    }

    /// The name the call is about; `None` for the calls about the disk as a whole. For a rename,
    /// the new name.
    pub fn path(&self) -> Option<&'a Path> {
        match *self {
            Call::Create { path }
            | Call::Open { path, .. }
            | Call::Rename { to: path, .. }
            | Call::Remove { path }
            | Call::CreateDir { path }
            | Call::List { dir: path }
            | Call::SyncDir { dir: path }
            | Call::Size { path }
            | Call::ReadAt { path, .. }
            | Call::WriteAt { path, .. }
            | Call::Reserve { path, .. }
            | Call::SetSize { path, .. }
            | Call::SyncData { path }
            | Call::SyncAll { path }
            | Call::Map { path, .. } => Some(path),
            Call::Lock { .. } | Call::Random => None,
        }
    }
}

/// Is told of every call at a seam.
pub trait Hook: Send + Sync + std::fmt::Debug {
    /// Before the call. An error is returned to the caller, and the call is never made.
    fn before(&self, call: &Call<'_>) -> Result<()>;

    /// After the call, with its error if it failed. Not for calls that `before` refused.
    fn after(&self, call: &Call<'_>, outcome: std::result::Result<(), &Error>);
}

/// A disk each of whose calls passes through a hook.
#[derive(Clone, Debug)]
pub struct Hooked {
    inner: Arc<dyn Disk>,
    hook: Arc<dyn Hook>,
}

impl Hooked {
    /// Puts a hook in front of a disk, and of every file opened through it from now on.
    pub fn new(inner: Arc<dyn Disk>, hook: Arc<dyn Hook>) -> Self {
        Hooked { inner, hook }
    }

    fn file(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        let hook = Arc::clone(&self.hook);
        Arc::new(HookedFile { name: path.into(), inner, hook, syncing: Mutex::new(()) })
    }
}

/// Asks the hook, makes the call, tells the hook.
fn pass<T>(hook: &dyn Hook, call: &Call<'_>, make: impl FnOnce() -> Result<T>) -> Result<T> {
    hook.before(call)?;
    let outcome = make();
    hook.after(call, outcome.as_ref().map(drop));
    outcome
}

impl Disk for Hooked {
    fn root(&self) -> &Path {
        self.inner.root()
    }

    fn create(&self, path: &Path) -> Result<(Arc<dyn File>, PendingDirSync)> {
        let (file, pending) =
            pass(&*self.hook, &Call::Create { path }, || self.inner.create(path))?;
        Ok((self.file(path, file), pending))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn File>> {
        let call = Call::Open { path, access };
        let file = pass(&*self.hook, &call, || self.inner.open(path, access))?;
        Ok(self.file(path, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<PendingDirSync> {
        pass(&*self.hook, &Call::Rename { from, to }, || self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<PendingDirSync> {
        pass(&*self.hook, &Call::Remove { path }, || self.inner.remove(path))
    }

    fn create_dir(&self, path: &Path) -> Result<PendingDirSync> {
        pass(&*self.hook, &Call::CreateDir { path }, || self.inner.create_dir(path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        pass(&*self.hook, &Call::List { dir }, || self.inner.list(dir))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        pass(&*self.hook, &Call::SyncDir { dir }, || self.inner.sync_dir(dir))
    }

    fn lock(&self, kind: LockKind) -> Result<LockGuard> {
        pass(&*self.hook, &Call::Lock { kind }, || self.inner.lock(kind))
    }

    fn random(&self) -> Result<[u8; 16]> {
        pass(&*self.hook, &Call::Random, || self.inner.random())
    }

    fn recovering(&self) -> Recovering {
        self.inner.recovering()
    }
}

/// A file each of whose calls passes through a hook.
///
/// Its syncs go one at a time, and the hook has heard of one before the next begins. Otherwise, after a
/// failed sync, a second thread could be told "done" by the operating system, which reports each
/// failure only once, before the latch knew of it.
#[derive(Debug)]
struct HookedFile {
    /// The name it was opened under, relative to the root.
    name: PathBuf,
    inner: Arc<dyn File>,
    hook: Arc<dyn Hook>,
    syncing: Mutex<()>,
}

impl HookedFile {
    fn pass<T>(&self, call: &Call<'_>, make: impl FnOnce(&dyn File) -> Result<T>) -> Result<T> {
        pass(&*self.hook, call, || make(&*self.inner))
    }
}

impl File for HookedFile {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn size(&self) -> Result<u64> {
        self.pass(&Call::Size { path: &self.name }, |file| file.size())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let call = Call::ReadAt { path: &self.name, offset, bytes: buffer.len() };
        self.pass(&call, |file| file.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let call = Call::WriteAt { path: &self.name, offset, bytes };
        self.pass(&call, |file| file.write_at(offset, bytes))
    }

    fn reserve(&self, size: u64) -> Result<()> {
        self.pass(&Call::Reserve { path: &self.name, size }, |file| file.reserve(size))
    }

    fn set_size(&self, size: u64) -> Result<()> {
        self.pass(&Call::SetSize { path: &self.name, size }, |file| file.set_size(size))
    }

    fn sync_data(&self) -> Result<()> {
        let _one_at_a_time = self.syncing.lock();
        self.pass(&Call::SyncData { path: &self.name }, |file| file.sync_data())
    }

    fn sync_all(&self) -> Result<()> {
        let _one_at_a_time = self.syncing.lock();
        self.pass(&Call::SyncAll { path: &self.name }, |file| file.sync_all())
    }

    fn map(&self, size: u64) -> Result<Arc<dyn Region>> {
        self.pass(&Call::Map { path: &self.name, size }, |file| file.map(size))
    }
}
