//! Writes images of indexes and finds them again: what is wrong with one is told, and is no error.
//!
//! Promises
//!  1. An image is named by a manifest only when all that it knows of is durable: no slot in it is ever that of a batch
//!     that did not happen.
//!  2. Opening reads the header of an index, and of slots those that it has yet to catch up with.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{CollectionId, FileId, Sequence, Slot, StoreId};
use disk::Disk;
use indexes::{Bytes, Index, Measure};
use parking_lot::Mutex;
use snapshot::{Branch, Image, ImageRef, ImageWriter, IndexImage, Manifest, Section};

use super::format::{
    About, ENTRY_BYTES, decode_about, decode_slot_at, encode_about, encode_slot_at,
};
use super::serving::{Begun, Keeping, Serving};
use crate::changes::timeline_of;
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::{Error, IndexConfig, Result};

const ABOUT: &str = "about";
const MISSING: &str = "missing";
const LEAVING: &str = "leaving";
const INDEX: &str = "index";

/// The longest `about` that is read: more than any has.
const ABOUT_BYTES_MAX: u64 = 4_096;

/// An image, and up to which batch it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    pub(crate) image: ImageRef,
    pub(crate) horizon: Option<Sequence>,
    /// How many slots there are in it.
    pub(crate) slots: usize,
    /// How many slots the index had taken up and removed then, of those of which it tells.
    pub(crate) changes: (u64, u64),
    /// How many events there had been.
    pub(crate) events: usize,
    /// Another index serves by now.
    pub(crate) is_of_before: bool,
}

/// An image that was opened.
pub(crate) struct Opened {
    pub(crate) index: Box<dyn Index>,
    pub(crate) config: IndexConfig,
    pub(crate) begun: Begun,
    pub(crate) named: Named,
}

/// What was found of a collection's index.
pub(crate) enum Found {
    None,
    /// An image, and why nobody goes by it.
    PassedOver(String),
    Whole(Opened),
}

/// The images of indexes that a manifest names.
pub(crate) type IndexFiles = BTreeMap<CollectionId, ImageRef>;

/// Which of them belong to which collection: the last one, if there are several.
pub(crate) fn find_images(named: &[IndexImage]) -> IndexFiles {
    named.iter().map(|index| (index.collection, index.image)).collect()
}

impl Found {
    /// Looks for the image of a collection's index. `timelines` is the history that the store has, up to a batch.
    pub(crate) fn of(
        (disk, store): (&dyn Disk, StoreId),
        (images, collection): (&IndexFiles, CollectionId),
        measure: &Measure,
        (timelines, last): (&[Branch], Option<Sequence>),
    ) -> Self {
        let Some(image) = images.get(&collection) else { return Found::None };
        let opened = open((disk, store), *image, measure).and_then(|(about, opened)| {
            let timeline = about.knows.and_then(|knows| timeline_of(timelines, knows));
            match about.collection == collection {
                false => Err("it is of another collection".to_owned()),
                true if timeline.is_some_and(|timeline| timeline != about.timeline) => {
                    Err("it is of another history".to_owned())
                }
                true if about.knows > last => {
                    Err("it has more than the store remembers".to_owned())
                }
                true => Ok(opened),
            }
        });
        opened.map_or_else(Found::PassedOver, Found::Whole)
    }
}

/// Opens an image, or says what is wrong with it.
fn open(
    (disk, store): (&dyn Disk, StoreId),
    image: ImageRef,
    measure: &Measure,
) -> std::result::Result<(About, Opened), String> {
    let told = |error: snapshot::Error| error.to_string();
    let Parts { about, begun, index } = parts_of(&Image::open(disk, store, &image).map_err(told)?)?;
    let bytes = index.unverified().map_err(told)?;
    let index = indexes::open(Bytes::from_owner(bytes), measure).map_err(|bad| bad.to_string())?;
    let config = about.config;
    let statistics = index.statistics();
    if statistics.kind != config.name() {
        return Err(format!("it is said to be {}, and is {}", config.name(), statistics.kind));
    }
    let named = Named {
        image,
        horizon: about.horizon,
        slots: statistics.slots,
        changes: (0, 0),
        events: 0,
        is_of_before: false,
    };
    Ok((about, Opened { index, config, begun, named }))
}

/// Whether an image of which every byte is as it was written is one; or what is wrong with it. What the index itself says is
/// covered by the sums of the image.
pub(crate) fn check_image(image: &Image) -> std::result::Result<(), String> {
    parts_of(image).map(drop)
}

/// What stands in an image.
struct Parts {
    about: About,
    begun: Begun,
    index: Section,
}

/// Reads all but the index itself.
fn parts_of(image: &Image) -> std::result::Result<Parts, String> {
    let told = |error: snapshot::Error| error.to_string();
    let section = |name| image.section(name).map_err(told);
    let about = section(ABOUT)?;
    let mut bytes = vec![0; about.length().min(ABOUT_BYTES_MAX) as usize];
    about.read_at(0, &mut bytes).map_err(told)?;
    let about = decode_about(&bytes).map_err(|bad| bad.to_string())?;
    let (missing, leaving) = (slots_in(&section(MISSING)?)?, slots_in(&section(LEAVING)?)?);
    let begun = Begun { ends_to: about.horizon, leaving, missing };
    Ok(Parts { about, begun, index: section(INDEX)? })
}

