//! Writes the image of a checkpoint: each collection as it was when it was cut, from front to back.
//!
//! Never: holds up who reads or decides meanwhile; keeps more in memory than ids and places.

use base::{CollectionId, Sequence, Slot};
use segments::Cut;
use snapshot::{ImageRef, ImageWriter};

use super::format::{IdPlace, encode_key, encode_row, encode_slot};
use super::{CATALOGUE, Catalogue, name};
use crate::rows::{BaseRow, RowsView};
use crate::{Error, Id, Result};

/// A collection as it was when it was cut.
pub(crate) struct Collection<'c> {
    pub(crate) id: CollectionId,
    pub(crate) rows: &'c RowsView,
    pub(crate) slots: &'c Cut,
}

/// Writes an image of these collections.
pub(crate) fn write(
    mut into: ImageWriter,
    catalogue: &Catalogue,
    collections: &[Collection<'_>],
) -> Result<ImageRef> {
    into.section(CATALOGUE)?;
    into.write(&catalogue.encode())?;
    for collection in collections {
        write_rows(&mut into, collection)?;
        write_slots(&mut into, collection)?;
    }
    Ok(into.finish()?)
}

fn write_rows(into: &mut ImageWriter, collection: &Collection<'_>) -> Result<()> {
    let Collection { id: collection, rows, .. } = collection;
    let section = |what| name(*collection, what);
    let (mut ids, mut offset) = (Vec::new(), 0);
    into.section(&section("rows"))?;
    rows.for_each(|seen| {
        let (Some(id), Some(born)) = (rows.id_of(&seen)?, rows.born_at(&seen)?) else {
            return Err(Error::BadImage { section: section("rows"), what: "a row has no id" });
        };
        let place = match &id {
            Id::Number(number) => IdPlace::Number(*number),
            Id::Uuid(_) => IdPlace::Uuid { offset },
            Id::Text(text) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                IdPlace::Text { offset, length }
            }
        };
        offset += text_of(&id).len() as u64;
        let row = BaseRow { row: seen.row, slot: seen.slot, born };
        ids.push(id);
        Ok(into.write(&encode_row(&row, place))?)
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
    Ok(())
}

/// What stands of an id outside its row.
fn text_of(id: &Id) -> &[u8] {
    match id {
        Id::Number(_) => &[],
        Id::Uuid(bytes) => bytes,
        Id::Text(text) => text.as_bytes(),
    }
}

fn write_slots(into: &mut ImageWriter, collection: &Collection<'_>) -> Result<()> {
    let Collection { id: collection, slots, .. } = collection;
    let section = |what| name(*collection, what);
    let (mut free, mut resting): (Vec<Slot>, Vec<(Option<Sequence>, Slot)>) =
        (Vec::new(), Vec::new());
    into.section(&section("slots"))?;
    for slot in (0..slots.len()).filter_map(|slot| u32::try_from(slot).ok()).map(Slot) {
        let known = slots.known(slot)?;
        into.write(&encode_slot(known.as_ref()))?;
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
