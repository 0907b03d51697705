//! The names of a running simulated disk: looked up, made, moved, taken away, as Linux does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::bytes::FileNode;
use super::event::{Event, Inode, ROOT};
use super::state::State;
use crate::{Entry, EntryKind};

/// A path taken apart: its directory, its last name, and what that leads to now.
pub(super) struct Found {
    pub(super) dir: Inode,
    pub(super) name: OsString,
    pub(super) inode: Option<Inode>,
}

impl State {
    pub(super) fn dir(&self, path: &Path) -> io::Result<Inode> {
        let mut at = ROOT;
        for name in path.iter() {
            let names = self.dirs.get(&at).ok_or(io::ErrorKind::NotADirectory)?;
            at = *names.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        if self.dirs.contains_key(&at) { Ok(at) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Found> {
        let dir = self.dir(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let inode = self.dirs.get(&dir).and_then(|names| names.get(&name)).copied();
        Ok(Found { dir, name, inode })
    }

    pub(super) fn is_dir(&self, inode: Inode) -> bool {
        self.dirs.contains_key(&inode)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Inode> {
        let Found { dir, name, inode } = self.find(path)?;
        if inode.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.new_inode();
        self.files.insert(inode, FileNode { names: 1, ..FileNode::default() });
        self.names(dir).insert(name.clone(), inode);
        self.record(Event::Create { dir, name, inode });
        Ok(inode)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let Found { dir, name, inode } = self.find(path)?;
        if inode.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.new_inode();
        self.dirs.insert(inode, BTreeMap::new());
        self.names(dir).insert(name.clone(), inode);
        self.record(Event::CreateDir { dir, name, inode });
        Ok(())
    }

    pub(super) fn rename(&mut self, from_path: &Path, to_path: &Path) -> io::Result<()> {
        let from = self.find(from_path)?;
        let to = self.find(to_path)?;
        let inode = from.inode.ok_or(io::ErrorKind::NotFound)?;
        if self.is_dir(inode) && to_path != from_path && to_path.starts_with(from_path) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(old) = to.inode {
            if old == inode {
                // Two names of one file: nothing is done, and both stay.
                return Ok(());
            }
            if from_path.starts_with(to_path) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            match (self.is_dir(inode), self.dirs.get(&old)) {
                (false, Some(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, None) => return Err(io::ErrorKind::NotADirectory.into()),
                (true, Some(names)) if !names.is_empty() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                _ => self.unname(old),
            }
        }
        self.names(from.dir).remove(&from.name);
        self.names(to.dir).insert(to.name.clone(), inode);
        self.record(Event::Rename { from: (from.dir, from.name), to: (to.dir, to.name), inode });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let Found { dir, name, inode } = self.find(path)?;
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        if self.is_dir(inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.names(dir).remove(&name);
        self.unname(inode);
        self.record(Event::Remove { dir, name });
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let dir = self.dir(path)?;
        let names = self.dirs.get(&dir).into_iter().flatten();
        let entry = |(name, inode): (&OsString, &Inode)| {
            let kind = if self.is_dir(*inode) { EntryKind::Directory } else { EntryKind::File };
            Entry { name: name.clone(), kind }
        };
        Ok(names.map(entry).collect())
    }

    fn new_inode(&mut self) -> Inode {
        self.next_inode += 1;
        Inode(self.next_inode - 1)
    }

    fn names(&mut self, dir: Inode) -> &mut BTreeMap<OsString, Inode> {
        self.dirs.entry(dir).or_default()
    }

    fn unname(&mut self, inode: Inode) {
        if let Some(node) = self.files.get_mut(&inode) {
            node.names = node.names.saturating_sub(1);
        }
        self.dirs.remove(&inode);
    }
}
