//! Removes what neither of the two newest manifests needs: manifests first, then the images they named.
//!
//! Promises
//!  1. A manifest is durably gone before an image is removed that only it named, unless a sync failed before
//!     this process: then it may come back, with a number below those of the two newest.
//!  2. No image is removed that one of the two newest manifests names, or that has a number not below the
//!     newest's `next_file`, or that this process is making.
//!  3. Only files are removed whose names are ours.
//!
//! Never: removes files of the log or of vectors. Who knows what [`Manifests::reachable`] points need of them
//! does.

use std::collections::HashSet;
use std::path::Path;

use base::FileId;

use crate::Result;
use crate::directory::{list_images, list_manifests};
use crate::manifests::Manifests;
use crate::names::{IMAGES, MANIFESTS, Name};

impl Manifests {
    /// Removes what is not needed any more, but for images that are in the making or not yet published:
    /// those of the numbers in `making`. Returns what was removed.
    ///
    /// Does nothing before this process has published: what it found may be in the cache alone.
    ///
    /// # Errors
    /// [`Error::Disk`](crate::Error::Disk) if the disk refuses; [`Error::Stopped`](crate::Error::Stopped)
    /// if the sync of a directory fails, or failed before. What was removed by then stays so, or comes
    /// back.
    pub fn prune(&mut self, making: &[FileId]) -> Result<Vec<Name>> {
        if let Some(stopped) = &self.stopped {
            return Err(stopped.clone());
        }
        if !self.is_durable {
            return Ok(Vec::new());
        }
        let kept = [self.newest.number, self.previous.as_ref().map_or(0, |it| it.number)];
        let newest = self.newest.number;
        // References first: were an image gone that a manifest names, falling back on that one would fail.
        let manifests = list_manifests(&*self.disk)?.into_iter().filter(|name| match name {
            Name::Manifest(number) => *number < newest && !kept.contains(number),
            name => name.number() < newest,
        });
        let mut removed = self.remove_all(manifests.collect(), MANIFESTS)?;
        let named: HashSet<FileId> = self.reachable_images().map(|image| image.file).collect();
        let next_file = self.newest.manifest.next_file;
        let images = list_images(&*self.disk)?.into_iter().filter(|name| {
            let file = FileId(name.number());
            let is_named = matches!(name, Name::Image(_)) && named.contains(&file);
            !is_named && file < next_file && !making.contains(&file)
        });
        removed.extend(self.remove_all(images.collect(), IMAGES)?);
        Ok(removed)
    }

    /// Takes these names away, all of one directory, and makes that durable.
    fn remove_all(&mut self, names: Vec<Name>, directory: &str) -> Result<Vec<Name>> {
        let mut pending = None;
        for name in &names {
            let removed = self.disk.remove(&name.path())?;
            pending = Some(match pending {
                None => removed,
                Some(before) => removed.and(before),
            });
        }
        if let Some(pending) = pending {
            pending.sync(&*self.disk).map_err(|error| self.stop(Path::new(directory), error))?;
        }
        Ok(names)
    }
}
