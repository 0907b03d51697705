//! Lays out what the log holds of a batch: the operations, prepared outside any lock, and what was decided of each.
//! FORMAT.md section 7 is the authority; this is where it becomes code.
//!
//! Promises
//!  1. Whatever the bytes, decoding answers with operations and outcomes or with what is wrong; it never panics,
//!     and reserves no more than there are bytes.
//!  2. There is one outcome for each operation, of its kind.
//!
//! Never: reads or writes files; knows what was decided before.

mod config;

use std::sync::Arc;

use base::codec::{Decoder, Encoder, Malformed};
use base::{CollectionId, FileId, Row, Slot};
use segments::PayloadPlace;

use crate::notes::Note;
use crate::{CollectionConfig, Id, IndexConfig, PAYLOAD_BYTES_MAX};

pub(crate) use config::{decode_config, decode_kind, encode_config, encode_kind};

/// The format that this code writes, and the newest that it reads.
const VERSION: u16 = 0;

/// What does not belong to any collection.
const NO_COLLECTION: CollectionId = CollectionId(0);

/// Length of an outcome.
const OUTCOME_BYTES: usize = 48;
/// What texts, vectors and payloads begin at multiples of.
const ALIGNMENT: usize = 4;

const UPSERT: u8 = 1;
const REMOVE: u8 = 2;
const CREATE_COLLECTION: u8 = 3;
const DROP_COLLECTION: u8 = 4;
const SEGMENT: u8 = 5;
const CUT: u8 = 6;
const NOTE: u8 = 7;
const CLEAR: u8 = 8;
const UPDATE: u8 = 9;
const PAYLOADS: u8 = 10;
const INDEX: u8 = 11;

/// In the flags of an operation: a payload follows.
const WITH_PAYLOAD: u16 = 1;

/// Something that a batch does.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Op {
    /// Gives an id a vector and a payload, or none, whatever it had before.
    Upsert { collection: CollectionId, id: Id, vector: Arc<[f32]>, payload: Option<Arc<[u8]>> },
    /// Gives an id another payload, or takes it away. Its vector stays.
    Update { collection: CollectionId, id: Id, payload: Option<Arc<[u8]>> },
    /// Takes an id away.
    Remove { collection: CollectionId, id: Id },
    /// Makes a collection.
    CreateCollection { collection: CollectionId, name: String, config: CollectionConfig },
    /// Ends a collection.
    DropCollection { collection: CollectionId },
    /// Ends what a collection has, and puts an empty one of this number in its place.
    Clear { collection: CollectionId, next: CollectionId },
    /// Says that a collection has one more segment.
    Segment { collection: CollectionId, file: FileId },
    /// Says that a collection has one more file of payloads, for these addresses.
    Payloads { collection: CollectionId, file: FileId, base: u64, capacity: u64 },
    /// Says by which index a collection is to be searched.
    Index { collection: CollectionId, index: IndexConfig },
    /// Marks the place up to which a checkpoint reaches.
    Cut,
    /// Sets a note, or takes it away.
    Note(Note),
}

/// What was decided of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The id has a new row, and the one it had is ended.
    Upserted {
        row: Row,
        placed: segments::Placed,
        payload: Option<PayloadPlace>,
        ended: Option<EndedRow>,
    },
    /// The id has a new row of the same vector in the place of the one that it had.
    Updated { row: Row, payload: Option<PayloadPlace>, ended: EndedRow },
    /// The row that the id had is ended; it had none otherwise.
    Removed { ended: Option<EndedRow> },
    /// There was nothing to decide.
    Done(u8),
}

/// A row that is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EndedRow {
    pub(crate) row: Row,
    /// Its vector's slot, and whether nothing refers to that any more.
    pub(crate) slot: Slot,
    pub(crate) slot_ended: segments::Ended,
    pub(crate) payload: Option<PayloadPlace>,
}

/// Why bytes are not the batch they were taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Invalid {
    /// A field cannot be read.
    Malformed(Malformed),
    /// A field has a value that nothing writes.
    Value(&'static str),
    /// They were written by a newer arrwDB.
    Newer {
        /// The version that was found.
        found: u16,
    },
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Invalid::Malformed(malformed) => write!(f, "{malformed}"),
            Invalid::Value(field) => write!(f, "{field} has an impossible value"),
            Invalid::Newer { found } => {
                write!(f, "written in format {found} by a newer arrwDB; this one knows {VERSION}")
            }
        }
    }
}

impl std::error::Error for Invalid {}

impl From<Malformed> for Invalid {
    fn from(malformed: Malformed) -> Self {
        Invalid::Malformed(malformed)
    }
}

