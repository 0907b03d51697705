//! Reminds the caller, through the type system, that a new name is not durable yet.

use std::path::{Path, PathBuf};

use crate::{Disk, Result};

/// Names were made, moved or taken away, and a crash may still undo that.
///
/// Every call that changes a directory returns one. It does nothing by itself. Ignoring it is a
/// compiler warning, which this workspace refuses; who binds it to a name and forgets it there is
/// not seen. Several of one disk can be joined, so that one sync per directory serves many changes.
#[must_use = "a crash may undo this change of names: sync it, join it to another, or forgo it"]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingDirSync {
    /// Root of the disk that the directories are on.
    root: PathBuf,
    /// The directories that changed, each once, in the order of their first change.
    dirs: Vec<PathBuf>,
}

impl PendingDirSync {
    /// What is owed after the entry `path` changed in its directory.
    pub(crate) fn of_parent(root: &Path, path: &Path) -> Self {
        let dir = path.parent().unwrap_or(Path::new(""));
        PendingDirSync { root: root.into(), dirs: vec![dir.into()] }
    }

    /// The directories, in the order in which they are synced.
    #[cfg(test)]
    pub(crate) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Owes both, each directory once.
    ///
    /// # Panics
    /// If they are of different disks: one of them would never be synced.
    pub fn and(mut self, other: PendingDirSync) -> Self {
        assert_eq!(self.root, other.root, "names of two disks can't be synced as one");
        for dir in other.dirs {
            if !self.dirs.contains(&dir) {
                self.dirs.push(dir);
            }
        }
        self
    }

    /// Makes the changes durable: syncs each directory once, in the order of their first change.
    ///
    /// # Errors
    /// The first sync that fails; the directories behind it are not synced then.
    ///
    /// # Panics
    /// If the names are of another disk.
    pub fn sync(self, disk: &dyn Disk) -> Result<()> {
        assert_eq!(self.root, disk.root(), "names can only be synced on their own disk");
        self.dirs.iter().try_for_each(|dir| disk.sync_dir(dir))
    }

    /// Leaves the changes to chance, for names whose loss or return is harmless: the reason stands
    /// in the code that calls this.
    pub fn forgo(self, _reason: &'static str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(path: &str) -> PendingDirSync {
        PendingDirSync::of_parent(Path::new("store"), Path::new(path))
    }

    #[test]
    fn joined_changes_owe_one_sync_per_directory_in_order() {
        let pending = changed("wal/2").and(changed("top")).and(changed("wal/3"));
        assert_eq!(pending.dirs, [Path::new("wal"), Path::new("")]);
    }

    #[test]
    #[should_panic(expected = "two disks")]
    fn changes_of_two_disks_are_not_joined() {
        let elsewhere = PendingDirSync::of_parent(Path::new("backup"), Path::new("wal/2"));
        changed("wal/2").and(elsewhere).forgo("a test");
    }
}
