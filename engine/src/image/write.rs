//! Writes the image of a checkpoint: each collection as it was when it was cut, from front to back.
//!
//! Never: holds up who reads or decides meanwhile; keeps more in memory than ids and places.

use base::{CollectionId, Sequence, Slot};
use segments::{Cut, PayloadPlace};
use snapshot::{ImageRef, ImageWriter};

use super::format::{IdPlace, Link, Stored, encode_key, encode_row, encode_slot};
use super::{CATALOGUE, Catalogue, name};
use crate::index::{EventsCut, encode_event};
use crate::rows::{Current, RowsView};
use crate::{Error, Id, Result};

/// A collection as it was when it was cut.
pub(crate) struct Collection<'c> {
    pub(crate) id: CollectionId,
    pub(crate) rows: &'c RowsView,
    pub(crate) slots: &'c Cut,
    /// What its index may have yet to hear of.
    pub(crate) events: &'c EventsCut,
}

/// Writes one more collection. `place` says where a payload is from then on.
pub(crate) fn write_collection(
    into: &mut ImageWriter,
    collection: &Collection<'_>,
    place: impl FnMut(PayloadPlace) -> Result<PayloadPlace>,
) -> Result<()> {
    let last = write_rows(into, collection, place)?;
    write_slots(into, collection, &last)?;
    into.section(&name(collection.id, "events"))?;
    for event in collection.events.iter() {
        into.write(&encode_event(event))?;
    }
    Ok(())
}

/// Ends an image: what it says of its collections is known only now.
pub(crate) fn finish(mut into: ImageWriter, catalogue: &Catalogue) -> Result<ImageRef> {
    into.section(CATALOGUE)?;
    into.write(&catalogue.encode())?;
    Ok(into.finish()?)
}

/// The last row of each slot, which only who has written all rows knows.
type LastRows = Vec<Option<Link>>;

fn write_rows(
    into: &mut ImageWriter,
    collection: &Collection<'_>,
    mut place: impl FnMut(PayloadPlace) -> Result<PayloadPlace>,
) -> Result<LastRows> {
    let Collection { id: collection, rows, slots, .. } = collection;
    let section = |what| name(*collection, what);
    let bad = |what| Error::BadImage { section: section("rows"), what };
    let (mut ids, mut offset) = (Vec::new(), 0);
    let mut last = vec![None; usize::try_from(slots.len()).unwrap_or(0)];
    into.section(&section("rows"))?;
    rows.for_each(|seen| {
        let (Some(id), Some(has)) = (rows.id_of(&seen)?, rows.has(&seen)?) else {
            return Err(bad("a row has no id"));
        };
        let id_place = match &id {
            Id::Number(number) => IdPlace::Number(*number),
            Id::Uuid(_) => IdPlace::Uuid { offset },
            Id::Text(text) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                IdPlace::Text { offset, length }
            }
        };
        offset += text_of(&id).len() as u64;
        let payload = has.payload.map(&mut place).transpose()?;
        let link = Link::to(ids.len() as u64).ok_or_else(|| bad("there are too many rows"))?;
        ids.push(id);
        // A row of a slot that there is not is for a check to find.
        let before = last.get_mut(has.slot.0 as usize).and_then(|last| last.replace(link));
        let has = Current { payload, ..has };
        Ok(into.write(&encode_row(&Stored { has, id: id_place, before }))?)
    })?;
    into.section(&section("order"))?;
    let mut order: Vec<(&Id, u32)> = ids.iter().zip(0..).collect();
    order.sort_unstable();
    for (_, at) in order {
        into.write(&at.to_le_bytes())?;
    }
    into.section(&section("text"))?;
    for id in &ids {
        into.write(text_of(id))?;
    }
    Ok(last)
}

/// What stands of an id outside its row.
fn text_of(id: &Id) -> &[u8] {
    match id {
        Id::Number(_) => &[],
        Id::Uuid(bytes) => bytes,
        Id::Text(text) => text.as_bytes(),
    }
}

fn write_slots(
    into: &mut ImageWriter,
    collection: &Collection<'_>,
    last: &[Option<Link>],
) -> Result<()> {
    let Collection { id: collection, slots, .. } = collection;
    let section = |what| name(*collection, what);
    let (mut free, mut resting): (Vec<Slot>, Vec<(Option<Sequence>, Slot)>) =
        (Vec::new(), Vec::new());
    into.section(&section("slots"))?;
    for slot in (0..slots.len()).filter_map(|slot| u32::try_from(slot).ok()).map(Slot) {
        let known = slots.known(slot)?;
        let last = last.get(slot.0 as usize).copied().flatten();
        into.write(&encode_slot(known.as_ref(), last))?;
        match known {
            None => free.push(slot),
            Some(known) if !known.is_alive() => resting.push((known.life.end(), slot)),
            Some(_) => {}
        }
    }
    into.section(&section("keys"))?;
    for key in slots.keys() {
        let (key, slot) = key?;
        into.write(&encode_key(key, slot))?;
    }
    resting.sort_unstable();
    for (what, list) in [("free", free), ("resting", resting.into_iter().map(|it| it.1).collect())]
    {
        into.section(&section(what))?;
        for slot in list {
            into.write(&slot.0.to_le_bytes())?;
        }
    }
    Ok(())
}