impl Op {
    /// The number that its kind has on disk.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Op::Upsert { .. } => UPSERT,
            Op::Update { .. } => UPDATE,
            Op::Remove { .. } => REMOVE,
            Op::CreateCollection { .. } => CREATE_COLLECTION,
            Op::DropCollection { .. } => DROP_COLLECTION,
            Op::Clear { .. } => CLEAR,
            Op::Segment { .. } => SEGMENT,
            Op::Payloads { .. } => PAYLOADS,
            Op::Index { .. } => INDEX,
            Op::Cut => CUT,
            Op::Note(_) => NOTE,
        }
    }

    /// The payload that it gives an id.
    pub(crate) fn payload(&self) -> Option<&Arc<[u8]>> {
        match self {
            Op::Upsert { payload, .. } | Op::Update { payload, .. } => payload.as_ref(),
            _ => None,
        }
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        let (collection, id, length) = match self {
            Op::Upsert { collection, id, vector, .. } => (collection, Some(id), vector.len() * 4),
            Op::Remove { collection, id } | Op::Update { collection, id, .. } => {
                (collection, Some(id), 0)
            }
            Op::CreateCollection { collection, name, .. } => (collection, None, name.len()),
            Op::DropCollection { collection }
            | Op::Clear { collection, .. }
            | Op::Segment { collection, .. }
            | Op::Payloads { collection, .. }
            | Op::Index { collection, .. } => (collection, None, 0),
            Op::Cut => (&NO_COLLECTION, None, 0),
            Op::Note(note) => (&NO_COLLECTION, None, note.value.len()),
        };
        let id_kind = match id {
            None => 0,
            Some(Id::Number(_)) => 1,
            Some(Id::Text(_)) => 2,
            Some(Id::Uuid(_)) => 3,
        };
        let flags = self.payload().map_or(0, |_| WITH_PAYLOAD);
        let mut into = Encoder::new(bytes);
        into.u8(self.kind()).u8(id_kind).u16(flags).u32(collection.0).u32(short(length));
        match id {
            Some(Id::Number(number)) => drop(into.u64(*number)),
            Some(Id::Uuid(bytes)) => drop(into.bytes(bytes)),
            Some(Id::Text(text)) => {
                into.u32(short(text.len())).bytes(text.as_bytes()).align(ALIGNMENT);
            }
            None => {}
        }
        match self {
            Op::Upsert { vector, .. } => {
                for number in vector.iter() {
                    into.f32(*number);
                }
            }
            Op::CreateCollection { name, config, .. } => {
                into.bytes(name.as_bytes()).align(ALIGNMENT);
                encode_config(config, &mut into);
            }
            Op::Clear { next, .. } => drop(into.u32(next.0)),
            Op::Segment { file, .. } => drop(into.u64(file.0)),
            Op::Payloads { file, base, capacity, .. } => {
                into.u64(file.0).u64(*base).u64(*capacity);
            }
            Op::Index { index, .. } => encode_kind(*index, &mut into),
            Op::Note(Note { name, value }) => {
                into.u32(short(name.len())).bytes(name.as_bytes()).align(ALIGNMENT);
                into.bytes(value).align(ALIGNMENT);
            }
            Op::Remove { .. } | Op::Update { .. } | Op::DropCollection { .. } | Op::Cut => {}
        }
        if let Some(payload) = self.payload() {
            into.u32(short(payload.len())).bytes(payload).align(ALIGNMENT);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Op, Invalid> {
        let kind = from.u8("kind")?;
        let id_kind = from.u8("id kind")?;
        let flags = from.u16("flags")?;
        let may_have_payload = matches!(kind, UPSERT | UPDATE);
        if !(flags == 0 || flags == WITH_PAYLOAD && may_have_payload) {
            return Err(Invalid::Value("flags"));
        }
        let collection = CollectionId(from.u32("collection")?);
        let length = from.u32("length")? as usize;
        let id = decode_id(from, id_kind)?;
        let op = match (kind, id) {
            (UPSERT, Some(id)) => {
                let vector = floats(from.bytes(length, "vector")?)?;
                Op::Upsert { collection, id, vector, payload: decode_payload(from, flags)? }
            }
            (UPDATE, Some(id)) if length == 0 => {
                Op::Update { collection, id, payload: decode_payload(from, flags)? }
            }
            (REMOVE, Some(id)) if length == 0 => Op::Remove { collection, id },
            (CREATE_COLLECTION, None) => {
                let name = text(from, length, "name")?;
                Op::CreateCollection { collection, name, config: decode_config(from)? }
            }
            (DROP_COLLECTION, None) if length == 0 => Op::DropCollection { collection },
            (CLEAR, None) if length == 0 => {
                Op::Clear { collection, next: CollectionId(from.u32("next")?) }
            }
            (SEGMENT, None) if length == 0 => {
                Op::Segment { collection, file: FileId(from.u64("file")?) }
            }
            (PAYLOADS, None) if length == 0 => {
                let (file, base) = (FileId(from.u64("file")?), from.u64("base")?);
                Op::Payloads { collection, file, base, capacity: from.u64("capacity")? }
            }
            (INDEX, None) if length == 0 => Op::Index { collection, index: decode_kind(from)? },
            (CUT, None) if length == 0 && collection == NO_COLLECTION => Op::Cut,
            (NOTE, None) if collection == NO_COLLECTION => Op::Note(decode_note(from, length)?),
            _ => return Err(Invalid::Value("kind")),
        };
        Ok(op)
    }
}

/// A length that was checked to be less, or one that nothing has.
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Whether the bytes are a payload is found out where it is read.
fn decode_payload(from: &mut Decoder<'_>, flags: u16) -> Result<Option<Arc<[u8]>>, Invalid> {
    if flags != WITH_PAYLOAD {
        return Ok(None);
    }
    let length = from.u32("payload length")? as usize;
    if length == 0 || length > PAYLOAD_BYTES_MAX {
        return Err(Invalid::Value("payload length"));
    }
    Ok(Some(padded(from, length, "payload")?.into()))
}

fn decode_note(from: &mut Decoder<'_>, length: usize) -> Result<Note, Invalid> {
    let name_length = from.u32("name length")? as usize;
    let name = text(from, name_length, "name")?;
    let note = Note { name: name.into(), value: padded(from, length, "note")?.into() };
    note.check().map_err(|_| Invalid::Value("note"))?;
    Ok(note)
}

fn decode_id(from: &mut Decoder<'_>, kind: u8) -> Result<Option<Id>, Invalid> {
    let id = match kind {
        0 => return Ok(None),
        1 => Id::Number(from.u64("id")?),
        2 => {
            let length = from.u32("id length")? as usize;
            Id::Text(text(from, length, "id")?.into())
        }
        3 => Id::Uuid(from.array("id")?),
        _ => return Err(Invalid::Value("id kind")),
    };
    id.check().map_err(|_| Invalid::Value("id"))?;
    Ok(Some(id))
}

fn text(from: &mut Decoder<'_>, length: usize, field: &'static str) -> Result<String, Invalid> {
    let text = std::str::from_utf8(padded(from, length, field)?);
    Ok(text.map_err(|_| Invalid::Value(field))?.to_owned())
}

/// Bytes that zeros follow, up to a multiple of the alignment.
fn padded<'b>(
    from: &mut Decoder<'b>,
    length: usize,
    field: &'static str,
) -> Result<&'b [u8], Invalid> {
    let bytes = from.bytes(length, field)?;
    let padding = from.bytes(length.next_multiple_of(ALIGNMENT) - length, field)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Invalid::Value(field));
    }
    Ok(bytes)
}

