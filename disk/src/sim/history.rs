//! What a file's bytes have been through since they were last all durable, and what of it survives.
//!
//! A file is its durable *base* and the ordered changes on top of it. A change is *pending* (a crash
//! may keep it, drop it or tear it), *durable* (a sync covered it; it waits here only because an
//! earlier change is still pending) or *lost* (a failed sync forgot it: the cache shows it, the
//! device will never have it).
//!
//! Promises
//!  1. Where two changes touch the same sector, the later one never survives without the earlier:
//!     the device is given whole sectors of the cache, which holds both. That goes for writes that a
//!     failed sync forgot too, and for the zeros behind a cut.
//!  2. A write changes no byte that it does not cover, torn or not (power-safe overwrite), unless
//!     it is trashed without that assumption.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::change::{Change, ChangeId, Fate, What};
use super::event::Device;
use super::image::Content;
use super::take::{Fill, Take, Taken};

/// What the smallest devices write at once, all or nothing.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// One file.
#[derive(Clone, Default, Debug)]
pub(crate) struct FileHistory {
    /// What is durable whatever happens.
    base: Arc<Vec<u8>>,
    /// Sum of the base, once someone has asked for it.
    base_sum: Arc<OnceLock<u128>>,
    /// Parts of the base that the device cannot read, until they are written again.
    unreadable: Vec<Range<u64>>,
    /// What happened since, the oldest first. Invariant: the first is not durable, or it is one
    /// that the device has changed, and what the cache shows differs from what is durable.
    changes: Vec<Change>,
}

impl FileHistory {
    /// A file that holds just this durably.
    pub(crate) fn durable(content: &Content) -> Self {
        let Content { bytes, unreadable, .. } = content.clone();
        FileHistory { base: bytes, unreadable, ..FileHistory::default() }
    }

    pub(crate) fn push(&mut self, id: ChangeId, what: What) {
        self.changes.push(Change { id, what, fate: Fate::Pending });
    }

    /// The changes a crash would decide about.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.fate == Fate::Pending)
    }

    /// Makes pending changes durable: all, or all but those that cut the file.
    pub(crate) fn sync(&mut self, cuts: Cuts) {
        for change in &mut self.changes {
            let is_cut = matches!(change.what, What::SetSize { from, to } if to < from);
            if change.fate == Fate::Pending && (!is_cut || cuts == Cuts::Too) {
                change.fate = Fate::Durable;
            }
        }
        let settled = self.changes.iter().take_while(|change| {
            let as_asked = !matches!(
                change.what,
                What::Write { device: Device::Loses | Device::WritesAt(_), .. }
            );
            change.fate == Fate::Durable && as_asked
        });
        let settled = settled.count();
        if settled > 0 {
            let changes: Vec<_> = self.changes.drain(..settled).collect();
            // Moved out where nobody else holds it, so that no copy is made.
            self.base_sum = Arc::default();
            let base = Arc::make_mut(&mut self.base);
            let taken: Vec<_> = changes.iter().map(|change| Taken::all(&change.what)).collect();
            for (change, taken) in changes.iter().zip(&taken) {
                apply(base, &change.what, taken);
            }
            self.unreadable = unreadable(&self.unreadable, &changes, &taken);
        }
    }

    /// Forgets pending changes, as a failed sync does; the cache goes on showing them.
    pub(crate) fn lose(&mut self) {
        for change in self.changes.iter_mut().filter(|change| change.fate == Fate::Pending) {
            change.fate = Fate::Lost;
        }
    }

    /// Forgets pending changes, and the cache shows what is durable again.
    pub(crate) fn revert(&mut self) {
        self.changes.retain(|change| change.fate != Fate::Pending);
    }

    /// Where the sum of these bytes, which this made, is kept.
    pub(crate) fn sum_of(&self, bytes: &Arc<Vec<u8>>) -> Arc<OnceLock<u128>> {
        if Arc::ptr_eq(bytes, &self.base) { Arc::clone(&self.base_sum) } else { Arc::default() }
    }

    /// What reads see: every change as it was asked for. Beside the bytes, the parts that can't be
    /// read.
    pub(crate) fn cached(&self) -> (Arc<Vec<u8>>, Vec<Range<u64>>) {
        if self.changes.is_empty() {
            return (Arc::clone(&self.base), self.unreadable.clone());
        }
        let all: Vec<_> = self.changes.iter().map(|change| Taken::all(&change.what)).collect();
        let mut bytes = Vec::clone(&self.base);
        for (change, taken) in self.changes.iter().zip(&all) {
            apply(&mut bytes, &change.what, taken);
        }
        (Arc::new(bytes), unreadable(&self.unreadable, &self.changes, &all))
    }

    /// What the device holds after a crash that took this of each pending change. Beside the bytes, the parts that can't be read.
    pub(crate) fn after_crash(
        &self,
        take: impl Fn(ChangeId) -> Take,
    ) -> (Arc<Vec<u8>>, Vec<Range<u64>>) {
        if self.changes.is_empty() {
            return (Arc::clone(&self.base), self.unreadable.clone());
        }
        let takes: Vec<Take> = self
            .changes
            .iter()
            .map(|change| match change.fate {
                Fate::Pending => take(change.id),
                Fate::Durable => Take::All,
                Fate::Lost => Take::Nothing,
            })
            .collect();
        if takes.iter().all(|take| matches!(take, Take::Nothing)) {
            return (Arc::clone(&self.base), self.unreadable.clone());
        }
        let taken = close_over_sectors(&self.changes, takes);
        let mut bytes = Vec::clone(&self.base);
        for (change, taken) in self.changes.iter().zip(&taken) {
            misplace(&mut bytes, &change.what, taken);
            apply(&mut bytes, &change.what, taken);
        }
        (Arc::new(bytes), unreadable(&self.unreadable, &self.changes, &taken))
    }
}

