//! Makes the directory of the vectors and payloads, and says what is in it.
//!
//! Never: decides what is still needed. Only who knows all collections does.

use std::path::Path;

use disk::{Disk, EntryKind, PendingDirSync};

use crate::Result;
use crate::names::{self, Name};

/// Makes the directory, durably; one that is there already is left as it is.
///
/// # Errors
/// If the disk refuses.
pub fn make_directory(disk: &dyn Disk) -> Result<()> {
    match disk.create_dir(names::directory()) {
        Ok(pending) => pending.sync(disk)?,
        // Left behind by a creation that did not come to its end, maybe: its name too.
        Err(disk::Error::Exists { .. }) => disk.sync_dir(Path::new(""))?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The files in the directory that are ours, sorted; none if there is no such directory.
///
/// A new file takes a number above all of these, unfinished ones included. That a name is listed does
/// not mean that it is durable: whoever made it may have died before.
///
/// # Errors
/// If the disk refuses.
pub fn list(disk: &dyn Disk) -> Result<Vec<Name>> {
    let entries = match disk.list(names::directory()) {
        Ok(entries) => entries,
        Err(disk::Error::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let mut found: Vec<Name> = files.filter_map(|entry| Name::parse(&entry.name)).collect();
    found.sort();
    Ok(found)
}

/// Takes a file's name away. Whoever has it open, or mapped, keeps it.
///
/// Only for what nothing refers to any more that could come back: the name comes first, the space
/// with the last who has it open.
///
/// # Errors
/// If the disk refuses: the name is not there, say.
pub fn remove(disk: &dyn Disk, name: Name) -> Result<PendingDirSync> {
    Ok(disk.remove(&name.path())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::FileId;
    use disk::SimDisk;

    #[test]
    fn only_our_files_are_listed_and_removed() {
        let disk = SimDisk::new(1);
        assert_eq!(list(&disk).unwrap(), [], "there is no directory yet");
        make_directory(&disk).unwrap();
        make_directory(&disk).unwrap();
        let (old, new) = (Name::Segment(FileId(3)), Name::New(FileId(4)));
        let payloads = Name::Payloads(FileId(2));
        for path in [old.path(), payloads.path(), new.path(), "vectors/notes.txt".into()] {
            disk.create(&path).unwrap().1.sync(&disk).unwrap();
        }
        let directory = Name::Segment(FileId(5));
        disk.create_dir(&directory.path()).unwrap().sync(&disk).unwrap();
        assert_eq!(list(&disk).unwrap(), [old, payloads, new]);
        remove(&disk, new).unwrap().sync(&disk).unwrap();
        remove(&disk, payloads).unwrap().sync(&disk).unwrap();
        assert_eq!(list(&disk).unwrap(), [old]);
        remove(&disk, new).unwrap_err();
    }
}