fn floats(bytes: &[u8]) -> Result<Arc<[f32]>, Invalid> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Invalid::Value("length"));
    }
    Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// The body of a record: what a batch does.
pub(crate) fn encode_ops(ops: &[Op]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = u32::try_from(ops.len()).unwrap_or(u32::MAX);
    Encoder::new(&mut bytes).u16(VERSION).u16(0).u32(count);
    ops.iter().for_each(|op| op.encode(&mut bytes));
    bytes
}

/// The operations in the body of a record.
pub(crate) fn decode_ops(bytes: &[u8]) -> Result<Vec<Op>, Invalid> {
    let mut from = Decoder::new(bytes);
    let version = from.u16("version")?;
    if version > VERSION {
        return Err(Invalid::Newer { found: version });
    }
    if from.u16("reserved")? != 0 {
        return Err(Invalid::Value("reserved"));
    }
    let count = from.u32("count")?;
    // Not reserved ahead: the count may be anything.
    let mut ops = Vec::new();
    for _ in 0..count {
        ops.push(Op::decode(&mut from)?);
    }
    if !from.rest().is_empty() {
        return Err(Invalid::Value("count"));
    }
    Ok(ops)
}

/// How long the table of so many operations is.
pub(crate) fn table_bytes(ops: usize) -> usize {
    ops * OUTCOME_BYTES
}

