//! Makes checkpoints: a cut under the sequencer's lock, then images of what was cut off while others go on, then the
//! manifest, and only then is anything dropped.
//!
//! Promises
//!  1. A crash at any point leaves the checkpoint before or the new one, and the log from there on.
//!  2. A checkpoint that fails before it is published changes nothing; the next one takes up what it cut off.
//!  3. Log files, images and slots are given up only when neither of the two newest manifests needs them.
//!
//! Never: holds up who reads or writes, but for the cut.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use base::{FileId, LogPlace, Sequence};
use segments::{Move, Moved};
use snapshot::{Branch, ImageRef, ImageWriter, Manifest, Manifests, Point};
use wal::Level;

use crate::image::{self, Catalogue, ImageRows, ImageSlots};
use crate::inner::{CutOff, Cuts, Inner, RECLAIMED_AT_A_TIME};
use crate::named::CollectionState;
use crate::wish::Wish;
use crate::{Error, Result};

/// How many bytes of payloads a checkpoint copies of a collection, at most, so that files can be emptied.
const MOVED_AT_A_TIME: u64 = 256 << 20;

/// What is known of checkpoints. Whoever makes one holds this.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    pub(crate) manifests: Manifests,
    /// The branches of history, the newest last.
    pub(crate) timelines: Vec<Branch>,
}

/// The batch up to which what was freed is in no checkpoint of the two newest manifests. Before the first checkpoint
/// has a successor there is none: it is still one of the two.
pub(crate) fn unkept(manifests: &Manifests) -> Option<Sequence> {
    manifests.reachable().map(|point| point.sequence).min().flatten()
}

impl Inner {
    /// Makes a checkpoint of everything that was committed so far.
    pub(crate) fn checkpoint(&self) -> Result<Sequence> {
        self.check_owner()?;
        let mut checkpoints = self.checkpoints.lock();
        let (at, place, cuts) = self.cut()?;
        for cut in &cuts.collections {
            self.noting(cut.collection.set.sync().map_err(Error::from))?;
            self.noting(cut.collection.heap.sync().map_err(Error::from))?;
        }
        let written = self.write_image(&cuts).and_then(|(image, moved)| {
            let next = self.next_manifest(&checkpoints, (at, place), image)?;
            let published = checkpoints.manifests.publish(next).map_err(Error::from);
            // It is named now, or is left over.
            self.images.end(image.file);
            self.noting_unless_refused(published).map(|_| (image, moved))
        });
        let (image, mut moved) = match written {
            Ok(written) => written,
            Err(error) => {
                // The disk may be full: what payloads were copied to does not stay until it is not.
                let unkept = *self.unkept.lock();
                if self.check().is_ok() {
                    // Whatever comes of it, what is told is what went wrong first.
                    let _removed = self.remove_unused_files(unkept);
                }
                return Err(error);
            }
        };
        moved.iter_mut().flatten().for_each(|moved| moved.is_named_by(at));
        self.image_bytes.store(image.bytes, Ordering::Relaxed);
        let events = cuts.collections.iter().map(|cut| cut.events.iter().count()).sum();
        self.events_in_image.store(events, Ordering::Relaxed);
        self.rebase((at, &image), &cuts.collections, moved)?;
        self.logged.store(0, Ordering::Relaxed);
        self.prune(&mut checkpoints)?;
        Ok(at)
    }

    /// Makes a checkpoint if the log has grown to twice what the image took, and to some least; says whether it did.
    pub(crate) fn checkpoint_if_due(&self) -> Result<bool> {
        let logged = self.logged.load(Ordering::Relaxed);
        if logged < self.checkpoint_bytes || self.check().is_err() {
            return Ok(false);
        }
        if logged < self.image_bytes.load(Ordering::Relaxed).saturating_mul(2) {
            return Ok(false);
        }
        self.checkpoint().map(|_| true)
    }

