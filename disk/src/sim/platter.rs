//! What is durable on a simulated disk, what waits to be, and every disk a crash could make of it.
//!
//! Follows a run event by event. Files and directories are independent: bytes become durable by a
//! sync of the file, names by a sync of the directory, and a crash decides about each pending change
//! on its own, within these rules:
//!
//!  1. Of two changes to one name, the later never survives without the earlier.
//!  2. Within one directory a rename never loses the file: the old name goes only once the new one
//!     is there. Between two directories that holds too, unless only the first is synced.
//!  3. See `history.rs` for what happens to bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::change::{Change, ChangeId, Fate, What};
use super::event::{Event, Inode, ROOT, SyncsName};
use super::history::{Cuts, FileHistory};
use super::image::{Content, Image, Named};
use super::take::Take;

/// The device under a simulated disk.
#[derive(Clone, Debug)]
pub(crate) struct Platter {
    files: BTreeMap<Inode, FileHistory>,
    dirs: BTreeMap<Inode, DirHistory>,
    next_change: u64,
}

#[derive(Clone, Default, Debug)]
struct DirHistory {
    base: BTreeMap<OsString, Inode>,
    changes: Vec<NameChange>,
}

/// A name that was given to an inode, or taken away.
#[derive(Clone, Debug)]
pub(crate) struct NameChange {
    pub(crate) id: ChangeId,
    pub(crate) name: OsString,
    to: Option<Inode>,
    fate: Fate,
    /// The other half of a rename: a name is taken away only together with it.
    needs: Option<ChangeId>,
}

/// A change a crash would decide about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pending<'a> {
    File(&'a Change),
    Name(&'a NameChange),
}

impl Pending<'_> {
    pub(crate) fn id(&self) -> ChangeId {
        match self {
            Pending::File(change) => change.id,
            Pending::Name(change) => change.id,
        }
    }
}

impl Platter {
    /// A device that holds this image, all of it durable.
    pub(crate) fn new(image: &Image) -> Self {
        let mut platter = Platter {
            files: BTreeMap::new(),
            dirs: BTreeMap::from([(ROOT, DirHistory::default())]),
            next_change: 0,
        };
        let inodes = image.inodes();
        let of_dir: BTreeMap<&Path, Inode> = inodes
            .iter()
            .filter(|(_, path)| image.content(path).is_none())
            .map(|(inode, path)| (path.as_path(), *inode))
            .collect();
        for dir in of_dir.values() {
            platter.dirs.entry(*dir).or_default();
        }
        for (path, named) in &image.names {
            let inode = match named {
                Named::Directory => of_dir.get(path.as_path()).copied(),
                Named::File(number) => Some(Inode(*number as u32 + 1)),
            };
            let parent = path.parent().and_then(|parent| of_dir.get(parent));
            let name = path.file_name();
            if let (Some(inode), Some(parent), Some(name)) = (inode, parent, name)
                && let Some(parent) = platter.dirs.get_mut(parent)
            {
                parent.base.insert(name.into(), inode);
            }
        }
        for (number, content) in image.files.iter().enumerate() {
            let inode = Inode(number as u32 + 1);
            platter.files.insert(inode, FileHistory::durable(content));
        }
        platter
    }

    /// One step further in the run.
    pub(crate) fn step(&mut self, event: &Event) {
        match event {
            Event::Create { dir, name, inode } => {
                self.files.insert(*inode, FileHistory::default());
                self.name(*dir, name, Some(*inode), None);
            }
            Event::CreateDir { dir, name, inode } => {
                self.dirs.insert(*inode, DirHistory::default());
                self.name(*dir, name, Some(*inode), None);
            }
            Event::Rename { from, to, inode } => {
                // A directory never has two names, not even for a moment.
                let taken = ChangeId(self.next_change + 2);
                let needs = self.dirs.contains_key(inode).then_some(taken);
                let given = self.name(to.0, &to.1, Some(*inode), needs);
                self.name(from.0, &from.1, None, Some(given));
            }
            Event::Remove { dir, name } => {
                self.name(*dir, name, None, None);
            }
            Event::Write { inode, offset, bytes, device } => {
                let bytes = Arc::clone(bytes);
                self.change(*inode, What::Write { offset: *offset, bytes, device: *device });
            }
            Event::SetSize { inode, from, to } => {
                self.change(*inode, What::SetSize { from: *from, to: *to });
            }
            Event::SyncData { inode } => self.of_file(*inode, |file| file.sync(Cuts::No)),
            Event::SyncAll { inode, names } => {
                self.of_file(*inode, |file| file.sync(Cuts::Too));
                if *names == SyncsName::Yes {
                    self.dirs.values_mut().for_each(|dir| dir.sync_names_of(*inode));
                }
            }
            Event::SyncDir { dir } => self.of_dir(*dir, DirHistory::sync),
            Event::Dropped { inode } => {
                self.of_file(*inode, FileHistory::lose);
                self.of_dir(*inode, DirHistory::lose);
            }
            Event::Reverted { inode } => {
                self.of_file(*inode, FileHistory::revert);
                self.of_dir(*inode, DirHistory::lose);
            }
            Event::Note(_) => {}
        }
    }