/// The table of a record: what was decided.
pub(crate) fn encode_outcomes(outcomes: &[Outcome], bytes: &mut Vec<u8>) {
    for outcome in outcomes {
        let (kind, row, placed, payload, ended) = match outcome {
            Outcome::Upserted { row, placed, payload, ended } => {
                (UPSERT, row.0, Some(*placed), *payload, *ended)
            }
            Outcome::Updated { row, payload, ended } => {
                let placed = segments::Placed::Shared(ended.slot);
                (UPDATE, row.0, Some(placed), *payload, Some(*ended))
            }
            Outcome::Removed { ended } => (REMOVE, 0, None, None, *ended),
            Outcome::Done(kind) => (*kind, 0, None, None, None),
        };
        let (placed, slot) = match placed {
            None => (0, Slot(0)),
            Some(segments::Placed::Own(slot)) => (1, slot),
            Some(segments::Placed::Shared(slot)) => (2, slot),
        };
        let slot_ended = u8::from(ended.is_some_and(|it| it.slot_ended == segments::Ended::Yes));
        let (ended_row, ended_slot) = ended.map_or((0, 0), |it| (it.row.0, it.slot.0));
        let ended_payload = ended.and_then(|it| it.payload);
        let (ended_length, ended_address) =
            ended_payload.map_or((0, 0), |it| (it.length, it.address));
        let mut into = Encoder::new(bytes);
        into.u8(kind).u8(placed).u8(slot_ended).u8(0).u32(slot.0);
        into.u64(row).u64(ended_row).u32(ended_slot).u32(ended_length);
        into.u64(payload.map_or(0, |it| it.address)).u64(ended_address);
    }
}

/// The outcomes in the table of a record, one for each of these operations.
pub(crate) fn decode_outcomes(bytes: &[u8], ops: &[Op]) -> Result<Vec<Outcome>, Invalid> {
    if bytes.len() != table_bytes(ops.len()) {
        return Err(Invalid::Value("table length"));
    }
    let mut from = Decoder::new(bytes);
    ops.iter().map(|op| decode_outcome(&mut from, op)).collect()
}

fn decode_outcome(from: &mut Decoder<'_>, op: &Op) -> Result<Outcome, Invalid> {
    let kind = from.u8("kind")?;
    let placed = from.u8("placed")?;
    let slot_ended = from.u8("slot ended")?;
    let reserved = from.u8("reserved")?;
    let slot = Slot(from.u32("slot")?);
    let row = Row(from.u64("row")?);
    let ended_row = Row(from.u64("ended row")?);
    let ended_slot = Slot(from.u32("ended slot")?);
    let ended_length = from.u32("ended payload")?;
    let (address, ended_address) = (from.u64("address")?, from.u64("ended address")?);
    if kind != op.kind() || reserved != 0 {
        return Err(Invalid::Value("outcome"));
    }
    let payload = match (op.payload(), address) {
        (Some(bytes), address) => Some(PayloadPlace { address, length: short(bytes.len()) }),
        (None, 0) => None,
        (None, _) => return Err(Invalid::Value("address")),
    };
    let slot_ended = match slot_ended {
        0 => segments::Ended::No,
        1 => segments::Ended::Yes,
        _ => return Err(Invalid::Value("slot ended")),
    };
    let ended_payload = place_of(ended_address, ended_length);
    let ended_payload = ended_payload.ok_or(Invalid::Value("ended address"))?;
    let ended = match (ended_row, ended_slot, slot_ended, ended_payload) {
        (Row(0), Slot(0), segments::Ended::No, None) => None,
        (Row(0), ..) => return Err(Invalid::Value("ended row")),
        (row, slot, slot_ended, payload) => Some(EndedRow { row, slot, slot_ended, payload }),
    };
    match (kind, placed, slot, row, ended) {
        (UPSERT, 1, slot, Row(1..), ended) => {
            Ok(Outcome::Upserted { row, placed: segments::Placed::Own(slot), payload, ended })
        }
        (UPSERT, 2, slot, Row(1..), ended) => {
            Ok(Outcome::Upserted { row, placed: segments::Placed::Shared(slot), payload, ended })
        }
        (UPDATE, 2, slot, Row(1..), Some(ended))
            if (slot, segments::Ended::No) == (ended.slot, ended.slot_ended) =>
        {
            Ok(Outcome::Updated { row, payload, ended })
        }
        (REMOVE, 0, Slot(0), Row(0), ended) => Ok(Outcome::Removed { ended }),
        (
            CREATE_COLLECTION | DROP_COLLECTION | CLEAR | SEGMENT | PAYLOADS | INDEX | CUT | NOTE,
            0,
            Slot(0),
            Row(0),
            None,
        ) => Ok(Outcome::Done(kind)),
        _ => Err(Invalid::Value("outcome")),
    }
}

/// Where a payload is, by the two fields in which that is written: there is none if it has no length. `None` if they have
/// values that nothing writes.
pub(crate) fn place_of(address: u64, length: u32) -> Option<Option<PayloadPlace>> {
    match (address, length) {
        (0, 0) => Some(None),
        (_, 0) => None,
        (address, length) => Some(Some(PayloadPlace { address, length })),
    }
}

#[cfg(test)]
mod tests;
