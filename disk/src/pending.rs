//! Reminds the caller, through the type system, that a new name is not durable yet.

use std::path::{Path, PathBuf};

use crate::{Disk, Result};

/// Names were made, moved or taken away, and a crash may still undo that.
///
/// Every call that changes a directory returns one. It does nothing by itself; dropping it unused
/// is a compiler warning, which this workspace refuses. Several can be joined, so that one sync
/// per directory serves many changes.
#[must_use = "a crash may undo this change of names: sync it, join it to another, or forgo it"]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingDirSync {
    /// The directories that changed, each once, in the order of their first change.
    dirs: Vec<PathBuf>,
}

impl PendingDirSync {
    /// What is owed after the entry `path` changed in its directory.
    pub(crate) fn of_parent(path: &Path) -> Self {
        PendingDirSync {
            dirs: vec![path.parent().unwrap_or(Path::new("")).to_path_buf()],
        }
    }

    /// Owes both, each directory once.
    pub fn and(mut self, other: PendingDirSync) -> Self {
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
    pub fn sync(self, disk: &dyn Disk) -> Result<()> {
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
        PendingDirSync::of_parent(Path::new(path))
    }

    #[test]
    fn joined_changes_owe_one_sync_per_directory_in_order() {
        let pending = changed("wal/2").and(changed("top")).and(changed("wal/3"));
        assert_eq!(pending.dirs, [Path::new("wal"), Path::new("")]);
    }
}
