//! A few bits of each vector, by which most of what is in a bucket is passed over.
//!
//! They are written when a slot is hashed, and may be written anew while somebody reads: a reader finds some of the old bits then, and
//! some of the new ones. Nothing is proved by them.

use super::layout::Sketch;
use crate::lanes::Isa;
use crate::lent::LentRows;
use crate::rows::LINE;
use crate::shared::{Pieces, Words};

/// Sketches by slots: our own, or in an image.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and a box is one more place to wait for"
)]
pub(super) enum Sketches {
    Own(Pieces<Words>),
    Lent(LentRows),
}

/// How many bytes one has.
pub(super) const WIDTH: usize = size_of::<Sketch>();

const _: () = assert!(WIDTH == LINE);

/// So many lie one behind the other at first.
const FIRST: usize = 4_096;

impl Sketches {
    pub(super) fn new() -> Self {
        Sketches::Own(Pieces::new(1, FIRST))
    }

    /// The sketch of a slot; none of its bits, where there is none.
    #[inline(always)]
    pub(super) fn get<const CHECK: bool>(&self, slot: u32) -> Sketch {
        match self {
            Sketches::Own(own) => own.row(slot as usize).first().map_or([0; _], Words::get),
            Sketches::Lent(rows) => {
                let mut sketch = Sketch::default();
                let row = rows.row::<CHECK>(slot as usize).as_chunks().0;
                for (word, bytes) in sketch.iter_mut().zip(row) {
                    *word = u64::from_le_bytes(*bytes);
                }
                sketch
            }
        }
    }

    /// In how many bits the sketch of a slot differs from another one.
    #[inline(always)]
    pub(super) fn apart<const CHECK: bool>(&self, slot: u32, other: &Sketch) -> u32 {
        match self {
            Sketches::Own(own) => {
                own.row(slot as usize).first().map_or_else(|| ones(other), |it| it.apart(other))
            }
            Sketches::Lent(_) => {
                let mut bits = 0;
                for (one, other) in self.get::<CHECK>(slot).iter().zip(other) {
                    bits += (one ^ other).count_ones();
                }
                bits
            }
        }
    }

    /// Says that the sketch of a slot will be asked soon.
    #[inline(always)]
    pub(super) fn fetch<I: Isa>(&self, isa: I, slot: u32) {
        match self {
            Sketches::Own(own) => isa.fetch(own.row(slot as usize)),
            Sketches::Lent(rows) => isa.fetch(rows.row::<false>(slot as usize)),
        }
    }

    /// Keeps the sketch of a slot, if they are our own.
    pub(super) fn put(&self, slot: u32, sketch: &Sketch) {
        if let Sketches::Own(own) = self {
            own.make(slot as usize).iter().for_each(|words| words.put(sketch));
        }
    }

    /// A copy of those of these slots.
    pub(super) fn copied(&self, slots: impl Iterator<Item = u32>) -> Self {
        let copy = Sketches::new();
        slots.for_each(|slot| copy.put(slot, &self.get::<false>(slot)));
        copy
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Sketches::Own(own) => own.bytes(),
            Sketches::Lent(_) => 0,
        }
    }
}

/// How many bits of a sketch are set.
#[cold]
fn ones(sketch: &Sketch) -> u32 {
    sketch.iter().map(|word| word.count_ones()).sum()
}
