//! Hash tables: for each bucket the slots in it, one bucket behind the other, so that looking at a bucket is reading on.
//!
//! Nothing of a run changes once it is made. A slot that was given back stays in it as a void entry, which leads to a slot that is not
//! live, or to another vector, and does no harm; the next run that is made of this one leaves it out.

use std::ops::Range;
use std::sync::Arc;

use base::Slot;

use crate::lent::LentRows;
use crate::shared::{SharedSet, prefer_large};
use crate::{SlotSet, rows};

/// Numbers, one behind the other: our own, or in an image.
#[derive(Debug)]
pub(super) enum Numbers {
    Own(Vec<u32>),
    Lent(LentRows),
}

/// How many a row of an image has.
pub(super) const ROW: usize = rows::LINE / size_of::<u32>();

impl Numbers {
    /// One of them; 0, if it is not there.
    #[inline(always)]
    pub(super) fn get<const CHECK: bool>(&self, at: usize) -> u32 {
        match self {
            Numbers::Own(own) => own.get(at).copied().unwrap_or(0),
            Numbers::Lent(rows) => {
                let row = rows.row::<CHECK>(at / ROW).as_chunks().0;
                row.get(at % ROW).map_or(0, |number| u32::from_le_bytes(*number))
            }
        }
    }

    /// Where one of them is, only to fetch it.
    #[inline(always)]
    pub(super) fn place(&self, at: usize) -> Option<&u32> {
        match self {
            Numbers::Own(own) => own.get(at),
            Numbers::Lent(_) => None,
        }
    }

    /// Does something with each of some.
    #[inline(always)]
    pub(super) fn each<const CHECK: bool>(&self, range: Range<usize>, mut with: impl FnMut(u32)) {
        match self {
            Numbers::Own(own) => own.get(range).unwrap_or_default().iter().copied().for_each(with),
            Numbers::Lent(_) => range.for_each(|at| with(self.get::<CHECK>(at))),
        }
    }

    fn copied(&self, len: usize) -> Self {
        Numbers::Own((0..len).map(|at| self.get::<false>(at)).collect())
    }

    fn bytes(&self) -> usize {
        match self {
            Numbers::Own(own) => own.capacity() * size_of::<u32>(),
            Numbers::Lent(_) => 0,
        }
    }
}

/// A set of slots: our own, or in an image.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
pub(super) enum Bits {
    Own(SharedSet),
    /// And how many an image says that there are.
    Lent(LentRows, usize),
}

impl Bits {
    /// A word of 64 slots.
    #[inline(always)]
    pub(super) fn word<const CHECK: bool>(&self, at: usize) -> u64 {
        match self {
            Bits::Own(own) => own.word(at),
            Bits::Lent(rows, _) => {
                let words = rows::LINE / size_of::<u64>();
                let row = rows.row::<CHECK>(at / words).as_chunks().0;
                row.get(at % words).map_or(0, |word| u64::from_le_bytes(*word))
            }
        }
    }

    pub(super) fn own(&self) -> Option<&SharedSet> {
        match self {
            Bits::Own(own) => Some(own),
            Bits::Lent(..) => None,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Bits::Own(own) => own.len(),
            Bits::Lent(_, len) => *len,
        }
    }

    pub(super) fn copied(&self, words: usize) -> Self {
        let set = SlotSet::of_words((0..words).map(|at| self.word::<false>(at)).collect());
        Bits::Own((&set).into())
    }

    pub(super) fn bytes(&self) -> usize {
        self.own().map_or(0, SharedSet::bytes)
    }
}

/// Slots by their buckets, in each of some tables.
#[derive(Debug)]
pub(super) struct Run {
    /// How many slots each table has.
    pub(super) len: usize,
    buckets: usize,
    /// For each table where each of its buckets begins, and where the last one ends.
    pub(super) begins: Numbers,
    /// The slots of the first table, then those of the next.
    pub(super) slots: Numbers,
    /// Slots that were given back since it was made.
    pub(super) void: Bits,
}

/// How many numbers say where the buckets of some tables begin.
pub(super) fn begins_of(tables: usize, buckets: usize) -> usize {
    tables * (buckets + 1)
}