    /// All files, with the bytes that reads see and the parts that the device cannot read.
    pub(crate) fn live_files(
        &self,
    ) -> impl Iterator<Item = (Inode, Arc<Vec<u8>>, Vec<Range<u64>>)> {
        self.files.iter().map(|(inode, file)| {
            let (bytes, unreadable) = file.cached();
            (*inode, bytes, unreadable)
        })
    }

    /// All directories, with the names they show.
    pub(crate) fn live_names(&self) -> BTreeMap<Inode, BTreeMap<OsString, Inode>> {
        let names = |dir: &DirHistory| dir.names(|_| true, Lost::Shown);
        self.dirs.iter().map(|(inode, dir)| (*inode, names(dir))).collect()
    }

    /// A path that leads to each file and directory now.
    pub(crate) fn paths(&self) -> BTreeMap<Inode, PathBuf> {
        let mut paths = BTreeMap::from([(ROOT, PathBuf::new())]);
        let mut waiting = vec![ROOT];
        let names = self.live_names();
        while let Some(dir) = waiting.pop() {
            let path = paths.get(&dir).cloned().unwrap_or_default();
            for (name, inode) in names.get(&dir).into_iter().flatten() {
                paths.insert(*inode, path.join(name));
                waiting.push(*inode);
            }
        }
        paths
    }

    /// A number that no file or directory has had.
    pub(crate) fn free_inode(&self) -> u32 {
        let last = self.files.keys().chain(self.dirs.keys()).max();
        last.map_or(0, |last| last.0) + 1
    }

    /// What reads of a file see.
    pub(crate) fn cached(&self, inode: Inode) -> Arc<Vec<u8>> {
        self.files.get(&inode).map(|file| file.cached().0).unwrap_or_default()
    }

    /// All a crash would decide about, in the order it was done.
    pub(crate) fn pending(&self) -> Vec<Pending<'_>> {
        // Of a file that no name leads to or may lead to, a crash leaves nothing.
        let named: BTreeSet<_> = self.dirs.values().flat_map(DirHistory::may_name).collect();
        let reachable = self.files.iter().filter(|(inode, _)| named.contains(inode));
        let files = reachable.flat_map(|(_, file)| file.pending()).map(Pending::File);
        let names = self.dirs.values().flat_map(|dir| &dir.changes);
        let names = names.filter(|change| change.fate == Fate::Pending).map(Pending::Name);
        let mut pending: Vec<_> = files.chain(names).collect();
        pending.sort_by_key(Pending::id);
        pending
    }

    /// What reads see, as an image.
    pub(crate) fn contents(&self) -> Image {
        let names = |dir: &DirHistory| dir.names(|_| true, Lost::Shown);
        self.image(names, FileHistory::cached)
    }

    /// The disk after the power failed and this was taken of each pending change.
    pub(crate) fn after_crash(&self, take: &dyn Fn(ChangeId) -> Take) -> Image {
        let kept = self.kept_names(take);
        let names = |dir: &DirHistory| dir.names(|id| kept.contains(&id), Lost::Gone);
        self.image(names, |file| file.after_crash(take))
    }

    /// The pending changes of names that survive: those that were taken, and those they need.
    fn kept_names(&self, take: &dyn Fn(ChangeId) -> Take) -> BTreeSet<ChangeId> {
        let mut kept = BTreeSet::new();
        let changes =
            || self.dirs.iter().flat_map(|(dir, it)| it.changes.iter().map(|it| (*dir, it)));
        let is_lost = |id: ChangeId| changes().any(|(_, it)| it.id == id && it.fate == Fate::Lost);
        let taken =
            |it: &NameChange| it.fate == Fate::Pending && !matches!(take(it.id), Take::Nothing);
        let mut waiting: Vec<(Inode, &NameChange)> = changes().filter(|it| taken(it.1)).collect();
        while let Some((inode, change)) = waiting.pop() {
            // The other half of a rename was forgotten by a failed sync: this one can't stand alone.
            if change.needs.is_some_and(is_lost) || !kept.insert(change.id) {
                continue;
            }
            let is_dragged = |(dir, other): &(Inode, &NameChange)| {
                let is_earlier = other.name == change.name && other.id < change.id;
                other.fate == Fate::Pending
                    && ((*dir == inode && is_earlier) || change.needs == Some(other.id))
            };
            waiting.extend(changes().filter(is_dragged));
        }
        kept
    }

    fn image(
        &self,
        names: impl Fn(&DirHistory) -> BTreeMap<OsString, Inode>,
        bytes: impl Fn(&FileHistory) -> (Arc<Vec<u8>>, Vec<Range<u64>>),
    ) -> Image {
        let mut image = Image::new();
        let mut numbers: BTreeMap<Inode, usize> = BTreeMap::new();
        let mut waiting = vec![(PathBuf::new(), ROOT)];
        // A directory has one name: where a crash between two directories' syncs left two, one goes.
        let mut visited = BTreeSet::from([ROOT]);
        while let Some((path, dir)) = waiting.pop() {
            let Some(dir) = self.dirs.get(&dir) else {
                continue;
            };
            for (name, inode) in names(dir) {
                let path = path.join(name);
                let Some(file) = self.files.get(&inode) else {
                    if !visited.insert(inode) {
                        continue;
                    }
                    image.names.insert(path.clone(), Named::Directory);
                    waiting.push((path, inode));
                    continue;
                };
                let number = *numbers.entry(inode).or_insert_with(|| {
                    let (bytes, unreadable) = bytes(file);
                    let sum = file.sum_of(&bytes);
                    image.files.push(Content::with_sum(bytes, unreadable, sum));
                    image.files.len() - 1
                });
                image.names.insert(path, Named::File(number));
            }
        }
        image
    }

    fn name(
        &mut self,
        dir: Inode,
        name: &OsString,
        to: Option<Inode>,
        needs: Option<ChangeId>,
    ) -> ChangeId {
        let id = self.next_id();
        let name = name.clone();
        self.of_dir(dir, |dir| {
            dir.changes.push(NameChange { id, name, to, fate: Fate::Pending, needs });
        });
        id
    }

    fn change(&mut self, inode: Inode, what: What) {
        let id = self.next_id();
        self.of_file(inode, |file| file.push(id, what));
    }

    fn next_id(&mut self) -> ChangeId {
        self.next_change += 1;
        ChangeId(self.next_change)
    }

    fn of_file(&mut self, inode: Inode, then: impl FnOnce(&mut FileHistory)) {
        if let Some(file) = self.files.get_mut(&inode) {
            then(file);
        }
    }

    fn of_dir(&mut self, inode: Inode, then: impl FnOnce(&mut DirHistory)) {
        if let Some(dir) = self.dirs.get_mut(&inode) {
            then(dir);
        }
    }
}

