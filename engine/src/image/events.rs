//! What became of slots, as an image has it for indexes that have yet to hear of it.

use base::CollectionId;
use snapshot::Image;

use super::Table;
use crate::Result;
use crate::index::{ENTRY_BYTES, Event, decode_event};

/// Reads all of it by position: as much as an index is behind.
pub(crate) fn read_events(image: &Image, collection: CollectionId) -> Result<Vec<Event>> {
    let table = Table::open(image, collection, "events", ENTRY_BYTES as u64)?;
    let mut bytes = vec![0; usize::try_from(table.section.length()).unwrap_or(usize::MAX)];
    table.section.read_at(0, &mut bytes)?;
    let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
    let events: Option<Vec<Event>> = entries.iter().map(decode_event).collect();
    let events = events.ok_or_else(|| table.bad("an event has an impossible value"))?;
    match events.is_sorted_by_key(|event| event.at) {
        true => Ok(events),
        false => Err(table.bad("events are not in order")),
    }
}
