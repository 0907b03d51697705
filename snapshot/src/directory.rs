//! Makes the directories of images and manifests, and says what is in them.
//!
//! Never: decides what is still needed, or takes a name away.

use std::ffi::OsStr;
use std::path::Path;

use disk::{Disk, EntryKind};

use crate::Result;
use crate::names::{IMAGES, MANIFESTS, Name, numbered};

/// Directories in which a store has files whose names are numbers.
const OF_A_STORE: [&str; 4] = ["wal", "vectors", IMAGES, MANIFESTS];

/// Makes both directories, durably; what is there already is left as it is.
pub(crate) fn make_directories(disk: &dyn Disk) -> Result<()> {
    for directory in [IMAGES, MANIFESTS] {
        match disk.create_dir(Path::new(directory)) {
            Ok(pending) => pending.forgo("both names are synced below"),
            // Left behind by a creation that did not come to its end, maybe: its name too.
            Err(disk::Error::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(disk.sync_dir(Path::new(""))?)
}

/// The images that are there, and those in the making, sorted by number; none if there is no such
/// directory.
///
/// A new image takes a number above all of these. That a name is listed does not mean that it is durable:
/// whoever made it may have died before.
///
/// # Errors
/// If the disk refuses.
pub fn list_images(disk: &dyn Disk) -> Result<Vec<Name>> {
    list(disk, IMAGES, Name::of_image)
}

/// The manifests that are there, and those in the making.
pub(crate) fn list_manifests(disk: &dyn Disk) -> Result<Vec<Name>> {
    list(disk, MANIFESTS, Name::of_manifest)
}

fn list(disk: &dyn Disk, directory: &str, ours: fn(&OsStr) -> Option<Name>) -> Result<Vec<Name>> {
    let entries = match disk.list(Path::new(directory)) {
        Ok(entries) => entries,
        Err(disk::Error::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let mut found: Vec<Name> = files.filter_map(|entry| ours(&entry.name)).collect();
    found.sort_by_key(|name| (name.number(), *name));
    Ok(found)
}

/// A file that only a store can have left here, if there is one: of any kind, but for a manifest in the
/// making, which is there before the store is.
pub(crate) fn left_behind(disk: &dyn Disk) -> Result<Option<String>> {
    for directory in OF_A_STORE {
        let entries = match disk.list(Path::new(directory)) {
            Ok(entries) => entries,
            Err(disk::Error::Missing { .. } | disk::Error::NotADirectory { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let counts = match numbered(&entry.name) {
                Some((_, "new")) => directory != MANIFESTS,
                Some(_) => true,
                None => false,
            };
            if counts && entry.kind == EntryKind::File {
                return Ok(Some(format!("{directory}/{}", entry.name.display())));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::FileId;
    use disk::SimDisk;

    fn put(disk: &SimDisk, path: impl AsRef<Path>) {
        disk.create(path.as_ref()).unwrap().1.sync(disk).unwrap();
    }

    #[test]
    fn only_our_files_are_listed() {
        let disk = SimDisk::new(1);
        assert_eq!(list_images(&disk).unwrap(), [], "there is no directory yet");
        make_directories(&disk).unwrap();
        make_directories(&disk).unwrap();
        let (old, new) = (Name::Image(FileId(4)), Name::NewImage(FileId(3)));
        for path in [old.path(), new.path(), "images/notes.txt".into()] {
            put(&disk, path);
        }
        put(&disk, Name::Manifest(9).path());
        disk.create_dir(&Name::Image(FileId(5)).path()).unwrap().sync(&disk).unwrap();
        assert_eq!(list_images(&disk).unwrap(), [new, old]);
        assert_eq!(list_manifests(&disk).unwrap(), [Name::Manifest(9)]);
    }

    #[test]
    fn what_a_store_leaves_is_told_from_what_others_do() {
        let disk = SimDisk::new(1);
        for directory in OF_A_STORE {
            disk.create_dir(Path::new(directory)).unwrap().sync(&disk).unwrap();
        }
        for path in ["LOCK", "wal/notes.txt", "vectors/1.seg"] {
            put(&disk, path);
        }
        put(&disk, Name::NewManifest(1).path());
        assert_eq!(left_behind(&disk).unwrap(), None);
        let ours = ["wal/00000000000000000001.new", "vectors/00000000000000000002.seg"];
        for path in ours.into_iter().chain(["images/00000000000000000003.img"]) {
            put(&disk, path);
            assert_eq!(left_behind(&disk).unwrap().as_deref(), Some(path));
            disk.remove(Path::new(path)).unwrap().sync(&disk).unwrap();
        }
        put(&disk, Name::Manifest(1).path());
        assert!(left_behind(&disk).unwrap().is_some());
    }
}
