//! Holds what a record must follow from: the sum, the batch and the part before it.
//!
//! Promises
//!  1. A record that was left out, doubled, or put in another's place does not follow.
//!  2. A batch is complete only when all of its parts have come, one behind the other.
//!
//! Never: reads; checks a sum (whoever hands in a record has done so).

use base::{Sequence, Timeline};

use crate::format::{BATCH_BYTES_MAX, FileHeader, Kind, Part, RecordHeader};

/// What the next record must follow from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    /// Sum of the record before, or of the file's header.
    pub(crate) sum: u32,
    /// The last complete batch.
    pub(crate) last: Option<Sequence>,
    /// Length of the parts so far, within a batch.
    pub(crate) inside: Option<usize>,
}

/// What became of the sequences where a file was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entered {
    /// They go on.
    On,
    /// The batch that was not complete is given up.
    Abandoned,
    /// Batches are left out up to the file's first: a salvage could not read them.
    Gap,
}

impl Chain {
    /// At a place between two batches.
    pub(crate) fn between(sum: u32, last: Option<Sequence>) -> Self {
        Chain { sum, last, inside: None }
    }

    /// The sequence of the next batch, or of the one that goes on; `None` if there are no more numbers.
    pub(crate) fn next_sequence(&self) -> Option<Sequence> {
        self.last.map_or(Some(Sequence::FIRST), Sequence::next)
    }

    /// Behind this record; `None` if it does not follow.
    pub(crate) fn behind(&self, record: &RecordHeader, sum: u32) -> Option<Chain> {
        if record.previous_sum != self.sum {
            return None;
        }
        if record.kind != Kind::Batch {
            let fits = self.inside.is_none() && record.sequence == self.last;
            return fits.then_some(Chain { sum, ..*self });
        }
        let next = self.next_sequence()?;
        if record.sequence != Some(next) {
            return None;
        }
        let complete = Chain { sum, last: Some(next), inside: None };
        let bytes = record.table_bytes as usize + record.body_bytes as usize;
        match (record.part, self.inside) {
            (Part::Whole, None) => Some(complete),
            (Part::First, None) => Some(Chain { sum, inside: Some(bytes), ..*self }),
            (Part::Middle | Part::Last { .. }, Some(before)) => {
                let bytes = before.checked_add(bytes).filter(|bytes| *bytes <= BATCH_BYTES_MAX)?;
                let is_last = record.part != Part::Middle;
                Some(if is_last { complete } else { Chain { sum, inside: Some(bytes), ..*self } })
            }
            _ => None,
        }
    }

    /// At the first record of the file that goes on behind one of this timeline; `None` if the file does
    /// not follow.
    pub(crate) fn enter(
        &self,
        timeline: Timeline,
        header: &FileHeader,
        sum: u32,
    ) -> Option<(Chain, Entered)> {
        let next = self.next_sequence()?;
        let branches_off = header.timeline != timeline;
        let (chain, entered) = match self.inside {
            Some(_) if branches_off && header.timeline_first == next => {
                (Chain::between(sum, self.last), Entered::Abandoned)
            }
            _ => (Chain { sum, ..*self }, Entered::On),
        };
        if header.first == next {
            return Some((chain, entered));
        }
        let leaves_out = branches_off && header.first == header.timeline_first;
        let is_gap = leaves_out && chain.inside.is_none() && header.first > next;
        let last = Sequence::new(header.first.get() - 1);
        is_gap.then_some((Chain::between(sum, last), Entered::Gap))
    }
}

#[cfg(test)]
mod tests;
