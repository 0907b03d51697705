//! Checks vectors: those that are alive now, and those that an image has, whatever became of them since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{CollectionId, Slot, StoreId};
use disk::Disk;
use segments::{Known, Pins, Recovery, SlotBase, VectorSet};

use super::Report;
use super::images::Found;
use super::payloads::header_damaged;
use crate::image::{Entry, ImageRows, ImageSlots};
use crate::inner::Inner;
use crate::named::Named;
use crate::recover::owner;
use crate::rows::RowBase;
use crate::view::CollectionView;
use crate::{Id, Result};

/// How many slots are looked at between two reports.
const AT_A_TIME: u32 = 4_096;
/// How many ids of a damaged vector are named.
const NAMED: usize = 8;

/// Checks the vectors that are alive in these collections.
pub(super) fn check_live(
    inner: &Arc<Inner>,
    collections: &[Arc<Named>],
    report: &mut Report<'_>,
) -> Result<()> {
    for named in collections {
        let Ok(state) = named.now() else { continue };
        let name = &named.about.name;
        let damaged = scrub(&state.set, state.set.counts().alive, report)?;
        if damaged.is_empty() {
            continue;
        }
        let rows = CollectionView::of_state(inner, &state).rows;
        let mut ids = Ids::of(&damaged);
        let listed = rows.for_each(|seen| ids.note(seen.slot, || rows.id_of(&seen)));
        if let Err(error) = listed {
            report.note_error(error, name)?;
        }
        tell(name, damaged, &ids, report)?;
    }
    Ok(())
}

/// Checks the vectors that are alive in these images, but for those that were checked.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    images: &[Found],
    is_checked: &dyn Fn(CollectionId, Slot) -> bool,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut collections: BTreeMap<CollectionId, Vec<(&Found, &Entry)>> = BTreeMap::new();
    for found in images {
        for entry in &found.catalogue.entries {
            collections.entry(entry.id).or_default().push((found, entry));
        }
    }
    for (id, versions) in collections {
        // The newest is the first; its files are those of the one before, and more.
        let Some((newest, entry)) = versions.first() else { continue };
        let open = |(found, entry): &(&Found, &Entry)| {
            // What cannot be opened of an image was told.
            ImageSlots::open(&found.image, id, (entry.alive, entry.references)).ok()
        };
        let either = Either::new(versions.iter().filter_map(open), |slot| is_checked(id, slot));
        let left = either.left();
        let set = match open_set(disk, store, entry, either) {
            Ok(set) => set,
            Err(error) => {
                report.note_error(error, &format!("the vectors of collection {:?}", entry.name))?;
                continue;
            }
        };
        let damaged = scrub(&set, left, report)?;
        let mut ids = Ids::of(&damaged);
        if let (false, Ok(rows)) = (damaged.is_empty(), ImageRows::open(&newest.image, id)) {
            for at in 0..rows.rows() {
                let Ok(row) = rows.row_at(at) else { continue };
                ids.note(row.slot, || Ok(rows.id_at(at).ok()))?;
            }
        }
        tell(&entry.name, damaged, &ids, report)?;
    }
    Ok(())
}

/// The vectors of a collection as images have them. Nothing is written to them.
fn open_set(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    entry: &Entry,
    either: Either,
) -> Result<VectorSet> {
    let owner = owner(store, entry.id, &entry.config)?;
    let (base, dedup) = (Arc::new(either), entry.config.rule()?);
    let set = Recovery::to_look(Arc::clone(disk), owner, &entry.files, dedup, base)?;
    Ok(set.finish(Pins::new(None)))
}

/// Reads vectors, of which so many are to be read, and says what is wrong with which.
fn scrub(set: &VectorSet, left: u64, report: &mut Report<'_>) -> Result<Vec<segments::Error>> {
    let stride = set.owner().geometry.stride() as u64;
    report.is_to_read(left.saturating_mul(stride));
    let mut scrub = set.scrub();
    let mut checked = 0;
    loop {
        let more = scrub.step(set, AT_A_TIME);
        report.has_read((scrub.checked() - checked).saturating_mul(stride));
        checked = scrub.checked();
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                report.note_error(error.into(), "vectors that are not looked at for it")?;
                break;
            }
        }
    }
    set.damaged_headers().into_iter().for_each(|file| report.note(header_damaged(file)));
    let broken = set.broken().into_iter().map(|(_, error)| error);
    Ok(scrub.problems().iter().cloned().chain(broken).chain(set.problems()).collect())
}

