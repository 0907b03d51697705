//! Holds what happened to rows since some moment, each thing with the number of its batch.

use std::collections::{BTreeMap, HashMap};
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
    ended: HashMap<Row, Sequence>,
    /// What became of an id, the newest last.
    ids: BTreeMap<Id, Vec<Change>>,
}

#[derive(Debug)]
struct NewRow {
    id: Id,
    has: Current,
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
        self.rows.push(NewRow { id: id.clone(), has });
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