    /// Sets apart what was decided, and waits until it is durable and applied.
    fn cut(&self) -> Result<(Sequence, LogPlace, Cuts)> {
        let mut cuts = None;
        let place = Arc::new(OnceLock::new());
        let decided = self.queue_alone(Wish::Cut, Level::Sync, Some(Arc::clone(&place)), |at| {
            cuts = Some(self.cut_all(at));
        })?;
        let at = decided.commit.wait()?;
        self.check()?;
        let place = place.get().copied().ok_or(Error::Closed)?;
        Ok((at, place, cuts.ok_or(Error::Closed)?))
    }

    fn cut_all(&self, at: Sequence) -> Cuts {
        let state = self.state.read();
        let cut = |collection: &Arc<CollectionState>| {
            let mut rows = collection.rows.write();
            let (next_row, highest) = (rows.next(), rows.highest());
            CutOff {
                collection: Arc::clone(collection),
                rows: rows.cut(Some(at)),
                slots: collection.set.cut(),
                next_row,
                highest,
                files: collection.set.files(),
                heap: collection.heap.cut(),
                events: collection.indexing.events.lock().cut(),
                index: collection.indexing.wanted(),
            }
        };
        let collections = state.going_on().map(cut).collect();
        let notes = self.notes.lock().newest().cloned().collect();
        Cuts { collections, next: state.next, notes }
    }

    /// Writes an image, and empties files of payloads of which little is alive.
    fn write_image(&self, cuts: &Cuts) -> Result<(ImageRef, Vec<Option<Moved>>)> {
        let file = self.images.begin();
        let written = || -> Result<_> {
            let mut into = ImageWriter::create(Arc::clone(&self.disk), self.store, file)?;
            let (mut entries, mut moved) = (Vec::new(), Vec::new());
            for cut in &cuts.collections {
                let CutOff { rows, slots, events, .. } = cut;
                let mut moving = self.begin_move(cut)?;
                let collection = image::Collection { id: cut.collection.id, rows, slots, events };
                image::write_collection(&mut into, &collection, |place| match &mut moving {
                    Some(moving) => Ok(moving.put(place)?),
                    None => Ok(place),
                })?;
                let done = moving.map(Move::finish).transpose()?;
                entries.push(cut.entry(done.as_ref()));
                moved.push(done);
            }
            let catalogue = Catalogue { entries, next: cuts.next, notes: cuts.notes.clone() };
            Ok((image::finish(into, &catalogue)?, moved))
        };
        let written = written().inspect_err(|_| self.images.end(file));
        self.noting_unless_refused(written)
    }

