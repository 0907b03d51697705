//! Describes the rows that were alive at one moment: what an image holds of them.

use std::fmt;

use base::{Row, Sequence, Slot};

use super::Current;
use crate::{Id, Result};

/// The rows of a collection at one moment, in the order of their numbers. It never changes, and is read only where
/// it is needed.
pub(crate) trait RowBase: Send + Sync + fmt::Debug {
    /// How many rows there are.
    fn rows(&self) -> u64;

    /// The row at a place.
    fn row_at(&self, at: u64) -> Result<Current>;

    /// Its id.
    fn id_at(&self, at: u64) -> Result<Id>;

    /// The place of the last row that has this slot; `None` if none has it.
    fn last_of(&self, slot: Slot) -> Result<Option<u64>>;

    /// The row at a place, which has this slot, and the place of the one before it that has it too: a lower one.
    fn of_slot(&self, slot: Slot, at: u64) -> Result<(Current, Option<u64>)>;

    /// The place of the row whose id comes at this place in the order of ids.
    fn in_order(&self, nth: u64) -> Result<u64>;

    /// How many ids come up to this one in that order, itself included.
    fn up_to(&self, id: &Id) -> Result<u64>;

    /// The place of an id's row.
    fn find(&self, id: &Id) -> Result<Option<u64>> {
        let Some(nth) = self.up_to(id)?.checked_sub(1) else { return Ok(None) };
        let at = self.in_order(nth)?;
        Ok((self.id_at(at)? == *id).then_some(at))
    }
}

/// Such a description in memory.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct RowList {
    rows: Vec<(Current, Id)>,
    /// Places, in the order of their ids.
    order: Vec<usize>,
}

impl RowList {
    /// Of these rows, in the order of their numbers.
    #[cfg(test)]
    pub(crate) fn new(rows: Vec<(Current, Id)>) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|one, other| {
            rows.get(*one).map(|it| &it.1).cmp(&rows.get(*other).map(|it| &it.1))
        });
        RowList { rows, order }
    }

    fn get(&self, at: u64) -> Option<&(Current, Id)> {
        usize::try_from(at).ok().and_then(|at| self.rows.get(at))
    }

    /// The last row in front of a place that has a slot.
    fn before(&self, slot: Slot, at: u64) -> Option<u64> {
        let in_front = self.rows.iter().zip(0..at);
        let has = |((row, _), _): &(&(Current, Id), u64)| row.slot == slot;
        in_front.filter(has).last().map(|(_, at)| at)
    }
}

/// What a list answers behind its end, where nobody asks.
const NO_ROW: Current =
    Current { row: Row(0), slot: Slot(u32::MAX), payload: None, born: Sequence::FIRST };

impl RowBase for RowList {
    fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    fn row_at(&self, at: u64) -> Result<Current> {
        Ok(self.get(at).map_or(NO_ROW, |(row, _)| *row))
    }

    fn id_at(&self, at: u64) -> Result<Id> {
        Ok(self.get(at).map_or(Id::Number(u64::MAX), |(_, id)| id.clone()))
    }

    fn last_of(&self, slot: Slot) -> Result<Option<u64>> {
        Ok(self.before(slot, self.rows()))
    }

    fn of_slot(&self, slot: Slot, at: u64) -> Result<(Current, Option<u64>)> {
        Ok((self.row_at(at)?, self.before(slot, at)))
    }

    fn in_order(&self, nth: u64) -> Result<u64> {
        let place = usize::try_from(nth).ok().and_then(|nth| self.order.get(nth));
        Ok(place.map_or(u64::MAX, |at| *at as u64))
    }

    fn up_to(&self, id: &Id) -> Result<u64> {
        let id_of = |at: &usize| self.rows.get(*at).map(|(_, id)| id);
        Ok(self.order.partition_point(|at| id_of(at) <= Some(id)) as u64)
    }
}
