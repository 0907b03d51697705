//! Checks images: that every byte is as it was written, and that their tables agree with each other.

use std::sync::Arc;

use base::CollectionId;
use disk::Disk;
use segments::{Dedup, SlotBase};
use snapshot::{Damage, Harm, Image, Manifests, Point};

use super::indexes::recount_events;
use super::{EVERYTHING, FALL_BACK, Problem, Report};
use crate::image::{Catalogue, Entry, ImageRows, ImageSlots, read_catalogue};
use crate::rows::RowBase;
use crate::{Error, Result};

/// An image that can be read.
pub(super) struct Found {
    pub(super) image: Image,
    pub(super) catalogue: Catalogue,
}

/// What an image is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Answers,
    FallingBack,
}

/// Checks all images that the two newest manifests name; those that can be read, the newest first.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    manifests: &Manifests,
    report: &mut Report<'_>,
) -> Result<Vec<Found>> {
    let mut points: Vec<&Point> = manifests.reachable().collect();
    points.reverse();
    points.dedup_by_key(|point| point.image);
    let newest = manifests.newest().newest().map(|point| point.image);
    points.sort_by_key(|point| Some(point.image) != newest);
    points.iter().for_each(|point| report.is_to_read(point.image.bytes));
    let mut found = Vec::new();
    for point in points {
        let needed_for = if Some(point.image) == newest { For::Answers } else { For::FallingBack };
        let affects = match needed_for {
            For::Answers => EVERYTHING,
            For::FallingBack => FALL_BACK,
        };
        let opened = Image::open(&**disk, manifests.store(), &point.image).map_err(Error::from);
        match opened {
            Ok(image) => found.extend(check_image(image, needed_for, report)?),
            Err(error) => report.note_error(error, affects)?,
        }
    }
    Ok(found)
}

fn check_image(image: Image, needed_for: For, report: &mut Report<'_>) -> Result<Option<Found>> {
    let mut before = 0;
    let damages = image.verify(|read, _| {
        report.has_read(read.saturating_sub(before));
        before = read;
    });
    let catalogue = read_catalogue(&image);
    for damage in &damages {
        let what = harm(damage);
        let affects = match needed_for {
            For::Answers => affected(damage.section.as_deref(), catalogue.as_ref().ok()),
            For::FallingBack => FALL_BACK.to_owned(),
        };
        report.note(Problem { file: image.path(), offset: Some(damage.offset), what, affects });
    }
    let catalogue = match catalogue {
        Ok(catalogue) => catalogue,
        // What is damaged of it was told.
        Err(_) if !damages.is_empty() => return Ok(None),
        Err(error) => return note_bad(&image, error, EVERYTHING, report).map(|()| None),
    };
    for entry in &catalogue.entries {
        let affects = match needed_for {
            For::Answers => format!("collection {:?}", entry.name),
            For::FallingBack => FALL_BACK.to_owned(),
        };
        match recount(&image, entry) {
            Ok(()) => {}
            Err(_) if !damages.is_empty() => {}
            Err(error) => note_bad(&image, error, &affects, report)?,
        }
    }
    Ok(Some(Found { image, catalogue }))
}

/// What is wrong, in words.
pub(super) fn harm(damage: &Damage) -> String {
    match &damage.harm {
        Harm::Differs => format!("{} bytes are not what was written", damage.bytes),
        Harm::Unreadable(error) => error.to_string(),
        Harm::Unchecked => format!("the sums of {} bytes are damaged", damage.bytes),
        Harm::Behind => format!("{} bytes lie behind the end", damage.bytes),
        _ => "it is damaged".to_owned(),
    }
}

/// Notes an error of an image, which does not say of which.
fn note_bad(image: &Image, error: Error, affects: &str, report: &mut Report<'_>) -> Result<()> {
    let Some(mut problem) = Problem::of(&error, affects) else { return Err(error) };
    problem.file = image.path();
    report.note(problem);
    Ok(())
}

/// What a section is for.
fn affected(section: Option<&str>, catalogue: Option<&Catalogue>) -> String {
    let Some(section) = section else {
        return "nothing that is read: a copy, or what is between".to_owned();
    };
    let Some((collection, table)) = section.split_once('.') else { return EVERYTHING.to_owned() };
    let entries = catalogue.map(|catalogue| &catalogue.entries).into_iter().flatten();
    let name = entries.filter(|it| it.id.to_string() == collection).map(|it| &it.name).next();
    let what = match table {
        "rows" => "which vectors there are",
        "order" => "the finding of ids",
        "text" => "ids that are texts",
        "slots" => "the sums of vectors",
        "keys" => "the finding of duplicates",
        "free" | "resting" => "the reuse of space",
        _ => "a table",
    };
    match name {
        Some(name) => format!("{what}, in collection {name:?}"),
        None => format!("{what}, in collection {collection}"),
    }
}

/// Goes through all tables of a collection, and looks whether they agree.
fn recount(image: &Image, entry: &Entry) -> Result<()> {
    let rows = ImageRows::open(image, entry.id)?;
    let slots = ImageSlots::open(image, entry.id, (entry.alive, entry.references))?;
    let references = recount_rows(&rows, &slots, entry)?;
    recount_slots(&slots, entry, &references)?;
    recount_chains(&rows, entry, &references)?;
    recount_keys(&slots, entry)?;
    recount_events(image, entry, &slots)?;
    recount_payloads(&rows, entry)
}

