//! The simulated disk behind the seam: each call asks the faults, changes the state, sorts the error.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::SimDisk;
use super::event::{Event, Inode};
use super::fault::FaultKind;
use super::file::SimFile;
use super::state::{State, too_many_files};
use crate::hook::Call;
use crate::seam::{Empty, check_name, full_path};
use crate::{
    Access, Disk, Entry, Error, File, Holder, LOCK_NAME, LockGuard, LockKind, PendingDirSync,
    Recovering, Result,
};

impl SimDisk {
    fn full(&self, path: &Path) -> PathBuf {
        full_path(&self.root, path)
    }

    /// Makes a call that needs nothing but the state, after the faults had their say.
    fn call<T>(
        &self,
        doing: &'static str,
        path: &Path,
        call: &Call<'_>,
        make: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        let mut state = self.state.lock();
        let outcome = state.admit(call).and_then(|()| make(&mut state));
        drop(state);
        outcome.map_err(|source| Error::new(doing, &self.full(path), source))
    }

    fn file(&self, state: &mut State, path: &Path, inode: Inode, access: Access) -> Arc<dyn File> {
        state.open_handle(inode);
        let name = path.to_path_buf();
        let path = self.full(path);
        Arc::new(SimFile { disk: self.clone(), name, path, inode, access })
    }
}

impl Disk for SimDisk {
    fn root(&self) -> &Path {
        &self.root
    }

    fn create(&self, path: &Path) -> Result<(Arc<dyn File>, PendingDirSync)> {
        check_name(path, Empty::IsRefused)?;
        let file = self.call("create", path, &Call::Create { path }, |state| {
            if state.open_files >= state.limits.open_files {
                return Err(too_many_files());
            }
            let inode = state.create(path)?;
            Ok(self.file(state, path, inode, Access::ReadWrite))
        })?;
        Ok((file, PendingDirSync::of_parent(&self.root, path)))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Arc<dyn File>> {
        check_name(path, Empty::IsRefused)?;
        self.call("open", path, &Call::Open { path, access }, |state| {
            let inode = state.find(path)?.inode.ok_or(io::ErrorKind::NotFound)?;
            if state.is_dir(inode) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if state.open_files >= state.limits.open_files {
                return Err(too_many_files());
            }
            Ok(self.file(state, path, inode, access))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<PendingDirSync> {
        check_name(from, Empty::IsRefused)?;
        check_name(to, Empty::IsRefused)?;
        self.call("rename", from, &Call::Rename { from, to }, |state| state.rename(from, to))?;
        let to = PendingDirSync::of_parent(&self.root, to);
        Ok(to.and(PendingDirSync::of_parent(&self.root, from)))
    }

    fn remove(&self, path: &Path) -> Result<PendingDirSync> {
        check_name(path, Empty::IsRefused)?;
        self.call("remove", path, &Call::Remove { path }, |state| state.remove(path))?;
        Ok(PendingDirSync::of_parent(&self.root, path))
    }

    fn create_dir(&self, path: &Path) -> Result<PendingDirSync> {
        check_name(path, Empty::IsRefused)?;
        self.call("create directory", path, &Call::CreateDir { path }, |state| {
            state.create_dir(path)
        })?;
        Ok(PendingDirSync::of_parent(&self.root, path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        check_name(dir, Empty::IsTheRoot)?;
        self.call("list", dir, &Call::List { dir }, |state| state.list(dir))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        check_name(dir, Empty::IsTheRoot)?;
        let mut state = self.state.lock();
        let fault = state.strike(&Call::SyncDir { dir });
        let inode = match fault {
            Some(FaultKind::TooManyFiles) => Err(too_many_files()),
            _ => state.dir(dir),
        };
        let synced =
            inode.and_then(|inode| state.sync(inode, Event::SyncDir { dir: inode }, fault));
        drop(state);
        synced.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Removed { path: self.full(dir) },
            _ => Error::new("sync", &self.full(dir), source),
        })
    }

    fn lock(&self, kind: LockKind) -> Result<LockGuard> {
        let path = Path::new(LOCK_NAME);
        let locked = self.call("lock", path, &Call::Lock { kind }, |state| {
            match state.create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            Ok(state.lock(kind))
        })?;
        if !locked {
            return Err(Error::Locked { path: self.full(path), holder: Holder::ThisProcess });
        }
        Ok(LockGuard::until_dropped(AtEnd::of(self, move |state| state.unlock(kind))))
    }

    fn random(&self) -> Result<[u8; 16]> {
        let mut state = self.state.lock();
        let halves = [state.random.next(), state.random.next()];
        drop(state);
        let mut bytes = [0; 16];
        let drawn = halves.iter().flat_map(|half| half.to_le_bytes());
        bytes.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
        Ok(bytes)
    }

    fn recovering(&self) -> Recovering {
        self.state.lock().recovering += 1;
        Recovering::until_dropped(AtEnd::of(self, |state| state.recovering -= 1))
    }
}

/// Does something to the state when it is dropped.
struct AtEnd<F: FnOnce(&mut State)> {
    state: Arc<Mutex<State>>,
    then: Option<F>,
}

impl<F: FnOnce(&mut State)> AtEnd<F> {
    fn of(disk: &SimDisk, then: F) -> Self {
        AtEnd { state: Arc::clone(&disk.state), then: Some(then) }
    }
}

impl<F: FnOnce(&mut State)> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            then(&mut self.state.lock());
        }
    }
}
