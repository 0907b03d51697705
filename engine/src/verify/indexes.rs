//! Checks images of indexes, and that images of the store say of slots what these are to hear.

use std::collections::HashMap;

use base::{Sequence, Slot};
use disk::Disk;
use segments::SlotBase;
use snapshot::{Image, ImageRef, Manifests};

use super::images::bad;
use super::{Problem, Report};
use crate::image::{Entry, ImageSlots, read_events};
use crate::index::{What, check_image};
use crate::{Error, Result};

const SLOWER: &str = "how fast searches are; no answer: the index is built anew";

/// Checks the images of indexes that the newest manifest names: older ones are never opened.
pub(super) fn check(disk: &dyn Disk, manifests: &Manifests, report: &mut Report<'_>) -> Result<()> {
    let images: Vec<ImageRef> =
        manifests.newest().indexes.iter().map(|index| index.image).collect();
    images.iter().for_each(|image| report.is_to_read(image.bytes));
    for image in images {
        let image = match Image::open(disk, manifests.store(), &image).map_err(Error::from) {
            Ok(image) => image,
            Err(error) => {
                report.note_error(error, SLOWER)?;
                continue;
            }
        };
        let mut before = 0;
        let damages = image.verify(|read, _| {
            report.has_read(read.saturating_sub(before));
            before = read;
        });
        for damage in &damages {
            let what = super::images::harm(damage);
            let (offset, affects) = (Some(damage.offset), SLOWER.to_owned());
            report.note(Problem { file: image.path(), offset, what, affects });
        }
        if damages.is_empty()
            && let Err(what) = check_image(&image)
        {
            let affects = SLOWER.to_owned();
            report.note(Problem { file: image.path(), offset: None, what, affects });
        }
    }
    Ok(())
}

/// Whether an image says of each slot what became of it behind the floor, and of none what did not.
pub(super) fn recount_events(image: &Image, entry: &Entry, slots: &ImageSlots) -> Result<()> {
    let bad = |what| bad(entry.id, "events", what);
    let mut last: HashMap<Slot, (What, Sequence)> = HashMap::new();
    for event in read_events(image, entry.id)? {
        if Some(event.at) <= entry.floor {
            return Err(bad("an event is not behind the floor"));
        }
        last.insert(event.slot, (event.what, event.at));
    }
    for slot in (0..slots.slots()).filter_map(|slot| u32::try_from(slot).ok()).map(Slot) {
        let told = last.remove(&slot);
        let expected = slots.known(slot)?.map(|known| match known.life.end() {
            Some(ended) => (What::Ended, ended),
            None => (What::Born, known.life.birth()),
        });
        let is_right = match expected {
            Some((_, at)) if Some(at) > entry.floor => told == expected,
            Some(_) => told.is_none(),
            // It was given back since it ended.
            None => told.is_none_or(|(what, _)| what == What::Ended),
        };
        if !is_right {
            return Err(bad("it says of a slot what did not become of it, or leaves it out"));
        }
    }
    match last.is_empty() {
        true => Ok(()),
        false => Err(bad("it tells of a slot that there is not")),
    }
}