impl DirHistory {
    fn sync(&mut self) {
        for change in self.changes.iter_mut().filter(|change| change.fate == Fate::Pending) {
            change.fate = Fate::Durable;
        }
        self.settle();
    }

    /// The names that were given to this inode; a name is durable together with its earlier changes.
    fn sync_names_of(&mut self, inode: Inode) {
        let given: Vec<_> =
            self.changes.iter().filter(|it| it.to == Some(inode)).map(|it| it.id).collect();
        for last in given {
            let name = self.changes.iter().find(|it| it.id == last).map(|it| it.name.clone());
            for change in self.changes.iter_mut().filter(|it| it.fate == Fate::Pending) {
                if Some(&change.name) == name.as_ref() && change.id <= last {
                    change.fate = Fate::Durable;
                }
            }
        }
        self.settle();
    }

    /// All that a name here leads to, or may lead to after a crash.
    fn may_name(&self) -> impl Iterator<Item = Inode> {
        self.base.values().copied().chain(self.changes.iter().filter_map(|change| change.to))
    }

    fn lose(&mut self) {
        for change in self.changes.iter_mut().filter(|change| change.fate == Fate::Pending) {
            change.fate = Fate::Lost;
        }
    }

    /// Moves durable changes that no other stands before into the base.
    fn settle(&mut self) {
        let settled = self.changes.iter().take_while(|change| change.fate == Fate::Durable);
        let settled = settled.count();
        for change in self.changes.drain(..settled) {
            put(&mut self.base, &change);
        }
    }

    /// The names with the durable changes, and the pending ones for which the test is true.
    fn names(&self, pending: impl Fn(ChangeId) -> bool, lost: Lost) -> BTreeMap<OsString, Inode> {
        let mut names = self.base.clone();
        for change in &self.changes {
            let is_kept = match change.fate {
                Fate::Durable => true,
                Fate::Pending => pending(change.id),
                Fate::Lost => lost == Lost::Shown,
            };
            if is_kept {
                put(&mut names, change);
            }
        }
        names
    }
}

/// Whether changes that a failed sync forgot are still in the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Shown,
    Gone,
}

fn put(names: &mut BTreeMap<OsString, Inode>, change: &NameChange) {
    match change.to {
        Some(inode) => names.insert(change.name.clone(), inode),
        None => names.remove(&change.name),
    };
}