/// Whether a sync covers changes that made the file shorter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cuts {
    Too,
    No,
}

/// The parts of a file that can't be read after these changes: those of before and those that a crash
/// left so, less what was written again behind them.
fn unreadable(before: &[Range<u64>], changes: &[Change], taken: &[Taken]) -> Vec<Range<u64>> {
    let mut parts = before.to_vec();
    for (change, taken) in changes.iter().zip(taken) {
        let What::Write { offset, .. } = &change.what else { continue };
        let place = |part: &Range<usize>| offset + part.start as u64..offset + part.end as u64;
        for written in taken.data.iter().map(place) {
            parts.retain(|part| overlap(part, &written).is_none());
        }
        parts.extend(taken.unreadable.iter().map(place));
    }
    parts
}

/// Adds to what is taken of each change whatever a later one drags along: the part in sectors that the
/// later one gives to the device, as the cache has it (promise 1).
fn close_over_sectors(changes: &[Change], takes: Vec<Take>) -> Vec<Taken> {
    let mut given = Sectors::default();
    let mut taken: Vec<_> = Vec::with_capacity(changes.len());
    for (change, take) in changes.iter().zip(takes).rev() {
        let mut this = Taken::of(&change.what, &take);
        match &change.what {
            What::Write { offset, bytes, device } => {
                let own: Vec<_> = this.data.iter().chain(&this.trash).cloned().collect();
                let is_odd = *device != Device::Writes;
                if is_odd || !matches!(take, Take::All) {
                    let whole = *offset..*offset + bytes.len() as u64;
                    this.drag(*offset, given.within(&whole), *device);
                }
                // What the device lost or misplaced, it was not given here.
                for part in own.into_iter().filter(|_| !is_odd) {
                    given.add(offset + part.start as u64..offset + part.end as u64);
                }
            }
            What::SetSize { from, to } if to < from && !this.changes_size() => {
                this.zeroed = given.within(&(*to..*from));
            }
            What::SetSize { .. } => {}
        }
        taken.push(this);
    }
    taken.reverse();
    taken
}

/// Sectors that later changes give to the device: disjoint ranges, by where they begin.
#[derive(Default)]
struct Sectors(BTreeMap<u64, u64>);

impl Sectors {
    /// Adds the sectors that a range touches.
    fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let mut start = range.start / SECTOR_BYTES * SECTOR_BYTES;
        let mut end = range.end.next_multiple_of(SECTOR_BYTES);
        while let Some((first, last)) =
            self.0.range(..=end).next_back().map(|(first, last)| (*first, *last))
            && last >= start
        {
            self.0.remove(&first);
            start = start.min(first);
            end = end.max(last);
        }
        self.0.insert(start, end);
    }

    /// The parts of a range that lie in them.
    fn within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let begun_before = self.0.range(..range.end).rev();
        let parts = begun_before
            .map(|(start, end)| *start..*end)
            .take_while(|sectors| sectors.end > range.start)
            .filter_map(|sectors| overlap(&sectors, range));
        parts.collect()
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (!both.is_empty()).then_some(both)
}

/// What a device makes elsewhere of a write that it misdirects: it never makes the file longer.
fn misplace(bytes: &mut [u8], what: &What, taken: &Taken) {
    let What::Write { device: Device::WritesAt(offset), bytes: written, .. } = what else {
        return;
    };
    if taken.changes_size() {
        let start = usize::try_from(*offset).unwrap_or(usize::MAX);
        for (byte, written) in bytes.iter_mut().skip(start).zip(written.iter()) {
            *byte = *written;
        }
    }
}

/// Puts what is taken of a change on top of the bytes before it.
fn apply(bytes: &mut Vec<u8>, what: &What, taken: &Taken) {
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    match what {
        What::SetSize { to, .. } if taken.changes_size() => bytes.resize(size(*to), 0),
        What::SetSize { .. } => {
            for part in &taken.zeroed {
                let end = size(part.end).min(bytes.len());
                if let Some(part) = bytes.get_mut(size(part.start)..end) {
                    part.fill(0);
                }
            }
        }
        What::Write { offset, bytes: written, .. } => {
            let start = size(*offset);
            if let Some(end) = taken.end
                && bytes.len() < start + end
            {
                let had = bytes.len();
                bytes.resize(start + end, 0);
                if let Some(new) = bytes.get_mut(had.max(start)..) {
                    taken.fill.put(new, had.max(start) - start);
                }
            }
            for part in &taken.data {
                let to = bytes.get_mut(start + part.start..start + part.end);
                if let (Some(to), Some(from)) = (to, written.get(part.clone())) {
                    to.copy_from_slice(from);
                }
            }
            for part in &taken.trash {
                let first = if taken.neighbours {
                    (start + part.start) / SECTOR_BYTES as usize * SECTOR_BYTES as usize
                } else {
                    start + part.start
                };
                let last = if taken.neighbours {
                    (start + part.end).next_multiple_of(SECTOR_BYTES as usize).min(bytes.len())
                } else {
                    start + part.end
                };
                if let Some(trashed) = bytes.get_mut(first..last) {
                    Fill::Garbage(*offset).put(trashed, 0);
                }
            }
        }
    }
}
