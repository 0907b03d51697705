//! Checks payloads: those that ids have now, and those that the rows of an image refer to, whatever became of them since.
//!
//! Promises
//!  1. A payload that is not as it was written is told with the id that has it, and hides no other.
//!
//! Never: looks at what nothing refers to.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use base::{CollectionId, StoreId};
use disk::Disk;
use segments::{HeapOwner, HeapRecovery, HeapScrub, PayloadHeap, PayloadPlace};

use super::images::Found;
use super::{Problem, Report};
use crate::image::ImageRows;
use crate::inner::Inner;
use crate::named::Named;
use crate::rows::RowBase;
use crate::view::CollectionView;
use crate::{Id, Result};

/// Where payloads were looked at, in each collection. No address is given out twice.
#[derive(Default)]
pub(super) struct Checked(HashMap<CollectionId, HashSet<u64>>);

/// Checks the payloads that ids of these collections have.
pub(super) fn check_live(
    inner: &Arc<Inner>,
    collections: &[Arc<Named>],
    report: &mut Report<'_>,
) -> Result<Checked> {
    let mut checked = Checked::default();
    for named in collections {
        let Ok(state) = named.now() else { continue };
        let view = CollectionView::of_state(inner, &state);
        let of = checked.0.entry(state.id).or_default();
        let mut check = Check::begin(&state.heap, &named.about.name, of, report)?;
        let listed = view.rows.for_each(|seen| {
            let place = view.rows.has(&seen)?.and_then(|has| has.payload);
            check.look(place, || view.rows.id_of(&seen), report)
        });
        if let Err(error) = listed {
            report.note_error(error, &named.about.name)?;
        }
    }
    Ok(checked)
}

/// Checks the payloads that these images refer to, but for those that were checked.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    images: &[Found],
    mut checked: Checked,
    report: &mut Report<'_>,
) -> Result<()> {
    for found in images {
        for entry in &found.catalogue.entries {
            let owner = HeapOwner { store, collection: entry.id };
            let heap = HeapRecovery::to_look(Arc::clone(disk), owner, &entry.heap).finish();
            let of = checked.0.entry(entry.id).or_default();
            let mut check = Check::begin(&heap, &entry.name, of, report)?;
            // What cannot be read of an image was told.
            let Ok(rows) = ImageRows::open(&found.image, entry.id) else { continue };
            for at in 0..rows.rows() {
                let place = rows.row_at(at).ok().and_then(|has| has.payload);
                check.look(place, || Ok(rows.id_at(at).ok()), report)?;
            }
        }
    }
    Ok(())
}

/// A collection whose payloads are being checked.
struct Check<'c> {
    collection: &'c str,
    scrub: HeapScrub,
    checked: &'c mut HashSet<u64>,
}

impl<'c> Check<'c> {
    fn begin(
        heap: &PayloadHeap,
        collection: &'c str,
        checked: &'c mut HashSet<u64>,
        report: &mut Report<'_>,
    ) -> Result<Self> {
        if checked.is_empty() {
            report.is_to_read(heap.list().files().iter().map(|file| file.live).sum());
        }
        heap.damaged_headers().into_iter().for_each(|file| report.note(header_damaged(file)));
        for (_, error) in heap.broken() {
            report.note_error(error.into(), &format!("payloads of collection {collection:?}"))?;
        }
        Ok(Check { collection, scrub: heap.view().scrub(), checked })
    }

    /// Looks at the payload of a row, unless that was done.
    fn look(
        &mut self,
        place: Option<PayloadPlace>,
        id: impl FnOnce() -> Result<Option<Id>>,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let Some(place) = place.filter(|place| self.checked.insert(place.address)) else {
            return Ok(());
        };
        let is_sound = self.scrub.look(place);
        report.has_read(place.record_bytes());
        let error = match self.scrub.problems().last() {
            Some(error) if !is_sound => error.clone(),
            _ => return Ok(()),
        };
        use segments::Error as E;
        let is_of_one =
            matches!(error, E::BadPayload { .. } | E::Unreadable { .. } | E::NoPayload { .. });
        let affects = match if is_of_one { id()? } else { None } {
            Some(id) => {
                format!("the payload of {}, in collection {:?}", id.plain(), self.collection)
            }
            None => format!("payloads of collection {:?}", self.collection),
        };
        report.note_error(error.into(), &affects)
    }
}

/// A file says twice what it is, and once no more.
pub(super) fn header_damaged(file: PathBuf) -> Problem {
    Problem {
        file,
        offset: Some(0),
        what: "a part of the header is damaged, and the rest says what it said".to_owned(),
        affects: "nothing".to_owned(),
    }
}