    /// Begins to empty files of payloads, if there are any that are worth it: as many as there is room for.
    fn begin_move<'c>(&self, cut: &'c CutOff) -> Result<Option<Move<'c>>> {
        let mut files = cut.heap.sparse_up_to(MOVED_AT_A_TIME);
        while !files.is_empty() {
            let into = FileId(self.next_file.fetch_add(1, Ordering::Relaxed));
            match cut.collection.heap.begin_move(&cut.heap, files, into) {
                // What ended meanwhile does not keep the new file.
                Ok(moving) => return Ok(Some(moving).filter(|_| !cut.collection.has_ended())),
                // The cheapest come first, and some of them may need no room.
                Err(error) if error.is_clean_refusal() => {
                    files = files.get(..files.len() / 2).unwrap_or_default();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn next_manifest(
        &self,
        checkpoints: &Checkpoints,
        (at, place): (Sequence, LogPlace),
        image: ImageRef,
    ) -> Result<Manifest> {
        let timelines = checkpoints.timelines.clone();
        let timeline = timelines.last().map(|branch| branch.timeline).ok_or(Error::Closed)?;
        let point =
            Point { name: None, sequence: Some(at), timeline, image, log: place, log_end: None };
        // In this order: each that is named has a number below the next.
        let indexes = self.index_images();
        let next_file = self.images.next();
        Ok(Manifest { next_file, points: vec![point], timelines, indexes })
    }

    /// Lets everybody read from the new image what was cut off.
    fn rebase(
        &self,
        (at, image): (Sequence, &ImageRef),
        cuts: &[CutOff],
        moved: Vec<Option<Moved>>,
    ) -> Result<()> {
        let image = snapshot::Image::open(&*self.disk, self.store, image)?;
        let mut bases = Vec::new();
        for (cut, moved) in cuts.iter().zip(moved) {
            let id = cut.collection.id;
            let slots = Arc::new(ImageSlots::open(&image, id, cut.slots.totals())?);
            bases.push((cut, moved, slots, Arc::new(ImageRows::open(&image, id)?)));
        }
        // No view is taken meanwhile: it would have the number of before and the rows of behind.
        let _nobody_looks = self.state.write();
        for (cut, moved, slots, rows) in bases {
            let collection = &cut.collection;
            if let Some(moved) = moved {
                collection.heap.moved(moved, at);
            }
            collection.set.rebase(&cut.slots, slots);
            collection.rows.write().rebase(rows);
        }
        Ok(())
    }

    /// Drops what neither of the two newest manifests needs: images, the log, files of vectors, slots.
    fn prune(&self, checkpoints: &mut Checkpoints) -> Result<()> {
        let pruned = checkpoints.manifests.prune(&self.images_kept()).map_err(Error::from);
        self.noting_unless_refused(pruned)?;
        let points = || checkpoints.manifests.reachable();
        let oldest = points().min_by_key(|point| (point.log.file, point.log.offset));
        let Some(oldest) = oldest.cloned() else { return Ok(()) };
        if let Some(committer) = self.committer.read().as_ref() {
            committer.prune(&oldest.log, 0)?;
        }
        let freed = unkept(&checkpoints.manifests);
        *self.unkept.lock() = freed;
        self.remove_unused_files(freed)?;
        let collections: Vec<_> = self.state.read().going_on().cloned().collect();
        for collection in collections {
            self.see_to_ends(&collection);
            let until = collection.resting_until(freed);
            loop {
                if !collection.set.reclaim(&until, RECLAIMED_AT_A_TIME)?.more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes away files of vectors and payloads that nothing refers to: of collections that were cleared or dropped, or left by a
    /// process that died.
    fn remove_unused_files(&self, unkept: Option<Sequence>) -> Result<()> {
        // Before collections are listed: files of those that come later have higher numbers.
        let below = self.next_file.load(Ordering::Relaxed);
        let collections = {
            let mut state = self.state.write();
            state.forget(self.pins.visible());
            state.everything()
        };
        // Nobody makes a file meanwhile: it would have a number and not be listed yet.
        let _nobody_grows: Vec<_> = collections.iter().map(|it| it.growth.lock()).collect();
        let used: HashSet<FileId> = {
            // What ends goes from the one list to the other under this lock: here it is in one of them.
            let mut state = self.state.write();
            let going_on = collections.iter().filter(|it| !it.has_ended());
            let of = |it: &Arc<CollectionState>| {
                it.heap.let_go(unkept);
                it.files_kept()
            };
            going_on.flat_map(of).chain(state.needed(unkept)).collect()
        };
        for name in segments::list(&*self.disk)? {
            let is_used = match name {
                segments::Name::Segment(file) | segments::Name::Payloads(file) => {
                    used.contains(&file)
                }
                segments::Name::New(_) => false,
            };
            if !is_used && name.file().0 < below {
                segments::remove(&*self.disk, name)?.sync(&*self.disk)?;
            }
        }
        Ok(())
    }

    /// Remembers any failure: what it leaves is not known.
    fn noting<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            self.failure.get_or_init(|| error.clone());
        })
    }

    /// Remembers a failure, unless nothing was changed by it: the disk is full, say.
    pub(crate) fn noting_unless_refused<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if !error.is_clean_refusal() => self.noting(Err(error)),
            result => result,
        }
    }
}