pub(super) fn bad(collection: CollectionId, table: &str, what: &'static str) -> Error {
    Error::BadImage { section: format!("{collection}.{table}"), what }
}

/// How many rows refer to each slot.
fn recount_rows(rows: &ImageRows, slots: &ImageSlots, entry: &Entry) -> Result<Vec<u32>> {
    let bad = |what| bad(entry.id, "rows", what);
    let mut references = vec![0_u32; usize::try_from(slots.slots()).unwrap_or(0)];
    let (mut last, mut highest) = (0, None);
    for at in 0..rows.rows() {
        let row = rows.row_at(at)?;
        if row.row.0 <= last || row.row >= entry.next_row {
            return Err(bad("a row is not in order, or above the next"));
        }
        last = row.row.0;
        let counted = references.get_mut(row.slot.0 as usize);
        *counted.ok_or_else(|| bad("a row has a slot that there is not"))? += 1;
        let id = rows.id_at(at)?;
        if let crate::Id::Number(number) = &id {
            highest = highest.max(Some(*number));
        }
        // Each id leads to its row, so each has one, and their order is right.
        if rows.find(&id)? != Some(at) {
            return Err(bad("an id does not lead to its row"));
        }
    }
    if highest > entry.highest {
        return Err(bad("an id is above the highest number"));
    }
    Ok(references)
}

fn recount_slots(slots: &ImageSlots, entry: &Entry, references: &[u32]) -> Result<()> {
    let bad = |table, what| bad(entry.id, table, what);
    let mut free = (0..slots.free()).map(|at| slots.free_at(at));
    let (mut alive, mut resting, mut all) = (0_u64, 0_u64, 0_u64);
    for (slot, counted) in (0..).map(base::Slot).zip(references) {
        match slots.known(slot)? {
            None => {
                if free.next().transpose()? != Some(slot) || *counted != 0 {
                    return Err(bad("free", "a free slot is not listed, or a row has it"));
                }
            }
            Some(known) if known.references != *counted => {
                return Err(bad("slots", "a slot has another number of references than rows"));
            }
            Some(known) if known.is_alive() => alive += 1,
            Some(_) => resting += 1,
        }
        all += u64::from(*counted);
    }
    if free.next().is_some() || resting != slots.resting() {
        return Err(bad("resting", "it lists more slots, or fewer, than there are"));
    }
    for at in 0..slots.resting() {
        if slots.known(slots.resting_at(at)?)?.is_none_or(|known| known.is_alive()) {
            return Err(bad("resting", "it lists a slot that is not at rest"));
        }
    }
    if (alive, all) != (entry.alive, entry.references) {
        return Err(bad("slots", "more or fewer are alive than the catalogue says"));
    }
    Ok(())
}

/// Whether each row is in the chain of its slot. A chain goes down from row to row of its slot, or reading it fails: so it has
/// no row twice and none of another slot, and has them all if it has as many.
fn recount_chains(rows: &ImageRows, entry: &Entry, references: &[u32]) -> Result<()> {
    for (slot, counted) in (0..).map(base::Slot).zip(references) {
        let (mut next, mut count) = (rows.last_of(slot)?, 0);
        while let Some(at) = next {
            (_, next) = rows.of_slot(slot, at)?;
            count += 1;
        }
        if count != *counted {
            return Err(bad(entry.id, "rows", "a row is not in the chain of its slot"));
        }
    }
    Ok(())
}

fn recount_keys(slots: &ImageSlots, entry: &Entry) -> Result<()> {
    let bad = |what| bad(entry.id, "keys", what);
    let dedup = entry.config.rule()?;
    let expected = if dedup == Dedup::Off { 0 } else { entry.alive };
    if slots.keys() != expected {
        return Err(bad("there are more keys, or fewer, than slots that are alive"));
    }
    let mut last = None;
    for at in 0..slots.keys() {
        let (key, slot) = slots.key_at(at)?;
        if last >= Some((key, slot)) {
            return Err(bad("it is not in order"));
        }
        last = Some((key, slot));
        let known = slots.known(slot)?.filter(|known| known.is_alive());
        let known = known.ok_or_else(|| bad("a key has a slot that is not alive"))?;
        if dedup == Dedup::Exact && known.hash.get() != key {
            return Err(bad("a key is not that of its slot"));
        }
    }
    Ok(())
}

/// Whether each payload lies in a file, and no more of one is alive than its catalogue says.
fn recount_payloads(rows: &ImageRows, entry: &Entry) -> Result<()> {
    let bad = |what| bad(entry.id, "rows", what);
    let files = entry.heap.files();
    let mut left: Vec<u64> = files.iter().map(|file| file.live).collect();
    for at in 0..rows.rows() {
        let Some(place) = rows.row_at(at)?.payload else { continue };
        let file = files.iter().position(|file| {
            let end = place.address.checked_add(place.record_bytes());
            place.address >= file.base && end.is_some_and(|end| end <= file.base + file.used)
        });
        let missing = || bad("a payload lies where nothing was written");
        let left = file.and_then(|at| left.get_mut(at)).ok_or_else(missing)?;
        let after = left.checked_sub(place.record_bytes());
        *left = after.ok_or_else(|| bad("more of a file is alive than the catalogue says"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
