//! Gathers slots out of the tables, bucket by bucket, each once, and finds by how many bits each differs from a query.

use std::ops::Range;

use base::Slot;

use super::body::Tables;
use super::layout::{Sketch, Turned};
use super::probe::{Cell, Probe};
use super::shape::SKETCH;
use super::space::Role;
use super::tables::{Numbers, ROW};
use crate::SlotSet;
use crate::lanes::Isa;
use crate::query::Deadline;
use crate::slots::{Slots, WORD};

/// So many buckets are looked at together: what one waits for comes while others are read.
const TOGETHER: usize = 64;

/// So many cache lines of a bucket are fetched before it is read.
const LINES: usize = 4;

/// How far it is looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reach {
    /// So many different slots, be they admitted or not.
    pub(super) slots: usize,
    /// So many buckets.
    pub(super) cells: usize,
    /// So many slots that are admitted: no more may be looked at.
    pub(super) admitted: usize,
}

/// What it is gathered from, and for whom.
#[derive(Clone, Copy)]
pub(super) struct From<'s> {
    pub(super) tables: &'s Tables,
    pub(super) slots: &'s Slots,
    pub(super) filter: Option<&'s SlotSet>,
    pub(super) deadline: Option<Deadline<'s>>,
}

/// What was gathered, and where to go on.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    turned: Turned,
    sketch: Sketch,
    probe: Probe,
    cells: Vec<Cell>,
    /// How many of those were looked at.
    at: usize,
    /// What is in the next buckets, by runs.
    places: Vec<(usize, Range<usize>)>,
    seen: Seen,
    /// The slots that are admitted, in their order, and by how many bits each differs.
    pub(super) slots: Vec<u32>,
    pub(super) apart: Vec<u16>,
    /// How many differ by so many bits.
    counts: Vec<u32>,
    /// How many slots, and buckets, there were.
    pub(super) count: usize,
    pub(super) cell_count: usize,
    /// How many slots were read, each as often as it came up.
    pub(super) read: usize,
    /// Whether there is nothing more.
    pub(super) is_all: bool,
}

impl Gathered {
    /// Begins with a query, among slots below this number.
    pub(super) fn begin(&mut self, tables: &Tables, vector: &[f32], end: usize) {
        let layout = tables.laid.get();
        layout.turn(vector, Role::Asked, &mut self.turned);
        self.sketch = self.turned.sketch();
        self.probe.begin();
        self.cells.clear();
        self.seen.begin(end);
        self.slots.clear();
        self.apart.clear();
        self.counts.clear();
        self.counts.resize(SKETCH + 1, 0);
        (self.at, self.count, self.cell_count, self.read) = (0, 0, 0, 0);
        self.is_all = false;
    }

    /// Passes over a slot from now on.
    pub(super) fn pass_over(&mut self, slot: u32) {
        self.seen.is_new(slot);
    }

    /// Goes on until it has looked so far, or there is nothing more, or the time is over: says whether that is so.
    #[inline(always)]
    pub(super) fn go_on<I: Isa, const CHECK: bool>(
        &mut self,
        isa: I,
        from: From<'_>,
        reach: Reach,
    ) -> bool {
        while !self.is_all && !self.is_there(reach) {
            if from.deadline.is_some_and(|deadline| deadline.is_over()) {
                return true;
            }
            if self.at >= self.cells.len() {
                self.at = 0;
                let layout = from.tables.laid.get();
                self.is_all = !self.probe.next(layout, &self.turned, &mut self.cells);
                // A table that is no real one may lead to everything again and again.
                let most = from.tables.laid.shape.tables * from.tables.len();
                self.is_all |= self.read > most;
                continue;
            }
            self.look_up::<I, CHECK>(isa, from, reach);
            self.read_some::<I, CHECK>(isa, from, reach);
            self.compare::<I, CHECK>(isa, from);
        }
        false
    }

    #[inline(always)]
    fn is_there(&self, reach: Reach) -> bool {
        self.count >= reach.slots
            || self.cell_count >= reach.cells
            || self.slots.len() >= reach.admitted
    }

    /// Finds out where the next buckets are.
    #[inline(always)]
    fn look_up<I: Isa, const CHECK: bool>(&mut self, isa: I, from: From<'_>, reach: Reach) {
        let runs = &from.tables.runs;
        let left = TOGETHER.min(reach.cells - self.cell_count);
        let end = (self.at + left).min(self.cells.len());
        let cells = self.cells.get(self.at..end).unwrap_or_default();
        for Cell { table, bucket } in cells {
            for run in runs {
                if let Some(place) = run.begins.place(run.begin(*table as usize, *bucket as usize))
                {
                    isa.fetch(place);
                }
            }
        }
        self.places.clear();
        for Cell { table, bucket } in cells {
            for (at, run) in runs.iter().enumerate() {
                let range = run.bucket::<CHECK>(*table as usize, *bucket as usize);
                // The rest of it comes by itself, as it is read in order.
                for line in 0..LINES {
                    let place = range.start + line * ROW;
                    if let Some(place) = run.slots.place(place).filter(|_| place < range.end) {
                        isa.fetch(place);
                    }
                }
                self.places.push((at, range));
            }
        }
    }

