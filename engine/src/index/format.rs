//! Lays out what stands beside an index in its image, and what an image of the store says of slots that an index has yet to
//! hear of. FORMAT.md section 10 is the authority; this is where it becomes code.
//!
//! Never: reads or writes files.

use base::codec::{Decoder, Encoder};
use base::{CollectionId, Sequence, Slot, Timeline};

use super::events::{Event, What};
use crate::IndexConfig;
use crate::format::{Invalid, decode_kind, encode_kind};

/// Length of an event, and of a slot with a batch.
pub(crate) const ENTRY_BYTES: usize = 16;

const VERSION: u32 = 0;

const BORN: u32 = 1;
const ENDED: u32 = 2;

/// What an image of an index says of itself.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct About {
    pub(crate) collection: CollectionId,
    /// The batch up to which it was seen to what ended.
    pub(crate) horizon: Option<Sequence>,
    /// The last batch of which the index may have anything.
    pub(crate) knows: Option<Sequence>,
    /// The branch of history that this one is of.
    pub(crate) timeline: Timeline,
    pub(crate) config: IndexConfig,
}

pub(crate) fn encode_about(about: &About) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut into = Encoder::new(&mut bytes);
    into.u32(VERSION).u32(about.collection.0);
    let number = |at: Option<Sequence>| at.map_or(0, Sequence::get);
    into.u64(number(about.horizon)).u64(number(about.knows)).u64(about.timeline.get());
    encode_kind(about.config, &mut into);
    bytes
}

pub(crate) fn decode_about(bytes: &[u8]) -> Result<About, Invalid> {
    let mut from = Decoder::new(bytes);
    if from.u32("version")? != VERSION {
        return Err(Invalid::Value("version"));
    }
    let collection = CollectionId(from.u32("collection")?);
    let horizon = Sequence::new(from.u64("horizon")?);
    let knows = Sequence::new(from.u64("knows")?);
    if knows < horizon {
        return Err(Invalid::Value("it knows of less than it was seen to"));
    }
    let timeline = Timeline::new(from.u64("timeline")?).ok_or(Invalid::Value("timeline"))?;
    let config = decode_kind(&mut from)?;
    match from.rest() {
        [] => Ok(About { collection, horizon, knows, timeline, config }),
        _ => Err(Invalid::Value("bytes are left over")),
    }
}

pub(crate) fn encode_event(event: &Event) -> [u8; ENTRY_BYTES] {
    let what = match event.what {
        What::Born => BORN,
        What::Ended => ENDED,
    };
    entry(event.at, event.slot, what)
}

/// An event; `None` if it has values that nothing writes.
pub(crate) fn decode_event(bytes: &[u8; ENTRY_BYTES]) -> Option<Event> {
    let (at, slot, what) = parts(bytes)?;
    let what = match what {
        BORN => What::Born,
        ENDED => What::Ended,
        _ => return None,
    };
    Some(Event { at, slot, what })
}

/// A slot, and the batch that bore or ended it.
pub(crate) fn encode_slot_at((slot, at): (Slot, Sequence)) -> [u8; ENTRY_BYTES] {
    entry(at, slot, 0)
}

pub(crate) fn decode_slot_at(bytes: &[u8; ENTRY_BYTES]) -> Option<(Slot, Sequence)> {
    let (at, slot, reserved) = parts(bytes)?;
    (reserved == 0).then_some((slot, at))
}

fn entry(at: Sequence, slot: Slot, last: u32) -> [u8; ENTRY_BYTES] {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES);
    Encoder::new(&mut bytes).u64(at.get()).u32(slot.0).u32(last);
    bytes.first_chunk().copied().unwrap_or_default()
}

fn parts(bytes: &[u8; ENTRY_BYTES]) -> Option<(Sequence, Slot, u32)> {
    let mut from = Decoder::new(bytes);
    let at = Sequence::new(from.u64("at").ok()?)?;
    Some((at, Slot(from.u32("slot").ok()?), from.u32("last").ok()?))
}

#[cfg(test)]
mod tests {
    use indexes::HnswConfig;

    use super::*;

    #[test]
    fn the_example_of_the_format_document_holds() {
        let document = include_str!("../../../FORMAT.md");
        let section = document.split("## 10 Images of indexes in a store").nth(1).unwrap();
        let section = section.split("## Layout hashes").next().unwrap();
        let lines = section.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" | "));
        let bytes_of = |line: &str| -> Vec<u8> {
            let words = line.split_whitespace().skip(1);
            words.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
        };
        let bytes: Vec<u8> = lines.flat_map(|(line, _)| bytes_of(line)).collect();
        let timeline = Timeline::new(0xabcd).unwrap();
        let (horizon, knows) = (Sequence::new(17), Sequence::new(18));
        let (collection, config) = (CollectionId(7), IndexConfig::Flat);
        let about = About { collection, horizon, knows, timeline, config };
        let slot = (Slot(9), Sequence::new(5).unwrap());
        assert_eq!(bytes, [&encode_about(&about)[..], &encode_slot_at(slot)].concat());
    }

    #[test]
    fn what_is_written_is_read_again_and_what_nothing_writes_is_not() {
        let hnsw = IndexConfig::from(HnswConfig::default().m(24).seed(7));
        for (config, horizon) in [(IndexConfig::Flat, None), (hnsw, Sequence::new(17))] {
            let timeline = Timeline::new(0xabcd).unwrap();
            let (collection, knows) = (CollectionId(7), Sequence::new(17));
            let about = About { collection, horizon, knows, timeline, config };
            let bytes = encode_about(&about);
            assert_eq!(decode_about(&bytes), Ok(about.clone()));
            let horizon = Sequence::new(18);
            assert!(decode_about(&encode_about(&About { horizon, ..about })).is_err());
            (0..bytes.len()).for_each(|end| assert!(decode_about(&bytes[..end]).is_err()));
            assert!(decode_about(&[&bytes[..], &[0]].concat()).is_err());
        }
        let (at, slot) = (Sequence::new(5).unwrap(), Slot(9));
        for what in [What::Born, What::Ended] {
            let event = Event { at, slot, what };
            assert_eq!(decode_event(&encode_event(&event)), Some(event));
            assert_eq!(decode_slot_at(&encode_event(&event)), None);
        }
        let entry = encode_slot_at((slot, at));
        assert_eq!(decode_slot_at(&entry), Some((slot, at)));
        assert_eq!(decode_event(&entry), None);
        assert_eq!(decode_slot_at(&[0; ENTRY_BYTES]), None);
    }
}