fn slots_in(section: &Section) -> std::result::Result<Vec<(Slot, Sequence)>, String> {
    let bad = || format!("`{}` is not as anything writes it", section.name());
    let mut bytes = vec![0; usize::try_from(section.length()).unwrap_or(usize::MAX)];
    section.read_at(0, &mut bytes).map_err(|error| error.to_string())?;
    let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else { return Err(bad()) };
    let slots: Option<Vec<_>> = entries.iter().map(decode_slot_at).collect();
    slots.filter(|slots| slots.is_sorted_by(|one, next| one.0 < next.0)).ok_or_else(bad)
}

impl Inner {
    /// Writes an image of an index, and lets manifests name it from now on. Nobody changes the index meanwhile.
    pub(super) fn write_index(
        &self,
        collection: &CollectionState,
        (serving, keeping): (&Serving, &Keeping),
    ) -> Result<()> {
        let (horizon, events) = (keeping.ends_to(), collection.indexing.events.lock().count());
        let knows = self.pins.visible();
        let of_that = knows.and_then(|knows| timeline_of(&self.timelines, knows));
        let timeline = of_that.unwrap_or(self.timeline);
        let file = self.images.begin();
        let made = || -> Result<ImageRef> {
            let mut into = ImageWriter::create(Arc::clone(&self.disk), self.store, file)?;
            into.section(ABOUT)?;
            let (config, collection) = (serving.config, collection.id);
            into.write(&encode_about(&About { collection, horizon, knows, timeline, config }))?;
            into.section(MISSING)?;
            for missing in serving.tail.born_by(horizon) {
                into.write(&encode_slot_at(missing))?;
            }
            into.section(LEAVING)?;
            for leaving in keeping.leaving() {
                into.write(&encode_slot_at(leaving))?;
            }
            into.section(INDEX)?;
            // What failed is told by the writer.
            _ = into.write_by(|into| serving.index.write(into))?.is_ok();
            let image = into.finish()?;
            // Whatever the index knows of was applied by now.
            self.committer.read().as_ref().ok_or(Error::Closed)?.sync()?;
            Ok(image)
        };
        let made = self.writes.for_index(file, made);
        let named = match made {
            Ok(image) => {
                let slots = serving.index.statistics().slots;
                let (changes, is_of_before) = (serving.changes(), false);
                let named = Named { image, horizon, slots, changes, events, is_of_before };
                collection.indexing.named(named);
                Ok(())
            }
            Err(error) => self.noting_unless_refused(Err(error)),
        };
        self.images.end(file);
        named
    }

    /// Publishes what images of indexes there are, if that is not what manifests say and nobody makes a checkpoint; says whether
    /// it did. If there is no room for that, it is tried again.
    pub(crate) fn publish_indexes(&self) -> Result<bool> {
        let Some(mut checkpoints) = self.checkpoints.try_lock() else { return Ok(false) };
        let indexes = self.index_images();
        let newest = checkpoints.manifests.newest();
        if newest.indexes == indexes {
            return Ok(false);
        }
        let next = Manifest { next_file: self.images.next(), indexes, ..newest.clone() };
        let kept = self.images_kept();
        let published = checkpoints.manifests.publish(next).map_err(Error::from);
        let pruned = published.and_then(|()| Ok(checkpoints.manifests.prune(&kept)?));
        match self.noting_unless_refused(pruned) {
            Err(error) if error.is_clean_refusal() => Ok(false),
            pruned => pruned.map(|_| true),
        }
    }

    /// Images that nobody may take for left over, though no manifest names them: they are in the making, or will be named.
    pub(crate) fn images_kept(&self) -> Vec<FileId> {
        // First those in the making: what is finished meanwhile is among the others.
        let mut kept = self.images.making();
        kept.extend(self.index_images().iter().map(|index| index.image.file));
        kept
    }

    /// The images of indexes that a manifest is to name.
    pub(crate) fn index_images(&self) -> Vec<IndexImage> {
        let state = self.state.read();
        let of = |state: &Arc<CollectionState>| {
            let image = state.indexing.image()?;
            Some(IndexImage { collection: state.id, image })
        };
        state.going_on().filter_map(of).collect()
    }
}

/// The numbers of images, and those of them that are in the making.
#[derive(Debug)]
pub(crate) struct Images {
    next: AtomicU64,
    making: Mutex<HashSet<FileId>>,
}

impl Images {
    /// The next one has this number.
    pub(crate) fn new(next: FileId) -> Self {
        Images { next: AtomicU64::new(next.0), making: Mutex::default() }
    }

    /// The number of an image that is made now.
    pub(crate) fn begin(&self) -> FileId {
        // First, so that whoever lists them afterwards has it.
        let mut making = self.making.lock();
        let file = FileId(self.next.fetch_add(1, Ordering::Relaxed));
        making.insert(file);
        file
    }

    /// It is finished and known, or there will be none.
    pub(crate) fn end(&self, file: FileId) {
        self.making.lock().remove(&file);
    }

    /// Those that are in the making.
    fn making(&self) -> Vec<FileId> {
        self.making.lock().iter().copied().collect()
    }

    /// Above all that there are.
    pub(crate) fn next(&self) -> FileId {
        FileId(self.next.load(Ordering::Relaxed))
    }
}