    /// Reads those buckets until it has looked so far.
    #[inline(always)]
    fn read_some<I: Isa, const CHECK: bool>(&mut self, isa: I, from: From<'_>, reach: Reach) {
        let runs = &from.tables.runs;
        let places = std::mem::take(&mut self.places);
        for buckets in places.chunks(runs.len().max(1)) {
            if self.count >= reach.slots || self.slots.len() >= reach.admitted {
                break;
            }
            for (run, range) in buckets {
                let Some(run) = runs.get(*run) else { continue };
                match &run.slots {
                    Numbers::Own(own) => {
                        let slots = own.get(range.clone()).unwrap_or_default();
                        self.take::<I, CHECK>(isa, from, (slots, reach));
                    }
                    Numbers::Lent(_) => {
                        for at in range.clone() {
                            let slots = [run.slots.get::<CHECK>(at)];
                            self.take::<I, CHECK>(isa, from, (&slots, reach));
                        }
                    }
                }
            }
            self.at += 1;
            self.cell_count += 1;
        }
        self.places = places;
    }

    /// Takes those slots that were not seen before.
    #[inline(always)]
    fn take<I: Isa, const CHECK: bool>(
        &mut self,
        isa: I,
        from: From<'_>,
        (slots, reach): (&[u32], Reach),
    ) {
        self.read += slots.len();
        let before = self.slots.len();
        self.slots.resize(before + slots.len(), 0);
        // Whether one is new nobody can guess, and the processor would be wrong half of the time: so every one is put in the
        // next place, and only new ones move it on.
        let mut end = before;
        for slot in slots {
            if let Some(place) = self.slots.get_mut(end) {
                *place = *slot;
            }
            end += usize::from(self.seen.is_new(*slot));
        }
        self.count += end - before;
        self.slots.truncate(end);
        if from.filter.is_some() {
            let mut end = before;
            for at in before..self.slots.len() {
                let slot = self.slots.get(at).copied().unwrap_or_default();
                if let Some(place) = self.slots.get_mut(end) {
                    *place = slot;
                }
                end += usize::from(is_admitted::<CHECK>(from, slot));
            }
            self.slots.truncate(end);
        }
        self.slots.truncate(reach.admitted);
        for slot in self.slots.get(before..).unwrap_or_default() {
            from.tables.sketches.fetch(isa, *slot);
        }
    }

    /// Finds out by how many bits those slots differ that are new.
    #[inline(always)]
    fn compare<I: Isa, const CHECK: bool>(&mut self, _: I, from: From<'_>) {
        for slot in self.slots.get(self.apart.len()..).unwrap_or_default() {
            let bits = from.tables.sketches.apart::<CHECK>(*slot, &self.sketch);
            self.apart.push(bits as u16);
            if let Some(count) = self.counts.get_mut(bits as usize) {
                *count += 1;
            }
        }
    }

    /// By how many bits at most those differ that differ by the fewest, so many of them or a few more.
    pub(super) fn limit(&self, keep: usize) -> usize {
        let mut found = 0;
        let enough = self.counts.iter().position(|count| {
            found += *count as usize;
            found >= keep
        });
        enough.unwrap_or(SKETCH)
    }

    /// Leaves the slots that differ by so many bits at most, those that differ by the fewest first.
    pub(super) fn nearest(&self, limit: usize, into: &mut Vec<u32>) {
        let mut places = Vec::with_capacity(limit + 1);
        let mut end = 0;
        for count in self.counts.iter().take(limit + 1) {
            places.push(end);
            end += *count as usize;
        }
        into.clear();
        into.resize(end, 0);
        for (slot, bits) in self.slots.iter().zip(&self.apart) {
            if let Some(place) = places.get_mut(usize::from(*bits)) {
                if let Some(into) = into.get_mut(*place) {
                    *into = *slot;
                }
                *place += 1;
            }
        }
    }
}

/// Whether a filter admits a slot. Where there is none, it is found out of the few that are near whether they are live.
#[inline(always)]
fn is_admitted<const CHECK: bool>(from: From<'_>, slot: u32) -> bool {
    from.filter.is_none_or(|filter| {
        filter.contains(Slot(slot)) && from.slots.contains::<CHECK>(Slot(slot))
    })
}

/// Which slots were seen: a bit for each, few enough to stay near the processor.
#[derive(Debug, Default)]
struct Seen {
    words: Vec<u64>,
    end: usize,
}

impl Seen {
    fn begin(&mut self, end: usize) {
        self.end = end;
        self.words.clear();
        self.words.resize(end.div_ceil(WORD), 0);
    }

    /// Marks a slot; says whether it was not seen before. One that cannot be is not new.
    #[inline(always)]
    fn is_new(&mut self, slot: u32) -> bool {
        let at = slot as usize;
        let Some(word) = self.words.get_mut(at / WORD).filter(|_| at < self.end) else {
            return false;
        };
        let bit = 1 << (at % WORD);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}
