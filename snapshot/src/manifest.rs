//! What a manifest says: the retained points of a store, and the images that belong to it.
//!
//! Promises
//!  1. [`Manifest::check`] accepts just what can be published and read again: the rules of FORMAT.md
//!     section 6.2.
//!
//! Never: says which collections or files of vectors there are. That stands inside the images, as sections.

use std::collections::HashSet;

use base::{CollectionId, FileId, LogPlace, Sequence, Timeline};

use crate::format::Invalid;

/// The longest name of a point.
pub const POINT_NAME_BYTES_MAX: usize = 255;

/// An image, as whoever refers to it knows it: what [`ImageWriter::finish`](crate::ImageWriter::finish)
/// returns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ImageRef {
    /// Its number.
    pub file: FileId,
    /// Length of the file.
    pub bytes: u64,
    /// The XXH3-128 of its block: no other image has it, and no other state of this one.
    pub sum: u128,
}

/// A state of the store that is kept: an image, and the log from there on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    /// The name of a snapshot; `None` for the newest checkpoint.
    pub name: Option<String>,
    /// The last batch that it holds; `None` before the first.
    pub sequence: Option<Sequence>,
    /// The branch of history on which that counts.
    pub timeline: Timeline,
    /// The checkpoint it stands on.
    pub image: ImageRef,
    /// From where the log is to be replayed.
    pub log: LogPlace,
    /// Up to where; `None` for as far as it goes.
    pub log_end: Option<LogPlace>,
}

/// A branch of the store's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    /// Its name.
    pub timeline: Timeline,
    /// The first sequence that belongs to it.
    pub first: Sequence,
    /// What it branched off; `None` for the first of a store.
    pub parent: Option<Timeline>,
}

/// An image of an index: no part of any point. If it is missing or damaged, the index is made anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexImage {
    /// Whose index it is.
    pub collection: CollectionId,
    /// The image.
    pub image: ImageRef,
}

/// What is published: all that must be known of a store in order to open it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// A number above that of every image named here. Images below it that no manifest names are removed
    /// once it is published.
    pub next_file: FileId,
    /// The retained points: the newest checkpoint, which has no name, and the snapshots. Empty while the
    /// store is being made.
    pub points: Vec<Point>,
    /// The branches of history that the points stand on.
    pub timelines: Vec<Branch>,
    /// Images of indexes.
    pub indexes: Vec<IndexImage>,
}

impl Manifest {
    /// That of a store that is being made: it has no points.
    pub fn of_a_new_store() -> Manifest {
        let next_file = FileId(1);
        Manifest { next_file, points: Vec::new(), timelines: Vec::new(), indexes: Vec::new() }
    }

    /// The newest checkpoint; `None` while the store is being made.
    pub fn newest(&self) -> Option<&Point> {
        self.points.iter().find(|point| point.name.is_none())
    }

    /// The snapshot of this name.
    pub fn named(&self, name: &str) -> Option<&Point> {
        self.points.iter().find(|point| point.name.as_deref() == Some(name))
    }

    /// All images that it names.
    pub fn images(&self) -> impl Iterator<Item = ImageRef> {
        let of_points = self.points.iter().map(|point| point.image);
        of_points.chain(self.indexes.iter().map(|index| index.image))
    }

    /// Refuses what could not be read again, or what means nothing.
    ///
    /// # Errors
    /// [`Invalid::Value`], with the first field that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        let wrong = |field| Err(Invalid::Value(field));
        if self.next_file.0 == 0
            || self.images().any(|image| image.file.0 == 0 || image.file >= self.next_file)
        {
            return wrong("file");
        }
        let mut timelines = HashSet::new();
        for branch in &self.timelines {
            if !timelines.insert(branch.timeline) {
                return wrong("timeline");
            }
            if branch.parent == Some(branch.timeline) {
                return wrong("parent");
            }
        }
        let mut names = HashSet::new();
        for point in &self.points {
            let name = point.name.as_deref();
            let is_fit = name.is_none_or(|name| (1..=POINT_NAME_BYTES_MAX).contains(&name.len()));
            if !is_fit || !names.insert(name) {
                return wrong("name");
            }
            if !timelines.contains(&point.timeline) {
                return wrong("timeline");
            }
            let ends_early = point.log_end.is_some_and(|end| point.log.is_behind(&end));
            let has_no_file = |place: &LogPlace| place.file.0 == 0;
            if ends_early
                || has_no_file(&point.log)
                || point.log_end.as_ref().is_some_and(has_no_file)
            {
                return wrong("log");
            }
        }
        if !self.points.is_empty() && !names.contains(&None) {
            return wrong("points");
        }
        let indexes: HashSet<_> = self.indexes.iter().map(|index| index.image.file).collect();
        if indexes.len() < self.indexes.len() {
            return wrong("indexes");
        }
        Ok(())
    }
}