impl Run {
    pub(super) fn of(len: usize, buckets: usize, numbers: [Numbers; 2], void: Bits) -> Self {
        let [begins, slots] = numbers;
        Run { len, buckets, begins, slots, void }
    }

    /// Where it says at which place a bucket begins.
    #[inline(always)]
    pub(super) fn begin(&self, table: usize, bucket: usize) -> usize {
        table * (self.buckets + 1) + bucket
    }

    /// Where the slots of a bucket are; nowhere, if what is said of it cannot be true.
    #[inline(always)]
    pub(super) fn bucket<const CHECK: bool>(&self, table: usize, bucket: usize) -> Range<usize> {
        let at = self.begin(table, bucket);
        let (begin, end) = (self.begins.get::<CHECK>(at), self.begins.get::<CHECK>(at + 1));
        let (begin, end) = (begin as usize, end as usize);
        if begin > end || end > self.len {
            return 0..0;
        }
        table * self.len + begin..table * self.len + end
    }

    /// A copy of our own.
    pub(super) fn copied(&self, tables: usize, words: usize) -> Self {
        let begins = self.begins.copied(begins_of(tables, self.buckets));
        let numbers = [begins, self.slots.copied(tables * self.len)];
        Run::of(self.len, self.buckets, numbers, self.void.copied(words))
    }

    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.begins.bytes() + self.slots.bytes() + self.void.bytes()
    }

    /// Notes that a slot was given back.
    pub(super) fn give_back(&self, slot: Slot) {
        self.void.own().map(|void| void.insert(slot));
    }
}

/// A run that another one is made of, and which of its slots were void when that was begun: later ones are void in the other one, too.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) run: Arc<Run>,
    pub(super) void: SlotSet,
}

/// A table in the making, bucket by bucket.
#[derive(Debug, Default)]
pub(super) struct Making {
    begins: Vec<u32>,
    slots: Vec<u32>,
    /// How many of those that were hashed are in it.
    hashed: usize,
}

impl Making {
    /// Goes on with a table of so many buckets until it has looked at so many slots, or is done: with what is in other runs and is not
    /// void, and with hashed slots, each behind its bucket and in the order of these. Says how many it looked at.
    pub(super) fn go_on(
        &mut self,
        (table, buckets): (usize, usize),
        sources: &[Source],
        hashed: &[(u32, u32)],
        most: usize,
    ) -> usize {
        // No more than there can be, if what an image says of a run cannot be true.
        let end = sources.iter().map(|it| it.run.len).sum::<usize>() + hashed.len();
        let mut looked_at = 0;
        while looked_at < most && !self.is_done(buckets) {
            let bucket = self.begins.len();
            self.begins.push(self.slots.len() as u32);
            if bucket == buckets {
                break;
            }
            for Source { run, void } in sources {
                let range = run.bucket::<false>(table, bucket);
                looked_at += range.len();
                run.slots.each::<false>(range, |slot| {
                    if !void.contains(Slot(slot)) && self.slots.len() < end {
                        self.slots.push(slot);
                    }
                });
            }
            let these = hashed.get(self.hashed..).unwrap_or_default();
            let these = these.iter().take_while(|(it, _)| *it as usize == bucket);
            let before = self.slots.len();
            self.slots.extend(these.map(|(_, slot)| *slot));
            self.hashed += self.slots.len() - before;
            looked_at += 1 + self.slots.len() - before;
        }
        looked_at
    }

    /// Whether it has all of so many buckets.
    pub(super) fn is_done(&self, buckets: usize) -> bool {
        self.begins.len() > buckets
    }
}

/// Puts tables one behind the other.
pub(super) fn joined(tables: Vec<Making>, buckets: usize) -> Run {
    // They are as long as each other, unless they are made of what an image says that is not true.
    let len = tables.iter().map(|table| table.slots.len()).max().unwrap_or(0);
    let (mut begins, mut slots) = (Vec::new(), Vec::new());
    slots.reserve_exact(len * tables.len());
    prefer_large(slots.spare_capacity_mut());
    for mut table in tables {
        table.slots.resize(len, u32::MAX);
        begins.extend(table.begins);
        slots.extend(table.slots);
    }
    let numbers = [Numbers::Own(begins), Numbers::Own(slots)];
    Run::of(len, buckets, numbers, Bits::Own(SharedSet::new()))
}
