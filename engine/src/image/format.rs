//! Lays out the entries of an image's tables. FORMAT.md section 8 is the authority; this is where it becomes code.
//!
//! Never: reads or writes files.

use base::codec::{Decoder, Encoder, Malformed};
use base::{Row, Sequence, Slot};
use segments::{Known, Life, VectorHash};

use crate::format::place_of;
use crate::rows::Current;

/// Length of a row, and of a slot.
pub(super) const ROW_BYTES: usize = 48;
pub(super) const SLOT_BYTES: usize = 32;
/// Length of a key.
pub(super) const KEY_BYTES: usize = 16;
/// Length of a number in a list.
pub(super) const NUMBER_BYTES: usize = 4;

/// Where a row's id is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IdPlace {
    Number(u64),
    Text { offset: u64, length: u32 },
    Uuid { offset: u64 },
}

/// What stands for the length of a text where the id is a UUID.
const UUID: u32 = u32::MAX;

pub(super) fn encode_row(row: &Current, id: IdPlace) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROW_BYTES);
    let mut into = Encoder::new(&mut bytes);
    into.u64(row.row.0).u64(row.born.get()).u32(row.slot.0);
    match id {
        IdPlace::Number(number) => drop(into.u32(0).u64(number)),
        IdPlace::Text { offset, length } => drop(into.u32(length).u64(offset)),
        IdPlace::Uuid { offset } => drop(into.u32(UUID).u64(offset)),
    }
    let (address, length) = row.payload.map_or((0, 0), |it| (it.address, it.length));
    into.u64(address).u32(length).u32(0);
    bytes
}

/// A row; `None` if it has values that nothing writes.
pub(super) fn decode_row(bytes: &[u8; ROW_BYTES]) -> Option<(Current, IdPlace)> {
    let read = || -> Result<_, Malformed> {
        let mut from = Decoder::new(bytes);
        let (row, born) = (from.u64("row")?, from.u64("born")?);
        let (slot, length, id) = (from.u32("slot")?, from.u32("id kind")?, from.u64("id")?);
        let payload = (from.u64("payload")?, from.u32("payload length")?);
        Ok((row, born, slot, length, id, payload, from.u32("reserved")?))
    };
    let (row, born, slot, length, id, (address, bytes), reserved) = read().ok()?;
    let born = Sequence::new(born)?;
    let id = match length {
        0 => IdPlace::Number(id),
        UUID => IdPlace::Uuid { offset: id },
        length => IdPlace::Text { offset: id, length },
    };
    let payload = place_of(address, bytes)?;
    let has = Current { row: Row(row), slot: Slot(slot), payload, born };
    (row > 0 && reserved == 0).then_some((has, id))
}

pub(super) fn encode_slot(known: Option<&Known>) -> Vec<u8> {
    let Some(Known { hash, references, life }) = known else {
        return vec![0; SLOT_BYTES];
    };
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    let freed = life.end().map_or(0, Sequence::get);
    let mut into = Encoder::new(&mut bytes);
    into.u64(hash.get()).u64(life.birth().get()).u64(freed).u32(*references).u32(0);
    bytes
}

/// What is known of a slot, `None` if it is free; or else that it has values that nothing writes.
pub(super) fn decode_slot(bytes: &[u8; SLOT_BYTES]) -> Result<Option<Known>, &'static str> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let read = || -> Result<_, Malformed> {
        let mut from = Decoder::new(bytes);
        let (hash, born, freed) = (from.u64("hash")?, from.u64("born")?, from.u64("freed")?);
        Ok((hash, born, freed, from.u32("references")?, from.u32("reserved")?))
    };
    let (hash, born, freed, references, reserved) = read().map_err(|_| "a slot is too short")?;
    let life = Sequence::new(born).and_then(|born| Life::checked(born, Sequence::new(freed)));
    let life = life.ok_or("a slot was never born, or freed before it was")?;
    if (freed == 0) != (references > 0) || reserved != 0 {
        return Err("a slot is alive and at rest, or neither");
    }
    Ok(Some(Known { hash: VectorHash::from_raw(hash), references, life }))
}

pub(super) fn encode_key(key: u64, slot: Slot) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(KEY_BYTES);
    Encoder::new(&mut bytes).u64(key).u32(slot.0).u32(0);
    bytes
}

pub(super) fn decode_key(bytes: &[u8; KEY_BYTES]) -> Option<(u64, Slot)> {
    let mut from = Decoder::new(bytes);
    let key = from.u64("key").ok()?;
    let slot = Slot(from.u32("slot").ok()?);
    (from.u32("reserved").ok()? == 0).then_some((key, slot))
}
