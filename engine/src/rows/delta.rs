//! Holds what happened to rows since some moment, each thing with the number of its batch.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;
use std::ops::Bound;

use base::{Row, Sequence, Slot};

use super::Current;
use crate::Id;

/// The changes to rows since some moment.
#[derive(Default, Debug)]
pub(super) struct Delta {
    /// The number of the first of `rows`; the others follow.
    first: u64,
    rows: Vec<NewRow>,
    /// The last of them that has each slot.
    last: HashMap<Slot, Link, BuildHasherDefault<Spread>>,
    ended: HashMap<Row, Sequence, BuildHasherDefault<Spread>>,
    /// What became of an id, the newest last.
    ids: BTreeMap<Id, Vec<Change>>,
}

#[derive(Debug)]
struct NewRow {
    id: Id,
    has: Current,
    /// The one before it that has the same slot.
    before: Option<Link>,
}

/// Leads to one of the new rows: one more than its place among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link(NonZeroU32);

/// One of the new rows of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfSlot {
    pub(super) row: Row,
    /// The one before it.
    pub(super) before: Option<Link>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: Sequence,
    has: Option<Current>,
}

impl Delta {
    /// The next row will have this number.
    pub(super) fn begin(&mut self, next: Row) {
        self.first = next.0;
    }

    /// A row was born: the next one. (A damaged log may leave numbers out; nothing has those.)
    pub(super) fn born(&mut self, id: &Id, has: Current) {
        if self.rows.is_empty() {
            self.first = has.row.0;
        }
        let place = u32::try_from(self.rows.len() + 1).ok().and_then(NonZeroU32::new);
        let Some(link) = place.map(Link) else {
            panic!("more rows since a checkpoint than can be counted");
        };
        let before = self.last.insert(has.slot, link);
        self.rows.push(NewRow { id: id.clone(), has, before });
        self.ids.entry(id.clone()).or_default().push(Change { at: has.born, has: Some(has) });
    }

    /// A row is no more.
    pub(super) fn ended(&mut self, row: Option<Row>, at: Sequence) {
        self.ended.extend(row.map(|row| (row, at)));
    }

    /// An id is no more.
    pub(super) fn removed(&mut self, id: &Id, at: Sequence) {
        self.ids.entry(id.clone()).or_default().push(Change { at, has: None });
    }

    /// What an id has by the newest of its changes that counts; `None` if none does.
    pub(super) fn newest(
        &self,
        id: &Id,
        counts: impl Fn(Sequence) -> bool,
    ) -> Option<Option<Current>> {
        let changes = self.ids.get(id)?;
        changes.iter().rev().find(|change| counts(change.at)).map(|change| change.has)
    }

    /// The first id behind this one, or of all, that anything happened to.
    pub(super) fn id_behind(&self, id: Option<&Id>) -> Option<Id> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.ids.range((from, Bound::Unbounded));
        behind.next().map(|(id, _)| id.clone())
    }

    /// The rows that were ended up to this batch.
    pub(super) fn ended_by(&self, at: Option<Sequence>) -> impl Iterator<Item = Row> + '_ {
        self.ended.iter().filter(move |(_, ended)| Some(**ended) <= at).map(|(row, _)| *row)
    }

    /// Whether a row, born here or before, was ended here up to this batch.
    pub(super) fn is_ended(&self, row: Row, at: Option<Sequence>) -> bool {
        self.ended.get(&row).is_some_and(|ended| Some(*ended) <= at)
    }

    /// The last row that has this slot, of those that were born up to this batch and not ended here by then.
    pub(super) fn last_of(&self, slot: Slot, at: Option<Sequence>) -> Option<OfSlot> {
        self.of_slot(*self.last.get(&slot)?, at)
    }

    /// The first such row on the way down that begins here.
    pub(super) fn of_slot(&self, link: Link, at: Option<Sequence>) -> Option<OfSlot> {
        let mut next = Some(link);
        while let Some(link) = next {
            let NewRow { has, before, .. } = self.rows.get(link.place())?;
            if Some(has.born) <= at && !self.is_ended(has.row, at) {
                return Some(OfSlot { row: has.row, before: *before });
            }
            next = *before;
        }
        None
    }

    /// The rows that were born up to this batch.
    pub(super) fn born_by(&self, at: Option<Sequence>) -> impl Iterator<Item = (Row, Slot)> + '_ {
        let numbered = (self.first..).zip(&self.rows);
        numbered
            .take_while(move |(_, new)| Some(new.has.born) <= at)
            .map(|(row, new)| (Row(row), new.has.slot))
    }

    /// The id of a row that was born here.
    pub(super) fn id_of(&self, row: Row) -> Option<Id> {
        self.new_row(row).map(|new| new.id.clone())
    }

    /// What a row has that was born here.
    pub(super) fn has(&self, row: Row) -> Option<Current> {
        self.new_row(row).map(|new| new.has)
    }

    fn new_row(&self, row: Row) -> Option<&NewRow> {
        let at = usize::try_from(row.0.checked_sub(self.first)?).ok()?;
        self.rows.get(at)
    }
}

impl Link {
    fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Spreads numbers that were given out one after the other: a table looks at the low bits and at the highest.
#[derive(Clone, Copy, Default, Debug)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never called for a key, which is a number; right all the same.
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}
