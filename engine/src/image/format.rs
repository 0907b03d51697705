//! Lays out the entries of an image's tables. FORMAT.md section 8 is the authority; this is where it becomes code.
//!
//! Never: reads or writes files.

use std::num::NonZeroU32;

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

/// Leads to a row of the table: one more than its place. What leads nowhere is written as 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Link(NonZeroU32);

impl Link {
    /// To the row at this place; `None` if it is farther than links reach.
    pub(super) fn to(place: u64) -> Option<Link> {
        let next = place.checked_add(1)?;
        u32::try_from(next).ok().and_then(NonZeroU32::new).map(Link)
    }

    /// The place that it leads to.
    pub(super) fn place(self) -> u64 {
        u64::from(self.0.get()) - 1
    }

    fn encoded(link: Option<Link>) -> u32 {
        link.map_or(0, |link| link.0.get())
    }

    fn decoded(number: u32) -> Option<Link> {
        NonZeroU32::new(number).map(Link)
    }
}

/// A row as it stands in its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub(super) has: Current,
    pub(super) id: IdPlace,
    /// The row before it that has the same slot.
    pub(super) before: Option<Link>,
}

pub(super) fn encode_row(Stored { has: row, id, before }: &Stored) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROW_BYTES);
    let mut into = Encoder::new(&mut bytes);
    into.u64(row.row.0).u64(row.born.get()).u32(row.slot.0);
    match *id {
        IdPlace::Number(number) => drop(into.u32(0).u64(number)),
        IdPlace::Text { offset, length } => drop(into.u32(length).u64(offset)),
        IdPlace::Uuid { offset } => drop(into.u32(UUID).u64(offset)),
    }
    let (address, length) = row.payload.map_or((0, 0), |it| (it.address, it.length));
    into.u64(address).u32(length).u32(Link::encoded(*before));
    bytes
}

/// A row; `None` if it has values that nothing writes.
pub(super) fn decode_row(bytes: &[u8; ROW_BYTES]) -> Option<Stored> {
    let read = || -> Result<_, Malformed> {
        let mut from = Decoder::new(bytes);
        let (row, born) = (from.u64("row")?, from.u64("born")?);
        let (slot, length, id) = (from.u32("slot")?, from.u32("id kind")?, from.u64("id")?);
        let payload = (from.u64("payload")?, from.u32("payload length")?);
        Ok((row, born, slot, length, id, payload, from.u32("before")?))
    };
    let (row, born, slot, length, id, (address, bytes), before) = read().ok()?;
    let born = Sequence::new(born)?;
    let id = match length {
        0 => IdPlace::Number(id),
        UUID => IdPlace::Uuid { offset: id },
        length => IdPlace::Text { offset: id, length },
    };
    let payload = place_of(address, bytes)?;
    let has = Current { row: Row(row), slot: Slot(slot), payload, born };
    (row > 0).then_some(Stored { has, id, before: Link::decoded(before) })
}

/// What is known of a slot, if it is not free, and the last row that has it.
pub(super) fn encode_slot(known: Option<&Known>, last: Option<Link>) -> Vec<u8> {
    let Some(Known { hash, references, life }) = known else {
        return vec![0; SLOT_BYTES];
    };
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    let freed = life.end().map_or(0, Sequence::get);
    let mut into = Encoder::new(&mut bytes);
    into.u64(hash.get()).u64(life.birth().get()).u64(freed).u32(*references);
    into.u32(Link::encoded(last));
    bytes
}

/// What is known of a slot and its last row, `None` if it is free; or else that it has values that nothing writes.
pub(super) fn decode_slot(
    bytes: &[u8; SLOT_BYTES],
) -> Result<Option<(Known, Option<Link>)>, &'static str> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let read = || -> Result<_, Malformed> {
        let mut from = Decoder::new(bytes);
        let (hash, born, freed) = (from.u64("hash")?, from.u64("born")?, from.u64("freed")?);
        Ok((hash, born, freed, from.u32("references")?, from.u32("last")?))
    };
    let (hash, born, freed, references, last) = read().map_err(|_| "a slot is too short")?;
    let life = Sequence::new(born).and_then(|born| Life::checked(born, Sequence::new(freed)));
    let life = life.ok_or("a slot was never born, or freed before it was")?;
    if (freed == 0) != (references > 0) || (freed == 0) != (last > 0) {
        return Err("a slot is alive and at rest, or neither");
    }
    let known = Known { hash: VectorHash::from_raw(hash), references, life };
    Ok(Some((known, Link::decoded(last))))
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
