//! What an LSH index is made of: lying in an image, or our own, which may change.

use std::sync::{Arc, OnceLock, PoisonError};

use base::Slot;
use crossbeam_utils::sync::ShardedLock;

use super::layout::Layout;
use super::rotate::Block;
use super::shape::Shape;
use super::sketches::Sketches;
use super::space::Space;
use super::tables::{Bits, Run};
use super::tune::Tuning;
use crate::Metric;
use crate::codes::Codes;
use crate::lanes::LANES;
use crate::lent::LentRows;
use crate::shared::{Readers, SharedSet};
use crate::slots::{Slots, WORD};

/// Slots, their codes, if they have any, and the tables.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) slots: Slots,
    pub(super) codes: Option<Codes>,
    /// Slots that are in no table yet: all of them are looked at. A slot is taken out of it when tables that have it are there.
    pub(super) fresh: Bits,
    /// Those that searches go by, once there are any. It is held only for as long as it takes to read or to write an address.
    tables: ShardedLock<Option<Arc<Tables>>>,
}

/// Tables, as they are at some time: others take their place, and these stay as they are.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) laid: Arc<Laid>,
    pub(super) sketches: Arc<Sketches>,
    /// The largest first.
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) tuning: Option<Tuning>,
}

/// What makes the hashes of tables: it is made when it is first needed.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) shape: Shape,
    pub(super) radius: f32,
    metric: Metric,
    seed: u64,
    /// What is in the middle, where that lies in an image, by numbers of so many.
    centre: Option<(LentRows, usize)>,
    layout: OnceLock<Layout>,
}

impl Laid {
    /// One that was made.
    pub(super) fn new(layout: Layout, metric: Metric, seed: u64) -> Self {
        let (shape, radius) = (layout.shape.clone(), layout.space.radius);
        Laid { shape, radius, metric, seed, centre: None, layout: layout.into() }
    }

    /// One whose centre lies in an image.
    pub(super) fn lent(
        (shape, metric): (Shape, Metric),
        (seed, radius): (u64, f32),
        (centre, dim): (LentRows, usize),
    ) -> Self {
        let centre = Some((centre, dim));
        Laid { shape, radius, metric, seed, centre, layout: OnceLock::new() }
    }

    pub(super) fn get(&self) -> &Layout {
        self.layout.get_or_init(|| {
            let (rows, dim) = self.centre.as_ref().map_or((None, 0), |it| (Some(&it.0), it.1));
            let row = |at| rows.map_or(&[][..], |rows| rows.row::<true>(at)).as_chunks().0;
            let of_row = |at| (0..LANES).map(move |lane| row(at).get(lane).copied());
            let numbers = (0..dim.div_ceil(LANES)).flat_map(of_row);
            let number = |bytes: Option<[u8; 4]>| bytes.map_or(0.0, f32::from_le_bytes);
            let centre = numbers.map(number).take(dim).collect();
            let space = Space::new(self.metric, centre, self.radius);
            Layout::new(self.shape.clone(), space, self.seed)
        })
    }

    /// A copy of our own.
    fn copied(&self) -> Self {
        let space = self.get().space.clone();
        let layout = Layout::new(self.shape.clone(), space, self.seed);
        Laid::new(layout, self.metric, self.seed)
    }
}

/// How many blocks of numbers the centre of so many takes.
pub(super) fn centre_rows(dim: usize) -> (usize, usize) {
    (dim.div_ceil(LANES), size_of::<Block>())
}

impl Tables {
    /// How many slots the tables have, void ones among them.
    pub(super) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len).sum()
    }

    /// How many of those were given back since.
    pub(super) fn void(&self) -> usize {
        self.runs.iter().map(|run| run.void.len()).sum()
    }

    fn bytes(&self) -> usize {
        let numbers = self.laid.shape.rotations() * self.laid.shape.size;
        let runs = self.runs.iter().map(|run| run.bytes()).sum::<usize>();
        let laid = self.laid.layout.get().map_or(0, |_| numbers * size_of::<f32>());
        self.sketches.bytes() + runs + laid
    }
}

impl Body {
    pub(super) fn of(
        slots: Slots,
        codes: Option<Codes>,
        fresh: Bits,
        tables: Option<Tables>,
    ) -> Self {
        Body { slots, codes, fresh, tables: ShardedLock::new(tables.map(Arc::new)) }
    }

    /// An empty one, with codes if there is a metric for them.
    pub(super) fn new(dim: usize, coded: Option<Metric>, readers: &Arc<Readers>) -> Self {
        let codes = coded.map(|metric| Codes::new(dim, metric, readers));
        Body::of(Slots::new(), codes, Bits::Own(SharedSet::new()), None)
    }

    /// The tables that there are now.
    pub(super) fn tables(&self) -> Option<Arc<Tables>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts others in their place, and answers with those.
    pub(super) fn publish(&self, tables: Tables) -> Option<Arc<Tables>> {
        let mut place = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        place.replace(Arc::new(tables))
    }

    /// Notes that a slot is to be given back: nothing of it counts any more.
    pub(super) fn forget(&self, slot: Slot) {
        self.fresh.own().map(|fresh| fresh.remove(slot));
        if let Some(tables) = self.tables() {
            tables.runs.iter().for_each(|run| run.give_back(slot));
        }
    }

    /// A copy of our own.
    pub(super) fn copied(&self, readers: &Arc<Readers>) -> Self {
        let words = self.slots.words();
        let pin = readers.pin();
        let codes = self.codes.as_ref().map(|it| it.copied(self.slots.all(), readers, &pin));
        let tables = self.tables().map(|tables| {
            let Tables { laid, sketches, runs, tuning } = &*tables;
            let run = |run: &Arc<Run>| Arc::new(run.copied(laid.shape.tables, words));
            let all = 0..(words * WORD) as u32;
            Tables {
                laid: Arc::new(laid.copied()),
                sketches: Arc::new(sketches.copied(all)),
                runs: runs.iter().map(run).collect(),
                tuning: tuning.clone(),
            }
        });
        Body::of(self.slots.copied(), codes, self.fresh.copied(words), tables)
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        let tables = self.tables().map_or(0, |tables| tables.bytes());
        self.slots.bytes() + self.fresh.bytes() + codes + tables
    }
}