/// Notes what is wrong with vectors, and whose they are.
fn tell(
    collection: &str,
    damaged: Vec<segments::Error>,
    ids: &Ids,
    report: &mut Report<'_>,
) -> Result<()> {
    for error in damaged {
        let affects = match slot_of(&error) {
            Some(slot) => ids.named(slot, collection),
            None => format!("vectors of collection {collection:?}"),
        };
        report.note_error(error.into(), &affects)?;
    }
    Ok(())
}

fn slot_of(error: &segments::Error) -> Option<Slot> {
    match error {
        segments::Error::Rotten { slot, .. } => Some(*slot),
        _ => None,
    }
}

/// Which ids have a damaged vector: the first of them, and how many there are.
struct Ids {
    by_slot: HashMap<Slot, (Vec<Id>, usize)>,
}

impl Ids {
    fn of(damaged: &[segments::Error]) -> Self {
        let slots = damaged.iter().filter_map(slot_of);
        Ids { by_slot: slots.map(|slot| (slot, (Vec::new(), 0))).collect() }
    }

    fn note(&mut self, slot: Slot, id: impl FnOnce() -> Result<Option<Id>>) -> Result<()> {
        if let Some((named, count)) = self.by_slot.get_mut(&slot) {
            *count += 1;
            if named.len() < NAMED {
                named.extend(id()?);
            }
        }
        Ok(())
    }

    fn named(&self, slot: Slot, collection: &str) -> String {
        let none =
            format!("no id of collection {collection:?} now; only the state to fall back on");
        let Some((named, count)) = self.by_slot.get(&slot) else { return none };
        if *count == 0 {
            return none;
        }
        let named: Vec<String> = named.iter().map(|id| id.plain().into_owned()).collect();
        let more = match count - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("the vector of {}{more}, in collection {collection:?}", named.join(", "))
    }
}

/// The slots that are alive in one image or another: a slot that is in both holds the same vector, since it is not
/// written over while either is kept.
#[derive(Debug)]
struct Either {
    bases: Vec<ImageSlots>,
    /// Which slots are looked at.
    is_wanted: Vec<bool>,
}

impl Either {
    fn new(bases: impl Iterator<Item = ImageSlots>, is_checked: impl Fn(Slot) -> bool) -> Self {
        let bases: Vec<_> = bases.collect();
        let slots = bases.iter().map(SlotBase::slots).max().unwrap_or(0);
        let slots = (0..slots).filter_map(|slot| u32::try_from(slot).ok());
        Either { is_wanted: slots.map(|slot| !is_checked(Slot(slot))).collect(), bases }
    }

    /// How many are left to be looked at, at most.
    fn left(&self) -> u64 {
        self.is_wanted.iter().filter(|is_wanted| **is_wanted).count() as u64
    }
}

impl SlotBase for Either {
    fn slots(&self) -> u64 {
        self.is_wanted.len() as u64
    }

    fn alive(&self) -> u64 {
        self.slots()
    }

    fn references(&self) -> u64 {
        self.slots()
    }

    fn known(&self, slot: Slot) -> segments::Result<Option<Known>> {
        if self.is_wanted.get(slot.0 as usize) != Some(&true) {
            return Ok(None);
        }
        let of = |base: &ImageSlots| {
            let is_there = u64::from(slot.0) < base.slots();
            // Where the table is damaged, that was told.
            is_there.then(|| base.known(slot).ok().flatten()).flatten().filter(Known::is_alive)
        };
        Ok(self.bases.iter().find_map(of))
    }

    fn find(
        &self,
        _: u64,
        _: &mut dyn FnMut(Slot) -> segments::Result<bool>,
    ) -> segments::Result<Option<Slot>> {
        Ok(None)
    }

    fn keys(&self) -> u64 {
        0
    }

    fn key_at(&self, at: u64) -> segments::Result<(u64, Slot)> {
        Err(nothing_behind(at))
    }

    fn free(&self) -> u64 {
        0
    }

    fn free_at(&self, at: u64) -> segments::Result<Slot> {
        Err(nothing_behind(at))
    }

    fn resting(&self) -> u64 {
        0
    }

    fn resting_at(&self, at: u64) -> segments::Result<Slot> {
        Err(nothing_behind(at))
    }
}

/// The answer behind the end of an empty list, where nobody asks.
fn nothing_behind(at: u64) -> segments::Error {
    let slot = Slot(u32::try_from(at).unwrap_or(u32::MAX));
    segments::Error::Inconsistent { slot, what: "asked for where there is nothing" }
}
